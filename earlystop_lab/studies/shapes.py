"""Shapes of validation curves: their local minima, and what waiting for the lowest brings.

Early stopping would be easy if a validation curve had one minimum. Recorded ones have many, and the
questions are how much lower the lowest is than the first, and how much later it comes.
"""

import numpy as np
import pandas as pd

from earlystop_lab.curves import CurveSet, facts_of, local_minima, require_curves


def minima(curves: CurveSet, *, every: int = 1) -> pd.DataFrame:
    """Local minima of each run's validation error: one row per run.

    A local minimum is a check whose error is lower than that of the check before and not above
    that of the check after; ends of the record are none. Errors that are not finite are left out.

    Parameters
    ----------
    curves : CurveSet
    every : int
        Look at every check, or at every so many of them only, at least 1.

    Returns
    -------
    DataFrame
        Columns: ``run``; ``minima``, the number of local minima; ``first`` and ``lowest``, the
        error at the first of them and the lowest of the whole record; ``first_at`` and
        ``lowest_at``, their positions, in the unit of the run; NaN for a run without local minima.

    Raises
    ------
    TypeError
        If it is no curve set.
    ValueError
        If ``every`` is below 1.

    Examples
    --------

    >>> from earlystop_lab import CurveSet
    >>> minima(CurveSet.from_runs([{"run": "a", "val": [9.0, 5.0, 6.0, 4.0, 4.5, 4.2]}]))
      run  minima  first  lowest  first_at  lowest_at
    0   a       2    5.0     4.0       2.0        4.0
    """
    require_curves("minima", curves)
    if every < 1:
        raise ValueError(f"minima: every = {every}; expected at least 1")
    values, offsets, _ = curves.error("val")
    positions = facts_of(curves).positions("val")
    rows = []
    for i, run in enumerate(curves.runs):
        checks = slice(offsets[i] + every - 1, offsets[i + 1], every)
        finite = np.isfinite(values[checks])
        val, at = values[checks][finite], positions[checks][finite]
        found = local_minima(val)
        row = {"run": run, "minima": len(found)}
        if len(found):
            first, lowest = found[0], int(val.argmin())
            row |= {"first": val[first], "lowest": val[lowest]}
            row |= {"first_at": at[first], "lowest_at": at[lowest]}
        rows.append(row)
    columns = ["run", "minima", "first", "lowest", "first_at", "lowest_at"]
    return pd.DataFrame(rows, columns=columns)
