"""Channels in flat layout: the values of all runs one after the other, as a replay needs them."""

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
    """The measured values of a channel, one run after the other."""

    #: the values of run i are ``values[offsets[i]:offsets[i + 1]]``
    values: FloatArray
    offsets: NDArray[np.int64]
    #: the row within its run of each value; None if every row has one
    rows: NDArray[np.int64] | None = None


class Column(NamedTuple):
    """A column of lists in flat layout, in its own type; values at nulls are arbitrary."""

    values: NDArray[Any]
    offsets: NDArray[np.int64]
    #: where a value was measured; None if all were
    measured: NDArray[np.bool_] | None = None

    def part(self, start: int, stop: int) -> Column:
        """The runs from ``start`` up to ``stop``, exclusive."""
        first, last = self.offsets[start], self.offsets[stop]
        measured = None if self.measured is None else self.measured[first:last]
        return Column(self.values[first:last], self.offsets[start : stop + 1] - first, measured)

    def of_run(self, index: int) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """One run's values, and where they were measured; None if all were."""
        first, last = self.offsets[index], self.offsets[index + 1]
        measured = None if self.measured is None else self.measured[first:last]
        return self.values[first:last], measured


class Checks(NamedTuple):
    """The rows at which all of some channels were measured, in flat layout."""

    #: positions of the checks; if none were given, one ramp 1, 2, 3 ... shared by all runs
    epoch: FloatArray
    #: where each run's positions begin in ``epoch``
    starts: NDArray[np.int64]
    #: where each run's checks begin, and where those of the last run end
    offsets: NDArray[np.int64]
    #: the channels, in the order in which they were requested
    values: tuple[FloatArray, ...]

    def run(self, index: int) -> tuple[FloatArray, tuple[FloatArray, ...]]:
        """Positions and values of one run."""
        checks, first = slice(*self.offsets[index : index + 2]), self.starts[index]
        epoch = self.epoch[first : first + checks.stop - checks.start]
        return epoch, tuple(values[checks] for values in self.values)


class Watched(NamedTuple):
    """The checks of a rule, and the rows that they correspond to."""

    checks: Checks
    #: the row of each check, counted over all runs; None if every row is a check
    rows: NDArray[np.int64] | None
    #: where each run's rows begin, and where those of the last run end
    offsets: NDArray[np.int64]

    def to_rows(self, checks: NDArray[np.int32]) -> NDArray[np.int32]:
        """Convert checks to rows, (runs, columns); negative values are kept."""
        if self.rows is None or not len(self.rows):
            return checks
        at = (self.checks.offsets[:-1, None] + checks).clip(0, len(self.rows) - 1)
        rows = self.rows[at] - self.offsets[:-1, None]
        return np.where(checks < 0, checks, rows).astype(np.int32)

    def last_checks(self, rows: NDArray[np.int32]) -> NDArray[np.int64]:
        """The last check of each run up to given rows, (runs, columns); -1 if there is none."""
        if self.rows is None:
            return rows.astype(np.int64)
        before = np.searchsorted(self.rows, self.offsets[:-1, None] + rows, side="right") - 1
        return np.maximum(before - self.checks.offsets[:-1, None], -1)


class Runs:
    """Some runs of a set as a replay needs them: whole channels instead of one curve per run.

    All arrays are read-only float64 or int64, so that numba compiles only once.
    """

    def __init__(
        self,
        ids: pa.ChunkedArray,
        offsets: NDArray[np.int64],
        columns: Mapping[str, Column],
        about: Mapping[str, Channel],
    ) -> None:
        self.ids = ids
        #: where each run's rows begin, and where those of the last run end
        self.offsets = read_only(offsets)
        #: descriptions of the channels
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
        """The id of a run."""
        return self.ids[index].as_py()

    def epochs(self, index: int) -> FloatArray:
        """Positions of the rows of a run."""
        epoch, starts = self._places()
        first = starts[index]
        return epoch[first : first + self.offsets[index + 1] - self.offsets[index]]

    def epochs_at(self, run: NDArray[Any], row: NDArray[Any]) -> FloatArray:
        """Positions of single rows, each of a run."""
        epoch, starts = self._places()
        found: FloatArray = epoch[starts[run] + row]
        return found

    def lacks(self, name: str) -> str | None:
        """A run without that channel; None if all runs have it."""
        if name not in self._lacking:
            column = self._columns.get(name, no_column(len(self)))
            lacking = np.flatnonzero(np.diff(column.offsets) == 0)
            self._lacking[name] = self.name(int(lacking[0])) if len(lacking) else None
        return self._lacking[name]

    def watched(self, channels: tuple[tuple[str, Form], ...]) -> Watched:
        """The channels in these forms at the rows where all were measured; every run has them.

        Raises ``ValueError`` if a channel cannot be taken in its form.
        """
        if channels not in self._watched:
            columns = [self._columns[name] for name, _ in channels]
            masks = [column.measured for column in columns if column.measured is not None]
            measured = np.logical_and.reduce(masks) if masks else None
            values = [self._form(name, form) for name, form in channels]
            self._watched[channels] = self._gathered(measured, values)
        return self._watched[channels]

    def selectable(self, error: str) -> tuple[Watched, FloatArray]:
        """Where an error was measured, and its values there; runs may lack it."""
        values, measured = self._row_errors(error)
        watched = self._gathered(measured, [values])
        return watched, watched.checks.values[0]

    def is_number(self, error: str, rows: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Whether an error was measured at given rows, (runs, columns), and is not NaN."""
        values, _ = self._row_errors(error)
        found: NDArray[np.bool_] = ~np.isnan(values[self.offsets[:-1, None] + np.maximum(rows, 0)])
        return found & (rows >= 0)

    def _form(self, name: str, form: Form) -> FloatArray:
        """A column in a form, computed once: errors are usually both watched and selected by."""
        # a recorded error is already in the form of an error
        form = "recorded" if is_recorded(self.about[name], form) else form
        if (name, form) not in self._forms:
            values = taken(self._columns[name].values, self.about[name], form, name)
            self._forms[name, form] = wide(values)
        return self._forms[name, form]

    def _row_errors(self, error: str) -> tuple[FloatArray, NDArray[np.bool_] | None]:
        """An error at every row, NaN if missing; and where it was measured, None if everywhere."""
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
        """The positions of the rows; one ramp for all runs if none were given."""
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
    """The list columns in flat layout with their offsets, in their own types.

    Nothing is copied unless there are values hidden by a null list between the others, or null
    values.
    """
    columns = {}
    for name in table.column_names:
        column = table[name]
        kind = column.type
        if not is_channel(kind):
            if pa.types.is_nested(kind):
                raise ValueError(
                    f"column {name!r}: expected a list of numbers per run, found {kind}"
                )
            continue
        # if there is a single chunk, use it, since combining would copy it
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        first, end = column.offsets[0].as_py(), column.offsets[-1].as_py()
        whole = end - first == offsets[-1]
        values = column.values.slice(first, end - first) if whole else column.flatten()
        measured = None
        if values.null_count:
            if name == "epoch":
                raise ValueError("column 'epoch': contains null; expected a position in every row")
            measured = read_only(values.is_valid().to_numpy(zero_copy_only=False))
        columns[name] = Column(values.to_numpy(zero_copy_only=False), offsets, measured)
    return columns


def row_offsets(columns: Mapping[str, Column]) -> NDArray[np.int64]:
    """Where the rows of each run begin: a run has as many as its longest channel."""
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
    """Epochs as recorded, or counted from 1 in the runs that have none."""
    given = np.diff(recorded.offsets) > 0
    if given.all() and len(given):
        return recorded.values
    counts = row_numbers(offsets) + 1.0
    counts[np.repeat(given, np.diff(offsets))] = recorded.values
    return counts


def row_numbers(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The row number of every row within its run, counted from 0."""
    return np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))


def blanked(values: NDArray[Any], measured: NDArray[np.bool_] | None) -> FloatArray:
    """The values in float64, with NaN where nothing was measured."""
    return wide(values if measured is None else np.where(measured, values, np.nan))


def wide(values: NDArray[Any]) -> FloatArray:
    """The values as read-only float64, copied only if they have another type."""
    return read_only(values.astype(np.float64, copy=False))


def read_only(values: NDArray[Any]) -> NDArray[Any]:
    """A read-only view of the array."""
    values = values.view()
    values.flags.writeable = False
    return values


def local_minima(values: FloatArray) -> NDArray[np.intp]:
    """Indices of values lower than the one before and not above the one after; ends excluded.

    >>> import numpy as np
    >>> local_minima(np.array([3.0, 1.0, 2.0, 0.5, 0.5, 0.7]))
    array([1, 3])
    """
    inner = values[1:-1]
    return 1 + np.flatnonzero((inner < values[:-2]) & (inner <= values[2:]))
