"""Facts about the runs of a set: lowest errors, how runs end, copies, clusters.

Every measure, study and table needs some of these; :func:`facts_of` computes each once per set.
"""

import weakref
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earlystop_lab.curves.flat import FloatArray, read_only
from earlystop_lab.curves.sets import CurveSet, read_curves, require_curves

Mask = NDArray[np.bool_]
#: what the column ``ended`` says of a run that ended because it had reached a target
TARGET = "target"


class Lowest(NamedTuple):
    """The lowest error of every run, and where it is first reached."""

    #: NaN for a run without errors
    value: FloatArray
    #: its position; NaN if there is none
    epoch: FloatArray
    #: its row, counted from 0; -1 if there is none
    row: NDArray[np.intp]


class Endings(NamedTuple):
    """How the runs of a set end: losses against the lowest error of late ones are lower bounds."""

    #: runs with a finite validation error, among which the others are counted
    runs: int
    #: the lowest one is in the last tenth of the run; of these, at the last check
    late: int
    censored: int
    #: runs that ended at a target
    at_target: int

    def share(self, name: Literal["late", "censored", "at_target"]) -> float:
        """A count as a share of the runs; 0 if there are none.

        >>> Endings(runs=4, late=3, censored=1, at_target=0).share("late")
        0.75
        """
        count: int = getattr(self, name)
        return count / max(self.runs, 1)


class Facts:
    """Facts about the runs of a set: read-only arrays with one value per run."""

    def __init__(self, curves: CurveSet) -> None:
        self._curves = curves
        self._lowest: dict[tuple[str, bool], Lowest] = {}
        self._counts: dict[str, NDArray[np.int64]] = {}

    @cached_property
    def first(self) -> FloatArray:
        """Position of the first row."""
        return self._epoch_at(np.zeros(len(self._curves), np.intp))

    @cached_property
    def last(self) -> FloatArray:
        """Position of the last row."""
        return self._epoch_at(self._curves.lengths - 1)

    def lowest(self, error: str, *, finite: bool = False) -> Lowest:
        """The lowest error that is not NaN (if ``finite``, not infinite); earliest of ties."""
        if (error, finite) not in self._lowest:
            self._lowest[error, finite] = self._found_lowest(error, finite)
        return self._lowest[error, finite]

    def measurable(self, error: str = "val") -> Mask:
        """Runs in which every regret is a finite number, whatever check a rule selects.

        Their errors are all finite and the lowest is not 0. Averages of regret are over such runs,
        because one infinite regret makes a mean infinite. Report how many runs were excluded.
        """
        recorded = self.counts(error) > 0
        lowest = self.lowest(error).value
        return read_only(recorded & (self._not_finite(error) == 0) & (lowest != 0))

    @cached_property
    def checks_after_lowest(self) -> NDArray[np.int64]:
        """Number of checks after the lowest validation error; 0 if there is none."""
        _, offsets, rows = self._curves.channel("val")
        at = self.lowest("val").row
        last = np.diff(offsets) - 1
        if rows is None:
            return read_only(np.where(at < 0, 0, last - at))
        # the rows that are checks, up to the lowest error
        run = np.repeat(np.arange(len(at)), last + 1)
        before = np.bincount(run[rows <= at[run]], minlength=len(at))
        return read_only(np.where(at < 0, 0, last + 1 - before))

    @cached_property
    def censored(self) -> Mask:
        """Runs whose lowest finite validation error is at the last check: it might fall further."""
        at = self.lowest("val", finite=True).row
        return read_only((at >= 0) & (at == self.last_row("val")))

    @cached_property
    def late(self) -> Mask:
        """Runs whose lowest finite validation error is in the last tenth of their positions.

        Further training might find a lower one, so that losses against it are lower bounds.
        """
        return read_only(self.lowest("val", finite=True).epoch > 0.9 * self.last)

    @cached_property
    def at_target(self) -> Mask:
        """Runs that ended because they had reached a target: their column ``ended`` says so."""
        curves = self._curves
        if not curves.has("ended"):
            return read_only(np.zeros(len(curves), bool))
        return read_only((curves.meta["ended"] == TARGET).fillna(False).to_numpy(bool))

    @cached_property
    def endings(self) -> Endings:
        """How many runs end before it is known how low their error would fall."""
        known = self.lowest("val", finite=True).row >= 0
        return Endings(
            runs=int(known.sum()),
            late=int(self.late.sum()),
            censored=int(self.censored.sum()),
            at_target=int((self.at_target & known).sum()),
        )

    @cached_property
    def diverged(self) -> Mask:
        """Runs with a validation error that is NaN or infinite."""
        return read_only(self._not_finite("val") > 0)

    @cached_property
    def never_finite(self) -> Mask:
        """Runs that have validation errors, all of which are NaN or infinite."""
        counts = self.counts("val")
        return read_only((counts > 0) & (self._not_finite("val") == counts))

    @cached_property
    def validated(self) -> Mask:
        """Runs with a validation curve that is not a stand-in."""
        return read_only((self.counts("val") > 0) & ~self.stand_ins)

    @cached_property
    def copies(self) -> Mask:
        """All but the first of several runs with equal positions and validation errors.

        They are compared bit for bit. A run with a single check does not count as a copy, since a
        single error is easily equal by chance.
        """
        val, offsets, _ = self._curves.channel("val")
        epoch = self.positions("val")
        several = self.counts("val") > 1
        mask, seen = np.zeros(len(several), bool), set()
        if not several.any():
            return read_only(mask)
        bits = {"val": val.view(np.uint64), "epoch": epoch.view(np.uint64)}
        sums = pd.DataFrame({k: _sums(v, offsets) for k, v in bits.items()})
        # only runs with equal sums can be copies
        for i in np.flatnonzero(several & sums.duplicated(keep=False)):
            checks = slice(offsets[i], offsets[i + 1])
            key = (bits["epoch"][checks].tobytes(), bits["val"][checks].tobytes())
            mask[i] = key in seen
            seen.add(key)
        return read_only(mask)

    @cached_property
    def stand_ins(self) -> Mask:
        """Runs whose validation curve is a training curve, because none was recorded."""
        curves = self._curves
        if not curves.has("val.stand_in"):
            return read_only(np.zeros(len(curves), bool))
        return read_only(curves.meta["val.stand_in"].fillna(False).to_numpy(bool))

    @cached_property
    def units(self) -> dict[str | None, int]:
        """The units of the positions, with the number of runs of each; None is an unknown unit.

        With several units, positions have no mean, but ratios of positions of the same run do.
        """
        curves = self._curves
        if not curves.has("epoch.unit"):
            return {None: len(curves)}
        counts = curves.scalars["epoch.unit"].value_counts().to_pylist()
        return {each["values"]: each["counts"] for each in counts}

    @property
    def lasts(self) -> FloatArray | None:
        """Position of the last row, for averaging; None if the units differ."""
        return self.last if len(self.units) < 2 else None

    @cached_property
    def clusters(self) -> pd.Index:
        """What each run is a sample of: its data set, since runs on the same data are alike.

        Without a column ``dataset``, it is the problem, and without a column ``problem`` the run
        itself; the name of the index says which. ``ValueError`` if some runs have none.
        """
        curves = self._curves
        name = next((name for name in ("dataset", "problem") if curves.has(name)), None)
        if name is None:
            return pd.Index(curves.runs, name="run")
        clusters = curves.meta[name]
        if clusters.isna().any():
            run = curves.runs[int(clusters.isna().to_numpy().argmax())]
            raise ValueError(f"run {run!r} has no {name}; give every run a {name}, or none")
        return pd.Index(clusters.astype(str), name=name)

    def counts(self, name: str) -> NDArray[np.int64]:
        """How often a channel was measured in each run: its number of checks."""
        if name not in self._counts:
            self._counts[name] = read_only(np.diff(self._curves.channel(name).offsets))
        return self._counts[name]

    def measured_with(self, name: str, other: str) -> Mask:
        """Runs in which a channel was measured at every check of another, and at least once."""
        runs = np.repeat(np.arange(len(self._curves)), self._curves.lengths)
        lacking = runs[self._measured(other) & ~self._measured(name)]
        return read_only((self.counts(other) > 0) & ~np.isin(np.arange(len(self._curves)), lacking))

    def _measured(self, name: str) -> Mask:
        """Whether a channel was measured, one value per row."""
        _, offsets, rows = self._curves.channel(name)
        counts = np.diff(offsets)
        if rows is None:
            rows = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
        starts = np.cumsum(self._curves.lengths) - self._curves.lengths
        mask = np.zeros(int(self._curves.lengths.sum()), bool)
        mask[rows + np.repeat(starts, counts)] = True
        return mask

    def positions(self, name: str) -> FloatArray:
        """Positions at which a channel was measured, aligned with :meth:`CurveSet.channel`."""
        _, offsets, rows = self._curves.channel(name)
        epoch, counts = self._curves.channel("epoch"), np.diff(offsets)
        if rows is not None:
            return read_only(epoch.values[rows + np.repeat(epoch.offsets[:-1], counts)])
        return read_only(epoch.values[np.repeat(counts > 0, np.diff(epoch.offsets))])

    def ends(self, name: str) -> tuple[FloatArray, FloatArray]:
        """The positions at which a channel was measured first and last; NaN where it never was."""
        _, offsets, _ = self._curves.channel(name)
        some = np.diff(offsets) > 0
        at = np.append(self.positions(name), np.nan)
        first, last = at[np.where(some, offsets[:-1], -1)], at[np.where(some, offsets[1:] - 1, -1)]
        return read_only(first), read_only(last)

    def last_row(self, name: str) -> NDArray[np.int64]:
        """The last row at which a channel was measured, counted from 0; -1 if it never was."""
        _, offsets, rows = self._curves.channel(name)
        counts = np.diff(offsets)
        if rows is None:
            return counts - 1
        last = np.append(rows, -1)[offsets[1:] - 1]
        return np.where(counts > 0, last, -1)

    def _epoch_at(self, rows: NDArray[np.intp]) -> FloatArray:
        return read_only(self._curves.at("epoch", rows.astype(np.int32)[:, None])[:, 0])

    def _found_lowest(self, error: str, finite: bool) -> Lowest:
        values, offsets, rows = self._curves.error(error)
        lengths = np.diff(offsets)
        recorded = lengths > 0
        starts = offsets[:-1][recorded]
        if finite:
            values = np.where(np.isfinite(values), values, np.nan)
        value = np.full(len(lengths), np.nan)
        value[recorded] = np.fmin.reduceat(values, starts)
        lowest = np.append(np.flatnonzero(values == np.repeat(value, lengths)), len(values))
        at = lowest[np.searchsorted(lowest, starts)]
        row = np.full(len(lengths), -1, np.intp)
        # a run without any would otherwise take its place from a later run
        own = at < offsets[1:][recorded]
        of_check = at - starts if rows is None else np.append(rows, -1)[at]
        row[recorded] = np.where(own, of_check, -1)
        epoch = np.where(row < 0, np.nan, self._epoch_at(np.maximum(row, 0)))
        return Lowest(read_only(value), read_only(epoch), read_only(row))

    def _not_finite(self, error: str) -> NDArray[np.int64]:
        """The number of errors of each run that are NaN or infinite."""
        values, offsets, _ = self._curves.channel(error)
        before = np.concatenate([[0], np.cumsum(~np.isfinite(values))])
        return np.diff(before[offsets])


def _sums(values: NDArray[np.uint64], offsets: NDArray[np.int64]) -> NDArray[np.uint64]:
    """The sum of each run's values; 0 for a run without values."""
    sums = np.zeros(len(offsets) - 1, np.uint64)
    some = np.diff(offsets) > 0
    sums[some] = np.add.reduceat(values, offsets[:-1][some])
    return sums


_KNOWN: weakref.WeakKeyDictionary[CurveSet, Facts] = weakref.WeakKeyDictionary()


def facts_of(curves: CurveSet) -> Facts:
    """The facts of a curve set; always the same object, so that nothing is computed twice.

    >>> known = facts_of(CurveSet.from_runs([{"val": [3.0, 1.0, 1.0, 2.0]}]))
    >>> known.lowest("val")
    Lowest(value=array([1.]), epoch=array([2.]), row=array([1]))
    >>> known.last, known.censored, known.lowest("test").value
    (array([4.]), array([False]), array([nan]))
    """
    if curves not in _KNOWN:
        # made from the same table, since a reference to the set itself would keep it alive
        _KNOWN[curves] = Facts(curves[:])
    return _KNOWN[curves]


def outcomes(curves: CurveSet) -> pd.DataFrame:
    """How every run ends: a data frame with one row per run.

    Parameters
    ----------
    curves : CurveSet

    Returns
    -------
    DataFrame
        Columns: ``run``; ``problem`` (``curves`` if none is recorded); ``checks``; ``best_epoch``,
        the position of the lowest finite validation error, the earliest of ties, NaN if none is
        finite; ``last_epoch``; and six boolean columns: ``late``, the lowest error is in the last
        tenth of the run (best epoch > 0.9 x last epoch), so a longer run might reach a lower one;
        ``censored``, it is at the last check; ``at_target``, the run ended because it had reached
        a target (its column ``ended`` is "target"); ``diverged``, some validation error is NaN or
        infinite; ``never_finite``, all of them are; ``repeated``, the run has more than one check
        and equals an earlier run of the set in all positions and errors.

    Examples
    --------

    >>> runs = [{"run": "a", "val": [3.0, 2.0, 2.5]}, {"run": "b", "val": [4.0, float("nan")]}]
    >>> table = outcomes(CurveSet.from_runs(runs))
    >>> table[["run", "best_epoch", "censored", "diverged"]]
      run  best_epoch  censored  diverged
    0   a         2.0     False     False
    1   b         1.0     False      True
    """
    known = facts_of(curves)
    return pd.DataFrame(
        {
            "run": curves.runs,
            "problem": curves.meta["problem"].map(str) if curves.has("problem") else "curves",
            "checks": known.counts("val"),
            "best_epoch": known.lowest("val", finite=True).epoch,
            "last_epoch": known.last,
            "late": known.late,
            "censored": known.censored,
            "at_target": known.at_target,
            "diverged": known.diverged,
            "never_finite": known.never_finite,
            "repeated": known.copies,
        }
    )


def info(curves: CurveSet | str | Path) -> pd.DataFrame:
    """The facts of a curve set, or of the one at a path, with one row per problem.

    Parameters
    ----------
    curves : CurveSet, str or Path

    Returns
    -------
    DataFrame
        Columns: ``problem``; ``runs``; ``checks_min``; ``checks_max``; ``last_tenth``, the share of
        the runs with a finite error whose lowest error is in the last tenth of the run (best epoch
        > 0.9 x last epoch; NaN if there are no such runs); the numbers of runs ``censored``,
        ``at_target``, ``diverged``, ``never_finite`` and ``repeated`` (see :func:`outcomes`);
        ``one_check``, the number of runs with a single check, which cannot say when to stop; and
        ``channels``, the channels that any run has.

    Raises
    ------
    OSError, ValueError
        As :func:`earlystop_lab.curves.read_curves`.

    Examples
    --------

    >>> info(CurveSet.from_runs([{"val": [2.0, 1.0]}, {"val": [1.0, 2.0]}])).iloc[0].to_dict()
    ... # doctest: +NORMALIZE_WHITESPACE
    {'problem': 'curves', 'runs': 2, 'checks_min': 2, 'checks_max': 2, 'last_tenth': 0.5,
     'censored': 1, 'at_target': 0, 'diverged': 0, 'never_finite': 0, 'repeated': 0,
     'one_check': 0, 'channels': 'val'}
    """
    require_curves("info", curves, paths=True)
    if not isinstance(curves, CurveSet):
        curves = read_curves(curves)
    runs = outcomes(curves)
    recorded = {name: facts_of(curves).counts(name) > 0 for name in curves.names}
    groups = runs.assign(
        last_tenth=runs["late"].where(runs["best_epoch"].notna()), one_check=runs["checks"] == 1
    ).groupby("problem", sort=True)
    table = groups.agg(
        runs=("run", "size"),
        checks_min=("checks", "min"),
        checks_max=("checks", "max"),
        last_tenth=("last_tenth", lambda share: share.astype(float).mean()),
        censored=("censored", "sum"),
        at_target=("at_target", "sum"),
        diverged=("diverged", "sum"),
        never_finite=("never_finite", "sum"),
        repeated=("repeated", "sum"),
        one_check=("one_check", "sum"),
    )
    some = pd.DataFrame(recorded).groupby(runs["problem"], sort=True).any()
    table["channels"] = [
        ", ".join(str(name) for name, has in row.items() if has) for row in some.to_dict("records")
    ]
    return table.reset_index()
