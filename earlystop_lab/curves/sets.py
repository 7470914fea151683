"""Curve sets: recorded training runs as one Arrow table, one row a run.

Column ``run`` is the id. Every column of lists is a channel, one quantity recorded along the
run; ``epoch`` holds the positions; every other column is metadata. Lists are ragged: runs keep
their own lengths, nothing is ever padded. In a list null says "not measured here", NaN "measured,
and not a number". A set is validated when it is made and read-only afterwards.

What is true of a channel in all runs is metadata of its field: role, direction, unit, upper bound.
What may differ from run to run is a column of its own: ``val.metric``, ``val.data``,
``val.source``, ``val.stand_in`` and ``epoch.unit``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from earlystop_lab._common.checks import is_number, one_of, require
from earlystop_lab._common.files import written_whole
from earlystop_lab.curves.storing import (
    RefusedError,
    naming,
    read_schema,
    read_table,
    write_table,
)

FloatArray = NDArray[np.float64]
Mode = Literal["min", "max"]
Role = Literal["val", "train", "test"]
#: how the values of a channel are taken: as recorded; as an error, lower better, of a score the
#: negated one, or where it is divided by, the distance from the upper bound; as a score, higher
#: better, of an error 1 - error
Form = Literal["recorded", "error", "ratio", "score"]

#: the channels that are errors (or scores) by their names
ERRORS: tuple[Role, ...] = ("val", "train", "test")
#: other names of a channel
_ALIASES = {"learning_rate": "lr"}
#: what is kept with the column of a channel, and in columns of the runs
_OF_FIELD = ("role", "direction", "unit", "upper")
_OF_RUNS = ("metric", "data", "source", "stand_in", "unit")
#: the names that only a channel can have
_NAMED = ("epoch", *ERRORS)
_CHOICES = {"role": ERRORS, "direction": ("min", "max")}


class Channel(NamedTuple):
    """What a channel is; None where it is not known.

    >>> Channel(role="val", direction="max", metric="accuracy", upper=1)
    Channel(role='val', direction='max', upper=1, metric='accuracy')
    """

    #: the set on which an error or a score was measured: "val", "train", "test"
    role: Role | None = None
    #: whether lower ("min") or higher ("max") values are better; None for what has no better
    direction: Mode | None = None
    #: the unit of a cost or of the position: "s", "step", "epoch", "round"
    unit: str | None = None
    #: the highest value that a score can have, such as 1 or 100
    upper: float | None = None
    #: the name of the metric, such as "logloss"
    metric: str | None = None
    #: the data set that it was measured on, as its source calls it
    data: str | None = None
    #: the column that it was read from
    source: str | None = None
    #: a training curve that stands in for a validation curve which was not recorded
    stand_in: bool | None = None

    def over(self, other: Channel) -> Channel:
        """What is said here, and where nothing is what the other says.

        >>> Channel(direction="max").over(Channel(role="val", direction="min"))
        Channel(role='val', direction='max')
        """
        known = {name: value for name, value in self._asdict().items() if value is not None}
        return other._replace(**known)

    def __repr__(self) -> str:
        known = {k: v for k, v in self._asdict().items() if v is not None}
        return f"Channel({', '.join(f'{name}={value!r}' for name, value in known.items())})"


class Recorded(NamedTuple):
    """The values of a channel, those that were measured, one run after the other."""

    #: run i is ``values[offsets[i]:offsets[i + 1]]``
    values: FloatArray
    offsets: NDArray[np.int64]
    #: the row of its run that each value is of; None where each row has one
    rows: NDArray[np.int64] | None = None


class _Column(NamedTuple):
    """A column of lists laid out flat, in its own type; what stands at a null is arbitrary."""

    values: NDArray[Any]
    offsets: NDArray[np.int64]
    #: where a value was measured; None where all were
    measured: NDArray[np.bool_] | None = None

    def part(self, start: int, stop: int) -> _Column:
        """The runs from ``start`` to before ``stop``."""
        first, last = self.offsets[start], self.offsets[stop]
        measured = None if self.measured is None else self.measured[first:last]
        return _Column(self.values[first:last], self.offsets[start : stop + 1] - first, measured)


class Curve:
    """One run of a set: its channels by name, read-only arrays, one value a row.

    ``curve["lr"]`` and, of the errors, ``curve.val`` are what was recorded; NaN where nothing was
    measured, which :meth:`measured` tells apart. Get one by ``curves[i]`` or ``curves["run id"]``.

    >>> runs = [{"run": "a", "val": [3.0, None, 2.0], "lr": [0.1, 0.1, 0.01]}]
    >>> curve = CurveSet.from_runs(runs)["a"]
    >>> curve["lr"], curve.val, curve.measured("val")
    (array([0.1 , 0.1 , 0.01]), array([ 3., nan,  2.]), array([ True, False,  True]))
    """

    __slots__ = ("_row", "_run", "_set")

    def __init__(self, curves: CurveSet, row: int, run: str) -> None:
        self._set, self._row, self._run = curves, row, run

    @property
    def run(self) -> str:
        """The id."""
        return self._run

    @property
    def epoch(self) -> FloatArray:
        """Position of each row, increasing; 1, 2, 3 ... where none was given."""
        return self._set._epochs(self._row)

    @property
    def val(self) -> FloatArray:
        """The validation error or score; ``KeyError`` where the run has none."""
        return self["val"]

    @property
    def train(self) -> FloatArray | None:
        """The training error or score; None where the run has none."""
        return self["train"] if "train" in self.channels else None

    @property
    def test(self) -> FloatArray | None:
        """The test error or score; None where the run has none."""
        return self["test"] if "test" in self.channels else None

    @property
    def channels(self) -> list[str]:
        """The names of the channels that the run has."""
        return self._set._channels_of(self._row)

    @property
    def about(self) -> dict[str, Channel]:
        """What the channels are that the run has."""
        return {name: self._set.about(name) for name in self.channels}

    def __getitem__(self, name: str) -> FloatArray:
        name = canonical(name)
        if name == "epoch":
            return self.epoch
        if name not in self.channels:
            raise KeyError(
                f"run {self.run!r} has no channel {name!r}; it has {_list(self.channels)}"
            )
        part = self._set._columns[name].part(self._row, self._row + 1)
        return _blanked(part)

    def measured(self, name: str) -> NDArray[np.bool_]:
        """At which rows the channel was measured."""
        values = self[name]
        measured = self._set._columns[name].part(self._row, self._row + 1).measured
        return read_only(np.ones(len(values), np.bool_) if measured is None else measured)

    def alone(self) -> CurveSet:
        """The set of this run."""
        return self._set[self._row : self._row + 1]

    def as_run(self) -> dict[str, Any]:
        """The run as :meth:`CurveSet.from_runs` takes it, metadata aside."""
        curves = {
            name: np.ma.array(self[name], mask=~self.measured(name)) for name in self.channels
        }
        return {"run": self.run, "epoch": self.epoch, **curves}

    def __len__(self) -> int:
        return int(self._set.lengths[self._row])

    def __reduce__(self) -> tuple[Any, ...]:
        return _curve_of, (self.alone(),)

    def __repr__(self) -> str:
        epoch = self.epoch
        last = f"{epoch[-1]:g}" if len(epoch) else "none"
        return f"Curve({self.run!r}, {len(self)} checks, last epoch {last}, {_list(self.channels)})"


def _curve_of(curves: CurveSet) -> Curve:
    return curves[0]


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
        columns: Mapping[str, _Column],
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

    def lacks(self, name: str) -> str | None:
        """A run without that channel; None where each has it."""
        if name not in self._columns:
            return self.name(0) if len(self) else None
        lacking = np.flatnonzero(np.diff(self._columns[name].offsets) == 0)
        return self.name(int(lacking[0])) if len(lacking) else None

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
            self._forms[name, form] = _wide(values)
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
            epoch = _wide(_row_numbers(self.offsets) + 1.0)
        checks = Checks(
            _wide(epoch[measured]),
            read_only(offsets[:-1]),
            read_only(offsets),
            tuple(_wide(each[measured]) for each in values),
        )
        return Watched(checks, read_only(np.flatnonzero(measured)), self.offsets)

    def _places(self) -> tuple[FloatArray, NDArray[np.int64]]:
        """The positions of the rows, one ramp for all runs where none were given."""
        if self._positions is None:
            recorded = self._columns.get("epoch")
            if recorded is not None:
                epoch: NDArray[Any] = _with_counted(recorded, self.offsets)
                starts = self.offsets[:-1]
            else:
                epoch = np.arange(1.0, self.lengths.max(initial=0) + 1)
                starts = np.zeros(len(self), np.int64)
            self._positions = _wide(epoch), read_only(starts)
        return self._positions


class CurveSet:
    """Recorded runs: an Arrow table with one row a run.

    Make one with :meth:`from_runs` or :func:`read_curves`, or of a table: anything that has an
    Arrow stream of such rows, with ``channels`` where that says less than is known.

    >>> curves = CurveSet.from_runs([
    ...     {"run": "a", "val": [3.0, 2.0, 2.5], "train": [3.0, 1.0, 0.5], "problem": "toy"},
    ...     {"run": "b", "val": [4.0, 3.0], "problem": "toy"},
    ... ])
    >>> curves
    CurveSet: 2 runs, 2 to 3 checks, val, train; metadata: problem
    >>> curves["a"].val
    array([3. , 2. , 2.5])
    >>> curves.select(curves.meta["run"] == "b").meta
      run problem
    0   b     toy
    """

    def __init__(self, table: Any, channels: Mapping[str, Channel] | None = None) -> None:
        table = table if isinstance(table, pa.Table) else pa.table(table)
        self.table, self._columns, self._offsets = _validated(
            _told(table.combine_chunks(), channels or {})
        )
        self._rows: dict[str, int] | None = None

    @classmethod
    def from_runs(
        cls,
        runs: Iterable[Mapping[str, Any]],
        *,
        channels: Mapping[str, Channel] | None = None,
    ) -> CurveSet:
        """Make a set from mappings, each a run: lists are channels, scalars metadata.

        ``val``, ``train`` and ``test`` are the errors on these sets, lower is better; ``epoch`` is
        the position of each row, increasing, 1, 2, 3 ... where it is not given; ``run`` is the id,
        and runs without one are numbered from 0; ``problem`` is the cluster for statistics. All
        lists of one run are equally long. None in a list (or a masked value of an array) says
        "not measured here"; NaN and infinite values are kept: diverged runs are data. Arrays
        of float32 stay float32, anything else becomes float64.

        ``channels`` says what the channels are: of a score ``Channel(direction="max")``, which is
        kept as recorded. Metric, data set, source and stand-in may differ from run to run and
        may be keys of the mapping instead: ``"val.metric": "logloss"``; so does the unit of the
        position, ``"epoch.unit": "step"``.

        Raises ``ValueError`` naming run, column and position for anything that is not a run:
        unequal lengths, epochs that do not increase, a value that is not a number, two runs of
        one id, no channel at all.

        >>> scores = [{"val": [0.5, 0.75]}]
        >>> curves = CurveSet.from_runs(scores, channels={"val": Channel(direction="max")})
        >>> curves[0].val, curves.error("val").values
        (array([0.5 , 0.75]), array([-0.5 , -0.75]))
        """
        rows = [_row(i, run) for i, run in enumerate(runs)]
        names = list(dict.fromkeys(name for row in rows for name in row))
        columns = {}
        for name in names:
            cells = [row.get(name) for row in rows]
            if name in _NAMED and all(cell is None for cell in cells):
                continue
            if any(isinstance(cell, np.ndarray) for cell in cells):
                columns[name] = _list_array(name, cells, rows)
            else:
                columns[name] = _metadata_array(name, cells, rows)
        if not rows:
            columns = {"run": pa.array([], pa.string()), "val": _list_array("val", [], [])}
        return cls(pa.table(columns), channels)

    # -- looking ---------------------------------------------------------------------------

    @property
    def meta(self) -> pd.DataFrame:
        """The run ids and metadata, one row a run."""
        return self.scalars.to_pandas(ignore_metadata=True)

    @property
    def scalars(self) -> pa.Table:
        """The run ids and metadata as an Arrow table."""
        return self.table.select(
            [name for name in self.table.column_names if name not in self._columns]
        )

    @property
    def runs(self) -> list[str]:
        """The run ids, in order."""
        return self.table["run"].to_pylist()

    @property
    def names(self) -> list[str]:
        """The names of the channels, errors first."""
        return _ordered(name for name in self._columns if name != "epoch")

    @property
    def channels(self) -> pd.DataFrame:
        """What the channels are, a row a channel, named by ``channel``.

        Columns: those of :class:`Channel`, where runs differ with all that is said; ``runs`` that
        have it, ``values`` that were measured and ``nan``, those of them that are NaN. The first
        row, ``epoch``, is the position.

        >>> curves = CurveSet.from_runs([{"val": [0.5, None, 0.75], "val.metric": "accuracy"}],
        ...                             channels={"val": Channel(direction="max", upper=1)})
        >>> curves.channels.loc["val", ["role", "direction", "metric"]].tolist()
        ['val', 'max', 'accuracy']
        """
        rows, counts = [], {}
        for name in ("epoch", *self.names):
            values = self.channel(name).values
            has, nan = np.diff(self._present(name)) > 0, np.isnan(values)
            counts = {"runs": has.sum(), "values": len(values), "nan": nan.sum()}
            rows.append({"channel": name, **self.about(name)._asdict(), **counts})
        table = pd.DataFrame(rows, dtype=object).set_index("channel")
        return table.astype({"upper": float, **dict.fromkeys(counts, int)})

    def about(self, name: str) -> Channel:
        """What a channel is; what runs say differently is there with all that is said.

        Of ``epoch``, the unit is that of the position.
        """
        name = canonical(name)
        there = name in self.table.column_names
        known = _named(self.table.schema.field(name)) if there else Channel()
        said: dict[str, Any] = {}
        for fact in _OF_RUNS:
            column = f"{name}.{fact}"
            if column in self.table.column_names:
                found = self.table[column].drop_null().unique().to_pylist()
                if fact == "stand_in":
                    said[fact] = any(found) if found else None
                elif found:
                    said[fact] = ", ".join(map(str, found))
        return known._replace(**said)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        lengths = self.lengths
        checks = f"{lengths.min()} to {lengths.max()} checks" if len(self) else "no checks"
        if len(self) and lengths.min() == lengths.max():
            checks = f"{lengths[0]} checks each"
        facts = {f"{name}.{fact}" for name in ("epoch", *self._columns) for fact in _OF_RUNS}
        others = [name for name in self.scalars.column_names if name not in {"run", *facts}]
        return (
            f"CurveSet: {len(self)} runs, {checks}, {', '.join(self.names)}"
            f"; metadata: {', '.join(others) or 'none'}"
        )

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The table as an Arrow stream, a row a run, for pandas, polars, duckdb and others."""
        return self.table.__arrow_c_stream__(requested_schema)

    @overload
    def __getitem__(self, key: slice) -> CurveSet: ...
    @overload
    def __getitem__(self, key: int | str) -> Curve: ...
    def __getitem__(self, key: int | str | slice) -> Curve | CurveSet:
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step == 1:
                return self._of(self.table.slice(start, max(0, stop - start)))
            return self._of(self.table.take(pa.array(range(start, stop, step), pa.int64())))
        row = self._row_of(key) if isinstance(key, str) else range(len(self))[key]
        return Curve(self, row, self.table["run"][row].as_py())

    def __iter__(self) -> Iterator[Curve]:
        return (Curve(self, i, run) for i, run in enumerate(self.runs))

    def select(self, mask: ArrayLike) -> CurveSet:
        """The runs where ``mask``, one bool a run, is true."""
        chosen = np.asarray(mask)
        if chosen.dtype != bool or chosen.shape != (len(self),):
            raise ValueError(
                f"select: expected {len(self)} bools, one a run, got {chosen.dtype} of shape "
                f"{chosen.shape}"
            )
        return self._of(self.table.filter(pa.array(chosen)))

    def __add__(self, other: CurveSet) -> CurveSet:
        """The runs of both; a column that one set lacks is missing for its runs.

        Raises ``ValueError`` where a channel has another direction or unit in the other set.
        """
        return CurveSet(concatenated([self.table, other.table]))

    def channel(self, name: str) -> Recorded:
        """The values of a channel as recorded, in float64; a run without it has none.

        ``epoch`` is 1, 2, 3 ... in every run where none was given.
        """
        return self._taken(name, "recorded")

    def error(self, name: str) -> Recorded:
        """The same with lower better: a score is negated, which is exact.

        Raises ``ValueError`` for a channel of which no direction is known.
        """
        return self._taken(name, "error")

    def _taken(self, name: str, form: Form) -> Recorded:
        name = canonical(name)
        if name == "epoch":
            epoch = self._columns.get("epoch", _nowhere(len(self)))
            return Recorded(_wide(_with_counted(epoch, self._offsets)), self._offsets)
        if name not in self._columns:
            return Recorded(*_nowhere(len(self))[:2])
        values, offsets, measured = self._columns[name]
        found = taken(values, self.about(name), form, name)
        if measured is None:
            return Recorded(_wide(found), offsets)
        counts = np.concatenate([[0], np.cumsum(measured)])[offsets]
        return Recorded(_wide(found[measured]), counts, _row_numbers(offsets)[measured])

    def laid_out(
        self, start: int = 0, stop: int | None = None, names: Iterable[str] | None = None
    ) -> Runs:
        """The runs from ``start`` to before ``stop`` as a replay takes them: these channels."""
        stop = len(self) if stop is None else stop
        names = [name for name in (self._columns if names is None else names) if self.has(name)]
        columns = {
            n: self._columns[n].part(start, stop)
            for n in dict.fromkeys([*names, "epoch"])
            if n in self._columns
        }
        offsets = self._offsets[start : stop + 1] - self._offsets[start]
        about = {n: _named(self.table.schema.field(n)) for n in self.names}
        return Runs(self.table["run"].slice(start, stop - start), offsets, columns, about)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of rows of every run: positions at which anything was measured."""
        return np.diff(self._offsets)

    def has(self, name: str) -> bool:
        """Whether the set has a column of that name."""
        return not {name, canonical(name)}.isdisjoint(self.table.column_names)

    def at(self, name: str, rows: NDArray[np.int32], form: Form = "recorded") -> FloatArray:
        """A channel's values at some rows, counted from 0, of every run.

        ``rows`` has one row a run; so has the result, NaN where nothing was measured.
        """
        name = canonical(name)
        # rows without a recorded epoch are counted
        at: FloatArray = rows.astype(np.float64) + 1
        if name != "epoch":
            at[:] = np.nan
        if name in self._columns:
            values, offsets, measured = self._columns[name]
            recorded = np.diff(offsets) > 0
            places = (offsets[:-1, None] + rows)[recorded]
            found = taken(values[places], self.about(name), form, name)
            at[recorded] = found if measured is None else np.where(measured[places], found, np.nan)
        return at

    # -- files -----------------------------------------------------------------------------

    def write(self, path: str | Path) -> None:
        """Write one file for ``x.parquet`` or ``x.arrow``, else a folder of Parquet, one a problem.

        Parquet is small: floats are split by byte and compressed with zstd. Arrow is fast: read
        again it is mapped into memory, and nothing is copied. Both hold digests, by which damage
        is noticed. An existing file is replaced once the new one is whole; an existing folder is
        refused with ``FileExistsError``.
        """
        path = Path(path)
        if not path.name:
            raise ValueError(f"{str(path)!r} is no name for a curve set; give a file or folder")
        if path.suffix in (".parquet", ".arrow"):
            with written_whole(path) as temporary:
                write_table(self.table, temporary)
            return
        if path.exists():
            raise FileExistsError(f"{path} exists already; remove it or choose another folder")
        with written_whole(path) as folder:
            folder.mkdir()
            for name, part in self._by_problem():
                write_table(part.table, folder / f"{name}.parquet")

    def _by_problem(self) -> Iterator[tuple[str, CurveSet]]:
        if "problem" not in self.table.column_names:
            yield "curves", self
            return
        problems = map(str, self.table["problem"].to_pylist())
        # problems that look alike as file names share a file
        labels = np.array([re.sub(r"[^\w-]", "_", name) for name in problems])
        for label in dict.fromkeys(labels):
            yield label, self.select(labels == label)

    # -- inside ----------------------------------------------------------------------------

    @classmethod
    def _of(cls, table: pa.Table) -> CurveSet:
        """A part of a set: valid because the whole is."""
        part = cls.__new__(cls)
        part.table = table.combine_chunks()
        part._columns = _laid_out(part.table)
        part._offsets = _row_offsets(part._columns, len(part))
        part._rows = None
        return part

    def __reduce__(self) -> tuple[Any, ...]:
        return self._of, (self.table,)

    def _present(self, name: str) -> NDArray[np.int64]:
        """Where the rows of each run begin in that channel; a run without it has none."""
        return self._columns[name].offsets if name in self._columns else self._offsets

    def _row_of(self, run: str) -> int:
        if self._rows is None:
            self._rows = {name: i for i, name in enumerate(self.runs)}
        if run not in self._rows:
            raise KeyError(f"no run {run!r} among these {len(self)} runs")
        return self._rows[run]

    def _epochs(self, row: int) -> FloatArray:
        if "epoch" in self._columns:
            values, offsets, _ = self._columns["epoch"]
            if len(given := values[offsets[row] : offsets[row + 1]]):
                return _wide(given)
        return read_only(np.arange(1.0, self._offsets[row + 1] - self._offsets[row] + 1))

    def _channels_of(self, row: int) -> list[str]:
        offsets = ((name, self._columns[name].offsets) for name in self.names)
        return [name for name, each in offsets if each[row + 1] > each[row]]


def read_curves(path: str | Path, *, channels: Mapping[str, Channel] | None = None) -> CurveSet:
    """Read a curve set from a Parquet or Arrow file, or a folder of them.

    An Arrow file of up to 1 GiB is mapped into memory, not copied. Files of ours are checked
    against the digests that they hold, once for a file as it is, so that a damaged one is refused;
    what other programs wrote is validated.

    ``channels`` says what is known of channels beyond what the file says, see
    :meth:`CurveSet.from_runs`. Raises ``OSError`` where nothing can be read and ``ValueError``,
    naming the file, where it is not a curve set, is damaged, or is of a newer version.
    """
    path = Path(path)
    tables = []
    for file in curve_files(path):
        tables.append(read_table(file))
        with naming(file):
            _require_curves(tables[-1].schema)
    with naming(path):
        return CurveSet(concatenated(tables), channels)


def is_curves(path: Path) -> bool:
    """Whether a curve set is there: Parquet or Arrow files with runs and lists of numbers.

    Raises ``ValueError`` naming the file where one of ours is damaged or of a newer version.
    """
    try:
        return all(_wrong_with(read_schema(file)) is None for file in curve_files(path))
    except RefusedError:
        raise
    except (ValueError, OSError, pa.ArrowException):
        return False


def _wrong_with(schema: pa.Schema) -> str | None:
    """Why columns are not those of a curve set, by their names and types alone."""
    if "run" not in schema.names:
        return f"no column run; it has {', '.join(schema.names)}"
    for field in schema:
        if field.name in _NAMED and not _is_channel(field.type):
            return f"column {field.name!r}: expected a list of numbers a run, found {field.type}"
    if not [f.name for f in schema if _is_channel(f.type) and f.name != "epoch"]:
        has = ", ".join(schema.names)
        return f"no channel, a column of lists of numbers such as val; it has {has}"
    return None


def _require_curves(schema: pa.Schema) -> None:
    if wrong := _wrong_with(schema):
        raise ValueError(f"not a curve set: {wrong}")


def curve_files(path: Path) -> list[Path]:
    """The Parquet and Arrow files that make up the curve set at ``path``, sorted by name."""
    if path.is_file():
        return [path]
    if not path.exists():
        raise FileNotFoundError(f"{path} does not exist; expected a curve set (Parquet or Arrow)")
    files = sorted(file for suffix in ("parquet", "arrow") for file in path.glob(f"*.{suffix}"))
    if not files:
        raise ValueError(f"{path} is not a corpus: no .parquet or .arrow file in this folder")
    return files


# -- making and validating -----------------------------------------------------------------


def canonical(name: str) -> str:
    """The name of a channel, of several that it may go by."""
    return _ALIASES.get(name, name)


def _row(index: int, run: Mapping[str, Any]) -> dict[str, Any]:
    """One run as arrays and scalars; what only the run itself can show wrong is refused here."""
    if not isinstance(run, Mapping):
        raise ValueError(f"run {index}: expected a mapping with lists, got {type(run).__name__}")
    name = str(index if run.get("run") is None else run["run"])
    row: dict[str, Any] = {"run": name}
    for key, value in run.items():
        own = canonical(str(key)) if _is_list(value) else str(key)
        if own in row and own != "run":
            raise ValueError(f"run {name!r}: {own!r} is given twice, also as {key!r}")
        if value is not None and (own in _NAMED or _is_list(value)):
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


def _list_array(name: str, cells: Sequence[Any], rows: Sequence[Mapping[str, Any]]) -> pa.Array:
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


def _metadata_array(name: str, cells: list[Any], rows: list[dict[str, Any]]) -> pa.Array:
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


# -- what a channel is ---------------------------------------------------------------------


def _field_facts(field: pa.Field) -> dict[str, Any]:
    """What the metadata of a column says of its channel, checked."""
    own = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    facts: dict[str, Any] = {fact: own[fact] for fact in _OF_FIELD if fact in own}
    if "upper" in facts:
        try:
            facts["upper"] = float(facts["upper"])
        except ValueError:
            require(f"column {field.name!r}: upper", facts["upper"], False, "a number")
    _checked(field.name, Channel(**facts))
    return facts


def _checked(name: str, channel: Channel) -> Channel:
    """The same; ``ValueError`` for a role or direction that there is not."""
    for fact, choices in _CHOICES.items():
        if (value := getattr(channel, fact)) is not None:
            one_of(f"channel {name!r}: {fact}", value, choices)
    return channel


def _told(table: pa.Table, channels: Mapping[str, Channel]) -> pa.Table:
    """The table with what is known of its channels: of ``val``, ``train``, ``test`` by their names.

    What ``channels`` says goes over what the table says.
    """
    known = _channels_of(table)
    told = {canonical(name): channel for name, channel in channels.items()}
    if unknown := [name for name in told if name != "epoch" and name not in known]:
        raise ValueError(f"channels: no channel {unknown[0]!r}; there are {_list(known)}")
    for name, channel in told.items():
        for fact in ("unit",) if name == "epoch" else _OF_RUNS[:-1]:
            if (value := getattr(channel, fact)) is None:
                continue
            column = f"{name}.{fact}"
            if column in table.column_names:
                table = with_column(table, column, pc.fill_null(table[column], value))
            else:
                table = table.append_column(column, pa.array([value] * len(table)))
        if name != "epoch":
            known[name] = _checked(name, channel.over(known[name]))
    return _with_facts(table, known)


def with_column(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The table with other values in a column, which stays what it is; Arrow itself forgets it."""
    at = table.column_names.index(name)
    metadata = table.schema.field(at).metadata
    return table.set_column(at, pa.field(name, values.type, metadata=metadata), values)


def concatenated(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of several tables of runs, one after the other; a column that one lacks is null.

    Raises ``ValueError`` where a channel has another direction or unit in another table.
    """
    facts = same_channels(_channels_of(table) for table in tables)
    metadata = tables[0].schema.metadata
    bare = [_with_facts(table, {}).replace_schema_metadata(metadata) for table in tables]
    whole = pa.concat_tables(bare, promote_options="permissive")
    return _with_facts(whole, facts)


def same_channels(several: Iterable[Mapping[str, Channel]]) -> dict[str, Channel]:
    """The channels of all; ``ValueError`` where one has another direction or unit elsewhere."""
    known: dict[str, Channel] = {}
    for channels in several:
        for name, channel in channels.items():
            before = known.setdefault(name, channel)
            for fact in ("direction", "unit"):
                one, other = getattr(before, fact), getattr(channel, fact)
                if one != other:
                    raise ValueError(
                        f"channel {name!r} has {fact} {one or 'unknown'} in one set and "
                        f"{other or 'unknown'} in another: not put together; say what it is with "
                        "channels= where it is known"
                    )
            known[name] = before.over(channel)
    return known


def _channels_of(table: pa.Table) -> dict[str, Channel]:
    """What the fields say of the channels, of errors by their names."""
    fields = [field for field in table.schema if _is_channel(field.type)]
    return {field.name: _named(field) for field in fields}


def _named(field: pa.Field) -> Channel:
    """What is known of a channel by its field, and where that says nothing by its name."""
    by_name = {"role": field.name, "direction": "min"} if field.name in ERRORS else {}
    return Channel(**{**by_name, **_field_facts(field)})


def _with_facts(table: pa.Table, channels: Mapping[str, Channel]) -> pa.Table:
    """The table with these facts in the metadata of its fields, in place of those there."""
    fields = []
    for field in table.schema:
        others = {k: v for k, v in (field.metadata or {}).items() if k.decode() not in _OF_FIELD}
        channel = channels.get(field.name, Channel())
        facts = {fact: getattr(channel, fact) for fact in _OF_FIELD}
        texts = {k: f"{v:g}" if k == "upper" else v for k, v in facts.items() if v is not None}
        fields.append(field.with_metadata({**others, **texts}))
    return pa.Table.from_arrays(table.columns, schema=pa.schema(fields, table.schema.metadata))


def is_recorded(about: Channel, form: Form) -> bool:
    """Whether a channel in that form is what was recorded."""
    return form == "recorded" or about.direction == ("max" if form == "score" else "min")


def taken(values: Any, about: Channel, form: Form, name: str) -> Any:
    """Recorded values in a form; ``ValueError`` where the channel has none.

    >>> taken(np.array([0.5, 0.75]), Channel(direction="max", upper=1), "ratio", "accuracy")
    array([0.5 , 0.25])
    """
    if is_recorded(about, form):
        return values
    if about.direction is None:
        raise ValueError(
            f"channel {name!r} is no error or score, as far as is known: say whether lower or "
            f"higher is better, channels={{{name!r}: Channel(direction='max')}} for instance"
        )
    if isinstance(values, np.ndarray) and values.dtype.kind != "f":
        values = values.astype(np.float64)  # of which there are negatives
    if form == "score":
        return 1 - np.float64(1) * values
    if form == "error":
        return -values
    if about.upper is None:
        raise ValueError(
            f"channel {name!r} is a score without a known upper bound, and a rule divides by the "
            f"error: say the bound, channels={{{name!r}: Channel(direction='max', upper=1)}} for "
            "instance"
        )
    return about.upper - np.float64(1) * values


# -- laid out flat -------------------------------------------------------------------------


def _validated(table: pa.Table) -> tuple[pa.Table, dict[str, _Column], NDArray[np.int64]]:
    """The table, where it keeps every promise of a curve set, and its channels laid out flat.

    ``ValueError`` for another table.
    """
    names = table.column_names
    if len(set(names)) < len(names):
        raise ValueError(f"not a curve set: a column twice among {', '.join(names)}")
    _require_curves(table.schema)
    table = _in_plain_text(table)
    runs = table["run"]
    if runs.null_count:
        raise ValueError(f"run {pc.index(pc.is_null(runs), True).as_py()}: it has no id")
    if len(runs.unique()) < len(runs):
        twice = runs.value_counts().to_pylist()
        name = next(v["values"] for v in twice if v["counts"] > 1)
        raise ValueError(f"run {name!r} is there more than once; run ids must be unique")
    columns = _laid_out(table)
    offsets = _row_offsets(columns, len(table))
    rows = np.diff(offsets)
    for name, column in columns.items():
        length = np.diff(column.offsets)
        given = table[name].is_valid().to_numpy()
        if len(empty := np.flatnonzero(given & (length == 0))):
            raise ValueError(f"run {runs[int(empty[0])].as_py()!r}, column {name!r}: no values")
        if len(wrong := np.flatnonzero(given & (length != rows))):
            i = int(wrong[0])
            longest = next(n for n, c in columns.items() if np.diff(c.offsets)[i] == rows[i])
            raise ValueError(
                f"run {runs[i].as_py()!r}: column {name!r} has {length[i]} values, {longest!r} has "
                f"{rows[i]}; curves of one run must be equally long"
            )
    if len(none := np.flatnonzero(rows == 0)):
        raise ValueError(f"run {runs[int(none[0])].as_py()!r}: no channel with values")
    if "epoch" in columns:
        _check_epochs(columns["epoch"], runs)
    return table, columns, offsets


def _in_plain_text(table: pa.Table) -> pa.Table:
    """The table with run ids as text, and without views of text, with which Arrow can do little."""
    for field in table.schema:
        kind = pa.string()
        if pa.types.is_dictionary(field.type) and pa.types.is_string_view(field.type.value_type):
            kind = pa.dictionary(field.type.index_type, pa.string(), field.type.ordered)
        elif field.name != "run" and not pa.types.is_string_view(field.type):
            continue
        table = with_column(table, field.name, table[field.name].cast(kind))
    return table


def _row_offsets(columns: Mapping[str, _Column], runs: int) -> NDArray[np.int64]:
    """Where the rows of each run begin: as many as its longest channel has, positions apart."""
    curves = [column for name, column in columns.items() if name != "epoch"]
    if len(curves) == 1:
        return curves[0].offsets
    lengths = [np.diff(column.offsets) for column in curves]
    if all(np.array_equal(lengths[0], each) for each in lengths[1:]):
        return curves[0].offsets
    longest = np.maximum.reduce(lengths)
    return np.concatenate([[0], np.cumsum(longest, dtype=np.int64)])


def _is_channel(kind: pa.DataType) -> bool:
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return is_list and (
        pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)
    )


def _laid_out(table: pa.Table) -> dict[str, _Column]:
    """The list columns as their values one after the other, in their own types, and offsets.

    Nothing is copied but what stands between values that are hidden by a null, and where a value
    itself is null.
    """
    columns = {}
    for name in table.column_names:
        column = table[name]
        kind = column.type
        if not _is_channel(kind):
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
        columns[name] = _Column(values.to_numpy(zero_copy_only=False), offsets, measured)
    return columns


def _check_epochs(column: _Column, runs: pa.ChunkedArray) -> None:
    values, starts, _ = column
    rising = np.ones(len(values), bool)
    rising[1:] = values[1:] > values[:-1]
    rising[starts[:-1][np.diff(starts) > 0]] = True
    if len(wrong := np.flatnonzero(~(rising & np.isfinite(values)))):
        at = int(wrong[0])
        i = int(np.searchsorted(starts, at, side="right")) - 1
        before = f" after {values[at - 1]}" if at > starts[i] else ""
        raise ValueError(
            f"run {runs[i].as_py()!r}, column 'epoch', position {at - starts[i]}: "
            f"{values[at]}{before}; epochs must increase"
        )


def _nowhere(runs: int) -> _Column:
    """A column that no run has."""
    return _Column(np.empty(0), np.zeros(runs + 1, np.int64))


def _with_counted(recorded: _Column, offsets: NDArray[np.int64]) -> NDArray[Any]:
    """Epochs as recorded where they were, counted in the runs that have none."""
    given = np.diff(recorded.offsets) > 0
    if given.all() and len(given):
        return recorded.values
    counts = _row_numbers(offsets) + 1.0
    counts[np.repeat(given, np.diff(offsets))] = recorded.values
    return counts


def _row_numbers(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The row within its run of every row, counted from 0."""
    return np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))


def _blanked(column: _Column) -> FloatArray:
    """The values in float64, NaN where nothing was measured."""
    if column.measured is None:
        return _wide(column.values)
    return _wide(np.where(column.measured, column.values, np.nan))


def _wide(values: NDArray[Any]) -> FloatArray:
    """The values as read-only float64, copied where they are not."""
    return read_only(values.astype(np.float64, copy=False))


def read_only(values: NDArray[Any]) -> NDArray[Any]:
    """A view of the array that cannot be written to."""
    values = values.view()
    values.flags.writeable = False
    return values


def _ordered(names: Iterable[str]) -> list[str]:
    """The errors first, in their order, the others as they come."""
    listed = list(names)
    errors = [name for name in ERRORS if name in listed]
    return [*errors, *(name for name in listed if name not in errors)]


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"


def local_minima(values: FloatArray) -> NDArray[np.intp]:
    """Positions lower than the value before and not above the one after; ends excluded.

    >>> import numpy as np
    >>> local_minima(np.array([3.0, 1.0, 2.0, 0.5, 0.5, 0.7]))
    array([1, 3])
    """
    inner = values[1:-1]
    return 1 + np.flatnonzero((inner < values[:-2]) & (inner <= values[2:]))
