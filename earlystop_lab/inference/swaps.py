"""Comparison of two sweeps by cluster, with every choice repeated in every permutation.

A sweep is a rule over its thresholds: the cost of a threshold (mean log time) and its loss (mean
log(1 + regret)), with one row per cluster and one column per threshold. To compare two rules at
equal time, or each at the threshold that is best on the other clusters, thresholds are chosen by
looking at the means over clusters. A test that treats the resulting differences as independent is
wrong: it rejects true null hypotheses. If both rules are equally good, swapping them within a
cluster changes nothing. Therefore the rules are swapped within clusters, all choices are repeated,
and the p value is the share of swaps that give at least as large a difference.

Swaps are meaningful only if the thresholds correspond: :func:`aligned` takes those of both rules
that need the same mean log time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from earlystop_lab._common.compiling import Function, compiled
from earlystop_lab._common.progress import followed
from earlystop_lab.inference.bootstrap import intervals
from earlystop_lab.inference.interpolation import interpolated
from earlystop_lab.inference.signs import adjusted, all_flips, holm
from earlystop_lab.inference.tables import FloatArray, unit_of

#: thresholds further apart than this in mean log time do not reach the times in between
GAP = 0.2
#: mean log times closer than this are equal
_NEAR = 1e-9
#: numbers in one block of differences, which then stays in the processor's cache
_BLOCK = 100_000
#: the results for each difference
_COLUMNS = ("difference", "better", "tied", "worse", "p", "p_max_t", "p_holm")


class Sweep(NamedTuple):
    """A rule over its thresholds: two tables, one row per cluster, one column per threshold."""

    #: mean log time
    time: pd.DataFrame
    #: mean log(1 + regret)
    loss: pd.DataFrame


class Pair(NamedTuple):
    """Two rules at corresponding thresholds: arrays of shape (clusters, thresholds)."""

    time: tuple[FloatArray, FloatArray]
    loss: tuple[FloatArray, FloatArray]
    #: the mean log times at which they correspond
    at: FloatArray
    #: which of them is the time of the known rule by default; None if it is out of reach
    default: int | None = None

    def cost(self, rate: float) -> tuple[FloatArray, FloatArray]:
        """loss + rate * time of both."""
        one, other = (a + rate * b for a, b in zip(self.loss, self.time, strict=True))
        return one, other

    def contents(self) -> tuple[bytes, ...]:
        """The same for pairs of equal numbers."""
        arrays = (*self.time, *self.loss, self.at)
        return (*(each.tobytes() for each in arrays), str(self.default).encode())

    def mean(self) -> Pair:
        """All clusters averaged into one."""
        time, loss = (
            (one.mean(axis=0, keepdims=True), other.mean(axis=0, keepdims=True))
            for one, other in (self.time, self.loss)
        )
        return self._replace(time=time, loss=loss)


def aligned(
    new: Sweep,
    known: Sweep,
    times: ArrayLike,
    *,
    default: float | None = None,
    without: Sequence[float] = (),
) -> Pair | None:
    """Both rules at the same mean log times: those of ``times`` that both reach.

    Between two thresholds, a rule takes a time as a mixture of both, which is worse than the rule
    itself if they are far apart. A time is therefore reached only if the next thresholds on either
    side are within :data:`GAP` of each other.

    Parameters
    ----------
    new, known : Sweep
    times : array_like
        Mean log times.
    default : float, optional
        One more time: the mean log time of the known rule at its usual threshold.
    without : sequence of float
        Times to exclude because they say nothing about a rule, such as the end of the run, by
        which any rule has stopped.

    Returns
    -------
    Pair or None
        None if there is no time that both reach.

    Examples
    --------

    >>> time = pd.DataFrame([[-0.1, 0.0], [-0.2, 0.0]])
    >>> loss = pd.DataFrame([[0.2, 0.0], [0.4, 0.0]])
    >>> pair = aligned(Sweep(time, loss), Sweep(time / 2, loss), [-0.2, -0.075, 0])
    >>> pair.at.tolist(), pair.loss[0].round(3).tolist(), pair.loss[1].round(3).tolist()
    ([-0.075, 0.0], [[0.1, 0.0], [0.2, 0.0]], [[0.2, 0.0], [0.4, 0.0]])
    """
    used = np.array([] if default is None else [default])
    at = np.union1d(np.asarray(times, np.float64), used)
    for sweep in (new, known):
        at, used = at[_reached(sweep, at)], used[_reached(sweep, used)]
    at, used = (each[~_met(np.asarray(without, np.float64), each)] for each in (at, used))
    if not len(at):
        return None
    new_time, new_loss, known_time, known_loss = (
        interpolated(
            sweep.time.mean().to_numpy()[None], table.to_numpy()[:, None], at, extended=True
        )[:, 0]
        for sweep in (new, known)
        for table in sweep
    )
    default_at = int(np.searchsorted(at, used[0])) if len(used) else None
    return Pair((new_time, known_time), (new_loss, known_loss), at, default_at)


def _reached(sweep: Sweep, at: FloatArray) -> NDArray[np.bool_]:
    means = np.unique(sweep.time.mean())
    means = means[np.isfinite(means)]
    after = np.searchsorted(means, at + _NEAR).clip(1, len(means) - 1) if len(means) > 1 else 0
    before = np.maximum(after - 1, 0)
    close = (means[after] - means[before] <= GAP) & (means[before] <= at) & (at <= means[after])
    return close | _met(means, at)


def _met(times: FloatArray, at: FloatArray) -> NDArray[np.bool_]:
    """Which of ``at`` are among the times, up to rounding."""
    return np.abs(times[:, None] - at).min(axis=0, initial=np.inf) <= _NEAR


class _Contrast(NamedTuple):
    """One difference of two rules, in every cluster."""

    #: the observed difference
    by_cluster: FloatArray
    #: the studentized distance of its mean from 0 in every swap, the observed one first
    sizes: FloatArray

    @classmethod
    def of(cls, differences: FloatArray) -> _Contrast:
        """Make it from the differences in every swap (rows, the observed one first) and cluster."""
        # a difference within rounding is a tie
        near = 1e-12 * max(1.0, float(np.abs(differences).max()))
        differences = np.where(np.abs(differences) <= near, 0.0, differences)
        mean, n = np.abs(differences.mean(axis=1)), differences.shape[1]
        error = differences.std(axis=1, ddof=min(1, n - 1)) / np.sqrt(n)
        # differences between clusters within rounding count as none
        least = 1e-9 * np.abs(differences).max() or 1.0
        return cls(differences[0], mean / np.maximum(error, least))

    def summary(self) -> tuple[float, int, int, int]:
        """The mean over clusters, and the numbers of clusters below 0, at 0, and above."""
        better, tied, worse = (int((np.sign(self.by_cluster) == sign).sum()) for sign in (-1, 0, 1))
        return float(self.by_cluster.mean()), better, tied, worse


def _rarity(sizes: FloatArray) -> FloatArray:
    """1 over the share of the sizes that are at least as large.

    Different kinds of differences have different tails. On this scale, all have the same weight in
    a joint maximum, which then is the step-down minimum p (Westfall and Young, algorithm 2.8).
    """
    ascending = np.sort(sizes)
    smaller = np.searchsorted(ascending, sizes * (1 - 1e-9), "left")
    return len(sizes) / (len(sizes) - smaller)


def compared(
    pairs: Mapping[str, Pair], units: pd.Index, *, rate: float, seed: int = 0
) -> pd.DataFrame:
    """A new rule against each known one, at equal time and at held-out thresholds.

    Differences are the new rule minus the known one (below 0, the new one is better), as means
    over clusters of logarithms. Differences that are 0 throughout have p = 1.

    Parameters
    ----------
    pairs : dict of str to Pair
        The new rule and each known one, by the name of the known one.
    units : Index
        The clusters.
    rate : float
        Exchange rate between log time and loss.
    seed : int
        Seed of random swaps and of the bootstrap.

    Returns
    -------
    DataFrame
        One row per known rule, with three differences: ``difference``, that of log(1 + regret)
        averaged over the aligned times from ``earliest`` to ``latest`` (geometric means), with its
        interval ``low`` and ``high``; ``default_difference``, the same at the single time that
        the known rule takes by default (NaN if the new one cannot); ``chosen_difference``, that of
        loss + ``rate`` * log time, with each rule's threshold chosen on the other clusters. Each
        has ``better``, ``tied`` and ``worse``, the numbers of clusters; ``p`` of the studentized
        mean, by swaps with all choices repeated; ``p_max_t``, adjusted for every difference of
        every known rule by the step-down maximum over joint swaps, each on the scale of its own
        swaps; and ``p_holm``, adjusted by Holm's method. ``smallest`` and ``smallest_holm`` are
        the lowest values that this number of clusters can give, which ``p_max_t`` does not reach
        if several differences are equally extreme. Also ``unit`` and ``clusters``.
    """
    flips = all_flips(len(units), seed=seed)
    signs = np.vstack([np.ones(len(units)), flips.signs])
    tested: dict[tuple[bytes, ...], dict[str, tuple[_Contrast, FloatArray]]] = {}
    contrasts: dict[tuple[str, str], tuple[_Contrast, FloatArray]] = {}
    for name, pair in followed(pairs.items(), "permutation tests", len(pairs), "rules"):
        # rules that stop alike are tested once
        if (contents := pair.contents()) not in tested:
            average, by_default = _at_equal_time(pair, signs)
            chosen = _chosen_elsewhere(*pair.cost(rate), signs)
            differences = {"": average, "default_": by_default, "chosen_": chosen}
            found = {p: _Contrast.of(each) for p, each in differences.items() if each is not None}
            tested[contents] = {p: (each, _rarity(each.sizes)) for p, each in found.items()}
        contrasts |= {(name, prefix): each for prefix, each in tested[contents].items()}
    sizes = np.column_stack([rarity for _, rarity in contrasts.values()])
    p, p_max_t = adjusted(flips, sizes[1:], sizes[0])
    by_cluster = pd.DataFrame({name: contrasts[name, ""][0].by_cluster for name in pairs}, units)
    within = intervals(by_cluster, seed=seed)
    rows: dict[str, dict[str, object]] = {
        name: {
            "rule": name,
            "earliest": float(np.exp(pair.at[0])),
            "latest": float(np.exp(pair.at[-1])),
            "low": within.at[name, "low"],
            "high": within.at[name, "high"],
        }
        for name, pair in pairs.items()
    }
    every = zip(contrasts.items(), p, p_max_t, holm(list(p)), strict=True)
    for ((name, prefix), (contrast, _)), *tests in every:
        named = zip(_COLUMNS, [*contrast.summary(), *tests], strict=True)
        rows[name] |= {f"{prefix}{column}": value for column, value in named}
    columns = [f"{prefix}{column}" for prefix in ("", "default_", "chosen_") for column in _COLUMNS]
    table = pd.DataFrame(
        list(rows.values()), columns=["rule", "earliest", "latest", "low", "high", *columns]
    )
    return table.assign(
        smallest=flips.smallest,
        smallest_holm=min(1.0, len(contrasts) * flips.smallest),
        unit=unit_of(by_cluster),
        clusters=len(units),
    )


def pooled(
    studies: Sequence[tuple[Mapping[str, Pair], pd.Index]], *, seed: int = 0
) -> pd.DataFrame:
    """A new rule against each known one over the clusters of several studies, at equal time.

    Clusters with the same name are one cluster, because the same problem recorded twice is not a
    second problem: its differences are averaged, and it is swapped in all studies together.

    Parameters
    ----------
    studies : sequence of (dict of str to Pair, Index)
        The pairs and the clusters of each study, such as a corpus.
    seed : int
        Seed of random swaps and of the bootstrap.

    Returns
    -------
    DataFrame
        One row per known rule: ``difference``, the mean over clusters of that of log(1 + regret)
        averaged over the aligned times, with its interval ``low`` and ``high``; ``better``,
        ``tied``, ``worse``; ``p`` of the studentized mean by swaps; ``p_max_t``, adjusted for all
        known rules by the step-down maximum over joint swaps; ``unit``, the name of the studies'
        first index; ``clusters``.

    Examples
    --------

    >>> time = pd.DataFrame([[-0.4, -0.2]] * 4)
    >>> new, known = Sweep(time, -time), Sweep(time, 1 - time)
    >>> pairs = {"known": aligned(new, known, [-0.3])}
    >>> table = pooled([(pairs, pd.Index(list("abcd"))), (pairs, pd.Index(list("cdef")))])
    >>> table[["difference", "better", "p", "clusters"]].round(9).to_numpy().tolist()
    [[-1.0, 6.0, 0.03125, 6.0]]
    """
    names = dict.fromkeys(name for _, units in studies for name in units)
    clusters = pd.Index(list(names), name=studies[0][1].name)
    flips = all_flips(len(clusters), seed=seed)
    signs = np.vstack([np.ones(len(clusters)), flips.signs])
    contrasts: dict[str, _Contrast] = {}
    within = []
    for name in dict.fromkeys(name for pairs, _ in studies for name in pairs):
        total, times = np.zeros_like(signs), np.zeros(len(clusters))
        for pairs, units in studies:
            if name in pairs:
                at = clusters.get_indexer(units)
                total[:, at] += _at_equal_time(pairs[name], signs[:, at])[0]
                times[at] += 1
        contrasts[name] = _Contrast.of(total[:, times > 0] / times[times > 0])
        by_cluster = pd.Series(contrasts[name].by_cluster, clusters[times > 0])
        within.append(intervals(by_cluster, seed=seed))
    sizes = np.column_stack([each.sizes for each in contrasts.values()])
    p, p_max_t = adjusted(flips, sizes[1:], sizes[0])
    known = pd.concat(within, ignore_index=True)
    summaries = [contrast.summary() for contrast in contrasts.values()]
    return pd.concat(
        [
            pd.Series(list(contrasts), name="rule"),
            known[["low", "high"]],
            pd.DataFrame(summaries, columns=_COLUMNS[:4]).assign(p=p, p_max_t=p_max_t),
            known[["unit", "clusters"]],
        ],
        axis=1,
    )


def _at_equal_time(pair: Pair, signs: FloatArray) -> tuple[FloatArray, FloatArray | None]:
    """Differences of loss at the aligned times. +1 keeps, -1 swaps.

    The result is their mean over the times, (swaps, clusters), and those at the default time, if
    there is one. A swap mixes the times of both rules, so the thresholds with equal times are found
    again.
    """
    average, by_default = np.empty(signs.shape), None
    if pair.default is not None:
        by_default = np.empty(signs.shape)
    # contiguous along the clusters, over which the innermost loops run
    times = [np.ascontiguousarray(each) for each in pair.time]
    tables = [*times, *(np.ascontiguousarray(each.T) for each in pair.loss)]
    kernel = _compiled(_swapped)
    size = max(1, _BLOCK // max(1, tables[0].size))
    for start in range(0, len(signs), size):
        rows = slice(start, start + size)
        difference = np.empty((len(signs[rows]), signs.shape[1], len(pair.at)))
        kernel(signs[rows], *tables, pair.at, difference)
        difference.mean(axis=2, out=average[rows])
        if by_default is not None:
            by_default[rows] = difference[:, :, pair.default]
    return average, by_default


def _swapped(signs, new_time, known_time, new_loss, known_loss, at, difference):  # type: ignore[no-untyped-def]
    """Fill in the differences of loss, (swaps, clusters, times); other tables are transposed.

    The arithmetic is that of :func:`inference.interpolation.interpolated`, extended.
    """
    clusters, thresholds = new_time.shape
    last = thresholds - 1
    total, time, order = np.empty(thresholds), np.empty(thresholds), np.empty(thresholds, np.int64)
    kept, found = np.empty(clusters, np.bool_), np.empty((at.size, clusters))
    for swap in range(signs.shape[0]):
        for side in range(2):
            for c in range(clusters):
                kept[c] = (signs[swap, c] > 0) == (side == 0)
            total[:] = 0.0
            for c in range(clusters):
                own = new_time[c] if kept[c] else known_time[c]
                for t in range(thresholds):
                    total[t] += own[t]
            for t in range(thresholds):
                moment = total[t] / clusters
                # sorted by insertion, as they are nearly in order: stable, NaN last
                i = t
                while i > 0 and (time[i - 1] > moment or np.isnan(time[i - 1]) > np.isnan(moment)):
                    time[i], order[i] = time[i - 1], order[i - 1]
                    i -= 1
                time[i], order[i] = moment, t
            before = 0
            for q in range(at.size):
                moment = at[q]
                while before < last and time[before + 1] <= moment:
                    before += 1
                one, other = order[before], order[min(before + 1, last)]
                x0, x1 = time[before], time[min(before + 1, last)]
                if moment <= x0 or before == last:
                    for c in range(clusters):
                        y = new_loss[one, c] if kept[c] else known_loss[one, c]
                        found[q, c] = y if side == 0 else found[q, c] - y
                    continue
                gap, past, ahead = x1 - x0, moment - x0, moment - x1
                for c in range(clusters):
                    y0 = new_loss[one, c] if kept[c] else known_loss[one, c]
                    y1 = new_loss[other, c] if kept[c] else known_loss[other, c]
                    slope = (y1 - y0) / gap
                    y = slope * past + y0
                    # one side is infinite
                    y = slope * ahead + y1 if y != y else y
                    y = y0 if y0 == y1 else y
                    found[q, c] = y if side == 0 else found[q, c] - y
        for c in range(clusters):
            for q in range(at.size):
                difference[swap, c, q] = found[q, c]


def _chosen_elsewhere(new: FloatArray, known: FloatArray, signs: FloatArray) -> FloatArray:
    """Differences of cost with thresholds chosen on the other clusters: (swaps, clusters)."""
    difference, kept = np.empty(signs.shape), signs > 0
    kernel = _compiled(_chosen)
    size = max(1, _BLOCK // new.size)
    for start in range(0, len(signs), size):
        rows = slice(start, start + size)
        both = (each[rows] @ new + ~each[rows] @ known for each in (kept, ~kept))
        kernel(kept[rows], *both, new, known, difference[rows])
    return difference


def _chosen(kept, total, other_total, new, known, difference):  # type: ignore[no-untyped-def]
    """Fill in these differences, given the costs of both mixtures over all clusters."""
    for swap in range(kept.shape[0]):
        for i in range(kept.shape[1]):
            for side in range(2):
                mine = new[i] if kept[swap, i] == (side == 0) else known[i]
                every = total[swap] if side == 0 else other_total[swap]
                at, least = 0, every[0] - mine[0]
                for t in range(1, mine.size):
                    elsewhere = every[t] - mine[t]
                    # like argmin: the first of equal ones, and the first NaN before all others
                    if elsewhere < least or np.isnan(elsewhere) > np.isnan(least):
                        at, least = t, elsewhere
                if side == 0:
                    difference[swap, i] = mine[at]
                else:
                    difference[swap, i] -= mine[at]


@cache
def _compiled(kernel: Function) -> Function:
    return compiled(kernel)
