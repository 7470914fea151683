"""Ultralytics' ``results.csv``: padded headers, the layouts of YOLOv5 and of v8 and later.

The loss is recorded in parts that are weighted already (box, obj, cls, dfl, seg ...), so the
loss that training minimises is their sum; that sum is the curve, one column a set.
"""

from __future__ import annotations

from earlystop_lab.sources.logs._reading import Log, LogError, Role, Source, number
from earlystop_lab.sources.logs.tables import has_columns, read_table


def recognises(source: Source) -> bool:
    return has_columns(source, "epoch", "train/.*loss", "val/.*loss", "metrics/.*")


def read(source: Source) -> list[Log]:
    log = read_table(source)
    roles: dict[Role, str] = {}
    for role in ("train", "val"):
        parts = [n for n in log.columns if n.startswith(f"{role}/") and n.endswith("loss")]
        roles[role] = total = "+".join(parts)
        if len(parts) > 1:
            log.rows = [(i, {**cells, total: _sum(cells, parts)}) for i, cells in log.rows]
            log.notes.append(f"{role} is the sum of its weighted parts {', '.join(parts)}")
    return [Log(log.rows, roles=roles, notes=log.notes, skipped=log.skipped)]


def _sum(cells: object, parts: list[str]) -> object:
    """The sum of the parts; a part that is no number stands for it, to be refused by name."""
    assert isinstance(cells, dict)
    total = 0.0
    for part in parts:
        try:
            value = number(cells.get(part))
        except LogError:
            return cells[part]
        if value is None:
            return None
        total += value
    return total
