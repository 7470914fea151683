"""Regret: what stopping cost each run, compared with what hindsight knows about that run.

With t_s the stop epoch, t_m the selected epoch, T the last recorded epoch, E the validation or
the test error, and E_min the lowest E of the whole run, first reached at t_min:

- regret r = (E(t_m) - E_min) / |E_min|, which for positive errors is E(t_m) / E_min - 1,
- time = t_s / T, relative to training the same run to its end; saved is 1 - time,
- early = 1 - t_s / t_min of the validation error, 0 if t_s is not before t_min.

E_min belongs to the run itself, so nothing here depends on which other criteria are compared. It is
the lowest recorded error: if the error still falls at the end, regret is a lower bound.

Regret is at least 0. It is 0 whenever E(t_m) = E_min, including zeros and infinities, and
infinite if E_min is 0 or minus infinity and E(t_m) is not. For scores, whose error is their
negative, it is the share of the best score that was lost, which is why it is divided by |E_min|.
A NaN validation error at t_m means that the run diverged before it was of any use: its regret is
infinite. A NaN test error says nothing: its regret is NaN, as it is if the run has no error at
all. If an error was not measured at t_m (at a last row after the last check, or when a rule on
another channel stops between two checks), E(t_m) is the last one measured before, and if there is
none, that of the first check, since training would have to continue up to it to know anything.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from earlystop_lab.curves import CurveSet, FloatArray, facts_of
from earlystop_lab.engine.replaying import Stops


def regret(errors: ArrayLike, lowest: ArrayLike) -> FloatArray:
    """(errors - lowest) / |lowest|: 0 if both are equal, NaN if one of them is.

    >>> regret([1.02, -0.9, 0.0, 0.5, np.inf], [1.0, -1.0, 0.0, 0.0, np.inf]).round(6)
    array([0.02, 0.1 , 0.  ,  inf, 0.  ])
    """
    errors, lowest = np.asarray(errors, np.float64), np.asarray(lowest, np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        lost = (errors - lowest) / np.abs(lowest)
    lost = np.where(np.isneginf(lowest) & ~np.isnan(errors), np.inf, lost)
    return np.where(errors == lowest, 0.0, lost)


class Regrets(NamedTuple):
    """Losses and times of every run and criterion: arrays of shape (runs, criteria)."""

    val: FloatArray
    test: FloatArray
    #: stop epoch over the run's last epoch, in [0, 1]
    time: FloatArray
    #: how far the stop is before the run's lowest validation error, in [0, 1)
    early: FloatArray


def regrets(stops: Stops, curves: CurveSet) -> Regrets:
    """Regret of validation and test error, time and earliness of every run and criterion.

    Parameters
    ----------
    stops : Stops
    curves : CurveSet
        The curves that were replayed.

    Returns
    -------
    Regrets

    Raises
    ------
    ValueError
        If these are other curves, or a run has negative epochs, whose ratios are meaningless.

    Examples
    --------

    >>> from earlystop_lab import GL, replay
    >>> curves = CurveSet.from_runs([{"val": [4.0, 2.0, 3.0, 1.0]}])
    >>> seen = regrets(replay(curves, [GL(1, k=1), GL(60, k=1)]), curves)
    >>> seen.val.tolist(), seen.time.tolist(), seen.early.tolist()
    ([[1.0, 0.0]], [[0.75, 1.0]], [[0.25, 0.0]])
    """
    if stops.meta["run"].tolist() != curves.runs:
        raise ValueError("regrets: stops and curves have different runs; pass the replayed curves")
    known = facts_of(curves)
    if (known.first < 0).any():
        run = curves.runs[int(np.argmax(known.first < 0))]
        raise ValueError(f"run {run!r} has negative epochs; count them from 0 or 1")
    best, ends, stop = known.lowest("val"), known.last[:, None], stops.stop
    kept = _kept(stops, curves, "val")
    val = regret(kept, best.value[:, None])
    val[np.isnan(kept) & ~np.isnan(best.value)[:, None]] = np.inf
    lowest_at = best.epoch[:, None]
    early = 1 - np.divide(stop, lowest_at, out=np.ones_like(stop), where=stop < lowest_at)
    # a run that ends at epoch 0 took no time, which is all of it
    time = np.divide(stop, ends, out=np.ones_like(stop), where=ends > 0)
    test = regret(_kept(stops, curves, "test"), known.lowest("test").value[:, None])
    return Regrets(val, test, time, early)


def _kept(stops: Stops, curves: CurveSet, name: str) -> FloatArray:
    """The error measured last up to the selected position, or else the first one."""
    kept = stops.error(name)
    values, offsets, rows = curves.error(name)
    if rows is None:
        return kept
    kept, positions = kept.copy(), facts_of(curves).positions(name)
    for i in np.flatnonzero(np.isnan(kept).any(axis=1) & (np.diff(offsets) > 0)):
        checks = slice(offsets[i], offsets[i + 1])
        before = np.searchsorted(positions[checks], stops.selected[i], side="right") - 1
        kept[i] = values[checks][np.maximum(before, 0)]
    return kept


def worst_share(excess: FloatArray, worst: float = 0.01) -> FloatArray:
    """The share of each column's sum that is due to its largest values, a fraction ``worst``.

    ``excess`` is at least 0. The number of values is rounded up. The result is NaN if the sum is 0
    or NaN, and 1 if it is infinite.

    >>> worst_share(np.array([[1.0], [1.0], [6.0], [2.0]]), worst=0.25)
    array([0.6])
    """
    # 100 * 0.01 runs are one, whatever the rounding
    count = int(np.ceil(len(excess) * worst - 1e-9))
    total = excess.sum(axis=0)
    largest = np.sort(excess, axis=0)[len(excess) - count :].sum(axis=0)
    with np.errstate(invalid="ignore"):
        return np.where(np.isposinf(total), 1.0, np.divide(largest, total))
