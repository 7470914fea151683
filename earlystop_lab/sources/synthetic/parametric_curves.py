"""Curves from a formula: decay, overfitting, noise, plateaus, spikes and divergence.

The noiseless validation error at epoch t is

    E(t) = floor + drop t^-decay + rise h / (1 + h),    h = (t / onset)^steepness

and what is measured is E(t) exp(s(t) z(t)) with s(t) = noise t^-cooling and z a stationary AR(1)
process of variance 1 from check to check: z(i) = correlation z(i-1) + shock. Successive shocks are
independent where ``persistence`` is 0; otherwise they are an AR(1) process themselves, with that
coefficient, which makes the noise wander smoothly, with fewer local minima. Training error is
train_floor + train_drop t^-train_decay with such noise of its own.

Source: the power law with a floor is "pow3" of T. Domhan, J. T. Springenberg, F. Hutter, "Speeding
up Automatic Hyperparameter Optimization of Deep Neural Networks by Extrapolation of Learning
Curves", IJCAI 2015, there for accuracy over epochs; the saturating rise, the noise and the events
are this project's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from earlystop_lab._common.checks import require, require_count
from earlystop_lab.curves import CurveSet, FloatArray
from earlystop_lab.sources.synthetic._runs import (
    Run,
    collect,
    numpy_holds,
    with_optimum,
)


class Spread(NamedTuple):
    """How a parameter is drawn: log-normal, or exactly ``median`` where ``sigma`` is 0."""

    median: float
    sigma: float
    #: the parameter stays in low <= value < high; a high of 1 makes the draw logit-normal
    low: float = 0.0
    high: float = np.inf


#: every parameter and what it is drawn from where it is not given
SPREADS = {
    "floor": Spread(0.2, 0.5),
    "drop": Spread(1.0, 0.5),
    "decay": Spread(0.7, 0.3),
    "rise": Spread(0.15, 1.0),
    "onset": Spread(300.0, 0.7, low=1e-9),
    "steepness": Spread(1.5, 0.3),
    "train_floor": Spread(0.05, 0.5),
    "train_drop": Spread(1.0, 0.5),
    "train_decay": Spread(0.7, 0.3),
    "noise": Spread(0.05, 0.7),
    "train_noise": Spread(0.05, 0.7),
    "cooling": Spread(0.25, 0.0, low=-np.inf),
    "train_cooling": Spread(0.25, 0.0, low=-np.inf),
    "correlation": Spread(0.5, 1.0, low=-1.0, high=1.0),
    "persistence": Spread(0.0, 0.0, low=-1.0, high=1.0),
    "plateaus": Spread(0.2, 0.0),
    "spikes": Spread(0.002, 0.0),
    "spike_height": Spread(0.2, 0.0),
    "diverges": Spread(0.02, 0.0),
}
#: drawn together where neither is given: a run's training error starts as its validation error
_TWINS = {f"train_{name}": name for name in ("drop", "decay", "noise", "cooling")}
_PROBABILITIES = ("plateaus", "spikes", "diverges")
#: a diverging error grows by this factor a check, and is infinite after so many checks
_GROWTH, _GROWING = 1.6, 20
#: the largest ln(factor) of noise: its exponential is still finite, so that 0 stays 0
_LARGEST = 700.0


def parametric(
    n: int,
    rng: np.random.Generator,
    *,
    params: pd.DataFrame | Mapping[str, float] | None = None,
    epochs: int = 1000,
    problems: int = 12,
    clustering: float = 0.5,
) -> CurveSet:
    """Simulate curves from the formula in the docstring of this module.

    ``test`` is the noiseless curve E(t) with the run's plateau and divergence, without noise and
    spikes; ``optimum`` is the epoch at which it is lowest. The drawn parameters are metadata.

    ====================================  ========================================================
    parameter                             meaning
    ====================================  ========================================================
    floor, drop, decay                    the descent; errors in any unit, ``decay`` >= 0
    rise, onset, steepness                overfitting: its final size, the epoch of half of it,
                                          its exponent
    train_floor, train_drop, train_decay  the training error
    noise, cooling                        relative noise at epoch 1 and the exponent with which it
                                          shrinks
    train_noise, train_cooling            those of the training error
    correlation, persistence              coefficients of the noise and of its shocks, in (-1, 1)
    plateaus                              probability that the run has a plateau, 5 to 20% of the
                                          record long
    spikes, spike_height                  probability per check, and exponential mean height in
                                          ln(error)
    diverges                              probability that the error explodes, infinite more than
                                          20 checks after it began
    epochs, every                         (tables only) last epoch, and epochs between checks
    problem                               (tables only) the run's problem, instead of an assigned
                                          one
    ====================================  ========================================================

    Parameters
    ----------
    n : int
        Number of runs.
    rng : numpy.random.Generator
        Random number generator.
    params : DataFrame or mapping of str to float, optional
        Known parameters: a table with one row for each kind of run, from which every run draws a
        row (:func:`fit_parametric` makes such a table from a corpus), or one mapping for all runs.
        Parameters that it does not contain are drawn from log-normal distributions with the
        median and the standard deviation of the logarithm in ``SPREADS`` (``correlation``:
        logit-normal). The training parameters other than ``train_floor`` equal those of
        validation.
    epochs : int
        Last epoch of a run.
    problems : int
        Number of problems to which the runs belong.
    clustering : float
        Share (0 to 1) of the variance of the normal draws that runs of one problem have in common.

    Returns
    -------
    CurveSet

    Raises
    ------
    ValueError
        If a parameter is unknown or not allowed.

    Examples
    --------
    >>> curves = parametric(2, np.random.default_rng(0), params={"noise": 0, "diverges": 0})
    >>> bool(np.median(np.abs(curves[0].val - curves[0].test)) == 0)  # where no spike is
    True
    """
    require_count("epochs", epochs)
    require("clustering", clustering, 0 <= clustering <= 1, "a number between 0 and 1")
    table = _checked(params)

    def shared(stream: np.random.Generator) -> FloatArray:
        return stream.standard_normal(len(SPREADS))

    def make(stream: np.random.Generator, common: FloatArray) -> Run:
        own = stream.standard_normal(len(SPREADS))
        normal = np.sqrt(clustering) * common + np.sqrt(1 - clustering) * own
        given = table[int(stream.integers(len(table)))]
        chosen = _drawn(given, dict(zip(SPREADS, normal, strict=True)))
        every = float(given.get("every", 1.0))
        count = max(1, round(float(given.get("epochs", epochs)) / every))
        curves = _curves(stream, every * np.arange(1.0, count + 1), chosen)
        problem = {"problem": given["problem"]} if "problem" in given else {}
        return {**problem, **chosen, **curves}

    return collect("parametric", n, rng, problems, shared, make)


def clean_curve(
    epoch: FloatArray,
    *,
    floor: float,
    drop: float,
    decay: float,
    rise: float = 0.0,
    onset: float = 1.0,
    steepness: float = 1.0,
) -> FloatArray:
    """Compute E(t) of the docstring of this module at ``epoch`` > 0.

    Examples
    --------
    >>> clean_curve(np.array([1.0, 4.0]), floor=1, drop=2, decay=0.5, rise=6, onset=2, steepness=1)
    array([5., 6.])
    """
    # h / (1 + h) overflows to NaN for large h where 1 / (1 + 1 / h) does not
    with np.errstate(over="ignore"):
        overfit = rise / (1 + (onset / epoch) ** steepness)
    return floor + drop * epoch**-decay + overfit


def wander(
    stream: np.random.Generator, count: int, correlation: float, persistence: float = 0.0
) -> FloatArray:
    """``count`` values of z in this module's docstring: stationary, normal, mean 0, variance 1.

    With a = correlation and b = persistence, both in (-1, 1), z is an AR(2) process whose
    characteristic roots are a and b; b = 0 makes it AR(1). Its autocorrelation at lag 1 is
    (a + b) / (1 + a b).

    >>> wander(np.random.default_rng(0), 3, 0.0) - np.random.default_rng(0).standard_normal(3)
    array([0., 0., 0.])

    Source: G. E. P. Box, G. M. Jenkins, G. C. Reinsel, "Time Series Analysis", 4th edition 2008,
    section 3.2, doi 10.1002/9781118619193.
    """
    from scipy.signal import lfilter  # importing the package leaves scipy alone

    a, b = correlation, persistence
    first = (a + b) / (1 + a * b)
    shocks = stream.standard_normal(count)
    # the second value still knows only one before it: its shock completes the stationary pair
    shocks[1:2] = np.sqrt(1 - first**2) * shocks[1:2] + (first - a - b) * shocks[:1][: count - 1]
    shocks[2:] *= np.sqrt((1 - a * b) * (1 - a**2) * (1 - b**2) / (1 + a * b))
    return lfilter([1.0], [1.0, -(a + b), a * b], shocks)


def _checked(params: pd.DataFrame | Mapping[str, float] | None) -> list[dict[str, Any]]:
    """The rows of the table, values checked, missing ones left out."""
    known_kind = params is None or isinstance(params, (pd.DataFrame, Mapping))
    require("params", params, known_kind, "a table, or a mapping of parameters to numbers")
    table = params if isinstance(params, pd.DataFrame) else pd.DataFrame([dict(params or {})])
    require("params", params, len(table), "at least one row")
    known = {*SPREADS, "epochs", "every", "problem"}
    # a fitted table also says where its rows are from
    unknown = [str(name) for name in table.columns if name not in {*known, "run", "misfit"}]
    require("params", ", ".join(unknown), not unknown, f"parameters among {', '.join(SPREADS)}")
    rows = [
        {str(name): value for name, value in row.items() if name in known and not _missing(value)}
        for row in table.to_dict("records")
    ] or [{}]
    for row in rows:
        for name, value in row.items():
            number = numpy_holds(value, Real) or name == "problem"
            require(name, value, number, "a number")
            if name in SPREADS:
                _check_value(name, value)
            elif name != "problem":
                require(name, value, 0 < value < np.inf, "a finite number above 0")
    return rows


def _missing(value: Any) -> bool:
    return pd.api.types.is_scalar(value) and bool(pd.isna(value))


def _check_value(name: str, value: float) -> None:
    low, high = SPREADS[name].low, SPREADS[name].high
    if name in _PROBABILITIES:
        require(name, value, 0 <= value <= 1, "a probability, between 0 and 1")
    elif high == 1.0:
        require(name, value, low < value < high, "a number between -1 and 1, ends excluded")
    else:
        least = "" if np.isinf(low) else f" of at least {low:g}"
        require(name, value, low <= value < high, f"a finite number{least}")


def _drawn(given: Mapping[str, Any], normal: Mapping[str, float]) -> dict[str, float]:
    """A value for every parameter: as given, as its twin's, or drawn."""
    chosen: dict[str, float] = {}
    for name, spread in SPREADS.items():
        if name in given:
            value = float(given[name])
        elif name in _TWINS:
            value = chosen[_TWINS[name]]
        elif spread.sigma == 0:
            value = spread.median
        elif spread.high == 1.0:
            odds = spread.median / (1 - spread.median) * np.exp(spread.sigma * normal[name])
            value = float(odds / (1 + odds))
        else:
            value = float(spread.median * np.exp(spread.sigma * normal[name]))
        chosen[name] = value
    return chosen


def _curves(stream: np.random.Generator, epoch: FloatArray, p: Mapping[str, float]) -> Run:
    """One run's curves. Every draw is made whatever the parameters, so that streams stay alike."""
    lasting = _with_plateau(stream, epoch, p["plateaus"])
    explosion = _explosion(stream, len(epoch), p["diverges"])
    val = clean_curve(lasting, **{name: p[name] for name in _SHAPE})
    train = clean_curve(
        lasting, floor=p["train_floor"], drop=p["train_drop"], decay=p["train_decay"]
    )
    hit = stream.random(len(epoch)) < p["spikes"]
    spikes = np.where(hit, stream.exponential(size=len(epoch)) * p["spike_height"], 0.0)
    noise, own = (
        p[f"{which}noise"]
        * epoch ** -p[f"{which}cooling"]
        * wander(stream, len(epoch), p["correlation"], p["persistence"])
        for which in ("", "train_")
    )
    noise, own = (np.exp(np.minimum(logs + spikes, _LARGEST)) for logs in (noise, own))
    with np.errstate(over="ignore"):  # noise may be given so large
        curves: Run = {
            "epoch": epoch,
            "test": _exploded(val, explosion),
            "val": _exploded(val * noise, explosion),
            "train": _exploded(train * own, explosion),
        }
    return with_optimum(curves, epoch)


_SHAPE = ("floor", "drop", "decay", "rise", "onset", "steepness")


def _with_plateau(stream: np.random.Generator, epoch: FloatArray, probability: float) -> FloatArray:
    """The epoch that the noiseless curve has reached at each epoch, behind by the plateau."""
    there, begin, share = stream.random(3)
    if there >= probability:
        return epoch
    start = epoch[int(begin * len(epoch) / 2)]
    length = (0.05 + 0.15 * share) * epoch[-1]
    return np.where(epoch <= start, epoch, np.maximum(start, epoch - length))


def _explosion(stream: np.random.Generator, count: int, probability: float) -> FloatArray:
    """The factor by which a diverging run is off: 1 before, growing, then infinite."""
    there, begin = stream.random(2)
    checks = np.arange(1.0, count + 1)
    if there >= probability or count < 2:
        return np.ones(count)
    since = checks - (1 + np.floor(begin * (count - 1)))
    growing = _GROWTH ** np.clip(since, 0, _GROWING)
    return np.where(since > _GROWING, np.inf, growing)


def _exploded(curve: FloatArray, explosion: FloatArray) -> FloatArray:
    """Infinite where the explosion is, an error of 0 included."""
    return np.where(np.isinf(explosion), np.inf, curve * np.minimum(explosion, _GROWTH**_GROWING))
