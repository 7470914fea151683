"""A log as read from a format: columns, each with the log rows that its cells are in."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from earlystop_lab.curves import FloatArray, Mode, Role
from earlystop_lab.sources.logs._cells import BLANK, LONGEST_NUMBER, LogError, number, shown

IntArray = NDArray[np.int64]
#: cells that are packed together
_PIECE = 2**14
#: a line or entry number, and what was recorded there by column; a column left out was not measured
Row = tuple[int, Mapping[str, Any]]


class Numbers(NamedTuple):
    """The numbers of a column. A cell that is blank is in neither of the two."""

    #: the rows that have a number, NaN and infinity included, in order
    rows: IntArray
    values: FloatArray
    #: what is no number, by row
    wrong: Mapping[int, LogError]

    @property
    def prevail(self) -> bool:
        """Whether more cells are numbers than are something else."""
        return len(self.rows) > len(self.wrong)

    def in_rows(self, rows: int) -> tuple[FloatArray, NDArray[np.bool_]]:
        """A value for each of so many rows, NaN where there is none, and where there is one."""
        values, there = np.full(rows, np.nan), np.zeros(rows, bool)
        values[self.rows] = self.values
        there[self.rows] = True
        return values, there


@dataclass(frozen=True, eq=False)
class Column:
    """The cells of one column and the rows that they are in, each at most once and in order.

    The cells are an Arrow array (null: not measured) or a list of whatever the format had (None:
    not measured). Columns of which most rows have no cell hold only what there is.
    """

    cells: pa.Array | Sequence[Any]
    rows: IntArray
    #: reads the cells as they were written, where ``cells`` has their numbers alone; it keeps them
    written: Callable[[], Sequence[Any]] | None = None

    @property
    def objects(self) -> Sequence[Any]:
        """The cells as Python has them, for names and messages."""
        if self.written is not None:
            return self.written()
        return self.cells.to_pylist() if isinstance(self.cells, pa.Array) else self.cells

    def each(self) -> Iterator[Any]:
        """The same one by one, so that few of them are there at a time."""
        if self.written is not None or not isinstance(self.cells, pa.Array):
            yield from self.objects
            return
        for start in range(0, len(self.cells), _PIECE):
            yield from self.cells.slice(start, _PIECE).to_pylist()

    @cached_property
    def numeric(self) -> pa.Array | None:
        """The cells, where each is a number or null by its type."""
        kind = self.cells.type if isinstance(self.cells, pa.Array) else pa.null()
        return self.cells if pa.types.is_floating(kind) or pa.types.is_integer(kind) else None

    @property
    def filled(self) -> int:
        """The number of cells that hold something."""
        if self.numeric is not None:
            return len(self.numeric) - self.numeric.null_count
        if isinstance(self.cells, pa.StringArray):
            return len(self.cells) - int(pc.sum(_blanks(self.cells)).as_py() or 0)
        return sum(
            not (cell is None or (isinstance(cell, str) and cell.lower() in BLANK))
            for cell in self.objects
        )

    def numbers(self, name: str) -> Numbers:
        """The numbers in it; the name is for the messages."""
        cells = self.numeric
        if cells is None and isinstance(self.cells, pa.StringArray):
            cells = _of_text(self.cells)
        if cells is not None:
            cells, rows = _as_floats(cells), self.rows
            if cells.null_count:
                rows = rows[cells.is_valid().to_numpy(zero_copy_only=False)]
                cells = cells.drop_null()
            return Numbers(rows, cells.to_numpy(), {})
        at, values, wrong = list[int](), list[float](), dict[int, LogError]()
        for row, cell in zip(self.rows.tolist(), self.each(), strict=True):
            try:
                if (value := number(cell)) is not None:
                    at.append(row)
                    values.append(value)
            except LogError as error:
                wrong[row] = LogError(f"column {shown(name)}: {error}")
        return Numbers(np.array(at, np.int64), np.array(values, np.float64), wrong)

    def within(self, rows: IntArray) -> Column:
        """The cells in these rows of the log, which are in order."""
        if len(rows) and rows[-1] < len(self.rows) == self.rows[-1] + 1:
            return self._taken(rows, rows)  # it has a cell in every row
        at = np.searchsorted(self.rows, rows)
        at[at == len(self.rows)] = 0
        there = self.rows[at] == rows if len(self.rows) else np.zeros(len(rows), bool)
        return self._taken(at[there], rows[there])

    def _taken(self, at: IntArray, rows: IntArray) -> Column:
        if self.numeric is not None:
            # without this column, which would take room as long as the new one
            read = self.written
            taken = read and (lambda: [cells[i] for cells in [read()] for i in at.tolist()])
            return Column(self.numeric.take(pa.array(at)), rows, taken)
        if isinstance(self.cells, pa.Array):
            return Column(self.cells.take(pa.array(at)), rows)
        return Column([self.cells[i] for i in at.tolist()], rows)


@dataclass
class Log:
    """One run as a format recorded it, before anybody chose which columns to use."""

    #: the line, or the number of the entry, of each row
    lines: IntArray
    columns: dict[str, Column]
    #: tells the runs of one file apart
    name: str = ""
    #: the columns of one row were measured together; False where each keeps its own steps
    shared: bool = True
    #: channels that the format itself settles
    roles: Mapping[Role, str] = field(default_factory=dict)
    #: columns whose set the format knows better than their names say; "other" for none
    sets: Mapping[str, str] = field(default_factory=dict)
    #: columns of which the format itself says whether lower or higher is better
    modes: Mapping[str, Mode] = field(default_factory=dict)
    #: the data set and the metric of columns, as the format names them
    measures: Mapping[str, tuple[str | None, str]] = field(default_factory=dict)
    #: the unit of columns that are costs, where the format says it
    units: Mapping[str, str] = field(default_factory=dict)
    #: positions are boosting rounds: that of number 0 has made a tree
    rounds: bool = False
    #: epochs are counted from 0, whichever is the first
    from_zero: bool = False
    #: what the rows count, where the format says it
    unit: str | None = None
    #: the column of positions, where the format says it
    position: str | None = None
    #: the steps of an epoch, where the format has them
    epoch_steps: float | None = None
    notes: list[str] = field(default_factory=list)
    skipped: list[LogError] = field(default_factory=list)

    _numbers: dict[str, Numbers] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return len(self.lines)

    def named(self, names: Iterable[str]) -> list[str]:
        """The columns of these names, whatever their case, in the order of the names."""
        lower = {name.lower(): name for name in reversed(self.columns)}
        return [lower[name] for name in names if name in lower]

    def numbers(self, name: str) -> Numbers:
        """The numbers of a column, read once; none where it is not there."""
        if name not in self._numbers:
            column = self.columns.get(name) or Column([], np.array([], np.int64))
            self._numbers[name] = column.numbers(name)
        return self._numbers[name]

    def cells(self, name: str, missing: object = None) -> list[Any]:
        """A column as it was written, a cell a row."""
        cells = [missing] * len(self)
        if name in self.columns:
            column = self.columns[name]
            for row, cell in zip(column.rows.tolist(), column.objects, strict=True):
                cells[row] = cell
        return cells

    def told(
        self, names: Sequence[str], read: Callable[[Sequence[Any]], str]
    ) -> tuple[list[str], IntArray]:
        """What ``read`` makes of the cells of these columns, and which of it each row has.

        Cells that are equal are kept once, and ``read`` is called once for them. A row without a
        cell has "" there.
        """
        cells: list[tuple[Any, ...]] = [()]
        of_rows = np.zeros(len(self), np.int64)
        for name in names:
            own, of_own = self._coded(name)
            pairs, of_rows = np.unique(of_rows * len(own) + of_own, return_inverse=True)
            cells = [(*cells[k // len(own)], own[k % len(own)]) for k in pairs.tolist()]
        texts, of_cells = numbered(map(read, cells))
        return texts, of_cells[of_rows]

    def _coded(self, name: str) -> tuple[list[Any], IntArray]:
        """The cells of a column that differ, and which of them each row has."""
        found: list[Any] = [""]
        of_rows = np.zeros(len(self), np.int64)
        column = self.columns.get(name)
        if column is None:
            return found, of_rows
        if isinstance(column.cells, pa.StringArray):
            encoded = column.cells.dictionary_encode("encode")
            found += encoded.dictionary.to_pylist()
            of_rows[column.rows] = encoded.indices.to_numpy(zero_copy_only=False) + 1
            return found, of_rows
        # 1, 1.0 and True are equal, and lists have no hash
        known: dict[object, int] = {}
        for row, cell in zip(column.rows.tolist(), column.each(), strict=True):
            key = cell if isinstance(cell, str) else (type(cell), repr(cell))
            if key not in known:
                known[key] = len(found)
                found.append(cell)
            of_rows[row] = known[key]
        return found, of_rows

    def rows(self) -> Iterator[Row]:
        """The log row by row, for what a format does with whole rows."""
        rows: list[dict[str, Any]] = [{} for _ in range(len(self))]
        for name, column in self.columns.items():
            for row, cell in zip(column.rows.tolist(), column.objects, strict=True):
                rows[row][name] = cell
        return zip(self.lines.tolist(), rows, strict=True)

    def take(self, rows: IntArray) -> Log:
        """The log with these rows, which are in order; columns without a cell there go."""
        columns = {}
        for name, column in self.columns.items():
            part = column.within(rows)
            if len(part.rows) or not len(column.rows):
                columns[name] = replace(part, rows=np.searchsorted(rows, part.rows))
        return replace(self, lines=self.lines[rows], columns=columns)


def grouped(names: Sequence[str], of_rows: IntArray) -> list[tuple[str, IntArray]]:
    """The names that rows have, each with its rows, in the order in which they come first."""
    order = np.argsort(of_rows, kind="stable")
    counts = np.bincount(of_rows, minlength=len(names))
    rows = np.split(order, np.cumsum(counts)[:-1])
    found = [(name, own) for name, own in zip(names, rows, strict=True) if len(own)]
    return sorted(found, key=lambda group: int(group[1][0]))


def numbered(names: Iterable[str]) -> tuple[list[str], IntArray]:
    """The names that differ, and the number of the one that each row has."""
    known: dict[str, int] = {}
    of_rows = np.fromiter((known.setdefault(name, len(known)) for name in names), np.int64)
    return [*known], of_rows


def log_of_rows(rows: Iterable[Row], name: str = "") -> Log:
    """A log from numbered rows, each its cells by column."""
    lines = array("q")
    columns: dict[str, Growing] = {}
    for line, row in rows:
        at = len(lines)
        for key, cell in row.items():
            if key not in columns:
                columns[key] = Growing()
            columns[key].add(at, cell)
        lines.append(line)
    every = np.arange(len(lines))
    made = {key: cells.column(every) for key, cells in columns.items()}
    return Log(np.array(lines, np.int64), made, name)


class Growing:
    """The cells of a column as they come, much of them packed into Arrow to take less room."""

    def __init__(self) -> None:
        #: None while no row before the last one is left out
        self._rows: array[int] | None = None
        self._count = 0
        self._last: list[Any] = []
        self._pieces: list[_Piece] = []

    def add(self, row: int, cell: object) -> None:
        if self._rows is None and row != self._count:
            self._rows = array("q", range(self._count))
        if self._rows is not None:
            self._rows.append(row)
        self._count += 1
        self._last.append(cell)
        if len(self._last) == _PIECE:
            self._pack()

    def column(self, every: IntArray) -> Column:
        """The column so far; ``every`` are the numbers of all rows, for the columns to share."""
        rows = every[: self._count] if self._count < len(every) else every
        if self._rows is not None:
            rows = np.frombuffer(self._rows, np.int64)
        if not self._pieces:
            return Column(self._last, rows)
        self._pack()
        pieces, self._pieces = self._pieces, []
        if len({piece.was_text for piece in pieces}) > 1:
            pieces = [piece.as_text() for piece in pieces]
        arrays = [piece.cells for piece in pieces if isinstance(piece.cells, pa.Array)]
        if len(arrays) < len(pieces) or len({cells.type for cells in arrays}) > 1:
            return Column([cell for piece in pieces for cell in _listed(piece.cells)], rows)
        whole = pa.concat_arrays(arrays)
        if pieces[0].was_text:
            return Column(whole, rows, cache(lambda: whole.cast(pa.string()).to_pylist()))
        return Column(whole, rows)

    def _pack(self) -> None:
        cells, self._last = packed(self._last), []
        if isinstance(cells, pa.StringArray):
            # as numbers they take less, where these are spelled in just that way
            numbers = _of_text(cells)
            if numbers is not None and numbers.cast(pa.string()).equals(cells):
                self._pieces.append(_Piece(numbers, was_text=True))
                # the text of a piece, which Arrow would keep beside the numbers of the next ones
                pa.default_memory_pool().release_unused()
                return
        self._pieces.append(_Piece(cells))


class _Piece(NamedTuple):
    cells: pa.Array | list[Any]
    #: numbers that were text, which they become again as it was
    was_text: bool = False

    def as_text(self) -> _Piece:
        if isinstance(self.cells, pa.Array) and self.was_text:
            return _Piece(self.cells.cast(pa.string()))
        return self


#: the types of cells that Arrow holds as they are, and as what
_KINDS = {float: pa.float64(), int: pa.int64(), str: pa.string()}


def packed(cells: list[Any]) -> pa.Array | list[Any]:
    """The cells in Arrow, where they take less room, if all are of one type there or None."""
    kinds = {*map(type, cells)} - {type(None)}
    if len(kinds) == 1 and (kind := kinds.pop()) in _KINDS:
        # what is no valid Unicode stays, and what is no integer of 64 bits
        with suppress(UnicodeEncodeError, OverflowError, pa.ArrowInvalid):
            return pa.array(cells, _KINDS[kind])
    return cells


def _listed(cells: pa.Array | list[Any]) -> list[Any]:
    return cells.to_pylist() if isinstance(cells, pa.Array) else cells


def _blanks(cells: pa.StringArray) -> pa.Array:
    return pc.is_in(pc.ascii_lower(cells), value_set=pa.array(sorted(BLANK)))


def _of_text(cells: pa.StringArray) -> pa.Array | None:
    """The numbers in text, null where it is blank; None where a cell wants :func:`number`."""
    if not pc.all(pc.string_is_ascii(cells)).as_py():
        return None
    bare = pc.ascii_trim_whitespace(cells)
    try:
        found = pc.if_else(_blanks(bare), None, bare).cast(pa.float64())
    except pa.ArrowInvalid:
        return None
    # Arrow knows nan(1), and takes what is too large for infinite
    strange = pc.or_(pc.is_inf(found), pc.match_substring(bare, "("))
    longest = pc.max(pc.binary_length(bare)).as_py() or 0
    return None if pc.any(strange).as_py() or longest > LONGEST_NUMBER else found


def log_of_entries(
    entries: Iterable[tuple[int, Any]], read: Callable[[Any], Mapping[str, Any]]
) -> Log:
    """A log from numbered entries, each a row; what ``read`` refuses is skipped by its number."""
    skipped: list[LogError] = []

    def rows() -> Iterator[Row]:
        for i, entry in entries:
            try:
                yield i, read(entry)
            except LogError as error:
                skipped.append(LogError(str(error), i))

    return replace(log_of_rows(rows()), skipped=skipped)


def log_of_lists(lists: Mapping[str, Any], name: str = "") -> Log:
    """A log from one list a column, entry i of each measured at the same check."""
    lists = {key: cells for key, cells in lists.items() if isinstance(cells, list)}
    lengths = {key: len(cells) for key, cells in lists.items()}
    if len(set(lengths.values())) > 1:
        longest, *_, shortest = sorted(lengths, key=lambda key: -lengths[key])
        raise LogError(
            f"{shown(shortest)} has {lengths[shortest]} values, but {shown(longest)} "
            f"has {lengths[longest]}, and they cannot be aligned; expected equal lengths"
        )
    rows = np.arange(max(lengths.values(), default=0))
    columns = {key: Column(packed(cells), rows) for key, cells in lists.items()}
    return Log(rows + 1, columns, name)


def joined(logs: Sequence[Log]) -> Log:
    """The rows of logs one after the other."""
    starts = np.cumsum([0, *map(len, logs)])
    columns = merged(
        (name, replace(column, rows=column.rows + start))
        for log, start in zip(logs, starts[:-1], strict=True)
        for name, column in log.columns.items()
    )
    return Log(
        np.concatenate([log.lines for log in logs]),
        columns,
        notes=[note for log in logs for note in log.notes],
        skipped=[error for log in logs for error in log.skipped],
    )


def merged(columns: Iterable[tuple[str, Column]]) -> dict[str, Column]:
    """Columns by name; where two of one name have a cell in the same row the later one counts.

    They come in the order of their first rows.
    """
    parts: dict[str, list[Column]] = {}
    for name, column in columns:
        parts.setdefault(name, []).append(column)
    found = {name: _of_parts(each) for name, each in parts.items()}
    first = {name: c.rows[0] if len(c.rows) else 0 for name, c in found.items()}
    return {name: found[name] for name in sorted(found, key=first.__getitem__)}


def _as_floats(cells: pa.Array) -> pa.Array:
    return cells if cells.type == pa.float64() else cells.cast(pa.float64(), safe=False)


def _of_parts(parts: Sequence[Column]) -> Column:
    if len(parts) == 1:
        return parts[0]
    rows = np.concatenate([part.rows for part in parts])
    numeric = [part.numeric for part in parts if part.numeric is not None]
    if len(numeric) == len(parts) and (np.diff(rows) > 0).all():
        chunks = [_as_floats(cells) for cells in numeric]
        return Column(
            pa.concat_arrays(chunks),
            rows,
            cache(lambda: [cell for p in parts for cell in p.objects]),
        )
    cells: dict[int, Any] = {}
    for part in parts:
        cells |= zip(part.rows.tolist(), part.objects, strict=True)
    return Column([cells[row] for row in sorted(cells)], np.array(sorted(cells), np.int64))
