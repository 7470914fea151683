"""Files that no known logger wrote: JSON rows or JSON Lines, and Parquet."""

import io
from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from earlystop_lab.sources.logs._cells import LogError, is_curve
from earlystop_lab.sources.logs._columns import Column, Log, log_of_entries
from earlystop_lab.sources.logs._reading import Source, object_of


def json_rows(source: Source) -> Log | None:
    """Rows of JSON Lines or of a JSON list of objects; None where it is something else."""
    if not is_json(source):
        return None
    if source.records is not None:
        return source.records
    entries = _entries(source.document) or []
    wrong = "an entry is not an object"
    return log_of_entries(enumerate(entries, start=1), lambda entry: object_of(entry, wrong))


def _entries(document: Any) -> list[Any] | None:
    """The list of objects that a document is, or holds as its only one.

    pandas also writes an object of objects by row number, and columns with a list of rows.
    """
    if isinstance(document, list):
        return document if any(isinstance(entry, dict) for entry in document) else None
    if not isinstance(document, dict):
        return None
    if document and all(map(str.isdecimal, document)):
        rows = [row for row in document.values() if isinstance(row, dict)]
        numbers = [{"epoch": number} for number, row in document.items() if isinstance(row, dict)]
        return [{**at, **row} for at, row in zip(numbers, rows, strict=True)] or None
    if {"columns", "data"} <= document.keys() <= {"columns", "data", "index"}:
        names, rows = document["columns"], document["data"]
        if isinstance(names, list) and isinstance(rows, list):
            return [
                dict(zip(map(str, names), row, strict=True))
                if isinstance(row, list) and len(row) == len(names)
                else row
                for row in rows
            ]
    lists = [
        value
        for value in document.values()
        if isinstance(value, list) and value and isinstance(value[0], dict)
    ]
    return lists[0] if len(lists) == 1 and not any(map(is_curve, document.values())) else None


def is_json(source: Source) -> bool:
    """Whether :func:`json_rows` has rows of it."""
    if source.path.is_dir():
        return False
    return source.records is not None or _entries(source.document) is not None


def json_names(source: Source) -> Collection[str]:
    """The columns of the first of these rows; none where it is something else."""
    if not is_json(source):
        return ()
    if source.records is not None:
        return source.records.columns.keys()
    entries = _entries(source.document) or []
    return next((entry.keys() for entry in entries if isinstance(entry, dict)), ())


def read_json(source: Source) -> list[Log]:
    log = json_rows(source)
    if log is None:
        raise LogError("expected JSON Lines or a JSON list of objects, one per row")
    return [log]


def is_parquet(source: Source) -> bool:
    return source.data[:4] == b"PAR1" or source.suffix == ".parquet"


def read_parquet(source: Source) -> list[Log]:
    """Read a Parquet table with one row per check."""
    try:
        table = pq.read_table(io.BytesIO(source.data))
        columns = {name: _column(table.column(k)) for k, name in enumerate(table.column_names)}
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise LogError(f"the Parquet file cannot be read: {str(error)[:200]}") from error
    if any(pa.types.is_nested(column.type) for column in table.schema):
        raise LogError(
            "the Parquet table has lists in its cells; expected one row per check (to read a "
            "stored curve set, use read_curves)"
        )
    rows = np.arange(table.num_rows)
    return [Log(rows + 1, {name: Column(cells, rows) for name, cells in columns.items()})]


def _column(cells: pa.ChunkedArray) -> pa.Array | list[Any]:
    """Numbers as they are, and all else as Python has it."""
    if pa.types.is_integer(cells.type) or pa.types.is_floating(cells.type):
        return cells.combine_chunks()
    return cells.to_pylist()
