"""Runs as files: each a curve set with one run in Parquet, written atomically."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from earlystop_lab._common.names import file_in
from earlystop_lab.curves import CurveSet, read_curves
from earlystop_lab.live.watch.posts import Channels
from earlystop_lab.live.watch.runs import Run

#: the key under which a file says that it was written here
_MARK = b"earlystop watch"


#: the curve set of a run at one moment, and what else is needed to continue it
Snapshot = tuple[dict[str, Any], Channels, dict[str, Any]]


def snapshot(run: Run) -> Snapshot:
    """The run as it is now; nothing in it changes any more."""
    assert run.channels is not None, "a run has channels before it has checks"
    curves = {name: run.masked(name) for name in run.names}
    row = {"run": run.name, **curves}
    return row, run.channels, {"called": run.called, "number": run.number}


def save(run: Snapshot, folder: Path, event: int) -> None:
    """Write the run, which includes everything in the journal up to that event."""
    row, channels, about = run
    mark = json.dumps({"event": event, **about})
    table = CurveSet.from_runs([row], channels=channels).table
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), _MARK: mark})
    CurveSet(table).write(file_in(folder, row["run"]))


def saved(folder: Path) -> Iterator[Path]:
    """The files that were written by :func:`save`, the last changed first."""
    for path in sorted(folder.glob("*.parquet"), key=lambda path: -path.stat().st_mtime_ns):
        if _mark(path) is not None:
            yield path


def load(path: Path, criteria: Sequence[str]) -> tuple[Run, int]:
    """The run in a file, and the last event of the journal that it includes.

    Raises ``ValueError`` or ``OSError`` if it cannot be read.
    """
    mark = _mark(path)
    if mark is None:
        raise ValueError(f"{path}: not a run saved by earlystop watch")
    run = Run(mark["called"], mark["number"], criteria)
    (curve,) = curves = read_curves(path)
    told = curves.meta.iloc[0]
    chosen = {name: curves.about(name) for name in ("epoch", *curve.channels)}
    for name in ("val", "train"):
        # in the format of an earlier version
        if name in chosen and f"{name}_channel" in told:
            chosen[name] = chosen[name]._replace(source=told[f"{name}_channel"])
    run.follow(curve, chosen, [])
    run.began = run.changed = run.heard = path.stat().st_mtime
    # an earlier version counted differently, and its journal is not read
    return run, mark.get("event", 0)


def _mark(path: Path) -> dict[str, Any] | None:
    try:
        mark: dict[str, Any] = json.loads((pq.read_schema(path).metadata or {})[_MARK])
    except (pa.ArrowException, OSError, KeyError, ValueError):
        return None
    return mark
