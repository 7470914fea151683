"""Rules from papers and small packages that can be evaluated on recorded curves."""

import math
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from earlystop_lab.criteria.core import criterion
from earlystop_lab.criteria.rules._windows import rolling
from earlystop_lab.criteria.rules.patience import (
    RELATIVE_SIZE,
    Knobs,
    Patience,
    kept_epoch,
    patience_rule,
    patience_state,
)
from earlystop_lab.criteria.rules.prechelt import Rises, rises_rule
from earlystop_lab.curves import FloatArray

__all__ = [
    "CDSC",
    "EVE",
    "Discrepancy",
    "PlateauStd",
    "RelativePatience",
    "Slope",
    "SuccessiveStrips",
]


@criterion(
    threshold="lam",
    default=5,
    passes=">=",
    whole=True,
    at_least={"lam": 1, "omega": 2, "mu": -1},
    at_most={"mu": 1},
)
def CDSC(
    val: FloatArray, train: FloatArray, *, omega: int = 5, mu: float = 0.5, reset: bool = True
) -> FloatArray:
    """Correlation-driven stopping: training and validation error no longer move together.

    r(t) is Pearson's correlation of the two errors over the last ``omega`` checks. A check with
    r < ``mu`` counts, and one with r >= mu resets the count. If either error is constant over the
    window, or the window contains a NaN, r is undefined and the count does not change. (The
    released code also sees the curves one epoch late.)

    Parameters
    ----------
    lam : int
        Number of checks with low correlation, at least 1.
    omega : int
        Length of the window, in checks, at least 2.
    mu : float
        Limit of the correlation, in [-1, 1].
    reset : bool
        False never resets the count, as in the released code.

    Notes
    -----
    Statistic: checks with correlation(train, val) < mu, since it was not

    Source: Miseta, Fodor, Vathy-Fogarassy, "Surpassing early stopping: A novel
    correlation-based stopping criterion for neural networks", Neurocomputing 567:127028, 2024,
    doi 10.1016/j.neucom.2023.127028.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CDSC, CurveSet, replay
    >>> curves = CurveSet.from_runs([{"val": [4.0, 3.0, 2.0, 3.0], "train": [4.0, 3.0, 2.0, 1.0]}])
    >>> replay(curves, [CDSC(1, omega=3)]).to_frame()["stop"][0]
    np.int64(4)
    """
    together = np.full(len(val), np.nan)
    if len(val) >= omega:
        a, b = _centred(train, omega), _centred(val, omega)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            size = np.sqrt((a * a).sum(axis=1)) * np.sqrt((b * b).sum(axis=1))
            together[omega - 1 :] = (a * b).sum(axis=1) / size
    count = np.cumsum(together < mu)
    if reset:
        count = count - np.maximum.accumulate(np.where(together >= mu, count, 0))
    return count.astype(np.float64)


def _centred(errors: FloatArray, window: int) -> FloatArray:
    """Windows of the errors minus their mean; exactly 0 if all errors are equal."""
    with np.errstate(over="ignore", invalid="ignore"):
        windows = sliding_window_view(errors, window)
        # subtracting the first error keeps rounding of the mean from separating equal errors
        windows = windows - windows[:, :1]
        centred: FloatArray = windows - windows.mean(axis=1, keepdims=True)
    return centred


class Quality(NamedTuple):
    """State of EVE: smoothing, bias, smoothed quality, its best, its epoch, checks since then."""

    smoothing: float
    min_delta: float
    smooth: float
    best: float
    record: float
    since: int


def quality_step(s: Quality, epoch: float, val: float) -> tuple[Quality, float]:
    """Number of checks since the smoothed quality was highest."""
    smooth = s.smooth * s.smoothing + (-val - s.min_delta) * (1 - s.smoothing)
    if smooth > s.best:
        return Quality(s.smoothing, s.min_delta, smooth, smooth, epoch, 0), 0.0
    since = s.since + 1
    return Quality(s.smoothing, s.min_delta, smooth, s.best, s.record, since), float(since)


def record_epoch(s: Quality) -> float:
    """The epoch of the highest smoothed quality; NaN if the baseline was never exceeded."""
    return s.record


@criterion(
    threshold="patience",
    default=1000,
    passes=">",
    whole=True,
    step=quality_step,
    restores=record_epoch,
    at_least={"patience": 0, "smoothing": 0},
    at_most={"smoothing": 1},
)
def EVE(*, smoothing: float = 0.75, min_delta: float = 0.0, baseline: float = 0.0) -> Quality:
    """``evestop``: *more than* ``patience`` checks since the smoothed quality was highest.

    In mode "min" the quality is -error - ``min_delta``. It is smoothed by
    s <- smoothing s + (1 - smoothing) quality, starting from ``baseline``. A NaN error makes every
    later quality NaN. With ``restore="own"``, the epoch of the highest smoothed quality is
    selected.

    Parameters
    ----------
    patience : int
        Number of checks without a new highest quality that are tolerated.
    smoothing : float
        Weight of the previous smoothed quality, in [0, 1].
    min_delta : float
        A constant that is subtracted from every quality; it is not a tolerance.
    baseline : float
        Initial smoothed quality and first record. With the default of 0, no positive error ever
        sets a record, and training stops after patience + 1 checks: pass a baseline below the
        negated errors.

    Notes
    -----
    Statistic: checks since the smoothed -val - min_delta was highest

    Source: evestop 0.1 (PyPI), ``evestop/generic.py``.

    Verified: evestop 0.1

    Examples
    --------
    >>> from earlystop_lab import EVE, CurveSet, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 1.0, 1.0, 1.0, 1.0]}])
    >>> replay(curves, [EVE(2), EVE(2, baseline=-9)]).to_frame()["fired"].tolist()
    [True, False]
    """
    return Quality(
        float(smoothing), float(min_delta), float(baseline), float(baseline), math.nan, 0
    )


@criterion(at_least={"window": 2})
def Slope(val: FloatArray, *, window: int, slope: float = 0.0) -> FloatArray:
    """Rolling least squares: the line through the last ``window`` errors no longer falls.

    Holds if the slope is at least ``slope``. A NaN or infinite error in the window makes the slope
    undefined.

    Parameters
    ----------
    window : int
        Number of errors to which the line is fitted, at least 2.
    slope : float
        Limit of the slope, in errors per check; at 0, a plateau holds.

    Notes
    -----
    Statistic: least-squares slope of the last window errors >= slope

    Source: early-stopping 0.1.3 (PyPI), method "slope", with ignore = window - 1.

    Verified: early-stopping 0.1.3

    Examples
    --------
    >>> from earlystop_lab import CurveSet, Slope, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 1.0, 1.5, 1.0]}])
    >>> replay(curves, [Slope(window=3), Slope(window=3, slope=-0.5)]).to_frame()["stop"].tolist()
    [5, 4]
    """
    found = np.full(len(val), np.nan)
    if len(val) >= window:
        x = np.arange(window) - (window - 1) / 2
        with np.errstate(over="ignore", invalid="ignore"):
            found[window - 1 :] = _centred(val, window) @ x / (x @ x)
    return np.where(np.isnan(found), np.nan, found >= slope)


@criterion(threshold="std", passes="<", at_least={"std": 0, "window": 2})
def PlateauStd(val: FloatArray, *, window: int = 10) -> FloatArray:
    """The last ``window`` errors hardly vary: their relative standard deviation is below ``std``.

    The statistic is the population standard deviation divided by the absolute mean, so the
    threshold does not depend on the scale of the error (0.01 is one percent). A NaN in the window
    makes it NaN, and a mean of 0 makes it infinite. (:data:`RayPlateau` is the same rule in units
    of the error.)

    Parameters
    ----------
    std : float
        Threshold of the relative standard deviation, at least 0.
    window : int
        Number of errors in the window, at least 2.

    Notes
    -----
    Statistic: standard deviation / abs(mean) of the last window errors

    Source: the coefficient of variation, as plateau tests use it.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, PlateauStd, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 1.0, 1.0, 1.0]}])
    >>> replay(curves, [PlateauStd(0.01, window=3)]).to_frame()["stop"][0]
    np.int64(5)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return rolling(np.std, val, window) / np.abs(rolling(np.mean, val, window))


@patience_rule(
    threshold="patience",
    restores=kept_epoch,
    at_least={"patience": 0, "min_delta": 0},
)
def RelativePatience(*, min_delta: float = 0.01) -> Patience:
    """Patience with a relative ``min_delta``: 0.01 requires an error 1% below the best.

    A value improves if val < best - min_delta abs(best). An epoch that improves never stops
    training, and neither a NaN nor an infinite error is an improvement. With ``restore="own"``,
    the last improvement by more than ``min_delta`` is selected.

    Parameters
    ----------
    patience : int
        Number of checks without improvement, at least 0.
    min_delta : float
        Smallest relative gain that counts as an improvement, at least 0.

    Notes
    -----
    Statistic: checks since val < best - min_delta abs(best)

    Source: the relative mode of PyTorch's ``ReduceLROnPlateau``, made safe for negative errors.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, RelativePatience, replay
    >>> curves = CurveSet.from_runs([{"val": [100.0, 99.5, 99.2, 90.0]}])
    >>> replay(curves, [RelativePatience(2)]).to_frame()["stop"][0]
    np.int64(3)
    """
    return patience_state(Knobs(RELATIVE_SIZE), delta=min_delta)


@criterion(threshold="kappa", passes="<=", at_least={"kappa": 0})
def Discrepancy(train: FloatArray) -> FloatArray:
    """Discrepancy principle: stop at the first check whose training residual is at most ``kappa``.

    The training error must be the squared residual. The first check can stop training; a NaN
    never does.

    Parameters
    ----------
    kappa : float
        Threshold of the residual: about the noise level times the number of samples, in the
        same units, at least 0.

    Notes
    -----
    Statistic: the training residual

    Source: Blanchard, Hoffmann, Reiss, "Optimal adaptation for early stopping in statistical
    inverse problems", SIAM/ASA Journal on Uncertainty Quantification 6, 2018,
    doi 10.1137/17M1154096.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, Discrepancy, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0] * 3, "train": [4.0, 2.0, 1.0]}])
    >>> replay(curves, [Discrepancy(2)]).to_frame()["stop"][0]
    np.int64(2)
    """
    return train


@rises_rule(at_least={"s": 1, "tol": 0})
def SuccessiveStrips(*, k: int = 5, tol: float = 0.001) -> Rises:
    """:data:`UP` with a tolerance: ``s`` successive strips in which the error hardly fell.

    A strip counts if E_va(t) > E_va(t - k) - tol abs(E_va(t - k)), so a plateau stops training.

    Parameters
    ----------
    s : int
        Number of successive strips, at least 1.
    k : int
        Length of a strip in checks, at least 1.
    tol : float
        Relative tolerance, at least 0; 0 makes the rule equal to UP.

    Notes
    -----
    Statistic: successive strips with E_va(t) > E_va(t - k) - tol abs(E_va(t - k))

    Source: Prechelt 1998 for UP, doi 10.1007/3-540-49430-8_3; the tolerance is added here.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import UP, CurveSet, SuccessiveStrips, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0] * 4}])
    >>> replay(curves, [SuccessiveStrips(2, k=1), UP(2, k=1)]).to_frame()["fired"].tolist()
    [True, False]
    """
    return Rises(float(tol), math.nan, 0)
