"""Sign-flip tests over clusters, for one contrast and for many simultaneously."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from earlystop_lab.inference.tables import FloatArray

#: up to this many clusters, all combinations of signs are tried
EXACT_CLUSTERS = 16


def adjusted(flips: Flips, sizes: FloatArray, seen: FloatArray) -> tuple[FloatArray, FloatArray]:
    """p value of each contrast, and adjusted for all by the step-down maximum over joint flips.

    ``sizes`` has one row per flip and one column per contrast; ``seen`` are the observed sizes.
    """
    p = flips.p(sizes, seen)
    order = np.argsort(seen, kind="stable")
    stepped = flips.p(np.maximum.accumulate(sizes[:, order], axis=1), seen[order])
    p_max_t = np.empty(len(p))
    p_max_t[order] = np.maximum.accumulate(stepped[::-1])[::-1]
    return p, p_max_t


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p values: one is at most alpha if the step-down test at alpha rejects.

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
    """Sign assignments of the clusters, one per row."""

    signs: FloatArray
    #: if they are random, the observed assignment counts as one more
    random: bool

    @property
    def how(self) -> str:
        return f"{len(self.signs)} random" if self.random else "all"

    @property
    def smallest(self) -> float:
        return 1 / (len(self.signs) + self.random)

    def p(self, sizes: FloatArray, seen: FloatArray) -> FloatArray:
        """Share of flips at least as large as the observed value; equal up to rounding counts."""
        # relative for large sums, absolute for those that are 0 up to rounding
        reached = (sizes >= seen * (1 - 1e-9) - 1e-12).sum(axis=0)
        return (reached + self.random) / (len(self.signs) + self.random)


def all_flips(n: int, resamples: int = 9_999, seed: int = 0) -> Flips:
    """All sign assignments of up to 16 clusters, or ``resamples`` random ones of more clusters."""
    if n > EXACT_CLUSTERS:
        rng = np.random.default_rng(seed)
        return Flips(rng.choice([-1.0, 1.0], size=(resamples, n)), random=True)
    # the last sign is fixed: reversing all signs gives a sum of the same size
    negative = np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1
    return Flips(np.where(negative, -1.0, 1.0), random=False)
