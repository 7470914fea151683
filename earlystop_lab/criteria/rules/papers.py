"""Rules from papers and small packages that can be evaluated on recorded curves."""

import math
from typing import Any, NamedTuple

import numpy as np

from earlystop_lab.criteria.core import criterion
from earlystop_lab.criteria.rules._windows import (
    Rolling,
    Window,
    deviation,
    full,
    mean,
    multiplied,
    new_window,
    rolled,
    rolling,
    shifted,
    summed,
    truth,
    values,
)
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


class Together(NamedTuple):
    """State of CDSC: its parameters, the last errors of both curves, the count."""

    mu: float
    reset: bool
    val: Window
    train: Window
    low: int
    #: for intermediate results
    a: FloatArray
    b: FloatArray
    products: FloatArray


def together_step(s: Together, epoch: float, val: float, train: float) -> tuple[Together, float]:
    """Successive checks with a correlation below mu."""
    first, second, low = shifted(s.val, val), shifted(s.train, train), s.low
    if full(first):
        put_centred(s.a, values(first))
        put_centred(s.b, values(second))
        r = correlation(s.a, s.b, s.products)
        if r < s.mu:
            low += 1
        elif r >= s.mu and s.reset:
            low = 0
    after = Together(s.mu, s.reset, first, second, low, s.a, s.b, s.products)
    return after, float(low)


def put_centred(less: FloatArray, errors: FloatArray) -> None:
    """Fill in the errors less their mean; of equal errors exactly 0."""
    # taking off the first error keeps equal ones from differing by the mean's rounding
    first = float(errors[0])
    for i in range(errors.size):
        less[i] = float(errors[i]) - first
    middle = mean(less)
    for i in range(errors.size):
        less[i] = float(less[i]) - middle


def product(a: FloatArray, b: FloatArray, products: FloatArray) -> float:
    """The sum of their products, which are filled in."""
    for i in range(a.size):
        products[i] = float(a[i]) * float(b[i])
    return summed(products)


def correlation(a: FloatArray, b: FloatArray, room: FloatArray) -> float:
    """Pearson's, of centred errors; NaN where either is constant or not finite."""
    size = math.sqrt(product(a, a, room)) * math.sqrt(product(b, b, room))
    return product(a, b, room) / size if size > 0 else math.nan


@criterion(
    threshold="lam",
    default=5,
    passes=">=",
    whole=True,
    step=together_step,
    watches=("val", "train"),
    at_least={"lam": 1, "omega": 2, "mu": -1},
    at_most={"mu": 1},
)
def CDSC(*, omega: int = 5, mu: float = 0.5, reset: bool = True) -> Together:
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
    Statistic: successive checks with correlation(train, val) < mu

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
    windows, room = (new_window(omega), new_window(omega)), np.empty((3, omega))
    return Together(float(mu), bool(reset), *windows, 0, *room)


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


def slope_step(s: tuple[float, Rolling], epoch: float, val: float) -> tuple[Any, float]:
    """1 where the least-squares slope is at least so steep; NaN where it is undefined."""
    level, last = s[0], rolled(s[1], val)
    n = last.last.length
    if not full(last.last) or last.tame < n:
        return (level, last), math.nan
    # the places' mean taken off, in the exact sums
    middle = (n - 1) / 2
    moment = multiplied(multiplied(last.moment, last.sum.high, -middle), last.sum.low, -middle)
    return (level, last), truth(moment.high / (n * (n * n - 1.0) / 12) >= level)


@criterion(step=slope_step, at_least={"window": 2})
def Slope(*, window: int, slope: float = 0.0) -> tuple[float, Rolling]:
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
    return float(slope), rolling(window)


def relative_spread_step(
    s: tuple[Window, FloatArray], epoch: float, val: float
) -> tuple[tuple[Window, FloatArray], float]:
    """Standard deviation of the window over its absolute mean."""
    after, ratio = (shifted(s[0], val), s[1]), math.nan
    if full(after[0]):
        centre = mean(values(after[0]))
        spread = deviation(values(after[0]), centre, s[1])
        if centre != 0:
            ratio = spread / abs(centre)
        elif spread > 0:
            ratio = math.inf
    return after, ratio


@criterion(threshold="std", passes="<", step=relative_spread_step, at_least={"std": 0, "window": 2})
def PlateauStd(*, window: int = 10) -> tuple[Window, FloatArray]:
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
    return new_window(window), np.empty(window)


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


def residual_step(s: tuple[int], epoch: float, train: float) -> tuple[tuple[int], float]:
    """The training error itself; a state is not needed."""
    return s, train


@criterion(
    threshold="kappa", passes="<=", step=residual_step, watches=("train",), at_least={"kappa": 0}
)
def Discrepancy() -> tuple[int]:
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
    Statistic: the training error

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
    return (0,)


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
    return Rises(float(tol), math.nan, 0.0)
