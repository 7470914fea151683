"""New rules, whose names, parameters and results may change between versions."""

from itertools import pairwise

import numpy as np

from earlystop_lab.criteria.core import criterion
from earlystop_lab.curves import FloatArray

__all__ = ["PowerLaw"]

#: number of checks before the extrapolation begins: two for the first of its three means
_LEAST = 16
#: errors above this multiple of the lowest are left out
_SPIKE = 1e6
_ROUNDING = 1e-9


@criterion(threshold="fraction", passes="<", at_least={"fraction": 0}, off=("end",))
def PowerLaw(val: FloatArray, epoch: FloatArray, *, end: float | None = None) -> FloatArray:
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
    with np.errstate(all="ignore"):
        best = np.fmin.accumulate(np.where(np.isfinite(val), val, np.nan))
        # cumulative sums over the whole run would lose the other errors next to a spike
        kept = np.isfinite(val) & ~((best > 0) & (val > _SPIKE * best))
        sums = np.concatenate([[0.0], np.cumsum(np.where(kept, val, 0.0))])
        counts = np.concatenate([[0], np.cumsum(kept)])
    ends = [np.searchsorted(epoch, epoch / part, side="right") for part in (1, 2, 4, 8)]
    with np.errstate(all="ignore"):
        m3, m2, m1 = (
            (sums[late] - sums[early]) / (counts[late] - counts[early])
            for late, early in pairwise(ends)
        )
        q = (m2 - m3) / (m1 - m2)
        b = -np.log2(q)
        above = (m2 - m3) * q / (1 - q)
        ratio = np.where(b == 1, 2 * np.log(2), 2 * (1 - 2 ** (b - 1)) / (1 - b))
        left = 0.0 if end is None else np.minimum(epoch / end, 1) ** b
        gain = np.where((q > 0) & (q < 1), above / ratio * (1 - left), np.inf)
        # on a plateau the means differ only by the rounding of the sums
        gain[m2 - m3 <= _ROUNDING * np.abs(m2)] = 0
        gain[np.isnan(m1) | np.isnan(m2) | np.isnan(m3) | (counts[1:] < _LEAST)] = np.nan
        return np.where(gain == 0, 0.0, gain / np.abs(best))
