"""New rules, whose names, parameters and results may change between versions."""

import math
from typing import NamedTuple

import numpy as np

from earlystop_lab.criteria.core import criterion
from earlystop_lab.curves import FloatArray

__all__ = ["PowerLaw"]

#: number of checks before the extrapolation begins: two for the first of its three means
_LEAST = 16
#: errors above this multiple of the lowest are left out
_SPIKE = 1e6
_ROUNDING = 1e-9
#: no power of two is larger than a float for exponents up to here
_STEEP = 1000.0


class Tail(NamedTuple):
    """State of the extrapolation: the run so far as sums, from which means are differences."""

    end: float
    best: float
    #: by check: its epoch, the sum and the number of the errors before it; room for more
    sums: FloatArray
    seen: int
    #: number of checks up to an eighth, a quarter and half of the epoch
    eighth: int
    quarter: int
    half: int


def tail_step(s: Tail, epoch: float, val: float) -> tuple[Tail, float]:
    """The gain from here to the end over the lowest error so far."""
    sums, n = s.sums, s.seen
    if n + 1 >= sums.shape[1]:
        sums = np.zeros((3, max(16, 2 * n)))
        for k in range(n + 1):  # numba takes longer to compile slices
            for i in range(3):
                sums[i, k] = s.sums[i, k]
    best = val if math.isfinite(val) and not s.best <= val else s.best
    # sums over all of a run would drown the others in a spike
    kept = math.isfinite(val) and not (best > 0 and val > _SPIKE * best)
    sums[0, n] = epoch
    sums[1, n + 1] = float(sums[1, n]) + (val if kept else 0.0)
    sums[2, n + 1] = sums[2, n] + kept
    n += 1
    eighth = upto(sums, s.eighth, n, epoch / 8)
    quarter = upto(sums, s.quarter, n, epoch / 4)
    half = upto(sums, s.half, n, epoch / 2)
    gain = math.nan
    if sums[2, n] >= _LEAST:
        means = mean(sums, eighth, quarter), mean(sums, quarter, half), mean(sums, half, n)
        gain = promised(means, epoch, s.end)
    if gain != 0:
        gain = gain / abs(best) if best != 0 else math.inf * gain
    return Tail(s.end, best, sums, n, eighth, quarter, half), gain


def upto(sums: FloatArray, first: int, last: int, epoch: float) -> int:
    """The number of checks up to an epoch, known to be at least ``first``."""
    while first < last and sums[0, first] <= epoch:
        first += 1
    return first


def mean(sums: FloatArray, first: int, last: int) -> float:
    """The mean error from one check to before another; NaN where there is none."""
    count = float(sums[2, last] - sums[2, first])
    return float(sums[1, last] - sums[1, first]) / count if count else math.nan


def promised(means: tuple[float, float, float], epoch: float, end: float) -> float:
    """What a power law with these three means still gains from the epoch to the end."""
    m1, m2, m3 = means
    if math.isnan(m1) or math.isnan(m2) or math.isnan(m3):
        return math.nan
    # on a plateau the means differ by the rounding of the sums
    if m2 - m3 <= _ROUNDING * abs(m2):
        return 0.0
    q = (m2 - m3) / (m1 - m2) if m1 != m2 else math.nan
    if not 0 < q < 1:
        return math.inf
    b = -math.log2(q)
    above = (m2 - m3) * q / (1 - q)
    # the limit at b = 1, where the formula is 0 / 0
    falls = math.log(2) if b == 1 else (1 - 2.0 ** (min(b, _STEEP) - 1)) / (1 - b)
    return above / (2 * falls) * (1 - min(epoch / end, 1.0) ** b)


@criterion(threshold="fraction", passes="<", step=tail_step, at_least={"fraction": 0}, off=("end",))
def PowerLaw(*, end: float | None = None) -> Tail:
    """Extrapolation: the gain predicted by a power law is below a fraction of the best error.

    E(t) = c + a t^-b is fitted in closed form to the tail of the curve. Its means m1, m2, m3 over
    the epochs (t/8, t/4], (t/4, t/2] and (t/2, t] approach c by a constant factor, q = 2^-b =
    (m2 - m3) / (m1 - m2). Hence c = m3 - (m2 - m3) q / (1 - q), and E(t) - c is m3 - c divided by
    2 (1 - 2^(b - 1)) / (1 - b). The statistic is E(t) - E(end), divided by the absolute value of
    the lowest error so far.

    The statistic is 0 if m3 is not lower than m2, infinite if the gains do not shrink (q >= 1), and
    NaN before the 16th check. Errors that are not finite, or more than a million times the
    lowest, are left out.

    Parameters
    ----------
    fraction : float
        Threshold of the predicted relative gain, at least 0.
    end : float, optional
        The epoch at which training would end, above 0; by default it never ends.

    Notes
    -----
    Statistic: gain from here to the end that a power law predicts / abs(lowest val)

    Source: this package. Power laws for learning curves: Domhan, Springenberg, Hutter, IJCAI
    2015, who weigh eleven families by MCMC.

    Verified: worked by hand

    Examples
    --------
    >>> import numpy as np
    >>> from earlystop_lab import CurveSet, PowerLaw, replay
    >>> t = np.arange(1.0, 2001)
    >>> curves = CurveSet.from_runs([{"val": 1 + 1 / t}])
    >>> replay(curves, [PowerLaw(0.01), PowerLaw(0.001)]).to_frame()["stop"].tolist()
    [94, 996]
    """
    last = math.inf if end is None else float(end)
    return Tail(last, math.nan, np.zeros((3, 1)), 0, 0, 0, 0)
