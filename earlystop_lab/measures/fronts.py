"""The front of time and regret: what every rule achieves over the whole range of its thresholds.

A point is one criterion. Its x is the mean of log(t_s / T), the time relative to training the same
run to its end; its y is the mean of log(1 + r), with r the regret relative to the run's own lowest
error (:mod:`measures.hindsight`). Runs are averaged within their problem, and problems have equal
weight; without a column ``problem``, every run is its own problem. Tables and figures show
geometric means: exp(x) and exp(y) - 1.

A point chosen among many on the same data looks better than it is: :func:`without_each` chooses
it on the other problems.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from earlystop_lab.criteria import Criterion
from earlystop_lab.curves import CurveSet, FloatArray, facts_of
from earlystop_lab.engine.replaying import Restore, replay
from earlystop_lab.inference import cluster_means, interpolated, intervals
from earlystop_lab.measures.hindsight import regrets


class SweepMeans(NamedTuple):
    """Mean log time and mean log(1 + regret) of every problem (rows) and criterion (columns)."""

    #: the sweep of each column
    rules: list[str]
    time: pd.DataFrame
    loss: pd.DataFrame
    #: mean log of the last position, one value per problem; NaN if positions have several units
    record: pd.Series
    #: sweeps whose regret cannot rise from a faster to a slower threshold in any run
    falling: frozenset[str] = frozenset()

    @property
    def criteria(self) -> list[str]:
        """The texts of the criteria, in the order of the columns."""
        return list(self.time.columns)

    def first(self, n: int) -> SweepMeans:
        """The first ``n`` columns."""
        return self._columns(list(range(n)))

    def of(self, rule: str) -> SweepMeans:
        """The columns of one rule."""
        mine = self.by_rule().get(rule)
        if mine is None:
            names = ", ".join(dict.fromkeys(self.rules))
            raise ValueError(f"no rule {rule!r} among the points; expected one of {names}")
        return mine

    def by_rule(self) -> dict[str, SweepMeans]:
        """The columns of each rule."""
        mine: dict[str, list[int]] = {}
        for j, rule in enumerate(self.rules):
            mine.setdefault(rule, []).append(j)
        return {rule: self._columns(at) for rule, at in mine.items()}

    def _columns(self, at: list[int]) -> SweepMeans:
        # four times as fast as .iloc
        rules, texts = [self.rules[j] for j in at], self.time.columns.take(at)
        time, loss = (
            pd.DataFrame(table.to_numpy()[:, at], table.index, texts)
            for table in (self.time, self.loss)
        )
        return self._replace(rules=rules, time=time, loss=loss)


def replay_sweeps(
    curves: CurveSet,
    sweeps: Mapping[str, Sequence[Criterion]],
    *,
    error: Literal["val", "test"] = "val",
    restore: Restore = "best",
) -> SweepMeans:
    """Replay sweeps (see :func:`engine.thresholds.sweeps`) and average over each problem's runs.

    Parameters
    ----------
    curves : CurveSet
    sweeps : dict of str to list of Criterion
        The sweep of each rule.
    error : {"val", "test"}
        The error whose regret is computed.
    restore : {"best", "lowest", "last", "own"} or ModelCheckpoint
        Which weights are kept, as in :func:`replay`.

    Returns
    -------
    SweepMeans

    Raises
    ------
    ValueError
        If the regret of some run is unknown: all its errors are NaN, or ``error="test"`` and none
        was recorded. Exclude such runs.

    Examples
    --------
    >>> from earlystop_lab import GL
    >>> from earlystop_lab.engine.thresholds import sweeps
    >>> curves = CurveSet.from_runs([{"val": [4.0, 2.0, 3.0, 1.0]}])
    >>> means = replay_sweeps(curves, sweeps([GL(1, k=1)], curves))
    >>> np.exp(means.time).to_numpy().tolist(), np.expm1(means.loss).to_numpy().round(6).tolist()
    ([[0.75, 1.0, 1.0]], [[1.0, 0.0, 0.0]])
    """
    rules = [name for name, members in sweeps.items() for _ in members]
    criteria = [member for members in sweeps.values() for member in members]
    stops = replay(curves, criteria, restore=restore)
    lost = regrets(stops, curves)
    values = lost.val if error == "val" else lost.test
    if (unknown := np.isnan(values).any(axis=1)).any():
        run = curves.runs[int(unknown.argmax())]
        raise ValueError(
            f"{unknown.sum()} of {len(curves)} runs have an unknown {error} error at some stop, "
            f"the first is run {run!r}; leave them out"
        )
    # the lowest validation error seen up to a later stop cannot be higher
    nested = error == "val" and restore in ("best", "lowest")
    falling = [k for k, v in sweeps.items() if nested and all(m.family.threshold for m in v)]
    known = facts_of(curves)
    return sweep_means(
        known.clusters, rules, stops.criteria, lost.time, values, known.lasts, falling
    )


def sweep_means(
    clusters: pd.Index,
    rules: Sequence[str],
    criteria: Sequence[str],
    time: FloatArray,
    values: FloatArray,
    ends: FloatArray | None,
    falling: Sequence[str] = (),
) -> SweepMeans:
    """Average arrays (runs, criteria) of time and regret; ``clusters`` has each run's problem.

    ``ends`` are the last positions, or None if they have several units.
    """
    with np.errstate(divide="ignore"):
        logs = [np.log(time), np.log1p(values), *([] if ends is None else [np.log(ends)])]
    x, y, *records = (cluster_means(each, clusters, infinite=True) for each in logs)
    record = records[0][0] if records else pd.Series(np.nan, x.index)
    x.columns = y.columns = pd.Index(list(criteria))
    return SweepMeans(list(rules), x, y, record, frozenset(falling))


def front(
    means: SweepMeans,
    *,
    confidence: float = 0.95,
    seed: int = 0,
    bands: Mapping[str, tuple[FloatArray, FloatArray]] | None = None,
) -> pd.DataFrame:
    """Time and regret of every criterion, with confidence bands: one row per criterion.

    Parameters
    ----------
    means : SweepMeans
    confidence : float
        Confidence of the bands.
    seed : int
        Seed of the bootstrap.
    bands : dict of str to (ndarray, ndarray), optional
        The result of :func:`band` for rules that have been computed before.

    Returns
    -------
    DataFrame
        Columns: ``rule``; ``criterion``; ``epochs`` and ``time``, geometric means of the stop (NaN
        if positions have several units) and of the stop over the last position; ``regret``, the
        geometric mean of 1 + r, minus 1; ``low`` and ``high``, its band, which covers all
        thresholds of a rule simultaneously (see :func:`inference.intervals`, bootstrapped over
        problems; NaN below 6 problems); ``on_front`` (no criterion of any rule is faster and
        better) and ``best_of_rule`` (no criterion of the same rule is).

        An infinite regret has no band. If few problems have any regret, the band of a slow
        threshold alone would be unbounded; it is bounded by that of a faster threshold if regret
        can only fall.

    Examples
    --------

    >>> from earlystop_lab import Keras
    >>> from earlystop_lab.engine.thresholds import sweeps
    >>> curves = CurveSet.from_runs([{"val": [4.0, 2.0, 3.0, 1.0]}, {"val": [1.0, 2.0]}])
    >>> table = front(replay_sweeps(curves, sweeps([Keras], curves)))
    >>> table[["criterion", "epochs", "regret", "on_front"]].round(2).head(3)
      criterion  epochs  regret  on_front
    0  Keras(0)    2.45    0.41      True
    1  Keras(1)    2.45    0.41      True
    2  Keras(2)    2.83    0.00      True
    """
    time, loss = means.time.mean().to_numpy(), means.loss.mean().to_numpy()
    low, high = np.full((2, len(loss)), np.nan)
    best_of_rule = np.zeros(len(loss), bool)
    rules = np.array(means.rules, object)
    for name, own in means.by_rule().items():
        mine = rules == name
        known = (bands or {}).get(name)
        low[mine], high[mine] = known or band(own, confidence=confidence, seed=seed)
        best_of_rule[mine] = undominated(time[mine], loss[mine])
    return pd.DataFrame(
        {
            "rule": means.rules,
            "criterion": means.criteria,
            "epochs": np.exp(time + means.record.mean()),
            "time": np.exp(time),
            "regret": np.expm1(loss),
            "low": np.expm1(low),
            "high": np.expm1(high),
            "on_front": undominated(time, loss),
            "best_of_rule": best_of_rule,
        }
    )


def band(
    means: SweepMeans, *, confidence: float = 0.95, seed: int = 0
) -> tuple[FloatArray, FloatArray]:
    """The lower and upper ends of the band of one rule's mean losses; see :func:`front`."""
    low, high = np.full((2, len(means.rules)), np.nan)
    finite = np.isfinite(means.loss.to_numpy()).all(axis=0)
    if finite.any():
        band = intervals(
            means.loss.loc[:, finite], confidence=confidence, seed=seed, simultaneous=True
        )
        low[finite], high[finite] = band["low"].clip(lower=0), band["high"]
    if means.rules[0] in means.falling:
        high = np.fmin.accumulate(high)
        low = np.fmax.accumulate(low[::-1])[::-1]
    return low, high


def undominated(time: FloatArray, loss: FloatArray) -> FloatArray:
    """Points such that no other is at least as fast and as good, and strictly so in one of both.

    >>> undominated(np.array([1.0, 2.0, 3.0, 3.0]), np.array([5.0, 4.0, 4.0, 1.0])).tolist()
    [True, True, False, True]
    """
    (_, losses), at = np.unique([time, loss], axis=1, return_inverse=True)
    before = np.fmin.accumulate(np.append(np.inf, losses))[:-1]
    return (losses < before)[at.ravel()]


def equal_time(means: SweepMeans, times: ArrayLike) -> dict[str, pd.DataFrame]:
    """log(1 + regret) of every rule at the same times: one table per rule, one row per problem.

    Between two thresholds, a rule takes a time as a mixture of the two whose mean times enclose it
    (drawing one of them at random with the right probability takes exactly that time). Thresholds
    are aligned by their mean log time over all problems, so a problem on which the rule is slow
    has a loss that accounts for it. Nothing is extrapolated. To compare two rules, test the
    differences of their tables.

    Parameters
    ----------
    means : SweepMeans
    times : array_like
        Geometric means of stop over last epoch.

    Returns
    -------
    dict of str to DataFrame
        One column per time, NaN where the sweep does not reach.

    Examples
    --------

    >>> time = pd.DataFrame({"a": [-4.0, -2.0], "b": [0.0, 0.0]})
    >>> loss = pd.DataFrame({"a": [0.4, 0.8], "b": [0.0, 0.2]})
    >>> means = SweepMeans(["r", "r"], time, loss, pd.Series([0.0, 0.0]))
    >>> equal_time(means, np.exp([-3.0, -1.5, 1.0]))["r"].to_numpy().round(6).tolist()
    [[0.4, 0.2, nan], [0.8, 0.5, nan]]
    """
    grid = pd.Index(np.asarray(times, np.float64), name="time")
    tables = {}
    for name, mine in means.by_rule().items():
        time = mine.time.mean().to_numpy()
        # if some problem took no time, its logarithm has no mean
        some = np.isfinite(time)
        losses = mine.loss.to_numpy()[:, None, some]
        at_times = interpolated(time[None, some], losses, np.log(grid))[:, 0]
        tables[name] = pd.DataFrame(at_times, index=means.loss.index, columns=grid)
    return tables


# -- choosing a point ----------------------------------------------------------------------


def within_loss(time: FloatArray, loss: FloatArray, limit: float) -> int:
    """The fastest criterion whose mean regret (geometric) is at most ``limit``; -1 if none is.

    >>> within_loss(np.log([0.1, 0.2, 0.4]), np.log1p([0.1, 0.01, 0.0]), 0.01)
    1
    """
    allowed = loss <= np.log1p(limit) + 1e-12
    return int(np.where(allowed, time, np.inf).argmin()) if allowed.any() else -1


def within_time(time: FloatArray, loss: FloatArray, limit: float) -> int:
    """The best criterion whose mean time (geometric) is at most ``limit``; -1 if none is.

    >>> within_time(np.log([0.1, 0.2, 0.4]), np.log1p([0.1, 0.01, 0.0]), 0.3)
    1
    """
    allowed = time <= np.log(limit) + 1e-12
    # the fastest of equally good ones
    best = allowed & (loss == np.where(allowed, loss, np.inf).min())
    return int(np.where(best, time, np.inf).argmin()) if allowed.any() else -1


def at_rate(time: FloatArray, loss: FloatArray, rate: float) -> int:
    """The criterion with the least :func:`cost`, where ``rate`` is the weight of log time.

    >>> at_rate(np.log([0.1, 0.2, 0.4]), np.log1p([0.1, 0.01, 0.0]), 0.05)
    1
    """
    costs = cost(time, loss, rate)
    return int(costs.argmin()) if np.isfinite(costs).any() else -1


def exchange_rate(percent: float) -> float:
    """The rate if 1% lower error is worth ``percent`` % more time: log 1.01 / log(1 + %/100).

    >>> round(exchange_rate(100), 4), round(exchange_rate(22), 3)
    (0.0144, 0.05)
    """
    if not percent > 0:
        raise ValueError(f"exchange rate = {percent}; expected a percentage of time, more than 0")
    return float(np.log(1.01) / np.log1p(percent / 100))


def cost(time: FloatArray, loss: FloatArray, rate: float) -> FloatArray:
    """loss + rate * time, in logarithms: the cost of a criterion at an exchange rate.

    A cost lower by 0.01 is worth 1% less error at equal time.
    """
    total: FloatArray = loss + rate * time
    return np.where(np.isnan(total), np.inf, total)


def without_each(
    choose: Callable[[NDArray[np.bool_]], int], n: int, folds: int | None, seed: int
) -> NDArray[np.intp]:
    """For each of ``n`` units, the index chosen without it; -1 if there is none.

    With ``folds``, its part of a random partition is left out. ``choose`` gets the units to use.
    """
    part = np.arange(n)
    if folds is not None and folds < n:
        part = np.random.default_rng(seed).permutation(n) % folds
    chosen = np.empty(n, np.intp)
    for fold in np.unique(part):
        others = part != fold
        chosen[~others] = choose(others)
    return chosen
