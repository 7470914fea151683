"""Comparison of two rules at equal time, over clusters.

A sweep is a rule over its thresholds: the cost of a threshold (mean log time) and its loss (mean
log(1 + regret)), with one row per cluster and one column per threshold. Thresholds of two rules
correspond if they need the same mean log time over all clusters; :func:`aligned` finds them.

Two such thresholds need not take the same time in every cluster. Where one rule takes longer, its
loss is lower for that reason alone, and which thresholds correspond depends on all clusters. To
first order, both are accounted for by exchanging time for loss at the rate at which the rules do so
on average: with mean losses that change by r per unit of mean log time, cluster c contributes

    (L_new,c - L_known,c) - r (T_new,c - T_known,c),

the influence function of the difference at equal time for rules of the same rate. Its mean over the
clusters is that difference, and its spread over them is that of the estimate, which the plain
difference of losses overstates where rules differ in time. :func:`inference.intervals` makes
intervals and tests of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from earlystop_lab.inference.interpolation import interpolated
from earlystop_lab.inference.tables import FloatArray

#: thresholds further apart than this in mean log time do not reach the times in between
GAP = 0.2
#: mean log times, and losses, closer than this are equal
_NEAR = 1e-9


class Sweep(NamedTuple):
    """A rule over its thresholds: two tables, one row per cluster, one column per threshold."""

    #: mean log time
    time: pd.DataFrame
    #: mean log(1 + regret)
    loss: pd.DataFrame


class Pair(NamedTuple):
    """Two rules at corresponding thresholds: arrays of shape (clusters, thresholds)."""

    time: tuple[FloatArray, FloatArray]
    loss: tuple[FloatArray, FloatArray]
    #: the mean log times at which they correspond
    at: FloatArray
    #: how fast their mean loss changes with mean log time, there
    rate: FloatArray
    #: which of them is the time of the known rule by default; None if it is out of reach
    default: int | None = None

    @property
    def differences(self) -> FloatArray:
        """The new rule minus the known one at equal time: (clusters, thresholds)."""
        (loss, known_loss), (time, known_time) = self.loss, self.time
        difference: FloatArray = (loss - known_loss) - self.rate * (time - known_time)
        # within the rounding of logarithms and interpolation is a tie
        return np.where(np.abs(difference) <= _NEAR, 0.0, difference)


def aligned(
    new: Sweep,
    known: Sweep,
    times: ArrayLike,
    *,
    default: float | None = None,
    without: Sequence[float] = (),
) -> Pair | None:
    """Both rules at the same mean log times: those of ``times`` that both reach.

    Between two thresholds, a rule takes a time as a mixture of both, which is worse than the rule
    itself if they are far apart. A time is therefore reached only if the next thresholds on either
    side are within :data:`GAP` of each other.

    Parameters
    ----------
    new, known : Sweep
    times : array_like
        Mean log times.
    default : float, optional
        One more time: the mean log time of the known rule at its usual threshold.
    without : sequence of float
        Times to exclude because they say nothing about a rule, such as the end of the run, by
        which any rule has stopped.

    Returns
    -------
    Pair or None
        None if there is no time that both reach.

    Examples
    --------

    >>> time = pd.DataFrame([[-0.1, 0.0], [-0.2, 0.0]])
    >>> loss = pd.DataFrame([[0.2, 0.0], [0.4, 0.0]])
    >>> pair = aligned(Sweep(time, loss), Sweep(time / 2, loss), [-0.2, -0.075, 0])
    >>> pair.at.tolist(), pair.loss[0].round(3).tolist(), pair.loss[1].round(3).tolist()
    ([-0.075, 0.0], [[0.1, 0.0], [0.2, 0.0]], [[0.2, 0.0], [0.4, 0.0]])
    >>> pair.differences.round(3).tolist()
    [[-0.1, 0.0], [-0.2, 0.0]]
    """
    used = np.array([] if default is None else [default])
    at = np.union1d(np.asarray(times, np.float64), used)
    means = [[table.mean().to_numpy() for table in sweep] for sweep in (new, known)]
    for time, _ in means:
        at, used = at[_reached(time, at)], used[_reached(time, used)]
    at, used = (each[~_met(np.asarray(without, np.float64), each)] for each in (at, used))
    if not len(at):
        return None
    new_time, new_loss, known_time, known_loss = (
        interpolated(time[None], table.to_numpy()[:, None], at, extended=True)[:, 0]
        for (time, _), sweep in zip(means, (new, known), strict=True)
        for table in sweep
    )
    default_at = int(np.searchsorted(at, used[0])) if len(used) else None
    rates = [rate for time, loss in means if (rate := _rate(time, loss, at)) is not None]
    rate = np.mean(rates, axis=0) if rates else np.zeros(len(at))
    return Pair((new_time, known_time), (new_loss, known_loss), at, rate, default_at)


def _rate(time: FloatArray, loss: FloatArray, at: FloatArray) -> FloatArray | None:
    """The slope of mean loss in mean log time around each time; None for a rule of one time."""
    finite = np.isfinite(time) & np.isfinite(loss)
    if not finite.any() or np.ptp(time[finite]) <= _NEAR:
        return None
    low, high = time[finite].min(), time[finite].max()
    ends = [np.clip(at + side * GAP, low, high) for side in (-1, 1)]
    before, after = (
        interpolated(time[finite][None], loss[finite][None], end, extended=True)[0] for end in ends
    )
    apart = ends[1] - ends[0]
    return np.where(apart > _NEAR, (after - before) / np.where(apart > _NEAR, apart, 1), 0.0)


def _reached(time: FloatArray, at: FloatArray) -> NDArray[np.bool_]:
    means = np.unique(time)
    means = means[np.isfinite(means)]
    after = np.searchsorted(means, at + _NEAR).clip(1, len(means) - 1) if len(means) > 1 else 0
    before = np.maximum(after - 1, 0)
    close = (means[after] - means[before] <= GAP) & (means[before] <= at) & (at <= means[after])
    return close | _met(means, at)


def _met(times: FloatArray, at: FloatArray) -> NDArray[np.bool_]:
    """Which of ``at`` are among the times, up to rounding."""
    return np.abs(times[:, None] - at).min(axis=0, initial=np.inf) <= _NEAR
