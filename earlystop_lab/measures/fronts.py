"""The front of time and regret: what every rule can buy over the whole range of its thresholds.

A point is one criterion: x is the mean of log(t_s / T), the time against the same run to its end,
y the mean of log(1 + r), r the regret against the run's own oracle (:mod:`measures.hindsight`).
Runs are averaged within their problem, problems count alike; without a column ``problem`` every run
is one of its own. Shown are geometric means: exp(x), exp(y) - 1.

A point that was chosen among many by looking looks better than it is: :func:`held_out` chooses
with the other problems.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from earlystop_lab.criteria import Criterion
from earlystop_lab.curves import CurveSet, FloatArray
from earlystop_lab.curves.facts import facts_of
from earlystop_lab.engine.replaying import Restore, replay
from earlystop_lab.measures.hindsight import oracle, regrets
from earlystop_lab.measures.prechelt import equal_time as interpolated

#: axes of a choice: mean log time and mean log(1 + regret) of each criterion -> its column
Choice = Callable[[FloatArray, FloatArray], int]


class Points(NamedTuple):
    """Mean log time and mean log(1 + regret) of every problem (rows) and criterion (columns)."""

    #: sweep of each column
    rules: list[str]
    time: pd.DataFrame
    loss: pd.DataFrame
    #: mean log of the last recorded epoch, a value a problem
    record: pd.Series
    #: sweeps whose regret cannot rise from a faster to a slower threshold, in no run
    falling: frozenset[str] = frozenset()

    @property
    def criteria(self) -> list[str]:
        """The texts of the criteria, in the order of the columns."""
        return list(self.time.columns)

    def first(self, n: int) -> Points:
        """The first columns."""
        return self._replace(
            rules=self.rules[:n], time=self.time.iloc[:, :n], loss=self.loss.iloc[:, :n]
        )

    def of(self, rule: str) -> Points:
        """The columns of one rule."""
        mine = [name == rule for name in self.rules]
        if not any(mine):
            names = ", ".join(dict.fromkeys(self.rules))
            raise ValueError(f"no rule {rule!r} among the points; there is {names}")
        columns = [name for name in self.rules if name == rule]
        return self._replace(
            rules=columns, time=self.time.loc[:, mine], loss=self.loss.loc[:, mine]
        )


def points(
    curves: CurveSet,
    sweeps: Mapping[str, Sequence[Criterion]],
    *,
    error: Literal["val", "test"] = "val",
    restore: Restore = "best",
) -> Points:
    """Replay sweeps (see :func:`engine.thresholds.sweeps`) and average each problem's runs.

    Raises ``ValueError`` for curves whose regret is unknown in some run: every error NaN, or for
    ``error="test"`` none recorded; leave such runs out.

    >>> from earlystop_lab import GL
    >>> from earlystop_lab.engine.thresholds import sweeps
    >>> curves = CurveSet.from_runs([{"val": [4.0, 2.0, 3.0, 1.0]}])
    >>> found = points(curves, sweeps([GL(1, k=1)], curves))
    >>> np.exp(found.time).to_numpy().tolist(), np.expm1(found.loss).to_numpy().round(6).tolist()
    ([[0.75, 1.0, 1.0]], [[1.0, 0.0, 0.0]])
    """
    rules = [name for name, members in sweeps.items() for _ in members]
    criteria = [member for members in sweeps.values() for member in members]
    stops = replay(curves, criteria, restore=restore)
    found = regrets(stops, curves)
    values = found.val if error == "val" else found.test
    if (unknown := np.isnan(values).any(axis=1)).any():
        run = curves.runs[int(unknown.argmax())]
        raise ValueError(
            f"{unknown.sum()} of {len(curves)} runs have no known {error} error at some stop, the "
            f"first is {run!r}; leave them out"
        )
    # what has been seen by a later stop has a lowest validation error that is no higher
    nested = error == "val" and restore == "best"
    falling = [k for k, v in sweeps.items() if nested and all(m.family.threshold for m in v)]
    ends = oracle(curves).end
    return averaged(units_of(curves), rules, stops.criteria, found.time, values, ends, falling)


def averaged(
    units: pd.Index,
    rules: Sequence[str],
    criteria: Sequence[str],
    time: FloatArray,
    values: FloatArray,
    ends: FloatArray,
    falling: Sequence[str] = (),
) -> Points:
    """The points of arrays (runs, criteria) of time and regret; ``units`` names each run's."""
    with np.errstate(divide="ignore"):
        logs, record = np.log(time), pd.Series(np.log(ends))
    names = list(criteria)
    x = pd.DataFrame(logs, columns=names).groupby(units, sort=False).mean()
    y = pd.DataFrame(np.log1p(values), columns=names).groupby(units, sort=False).mean()
    return Points(list(rules), x, y, record.groupby(units, sort=False).mean(), frozenset(falling))


def units_of(curves: CurveSet) -> pd.Index:
    """The problem of each run, or the run: :attr:`Facts.clusters`."""
    return facts_of(curves).clusters


def front(found: Points, *, confidence: float = 0.95, seed: int = 0) -> pd.DataFrame:
    """Time and regret of every criterion, with bands: one row a criterion.

    Columns: ``rule``, ``criterion``, ``epochs`` and ``time`` (geometric means of the stop epoch,
    and of it over the last), ``regret`` (geometric mean of 1 + r, less 1), ``low`` and ``high``,
    its band, which covers all of a rule's thresholds at once with ``confidence`` (see
    :func:`inference.intervals`, problems resampled; NaN below 6 problems), ``on_front`` (no
    criterion of any rule is faster and better) and ``best_of_rule`` (none of its own rule is).
    A regret that is infinite has no band. Where few problems have any regret the band of a slow
    threshold is unbounded by itself; that of a faster one bounds it where regret can only fall.

    >>> from earlystop_lab import Keras
    >>> from earlystop_lab.engine.thresholds import sweeps
    >>> curves = CurveSet.from_runs([{"val": [4.0, 2.0, 3.0, 1.0]}, {"val": [1.0, 2.0]}])
    >>> table = front(points(curves, sweeps([Keras], curves)))
    >>> table[["criterion", "epochs", "regret", "on_front"]].round(2).head(3)
      criterion  epochs  regret  on_front
    0  Keras(0)    2.45    0.41      True
    1  Keras(1)    2.45    0.41      True
    2  Keras(2)    2.83    0.00      True
    """
    time, loss = found.time.mean().to_numpy(), found.loss.mean().to_numpy()
    low, high = np.full((2, len(loss)), np.nan)
    rules = np.array(found.rules, object)
    for name in dict.fromkeys(found.rules):
        mine = rules == name
        low[mine], high[mine] = _band(found.of(name), confidence, seed)
    table = pd.DataFrame(
        {
            "rule": found.rules,
            "criterion": found.criteria,
            "epochs": np.exp(time + found.record.mean()),
            "time": np.exp(time),
            "regret": np.expm1(loss),
            "low": np.expm1(low),
            "high": np.expm1(high),
            "on_front": undominated(time, loss),
        }
    )
    table["best_of_rule"] = False
    for name in dict.fromkeys(found.rules):
        table.loc[rules == name, "best_of_rule"] = undominated(
            time[rules == name], loss[rules == name]
        )
    return table


def _band(found: Points, confidence: float, seed: int) -> tuple[FloatArray, FloatArray]:
    """The band of one rule's mean losses."""
    from earlystop_lab.inference import intervals  # scipy is slow to import

    low, high = np.full((2, len(found.rules)), np.nan)
    finite = np.isfinite(found.loss.to_numpy()).all(axis=0)
    if finite.any():
        band = intervals(
            found.loss.loc[:, finite], confidence=confidence, seed=seed, simultaneous=True
        )
        low[finite], high[finite] = band["low"].clip(lower=0), band["high"]
    if found.rules[0] in found.falling:
        high = np.fmin.accumulate(high)
        low = np.fmax.accumulate(low[::-1])[::-1]
    return low, high


def undominated(time: FloatArray, loss: FloatArray) -> FloatArray:
    """Where no other point is at least as fast and as good, and one of both strictly.

    >>> undominated(np.array([1.0, 2.0, 3.0, 3.0]), np.array([5.0, 4.0, 4.0, 1.0])).tolist()
    [True, True, False, True]
    """
    order = np.lexsort((loss, time))
    kept = np.zeros(len(time), bool)
    best = fastest = np.inf
    for at in order:
        if loss[at] < best:
            best, fastest = loss[at], time[at]
            kept[at] = True
        else:
            kept[at] = loss[at] == best and time[at] == fastest and np.isfinite(best)
    return kept


def equal_time(found: Points, times: ArrayLike) -> dict[str, pd.DataFrame]:
    """log(1 + regret) of every rule at the same times: a table a rule, a row a problem.

    ``times`` are geometric means of stop over last epoch, one column each. A rule meets a time
    between the two thresholds whose means enclose it (drawn at random in the right proportion
    they take just that long); so thresholds are aligned by their mean log time over all
    problems, and a problem on which the rule is slow pays there. NaN where the sweep does not
    reach; nothing is extrapolated. Differences of two rules' tables are what to test.

    >>> time = pd.DataFrame({"a": [-4.0, -2.0], "b": [0.0, 0.0]})
    >>> loss = pd.DataFrame({"a": [0.4, 0.8], "b": [0.0, 0.2]})
    >>> found = Points(["r", "r"], time, loss, pd.Series([0.0, 0.0]))
    >>> equal_time(found, np.exp([-3.0, -1.5, 1.0]))["r"].to_numpy().round(6).tolist()
    [[0.4, 0.2, nan], [0.8, 0.5, nan]]
    """
    grid = np.asarray(times, np.float64)
    unit = found.loss.index.name
    tables = {}
    for name in dict.fromkeys(found.rules):
        mine = found.of(name)
        time = np.exp(mine.time.mean().to_numpy())
        some = time > 0
        long = mine.loss.loc[:, some].rename_axis(unit or "unit").reset_index()
        long.columns = ["unit", *time[some]]
        long = long.melt("unit", var_name="time", value_name="loss").astype({"time": float})
        tables[name] = interpolated(long, grid, time="time", value="loss", by="unit").T
        tables[name].index.name = unit
    return tables


def equal_time_table(found: Points, times: ArrayLike, *, seed: int = 0) -> pd.DataFrame:
    """Regret of every rule at the same times, the headline: one row a rule and time.

    Columns ``rule``, ``time``, ``regret`` and its interval over problems ``low`` and ``high``
    (each by itself), NaN where the sweep does not reach.
    """
    from earlystop_lab.inference import intervals  # scipy is slow to import

    rows = []
    for name, table in equal_time(found, times).items():
        bounds = np.full((3, table.shape[1]), np.nan)
        reached = np.isfinite(table.to_numpy()).all(axis=0)
        if reached.any():
            found_here = intervals(table.loc[:, reached], seed=seed)
            bounds[:, reached] = found_here[["estimate", "low", "high"]].to_numpy(float).T
        regret, low, high = np.expm1(bounds)
        # no regret is below 0
        part = pd.DataFrame(
            {"time": table.columns, "regret": regret, "low": low.clip(min=0), "high": high}
        )
        part.insert(0, "rule", name)
        rows.append(part)
    return pd.concat(rows, ignore_index=True)


# -- choosing a point ----------------------------------------------------------------------


def within_loss(limit: float) -> Choice:
    """The fastest criterion whose mean regret (geometric) is at most ``limit``; -1 where none is.

    >>> within_loss(0.01)(np.log([0.1, 0.2, 0.4]), np.log1p([0.1, 0.01, 0.0]))
    1
    """

    def choose(time: FloatArray, loss: FloatArray) -> int:
        allowed = loss <= np.log1p(limit) + 1e-12
        return int(np.where(allowed, time, np.inf).argmin()) if allowed.any() else -1

    return choose


def within_time(limit: float) -> Choice:
    """The best criterion whose mean time (geometric) is at most ``limit``; -1 where none is.

    >>> within_time(0.3)(np.log([0.1, 0.2, 0.4]), np.log1p([0.1, 0.01, 0.0]))
    1
    """

    def choose(time: FloatArray, loss: FloatArray) -> int:
        allowed = time <= np.log(limit) + 1e-12
        # of equally good ones the fastest
        best = allowed & (loss == np.where(allowed, loss, np.inf).min())
        return int(np.where(best, time, np.inf).argmin()) if allowed.any() else -1

    return choose


def at_rate(rate: float) -> Choice:
    """The criterion of least :func:`cost` where ``rate`` weighs log time.

    >>> at_rate(0.05)(np.log([0.1, 0.2, 0.4]), np.log1p([0.1, 0.01, 0.0]))
    1
    """

    def choose(time: FloatArray, loss: FloatArray) -> int:
        costs = cost(time, loss, rate)
        return int(costs.argmin()) if np.isfinite(costs).any() else -1

    return choose


def exchange_rate(percent: float) -> float:
    """The rate at which 1% of error is worth ``percent`` % of time: log 1.01 / log(1 + %/100).

    >>> round(exchange_rate(100), 4), round(exchange_rate(22), 3)
    (0.0144, 0.05)
    """
    if not percent > 0:
        raise ValueError(f"exchange rate: 1% of error for {percent}% of time; expected more than 0")
    return float(np.log(1.01) / np.log1p(percent / 100))


def cost(time: FloatArray, loss: FloatArray, rate: float) -> FloatArray:
    """loss + rate * time, in logarithms: the one number of a criterion at an exchange rate.

    A criterion with a cost lower by 0.01 is as good as one with 1% less error at equal time.
    """
    total: FloatArray = loss + rate * time
    return np.where(np.isnan(total), np.inf, total)


def held_out(
    found: Points, choose: Choice, *, folds: int | None = None, seed: int = 0
) -> pd.DataFrame:
    """What a choice is worth where it was not made: a row a problem.

    For each problem the criterion is chosen with the means of the others (with ``folds``, of the
    other parts of a random partition), and its ``time`` and ``loss`` on that problem are taken.
    Columns ``criterion`` (None where nothing could be chosen), ``time``, ``loss`` in logarithms.
    The rows share choices: their mean is honest, a test that takes them as independent is not.

    >>> time = pd.DataFrame({"a": [-2.0, -2.0], "b": [0.0, 0.0]})
    >>> loss = pd.DataFrame({"a": [0.1, 0.0], "b": [0.0, 0.0]})
    >>> held_out(Points(["r", "r"], time, loss, pd.Series([0.0, 0.0])), within_loss(0.01))
      criterion  time  loss
    0         a  -2.0   0.1
    1         b   0.0   0.0
    """
    n = len(found.loss)
    if n < 2:
        raise ValueError(f"held_out: {n} {found.loss.index.name or 'unit'}; expected at least 2")
    time, loss = found.time.to_numpy(), found.loss.to_numpy()
    at = without_each(
        lambda others: choose(time[others].mean(axis=0), loss[others].mean(axis=0)),
        *(n, folds, seed),
    )
    there, rows = at >= 0, np.arange(n)
    chosen = [found.criteria[j] if j >= 0 else None for j in at]
    return pd.DataFrame(
        {
            "criterion": np.array(chosen, object),
            "time": np.where(there, time[rows, at], np.nan),
            "loss": np.where(there, loss[rows, at], np.nan),
        },
        index=found.loss.index,
    )


def without_each(
    choose: Callable[[NDArray[np.bool_]], int], n: int, folds: int | None, seed: int
) -> NDArray[np.intp]:
    """For each of ``n`` units what is chosen without it: an index, -1 where there is none.

    With ``folds``, without its part of a random partition. ``choose`` is told from which units.
    """
    part = np.arange(n)
    if folds is not None and folds < n:
        part = np.random.default_rng(seed).permutation(n) % folds
    found = np.empty(n, np.intp)
    for fold in np.unique(part):
        others = part != fold
        found[~others] = choose(others)
    return found


# -- one number a front --------------------------------------------------------------------


def knee(table: pd.DataFrame) -> pd.Series:
    """The row of one rule's front furthest below the line between the front's ends.

    Both axes are logarithmic, log(time) and log(1 + regret), and stretched to the front's own
    range, so the knee depends on where the sweep ends: a description, not a recommendation.

    Source: V. Satopää et al., ICDCS Workshops 2011, 166-171, doi:10.1109/ICDCSW.2011.20.

    >>> table = pd.DataFrame({"time": [0.01, 0.1, 1.0], "regret": [0.5, 0.02, 0.0]})
    >>> int(knee(table.assign(best_of_rule=True)).name)
    1
    """
    kept = table[table["best_of_rule"] & np.isfinite(table["regret"]) & (table["time"] > 0)]
    if kept.empty:
        raise ValueError("knee: no point of the front is finite")
    kept = kept.sort_values("time")
    x, y = np.log(kept["time"].to_numpy()), np.log1p(kept["regret"].to_numpy())
    x, y = ((v - v.min()) / (np.ptp(v) or 1) for v in (x, y))
    row: pd.Series = kept.iloc[int((x + y).argmin())]
    return row


def hypervolume(
    time: FloatArray, loss: FloatArray, *, within: float = 0.05, log_time: bool = True
) -> float:
    """Area between a front and a reference point: the end of the record, and a regret ``within``.

    ``time`` and ``loss`` are mean logarithms of the criteria of one rule. The area lies in
    log(time) (in time where ``log_time`` is False) and log(1 + regret), each regret as a share of
    the reference's, so that 1 is a rule without regret over a factor e of time (or all of the
    record). A criterion counts up to the next better one. What wins depends on the reference:
    never print one without the other, see :func:`hypervolumes`.

    >>> round(hypervolume(np.log([0.1, 0.5]), np.log1p([0.05, 0.0])), 3)
    0.693
    """
    limit = np.log1p(within)
    x = time if log_time else np.exp(time)
    end = 0.0 if log_time else 1.0
    order = np.argsort(x, kind="stable")
    x, height = x[order], np.maximum.accumulate(np.maximum(0, limit - loss[order])) / limit
    useful = (height > 0) & (x < end)
    x, height = x[useful], height[useful]
    return float((np.diff(np.append(x, end)) * height).sum())


def hypervolumes(found: Points, within: Sequence[float] = (0.05, 0.01, 0.02, 0.1)) -> pd.DataFrame:
    """Hypervolume of every rule under several conventions: a row a rule and convention.

    Columns ``rule``, ``reference`` (in words), ``hypervolume``, ``rank`` (1 is the largest). The
    first convention is the usual one, the others are its sensitivity: other regrets, and linear
    time.
    """
    rows = []
    for log_time in (True, False):
        for limit in within:
            words = f"end of record, {limit:.0%} regret, {'log' if log_time else 'linear'} time"
            for name in dict.fromkeys(found.rules):
                mine = found.of(name)
                area = hypervolume(
                    mine.time.mean().to_numpy(),
                    mine.loss.mean().to_numpy(),
                    within=limit,
                    log_time=log_time,
                )
                rows.append({"rule": name, "reference": words, "hypervolume": area})
    table = pd.DataFrame(rows)
    ranks = table.groupby("reference", sort=False)["hypervolume"].rank(
        ascending=False, method="min"
    )
    return table.assign(rank=ranks.astype(int))
