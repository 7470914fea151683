"""Ultralytics' ``results.csv``: padded headers, the layouts of YOLOv5 and of v8 and later.

The loss is recorded in parts that are weighted already (box, obj, cls, dfl, seg ...), so the
loss that training minimises is their sum; that sum is the curve, one column a set. Ultralytics
itself looks at its fitness, which is not recorded: that is a column too.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from earlystop_lab.curves import Mode, Role
from earlystop_lab.sources.logs._cells import is_number
from earlystop_lab.sources.logs._columns import Column, Log
from earlystop_lab.sources.logs._reading import Source
from earlystop_lab.sources.logs.tables import has_columns, read_table

_WEIGHTS = {
    r"metrics/mAP_?(?:50|0\.5)(?:\([A-Z]\))?": 0.1,
    r"metrics/mAP_?(?:50-95|0\.5:0\.95)(?:\([A-Z]\))?": 0.9,
    r"metrics/accuracy_top[15]": 0.5,
}


def recognises(source: Source) -> bool:
    return has_columns(source, "epoch", "train/.*loss", "val/.*loss", "metrics/.*")


def read(source: Source) -> list[Log]:
    log = read_table(source)
    roles: dict[Role, str] = {}
    of_set: dict[Role, list[str]] = {
        role: [n.partition("/")[2] for n in log.columns if re.fullmatch(f"{role}/.*loss", n)]
        for role in ("train", "val")
    }
    shared = [part for part in of_set["train"] if part in of_set["val"]]
    lone = [f"{role}/{p}" for role, parts in of_set.items() for p in parts if p not in shared]
    if shared and lone:
        log.notes.append(f"only part of the loss: {', '.join(lone)} left out, in one set alone")
    for role, own in of_set.items():
        parts = [f"{role}/{part}" for part in shared or own]
        roles[role] = total = "+".join(parts)
        if len(parts) > 1:
            log.columns[total] = _sum(log, parts)
            log.notes.append(f"{role} is the sum of its weighted parts {', '.join(parts)}")
    if weights := _fitness(log):
        log.columns["fitness"] = _sum(log, list(weights), list(weights.values()))
    modes: dict[str, Mode] = {"fitness": "max"}
    sets = {"fitness": "val"}
    measures = dict.fromkeys(roles.values(), (None, "loss"))
    units = {"time": "s"}
    return [replace(log, roles=roles, sets=sets, modes=modes, measures=measures, units=units)]


def _fitness(log: Log) -> dict[str, float]:
    """The columns of which Ultralytics makes the fitness that it stops by, with their weights.

    Of boxes and of masks or poses beside them, 0.1 mAP50 + 0.9 mAP50-95 each; of a classifier the
    mean of the top-1 and the top-5 accuracy.
    """
    found = {}
    for name in log.columns:
        for pattern, weight in _WEIGHTS.items():
            if re.fullmatch(pattern, name):
                found[name] = weight
    return found


def _sum(log: Log, parts: Sequence[str], weights: Sequence[float] = ()) -> Column:
    """The sum of the parts; a part that is no number stands for it, to be refused by name."""
    numbers = [log.numbers(part) for part in parts]
    total = np.zeros(len(log))
    for each, weight in zip(numbers, weights or [1.0] * len(parts), strict=True):
        total += weight * each.in_rows(len(log))[0]
    whole = np.all([each.in_rows(len(log))[1] for each in numbers], axis=0)
    cells = pa.array(total, mask=~whole)
    rows = np.arange(len(log))
    wrong = {row for each in numbers for row in each.wrong}
    if not wrong:
        return Column(cells, rows)
    summed = cells.to_pylist()
    stand = [log.cells(part) for part in parts]
    for row in wrong:
        summed[row] = next(of[row] for of in stand if not is_number(of[row]))
    return Column(summed, rows)
