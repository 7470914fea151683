"""Ultralytics' ``results.csv``: padded headers, the layouts of YOLOv5 and of v8 and later.

The loss is recorded in parts that are weighted already (box, obj, cls, dfl, seg ...), so the
loss that training minimises is their sum; that sum is the curve, one column a set.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa

from earlystop_lab.sources.logs._cells import is_number
from earlystop_lab.sources.logs._columns import Column, Log, Role
from earlystop_lab.sources.logs._reading import Source
from earlystop_lab.sources.logs.tables import has_columns, read_table


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
    return [replace(log, roles=roles)]


def _sum(log: Log, parts: Sequence[str]) -> Column:
    """The sum of the parts; a part that is no number stands for it, to be refused by name."""
    numbers = [log.numbers(part) for part in parts]
    total = sum((each.in_rows(len(log))[0] for each in numbers), np.zeros(len(log)))
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
