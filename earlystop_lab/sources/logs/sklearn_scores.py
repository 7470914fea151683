"""scikit-learn's ``ScoringMonitor`` callback: its log as CSV or JSON rows, one row per task.

The scores are measured on the training data. The row of a whole fit repeats its last iteration and
comes before the first; only tasks without subtasks are iterations.
"""

from dataclasses import replace

import numpy as np

from earlystop_lab.curves import Mode, Role
from earlystop_lab.sources.logs import generic
from earlystop_lab.sources.logs._cells import LogError
from earlystop_lab.sources.logs._columns import Log, grouped, numbered
from earlystop_lab.sources.logs._reading import Source
from earlystop_lab.sources.logs.tables import columns, read_table

_COLUMNS = ("task_id_path", "parent_task_id_path", "task_name", "task_id")
_OTHERS = frozenset({*_COLUMNS, "estimator_name", "sequential_subtasks", ""})


def recognises(source: Source) -> bool:
    names = generic.json_names(source) if source.is_json else columns(source)
    return {*_COLUMNS} <= {*names}


def read(source: Source) -> list[Log]:
    """Read one run per fit: the tasks of one parent, in the order of their numbers."""
    log = generic.json_rows(source) if source.is_json else read_table(source)
    if log is None or not {*_COLUMNS} <= {*log.columns}:
        raise LogError(f"expected the columns {', '.join(_COLUMNS)} of ScoringMonitor")
    paths, parents = log.cells("task_id_path", ""), log.cells("parent_task_id_path", "")
    whole = {*map(str, parents)}
    inner = [k for k, path in enumerate(paths) if str(path) not in whole]
    fits = [
        (name, np.array(inner)[rows])
        for name, rows in grouped(*numbered(str(parents[k]) for k in inner))
        if len(rows) > 1
    ]
    if not fits:
        raise LogError("the ScoringMonitor log contains no fit with more than one iteration")
    logs = [_fit(log.take(rows), name if len(fits) > 1 else "") for name, rows in fits]
    logs[0].skipped = log.skipped
    logs[0].notes += log.notes
    return logs


def _fit(log: Log, name: str) -> Log:
    scores = [n for n in log.columns if n not in _OTHERS and len(log.numbers(n).rows)]
    if not scores:
        raise LogError("the ScoringMonitor log contains no scores")
    modes: dict[str, Mode] = dict.fromkeys(scores, "max")
    roles: dict[Role, str] = {"val": scores[0]}
    kept = {n: log.columns[n] for n in ("task_id", *scores)}
    note = f"ScoringMonitor scores the training data; {scores[0]!r} is used as val"
    return replace(
        log,
        columns=kept,
        name=name,
        roles=roles,
        modes=modes,
        sets=dict.fromkeys(scores, "train"),
        position="task_id",
        unit="step",
        notes=[note],
    )
