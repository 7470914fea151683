"""Tables of other shapes, turned into one row a check and one column a curve.

A *long* table has one number a row: its metric in one column, its value in another. A table may
also have train and validation on rows of their own, told apart by a column such as ``phase``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from earlystop_lab.sources.logs._channels import is_position, meaning
from earlystop_lab.sources.logs._reading import Log, Row
from earlystop_lab.sources.logs._values import BLANK, shown

_METRICS = ("metric", "metric_name", "key", "tag", "variable", "measure", "name")
_VALUES = ("value", "metric_value")
_SETS = ("phase", "split", "mode", "set", "subset", "stage", "partition", "dataset", "data", "type")


def wide(log: Log) -> Log:
    """The log with a column for every curve, where its rows tell sets or metrics apart."""
    key, value = _column(log, _METRICS), _column(log, _VALUES)
    if key is not None and value is not None:
        rows: list[Row] = [(i, _unfolded(cells, key, value)) for i, cells in log.rows]
        log = _other(log, rows, f"one number a row: {shown(key)} names the curve")
    name = _set_column(log)
    if name is None:
        return log
    rows = [(i, _labelled(cells, name)) for i, cells in log.rows]
    return _other(log, rows, f"{shown(name)} says which set a row is of")


def _other(log: Log, rows: list[Row], note: str) -> Log:
    # the rows of one curve may all come before those of the next
    return Log(rows, log.name, shared=False, notes=[*log.notes, note], skipped=log.skipped)


def _column(log: Log, names: tuple[str, ...]) -> str | None:
    lower = {name.lower(): name for name in reversed(log.columns)}
    return next((lower[name] for name in names if name in lower), None)


def _unfolded(cells: Mapping[str, Any], key: str, value: str) -> dict[str, Any]:
    rest = {name: cell for name, cell in cells.items() if name not in (key, value)}
    return {**rest, str(cells.get(key, "")): cells.get(value)}


def _set_column(log: Log) -> str | None:
    """A column all of whose cells are the names of sets."""
    for column in log.columns:
        if column.lower() not in _SETS:
            continue
        words = {_word(cells.get(column)) for _, cells in log.rows} - {""}
        if words and all(meaning(word).is_set for word in words):
            return column
    return None


def _word(cell: Any) -> str:
    return cell.strip() if isinstance(cell, str) and cell.strip().lower() not in BLANK else ""


def _labelled(cells: Mapping[str, Any], column: str) -> dict[str, Any]:
    """The row with its set in front of every name that says none itself."""
    own = _word(cells.get(column))
    return {
        name if not own or is_position(name) or meaning(name).role else f"{own}/{name}": cell
        for name, cell in cells.items()
        if name != column
    }
