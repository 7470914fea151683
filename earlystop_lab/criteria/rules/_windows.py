"""Statistics over a window of the last errors."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from earlystop_lab.curves import FloatArray


def rolling(
    statistic: Callable[..., FloatArray], val: FloatArray, window: int, **options: Any
) -> FloatArray:
    """A statistic of the last ``window`` errors at every check; NaN where there are fewer.

    A window with an infinite error gives NaN without a warning.
    """
    result = np.full(len(val), np.nan)
    if len(val) >= window:
        with np.errstate(over="ignore", invalid="ignore"):
            result[window - 1 :] = statistic(sliding_window_view(val, window), axis=1, **options)
    return result
