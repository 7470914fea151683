"""Guarantees for a bounded mean loss: conformal risk control and learn-then-test.

Losses are arrays of shape (units, thresholds) with values from 0 to ``bound``. A row is a run (or a
problem) drawn from the same distribution as future ones; columns are thresholds from the fastest to
the slowest. :func:`fastest_kept` chooses among the numbers that the other functions give for each
column.

- Conformal risk control: if losses can only fall from a faster to a slower threshold, the
  fastest with (sum of losses + bound) / (n + 1) <= limit has an expected loss of at most
  ``limit`` on the next unit, on average over sets of units like this one. Source: A. Angelopoulos
  et al., Conformal Risk Control, ICLR 2024, arXiv:2208.02814.
- Learn-then-test: for any losses, each threshold has a p value for the hypothesis that its mean
  loss is above ``limit``. Thresholds are tested from the slowest on until a p value is above 1 -
  confidence. The last one before that has a mean loss of at most ``limit`` with that confidence.
  Source: A. Angelopoulos et al., Learn then Test, Annals of Applied Statistics 19 (2025),
  arXiv:2110.01052.
"""

import math

import numpy as np

from earlystop_lab.inference.tables import FloatArray

#: sums that differ by less than this share are equal
_ROUNDING = 1e-12


def fastest_kept(values: FloatArray, limit: float) -> int | None:
    """The first column such that it and all later ones are at most ``limit``, or None.

    >>> fastest_kept(np.array([0.01, 0.3, 0.02, 0.0]), 0.02)
    2
    """
    failed = np.flatnonzero(~(values <= limit * (1 + _ROUNDING)))
    first = int(failed[-1]) + 1 if len(failed) else 0
    return first if first < len(values) else None


def conformal_risk(losses: FloatArray, bound: float) -> FloatArray:
    """(sum of losses + bound) / (n + 1) of each column.

    >>> conformal_risk(np.array([[0.2], [0.0], [0.1]]), bound=0.5).round(3).tolist()
    [0.2]
    """
    _check(losses, bound)
    return (losses.sum(axis=0) + bound) / (len(losses) + 1)


def fewest_conformal(limit: float, bound: float) -> int:
    """Number of units without any loss that conformal risk control needs: ceil(bound / limit - 1).

    >>> fewest_conformal(0.02, 0.2), fewest_conformal(0.03, 0.2)
    (9, 6)
    """
    return max(1, math.ceil(bound / limit - 1 - 1e-9))


def hoeffding_bentkus(losses: FloatArray, limit: float, bound: float) -> FloatArray:
    """p value of each column's mean loss being above ``limit``, by Hoeffding's and Bentkus' bounds.

    With losses and limit divided by ``bound``, m the mean of n losses and a the limit:
    min(exp(-n kl(min(m, a), a)), e P(Binomial(n, a) <= ceil(n m))), at most 1.

    >>> hoeffding_bentkus(np.zeros((114, 1)), 0.02, 1.0).round(3).tolist()
    [0.1]

    Source: S. Bates et al., Distribution-Free, Risk-Controlling Prediction Sets, Journal of the
    ACM 68 (2021) 43, doi 10.1145/3478535.
    """
    from scipy import special, stats  # slow to import

    _check(losses, bound)
    n, a = len(losses), limit / bound
    total = losses.sum(axis=0) / bound
    m = np.minimum(total / n, a)
    hoeffding = np.exp(-n * (special.rel_entr(m, a) + special.rel_entr(1 - m, 1 - a)))
    bentkus = math.e * stats.binom.cdf(np.ceil(total), n, a)
    return np.minimum(np.minimum(hoeffding, bentkus), 1)


def betting(losses: FloatArray, limit: float, bound: float, level: float) -> FloatArray:
    """p value of each column's mean loss being above ``limit``: the inverse capital of a bettor.

    With losses and limit divided by ``bound``, and a the limit, the bettor starts with a capital of
    1 and stakes v_i on loss x_i being below a. The capital is the product of 1 - v_i (x_i - a); if
    the mean is above a, the probability that it ever reaches 1 / p is at most p. The stakes are
    min(1, sqrt(2 log(1 / level) / (n s_i))), with s_i the variance of the losses before i and one
    additional observation of variance 1/4: best for p values near ``level`` and valid for all. The
    order of the rows has a small effect, and must not depend on the losses.

    >>> betting(np.zeros((130, 1)), 0.02, 1.0, level=0.1).round(3).tolist()
    [0.081]

    Source: I. Waudby-Smith and A. Ramdas, Estimating means of bounded random variables by betting,
    Journal of the Royal Statistical Society B 86 (2024) 1-27, doi 10.1093/jrsssb/qkad009.
    """
    _check(losses, bound)
    n, a, x = len(losses), limit / bound, losses / bound
    seen = np.arange(2, n + 2)[:, None]
    mean = (0.5 + np.cumsum(x, axis=0)) / seen
    variance = (0.25 + np.cumsum((x - mean) ** 2, axis=0)) / seen
    before = np.vstack([np.full((1, x.shape[1]), 0.25), variance[:-1]])
    stake = np.minimum(1, np.sqrt(2 * math.log(1 / level) / (n * before)))
    capital = np.cumsum(np.log1p(-stake * (x - a)), axis=0)
    return np.exp(-np.maximum(capital.max(axis=0), 0))


def fewest_betting(limit: float, bound: float, level: float) -> int:
    """Smallest number of units without any loss for which :func:`betting` is at most ``level``.

    >>> fewest_betting(0.02, 1.0, 0.1), fewest_betting(0.02, 0.2, 0.1)
    (119, 25)
    """
    # no test of a mean can do with fewer: log(level) / log(1 - limit / bound)
    n = math.ceil(math.log(level) / math.log1p(-limit / bound))
    while betting(np.zeros((n, 1)), limit, bound, level)[0] > level:
        n += 1
    return n


def mean_of_new(
    values: FloatArray, further: FloatArray | None = None, confidence: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Limits for the mean of each column over as many new clusters (rows) as these n.

    With m and s the mean and standard deviation over the clusters: m -+ t s sqrt(2 / n), with t
    the quantile of Student's distribution with n - 1 degrees of freedom: the new mean varies as
    much as this one. If ``further`` is given, the upper limits count one more cluster with these
    values, and none is below that of a later column (columns are from the fastest to the slowest,
    and a test that fails ends the sequence of tests).

    >>> low, high = mean_of_new(np.array([[0.1], [0.2], [0.3], [0.2], [0.1], [0.3]]))
    >>> low.round(3).tolist(), high.round(3).tolist()
    ([0.067], [0.333])
    """
    from scipy.special import stdtrit  # scipy.stats takes far longer to import

    def half(rows: FloatArray) -> FloatArray:
        spread: FloatArray = rows.std(axis=0, ddof=1)
        return quantile * spread * np.sqrt(2 / len(rows))

    quantile = stdtrit(len(values) - 1, (1 + confidence) / 2)
    low = values.mean(axis=0) - half(values)
    if further is None:
        return low, values.mean(axis=0) + half(values)
    more = np.vstack([values, further])
    high = more.mean(axis=0) + half(more)
    return low, np.maximum.accumulate(high[::-1])[::-1]


def worst_so_far(values: FloatArray) -> FloatArray:
    """The largest value of any row in each column or a later one, at least 0.

    >>> worst_so_far(np.array([[0.1, 0.3, -0.1], [0.2, 0.0, -0.2]])).tolist()
    [0.3, 0.3, 0.0]
    """
    largest = np.maximum(values.max(axis=0), 0)
    return np.maximum.accumulate(largest[::-1])[::-1]


def _check(losses: FloatArray, bound: float) -> None:
    bad = ~((losses >= 0) & (losses <= bound))
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ValueError(
            f"loss {losses[row, column]} of unit {row}, threshold {column}; expected a number from "
            f"0 to {bound:g}"
        )
