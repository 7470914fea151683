"""What real and simulated curves are compared by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from earlystop_lab.curves import Curve, CurveSet, FloatArray, local_minima
from earlystop_lab.sources.synthetic.smoothing import smooth

_COLUMNS = ("checks", "minima", "optimum", "position", "depth", "noise")


def curve_features(curves: CurveSet) -> pd.DataFrame:
    """The shape of each run's validation curve, a row a run, in the set's order.

    | column | meaning |
    |---|---|
    | run, problem | the run, and its cluster where the set has them |
    | checks | checks with a finite error; only those count below |
    | minima | local minima: lower than the check before, not above the one after |
    | optimum | epoch of the lowest error, the earliest of ties |
    | position | ``optimum`` / last epoch recorded, in (0, 1] where epochs count from 1 |
    | depth | overfitting: last error / lowest error - 1, at least 0 |
    | noise | relative: 1.4826 times the median absolute residual of ln(error) around its trend |

    ``noise`` is a standard deviation where residuals are normal; 0.01 is 1%. ``depth`` and
    ``noise`` are NaN where an error is 0 or below. A run that ended in an error that is not
    finite has infinite ``depth``; a run with no finite error has NaN for all but ``checks`` and
    ``minima``.

    >>> curves = CurveSet.from_runs([{"run": "a", "val": [4.0, 2.0, 3.0, 1.0, 1.5]}])
    >>> curve_features(curves)[["checks", "minima", "optimum", "position", "depth"]].values.tolist()
    [[5.0, 2.0, 4.0, 0.8, 0.5]]

    Source: the number of local minima and their depth are what L. Prechelt, "Early Stopping -
    but when?", 1998, doi 10.1007/3-540-49430-8_3, describes real curves by.
    """
    rows = [{"run": curve.run, **_shape(curve)} for curve in curves]
    table = pd.DataFrame(rows, columns=["run", *_COLUMNS])
    if "problem" in curves.table.column_names:
        table.insert(1, "problem", curves.meta["problem"].to_numpy())
    return table


def _shape(curve: Curve) -> dict[str, Any]:
    finite = np.isfinite(curve.val)
    val, epoch = curve.val[finite], curve.epoch[finite]
    shape = {"checks": len(val), "minima": len(local_minima(val))}
    if not len(val):
        return {**dict.fromkeys(_COLUMNS, np.nan), **shape}
    best = int(val.argmin())
    positive = bool(val[best] > 0)
    final = val[-1] if finite[-1] else np.inf
    return {
        **shape,
        "optimum": epoch[best],
        "position": epoch[best] / curve.epoch[-1],
        "depth": final / val[best] - 1 if positive else np.nan,
        "noise": _noise(np.log(val)) if positive else np.nan,
    }


def _noise(logs: FloatArray) -> float:
    return float(1.4826 * np.median(np.abs(logs - smooth(logs))))
