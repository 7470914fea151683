"""The trend of a curve, and the residuals around it."""

import numpy as np

from earlystop_lab.curves import FloatArray


def smooth(values: FloatArray, width: float = 0.1) -> FloatArray:
    """The trend of finite ``values``: a local straight line over the logarithm of the position.

    The window of check i reaches ``width`` i to either side, at least 2 checks, because curves
    change quickly at first and slowly later. A power law in logarithms is a straight line and is
    reproduced exactly. A second pass with residuals clipped at 3 times their local mean size keeps
    spikes out of the trend.

    >>> curve = np.log(5 * np.arange(1.0, 101) ** -0.7)
    >>> bool(np.abs(smooth(curve) - curve).max() < 1e-12)
    True
    """
    lines = _LocalLines(len(values), width, 2, 2)
    trend = lines.through(values)
    off = values - trend
    cut = 3 * lines.mean(np.abs(off))
    return lines.through(trend + np.clip(off, -cut, cut))


def local_size(residuals: FloatArray, width: float = 0.25, before: int = 10) -> FloatArray:
    """Root mean square of ``residuals`` around each position.

    The window of check i reaches ``width`` i to either side, but at least ``before`` checks back
    and 20 - ``before`` ahead, within the run.

    >>> local_size(np.array([1.0, -1.0, 1.0]))
    array([1., 1., 1.])
    """
    lines = _LocalLines(len(residuals), width, before, 20 - before)
    return np.sqrt(np.maximum(lines.mean(residuals**2), 0.0))


class _LocalLines:
    """Windows around every position of a curve, and sums over them in one pass."""

    def __init__(self, length: int, width: float, before: int, after: int) -> None:
        i = np.arange(length)
        reach = (width * (i + 1)).astype(np.int64)
        self.low = np.maximum(i - np.maximum(before, reach), 0)
        self.high = np.minimum(i + np.maximum(after, reach) + 1, length)
        self.x = np.log(i + 1.0)

    def mean(self, values: FloatArray) -> FloatArray:
        total = np.concatenate([[0.0], np.cumsum(values)])
        return (total[self.high] - total[self.low]) / (self.high - self.low)

    def through(self, values: FloatArray) -> FloatArray:
        x, level = self.x - self.x.mean(), values.mean()
        y = values - level
        mean_x, mean_y = self.mean(x), self.mean(y)
        spread = self.mean(x * x) - mean_x**2
        slope = (self.mean(x * y) - mean_x * mean_y) / np.where(spread > 0, spread, 1.0)
        return level + mean_y + slope * (x - mean_x)
