"""Runs given as mappings, made into the columns of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from earlystop_lab._common.checks import is_number
from earlystop_lab.curves.channels import NAMED, canonical


def row_of(index: int, run: Mapping[str, Any]) -> dict[str, Any]:
    """One run as arrays and scalars; what only the run itself can show wrong is refused here."""
    if not isinstance(run, Mapping):
        raise ValueError(f"run {index}: expected a mapping with lists, got {type(run).__name__}")
    name = str(index if run.get("run") is None else run["run"])
    row: dict[str, Any] = {"run": name}
    for key, value in run.items():
        own = canonical(str(key)) if _is_list(value) else str(key)
        if own in row and own != "run":
            raise ValueError(f"run {name!r}: {own!r} is given twice, also as {key!r}")
        if value is not None and (own in NAMED or _is_list(value)):
            row[own] = _numbers(name, own, value)
        elif own != "run":
            row[own] = value
    if not any(isinstance(cell, np.ndarray) for key, cell in row.items() if key != "epoch"):
        has = ", ".join(map(str, run)) or "nothing"
        raise ValueError(f"run {name!r}: no channel, a list such as 'val'; it has {has}")
    return row


def _is_list(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, (list, tuple, range, pd.Series))


def _numbers(run: str, column: str, values: Any) -> NDArray[Any]:
    """The list as an array, masked where it has None."""
    masked = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else None
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        array = np.array(None)
    if array.dtype == object and array.ndim == 1:
        missing = np.array([cell is None for cell in array], np.bool_)
        if all(is_number(cell) for cell in array[~missing]):
            array = np.where(missing, np.nan, array).astype(np.float64)
            masked = missing if masked is None else masked | missing
    if array.ndim != 1 or array.dtype.kind not in "fiu":
        listed = values if isinstance(values, Sequence) and not isinstance(values, str) else array
        cells = listed if np.ndim(array) <= 1 and np.iterable(listed) else []
        wrong = (i for i, cell in enumerate(cells) if not (cell is None or is_number(cell)))
        position = next(wrong, None)
        at = "" if position is None else f", position {position}"
        raise ValueError(f"run {run!r}, column {column!r}{at}: expected a list of numbers")
    if column == "epoch" and masked is not None and masked.any():
        at = f", position {int(masked.argmax())}"
        raise ValueError(f"run {run!r}, column {column!r}{at}: expected a position, found None")
    if array.dtype != np.float32 or column == "epoch":
        array = array.astype(np.float64)
    if column == "epoch" and np.all(array == np.floor(array)) and np.all(np.abs(array) < 2**53):
        array = array.astype(np.int64)
    return array if masked is None else np.ma.array(array, mask=masked)


def list_array(name: str, cells: Sequence[Any], rows: Sequence[Mapping[str, Any]]) -> pa.Array:
    """Ragged arrays as one Arrow list array; null where they are masked."""
    for row, cell in zip(rows, cells, strict=True):
        if cell is not None and not isinstance(cell, np.ndarray):
            raise ValueError(
                f"run {row['run']!r}, column {name!r}: expected a list of numbers, got "
                f"{type(cell).__name__}: other runs have a list"
            )
    given = [cell for cell in cells if cell is not None]
    dtype = np.result_type(*given) if given else np.dtype(np.float64)
    lengths = [0 if cell is None else len(cell) for cell in cells]
    masks = [np.ma.getmaskarray(cell) for cell in given if isinstance(cell, np.ma.MaskedArray)]
    some = any(mask.any() for mask in masks)
    field = pa.field("element", pa.from_numpy_dtype(dtype), nullable=some)
    mask = np.concatenate([np.ma.getmaskarray(cell) for cell in given]) if some else None
    values = np.concatenate([*(np.ma.getdata(cell) for cell in given), np.empty(0, dtype)])
    return pa.ListArray.from_arrays(
        pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)),
        pa.array(values, mask=mask),
        type=pa.list_(field),
        mask=pa.array([cell is None for cell in cells], pa.bool_()),
    )


def metadata_array(name: str, cells: list[Any], rows: list[dict[str, Any]]) -> pa.Array:
    for row, cell in zip(rows, cells, strict=True):
        if isinstance(cell, (list, tuple, dict, set, np.ndarray)):
            raise ValueError(
                f"run {row['run']!r}, metadata {name!r}: expected one scalar or a list of numbers, "
                f"got {type(cell).__name__}"
            )
    try:
        return pa.array(cells)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        kinds = ", ".join(sorted({type(cell).__name__ for cell in cells}))
        raise ValueError(f"metadata {name!r}: mixed types ({kinds}); give one type") from error


def table_of_frame(frame: pd.DataFrame) -> pa.Table:
    """A frame with a row a run as a table; NaN in its lists stays NaN.

    Arrow, asked for a table of a frame, takes it for null: a diverged run would not have been
    measured.
    """
    columns = {}
    for name, cells in frame.items():
        if cells.dtype == object and any(isinstance(cell, (list, np.ndarray)) for cell in cells):
            lists = [None if np.ndim(cell) == 0 else cell for cell in cells]
            columns[str(name)] = pa.array(lists)
        else:
            columns[str(name)] = pa.Array.from_pandas(cells)
    return pa.table(columns)
