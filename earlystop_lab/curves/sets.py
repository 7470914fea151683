"""Curve sets: recorded training runs as one Arrow table, with one row per run.

The column ``run`` is the id. Every column of lists is a channel, one quantity recorded along the
run; ``epoch`` holds the positions; every other column is metadata. Lists are ragged: each run keeps
its own length, and nothing is padded. In a list, null means "not measured here" and NaN means
"measured, and not a number". A set is validated when it is made and read-only afterwards.

Facts that hold for a channel in all runs are metadata of its field: role, direction, unit, upper
bound. Facts that may differ between runs are columns of their own: ``val.metric``, ``val.data``,
``val.source``, ``val.stand_in`` and ``epoch.unit``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from earlystop_lab._common.files import written_whole
from earlystop_lab._common.names import file_name
from earlystop_lab._common.wording import counted, listed
from earlystop_lab.curves.channels import (
    ERRORS,
    NAMED,
    OF_RUNS,
    Channel,
    Form,
    arrow_errors,
    canonical,
    channel_of,
    concatenated,
    is_channel,
    taken,
    unencoded,
    with_channels,
    with_column,
)
from earlystop_lab.curves.flat import (
    Column,
    FloatArray,
    Recorded,
    Runs,
    blanked,
    laid_out,
    no_column,
    read_only,
    row_numbers,
    row_offsets,
    wide,
    with_counted,
)
from earlystop_lab.curves.making import (
    list_array,
    metadata_array,
    row_of,
    table_of_frame,
    table_of_rows,
)
from earlystop_lab.curves.storing import (
    UnreadableError,
    naming,
    read_schema,
    read_table,
    write_table,
)


class Curve:
    """One run of a set: its channels by name, as read-only arrays with one value per row.

    ``curve["lr"]`` and, for errors, ``curve.val`` are the recorded values, NaN where nothing was
    measured; :meth:`measured` tells these apart from a measured NaN. Get a run by ``curves[i]`` or
    ``curves["run id"]``.

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
        """The run id."""
        return self._run

    @property
    def epoch(self) -> FloatArray:
        """Position of each row, increasing; 1, 2, 3 ... if none was given."""
        return self._set._epochs(self._row)

    @property
    def val(self) -> FloatArray:
        """The validation error or score; ``KeyError`` if the run has none."""
        return self["val"]

    @property
    def train(self) -> FloatArray | None:
        """The training error or score; None if the run has none."""
        return self["train"] if self._set._has(self._row, "train") else None

    @property
    def test(self) -> FloatArray | None:
        """The test error or score; None if the run has none."""
        return self["test"] if self._set._has(self._row, "test") else None

    @property
    def channels(self) -> list[str]:
        """The names of the channels that the run has."""
        return [name for name in self._set.names if self._set._has(self._row, name)]

    @property
    def about(self) -> dict[str, Channel]:
        """Descriptions of the channels that the run has."""
        return {name: self._set.about(name) for name in self.channels}

    def __getitem__(self, name: str) -> FloatArray:
        name = self._set.own_name(name)
        if name == "epoch":
            return self.epoch
        if not self._set._has(self._row, name):
            raise KeyError(
                f"run {self.run!r} has no channel {name!r}; it has "
                f"{listed(self.channels, 20) or 'none'}"
            )
        return blanked(*self._set._columns[name].of_run(self._row))

    def measured(self, name: str) -> NDArray[np.bool_]:
        """The rows at which the channel was measured, as a boolean array."""
        rows = len(self[name])
        name = self._set.own_name(name)
        if name == "epoch":
            return read_only(np.ones(rows, np.bool_))
        _, measured = self._set._columns[name].of_run(self._row)
        return read_only(np.ones(rows, np.bool_) if measured is None else measured)

    def alone(self) -> CurveSet:
        """A set with only this run."""
        return self._set[self._row : self._row + 1]

    def as_run(self) -> dict[str, Any]:
        """The run as :meth:`CurveSet.from_runs` takes it, without metadata."""
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
        checks = int(self.measured("val").sum()) if "val" in self.channels else len(self)
        return f"Curve({self.run!r}, {checks} checks, last epoch {last}, {_list(self.channels)})"


def _curve_of(curves: CurveSet) -> Curve:
    return curves[0]


class CurveSet:
    """Recorded runs: an Arrow table with one row per run.

    Make a set with :meth:`from_runs`, :meth:`from_frame` or :func:`read_curves`, or from a table.

    Parameters
    ----------
    table : table or Arrow stream
        Any object with an Arrow stream whose rows are runs.
    channels : dict of str to Channel, optional
        Facts about channels that the table does not know.

    Examples
    --------

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
        if isinstance(table, pd.DataFrame):
            table = table_of_frame(table)
        with arrow_errors("curves"):
            if not isinstance(table, pa.Table):
                table = pa.table(table)
            self._keep(*_validated(with_channels(table.combine_chunks(), channels or {})))

    @classmethod
    def from_runs(
        cls,
        runs: Iterable[Mapping[str, Any]],
        *,
        channels: Mapping[str, Channel] | None = None,
    ) -> CurveSet:
        """Make a set from mappings, each one a run: lists are channels, scalars are metadata.

        Parameters
        ----------
        runs : iterable of dict
            ``val``, ``train`` and ``test`` are the errors on these sets (lower is better);
            ``epoch`` has the position of each row, increasing, by default 1, 2, 3 ...; ``run`` is
            the id, and runs without one are numbered from 0; ``dataset``, or else ``problem``, is
            the cluster for statistics. All lists of a run have the same length. None in a list (or
            a masked value of an array) means "not measured here". NaN and infinite values are kept,
            since diverged runs are data. Arrays of float32 stay float32; all others become float64.
        channels : dict of str to Channel, optional
            Descriptions of the channels, such as ``Channel(direction="max")`` for a score, which
            is kept as recorded. Metric, data set, source and stand-in may differ between runs and
            can be keys of a run instead: ``"val.metric": "logloss"``; likewise the unit of the
            positions, ``"epoch.unit": "step"``.

        Returns
        -------
        CurveSet

        Raises
        ------
        ValueError
            Naming run, column and position: for lists of different lengths, epochs that do not
            increase, a value that is not a number, duplicate run ids, or a run without channels.

        Examples
        --------

        >>> scores = [{"val": [0.5, 0.75]}]
        >>> curves = CurveSet.from_runs(scores, channels={"val": Channel(direction="max")})
        >>> curves[0].val, curves.error("val").values
        (array([0.5 , 0.75]), array([-0.5 , -0.75]))
        """
        rows = [row_of(i, run) for i, run in enumerate(runs)]
        names = list(dict.fromkeys(name for row in rows for name in row))
        columns = {}
        for name in names:
            cells = [row.get(name) for row in rows]
            if name in NAMED and all(cell is None for cell in cells):
                continue
            if any(isinstance(cell, np.ndarray) for cell in cells):
                columns[name] = list_array(name, cells, rows)
            else:
                columns[name] = metadata_array(name, cells, rows)
        if not rows:
            columns = {"run": pa.array([], pa.string()), "val": list_array("val", [], [])}
        return cls(pa.table(columns), channels)

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        run: str = "run",
        epoch: str = "epoch",
        channels: Mapping[str, Channel] | None = None,
    ) -> CurveSet:
        """Make a set from a data frame with one row per check: pandas, polars or any Arrow stream.

        Rows are sorted by their positions; runs keep the order of their first rows.

        Parameters
        ----------
        frame : DataFrame or Arrow stream
            Columns of text, booleans or integers that are constant in each run become metadata;
            other numbers become channels. A missing value (null, None, pandas' NA) was not
            measured. NaN is kept as a measured value; if NaN means "missing" in a pandas frame,
            pass ``frame.convert_dtypes()``.
        run, epoch : str
            Names of the columns of run ids and positions. Without positions, rows are counted.
        channels : dict of str to Channel, optional
            Descriptions of the channels.

        Returns
        -------
        CurveSet

        Raises
        ------
        ValueError
            Naming row, run and column, if the frame is not a curve set.

        Examples
        --------

        >>> rows = {"run": ["a", "b", "a"], "epoch": [2, 1, 1], "val": [0.5, 0.7, 0.9]}
        >>> frame = pd.DataFrame(rows)
        >>> CurveSet.from_frame(frame)["a"].val
        array([0.9, 0.5])
        """
        return cls(table_of_rows(frame, run, epoch), channels)

    # -- access ----------------------------------------------------------------------------

    @property
    def meta(self) -> pd.DataFrame:
        """The run ids and metadata, with one row per run."""
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
        """Descriptions of the channels, with one row per channel, indexed by ``channel``.

        The columns are those of :class:`Channel`, with all values if they differ between runs;
        ``runs``, the number of runs that have the channel; ``values``, the number of measured
        values; and ``nan``, how many of these are NaN. The first row, ``epoch``, is the position.

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

    def own_name(self, name: str) -> str:
        """The name of a channel in this set, given its name or the column it was read from.

        >>> curves = CurveSet.from_runs([{"val": [0.5], "val.source": "val_loss"}])
        >>> curves.own_name("val_loss"), curves.own_name("accuracy")
        ('val', 'accuracy')
        """
        name = canonical(name)
        return name if name in self._columns or name == "epoch" else self._sources.get(name, name)

    @cached_property
    def _sources(self) -> dict[str, str]:
        """Channels by the column they were read from, if that is unique."""
        found: dict[str, list[str]] = {}
        for name in self.names:
            if f"{name}.source" in self._fields:
                said = self.table[f"{name}.source"].drop_null().unique().to_pylist()
                if len(said) == 1:
                    found.setdefault(said[0], []).append(name)
        return {source: names[0] for source, names in found.items() if len(names) == 1}

    def about(self, name: str) -> Channel:
        """The description of a channel; facts that differ between runs are joined.

        For ``epoch``, the unit is that of the position.
        """
        name = self.own_name(name)
        if name not in self._known:
            self._known[name] = self._found(name)
        return self._known[name]

    def _found(self, name: str) -> Channel:
        known = channel_of(self._fields[name]) if name in self._fields else Channel()
        said: dict[str, Any] = {}
        for fact in OF_RUNS:
            column = f"{name}.{fact}"
            if column in self._fields:
                found = self.table[column].drop_null().unique().to_pylist()
                if fact == "stand_in":
                    said[fact] = any(found) if found else None
                elif found:
                    said[fact] = ", ".join(sorted(map(str, found)))
        return known._replace(**said)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def size(self) -> str:
        """The number of runs and checks as text.

        >>> CurveSet.from_runs([{"val": [0.5]}, {"val": [0.5, 0.4]}]).size
        '2 runs, 1 to 2 checks'
        """
        if not len(self):
            return "0 runs, no checks"
        # rows in which only other channels were measured are no checks
        partly = "val" in self._columns and self._columns["val"].measured is not None
        counts = np.diff(self.channel("val").offsets) if partly else self.lengths
        least, most = counts.min(), counts.max()
        checks = f"{counted(least, 'check')} each" if least == most else f"{least} to {most} checks"
        return f"{counted(len(self), 'run')}, {checks}"

    def runs_with(self, name: str) -> int:
        """The number of runs that have that channel."""
        return int((np.diff(self._present(self.own_name(name))) > 0).sum())

    @property
    def metadata(self) -> list[str]:
        """The names of the columns with further information about each run, such as ``problem``."""
        facts = {f"{name}.{fact}" for name in ("epoch", *self._columns) for fact in OF_RUNS}
        return [name for name in self.scalars.column_names if name not in {"run", *facts}]

    def __repr__(self) -> str:
        return f"CurveSet: {self.size}, {_list(self.names)}; metadata: {_list(self.metadata)}"

    def _repr_html_(self) -> str:
        """The display in a notebook: a summary and a small plot of some curves."""
        from earlystop_lab.report.notebooks import html_of

        return html_of(self)

    def to_frame(self) -> pd.DataFrame:
        """A data frame with one row per check: run, epoch, every channel, and repeated metadata.

        Channels with values that were not measured have an Arrow type, which distinguishes NA from
        NaN. :meth:`from_frame` is the inverse.

        >>> CurveSet.from_runs([{"run": "a", "val": [0.9, 0.5], "problem": "toy"}]).to_frame()
          run  epoch  val problem
        0   a    1.0  0.9     toy
        1   a    2.0  0.5     toy
        """
        rows = np.repeat(np.arange(len(self)), self.lengths)
        columns = {
            "run": self.table["run"].take(rows),
            "epoch": pa.array(self.channel("epoch").values),
        }
        holed = set()
        for name in self.names:
            values, _, at = self.channel(name)
            present = np.diff(self._columns[name].offsets) > 0
            measured = np.repeat(present, self.lengths)
            if at is not None:
                of_column = self._columns[name].measured
                measured[measured.copy()] = of_column
            cells = np.full(len(rows), np.nan)
            cells[measured] = values
            columns[name] = pa.array(cells, mask=~measured)
            if not measured.all():
                holed.add(name)
        for name in self.scalars.column_names:
            if name != "run":
                columns[name] = self.table[name].take(rows)
        table = pa.table(columns)
        frame = table.drop_columns([*holed]).to_pandas(ignore_metadata=True)
        for name in holed:
            frame[name] = pd.Series(table[name], dtype=pd.ArrowDtype(pa.float64()))
        return frame[table.column_names]

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        """The table as an Arrow stream, one row per run, for pandas, polars, duckdb and others."""
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
        """The runs where ``mask``, a boolean array with one element per run, is True."""
        chosen = np.asarray(mask)
        if chosen.dtype != bool or chosen.shape != (len(self),):
            raise ValueError(
                f"select: expected {len(self)} booleans, one per run, got {chosen.dtype} of shape "
                f"{chosen.shape}"
            )
        return self if chosen.all() else self._of(self.table.filter(pa.array(chosen)))

    def __add__(self, other: CurveSet) -> CurveSet:
        """The runs of both sets; a column that one set lacks is missing for its runs.

        Raises ``ValueError`` if a channel has another direction or unit in the other set.
        """
        with arrow_errors("curves to concatenate"):
            return CurveSet(concatenated([self.table, other.table]))

    def channel(self, name: str) -> Recorded:
        """The values of a channel as recorded, in float64; a run without it has no values.

        ``epoch`` is 1, 2, 3 ... in every run if no positions were given.
        """
        return self._taken(name, "recorded")

    def error(self, name: str) -> Recorded:
        """The channel as an error (lower is better): a score is negated, which is exact.

        Raises ``ValueError`` for a channel whose direction is unknown.
        """
        return self._taken(name, "error")

    def _taken(self, name: str, form: Form) -> Recorded:
        name = self.own_name(name)
        if name == "epoch":
            epoch = self._columns.get("epoch", no_column(len(self)))
            return Recorded(wide(with_counted(epoch, self._offsets)), self._offsets)
        if name not in self._columns:
            return Recorded(*no_column(len(self))[:2])
        values, offsets, measured = self._columns[name]
        found = taken(values, self.about(name), form, name)
        if measured is None:
            return Recorded(wide(found), offsets)
        counts = np.concatenate([[0], np.cumsum(measured)])[offsets]
        return Recorded(wide(found[measured]), counts, row_numbers(offsets)[measured])

    def laid_out(
        self, start: int = 0, stop: int | None = None, names: Iterable[str] | None = None
    ) -> Runs:
        """The runs from ``start`` up to ``stop`` as a replay needs them, with these channels."""
        stop = len(self) if stop is None else stop
        asked = self._columns if names is None else {**dict.fromkeys(names), "epoch": None}
        own = {name: self.own_name(name) for name in asked}
        columns = {
            name: self._columns[each].part(start, stop)
            for name, each in own.items()
            if each in self._columns
        }
        offsets = self._offsets[start : stop + 1] - self._offsets[start]
        known = dict.fromkeys([*self.names, *(name for name in columns if name != "epoch")])
        about = {name: self.about(name) for name in known}
        return Runs(self.table["run"].slice(start, stop - start), offsets, columns, about)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of rows of every run: positions at which anything was measured."""
        return np.diff(self._offsets)

    def has(self, name: str) -> bool:
        """Whether the set has a column of that name."""
        return not {name, self.own_name(name)}.isdisjoint(self._fields)

    def at(self, name: str, rows: NDArray[np.int32], form: Form = "recorded") -> FloatArray:
        """A channel's values at given rows, counted from 0, of every run.

        ``rows`` and the result have one row per run; values that were not measured are NaN.
        """
        name = self.own_name(name)
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
        """Write the set to a file or folder.

        Existing files are replaced only once the new file is complete. The files contain digests,
        by which damage is detected.

        Parameters
        ----------
        path : str or Path
            ``x.parquet`` writes a Parquet file, which is small: floats are split by byte and
            compressed with zstd. ``x.arrow`` writes an Arrow file, which is fast: it is mapped into
            memory when read, without copying. Any other name is a new folder of Parquet files, one
            per problem.

        Raises
        ------
        FileExistsError
            If the folder exists.
        """
        path = Path(path)
        if not path.name:
            raise ValueError(f"{str(path)!r} is not a valid name; expected a file or folder")
        if path.suffix in (".parquet", ".arrow"):
            with written_whole(path) as temporary, arrow_errors(str(path)):
                write_table(self.table, temporary)
            return
        if path.exists():
            raise FileExistsError(f"{path} already exists; remove it or choose another folder")
        with written_whole(path) as folder, arrow_errors(str(path)):
            folder.mkdir()
            for name, part in self._by_problem():
                write_table(part.table, folder / f"{name}.parquet")

    def _by_problem(self) -> Iterator[tuple[str, CurveSet]]:
        if "problem" not in self.table.column_names:
            yield "curves", self
            return
        problems = [*map(str, self.table["problem"].to_pylist())]
        # problems whose names give the same file name, on some system, share a file
        labels = {name: file_name(re.sub(r"[^\w-]", "_", name)) for name in problems}
        files = {label.casefold(): label for label in reversed(labels.values())}
        of_run = np.array([labels[name].casefold() for name in problems])
        for file in dict.fromkeys(of_run.tolist()):
            yield files[file], self.select(of_run == file)

    # -- internal --------------------------------------------------------------------------

    @classmethod
    def _of(cls, table: pa.Table) -> CurveSet:
        """A part of a set, which is valid because the whole is."""
        part = cls.__new__(cls)
        table = table.combine_chunks()
        columns = laid_out(table)
        part._keep(table, columns, row_offsets(columns))
        return part

    def _keep(
        self, table: pa.Table, columns: dict[str, Column], offsets: NDArray[np.int64]
    ) -> None:
        self.table, self._columns, self._offsets = table, columns, offsets
        #: the columns of the table by name; Arrow builds a list on every access
        self._fields = {field.name: field for field in table.schema}
        #: cache of computed properties
        self._known: dict[str, Channel] = {}
        self._rows: dict[str, int] | None = None

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
            given, _ = self._columns["epoch"].of_run(row)
            if len(given):
                return wide(given)
        return read_only(np.arange(1.0, self._offsets[row + 1] - self._offsets[row] + 1))

    def _has(self, row: int, name: str) -> bool:
        """Whether a run has that channel, or recorded positions."""
        column = self._columns.get(name)
        return column is not None and bool(column.offsets[row + 1] > column.offsets[row])


def read_curves(
    path: str | Path, *, channels: Mapping[str, Channel] | None = None, mapped: bool = True
) -> CurveSet:
    """Read a curve set from a Parquet or Arrow file, or from a folder of such files.

    An Arrow file of up to 16 GiB is mapped into memory, not copied. Files written by this package
    are verified against their digests, once per state of the file. Files of other programs are
    validated.

    Parameters
    ----------
    path : str or Path
    channels : dict of str to Channel, optional
        Facts about channels that the file does not know, see :meth:`CurveSet.from_runs`.
    mapped : bool
        Whether Arrow files are mapped. With False, they are copied into memory. Choose this for
        files that another program may overwrite or truncate in place while they are in use: a
        process that reads a mapped part that was cut off is killed by the system. This package
        never writes in place.

    Returns
    -------
    CurveSet

    Raises
    ------
    OSError
        If a file cannot be read.
    ValueError
        Naming the file, if it is not a curve set, is damaged, or is of a newer version.
    """
    path = Path(path)
    tables = []
    for file in curve_files(path):
        tables.append(read_table(file, mapped=mapped))
        with naming(file):
            _require_curves(tables[-1].schema)
    with naming(path):
        return CurveSet(concatenated(tables), channels)


def require_curves(asking: str, given: object, *, paths: bool = False) -> None:
    """Raise ``TypeError`` that says what to do, unless a curve set is given, or a path if allowed.

    >>> require_curves("recommend", "x.parquet")
    Traceback (most recent call last):
    TypeError: recommend takes a CurveSet, not a str; read it with read_curves(path)
    """
    if isinstance(given, CurveSet) or (paths and isinstance(given, (str, Path))):
        return
    kind = type(given)
    what = kind.__name__
    if (library := kind.__module__.partition(".")[0]) not in ("builtins", "earlystop_lab"):
        what = f"{library} {what}"
    if isinstance(given, pd.DataFrame) or hasattr(given, "__arrow_c_stream__"):
        hint = (
            "; convert it with CurveSet.from_frame(frame) if it has one row per check, or with "
            "CurveSet(frame) if it has one row per run with a list for each channel"
        )
    elif isinstance(given, Curve):
        hint = "; curve.alone() is the set of that run"
    elif isinstance(given, (str, Path)):
        hint = "; read it with read_curves(path)"
    elif isinstance(given, (list, tuple)):
        hint = "; make one with CurveSet.from_runs(runs), where each run is a dict of lists"
    elif isinstance(given, Mapping):
        hint = "; make one with CurveSet.from_runs([run]), where each run is a dict of lists"
    else:
        hint = "; make one with CurveSet.from_runs"
    raise TypeError(f"{asking} takes a CurveSet, not a {what}{hint}")


def is_curves(path: Path) -> bool:
    """Whether there is a curve set: Parquet or Arrow files with runs and lists of numbers.

    Raises ``ValueError`` naming the file if one of this package is damaged or of a newer version.
    """
    try:
        return all(_wrong_with(read_schema(file)) is None for file in curve_files(path))
    except UnreadableError:
        raise
    except (ValueError, OSError, pa.ArrowException):
        return False


def _wrong_with(schema: pa.Schema) -> str | None:
    """What is wrong with the names and types of columns of a curve set; None if nothing is."""
    if "run" not in schema.names:
        return f"there is no column 'run'; it has {', '.join(schema.names)}"
    for field in schema:
        if field.name in NAMED and not is_channel(field.type):
            return f"column {field.name!r}: expected a list of numbers per run, found {field.type}"
    if not [f.name for f in schema if is_channel(f.type) and f.name != "epoch"]:
        has = ", ".join(schema.names)
        return f"there is no channel, a column of lists of numbers such as val; it has {has}"
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
        raise ValueError(f"{path} is not a curve set: there is no .parquet or .arrow file in it")
    return files


def _validated(table: pa.Table) -> tuple[pa.Table, dict[str, Column], NDArray[np.int64]]:
    """The table and its channels in flat layout; ``ValueError`` if it is not a valid curve set."""
    names = table.column_names
    if len(set(names)) < len(names):
        raise ValueError(f"not a curve set: duplicate column among {', '.join(names)}")
    _require_curves(table.schema)
    if pa.types.is_nested(kind := table.schema.field("run").type):
        raise ValueError(f"column 'run': expected one id per run, found {kind}")
    table = unencoded(table)
    if kind != pa.string():
        table = with_column(table, "run", table["run"].cast(pa.string()))
    runs = table["run"]
    if runs.null_count:
        raise ValueError(f"run {pc.index(pc.is_null(runs), True).as_py()}: missing run id")
    if len(runs.unique()) < len(runs):
        twice = runs.value_counts().to_pylist()
        name = next(v["values"] for v in twice if v["counts"] > 1)
        raise ValueError(f"duplicate run id {name!r}; run ids must be unique")
    columns = laid_out(table)
    offsets = row_offsets(columns)
    rows = np.diff(offsets)
    for name, column in columns.items():
        length = np.diff(column.offsets)
        given = table[name].is_valid().to_numpy()
        if len(empty := np.flatnonzero(given & (length == 0))):
            raise ValueError(f"run {runs[int(empty[0])].as_py()!r}, column {name!r}: empty list")
        if len(wrong := np.flatnonzero(given & (length != rows))):
            i = int(wrong[0])
            longest = next(n for n, c in columns.items() if np.diff(c.offsets)[i] == rows[i])
            raise ValueError(
                f"run {runs[i].as_py()!r}: column {name!r} has {length[i]} values, but {longest!r} "
                f"has {rows[i]}; all channels of a run must have the same length"
            )
    if len(none := np.flatnonzero(rows == 0)):
        raise ValueError(f"run {runs[int(none[0])].as_py()!r}: has no channel with values")
    if "epoch" in columns:
        _check_epochs(columns["epoch"], runs)
    return table, columns, offsets


def _check_epochs(column: Column, runs: pa.ChunkedArray) -> None:
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


def _ordered(names: Iterable[str]) -> list[str]:
    """The errors first, in their usual order, then the others as given."""
    listed = list(names)
    errors = [name for name in ERRORS if name in listed]
    return [*errors, *(name for name in listed if name not in errors)]


def _list(names: Sequence[str]) -> str:
    """The names joined by commas, truncated if there are very many."""
    if len(names) > 20:
        return f"{', '.join(names[:20])} and {len(names) - 20} more"
    return ", ".join(names) or "none"
