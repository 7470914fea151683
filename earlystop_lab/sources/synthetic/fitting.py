"""Fits the parameters of :mod:`parametric` to a corpus, run by run."""

from itertools import pairwise, product
from typing import Any

import numpy as np
import pandas as pd

from earlystop_lab._common.checks import require
from earlystop_lab.curves import Curve, CurveSet, FloatArray, require_curves
from earlystop_lab.sources.synthetic.parametric_curves import clean_curve, wander
from earlystop_lab.sources.synthetic.smoothing import local_size, smooth

#: a run with fewer finite errors is not fitted
LEAST = 12
#: number of points that a curve is thinned to, and steps of the optimiser, to bound the time
_POINTS, _STEPS = 60, 60
#: a check this many local standard deviations above its trend counts as a spike
_SPIKE = 6.0
#: beyond these exponents, a line through the sizes would predict absurd noise at epoch 1
_COOLING = (-0.5, 0.75)


def fit_parametric(curves: CurveSet) -> pd.DataFrame:
    """Fit the parameters with which :func:`parametric` simulates similar curves.

    A run's curve is thinned to at most 60 medians over parts that grow with the epoch. A grid over
    (decay, onset, steepness), each with its best floor, drop and rise, gives the start. At most
    60 steps of least squares on ln(error), with a loss that is robust to outliers (soft L1 at 5%),
    give the result. ``noise`` and ``cooling`` (in -0.5 to 0.75) are a line through the logarithm of
    the size of the residuals around a local trend. ``correlation`` and ``persistence`` reproduce
    the correlation of successive residuals and their share of local minima. ``spikes`` is the
    share of checks more than 6 local sizes above the trend, and ``spike_height`` their mean
    height. ``diverges`` is 1 for a run that ends in an error that is not finite; the part before
    that is fitted. Plateaus are not fitted (0). ``misfit`` is the root mean square of ln(error)
    around the fit over the thinned points: what the formula cannot describe.

    The misfit is not part of the noise: real curves may wander around the formula over hundreds of
    checks, and simulated ones do not. Runs with fewer than 12 finite errors, or with an error of 0
    or below, are left out.

    Parameters
    ----------
    curves : CurveSet
        Curves with validation errors.

    Returns
    -------
    DataFrame
        The parameters, with one row per run.

    Raises
    ------
    ValueError
        If no run is left.

    Examples
    --------
    >>> t = np.arange(1.0, 301)
    >>> val = clean_curve(t, floor=2, drop=9, decay=1.2, rise=3, onset=150, steepness=2)
    >>> fit = fit_parametric(CurveSet.from_runs([{"val": val}]))
    >>> fit.loc[0, ["floor", "drop", "decay", "rise", "steepness"]].astype(float).round(1).tolist()
    [2.0, 9.0, 1.2, 3.0, 2.0]
    """
    require_curves("fit_parametric", curves)
    problems = curves.table["problem"].to_pylist() if "problem" in curves.meta else None
    rows = []
    for i, curve in enumerate(curves):
        finite = np.isfinite(curve.val) & (curve.epoch > 0)
        if finite.sum() < LEAST or np.any(curve.val[finite] <= 0):
            continue
        row: dict[str, Any] = {"run": curve.run, **_fitted(curve, finite)}
        if problems:
            row["problem"] = problems[i]
        rows.append(row)
    require(
        "curves",
        curves,
        rows,
        f"at least one run with {LEAST} finite validation errors, all above 0",
    )
    return pd.DataFrame(rows)


def _fitted(curve: Curve, finite: np.typing.NDArray[np.bool_]) -> dict[str, float]:
    epoch, val = curve.epoch[finite], curve.val[finite]
    shape, misfit = _fit_shape(epoch, val, _VAL)
    row = {**shape, **_noise(epoch, val), "misfit": misfit, "plateaus": 0.0}
    if curve.train is not None:
        known = np.isfinite(curve.train) & (curve.train > 0) & (curve.epoch > 0)
        if known.sum() >= LEAST:
            descent, _ = _fit_shape(curve.epoch[known], curve.train[known], _TRAIN)
            row |= {f"train_{name}": descent[name] for name in ("floor", "drop", "decay")}
            noise = _noise(curve.epoch[known], curve.train[known])
            row |= {f"train_{name}": noise[name] for name in ("noise", "cooling")}
    row["diverges"] = float(not np.isfinite(curve.val[-1]))
    row["epochs"] = curve.epoch[-1]
    row["every"] = float(np.median(np.diff(curve.epoch)))
    return row


# -- the noiseless curve -------------------------------------------------------------------

_VAL, _TRAIN = ("floor", "drop", "rise", "decay", "onset", "steepness"), ("floor", "drop", "decay")
#: starting values: exponents of the decay and of the rise; the onset as a share of the last epoch
_DECAYS, _ONSETS, _STEEPNESSES = (
    (0.3, 0.6, 1.0, 1.5, 2.2),
    (0.01, 0.03, 0.1, 0.3, 1.0, 3.0),
    (0.5, 1.0, 2.0, 4.0),
)
#: bounds of the optimiser; the onset as a share of the last epoch
_BOUNDS = {"decay": (0.02, 8.0), "onset": (1e-4, 30.0), "steepness": (0.2, 12.0)}


def _fit_shape(
    epoch: FloatArray, values: FloatArray, names: tuple[str, ...]
) -> tuple[dict[str, float], float]:
    """The named parameters of :func:`clean_curve` that fit best, and the misfit."""
    from scipy.optimize import least_squares  # importing the package must not import scipy

    # in units of the first check and the median error, so that the fit does not depend on units
    first, middle = float(epoch[0]), float(np.median(values))
    t, y = _thinned(epoch / first, values / middle)
    start = _best_on_grid(t, y, names)
    least, most = 1e-6 * y.min(), 10 * y.max()
    bounds = {
        **dict.fromkeys(("floor", "drop", "rise"), (least, most)),
        **_BOUNDS,
        "onset": tuple(np.multiply(_BOUNDS["onset"], t[-1])),
    }
    low, high = np.log([bounds[name] for name in names]).T
    inside = 1e-6 * (high - low)
    fit = least_squares(
        lambda logs: np.log(clean_curve(t, **_named(names, logs)) / y),
        np.clip(np.log(np.maximum(start, least)), low + inside, high - inside),
        jac=lambda logs: _slopes(t, _named(names, logs), names),
        bounds=(low, high),
        loss="soft_l1",
        f_scale=0.05,
        max_nfev=_STEPS,
    )
    shape = _named(names, fit.x)
    shape["drop"] *= first ** shape["decay"]
    for name, unit in (("floor", middle), ("drop", middle), ("rise", middle), ("onset", first)):
        if name in shape:
            shape[name] *= unit
    return shape, float(np.sqrt(np.mean(fit.fun**2)))


def _named(names: tuple[str, ...], logs: FloatArray) -> dict[str, float]:
    return dict(zip(names, np.exp(logs).tolist(), strict=True))


def _slopes(t: FloatArray, p: dict[str, float], names: tuple[str, ...]) -> FloatArray:
    """Derivatives of ln(clean_curve) with respect to the logarithm of each parameter."""
    fall = p["drop"] * t ** -p["decay"]
    slopes = {
        "floor": np.full_like(t, p["floor"]),
        "drop": fall,
        "decay": -p["decay"] * np.log(t) * fall,
    }
    total = p["floor"] + fall
    if "rise" in names:
        part = 1 / (1 + (p["onset"] / t) ** p["steepness"])
        bend = p["rise"] * part * (1 - part) * p["steepness"]
        slopes |= {
            "rise": p["rise"] * part,
            "onset": -bend,
            "steepness": bend * np.log(t / p["onset"]),
        }
        total = total + p["rise"] * part
    return np.column_stack([slopes[name] / total for name in names])


def _thinned(epoch: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """At most 60 points: medians over parts that grow as the epoch to the power 2/3.

    Equal parts of the logarithm would give half of the points to the first hundredth.
    """
    roots = np.linspace(1, np.cbrt(len(values) + 1), _POINTS + 1)
    edges = np.unique(np.rint(roots**3).astype(np.int64)) - 1
    parts = list(pairwise(edges))
    t = np.array([np.exp(np.log(epoch[a:b]).mean()) for a, b in parts])
    return t, np.array([np.median(values[a:b]) for a, b in parts])


def _best_on_grid(t: FloatArray, y: FloatArray, names: tuple[str, ...]) -> FloatArray:
    """The best of a grid over the exponents and the onset, in the order of ``names``.

    Given these, floor, drop and rise are linear: least squares of the relative error, over every
    choice of which of them are 0, keeping the solutions without negative values.
    """
    if "rise" in names:
        grid = np.array(list(product(_DECAYS, np.multiply(_ONSETS, t[-1]), _STEEPNESSES)))
    else:
        grid = np.array(_DECAYS)[:, None]
    columns = [np.ones((len(grid), len(t))), t ** -grid[:, :1]]
    if "rise" in names:
        columns.append(1 / (1 + (grid[:, 1:2] / t) ** grid[:, 2:]))
    basis = np.stack(columns, axis=2) / y[:, None]
    squares = np.einsum("gpi,gpj->gij", basis, basis)
    against = basis.sum(axis=1)
    # columns scaled to length 1, since errors over many decades make some of them tiny
    length = np.sqrt(np.einsum("gii->gi", squares))
    unit = squares / (length[:, :, None] * length[:, None, :])
    best, lowest = np.zeros(len(names)), np.inf
    for used in _choices(len(columns)):
        system = unit[:, used][:, :, used] + 1e-9 * np.eye(len(used))
        linear = np.zeros((len(grid), len(columns)))
        scaled = np.linalg.solve(system, (against / length)[:, used, None])[:, :, 0]
        linear[:, used] = scaled / length[:, used]
        lost = np.einsum("gi,gij,gj->g", linear, squares, linear) - 2 * np.einsum(
            "gi,gi->g", linear, against
        )
        lost[np.any(linear < 0, axis=1)] = np.inf
        if lost.min() < lowest:
            at = int(lost.argmin())
            best, lowest = np.concatenate([linear[at], grid[at]]), lost[at]
    return best


def _choices(count: int) -> list[list[int]]:
    """All choices among ``count`` columns that include the drop (column 1)."""
    flags = product((True, False), repeat=count)
    return [[i for i in range(count) if used[i]] for used in flags if used[1]]


# -- the residuals ---------------------------------------------------------------------------


def _noise(epoch: FloatArray, values: FloatArray) -> dict[str, float]:
    """Size, cooling and dependence of the residuals around a local trend, and the spikes."""
    logs = np.log(values)
    residuals = logs - smooth(logs)
    size = local_size(residuals)
    moving = size > 0
    unit = np.where(moving, residuals / np.where(moving, size, 1.0), 0.0)
    spike = unit > _SPIKE
    correlation, persistence = _dependence(np.clip(unit, -3, 3))  # no single residual dominates
    noise, cooling = _shrinking(epoch[moving], size[moving])
    # the trend absorbs part of the noise; simulated noise of this kind tells how much
    known = wander(np.random.default_rng(0), len(values), correlation, persistence)
    noise /= float(np.std(known - smooth(known)))
    return {
        "noise": noise,
        "cooling": cooling,
        "correlation": correlation,
        "persistence": persistence,
        "spikes": float(spike.mean()),
        "spike_height": float(residuals[spike].mean()) if spike.any() else 0.0,
    }


def _shrinking(epoch: FloatArray, size: FloatArray) -> tuple[float, float]:
    """Noise and cooling of noise t^-cooling fitted to the sizes, on the thinned epochs."""
    if len(epoch) < 2:
        return 0.0, 0.0
    t, level = map(np.log, _thinned(epoch, size))
    off = t - t.mean()
    cooling = float(np.clip(-(off @ level) / (off @ off), *_COOLING))
    return float(np.exp(np.mean(level + cooling * t))), cooling


def _dependence(unit: FloatArray) -> tuple[float, float]:
    """Correlation and persistence of normal noise with the correlation and minima of these values.

    A share arccos(r) / (2 pi) of the values of a stationary normal process are local minima (Rice's
    formula in discrete time), where r is the correlation of successive increments. Together with
    the correlation at lag 1, this gives that at lag 2, and the two determine the process (Yule and
    Walker).
    """
    power = unit @ unit
    if not power:
        return 0.0, 0.0
    one = float(np.clip(unit[1:] @ unit[:-1] / power, -0.99, 0.99))
    steps = np.diff(unit)
    share = float(np.mean((steps[:-1] < 0) & (steps[1:] >= 0)))
    two = 2 * one - 1 - 2 * (1 - one) * np.cos(2 * np.pi * share)
    first, second = one * (1 - two) / (1 - one**2), (two - one**2) / (1 - one**2)
    root = np.sqrt(max(first**2 / 4 + second, 0.0))  # complex roots: their real part, twice
    larger, smaller = np.clip([first / 2 + root, first / 2 - root], -0.95, 0.99)
    return float(larger), float(smaller)
