"""MLflow's SQLite store, the default since version 3: ``mlflow.db`` with every experiment.

It stores NaN as 0 with a flag, and an infinite value as the largest float.
"""

import math
import sys
from collections import Counter

from earlystop_lab.sources.logs._cells import LogError
from earlystop_lab.sources.logs._columns import Log
from earlystop_lab.sources.logs._reading import Source
from earlystop_lab.sources.logs._sqlite import columns, opened
from earlystop_lab.sources.logs.mlflow import Point, log_of_points

_RUNS = """
    SELECT runs.run_uuid, runs.name, experiments.name FROM runs
    JOIN experiments ON experiments.experiment_id = runs.experiment_id
    WHERE runs.lifecycle_stage = 'active' ORDER BY runs.start_time, runs.run_uuid
"""
_METRICS = """
    SELECT run_uuid, timestamp, step, key, value, is_nan FROM metrics
    ORDER BY timestamp, step, rowid
"""


def recognises(source: Source) -> bool:
    return {"runs.run_uuid", "metrics.is_nan", "experiments.name"} <= columns(source)


def read(source: Source) -> list[Log]:
    """Read every run that has metrics; a note counts the deleted ones."""
    if not recognises(source):
        raise LogError("not an MLflow SQLite database; expected the tables runs and metrics")
    points: dict[str, list[Point]] = {}
    counts = Counter[tuple[str, str]]()
    skipped: list[LogError] = []
    with opened(source) as database:
        runs = [(str(run), name, of) for run, name, of in database.execute(_RUNS)]
        for run, time, step, key, value, is_nan in database.execute(_METRICS):
            if not (isinstance(time, int) and isinstance(step, int) and isinstance(value, float)):
                skipped.append(LogError(f"metric {key}: a row has no valid time, step and value"))
                continue
            number = math.nan if is_nan else value
            if abs(number) == sys.float_info.max:
                number = math.copysign(math.inf, number)
            counts[run, key] += 1
            row = counts[run, key], {"step": step, str(key): number}
            points.setdefault(str(run), []).append((time, step, row))
    several = len({experiment for run, _, experiment in runs if run in points}) > 1
    names = {run: f"{of}/{name}" if several else str(name) for run, name, of in runs}
    times = Counter(names[run] for run in points if run in names)
    logs = [
        log_of_points(points[run], name if times[name] == 1 else f"{name} {run[:8]}")
        for run, name in names.items()
        if run in points
    ]
    if not logs:
        raise LogError("the MLflow database contains no run with metrics")
    logs[0].skipped += skipped
    if deleted := len({*points} - {*names}):
        source.notes.append(
            f"deleted runs left out: {deleted}; restore them in MLflow to import them"
        )
    return logs
