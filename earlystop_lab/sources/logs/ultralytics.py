"""Ultralytics' ``results.csv``: padded headers, the layouts of YOLOv5 and of v8 and later.

The loss is recorded in parts that are weighted already (box, obj, cls, dfl, seg ...), so the
loss that training minimises is their sum; that sum is the curve, one column a set.
"""

import re
from collections.abc import Mapping
from typing import Any

from earlystop_lab.sources.logs._reading import Log, Role, Source, is_number, number
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
            log.rows = [(i, {**cells, total: _sum(cells, parts)}) for i, cells in log.rows]
            log.notes.append(f"{role} is the sum of its weighted parts {', '.join(parts)}")
    return [Log(log.rows, roles=roles, notes=log.notes, skipped=log.skipped)]


def _sum(cells: Mapping[str, Any], parts: list[str]) -> object:
    """The sum of the parts; a part that is no number stands for it, to be refused by name."""
    values = [cells.get(part) for part in parts]
    others = [cell for cell in values if not is_number(cell)]
    return others[0] if others else sum(number(cell) or 0.0 for cell in values)
