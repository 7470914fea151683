"""Rules from papers and small packages that can be computed from curves."""

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
    r < ``mu`` counts; one with r >= mu starts the count anew, unless
    ``reset=False``, as in the released code, whose count never goes back. (That code also sees
    the curves one epoch late.) Where either error is constant over the window, or a NaN is in
    it, r is undefined and the count stays.

    Parameters
    ----------
    lam : int
        Number of checks with a low correlation after which training stops, at least 1.
    omega : int
        Number of last checks in the correlation, at least 2.
    mu : float
        Correlation below which a check counts, in [-1, 1].
    reset : bool
        Whether a check with a higher correlation starts the count anew.

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
    """Windows of the errors less their mean; of equal errors exactly 0."""
    with np.errstate(over="ignore", invalid="ignore"):
        windows = sliding_window_view(errors, window)
        # taking off the first error keeps equal ones from differing by the mean's rounding
        windows = windows - windows[:, :1]
        centred: FloatArray = windows - windows.mean(axis=1, keepdims=True)
    return centred


class Quality(NamedTuple):
    """State of EVE: smoothing, bias, smoothed quality, its best, epoch of that, checks since."""

    smoothing: float
    min_delta: float
    smooth: float
    best: float
    record: float
    since: int


def quality_step(s: Quality, epoch: float, val: float) -> tuple[Quality, float]:
    """Checks since the smoothed quality was highest."""
    smooth = s.smooth * s.smoothing + (-val - s.min_delta) * (1 - s.smoothing)
    if smooth > s.best:
        return Quality(s.smoothing, s.min_delta, smooth, smooth, epoch, 0), 0.0
    since = s.since + 1
    return Quality(s.smoothing, s.min_delta, smooth, s.best, s.record, since), float(since)


def record_epoch(s: Quality) -> float:
    """The epoch of the highest smoothed quality; NaN where the baseline was never passed."""
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

    With mode "min" the quality is -error - ``min_delta``, so min_delta is a mere bias; it is
    smoothed as s <- smoothing s + (1 - smoothing) quality, from ``baseline`` on, which is also
    the first record. At the default baseline of 0 no positive error ever sets one, and training
    stops after patience + 1 checks: give a baseline below the negated errors. A NaN error makes
    every later quality NaN. ``restore="own"``: the epoch of the highest smoothed quality.

    Parameters
    ----------
    patience : int
        Checks since the highest quality that are tolerated; the next one stops training. At least
        0.
    smoothing : float
        Weight of the past in the smoothed quality, in [0, 1].
    min_delta : float
        Bias that is subtracted from the quality, in units of the error.
    baseline : float
        Quality from which the smoothing and the record start.

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

    Holds where its slope, in errors a check, is at least ``slope``; a plateau holds at 0. A NaN
    or infinite error in the window makes it undefined.

    Parameters
    ----------
    window : int
        Number of last errors that the line is fitted to, at least 2.
    slope : float
        Slope, in units of the error a check, from which on the rule holds.

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

    The population standard deviation over the absolute mean, so that the threshold is free of
    the error's scale: 0.01 is one percent. A NaN in the window makes it NaN,
    a mean of 0 infinite.
    (:data:`RayPlateau` is the same in units of the error.)

    Parameters
    ----------
    std : float
        Threshold of the relative standard deviation, at least 0.
    window : int
        Number of last errors that are compared, at least 2.

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
    """Patience with a relative ``min_delta``: 0.01 asks for an error 1% below the best.

    A value improves where val < best - min_delta abs(best). An epoch that improves never stops;
    neither a NaN nor an infinite error is an improvement. ``restore="own"``: the last
    significant improvement.

    Parameters
    ----------
    patience : int
        Checks without improvement after which training stops, at least 0.
    min_delta : float
        Least improvement that counts, as a share of the best error, at least 0.

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

    The training error has to be the squared residual; kappa is about the noise level times the
    number of samples, in the same units. The first check can stop. A NaN never does.

    Parameters
    ----------
    kappa : float
        Threshold of the squared residual, at least 0, in the units of the training error.

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
    """:data:`UP` with a tolerance: ``s`` strips in a row in which the error hardly fell.

    A strip counts where E_va(t) > E_va(t - k) - tol abs(E_va(t - k)), so a plateau stops;
    ``tol=0`` is UP.

    Parameters
    ----------
    s : int
        Number of successive strips that count, at least 1.
    k : int
        Length of a strip in checks, at least 1.
    tol : float
        Relative fall of the error below which a strip counts, at least 0.

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
