"""JSON Lines by Arrow's reader, which reads plain ones as :func:`parse_json` does."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json

from earlystop_lab.sources.logs._columns import Column, IntArray, Log

_NOT_PLAIN = bytes({*range(256)} - {*b"\n\r", *range(32, 127)})
_CHUNK = 2**20


def read_plain(data: bytes, levels: int) -> Log | None:
    """A row for every line, inner objects unfolded so many levels down.

    None where a line is no object, where something else than ASCII or lists are in it, or where a
    column holds text in one row and a number in another.
    """
    if not _is_plain(data):
        return None
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    try:
        # piece by piece: that reader takes several times the memory of what it reads
        pieces = [_arrow(piece) for piece in _pieces(data)]
        table = pa.concat_tables(pieces, promote_options="permissive")
    except pa.ArrowException:
        return None
    rows = np.arange(table.num_rows)
    columns = list(_unfolded(table, levels))
    names = {name for name, _ in columns}
    lists = any(pa.types.is_nested(cells.type) for _, cells in columns)
    if table.num_rows != lines or len(names) < len(columns) or lists:
        return None
    # an integer that is too large for a float is infinite to that reader
    floats = [cells for _, cells in columns if pa.types.is_floating(cells.type)]
    if sum(pc.sum(pc.is_inf(cells)).as_py() or 0 for cells in floats) != data.count(b"Infinity"):
        return None
    return Log(rows + 1, {name: _column(cells, rows) for name, cells in columns})


def _is_plain(data: bytes) -> bool:
    if not data.startswith(b"{"):
        return False
    # so each line holds whole objects, and as many rows as lines are one each
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    end = b"}\r\n" if data.endswith(b"\r\n") else b"}\n"
    begun, ended = data.count(b"\n{"), data.count(end)
    if begun != lines - 1:
        return False
    if ended + (not data.endswith(b"\n")) != lines or not data[-3:].rstrip().endswith(b"}"):
        return False
    if data.count(b"\r") != (ended if end == b"}\r\n" else 0):
        return False
    # Arrow also takes Inf
    if data.count(b"Inf") != data.count(b"Infinity"):
        return False
    chunks = (data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK))
    return all(len(chunk.translate(None, _NOT_PLAIN)) == len(chunk) for chunk in chunks)


def _pieces(data: bytes) -> Iterator[pa.Buffer]:
    whole, start = pa.py_buffer(data), 0
    while start < len(data):
        end = data.find(b"\n", start + _CHUNK) + 1 or len(data)
        yield whole.slice(start, end - start)
        start = end


def _arrow(piece: pa.Buffer) -> pa.Table:
    table = _read(piece, None)
    told = pa.schema([(field.name, _without_times(field.type)) for field in table.schema])
    # text that looks like a date is text
    return table if told == table.schema else _read(piece, told)


def _read(piece: pa.Buffer, schema: pa.Schema | None) -> pa.Table:
    return pyarrow.json.read_json(
        pa.BufferReader(piece),
        pyarrow.json.ReadOptions(use_threads=False, block_size=2 * _CHUNK),
        pyarrow.json.ParseOptions(explicit_schema=schema),
    )


def _without_times(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(kind):
        return pa.struct([(field.name, _without_times(field.type)) for field in kind])
    return pa.string() if pa.types.is_temporal(kind) else kind


def _unfolded(table: pa.Table, levels: int) -> Iterator[tuple[str, pa.ChunkedArray]]:
    for name, cells in zip(table.column_names, table.columns, strict=True):
        if levels and pa.types.is_struct(cells.type):
            names = [field.name for field in cells.type]
            inner = pa.table(cells.flatten(), names) if names else pa.table({})
            for own, part in _unfolded(inner, levels - 1):
                yield f"{name}/{own}", part
        else:
            yield name, cells


def _column(cells: pa.ChunkedArray, rows: IntArray) -> Column:
    """What is there: a key that a row lacks and null are both not measured."""
    whole = cells.combine_chunks()
    if whole.null_count:
        rows = rows[whole.is_valid().to_numpy(zero_copy_only=False)]
        whole = whole.drop_null()
    return Column(whole, rows)
