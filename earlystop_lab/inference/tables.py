"""Tables of numbers, one row per run or cluster: checked, and averaged within clusters."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earlystop_lab._common.wording import spoken

FloatArray = NDArray[np.float64]


def cluster_means(
    values: pd.DataFrame | FloatArray, clusters: pd.Index | pd.Series, *, infinite: bool = False
) -> pd.DataFrame:
    """Mean of each contrast over the runs of each cluster: one row per cluster, in order.

    Parameters
    ----------
    values : DataFrame or ndarray
        One row per run, one column per contrast.
    clusters : Index or Series
        The cluster of each run, in the same order.
    infinite : bool
        Whether infinite values are allowed.

    Returns
    -------
    DataFrame

    Raises
    ------
    ValueError
        If the lengths differ, a run has no cluster, or a value is not finite (with ``infinite``,
        if it is NaN).

    Examples
    --------

    >>> values = pd.DataFrame({"GL(5)": [0.0, 0.2, 0.3]})
    >>> means = cluster_means(values, pd.Series(["a", "a", "b"], name="problem"))
    >>> means["GL(5)"].to_dict(), means.index.name
    ({'a': 0.1, 'b': 0.3}, 'problem')
    """
    table = checked(pd.DataFrame(values), infinite=infinite)
    if len(table) != len(clusters):
        raise ValueError(f"got {len(table)} runs but {len(clusters)} clusters; expected one each")
    names = pd.Index(clusters, name="cluster" if clusters.name is None else clusters.name)
    if (missing := names.isna()).any():
        raise ValueError(f"run {table.index[int(missing.argmax())]!r} has no cluster")
    if names.is_unique:
        return table.astype(float).set_axis(names)
    return table.groupby(names, sort=False).mean()


def checked(
    values: pd.DataFrame | pd.Series, *, infinite: bool = False, missing: bool = False
) -> pd.DataFrame:
    """The values as a table; raises an error naming row and column if one is not finite.

    With ``missing``, some but not all values of a column may be NaN.
    """
    table = values.to_frame() if isinstance(values, pd.Series) else values
    if not table.size:
        raise ValueError(f"table of shape {table.shape}; expected at least one row and column")
    numbers = table.to_numpy(float)
    bad = np.isnan(numbers) if infinite else ~np.isfinite(numbers)
    if missing:
        bad &= ~np.isnan(numbers) | np.isnan(numbers).all(axis=0)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ValueError(
            f"{unit_of(table)} {table.index[row]!r}, {table.columns[column]!r}: "
            f"{numbers[row, column]}; expected a {'number' if infinite else 'finite number'}"
        )
    return table


def unit_of(table: pd.DataFrame) -> str:
    """What a row is: the name of the index."""
    return str(table.index.name) if table.index.name is not None else "cluster"


def averaged(table: pd.DataFrame) -> str:
    """What the rows are that a mean is taken over, in words."""
    unit = spoken(unit_of(table))
    return f"one value a {unit}, each {unit} counted once"
