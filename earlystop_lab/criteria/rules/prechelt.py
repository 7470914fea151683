"""Prechelt's criteria: generalisation loss, progress quotient, successive increases.

All of them look at the validation error only at the ends of strips of ``k`` checks. E_opt(t) is
the lowest validation error at the strip ends up to t. At other checks, their statistic is NaN.

Source: L. Prechelt, "Early Stopping - but when?", in Neural Networks: Tricks of the Trade,
Springer 1998, doi 10.1007/3-540-49430-8_3; formulas as in L. Prechelt, Technical Report 21/94,
Universitaet Karlsruhe, 1994, section 3.3.
"""

import math
from functools import partial
from typing import NamedTuple

from earlystop_lab.criteria.core import criterion

__all__ = ["GL", "PQ", "UP", "Progress"]

#: relative rounding error of one float64 operation
EPSILON = 2.0**-52


class Gain(NamedTuple):
    """State of P_k: strip length, checks left in the strip, sum and minimum of its errors."""

    k: int
    left: int
    total: float
    low: float


class Rises(NamedTuple):
    """State of UP: tolerance, error at the last strip end, successive increases."""

    tol: float
    before: float
    ups: float


def relative_excess(value: float, reference: float) -> float:
    """value / reference - 1, relative to abs(reference); if that is 0 or inf, 0 or infinite."""
    if reference > 0:
        return value / reference - 1
    if -math.inf < reference < 0:
        return 1 - value / reference
    if reference == value:
        return 0.0
    return math.inf if value > reference else math.nan


def loss_step(best: float, epoch: float, val: float) -> tuple[float, float]:
    """Generalisation loss at a strip end, in percent; the state is the lowest error so far."""
    lowest = val if val < best else best
    return lowest, 100 * relative_excess(val, lowest)


def loss_bound(limit: float) -> float:
    """The multiple of the lowest error below which the loss is certainly at most ``limit`` percent.

    The last factor exceeds the rounding errors of both sides. Below a multiple of 1 there is no
    loss.
    """
    return max(1.0, (1 + limit / 100) * (1 - 16 * EPSILON))


def loss_cannot_pass(best: float, bound: float, val: float) -> bool:
    """Whether the loss certainly passes no limit, found without a division.

    A negative lowest error times the bound is at most itself, and below it there is no loss.
    """
    return val < best * bound


def gain_step(s: Gain, epoch: float, train: float) -> tuple[Gain, float]:
    """Training progress P_k at strip ends, per thousand."""
    total = s.total + train
    low = train if train < s.low else s.low
    if s.left > 1:
        return Gain(s.k, s.left - 1, total, low), math.nan
    progress = 1000 * relative_excess(total, s.k * low)
    # the sum of k equal errors may round to either side of k times the error
    rounding = 1000 * s.k * EPSILON
    return Gain(s.k, s.k, 0.0, math.inf), 0.0 if progress <= rounding else progress


def quotient_step(
    s: tuple[float, Gain], epoch: float, val: float, train: float
) -> tuple[tuple[float, Gain], float]:
    """Generalisation loss divided by progress, at strip ends."""
    gain_state, gain = gain_step(s[1], epoch, train)
    if s[1].left > 1:
        return (s[0], gain_state), math.nan
    best, loss = loss_step(s[0], epoch, val)
    if gain == 0:  # no progress: the quotient of any loss is infinite, that of no loss is 0
        return (best, gain_state), math.inf if loss > 0 else loss
    return (best, gain_state), loss / gain


def rises_step(s: Rises, epoch: float, val: float) -> tuple[Rises, float]:
    """Successive strips whose last error is above that of the previous strip, minus a tolerance."""
    # branchless, since the branch would be unpredictable
    rose = (val > s.before) | (val > s.before - s.tol * abs(s.before))
    ups = (s.ups + 1.0) * rose
    return Rises(s.tol, val, ups), math.nan if math.isnan(val) else ups


@criterion(
    threshold="alpha",
    passes=">",
    step=loss_step,
    cannot_pass=loss_cannot_pass,
    pass_bound=loss_bound,
    takes="ratio",
    strip="k",
    at_ends=True,
    unit="%",
    at_least={"alpha": 0},
)
def GL(*, k: int = 5) -> float:
    """Generalisation loss: stop when the validation error is alpha percent above its lowest.

    GL(t) = 100 (E_va(t) / E_opt(t) - 1) > alpha at the end of a strip of ``k`` checks.

    If E_opt = 0, the loss is 0 while the error stays at 0 and infinite once it is above. For a
    negative E_opt (such as a negative log-likelihood), the loss is relative to abs(E_opt). A NaN
    error gives NaN and leaves E_opt unchanged; an infinite error gives an infinite loss, or NaN if
    no error before it was finite.

    Parameters
    ----------
    alpha : float
        Threshold of the loss in percent, at least 0.
    k : int
        Length of a strip in checks, at least 1; 1 looks at every check.

    Notes
    -----
    Statistic: 100 (E_va / E_opt - 1) at strip ends

    Source: Prechelt 1998, doi 10.1007/3-540-49430-8_3.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, GL, replay
    >>> curves = CurveSet.from_runs([{"val": [4.0, 2.0, 1.0, 1.01, 1.03, 1.5]}])
    >>> replay(curves, [GL(2, k=1)]).to_frame()[["criterion", "stop", "selected", "fired"]]
        criterion  stop  selected  fired
    0  GL(2, k=1)     5         3   True
    """
    return math.inf


@criterion(
    threshold="alpha",
    passes=">",
    step=quotient_step,
    watches=("val", "train"),
    takes="ratio",
    strip="k",
    at_least={"alpha": 0},
)
def PQ(*, k: int = 5) -> tuple[float, Gain]:
    """Progress quotient: stop when generalisation loss exceeds alpha times training progress.

    GL(t) / P_k(t) > alpha at the end of a strip, with GL in percent as in :data:`GL`, and
    P_k(t) = 1000 (sum of E_tr over the strip / (k min of E_tr over the strip) - 1), the training
    progress per thousand, which requires training errors.

    If P_k = 0 (the training error is constant over the strip), the quotient is infinite for any
    GL > 0 and 0 for GL = 0. If the lowest training error in the strip is 0 and another one is
    not, P_k is infinite and the quotient is 0. A NaN training error in the strip, or a NaN
    validation error at its end, gives NaN.

    Parameters
    ----------
    alpha : float
        Threshold of the quotient, at least 0.
    k : int
        Length of a strip in checks, at least 1.

    Notes
    -----
    Statistic: GL / P_k at strip ends

    Source: Prechelt 1998, doi 10.1007/3-540-49430-8_3.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, PQ, replay
    >>> curves = CurveSet.from_runs([{"val": [2.0, 1.0, 1.1, 1.2], "train": [3.0, 2.0, 1.9, 1.8]}])
    >>> replay(curves, [PQ(0.5, k=2)]).to_frame()[["criterion", "stop", "selected"]]
          criterion  stop  selected
    0  PQ(0.5, k=2)     4         2
    """
    return math.inf, Gain(k, k, 0.0, math.inf)


#: makes a family that counts rises: :func:`criterion` with the arguments that all of them share
rises_rule = partial(criterion, threshold="s", whole=True, step=rises_step, strip="k", at_ends=True)


@rises_rule(at_least={"s": 1})
def UP(*, k: int = 5) -> Rises:
    """Successive increases: stop when the validation error rose in ``s`` successive strips.

    UP_1 holds at a strip end t if E_va(t) > E_va(t - k); UP_s holds if UP_(s-1) held at t - k and
    E_va(t) > E_va(t - k).

    The increase is strict: a tie ends a succession. The first strip has no predecessor and counts
    0, so UP(s) can stop at the end of strip s + 1 at the earliest. At a NaN error the statistic
    is NaN, and neither that strip nor the one after it counts as an increase.

    Parameters
    ----------
    s : int
        Number of successive strips, at least 1.
    k : int
        Length of a strip in checks, at least 1.

    Notes
    -----
    Statistic: successive strips with E_va(t) > E_va(t - k)

    Source: Prechelt 1998, doi 10.1007/3-540-49430-8_3.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, UP, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 1.0, 1.5, 1.5, 1.6, 1.7]}])
    >>> replay(curves, [UP(2, k=1)]).to_frame()[["criterion", "stop", "selected"]]
        criterion  stop  selected
    0  UP(2, k=1)     6         2
    """
    return Rises(0.0, math.nan, 0.0)


@criterion(
    threshold="level",
    passes="<",
    step=gain_step,
    watches=("train",),
    takes="ratio",
    strip="k",
    unit=" per thousand",
    at_least={"level": 0},
)
def Progress(*, k: int = 5) -> Gain:
    """Training progress has almost ended: stop when P_k is below ``level`` per thousand.

    P_k is that of :data:`PQ`, at the end of a strip of ``k`` checks. The 1997 study ends every run
    when P_5 < 0.1. The rule requires training errors; a NaN in a strip gives NaN. As with every
    rule with strips, ``restore="best"`` selects only among the validation errors at strip ends.

    Parameters
    ----------
    level : float
        Threshold of the progress, per thousand, at least 0.
    k : int
        Length of a strip in checks, at least 1.

    Notes
    -----
    Statistic: P_k at strip ends, per thousand

    Source: Prechelt, Technical Report 21/94, 1994, section 3.3.2.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, Progress, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0] * 4, "train": [2.0, 1.0, 1.0, 1.0]}])
    >>> replay(curves, [Progress(0.1, k=2)]).to_frame()["stop"][0]
    np.int64(4)
    """
    return Gain(k, k, 0.0, math.inf)
