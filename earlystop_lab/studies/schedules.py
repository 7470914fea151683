"""The constants of the multi-power law, from runs with different plans of the learning rate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from earlystop_lab._common.wording import listed
from earlystop_lab.curves import CurveSet, FloatArray, require_curves

#: where the search begins, and its bounds: alpha, log c, beta, gamma, before
_STARTS = ([0.5, 0.0, 0.5, 0.5, 1.0], [0.4, 1.6, 0.5, 0.7, 0.7])
_BOUNDS = [0.05, -6.0, 0.05, 0.0, 0.1], [2.0, 6.0, 3.0, 1.5, 3.0]
#: about so many checks of a run are looked at
_CHECKS = 100


class _Run(NamedTuple):
    """A run as the law sees it: values at the checks that are looked at, and all changes."""

    val: FloatArray
    #: their places in the run, in (0, 1]
    share: FloatArray
    #: the sum of the rates since the first check
    total: FloatArray
    #: the first rate times the first position
    begun: float
    #: by change: the sum of rates at it, the fall, the rate after it
    at: FloatArray
    fall: FloatArray
    rate: FloatArray


def fit_multi_power_law(curves: CurveSet) -> dict[str, float]:
    """Fit the constants of :func:`MultiPowerLaw` to runs, which should differ in their plans.

    The squares of the relative errors of the law, each times its place in the run, in (0, 1], are
    minimised, every run with the same weight: it is the end that is to be forecast. Over a, b and
    the limit this is linear least squares, over the others a search from two places.

    Parameters
    ----------
    curves : CurveSet
        Runs of one model on one data set, with channels ``val`` and ``lr``; all errors above 0.

    Returns
    -------
    dict
        a, b, c, alpha, beta, gamma and before, as :func:`MultiPowerLaw` takes them; and ``limit``,
        the error at infinity, which that rule does not need.

    Raises
    ------
    ValueError
        If a run lacks a channel, has an error or a rate that is not above 0, or if no rate ever
        changes.

    Notes
    -----
    Source: Luo et al., ICLR 2025, arXiv:2503.12811, who minimise another loss by another search.

    Examples
    --------
    >>> t = np.arange(100.0, 4001, 100)
    >>> rates = [np.full(40, 0.01), np.where(t < 2000, 0.01, 0.001)]
    >>> runs = [{"epoch": t, "val": 2 + np.cumsum(100 * lr) ** -0.5, "lr": lr} for lr in rates]
    >>> found = fit_multi_power_law(CurveSet.from_runs(runs))
    >>> abs(found["limit"] - 2) < 0.1, abs(found["alpha"] - 0.5) < 0.1
    (True, True)
    """
    require_curves("fit_multi_power_law", curves)
    runs = [_seen(curves, name) for name in curves.runs]
    if not any(len(run.at) for run in runs):
        raise ValueError(
            "fit_multi_power_law: the rate never changes, so that nothing says what a decay gives; "
            "expected runs with different plans"
        )
    weights = np.concatenate([run.share / np.linalg.norm(run.share) / run.val for run in runs])
    val = np.concatenate([run.val for run in runs])

    def solved(q: NDArray[np.float64]) -> tuple[FloatArray, FloatArray]:
        parts = np.concatenate([_parts(run, q) for run in runs])
        found, *_ = np.linalg.lstsq(parts * weights[:, None], val * weights, rcond=None)
        return found, (parts @ found - val) * weights

    scale = [0.1, 1.0, 0.2, 0.2, 0.2]
    searches = [
        least_squares(lambda q: solved(q)[1], start, bounds=_BOUNDS, x_scale=scale, max_nfev=60)
        for start in _STARTS
    ]
    alpha, log_c, beta, gamma, share = best = min(searches, key=lambda each: each.cost).x
    limit, a, b = solved(best)[0].tolist()
    before = share * float(np.mean([run.begun for run in runs]))
    constants = {"a": a, "b": b, "c": np.exp(log_c), "alpha": alpha, "beta": beta, "gamma": gamma}
    return {name: float(each) for name, each in (constants | {"before": before}).items()} | {
        "limit": limit
    }


def _parts(run: _Run, q: NDArray[np.float64]) -> FloatArray:
    """What is multiplied by the limit, a and b, at each check: (checks, 3)."""
    alpha, log_c, beta, gamma, share = q
    since = np.maximum(run.total[:, None] - run.at, 0)
    gains = run.fall * (1 - (1 + np.exp(log_c) * run.rate**-gamma * since) ** -beta)
    first = (run.total + share * run.begun) ** -alpha
    parts: FloatArray = np.stack([np.ones(len(run.val)), first, -gains.sum(axis=1)], axis=1)
    return parts


def _seen(curves: CurveSet, name: str) -> _Run:
    curve = curves[name]
    if lacking := [each for each in ("val", "lr") if each not in curve.channels]:
        raise ValueError(
            f"fit_multi_power_law: run {name!r} has no {lacking[0]}; its channels are "
            f"{listed(curve.channels, 20)}"
        )
    both = curve.measured("val") & curve.measured("lr")
    epoch, val, rate = curve.epoch[both], curve["val"][both], curve["lr"][both]
    for what, values in (("val", val), ("lr", rate)):
        if len(wrong := values[~((values > 0) & np.isfinite(values))]):
            raise ValueError(
                f"fit_multi_power_law: run {name!r} has {what} = {wrong[0]:g}; expected finite "
                "numbers above 0"
            )
    steps = (rate[1:] + rate[:-1]) / 2 * np.diff(epoch)
    total = np.concatenate([[0.0], np.cumsum(steps)])
    changed = np.flatnonzero(np.diff(rate) != 0)
    # the last check of each run, and every so many before it
    shown = np.arange(len(val))[:: -max(len(val) // _CHECKS, 1)][::-1]
    at = (total[changed] + total[changed + 1]) / 2
    return _Run(
        val[shown],
        (shown + 1) / len(val),
        total[shown],
        float(rate[0] * epoch[0]),
        at,
        -np.diff(rate)[changed],
        rate[changed + 1],
    )
