"""Curve sets: recorded training runs as one Arrow table, one row a run.

Columns ``run`` (the id), ``val`` and, where recorded, ``epoch``, ``train`` and ``test`` hold
one list a run; every other column is metadata. Lists are ragged: runs keep their own lengths,
nothing is ever padded. A set is validated when it is made and read-only afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, overload

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from earlystop_lab._common.checks import is_number, require_mode
from earlystop_lab._common.files import written_whole

FloatArray = NDArray[np.float64]
Mode = Literal["min", "max"]

#: the error curves; lower is better
ERRORS = ("val", "train", "test")
_LISTS = ("epoch", *ERRORS)


class Curve(NamedTuple):
    """The curves of one run: read-only 1-D arrays, one value a check."""

    run: str
    #: position of each check in epochs (or steps), increasing, 1, 2, 3 ... where none was given
    epoch: FloatArray
    val: FloatArray
    train: FloatArray | None = None
    test: FloatArray | None = None

    def __repr__(self) -> str:
        channels = [name for name in ERRORS if getattr(self, name) is not None]
        last = f"{self.epoch[-1]:g}" if len(self.epoch) else "none"
        return (
            f"Curve({self.run!r}, {len(self.val)} checks, last epoch {last}, {', '.join(channels)})"
        )


class Channel(NamedTuple):
    """One list column of a set, laid out flat: run i is ``values[offsets[i]:offsets[i + 1]]``."""

    values: FloatArray
    offsets: NDArray[np.int64]


class Checks(NamedTuple):
    """Positions and validation errors of some runs, laid out flat."""

    #: positions of the checks; one ramp 1, 2, 3 ... for all runs where none were given
    epoch: FloatArray
    #: where each run's positions begin in ``epoch``
    starts: NDArray[np.int64]
    val: FloatArray
    #: where each run's errors begin in ``val``, and where the last one's end
    offsets: NDArray[np.int64]


class Runs(NamedTuple):
    """Some runs of a set as a replay takes them: whole channels, not a curve a run."""

    ids: pa.ChunkedArray
    checks: Checks
    #: with offsets of its own, since a run may lack it
    train: Channel

    def widened(self) -> Runs:
        """The same in float64, and read-only: so numba sees one type and compiles once."""
        epoch, starts, val, offsets = self.checks
        checks = Checks(_wide(epoch), read_only(starts), _wide(val), read_only(offsets))
        return Runs(self.ids, checks, Channel(_wide(self.train.values), self.train.offsets))

    def name(self, index: int) -> str:
        """Id of one run."""
        return self.ids[index].as_py()

    def epochs(self, index: int) -> FloatArray:
        """Positions of the checks of one run."""
        epoch, starts, _, offsets = self.checks
        return epoch[starts[index] : starts[index] + offsets[index + 1] - offsets[index]]

    def one(self, index: int) -> dict[str, FloatArray]:
        """The channels of one run by name, those that it has."""
        val, train = (
            values[offsets[index] : offsets[index + 1]]
            for values, offsets in (self.checks[2:], self.train)
        )
        curves = {"epoch": self.epochs(index), "val": val}
        return {**curves, "train": train} if len(train) else curves


class CurveSet:
    """Recorded runs: an Arrow table with one row a run.

    Make one with :meth:`from_runs` or :func:`read_curves`.

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

    def __init__(self, table: pa.Table) -> None:
        self.table, self._channels = _validated(table.combine_chunks())
        self._rows: dict[str, int] | None = None

    @classmethod
    def from_runs(cls, runs: Iterable[Mapping[str, Any]], *, mode: Mode = "min") -> CurveSet:
        """Make a set from mappings with ``val``, the validation error at each check.

        Optional: ``run`` (id), ``epoch``, ``train``, ``test``. Any other key is metadata, one
        scalar a run; ``problem`` is the cluster for statistics. Runs without an id are numbered
        from 0. Arrays of float32 stay float32, anything else becomes float64. NaN and infinite
        errors are kept: diverged runs are data.

        ``mode="max"`` is for metrics where higher is better: every error curve is the negated
        metric, which is exact and what Keras' ``mode="max"`` compares. Rules that look at
        ratios (GL, PQ) then measure relative to its absolute value; give ``1 - accuracy``
        yourself where error rates are meant.

        Raises ``ValueError`` naming run, column and position for anything that is not a run:
        no ``val``, unequal lengths, epochs that do not increase, a value that is not a number,
        two runs of one id.

        >>> CurveSet.from_runs([{"val": [0.5, 0.75]}], mode="max")[0].val
        array([-0.5 , -0.75])
        """
        require_mode(mode)
        rows = [_row(i, run) for i, run in enumerate(runs)]
        names = list(dict.fromkeys(name for row in rows for name in row))
        columns = {}
        for name in names:
            cells = [row.get(name) for row in rows]
            if name in _LISTS:
                sign = -1 if mode == "max" and name in ERRORS else 1
                columns[name] = _list_array([None if c is None else sign * c for c in cells])
            else:
                columns[name] = _metadata_array(name, cells, rows)
        if not rows:
            columns = {"run": pa.array([], pa.string()), "val": _list_array([])}
        return cls(pa.table(columns))

    # -- looking ---------------------------------------------------------------------------

    @property
    def meta(self) -> pd.DataFrame:
        """The run ids and metadata, one row a run."""
        return self.scalars.to_pandas()

    @property
    def scalars(self) -> pa.Table:
        """The run ids and metadata as an Arrow table."""
        return self.table.select([name for name in self.table.column_names if name not in _LISTS])

    @property
    def runs(self) -> list[str]:
        """The run ids, in order."""
        return self.table["run"].to_pylist()

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        lengths = self.lengths
        checks = f"{lengths.min()} to {lengths.max()} checks" if len(self) else "no checks"
        if len(self) and lengths.min() == lengths.max():
            checks = f"{lengths[0]} checks each"
        names = self.table.column_names
        channels = [name for name in ERRORS if name in names]
        metadata = [name for name in names if name not in ("run", *_LISTS)]
        return (
            f"CurveSet: {len(self)} runs, {checks}, {', '.join(channels)}"
            f"; metadata: {', '.join(metadata) or 'none'}"
        )

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
        parts = {name: self._cell(name, row) for name in _LISTS}
        val = parts.pop("val")
        assert val is not None, "every run has val"
        epoch = parts.pop("epoch")
        if epoch is None:
            epoch = read_only(np.arange(1.0, len(val) + 1))
        return Curve(self.table["run"][row].as_py(), epoch, val, parts["train"], parts["test"])

    def __iter__(self) -> Iterator[Curve]:
        channels = [self.channel(name) for name in Curve._fields[1:]]
        for i, run in enumerate(self.runs):
            cells = [read_only(values[offsets[i] : offsets[i + 1]]) for values, offsets in channels]
            yield Curve(run, *(cell if len(cell) else None for cell in cells))  # type: ignore[arg-type]

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
        """The runs of both; a column that one set lacks is missing for its runs."""
        return CurveSet(pa.concat_tables([self.table, other.table], promote_options="permissive"))

    def channel(self, name: str) -> Channel:
        """A list column laid out flat and widened to float64; a run without it has no values.

        ``epoch`` is 1, 2, 3 ... in every run where none was given.
        """
        recorded = self._recorded(name)
        if name == "epoch":
            return _with_counted(recorded, self._recorded("val").offsets)
        return Channel(_wide(recorded.values), recorded.offsets)

    def laid_out(self, start: int = 0, stop: int | None = None) -> Runs:
        """The runs from ``start`` to before ``stop`` as a replay takes them, in their own types."""
        stop = len(self) if stop is None else stop
        parts = []
        for values, offsets in map(self._recorded, ("val", "train", "epoch")):
            first, last = offsets[start], offsets[stop]
            parts.append(Channel(values[first:last], offsets[start : stop + 1] - first))
        val, train, recorded = parts
        if self.has("epoch"):
            epoch, starts = _with_counted(recorded, val.offsets).values, val.offsets[:-1]
        else:
            epoch = np.arange(1.0, np.diff(val.offsets).max(initial=0) + 1)
            starts = np.zeros(stop - start, np.int64)
        checks = Checks(epoch, starts, val.values, val.offsets)
        return Runs(self.table["run"].slice(start, stop - start), checks, train)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Number of checks of every run."""
        return np.diff(self._channels["val"].offsets)

    def has(self, name: str) -> bool:
        """Whether the set has a column of that name."""
        return name in self.table.column_names

    def at(self, name: str, checks: NDArray[np.int32]) -> FloatArray:
        """A list column's values at some checks, counted from 0, of every run.

        ``checks`` has one row a run; so has the result, NaN where a run lacks the curve.
        """
        # checks without a recorded epoch are counted
        at: FloatArray = checks.astype(np.float64) + 1
        if name != "epoch":
            at[:] = np.nan
        if name in self._channels:
            values, offsets = self._channels[name]
            recorded = np.diff(offsets) > 0
            at[recorded] = values[(offsets[:-1, None] + checks)[recorded]]
        return at

    # -- files -----------------------------------------------------------------------------

    def write(self, path: str | Path) -> None:
        """Write one file for ``x.parquet`` or ``x.arrow``, else a folder of Parquet, one a problem.

        Parquet is small: floats are split by byte and compressed with zstd. Arrow is fast: read
        again it is mapped into memory, and nothing is copied. An existing file is replaced once
        the new one is whole; an existing folder is refused with ``FileExistsError``.
        """
        path = Path(path)
        if not path.name:
            raise ValueError(f"{str(path)!r} is no name for a curve set; give a file or folder")
        if path.suffix in (".parquet", ".arrow"):
            with written_whole(path) as temporary:
                self._write_file(temporary)
            return
        if path.exists():
            raise FileExistsError(f"{path} exists already; remove it or choose another folder")
        with written_whole(path) as folder:
            folder.mkdir()
            for name, part in self._by_problem():
                part._write_file(folder / f"{name}.parquet")

    def _by_problem(self) -> Iterator[tuple[str, CurveSet]]:
        if "problem" not in self.table.column_names:
            yield "curves", self
            return
        problems = map(str, self.table["problem"].to_pylist())
        # problems that look alike as file names share a file
        labels = np.array([re.sub(r"[^\w-]", "_", name) for name in problems])
        for label in dict.fromkeys(labels):
            yield label, self.select(labels == label)

    def _write_file(self, path: Path) -> None:
        if path.suffix == ".arrow":
            with pa.ipc.new_file(str(path), self.table.schema) as writer:
                writer.write_table(self.table)
            return
        floats = [
            f"{field.name}.list.element"
            for field in self.table.schema
            if field.name in _LISTS and pa.types.is_floating(field.type.value_type)
        ]
        others = [name for name in self.table.column_names if name not in _LISTS]
        pq.write_table(
            self.table,
            path,
            compression="zstd",
            compression_level=9,
            use_dictionary=others,
            column_encoding=dict.fromkeys(floats, "BYTE_STREAM_SPLIT"),
            row_group_size=1024,
        )

    # -- inside ----------------------------------------------------------------------------

    @classmethod
    def _of(cls, table: pa.Table) -> CurveSet:
        """A part of a set: valid because the whole is."""
        part = cls.__new__(cls)
        part.table = table.combine_chunks()
        part._channels = _laid_out(part.table)
        part._rows = None
        return part

    def __reduce__(self) -> tuple[Any, ...]:
        return self._of, (self.table,)

    def _recorded(self, name: str) -> Channel:
        """A list column laid out flat in its own type; a run without it has no values."""
        nowhere = Channel(np.empty(0), np.zeros(len(self) + 1, np.int64))
        return self._channels.get(name, nowhere)

    def _row_of(self, run: str) -> int:
        if self._rows is None:
            self._rows = {name: i for i, name in enumerate(self.runs)}
        if run not in self._rows:
            raise KeyError(f"no run {run!r} among these {len(self)} runs")
        return self._rows[run]

    def _cell(self, name: str, row: int) -> FloatArray | None:
        values, offsets = self._recorded(name)
        cell = values[offsets[row] : offsets[row + 1]]
        return _wide(cell) if len(cell) else None


def read_curves(path: str | Path, *, mode: Mode = "min") -> CurveSet:
    """Read a curve set from a Parquet or Arrow file, or a folder of them.

    An Arrow file is mapped into memory, not copied. ``mode="max"`` negates the error curves, see
    :meth:`CurveSet.from_runs`. Raises ``OSError`` where nothing can be read and ``ValueError``,
    naming the file, where it is not a curve set.
    """
    require_mode(mode)
    path = Path(path)
    tables = []
    for file in curve_files(path):
        with not_curves(file):
            if file.suffix == ".arrow":
                tables.append(pa.ipc.open_file(pa.memory_map(str(file))).read_all())
            else:
                tables.append(pq.read_table(file))
            if missing := {"run", "val"} - set(tables[-1].column_names):
                raise ValueError(
                    f"not a curve set: no column {' and '.join(sorted(missing))}; "
                    f"it has {', '.join(tables[-1].column_names)}"
                )
    with not_curves(path):
        curves = CurveSet(pa.concat_tables(tables, promote_options="permissive"))
    return curves if mode == "min" else CurveSet(_negated(curves.table))


def is_curves(path: Path) -> bool:
    """Whether a curve set is there: Parquet or Arrow files with the columns ``run`` and ``val``."""
    try:
        return all({"run", "val"} <= set(_read_schema(file).names) for file in curve_files(path))
    except (ValueError, OSError, pa.ArrowException):
        return False


def _read_schema(file: Path) -> pa.Schema:
    if file.suffix == ".arrow":
        return pa.ipc.open_file(pa.memory_map(str(file))).schema
    return pq.read_schema(file)


@contextmanager
def not_curves(path: Path) -> Iterator[None]:
    """Name the file in the errors of reading it."""
    try:
        yield
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        kind = "an Arrow" if path.suffix == ".arrow" else "a Parquet"
        raise ValueError(f"{path}: not {kind} file ({error})") from error
    except (ValueError, KeyError, pa.ArrowException) as error:
        raise ValueError(f"{path}: {error}") from error


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


def _row(index: int, run: Mapping[str, Any]) -> dict[str, Any]:
    """One run as arrays and scalars; what only the run itself can show wrong is refused here."""
    if not isinstance(run, Mapping):
        raise ValueError(f"run {index}: expected a mapping with 'val', got {type(run).__name__}")
    name = str(index if run.get("run") is None else run["run"])
    if run.get("val") is None:
        raise ValueError(f"run {name!r}: no 'val'; it has {', '.join(map(str, run)) or 'nothing'}")
    row: dict[str, Any] = {"run": name}
    for key, value in run.items():
        if key in _LISTS:
            row[key] = None if value is None else _numbers(name, key, value)
        elif key != "run":
            row[str(key)] = value
    return row


def _numbers(run: str, column: str, values: ArrayLike) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        array = np.array(None)
    if array.dtype == object and array.ndim == 1 and all(map(is_number, array)):
        array = array.astype(np.float64)
    if array.ndim != 1 or array.dtype.kind not in "fiu":
        listed = values if isinstance(values, Sequence) and not isinstance(values, str) else array
        cells = listed if np.ndim(array) <= 1 and np.iterable(listed) else []
        position = next((i for i, cell in enumerate(cells) if not is_number(cell)), None)
        at = "" if position is None else f", position {position}"
        raise ValueError(f"run {run!r}, column {column!r}{at}: expected a list of numbers")
    if array.dtype == np.float32 and column != "epoch":
        return array
    array = array.astype(np.float64)
    if column == "epoch" and np.all(array == np.floor(array)) and np.all(np.abs(array) < 2**53):
        return array.astype(np.int64)
    return array


def _list_array(cells: Sequence[NDArray[Any] | None]) -> pa.Array:
    """Ragged arrays as one Arrow list array; its elements are never null."""
    given = [cell for cell in cells if cell is not None]
    dtype = np.result_type(*given) if given else np.dtype(np.float64)
    lengths = [0 if cell is None else len(cell) for cell in cells]
    field = pa.field("element", pa.from_numpy_dtype(dtype), nullable=False)
    return pa.ListArray.from_arrays(
        pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)),
        pa.array(np.concatenate([*given, np.empty(0, dtype)])),
        type=pa.list_(field),
        mask=pa.array([cell is None for cell in cells], pa.bool_()),
    )


def _metadata_array(name: str, cells: list[Any], rows: list[dict[str, Any]]) -> pa.Array:
    for row, cell in zip(rows, cells, strict=True):
        if isinstance(cell, (list, tuple, dict, set, np.ndarray)):
            raise ValueError(
                f"run {row['run']!r}, metadata {name!r}: expected one scalar, got "
                f"{type(cell).__name__}; curves are named {', '.join(_LISTS)}"
            )
    try:
        return pa.array(cells)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        kinds = ", ".join(sorted({type(cell).__name__ for cell in cells}))
        raise ValueError(f"metadata {name!r}: mixed types ({kinds}); give one type") from error


def _validated(table: pa.Table) -> tuple[pa.Table, dict[str, Channel]]:
    """The table, where it keeps every promise of a curve set, and its channels laid out flat.

    ``ValueError`` for another table.
    """
    names = table.column_names
    if len(set(names)) < len(names):
        raise ValueError(f"not a curve set: a column twice among {', '.join(names)}")
    if missing := {"run", "val"} - set(names):
        raise ValueError(f"not a curve set: no column {' and '.join(sorted(missing))}")
    if not pa.types.is_string(table.schema.field("run").type):
        table = table.set_column(names.index("run"), "run", table["run"].cast(pa.string()))
    runs = table["run"]
    if runs.null_count:
        raise ValueError(f"run {pc.index(pc.is_null(runs), True).as_py()}: it has no id")
    if len(runs.unique()) < len(runs):
        twice = runs.value_counts().to_pylist()
        name = next(v["values"] for v in twice if v["counts"] > 1)
        raise ValueError(f"run {name!r} is there more than once; run ids must be unique")
    channels = _laid_out(table)
    lengths = {name: np.diff(channel.offsets) for name, channel in channels.items()}
    if len(empty := np.flatnonzero(lengths["val"] == 0)):
        raise ValueError(f"run {runs[int(empty[0])].as_py()!r}, column 'val': no values")
    for name, length in lengths.items():
        given = table[name].is_valid().to_numpy()
        wrong = np.flatnonzero(given & (length != lengths["val"]))
        if len(wrong):
            i = int(wrong[0])
            raise ValueError(
                f"run {runs[i].as_py()!r}: column {name!r} has {length[i]} values, 'val' has "
                f"{lengths['val'][i]}; curves of one run must be equally long"
            )
    if "epoch" in names:
        _check_epochs(channels["epoch"], runs)
    return table, channels


def _laid_out(table: pa.Table) -> dict[str, Channel]:
    """The list columns as their values one after the other, in their own types, and offsets.

    Nothing is copied but what stands between values that are hidden by a null.
    """
    channels = {}
    for name in _LISTS:
        if name not in table.column_names:
            continue
        column = table[name]
        # of a single chunk that chunk, which combining would copy
        column = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
        kind = column.type
        is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
        if not is_list or not (
            pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)
        ):
            raise ValueError(f"column {name!r}: expected a list of numbers a run, found {kind}")
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        first, end = column.offsets[0].as_py(), column.offsets[-1].as_py()
        whole = end - first == offsets[-1]
        values = column.values.slice(first, end - first) if whole else column.flatten()
        if values.null_count:
            message = "a null among its values; use NaN for 'not measured'"
            raise ValueError(f"column {name!r}: {message}")
        channels[name] = Channel(values.to_numpy(zero_copy_only=False), offsets)
    return channels


def _check_epochs(channel: Channel, runs: pa.ChunkedArray) -> None:
    values, starts = channel
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


def _negated(table: pa.Table) -> pa.Table:
    for i, name in enumerate(table.column_names):
        if name in ERRORS:
            column = table[name].combine_chunks()
            kind = column.type
            values, value_type = column.values, kind.value_type
            if pa.types.is_integer(value_type):
                values, value_type = values.cast(pa.float64()), pa.float64()
            field = pa.field("element", value_type, nullable=kind.value_field.nullable)
            wider = pa.large_list(field) if pa.types.is_large_list(kind) else pa.list_(field)
            negated = type(column).from_arrays(
                column.offsets, pc.negate(values), type=wider, mask=column.is_null()
            )
            table = table.set_column(i, name, negated)
    return table


def _with_counted(recorded: Channel, offsets: NDArray[np.int64]) -> Channel:
    """Epochs as recorded where they were, counted in the runs that have none."""
    given = np.diff(recorded.offsets) > 0
    if given.all() and len(given):
        return Channel(_wide(recorded.values), recorded.offsets)
    counts = np.arange(1.0, offsets[-1] + 1) - np.repeat(offsets[:-1], np.diff(offsets))
    counts[np.repeat(given, np.diff(offsets))] = recorded.values
    return Channel(counts, offsets)


def _wide(values: NDArray[Any]) -> FloatArray:
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
