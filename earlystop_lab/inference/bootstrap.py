"""Intervals and tests for means over clusters."""

from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earlystop_lab._common.wording import counted
from earlystop_lab.inference.tables import FloatArray, averaged, checked, unit_of

Method = Literal["bootstrap-t", "percentile", "BCa", "t"]
METHODS: tuple[Method, ...] = get_args(Method)
#: with fewer clusters there is no interval
FEWEST_CLUSTERS = 6
#: how often the test of 12 clusters rejects at 5% where the mean is 0: the lowest and highest of
#: eight populations, and for lognormal values (``sizes`` in experiments/interval_coverage.py, 2,000
#: samples of each)
SIZES = {"size_low": 0.025, "size_high": 0.064, "size_lognormal": 0.109}
#: numbers in one block of a matrix product, to bound memory
_BLOCK = 4_000_000
#: differences below this share of the values are due to rounding
ROUNDING = 1e-12


def intervals(
    means: pd.DataFrame | pd.Series,
    *,
    method: Method = "bootstrap-t",
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    simultaneous: bool = False,
) -> pd.DataFrame:
    """Interval for the mean over clusters of each contrast, and p of its being 0: a row each.

    Clusters are resampled, never runs, and all contrasts with the same resamples. With m and s the
    mean and its standard error over the n clusters, and m*, s* those of a resample:

    - ``"bootstrap-t"`` (symmetric): m -+ q s, with q the ``confidence`` quantile of
      t* = abs(m* - m) / s*. A resample without spread counts as infinite. If there are too many of
      these (for a contrast that differs in two clusters of twelve), the interval is unbounded, and
      ``note`` says so. ``p`` is the share of the resamples, the observed clusters counted as one
      more, with t* >= abs(m) / s, so it is at most 1 - ``confidence`` where the interval excludes
      0. ``p_adjusted`` is adjusted for all contrasts by the step-down minimum p over the joint
      resamples, which controls the probability of rejecting any true null hypothesis.
    - ``"percentile"`` and ``"BCa"``: of the m*, by ``scipy.stats.bootstrap``.
    - ``"t"``: Student's, by ``scipy.stats.ttest_1samp``.

    Parameters
    ----------
    means : DataFrame or Series
        One row per cluster, one column per contrast. NaN is a cluster that a contrast does not
        have, which only bootstrap-t allows.
    method : {"bootstrap-t", "percentile", "BCa", "t"}
    confidence : float
        Nominal confidence, in (0, 1).
    resamples : int
        Number of bootstrap resamples.
    seed : int
        Seed of the resamples.
    simultaneous : bool
        Make a simultaneous band of the bootstrap-t intervals: all of them together contain their
        means with ``confidence``; q is the quantile of the largest abs(m* - m) / s* over the
        contrasts. A contrast without spread in more than a tenth of 1 - ``confidence`` of the
        resamples would make the whole band unbounded; only its own interval is.

    Returns
    -------
    DataFrame
        Columns: ``estimate``, ``low``, ``high``, ``p``, ``p_adjusted`` (both NaN for another
        method and for a simultaneous band), ``method``, ``confidence``, ``unit`` (of resampling),
        ``clusters``, ``averaged``, ``note``. With fewer than 6 clusters there is no interval and no
        test: ``low``, ``high`` and both p are NaN. A contrast that is the same in every cluster has
        an interval consisting of that value, and the lowest p possible, or 1 if it is 0.

    Raises
    ------
    ValueError
        If a value is infinite or missing, a contrast has no cluster, or an argument is out of
        range.

    Notes
    -----
    With 12 clusters, nominal 95% bootstrap-t intervals covered 93% to 97% (normal, t3, exponential,
    60% without an effect, a density of recorded problems), percentile and BCa intervals 82% to
    91%, and intervals that treat runs as units 20% to 62%. If one problem of twelve carries the
    effect, and samples are drawn from these twelve only, a third of the samples are without it, and
    coverage falls to 85% (``experiments/interval_coverage.py``). Over sweeps resampled from 12
    recorded problems with added noise, a nominal 95% simultaneous band covered 94% to 97%.

    Sources: P. Hall, The Bootstrap and Edgeworth Expansion, Springer 1992, section 3.6, doi
    10.1007/978-1-4612-4384-7; for the adjustment, P. H. Westfall and S. S. Young, Resampling-Based
    Multiple Testing, Wiley 1993, algorithm 2.8.

    Examples
    --------
    >>> means = pd.DataFrame({"a": [1.0, 2.0, 4.0, 3.0, 2.0, 5.0]}).rename_axis("problem")
    >>> intervals(means)[["estimate", "low", "high", "unit", "clusters"]].round(1)
       estimate  low  high     unit  clusters
    a       2.8  0.9   4.8  problem         6
    """
    if method not in METHODS:
        raise ValueError(f"method = {method!r}; expected one of {', '.join(METHODS)}")
    if simultaneous and method != "bootstrap-t":
        raise ValueError(f"method = {method!r}; a simultaneous band requires 'bootstrap-t'")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence = {confidence}; expected a number in (0, 1)")
    if resamples < 1 / (1 - confidence):
        raise ValueError(f"resamples = {resamples}; too few for a confidence of {confidence}")
    table = checked(means, missing=method == "bootstrap-t")
    values = table.to_numpy(float)
    n, unit = (~np.isnan(values)).sum(axis=0), unit_of(table)
    estimate, largest = np.nanmean(values, axis=0), np.nanmax(np.abs(values), axis=0)
    low, high, p, p_adjusted = np.full((4, values.shape[1]), np.nan)
    enough = n >= FEWEST_CLUSTERS
    notes = np.full(values.shape[1], "", object)
    notes[~enough] = [
        f"no interval: {counted(int(each), unit)}, at least {FEWEST_CLUSTERS} are needed"
        for each in n[~enough]
    ]
    same = enough & (np.nanmax(values, axis=0) - np.nanmin(values, axis=0) <= ROUNDING * largest)
    low[same] = high[same] = estimate[same]
    p[same] = np.where(estimate[same] == 0, 1, 1 / (resamples + 1))
    notes[same] = f"the same in every {unit}"
    notes[same & (estimate == 0)] = f"no difference in any {unit}"
    if (differ := enough & ~same).any():
        spread = values[:, differ]
        if method == "bootstrap-t":
            t, error = _resampled(spread, resamples, seed)
            mean = estimate[differ]
            low[differ], high[differ] = _bounds_of(t, error, mean, confidence, simultaneous)
            if not simultaneous:
                p[differ], p_adjusted[differ] = _p(t, np.abs(mean) / error)
        else:
            low[differ], high[differ] = _bounds(method, spread, confidence, resamples, seed)
        notes[np.isinf(high)] = f"unbounded: too few {unit}s differ"
    if method == "bootstrap-t" and not simultaneous:
        p_adjusted[same] = p[same]
    else:
        p[:] = np.nan
    columns = {
        "estimate": estimate,
        "low": low,
        "high": high,
        "p": p,
        "p_adjusted": p_adjusted,
        "method": method,
        "confidence": confidence,
        "unit": unit,
        "clusters": n,
        "averaged": averaged(table),
        "note": notes,
    }
    return pd.DataFrame(columns, index=table.columns)


def _bounds(
    method: Method, values: FloatArray, confidence: float, resamples: int, seed: int
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper bounds by scipy."""
    from scipy import stats  # slow to import

    if method == "t":
        low, high = stats.ttest_1samp(values, 0).confidence_interval(confidence)
    else:
        low, high = stats.bootstrap(
            (values,),
            np.mean,
            axis=0,
            method=method,
            confidence_level=confidence,
            n_resamples=resamples,
            batch=max(1, _BLOCK // values.size),
            rng=np.random.default_rng(seed),
        ).confidence_interval
    return low, high


def _resampled(values: FloatArray, resamples: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """abs(m* - m) / s* of every resample (rows) and contrast; and s."""
    known = ~np.isnan(values)
    n = known.sum(axis=0)
    centred = np.where(known, values - np.nanmean(values, axis=0), 0.0)
    error = np.sqrt((centred**2).sum(axis=0) / (n - 1) / n)
    t = np.empty((resamples, values.shape[1]))
    for rows, weights in resampled_weights(len(values), resamples, seed):
        mean, square = weights @ centred, weights @ centred**2
        if known.all():
            t[rows] = studentized(mean, square, n, error)
        else:
            # a resample's clusters that a contrast has may be fewer or more than n
            share = weights @ known
            with np.errstate(divide="ignore", invalid="ignore"):
                mean, square, drawn = mean / share, square / share, share * len(values)
            t[rows] = studentized(mean, square, drawn, error)
    return t, error


def _bounds_of(
    t: FloatArray, error: FloatArray, mean: FloatArray, confidence: float, simultaneous: bool
) -> tuple[FloatArray, FloatArray]:
    """Lower and upper bounds from abs(m* - m) / s* of every resample."""
    if simultaneous:
        bounded = np.isinf(t).mean(axis=0) <= (1 - confidence) / 10
        largest = upper_quantile(t[:, bounded].max(axis=1, initial=0), confidence)
        half = np.where(bounded, largest, np.inf) * error
    else:
        half = upper_quantile(t, confidence) * error
    return mean - half, mean + half


def _p(t: FloatArray, seen: FloatArray) -> tuple[FloatArray, FloatArray]:
    """p of each contrast, and adjusted for all of them.

    The tails of t* differ: those of a contrast that differs in few clusters are so heavy that they
    would hide all others in a joint maximum. On the scale of p, all have the same weight.
    """
    rows = len(t) + 1
    p = np.empty((rows, t.shape[1]))
    for j, values in enumerate(t.T):
        order = np.argsort(values)
        ascending = values[order]
        # in ascending order, since that is how searches take the least time
        below = np.searchsorted(ascending, ascending * (1 - 1e-9), "left")
        p[1 + order, j] = (rows - below) / rows
        p[0, j] = (rows - np.searchsorted(ascending, seen[j] * (1 - 1e-9), "left")) / rows
    order = np.argsort(-p[0], kind="stable")
    lowest = np.minimum.accumulate(p[1:, order], axis=1)
    stepped = ((lowest <= p[0, order]).sum(axis=0) + 1) / rows
    adjusted = np.empty(t.shape[1])
    adjusted[order] = np.maximum.accumulate(stepped[::-1])[::-1]
    return p[0], adjusted


def studentized(
    mean: FloatArray, square: FloatArray, n: int | NDArray[Any], error: FloatArray
) -> FloatArray:
    """abs(mean) over its standard error in each resample; infinite without spread."""
    variance = square - mean**2
    with np.errstate(divide="ignore", invalid="ignore"):
        t: FloatArray = np.abs(mean) / np.sqrt(variance / (n - 1))
    # the comparison is also False for NaN
    t[~(variance > ROUNDING * n * error**2)] = np.inf
    return t


def upper_quantile(t: FloatArray, confidence: float) -> FloatArray:
    """The quantile of each column; one of its values, so that infinity is not interpolated."""
    return np.quantile(t, confidence, axis=0, method="higher")


def resampled_weights(n: int, resamples: int, seed: int) -> Iterator[tuple[slice, FloatArray]]:
    """Slices of the resamples, with the share of each cluster in them, block by block."""
    rng = np.random.default_rng(seed)
    size = max(1, _BLOCK // n)
    for start in range(0, resamples, size):
        rows = min(size, resamples - start)
        drawn = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
        yield slice(start, start + rows), counts / n
