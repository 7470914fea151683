"""Many curves like those of a corpus: its trends with bootstrapped noise."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from earlystop_lab._common.checks import require, require_count
from earlystop_lab.curves import CurveSet, FloatArray, require_curves
from earlystop_lab.sources.synthetic._runs import (
    Run,
    require_between,
    streams,
    with_optimum,
)
from earlystop_lab.sources.synthetic.smoothing import local_size, smooth


class _Parts(NamedTuple):
    """A decomposed curve: finite values = trend + size * noise, in logarithms or not."""

    values: FloatArray
    finite: NDArray[np.bool_]
    logs: bool
    trend: FloatArray
    size: FloatArray
    noise: FloatArray

    def again(self, noise: FloatArray) -> FloatArray:
        """The curve with other noise; values that are not finite stay where they were."""
        curve = self.values.copy()
        inside = self.trend + self.size * noise
        curve[self.finite] = np.exp(inside) if self.logs else inside
        return curve


def resample(
    n: int,
    rng: np.random.Generator,
    *,
    curves: CurveSet,
    block: int = 25,
    width: float = 0.1,
) -> CurveSet:
    """Simulate runs, each of which is a random run of ``curves`` with bootstrapped residuals.

    A curve is ln(error) = trend + size * noise. The trend is a local line
    (:func:`smoothing.smooth`, with a window of ``width`` times the position to either side). The
    size of the residuals is their local root mean square, so noise that shrinks over time keeps
    doing so. The noise, of about unit size, is a moving-block bootstrap: blocks of ``block``
    successive checks of the same run, which preserve its short-range correlation, joined at random.
    ``train`` and ``val`` use the same blocks, which preserves their common noise.

    A run keeps the length and epochs of its source. Errors that are NaN or infinite stay so at
    their checks, and blocks are drawn from the finite checks as if these were successive. A curve
    with an error of 0 or below (a negated metric) is decomposed without logarithms. A run without
    any finite validation error is never drawn.

    ``test`` is the noiseless validation curve, the trend (the source's own ``test`` is not used);
    ``optimum``, ``optimum_error``, ``optimum_censored`` are those of the trend, as for every
    simulator; ``source`` is the run that was drawn, and ``problem`` its problem, if there is one.

    Parameters
    ----------
    n : int
        Number of runs.
    rng : numpy.random.Generator
        Random number generator.
    curves : CurveSet
        Runs to resample.
    block : int
        Length of the bootstrap blocks, in checks.
    width : float
        Half the width of the smoothing window, as a multiple of the position.

    Returns
    -------
    CurveSet

    Raises
    ------
    ValueError
        If a parameter is not allowed, or if no run has a finite error.

    References
    ----------
    H. R. Künsch, "The jackknife and the bootstrap for general stationary observations", Annals of
    Statistics 17, 1989, doi 10.1214/aos/1176347265.

    Examples
    --------
    >>> source = CurveSet.from_runs([{"run": "a", "val": [4.0, 2.1, 1.4, 1.1, 1.2, 0.9, np.nan]}])
    >>> more = resample(2, np.random.default_rng(0), curves=source, block=2)
    >>> more.meta["source"].tolist(), len(more[1].val), bool(np.isnan(more[1].val[-1]))
    (['a', 'a'], 7, True)
    """
    require_count("block", block)
    require_between("width", width, 0, 1)
    require_curves("resample", curves)
    usable = np.flatnonzero([np.isfinite(curve.val).any() for curve in curves])
    require("curves", curves, len(usable), "at least one run with a finite validation error")
    problems = curves.table["problem"].to_pylist() if "problem" in curves.meta else None

    @lru_cache(maxsize=256)
    def source(row: int) -> tuple[Run, _Parts, _Parts | None]:
        curve = curves[row]
        about: Run = {"source": curve.run, "epoch": curve.epoch}
        if problems:
            about["problem"] = problems[row]
        train = None if curve.train is None else _taken_apart(curve.train, width)
        return about, _taken_apart(curve.val, width), train

    runs = []
    for i, stream in enumerate(streams(n, rng)):
        about, val, train = source(int(usable[stream.integers(len(usable))]))
        starts = stream.random(len(val.values) // block + 1)
        run: Run = {"run": f"resample-{i}", "family": "resample", **about}
        run["val"] = val.again(_blocks(val.noise, starts, block))
        run["test"] = val.again(np.zeros_like(val.noise))
        if train is not None:
            run["train"] = train.again(_blocks(train.noise, starts, block))
        runs.append(with_optimum(run, about["epoch"]))
    return CurveSet.from_runs(runs)


def _taken_apart(values: FloatArray, width: float) -> _Parts:
    finite = np.isfinite(values)
    inside = values[finite]
    logs = bool(np.all(inside > 0))
    inside = np.log(inside) if logs else inside
    trend = smooth(inside, width) if len(inside) else inside
    residuals = inside - trend
    # residuals of the trend at a steep start say nothing about the noise after it
    size = local_size(residuals, before=2)
    noise = np.divide(residuals, size, out=np.zeros_like(size), where=size > 0)
    return _Parts(values, finite, logs, trend, size, noise)


def _blocks(noise: FloatArray, starts: FloatArray, block: int) -> FloatArray:
    """Noise of the same length, in blocks that begin at these shares of the possible places."""
    length = min(block, len(noise))
    if not length:
        return noise
    first = (starts * (len(noise) - length + 1)).astype(np.int64)
    return noise[first[:, None] + np.arange(length)].ravel()[: len(noise)]
