"""Replay into a file, unit by unit, so that neither curves nor stops need to fit in memory."""

import errno
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from earlystop_lab._common.compiling import digest
from earlystop_lab._common.files import held, renamed, written_whole
from earlystop_lab.criteria import Rule
from earlystop_lab.curves.files import units
from earlystop_lab.engine.replaying import Plan, Restore, Stops, parts, plan, shown


def replay_to_file(
    curves: str | Path,
    criteria: Iterable[Rule | str] | Mapping[str, Rule | str],
    out: str | Path,
    *,
    restore: Restore = "best",
    select: str | None = None,
    n_jobs: int = 1,
    progress: bool = False,
    chunk_size: int | None = None,
) -> int:
    """Replay a file or folder of curves and write the stops, one row per run and criterion.

    If interrupted, repeat the same call to resume: finished units of the curves are kept in a
    folder next to ``out``. After a power failure, units that did not reach the disk are replayed
    again.

    Parameters
    ----------
    curves : str or Path
        A file or folder of curves.
    criteria, restore, select, n_jobs, chunk_size
        As in :func:`replay`.
    out : str or Path
        A name ending in .parquet or .csv. The columns are those of :meth:`Stops.to_frame`.
    progress : bool
        Whether to show a progress bar on stderr.

    Returns
    -------
    int
        The number of rows.

    Raises
    ------
    ValueError, OSError
        As :func:`replay`, or if ``out`` cannot be written.
    BusyError
        An ``OSError``: another process is writing ``out``.

    Examples
    --------

    >>> import tempfile
    >>> from earlystop_lab import CurveSet
    >>> folder = Path(tempfile.mkdtemp())
    >>> CurveSet.from_runs([{"val": [2.0, 1.0, 3.0]}]).write(folder / "curves.arrow")
    >>> replay_to_file(folder / "curves.arrow", ["Keras(1)", "GL(2)"], folder / "stops.csv")
    2
    """
    curves, out = Path(curves).resolve(), Path(out)
    if out.suffix not in (".parquet", ".csv"):
        raise ValueError(f"{out}: expected a name ending in .parquet or .csv")
    asked = plan(criteria, restore, chunk_size, select)
    key = _key(curves, asked)
    with held(out):
        folder = _begun(out, key)
        try:
            files = [*_finished_units(curves, asked, folder, n_jobs, progress)]
            with written_whole(out) as temporary:
                rows = _put_together(files, temporary)
        except OSError as error:
            if str(error.filename).startswith(str(folder)):
                raise renamed(error, out) from error
            raise
        except ValueError:  # a user error, which the same call would meet again
            shutil.rmtree(folder)
            raise
        shutil.rmtree(folder)
    return rows


def _finished_units(
    curves: Path, asked: Plan, folder: Path, n_jobs: int, progress: bool
) -> Iterator[Path]:
    """The stops of every unit, one file each; units that are not in the folder are replayed."""
    done = 0
    runs: set[str] = set()
    # up to the first that is missing: a folder that was being removed may have some of them
    while (found := _runs_of(file := _unit(folder, done))) is not None:
        _add(runs, found, curves)
        done += 1
        yield file
    results = parts(curves, asked, n_jobs=n_jobs, skip=done)
    for i, part in enumerate(shown(results, curves, progress), start=done):
        meta, look_up = part.meta.to_pandas(), part.looked_up.__getitem__
        frame = Stops(asked.texts, meta, look_up, part.about).to_frame()
        _add(runs, part.meta["run"].to_pylist(), curves)
        # many and quick to compute, unlike the time that the disk takes for each
        with written_whole(_unit(folder, i), durable=False) as temporary:
            frame.to_parquet(temporary, index=False, write_page_checksum=True)
        yield _unit(folder, i)
    if not runs:
        raise ValueError(f"replay: {curves} is empty; expected at least one run")


def _unit(folder: Path, number: int) -> Path:
    return folder / f"{number:08}.parquet"


def _runs_of(file: Path) -> list[str] | None:
    """The runs in the stops of a unit; None if it is missing or not as it was written."""
    try:
        table = pq.read_table(file, page_checksum_verification=True)
    except (OSError, pa.ArrowException):
        return None
    return list(dict.fromkeys(table["run"].to_pylist()))


def _key(curves: Path, asked: Plan) -> str:
    """What determines the result: the state of the files, the request, and the rules' code."""
    files = {str(unit.file) for unit in units(curves)}
    families = dict.fromkeys(leaf.family for rule in asked.rules for leaf in rule.leaves)
    stats = {file: [Path(file).stat().st_size, Path(file).stat().st_mtime_ns] for file in files}
    return json.dumps(
        {
            "version": version("earlystop_lab"),
            "files": dict(sorted(stats.items())),
            "criteria": asked.texts,
            "rules": [str(asked.rules[at]) for at in asked.columns],
            "code": digest(part for family in families for part in family.functions),
            "restore": str(asked.restore),
            "select": asked.select,
            "chunk_size": asked.chunk_size,
        }
    )


def _begun(out: Path, key: str) -> Path:
    """The folder for finished units: the one left by the same call, else a new one."""
    folder = out.with_name(f".{out.name}.partial")
    mark = folder / "key.json"
    if mark.is_file() and mark.read_text(encoding="utf-8") == key:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    if out.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(out))
    try:
        with written_whole(mark, durable=False) as temporary:
            temporary.write_text(key, encoding="utf-8")
    except OSError as error:  # it names the hidden folder instead of the output
        raise renamed(error, out) from error
    return folder


def _add(runs: set[str], more: list[str], curves: Path) -> None:
    for run in more:
        if run in runs:
            raise ValueError(f"{curves}: duplicate run id {run!r}")
        runs.add(run)


def _put_together(files: list[Path], out: Path) -> int:
    """Join the finished units into one file; returns the number of rows."""
    rows = 0
    # epochs may be integers in some units only, and likewise channels
    schema = pa.unify_schemas([pq.read_schema(f) for f in files], promote_options="permissive")
    if out.suffix == ".csv":
        for i, file in enumerate(files):
            frame = pd.read_parquet(file).reindex(columns=schema.names)
            frame.to_csv(out, index=False, header=not i, mode="a")
            rows += len(frame)
        return rows
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for file in files:
            parts = [schema.empty_table(), pq.read_table(file)]
            table = pa.concat_tables(parts, promote_options="permissive")
            writer.write_table(table)
            rows += table.num_rows
    return rows
