"""Tables of numbers, a row a run or a cluster: checked, and averaged within clusters."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def cluster_means(
    values: pd.DataFrame | FloatArray, clusters: pd.Index | pd.Series, *, infinite: bool = False
) -> pd.DataFrame:
    """Mean of each contrast over the runs of each cluster: a row a cluster, as they first occur.

    ``values`` has a row a run and a column a contrast, ``clusters`` names each run's cluster in
    the same order. Raises ``ValueError`` for another length, a run without a cluster or a value
    that is not finite (with ``infinite``, one that is NaN).

    >>> values = pd.DataFrame({"GL(5)": [0.0, 0.2, 0.3]})
    >>> means = cluster_means(values, pd.Series(["a", "a", "b"], name="problem"))
    >>> means["GL(5)"].to_dict(), means.index.name
    ({'a': 0.1, 'b': 0.3}, 'problem')
    """
    table = checked(pd.DataFrame(values), infinite=infinite)
    if len(table) != len(clusters):
        raise ValueError(f"{len(table)} runs but clusters of {len(clusters)}; expected as many")
    names = pd.Index(clusters, name="cluster" if clusters.name is None else clusters.name)
    if (missing := names.isna()).any():
        raise ValueError(f"run {table.index[int(missing.argmax())]!r} has no cluster")
    if names.is_unique:
        return table.astype(float).set_axis(names)
    return table.groupby(names, sort=False).mean()


def checked(values: pd.DataFrame | pd.Series, *, infinite: bool = False) -> pd.DataFrame:
    """A table of numbers; where one is not finite, an error that names its row and column."""
    table = values.to_frame() if isinstance(values, pd.Series) else values
    if not table.size:
        raise ValueError(f"a table of shape {table.shape}; expected at least one row and column")
    numbers = table.to_numpy(float)
    bad = np.isnan(numbers) if infinite else ~np.isfinite(numbers)
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
    """What a mean over the rows is one of, in words."""
    return f"one value a {unit_of(table)}, each {unit_of(table)} counted once"
