"""Tests by flips of the clusters' signs, of one contrast and of many at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from earlystop_lab.inference.tables import FloatArray, averaged, checked, unit_of

#: up to so many clusters, every combination of signs is tried
EXACT_CLUSTERS = 16
#: numbers in one block of a matrix product, so that memory stays bounded
_BLOCK = 4_000_000


def sign_flip(
    means: pd.DataFrame | pd.Series, *, resamples: int = 9_999, seed: int = 0
) -> pd.Series:
    """Two-sided p of each contrast having mean 0, by flips of the clusters' signs.

    The share of the sign assignments whose sum is at least as far from 0 as the one seen. All of
    them are tried with up to 16 clusters; with more, ``resamples`` random ones, and the one seen
    counts as one more. Exact where each cluster's value is symmetric about 0 when there is no
    difference. Differences that are all zero have p = 1. The series' name says the unit and how
    many there are.

    >>> means = pd.DataFrame({"a": [1.0, 2.0, 3.0, 1.0], "b": 0.0}).rename_axis("problem")
    >>> sign_flip(means)
    a    0.125
    b    1.000
    Name: p, all sign flips of 4 problems, dtype: float64

    Source: R. A. Fisher, The Design of Experiments, 1935, section 21; the random kind: B. Phipson
    and G. K. Smyth, Statistical Applications in Genetics and Molecular Biology 9 (2010) 39, doi
    10.2202/1544-6115.1585.
    """
    table = checked(means)
    flips = all_flips(len(table), resamples, seed)
    values = table.to_numpy(float)
    width = max(1, _BLOCK // len(flips.signs))
    p = np.empty(values.shape[1])
    for start in range(0, len(p), width):
        part = values[:, start : start + width]
        p[start : start + width] = flips.p(
            _sizes(part, flips.signs), _sizes(part, np.ones((1, len(part))))[0]
        )
    name = f"p, {flips.how} sign flips of {len(table)} {unit_of(table)}s"
    return pd.Series(p, index=table.columns, name=name)


def max_t(
    means: pd.DataFrame | pd.Series, *, resamples: int = 9_999, seed: int = 0
) -> pd.DataFrame:
    """Tests of many contrasts at once, such as a new rule against each known one.

    A row a contrast: ``estimate``; ``p``, that of :func:`sign_flip`; ``p_max_t``, adjusted for
    all contrasts by the step-down maximum of abs(sum) / sqrt(sum of squares) over joint flips of
    the clusters, which keeps how contrasts hang together; ``p_holm``, Holm's, for comparison;
    ``smallest`` and ``smallest_holm``, the lowest that ``p_max_t`` and ``p_holm`` could have been
    with so many clusters, whatever the data: above 0.05, no difference can be shown; ``unit``,
    ``clusters``, ``averaged``, ``note``.

    >>> means = pd.DataFrame({"a": [1.0, 2.0, 3.0, 1.0], "b": [-1.0, 2.0, 3.0, -2.0]})
    >>> max_t(means.rename_axis("problem"))[["p", "p_max_t", "p_holm", "smallest"]]
           p  p_max_t  p_holm  smallest
    a  0.125    0.250   0.250     0.125
    b  0.875    0.875   0.875     0.125

    Source: P. H. Westfall and S. S. Young, Resampling-Based Multiple Testing, Wiley 1993,
    algorithm 2.8.
    """
    table = checked(means)
    flips, values = all_flips(len(table), resamples, seed), table.to_numpy(float)
    p, p_max_t = adjusted(
        flips, _sizes(values, flips.signs), _sizes(values, np.ones((1, len(values))))[0]
    )
    columns = {
        "estimate": values.mean(axis=0),
        "p": p,
        "p_max_t": p_max_t,
        "p_holm": holm(list(p)),
        "smallest": flips.smallest,
        "smallest_holm": min(1.0, len(p) * flips.smallest),
        "unit": unit_of(table),
        "clusters": len(table),
        "averaged": averaged(table),
        "note": f"{flips.how} sign flips of {len(table)} {unit_of(table)}s",
    }
    return pd.DataFrame(columns, index=table.columns)


def adjusted(flips: Flips, sizes: FloatArray, seen: FloatArray) -> tuple[FloatArray, FloatArray]:
    """p of each contrast, and adjusted for all by the step-down maximum over joint flips.

    ``sizes`` has a row a flip and a column a contrast, ``seen`` what was seen.
    """
    p = flips.p(sizes, seen)
    order = np.argsort(seen, kind="stable")
    stepped = flips.p(np.maximum.accumulate(sizes[:, order], axis=1), seen[order])
    p_max_t = np.empty(len(p))
    p_max_t[order] = np.maximum.accumulate(stepped[::-1])[::-1]
    return p, p_max_t


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p values: each at most alpha where the step-down test at alpha rejects.

    Source: S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.

    >>> [round(value, 3) for value in holm([0.03, 0.01, 0.04])]
    [0.06, 0.03, 0.06]
    """
    order = np.argsort(p, kind="stable")
    raised = np.asarray(p, float)[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(raised), 1)
    return [float(value) for value in adjusted]


class Flips(NamedTuple):
    """Sign assignments of the clusters, one a row."""

    signs: FloatArray
    #: of random ones, the assignment seen counts as one more
    random: bool

    @property
    def how(self) -> str:
        return f"{len(self.signs)} random" if self.random else "all"

    @property
    def smallest(self) -> float:
        return 1 / (len(self.signs) + self.random)

    def p(self, sizes: FloatArray, seen: FloatArray) -> FloatArray:
        """Share of the flips as large as what was seen; equal but for rounding counts."""
        # relative for large sums, absolute for those that are 0 but for rounding
        reached = (sizes >= seen * (1 - 1e-9) - 1e-12).sum(axis=0)
        return (reached + self.random) / (len(self.signs) + self.random)


def all_flips(n: int, resamples: int = 9_999, seed: int = 0) -> Flips:
    """Every sign assignment of up to 16 clusters, ``resamples`` random ones of more."""
    if n > EXACT_CLUSTERS:
        rng = np.random.default_rng(seed)
        return Flips(rng.choice([-1.0, 1.0], size=(resamples, n)), random=True)
    # the last sign stays: with all signs reversed a sum is as far from 0
    negative = np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1
    return Flips(np.where(negative, -1.0, 1.0), random=False)


def _sizes(values: FloatArray, signs: FloatArray) -> FloatArray:
    """abs(sum) / sqrt(sum of squares) under signs, which ranks flips as the t statistic does."""
    scale = np.abs(values).max(axis=0)
    scaled = np.divide(values, scale, out=np.zeros_like(values), where=scale > 0)
    norm = np.sqrt((scaled**2).sum(axis=0))
    return np.abs(signs @ np.divide(scaled, norm, out=scaled, where=norm > 0))
