"""Interpolation between times, for comparing rules or thresholds at equal time."""

import numpy as np
from numpy.typing import ArrayLike

from earlystop_lab.inference.tables import FloatArray


def interpolated(
    times: FloatArray, values: FloatArray, at: ArrayLike, *, extended: bool = False
) -> FloatArray:
    """Interpolate ``values`` linearly at the times ``at``, row by row.

    Parameters
    ----------
    times : ndarray, shape (rows, thresholds)
        The times of each row, in any order. Among equal times, the last one counts.
    values : ndarray, shape (rows, thresholds) or (any, rows, thresholds)
        The values at these times.
    at : array_like
        Times of the columns of the result.
    extended : bool
        Outside a row's times, use the nearest value instead of NaN.

    Returns
    -------
    ndarray
        One column per time. The arithmetic is that of ``np.interp``, which handles only one row.

    Examples
    --------

    >>> times, values = np.array([[0.0, 2.0, 4.0]]), np.array([[1.0, 5.0, 6.0]])
    >>> interpolated(times, values, [0, 1, 4, 5])
    array([[ 1.,  3.,  6., nan]])
    """
    order = np.argsort(times, axis=1, kind="stable")
    times = np.take_along_axis(times, order, 1)
    rows, last = np.arange(len(times))[:, None], times.shape[1] - 1
    moments = np.asarray(at, np.float64)
    if last < 0:
        return np.full((*values.shape[:-1], len(moments)), np.nan)
    # arrays of shape (rows, moments), or (any, rows, moments)
    before = ((times[:, :, None] <= moments).sum(axis=1) - 1).clip(min=0)
    after = np.minimum(before + 1, last)
    x0, x1 = times[rows, before], times[rows, after]
    y0, y1 = (values[..., rows, order[rows, each]] for each in (before, after))
    with np.errstate(invalid="ignore", divide="ignore"):
        slope = (y1 - y0) / (x1 - x0)
        between = slope * (moments - x0) + y0
        # one side is infinite
        between = np.where(np.isnan(between), slope * (moments - x1) + y1, between)
    found = np.where((moments <= x0) | (before == last) | (y0 == y1), y0, between)
    if not extended:
        outside = (moments < times[:, :1]) | (moments > times[:, -1:])
        found = np.where(outside, np.nan, found)
    # sums of it are rounded as they are of an array that is laid out like this
    return np.ascontiguousarray(found)
