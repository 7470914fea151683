"""Regret: what stopping cost each run against what hindsight knows of that run itself.

With t_s the stop epoch, t_m the selected epoch, T the last recorded epoch, E the validation or
the test error, and E_min the lowest E of the run's whole record, first reached at t_min:

- regret r = (E(t_m) - E_min) / |E_min|, which for positive errors is E(t_m) / E_min - 1,
- time = t_s / T, against the same run run to its end; saved is 1 - time,
- early = 1 - t_s / t_min of the validation error, 0 where t_s is not before t_min.

The oracle of a run is the run's own, so nothing here changes when a criterion joins or leaves the
pool. It knows the record only: where the error still falls at the end, regret is a lower bound.

Regret is at least 0. It is 0 wherever E(t_m) = E_min, zeros and infinities included, and infinite
where E_min is 0 or minus infinity and E(t_m) is not. Divided by |E_min|, it also makes sense of
negated scores: there it is the share of the best score that was lost. A NaN validation error
at t_m means that the run diverged before it was of any use: infinite regret. A NaN test error may
just not have been measured: regret is NaN, as it is where the run has no error at all.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from earlystop_lab.curves import CurveSet, FloatArray
from earlystop_lab.curves.facts import facts_of
from earlystop_lab.engine.replaying import Stops
from earlystop_lab.measures.prechelt import grouped


class Oracle(NamedTuple):
    """What hindsight knows: one value a run. NaN where a run has no such error."""

    #: last recorded epoch
    end: FloatArray
    #: lowest validation error of the record, and the earliest epoch that has it
    val: FloatArray
    val_epoch: FloatArray
    #: the same of the test error
    test: FloatArray
    test_epoch: FloatArray


def oracle(curves: CurveSet) -> Oracle:
    """The lowest errors of every run's record, and its length."""
    known = facts_of(curves)
    val, test = known.lowest("val"), known.lowest("test")
    return Oracle(known.last, val.value, val.epoch, test.value, test.epoch)


def measurable(curves: CurveSet, error: Literal["val", "test"] = "val") -> NDArray[np.bool_]:
    """Runs in which every regret is a finite number: :meth:`Facts.measurable`."""
    return facts_of(curves).measurable(error).copy()


def regret(errors: ArrayLike, lowest: ArrayLike) -> FloatArray:
    """(errors - lowest) / |lowest|: 0 where both are equal, NaN where one is.

    >>> regret([1.02, -0.9, 0.0, 0.5, np.inf], [1.0, -1.0, 0.0, 0.0, np.inf]).round(6)
    array([0.02, 0.1 , 0.  ,  inf, 0.  ])
    """
    errors, lowest = np.asarray(errors, np.float64), np.asarray(lowest, np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = (errors - lowest) / np.abs(lowest)
    found = np.where(np.isneginf(lowest) & ~np.isnan(errors), np.inf, found)
    return np.where(errors == lowest, 0.0, found)


class Regrets(NamedTuple):
    """Losses and times of every run and criterion: arrays of shape (runs, criteria)."""

    val: FloatArray
    test: FloatArray
    #: stop epoch over the run's last, in [0, 1]
    time: FloatArray
    #: how far the stop is before the run's lowest validation error, in [0, 1)
    early: FloatArray


def regrets(stops: Stops, curves: CurveSet) -> Regrets:
    """Regret of validation and test error, time and earliness of every run and criterion.

    ``curves`` are those that were replayed. Raises ``ValueError`` where they are others, or a run
    has epochs below 0, whose ratios mean nothing.

    >>> from earlystop_lab import GL, replay
    >>> curves = CurveSet.from_runs([{"val": [4.0, 2.0, 3.0, 1.0]}])
    >>> found = regrets(replay(curves, [GL(1, k=1), GL(60, k=1)]), curves)
    >>> found.val.tolist(), found.time.tolist(), found.early.tolist()
    ([[1.0, 0.0]], [[0.75, 1.0]], [[0.25, 0.0]])
    """
    if stops.meta["run"].tolist() != curves.runs:
        raise ValueError("regret: the stops are of other runs than the curves; replay these curves")
    best = oracle(curves)
    first = curves.at("epoch", np.zeros((len(curves), 1), np.int32))[:, 0]
    if (first < 0).any():
        run = curves.runs[int(np.argmax(first < 0))]
        raise ValueError(f"run {run!r} has epochs below 0; count them from 0 or 1")
    val = regret(stops.val, best.val[:, None])
    val[np.isnan(stops.val) & ~np.isnan(best.val)[:, None]] = np.inf
    lowest_at = np.broadcast_to(best.val_epoch[:, None], stops.stop.shape)
    early = np.zeros_like(stops.stop)
    before = stops.stop < lowest_at
    early[before] = 1 - stops.stop[before] / lowest_at[before]
    # a record that ends at epoch 0 took no time, all of it
    ends = np.broadcast_to(best.end[:, None], stops.stop.shape)
    time = np.divide(stops.stop, ends, out=np.ones_like(stops.stop), where=ends > 0)
    return Regrets(val, regret(stops.test, best.test[:, None]), time, early)


def regret_table(
    stops: Stops,
    curves: CurveSet,
    by: str | None = None,
    *,
    too_early: float = 0.1,
    worst: float = 0.01,
) -> pd.DataFrame:
    """What each criterion costs and loses against every run's own oracle: one row a criterion.

    Columns: ``epochs``, geometric mean of the stop epochs; ``time``, geometric mean of stop over
    last epoch, with ``time_mean`` (mean of the ratios) and ``time_total`` (ratio of totals, where
    long runs count more); ``too_early``, the share of runs stopped more than that share before
    their lowest validation error. Of ``val_regret`` and ``test_regret``: the geometric mean
    exp(mean log(1 + r)) - 1, and with ``_mean``, ``_median``, ``_max`` these, with ``_worst`` the
    share of the summed regret that the worst runs carry: one in 1 / ``worst``, rounded up (NaN
    where there is no regret to share, 1 where some is infinite). ``fired``, share of runs;
    ``runs``. Every run counts alike, NaN where a run's test error is unknown.

    ``by`` names a metadata column: one row for each of its values and each criterion. Raises
    ``ValueError``, see :func:`regrets`.

    >>> from earlystop_lab import GL, replay
    >>> curves = CurveSet.from_runs([{"val": [4.0, 2.0, 3.0, 1.0]}, {"val": [4.0, 2.0, 3.0, 2.0]}])
    >>> table = regret_table(replay(curves, [GL(1, k=1), GL(60, k=1)]), curves)
    >>> table[["criterion", "epochs", "val_regret", "too_early"]].round(3)
         criterion  epochs  val_regret  too_early
    0   GL(1, k=1)     3.0       0.414        0.5
    1  GL(60, k=1)     4.0       0.000        0.0
    """
    if not 0 <= too_early < 1:
        raise ValueError(f"too_early = {too_early}; expected a share of at least 0 and below 1")
    if not 0 < worst <= 1:
        raise ValueError(f"worst = {worst}; expected a share above 0 and at most 1")
    every = regrets(stops, curves)
    ends = oracle(curves).end

    def table(rows: NDArray[np.bool_]) -> pd.DataFrame:
        time = every.time[rows]
        columns: dict[str, object] = {
            "criterion": stops.criteria,
            "epochs": geometric_mean(stops.stop[rows]),
            "time": geometric_mean(time),
            "time_mean": time.mean(axis=0),
            "time_total": stops.stop[rows].sum(axis=0) / ends[rows].sum(),
            "too_early": (every.early[rows] > too_early).mean(axis=0),
        }
        for name in ("val", "test"):
            values = getattr(every, name)[rows]
            columns[f"{name}_regret"] = geometric_mean(1 + values) - 1
            columns[f"{name}_regret_mean"] = values.mean(axis=0)
            columns[f"{name}_regret_median"] = np.median(values, axis=0)
            columns[f"{name}_regret_max"] = values.max(axis=0)
            columns[f"{name}_regret_worst"] = worst_share(values, worst)
        columns["fired"] = stops.fired[rows].mean(axis=0)
        columns["runs"] = int(rows.sum())
        return pd.DataFrame(columns)

    return grouped(stops.meta, by, table)


def geometric_mean(values: FloatArray) -> FloatArray:
    """exp of the mean logarithm over the rows; 0 where a value is 0."""
    with np.errstate(divide="ignore"):
        mean: FloatArray = np.exp(np.log(values).mean(axis=0))
    return mean


def worst_share(excess: FloatArray, worst: float = 0.01) -> FloatArray:
    """Share of each column's sum that its largest values carry: one in 1 / ``worst``, rounded up.

    ``excess`` is at least 0. NaN where the sum is 0 or NaN, 1 where it is infinite.

    >>> worst_share(np.array([[1.0], [1.0], [6.0], [2.0]]), worst=0.25)
    array([0.6])
    """
    # 100 * 0.01 runs are one, whatever the rounding
    count = int(np.ceil(len(excess) * worst - 1e-9))
    total = excess.sum(axis=0)
    largest = np.sort(excess, axis=0)[len(excess) - count :].sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.where(np.isposinf(total), 1.0, np.divide(largest, total))


def regret_profile(values: FloatArray, criteria: list[str], within: ArrayLike) -> pd.DataFrame:
    """Share of runs with a regret of at most x: one column a criterion, one row an x.

    ``values`` has shape (runs, criteria), such as :attr:`Regrets.val`; ``within`` are the x, as
    shares: 0.01 is one percent. Each run is compared with its own oracle, so a column does not
    depend on the others (in the profiles of Dolan and Moré it is compared with the best of the
    pool). A NaN is never within.

    Source: after E. Dolan and J. Moré, Mathematical Programming 91 (2002) 201-213,
    doi:10.1007/s101070100263.

    >>> found = regret_profile(np.array([[0.0, 0.02], [0.05, 0.0]]), ["a", "b"], [0, 0.03])
    >>> found.loc[0.03].tolist()
    [0.5, 1.0]
    """
    limits = np.asarray(within, np.float64)
    shares = {
        name: (column[:, None] <= limits).mean(axis=0)
        for name, column in zip(criteria, values.T, strict=True)
    }
    return pd.DataFrame(shares, index=pd.Index(limits, name="within"))


def time_profile(
    values: FloatArray,
    time: FloatArray,
    criteria: list[str],
    times: ArrayLike,
    within: float = 0.01,
) -> pd.DataFrame:
    """Share of runs that ended by a time with a regret of at most ``within``: a row a time.

    ``time`` and ``times`` are in the same units, such as :attr:`Regrets.time` or stop epochs. A
    column rises to the criterion's share in :func:`regret_profile`.

    Source: after J. Moré and S. Wild, SIAM Journal on Optimization 20 (2009) 172-191,
    doi:10.1137/080724083.

    >>> values, time = np.array([[0.0], [0.2]]), np.array([[0.5], [0.1]])
    >>> time_profile(values, time, ["a"], [0.1, 0.5])["a"].tolist()
    [0.0, 0.5]
    """
    ended = np.where(values <= within, time, np.inf)
    table = regret_profile(ended, criteria, times)
    return table.rename_axis("time")
