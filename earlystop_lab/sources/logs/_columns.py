"""A log as formats hand it on: columns, each with the rows of the log that its cells are in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from earlystop_lab.curves import FloatArray, Mode, Role
from earlystop_lab.sources.logs._cells import BLANK, LogError, number, shown

IntArray = NDArray[np.int64]
#: a line or entry number, and what was recorded there by column; a column left out was not measured
Row = tuple[int, Mapping[str, Any]]


class Numbers(NamedTuple):
    """The numbers of a column. A cell that is blank is in neither of the two."""

    #: the rows that have a number, NaN and infinity included, in order
    rows: IntArray
    values: FloatArray
    #: what is no number, by row
    wrong: Mapping[int, LogError]

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
    #: reads the cells as they were written, where ``cells`` has their numbers alone
    written: Callable[[], Sequence[Any]] | None = None

    @cached_property
    def objects(self) -> Sequence[Any]:
        """The cells as Python has them, for names and messages."""
        if self.written is not None:
            return self.written()
        return self.cells.to_pylist() if isinstance(self.cells, pa.Array) else self.cells

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
        return sum(
            not (cell is None or (isinstance(cell, str) and cell.lower() in BLANK))
            for cell in self.objects
        )

    def numbers(self, name: str) -> Numbers:
        """The numbers in it; the name is for the messages."""
        if self.numeric is not None:
            cells = _as_floats(self.numeric)
            rows = self.rows
            if cells.null_count:
                rows = rows[cells.is_valid().to_numpy(zero_copy_only=False)]
                cells = cells.drop_null()
            return Numbers(rows, cells.to_numpy(), {})
        at, values, wrong = list[int](), list[float](), dict[int, LogError]()
        for row, cell in zip(self.rows.tolist(), self.objects, strict=True):
            try:
                if (value := number(cell)) is not None:
                    at.append(row)
                    values.append(value)
            except LogError as error:
                wrong[row] = LogError(f"column {shown(name)}: {error}")
        return Numbers(np.array(at, np.int64), np.array(values, np.float64), wrong)

    def within(self, rows: IntArray) -> Column:
        """The cells in these rows of the log, which are in order."""
        at = np.searchsorted(self.rows, rows)
        at[at == len(self.rows)] = 0
        there = self.rows[at] == rows if len(self.rows) else np.zeros(len(rows), bool)
        return self._taken(at[there], rows[there])

    def _taken(self, at: IntArray, rows: IntArray) -> Column:
        if self.numeric is not None:
            return Column(
                self.numeric.take(pa.array(at)),
                rows,
                self.written and (lambda: [self.objects[i] for i in at.tolist()]),
            )
        return Column([self.objects[i] for i in at.tolist()], rows)


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
    #: what the rows count, where the format says it
    unit: str | None = None
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


def grouped(names: Iterable[str]) -> Iterator[tuple[str, IntArray]]:
    """Each of the names, one a row, with its rows, in the order in which they come first."""
    codes: dict[str, int] = {}
    of_rows = np.array([codes.setdefault(name, len(codes)) for name in names], np.int64)
    order = np.argsort(of_rows, kind="stable")
    ends = np.cumsum(np.bincount(of_rows))
    for name, start, end in zip(codes, [0, *ends[:-1]], ends, strict=True):
        yield name, order[start:end]


def log_of_rows(rows: Iterable[Row], name: str = "") -> Log:
    """A log from numbered rows, each its cells by column."""
    lines: list[int] = []
    columns: dict[str, tuple[list[Any], list[int]]] = {}
    for line, row in rows:
        for key, cell in row.items():
            cells, at = columns.setdefault(key, ([], []))
            cells.append(cell)
            at.append(len(lines))
        lines.append(line)
    made = {key: Column(cells, np.array(at, np.int64)) for key, (cells, at) in columns.items()}
    return Log(np.array(lines, np.int64), made, name)


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
            f"{shown(shortest)} has {lengths[shortest]} values, {shown(longest)} has "
            f"{lengths[longest]}: nothing says which belong together; expected equally many"
        )
    rows = np.arange(max(lengths.values(), default=0))
    return Log(rows + 1, {key: Column(cells, rows) for key, cells in lists.items()}, name)


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
            pa.concat_arrays(chunks), rows, lambda: [cell for p in parts for cell in p.objects]
        )
    cells: dict[int, Any] = {}
    for part in parts:
        cells |= zip(part.rows.tolist(), part.objects, strict=True)
    return Column([cells[row] for row in sorted(cells)], np.array(sorted(cells), np.int64))
