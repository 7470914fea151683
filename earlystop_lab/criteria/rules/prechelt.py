"""Prechelt's criteria: generalisation loss, its quotient with progress, successive increases.

All of them look at validation only at the ends of strips of ``k`` checks; E_opt(t) is the
lowest validation error at the strip ends up to t. Off strip ends their statistic is NaN.

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
    """State of P_k: a strip's length, checks left in it, sum and minimum of its training errors."""

    k: int
    left: int
    total: float
    low: float


class Rises(NamedTuple):
    """State of UP: tolerance, the last strip end's error, increases in a row."""

    tol: float
    before: float
    ups: int


def relative_excess(value: float, reference: float) -> float:
    """value / reference - 1, measured on abs(reference); over 0 or -inf it is 0 or infinite."""
    if reference > 0:
        return value / reference - 1
    if -math.inf < reference < 0:
        return 1 - value / reference
    if reference == value:
        return 0.0
    return math.inf if value > reference else math.nan


def loss_step(best: float, epoch: float, val: float) -> tuple[float, float]:
    """Generalisation loss at a strip end, in percent; the state is the lowest error at one."""
    lowest = val if val < best else best
    return lowest, 100 * relative_excess(val, lowest)


def loss_bound(limit: float) -> float:
    """Below how many times the lowest error the loss is surely at most ``limit`` percent.

    The last factor is more than the roundings on both sides. Below once, there is no loss.
    """
    return max(1.0, (1 + limit / 100) * (1 - 16 * EPSILON))


def loss_cannot_pass(best: float, bound: float, val: float) -> bool:
    """Whether the loss surely passes no limit, told without a division.

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
    # a sum of k equal errors may round to either side of k times the error
    rounding = 1000 * s.k * EPSILON
    return Gain(s.k, s.k, 0.0, math.inf), 0.0 if progress <= rounding else progress


def quotient_step(
    s: tuple[float, Gain], epoch: float, val: float, train: float
) -> tuple[tuple[float, Gain], float]:
    """Generalisation loss over progress at strip ends."""
    gain_state, gain = gain_step(s[1], epoch, train)
    if s[1].left > 1:
        return (s[0], gain_state), math.nan
    best, loss = loss_step(s[0], epoch, val)
    if gain == 0:  # no progress at all: any loss is infinitely larger, no loss is none
        return (best, gain_state), math.inf if loss > 0 else loss
    return (best, gain_state), loss / gain


def rises_step(s: Rises, epoch: float, val: float) -> tuple[Rises, float]:
    """Successive strips whose last error is above that of the strip before, less a tolerance."""
    # without a branch, since nobody can predict it
    rose = (val > s.before) | (val > s.before - s.tol * abs(s.before))
    ups = (s.ups + 1) * rose
    return Rises(s.tol, val, ups), math.nan if math.isnan(val) else float(ups)


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
    """Generalisation loss: stop when validation error has risen alpha percent above its best.

    GL(t) = 100 (E_va(t) / E_opt(t) - 1) > alpha at the end of a strip of ``k`` checks.

    Where E_opt = 0 the loss is 0 while the error stays 0 and infinite once it is above; for a
    negative E_opt (a negative log-likelihood) it is measured on abs(E_opt). A NaN error gives NaN
    and leaves E_opt; an infinite one gives an infinite loss, NaN while none was finite.

    Parameters
    ----------
    alpha : float
        Threshold of the generalisation loss in percent, at least 0.
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

    GL(t) / P_k(t) > alpha at the end of a strip, with GL in percent as in :data:`GL` and the
    progress per thousand P_k(t) = 1000 (sum of E_tr over the strip / (k min of E_tr over the
    strip) - 1), which needs training errors.

    Where P_k = 0 (training error constant over the strip) the quotient is infinite for any
    GL > 0, and 0 where GL = 0. Where the strip's lowest training error is 0 and another is
    not, P_k is infinite and the quotient 0. A NaN training error in the strip, or a NaN
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


#: makes a family that counts rises: :func:`criterion` with what all of them share
rises_rule = partial(criterion, threshold="s", whole=True, step=rises_step, strip="k", at_ends=True)


@rises_rule(at_least={"s": 1})
def UP(*, k: int = 5) -> Rises:
    """Successive increases: stop when validation error rose in ``s`` successive strips.

    UP_1 holds at a strip end t with E_va(t) > E_va(t - k); UP_s where UP_(s-1) held at t - k and
    E_va(t) > E_va(t - k).

    The increase is strict: a tie ends a succession. The first strip has nothing before it and
    counts 0, so UP(s) can stop at the end of strip s + 1 at the earliest. At a NaN error the
    statistic is NaN, and neither it nor the strip after it counts as an increase.

    Parameters
    ----------
    s : int
        Number of successive strips with an increase, at least 1.
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
    return Rises(0.0, math.nan, 0)


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
    """Training progress has all but ended: stop when P_k is below ``level`` per thousand.

    P_k as in :data:`PQ`, at the end of a strip of ``k`` checks; the study ends every run when
    P_5 < 0.1. Needs training errors; a NaN among a strip's gives NaN. Like every rule with strips
    it leaves to ``restore="best"`` only the validation errors at their ends.

    Parameters
    ----------
    level : float
        Threshold of the training progress per thousand, at least 0.
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
