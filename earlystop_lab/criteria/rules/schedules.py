"""Rules that know the plan of the learning rate: a decay that is to come lowers the error.

A plan has its highest rate up to ``start``, and falls from there to ``final`` times it at ``end``.
"""

import math
from typing import Literal, NamedTuple

import numpy as np

from earlystop_lab.criteria.core import criterion
from earlystop_lab.curves import FloatArray

__all__ = ["MultiPowerLaw", "RateDecayed"]

Plan = Literal["constant", "cosine", "linear", "exponential", "step"]
_PLANS = ("constant", "cosine", "linear", "exponential", "step")
CONSTANT, COSINE, LINEAR, EXPONENTIAL = range(4)
#: checks before the forecast begins
_LEAST = 16
#: changes of the rate that are kept apart; when there are more, neighbours are merged
_CHANGES = 256
#: parts into which the rest of the plan is divided
_AHEAD = 64
#: no exponential of a float is out of range up to here
_RANGE = 700.0


class Rate(NamedTuple):
    """The highest learning rate so far."""

    highest: float


def ratio_step(s: Rate, epoch: float, lr: float) -> tuple[Rate, float]:
    """The rate over the highest so far."""
    highest = lr if lr > s.highest else s.highest
    return Rate(highest), lr / highest if highest > 0 else math.nan


@criterion(
    threshold="ratio",
    passes="<=",
    default=0.1,
    step=ratio_step,
    watches=("lr",),
    at_least={"ratio": 0},
)
def RateDecayed() -> Rate:
    """The learning rate has fallen to a share of its highest value: its decay is over.

    A guard for other rules, which would judge a run by a plateau that the decay ends:
    ``all_of(RateDecayed(0.1), Keras(5))`` stops where Keras would, but not before the rate has
    fallen to a tenth. Its ratio is what the plan of the learning rate ends with, or a little more.
    For logs without learning rates, ``after(n, Keras(5))`` with the position n at which the plan
    has decayed is the same guard.

    Parameters
    ----------
    ratio : float
        Threshold of the rate over the highest rate so far, at least 0.

    Notes
    -----
    Statistic: lr / highest lr so far

    Source: this package

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, Keras, RateDecayed, all_of, replay
    >>> run = {"val": [3, 2, 2, 2, 1, 1, 1], "lr": [1, 1, 1, 1, 0.1, 0.1, 0.1]}
    >>> replay(CurveSet.from_runs([run]), [Keras(2), all_of(RateDecayed(0.1), Keras(2))]).stop
    array([[4., 7.]])
    """
    return Rate(0.0)


class Law(NamedTuple):
    """State of the forecast: the constants, the plan, and the run so far."""

    a: float
    b: float
    c: float
    alpha: float
    beta: float
    gamma: float
    plan: int
    start: float
    end: float
    final: float
    #: the position, rate and sum of rates at the last check; NaN before the first
    epoch: float
    rate: float
    total: float
    highest: float
    lowest: float
    #: by change of the rate: the sum of rates at it, its fall, and the rate after it to -gamma
    changes: FloatArray
    changed: int
    #: by check: sum and number of what the errors before it are above the law
    above: FloatArray
    seen: int


def planned(s: Law, epoch: float) -> float:
    """The rate at a position of the plan, over its highest."""
    if s.plan == CONSTANT or epoch <= s.start:
        return 1.0
    if epoch >= s.end or s.plan > EXPONENTIAL:
        return s.final
    part = (epoch - s.start) / (s.end - s.start)
    if s.plan == COSINE:
        return s.final + (1 - s.final) * (1 + math.cos(math.pi * part)) / 2
    if s.plan == LINEAR:
        return 1 - (1 - s.final) * part
    return power(s.final, part) if s.final > 0 else 0.0


def power(base: float, exponent: float) -> float:
    """A power of a number above 0: 0 or infinity where it is out of range."""
    log = exponent * math.log(base)
    return math.exp(log) if -_RANGE < log < _RANGE else 0.0 if log < 0 else math.inf


def fallen(s: Law, fall: float, scale: float, since: float) -> float:
    """What a fall of the rate has taken off the error since that sum of rates."""
    return s.b * fall * (1 - power(1 + s.c * scale * since, -s.beta)) if since > 0 else 0.0


def law(s: Law, total: float) -> float:
    """The error less its limit at a sum of rates, after the changes so far."""
    value = s.a * power(total, -s.alpha) if total > 0 else math.nan
    for k in range(s.changed):
        since = total - float(s.changes[0, k])
        value -= fallen(s, float(s.changes[1, k]), float(s.changes[2, k]), since)
    return value


def scaled(s: Law, rate: float) -> float:
    """The rate to -gamma."""
    return power(rate, -s.gamma) if rate > 0 else math.inf


def at_end(s: Law) -> float:
    """The error less its limit at the end of the plan."""
    if s.end == math.inf:
        value = 0.0
        for k in range(s.changed):
            value -= s.b * float(s.changes[1, k])
        return value
    width = (s.end - s.epoch) / _AHEAD
    total, rate = s.total, s.rate
    for j in range(1, _AHEAD + 1):
        after = s.highest * planned(s, s.epoch + j * width)
        total += (rate + after) / 2 * width
        rate = after
    value = law(s, total)
    here, rate = s.total, s.rate
    for j in range(1, _AHEAD + 1):
        after = s.highest * planned(s, s.epoch + j * width)
        step = (rate + after) / 2 * width
        value -= fallen(s, rate - after, scaled(s, after), total - here - step / 2)
        here += step
        rate = after
    return value


def law_step(s: Law, epoch: float, val: float, lr: float) -> tuple[Law, float]:
    """The gain from the lowest error so far to the forecast of the last one, over the former."""
    changes, changed, total = s.changes, s.changed, s.total
    if math.isnan(s.epoch):
        total = total if total > 0 else lr * epoch
    else:
        step = (s.rate + lr) / 2 * (epoch - s.epoch)
        if lr != s.rate:
            if changed == _CHANGES:
                for k in range(_CHANGES // 2):
                    changes[0, k] = (changes[0, 2 * k] + changes[0, 2 * k + 1]) / 2
                    changes[1, k] = changes[1, 2 * k] + changes[1, 2 * k + 1]
                    changes[2, k] = (changes[2, 2 * k] + changes[2, 2 * k + 1]) / 2
                changed = _CHANGES // 2
            changes[0, changed] = total + step / 2
            changes[1, changed] = s.rate - lr
            changes[2, changed] = scaled(s, lr)
            changed += 1
        total += step
    above, n = s.above, s.seen
    if n + 1 >= above.shape[1]:
        above = np.zeros((2, max(16, 2 * n)))
        for k in range(n + 1):  # numba takes four times as long to compile slices
            above[0, k], above[1, k] = s.above[0, k], s.above[1, k]
    highest = lr if lr > s.highest else s.highest
    lowest = val if math.isfinite(val) and not s.lowest <= val else s.lowest
    constants = s.a, s.b, s.c, s.alpha, s.beta, s.gamma, s.plan, s.start, s.end, s.final
    here = epoch, lr, total, highest, lowest, changes, changed, above, n + 1
    s = Law(*constants, *here)
    away = val - law(s, total)
    above[0, n + 1] = float(above[0, n]) + (away if math.isfinite(away) else 0.0)
    above[1, n + 1] = float(above[1, n]) + (1.0 if math.isfinite(away) else 0.0)
    first = n + 1 - max((n + 1) // 8, 1)
    count = float(above[1, n + 1] - above[1, first])
    if n + 1 < _LEAST or count == 0:
        return s, math.nan
    level = float(above[0, n + 1] - above[0, first]) / count
    last = level + (law(s, total) if epoch >= s.end else at_end(s))
    return s, (lowest - last) / abs(lowest) if lowest != 0 else math.nan


@criterion(
    threshold="fraction",
    passes="<",
    step=law_step,
    watches=("val", "lr"),
    off=("end",),
    above={"a": 0, "b": 0, "c": 0, "alpha": 0, "beta": 0},
    at_least={"gamma": 0, "final": 0, "start": 0, "before": 0},
)
def MultiPowerLaw(
    *,
    plan: Plan = "constant",
    start: float = 0,
    end: float | None = None,
    final: float = 0.1,
    a: float = 0.57,
    b: float = 457,
    c: float = 0.12,
    alpha: float = 0.51,
    beta: float = 1.95,
    gamma: float = 0.53,
    before: float = 0,
) -> Law:
    """Extrapolation along the plan of the learning rate: the error will hardly fall any more.

    With S the sum of the rates so far, the multi-power law says that the error is

    L0 + a S^-alpha - b sum_k (lr_(k-1) - lr_k) (1 - (1 + c lr_k^-gamma S_k)^-beta)

    where S_k is the sum since the rate fell from lr_(k-1) to lr_k. It is evaluated with the
    recorded rates, and from here to the end with those of the plan; L0 is not needed, since the
    forecast of the last error begins at the mean of the last eighth of the errors. The statistic is
    the lowest error so far less that forecast, divided by the former. It is undefined before the
    16th check, and where a rate was NaN.

    The constants depend on model and data: :func:`studies.schedules.fit_multi_power_law` finds them
    from earlier runs with other plans. Those given by default are of the language models with 100M
    parameters of the paper, with steps as positions.

    Parameters
    ----------
    fraction : float
        Threshold of the forecast relative gain.
    plan : {"constant", "cosine", "linear", "exponential", "step"}
        How the rate falls from ``start`` on. A step falls at once.
    start : float
        The position at which the rate begins to fall.
    end : float, optional
        The position at which training ends, above 0. By default it never does, at the last rate.
    final : float
        The rate at the end, as a share of the highest rate so far.
    a, b, c, alpha, beta, gamma : float
        Constants of the law.
    before : float
        The sum of the rates up to the first check, such as that of a warm-up; 0 for the first rate
        times the first position.

    Notes
    -----
    Statistic: gain from the lowest val to the end of the plan of lr / abs(lowest val)

    Source: Luo et al., A Multi-Power Law for Loss Curve Prediction Across Learning Rate Schedules,
    ICLR 2025, arXiv:2503.12811

    Verified: worked by hand

    Examples
    --------
    A plateau that a decay ends: what does the decay promise?

    >>> import numpy as np
    >>> from earlystop_lab import CurveSet, MultiPowerLaw, trace
    >>> t = np.arange(100.0, 10001, 100)
    >>> run = {"epoch": t, "val": 3 + 0.5 * (3e-4 * t) ** -0.5, "lr": np.full(100, 3e-4)}
    >>> curve = CurveSet.from_runs([run])[0]
    >>> decay = MultiPowerLaw(0.01, plan="linear", start=10000, end=12000)
    >>> for rule in (MultiPowerLaw(0.01), decay):
    ...     print(f"{trace(rule, curve).statistic[-1]:.3f}")
    0.099
    0.031
    """
    last = math.inf if end is None else float(end)
    kind = _PLANS.index(plan)
    constants = float(a), float(b), float(c), float(alpha), float(beta), float(gamma)
    changes, above = np.zeros((3, _CHANGES)), np.zeros((2, 1))
    shape = kind, float(start), last, float(final)
    here = math.nan, math.nan, float(before), 0.0, math.nan
    return Law(*constants, *shape, *here, changes, 0, above, 0)
