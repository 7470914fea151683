"""Channels laid out flat: the values of all runs one after the other, as a replay takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from earlystop_lab.curves.channels import Channel, Form, is_channel, is_recorded, taken

FloatArray = NDArray[np.float64]


class Recorded(NamedTuple):
    """The values of a channel, those that were measured, one run after the other."""

    #: run i is ``values[offsets[i]:offsets[i + 1]]``
    values: FloatArray
    offsets: NDArray[np.int64]
    #: the row of its run that each value is of; None where each row has one
    rows: NDArray[np.int64] | None = None


class Column(NamedTuple):
    """A column of lists laid out flat, in its own type; what stands at a null is arbitrary."""

    values: NDArray[Any]
    offsets: NDArray[np.int64]
    #: where a value was measured; None where all were
    measured: NDArray[np.bool_] | None = None

    def part(self, start: int, stop: int) -> Column:
        """The runs from ``start`` to before ``stop``."""
        first, last = self.offsets[start], self.offsets[stop]
        measured = None if self.measured is None else self.measured[first:last]
        return Column(self.values[first:last], self.offsets[start : stop + 1] - first, measured)

    def of_run(self, index: int) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """One run's values, and where they were measured; None where all were."""
        first, last = self.offsets[index], self.offsets[index + 1]
        measured = None if self.measured is None else self.measured[first:last]
        return self.values[first:last], measured


class Checks(NamedTuple):
    """Rows of some runs at which all of some channels were measured, laid out flat."""

    #: positions of the checks; one ramp 1, 2, 3 ... for all runs where none were given
    epoch: FloatArray
    #: where each run's positions begin in ``epoch``
    starts: NDArray[np.int64]
    #: where each run's checks begin, and where the last one's end
    offsets: NDArray[np.int64]
    #: the channels in the order in which they were asked for
    values: tuple[FloatArray, ...]

    def run(self, index: int) -> tuple[FloatArray, tuple[FloatArray, ...]]:
        """Positions and values of one run."""
        checks, first = slice(*self.offsets[index : index + 2]), self.starts[index]
        epoch = self.epoch[first : first + checks.stop - checks.start]
        return epoch, tuple(values[checks] for values in self.values)


class Watched(NamedTuple):
    """The checks of a rule, and the rows that they are."""

    checks: Checks
    #: the row, counted over all runs, that each check is; None where each row is one
    rows: NDArray[np.int64] | None
    #: where each run's rows begin, and where the last one's end
    offsets: NDArray[np.int64]

    def rows_of(self, index: int) -> NDArray[np.int64]:
        """The rows of one run at which its checks are."""
        first, last = self.checks.offsets[index : index + 2]
        if self.rows is None:
            return np.arange(last - first)
        return self.rows[first:last] - self.offsets[index]

    def to_rows(self, checks: NDArray[np.int32]) -> NDArray[np.int32]:
        """The rows of checks, (runs, columns); what is below 0 stays as it is."""
        if self.rows is None or not len(self.rows):
            return checks
        at = (self.checks.offsets[:-1, None] + checks).clip(0, len(self.rows) - 1)
        rows = self.rows[at] - self.offsets[:-1, None]
        return np.where(checks < 0, checks, rows).astype(np.int32)

    def last_checks(self, rows: NDArray[np.int32]) -> NDArray[np.int64]:
        """The last check of each run up to a row of it; -1 where there is none."""
        if self.rows is None:
            return rows.astype(np.int64)
        before = np.searchsorted(self.rows, self.offsets[:-1] + rows, side="right") - 1
        return np.maximum(before - self.checks.offsets[:-1], -1)


class Runs:
    """Some runs of a set as a replay takes them: whole channels, not a curve a run.

    All arrays that it gives are read-only float64 or int64, so that numba compiles once.
    """

    def __init__(
        self,
        ids: pa.ChunkedArray,
        offsets: NDArray[np.int64],
        columns: Mapping[str, Column],
        about: Mapping[str, Channel],
    ) -> None:
        self.ids = ids
        #: where each run's rows begin, and where the last one's end
        self.offsets = read_only(offsets)
        #: what the channels are
        self.about = about
        self._columns = columns
        self._watched: dict[tuple[tuple[str, Form], ...], Watched] = {}
        self._forms: dict[tuple[str, Form], FloatArray] = {}
        self._errors: dict[str, tuple[FloatArray, NDArray[np.bool_] | None]] = {}
        self._positions: tuple[FloatArray, NDArray[np.int64]] | None = None
        self._lacking: dict[str, str | None] = {}

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of rows of every run."""
        return np.diff(self.offsets)

    def name(self, index: int) -> str:
        """Id of one run."""
        return self.ids[index].as_py()

    def epochs(self, index: int) -> FloatArray:
        """Positions of the rows of one run."""
        epoch, starts = self._places()
        first = starts[index]
        return epoch[first : first + self.offsets[index + 1] - self.offsets[index]]

    def epochs_at(self, run: NDArray[Any], row: NDArray[Any]) -> FloatArray:
        """Positions of single rows, each of a run."""
        epoch, starts = self._places()
        found: FloatArray = epoch[starts[run] + row]
        return found

    def lacks(self, name: str) -> str | None:
        """A run without that channel; None where each has it."""
        if name not in self._lacking:
            column = self._columns.get(name, no_column(len(self)))
            lacking = np.flatnonzero(np.diff(column.offsets) == 0)
            self._lacking[name] = self.name(int(lacking[0])) if len(lacking) else None
        return self._lacking[name]

    def watched(self, channels: tuple[tuple[str, Form], ...]) -> Watched:
        """The channels in these forms where all were measured; they are there in every run.

        Raises ``ValueError`` for a form that a channel cannot be taken in.
        """
        if channels not in self._watched:
            columns = [self._columns[name] for name, _ in channels]
            masks = [column.measured for column in columns if column.measured is not None]
            measured = np.logical_and.reduce(masks) if masks else None
            values = [self._form(name, form) for name, form in channels]
            self._watched[channels] = self._gathered(measured, values)
        return self._watched[channels]

    def selectable(self, error: str) -> tuple[Watched, FloatArray]:
        """Where an error was measured, and it there; also where runs lack it."""
        values, measured = self._row_errors(error)
        watched = self._gathered(measured, [values])
        return watched, watched.checks.values[0]

    def errors_at(self, watched: Watched, error: str) -> tuple[FloatArray, bool, bool]:
        """An error at the checks of a rule, NaN where it was not measured.

        Also whether it was measured nowhere else, and whether at all of them.
        """
        values, measured = self._row_errors(error)
        if watched.rows is None:
            return values, True, measured is None
        there = np.ones(len(values), np.bool_) if measured is None else measured
        at_checks = there[watched.rows]
        nowhere_else = bool(at_checks.sum() == there.sum())
        return read_only(values[watched.rows]), nowhere_else, bool(at_checks.all())

    def is_number(self, error: str, rows: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Whether an error was measured at rows, (runs, columns), and is not NaN."""
        values, _ = self._row_errors(error)
        found: NDArray[np.bool_] = ~np.isnan(values[self.offsets[:-1, None] + np.maximum(rows, 0)])
        return found & (rows >= 0)

    def _form(self, name: str, form: Form) -> FloatArray:
        """A column in a form, made once: the errors that are watched are those that select."""
        # an error is its own error
        form = "recorded" if is_recorded(self.about[name], form) else form
        if (name, form) not in self._forms:
            values = taken(self._columns[name].values, self.about[name], form, name)
            self._forms[name, form] = wide(values)
        return self._forms[name, form]

    def _row_errors(self, error: str) -> tuple[FloatArray, NDArray[np.bool_] | None]:
        """An error at every row, NaN where there is none; where it was measured, None for all."""
        if error not in self._errors:
            self._errors[error] = self._found_errors(error)
        return self._errors[error]

    def _found_errors(self, error: str) -> tuple[FloatArray, NDArray[np.bool_] | None]:
        column = self._columns.get(error)
        if column is None:
            nowhere = np.full(self.offsets[-1], np.nan)
            return read_only(nowhere), np.zeros(len(nowhere), np.bool_)
        values = self._form(error, "error")
        given = np.diff(column.offsets) > 0
        if column.measured is None and given.all():
            return values, None
        rows, measured = np.full(self.offsets[-1], np.nan), np.repeat(given, self.lengths)
        rows[measured] = values
        if column.measured is not None:
            measured[measured.copy()] = column.measured
        return read_only(np.where(measured, rows, np.nan)), measured

    def _gathered(
        self, measured: NDArray[np.bool_] | None, values: Sequence[FloatArray]
    ) -> Watched:
        epoch, starts = self._places()
        if measured is None:
            checks = Checks(epoch, starts, self.offsets, tuple(values))
            return Watched(checks, None, self.offsets)
        offsets = np.concatenate([[0], np.cumsum(measured)])[self.offsets]
        if len(epoch) != len(measured):
            epoch = wide(row_numbers(self.offsets) + 1.0)
        checks = Checks(
            wide(epoch[measured]),
            read_only(offsets[:-1]),
            read_only(offsets),
            tuple(wide(each[measured]) for each in values),
        )
        return Watched(checks, read_only(np.flatnonzero(measured)), self.offsets)

    def _places(self) -> tuple[FloatArray, NDArray[np.int64]]:
        """The positions of the rows, one ramp for all runs where none were given."""
        if self._positions is None:
            recorded = self._columns.get("epoch")
            if recorded is not None:
                epoch: NDArray[Any] = with_counted(recorded, self.offsets)
                starts = self.offsets[:-1]
            else:
                epoch = np.arange(1.0, self.lengths.max(initial=0) + 1)
                starts = np.zeros(len(self), np.int64)
            self._positions = wide(epoch), read_only(starts)
        return self._positions


def laid_out(table: pa.Table) -> dict[str, Column]:
    """The list columns as their values one after the other, in their own types, and offsets.

    Nothing is copied but what stands between values that are hidden by a null, and where a value
    itself is null.
    """
    columns = {}
    for name in table.column_names:
        column = table[name]
        kind = column.type
        if not is_channel(kind):
            if pa.types.is_nested(kind):
                raise ValueError(f"column {name!r}: expected a list of numbers a run, found {kind}")
            continue
        # of a single chunk that chunk, which combining would copy
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        first, end = column.offsets[0].as_py(), column.offsets[-1].as_py()
        whole = end - first == offsets[-1]
        values = column.values.slice(first, end - first) if whole else column.flatten()
        measured = None
        if values.null_count:
            if name == "epoch":
                raise ValueError(
                    "column 'epoch': a null among its values; every row has a position"
                )
            measured = read_only(values.is_valid().to_numpy(zero_copy_only=False))
        columns[name] = Column(values.to_numpy(zero_copy_only=False), offsets, measured)
    return columns


def row_offsets(columns: Mapping[str, Column]) -> NDArray[np.int64]:
    """Where the rows of each run begin: as many as its longest channel has, positions apart."""
    curves = [column for name, column in columns.items() if name != "epoch"]
    if len(curves) == 1:
        return curves[0].offsets
    lengths = [np.diff(column.offsets) for column in curves]
    if all(np.array_equal(lengths[0], each) for each in lengths[1:]):
        return curves[0].offsets
    longest = np.maximum.reduce(lengths)
    return np.concatenate([[0], np.cumsum(longest, dtype=np.int64)])


def no_column(runs: int) -> Column:
    """A column that no run has."""
    return Column(np.empty(0), np.zeros(runs + 1, np.int64))


def with_counted(recorded: Column, offsets: NDArray[np.int64]) -> NDArray[Any]:
    """Epochs as recorded where they were, counted in the runs that have none."""
    given = np.diff(recorded.offsets) > 0
    if given.all() and len(given):
        return recorded.values
    counts = row_numbers(offsets) + 1.0
    counts[np.repeat(given, np.diff(offsets))] = recorded.values
    return counts


def row_numbers(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The row within its run of every row, counted from 0."""
    return np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))


def blanked(values: NDArray[Any], measured: NDArray[np.bool_] | None) -> FloatArray:
    """The values in float64, NaN where nothing was measured."""
    return wide(values if measured is None else np.where(measured, values, np.nan))


def wide(values: NDArray[Any]) -> FloatArray:
    """The values as read-only float64, copied where they are not."""
    return read_only(values.astype(np.float64, copy=False))


def read_only(values: NDArray[Any]) -> NDArray[Any]:
    """A view of the array that cannot be written to."""
    values = values.view()
    values.flags.writeable = False
    return values


def local_minima(values: FloatArray) -> NDArray[np.intp]:
    """Positions lower than the value before and not above the one after; ends excluded.

    >>> import numpy as np
    >>> local_minima(np.array([3.0, 1.0, 2.0, 0.5, 0.5, 0.7]))
    array([1, 3])
    """
    inner = values[1:-1]
    return 1 + np.flatnonzero((inner < values[:-2]) & (inner <= values[2:]))
