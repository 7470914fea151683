"""Records many training runs into one curve set, in parallel and without losing any.

Each finished run is written at once to ``<output>.partial/``. When all runs are there, they become
the output and the folder is removed. After an interruption, the same call trains only the missing
runs.
"""

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import joblib
from numpy.typing import ArrayLike
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from earlystop_lab._common.checks import require_jobs
from earlystop_lab._common.files import held, renamed
from earlystop_lab.curves import Channel, CurveSet, read_curves


class Job(NamedTuple):
    """One run to record: ``train(*arguments)`` returns its curves by name.

    ``meta`` is everything that is known about the run beforehand, including its id ``run``. It
    becomes the run's metadata, and a recorded run counts as this one only if all of it agrees.
    ``cost`` is the expected work in any unit, for estimating the remaining time.
    """

    meta: Mapping[str, Any]
    cost: float
    train: Callable[..., Mapping[str, ArrayLike]]
    arguments: tuple[Any, ...]


def record(
    jobs: Sequence[Job],
    path: str | Path,
    *,
    channels: Mapping[str, Channel] | None = None,
    n_jobs: int = 1,
    progress: bool = False,
) -> CurveSet:
    """Run all jobs and write their curves, in the order of ``jobs``, to ``path``.

    ``channels`` describes the curves, as in :meth:`CurveSet.from_runs`. ``path`` is as in
    :meth:`CurveSet.write`. A complete output is left unchanged. Raises ``ValueError`` if ``path``
    or its partial folder has other runs than these.
    """
    path = Path(path)
    if not path.name:
        raise ValueError(f"{str(path)!r} is not a valid name; expected a file or folder")
    if not jobs:
        raise ValueError("no runs to record: every list of settings needs at least one entry")
    require_jobs("n_jobs", n_jobs)
    ids = [job.meta["run"] for job in jobs]
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise ValueError(f"duplicate run {twice!r}; list every setting only once")
    with held(path):
        return _recorded(jobs, path, channels, n_jobs, progress)


def _recorded(
    jobs: Sequence[Job],
    path: Path,
    channels: Mapping[str, Channel] | None,
    n_jobs: int,
    progress: bool,
) -> CurveSet:
    ids = [job.meta["run"] for job in jobs]
    partial = path.with_name(path.name + ".partial")
    if path.exists():
        try:
            done = read_curves(path)
        except ValueError as error:
            raise ValueError(f"{path} exists and will not be replaced: {error}") from error
        _require_same(path, done, jobs)
        if len(done) != len(jobs):
            raise ValueError(
                f"{path} has {len(done)} runs, but this command makes {len(jobs)}; "
                "remove it or choose another output"
            )
        shutil.rmtree(partial, ignore_errors=True)
        return _in_order(done, ids)
    try:
        partial.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise renamed(error, path) from error
    files = [partial / f"{job.meta['run']}.parquet" for job in jobs]
    todo = []
    for job, file in zip(jobs, files, strict=True):
        if file.exists():
            _require_same(file, read_curves(file), [job])
        else:
            todo.append((job, file))
    try:
        _record_all(todo, jobs, n_jobs, progress)
    except BaseException:
        if not any(partial.iterdir()):
            partial.rmdir()
        raise
    runs = [{**job.meta, **_lists(file)} for job, file in zip(jobs, files, strict=True)]
    CurveSet.from_runs(runs, channels=channels).write(path)
    shutil.rmtree(partial)
    return _in_order(read_curves(path), ids)


def _in_order(curves: CurveSet, ids: list[str]) -> CurveSet:
    """The runs in the requested order; a folder has them by problem."""
    rows = {name: i for i, name in enumerate(curves.runs)}
    return CurveSet(curves.table.take([rows[name] for name in ids]))


def _record_all(
    todo: list[tuple[Job, Path]], jobs: Sequence[Job], n_jobs: int, progress: bool
) -> None:
    # the most expensive runs first, so that no core waits for a long last one
    todo.sort(key=lambda item: -item[0].cost)
    total = sum(job.cost for job in jobs)
    done = total - sum(job.cost for job, _ in todo)
    with Progress(
        TextColumn("training"),
        BarColumn(),
        TextColumn("{task.fields[runs]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(stderr=True),
        disable=not progress,
    ) as bar:
        count = len(jobs) - len(todo)
        task = bar.add_task("training", total=total, runs=f"{count}/{len(jobs)} runs")
        bar.update(task, completed=done)
        finished: Iterable[float] = joblib.Parallel(
            n_jobs=n_jobs, return_as="generator_unordered", pre_dispatch="2*n_jobs"
        )(joblib.delayed(_record_one)(job, file) for job, file in todo)
        for cost in finished:
            count += 1
            bar.update(task, advance=cost, runs=f"{count}/{len(jobs)} runs")


def _record_one(job: Job, file: Path) -> float:
    CurveSet.from_runs([{**job.meta, **job.train(*job.arguments)}]).write(file)
    return job.cost


def _lists(file: Path) -> dict[str, Any]:
    """The curves of a recorded run, in the type in which they were recorded."""
    curves = read_curves(file)
    names = [name for name in curves.table.column_names if name in ("epoch", *curves.names)]
    return {name: curves.table[name][0].values.to_numpy() for name in names}


def _require_same(where: Path, curves: CurveSet, jobs: Sequence[Job]) -> None:
    recorded = {row["run"]: row for row in curves.meta.to_dict("records")}
    for job in jobs:
        row = recorded.get(job.meta["run"])
        if row is None:
            raise ValueError(f"{where} has no run {job.meta['run']!r}; choose another output")
        for name, value in job.meta.items():
            if row.get(name) != value:
                raise ValueError(
                    f"{where}: run {job.meta['run']!r} was recorded with {name} = "
                    f"{row.get(name)!r}, but this command says {value!r}; "
                    "remove it or choose another output"
                )
