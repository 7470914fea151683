"""Conversion of runs, given as mappings or data frames, to the columns of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from earlystop_lab._common.checks import is_number
from earlystop_lab.curves.channels import NAMED, arrow_errors, canonical, unencoded


def row_of(index: int, run: Mapping[str, Any]) -> dict[str, Any]:
    """One run as arrays and scalars; raises for errors that can be seen in a single run."""
    if not isinstance(run, Mapping):
        raise ValueError(f"run {index}: expected a mapping with lists, got {type(run).__name__}")
    name = str(index if run.get("run") is None else run["run"])
    row: dict[str, Any] = {"run": name}
    for key, value in run.items():
        own = canonical(str(key)) if _is_list(value) else str(key)
        if own in row and own != "run":
            raise ValueError(f"run {name!r}: duplicate {own!r}, also named {key!r}")
        if value is not None and (own in NAMED or _is_list(value)):
            row[own] = _numbers(name, own, value)
        elif own != "run":
            row[own] = value
    if not any(isinstance(cell, np.ndarray) for key, cell in row.items() if key != "epoch"):
        has = ", ".join(map(str, run)) or "nothing"
        raise ValueError(
            f"run {name!r}: expected at least one channel, a list such as 'val'; it has {has}"
        )
    return row


def _is_list(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    if isinstance(value, (list, tuple, range)):
        return True
    return hasattr(value, "__array__") and np.ndim(value) > 0


def _numbers(run: str, column: str, values: Any) -> NDArray[Any]:
    """The list as an array, masked where it has None."""
    if not isinstance(values, (list, np.ndarray)):
        values = _with_own_nulls(values)
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


def _with_own_nulls(values: Any) -> Any:
    """A column of pandas, Arrow or polars, masked at nulls, which numpy would convert to NaN."""
    if isinstance(values, pd.Series):
        values = values.array
    if hasattr(values, "__arrow_array__"):
        values = pa.array(values)
    elif hasattr(values, "__arrow_c_stream__"):
        values = pa.chunked_array(values)
    if not isinstance(values, (pa.Array, pa.ChunkedArray)):
        return values
    array = values.to_numpy(zero_copy_only=False)
    return np.ma.array(array, mask=np.asarray(values.is_null())) if values.null_count else array


def list_array(name: str, cells: Sequence[Any], rows: Sequence[Mapping[str, Any]]) -> pa.Array:
    """Ragged arrays as one Arrow list array, with null where they are masked."""
    for row, cell in zip(rows, cells, strict=True):
        if cell is not None and not isinstance(cell, np.ndarray):
            raise ValueError(
                f"run {row['run']!r}, column {name!r}: expected a list of numbers, as in "
                f"other runs, got {type(cell).__name__}"
            )
    given = [cell for cell in cells if cell is not None]
    dtype = np.result_type(*given) if given else np.dtype(np.float64)
    lengths = [0 if cell is None else len(cell) for cell in cells]
    masked = [cell for cell in given if isinstance(cell, np.ma.MaskedArray)]
    some = any(np.ma.getmaskarray(cell).any() for cell in masked)
    field = pa.field("element", pa.from_numpy_dtype(dtype), nullable=some)
    mask = np.concatenate([np.ma.getmaskarray(cell) for cell in given]) if some else None
    plain = map(np.ma.getdata, given) if masked else given
    values = np.concatenate([*plain, np.empty(0, dtype)])
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
    kinds = sorted({type(cell).__name__ for cell in cells})
    mixed = f"mixed types ({', '.join(kinds)}); use a single type: " if len(kinds) > 1 else ""
    with arrow_errors(f"metadata {name!r}: {mixed}".rstrip(": ")):
        return pa.array(cells)


def table_of_frame(frame: pd.DataFrame) -> pa.Table:
    """Convert a data frame with one row per run to a table; NaN in its lists stays NaN.

    Arrow itself would convert NaN to null, so a diverged run would look as if nothing had been
    measured.
    """
    columns = {}
    for name, cells in frame.items():
        with arrow_errors(f"column {str(name)!r}"):
            if cells.dtype == object and any(isinstance(c, (list, np.ndarray)) for c in cells):
                lists = [None if np.ndim(cell) == 0 else cell for cell in cells]
                columns[str(name)] = pa.array(lists)
            else:
                columns[str(name)] = pa.Array.from_pandas(cells)
    return pa.table(columns)


def table_of_rows(frame: Any, run: str, epoch: str) -> pa.Table:
    """Convert a data frame with one row per check; see :meth:`CurveSet.from_frame`."""
    if isinstance(frame, pd.DataFrame):
        columns = {}
        for name, cells in frame.items():
            # in numpy floats, NaN is a measured value here as well
            plain = isinstance(cells.dtype, np.dtype) and cells.dtype.kind == "f"
            with arrow_errors(f"from_frame: column {str(name)!r}"):
                columns[str(name)] = pa.array(cells.to_numpy()) if plain else pa.array(cells)
        table = pa.table(columns)
    else:
        table = unencoded(pa.table(frame))
    if run not in table.column_names:
        raise ValueError(
            f"from_frame: run = {run!r} is not a column; the frame has {_names(table)}"
        )
    with arrow_errors(f"from_frame: column {run!r}"):
        ids = table[run].cast(pa.string()).combine_chunks()
    if ids.null_count:
        at = int(pc.index(pc.is_null(ids), True).as_py())
        raise ValueError(f"from_frame: row {at}, column {run!r}: missing run id")
    encoded = pc.dictionary_encode(ids)
    codes, names = encoded.indices.to_numpy(), encoded.dictionary
    positions = np.zeros(len(codes))
    if epoch in table.column_names:
        positions = _positions(table[epoch], epoch)
    order = np.lexsort((positions, codes))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=len(names)))])
    made: dict[str, pa.Array] = {"run": names}
    for name in table.column_names:
        if name == run:
            continue
        with arrow_errors(f"from_frame: column {name!r}"):
            cells = table[name].combine_chunks().take(order)
        own = "epoch" if name == epoch else canonical(name)
        if own in made:
            raise ValueError(f"from_frame: duplicate column {own!r}, also named {name!r}")
        firsts = cells.take(offsets[:-1])
        numbers = pa.types.is_floating(cells.type) or pa.types.is_integer(cells.type)
        if own in NAMED and not numbers:
            raise ValueError(f"from_frame: column {name!r}: expected numbers, found {cells.type}")
        of_runs = own not in NAMED and not pa.types.is_floating(cells.type)
        with arrow_errors(f"from_frame: column {name!r}"):
            changes = _changes(cells, firsts, offsets) if of_runs else None
        if of_runs and changes is None:
            made[own] = firsts
        elif numbers:
            made[own] = _lists(cells, offsets)
        else:
            raise ValueError(
                f"from_frame: run {names[changes].as_py()!r}, column {name!r}: expected numbers, "
                "or the same value in all rows of a run"
            )
    lists = [cells for own, cells in made.items() if own != "epoch" and _is_lists(cells)]
    nothing = np.logical_and.reduce([cells.is_null().to_numpy(False) for cells in lists])
    if lists and nothing.any():
        name = names[int(nothing.argmax())].as_py()
        raise ValueError(f"from_frame: run {name!r}: has no measured value in any row")
    return pa.table(made)


def _is_lists(cells: pa.Array) -> bool:
    kind: bool = pa.types.is_list(cells.type)
    return kind


def _names(table: pa.Table) -> str:
    return ", ".join(table.column_names) or "none"


def _positions(column: pa.ChunkedArray, name: str) -> NDArray[np.float64]:
    if column.null_count:
        at = int(pc.index(pc.is_null(column), True).as_py())
        raise ValueError(f"from_frame: row {at}, column {name!r}: missing position")
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        raise ValueError(f"from_frame: column {name!r}: expected positions, found {column.type}")
    return column.cast(pa.float64()).to_numpy()


def _changes(cells: pa.Array, firsts: pa.Array, offsets: NDArray[np.int64]) -> int | None:
    """The first run in which the cells are not all equal; None if they are in every run."""
    if pa.types.is_null(cells.type):
        return None
    runs = np.repeat(np.arange(len(firsts)), np.diff(offsets))
    expected = firsts.take(runs)
    same = pc.fill_null(pc.equal(cells, expected), False)
    same = pc.or_(same, pc.and_(pc.is_null(cells), pc.is_null(expected)))
    wrong = np.flatnonzero(~same.to_numpy(zero_copy_only=False))
    return int(runs[wrong[0]]) if len(wrong) else None


def _lists(values: pa.Array, offsets: NDArray[np.int64]) -> pa.Array:
    """Values as one list per run; a run without values has no list."""
    measured = np.concatenate([[0], np.cumsum(values.is_valid().to_numpy(zero_copy_only=False))])
    lacks = np.diff(measured[offsets]) == 0
    lists = pa.LargeListArray.from_arrays(pa.array(offsets), values, mask=pa.array(lacks))
    return lists.cast(pa.list_(values.type))
