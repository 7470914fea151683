"""How far is every rule from what is attainable: the best causal stopping of runs.

Stopping a run at check t of T keeps the lowest validation error up to t. What that costs is

    C(t) = log(error kept) + rate log(t / T),

so that at a rate of :func:`measures.fronts.exchange_rate` an error lower by 1% is worth so much
longer training. Hindsight stops each run where C is least, which nobody can: the best that a rule
can do that sees the run up to t is optimal stopping, and this module has two bounds of it.

:func:`exact` solves it by dynamic programming for a family of curves whose law is known; it gets
the law and nothing else. :func:`fitted` regresses what continuing brings on features of recorded
runs, backwards in time, and judges the policy on runs that it was not fitted on. A fitted policy
is a causal rule as any other, so its cost is attained: the optimum is at most as costly.
:func:`attained` puts rules beside it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from earlystop_lab.curves import CurveSet, FloatArray, facts_of, require_curves
from earlystop_lab.inference import cluster_means
from earlystop_lab.inference.bootstrap import FEWEST_CLUSTERS
from earlystop_lab.measures.fronts import without_each
from earlystop_lab.studies.kept import Arrays, Kept

#: beliefs at which the values of the dynamic programme are computed
BELIEFS = 101
#: checks at which a fitted policy decides, geometrically spaced
DECISIONS = 40
#: features of a decision
FEATURES = 11
#: how strongly slopes are held to those of the next decision, in shares of the runs
RIDGE = 0.5
#: costs count up to this in the regressions, on either side: few runs lose very much
CUT = 0.2
#: a decision at which fewer runs are left is to go on
FEWEST_RUNS = 10
#: numbers of a block of runs that is looked at together
BLOCK = 2**16


class Law(NamedTuple):
    """A family of curves: a hidden regime of two, and steps of the log error that depend on it.

    The log error is 0 at the first check. Before each later check the regime moves, and then the
    log error changes by ``unit`` times a step that is drawn in the regime.
    """

    #: probability of regime 1 at the first check
    start: float
    #: probability of regime 1 at the next check, in regime 0 and in regime 1
    moves: tuple[float, float]
    #: possible steps, in units of ``unit``
    steps: tuple[int, ...]
    #: probabilities of the steps in regime 0 and in regime 1
    odds: tuple[tuple[float, ...], tuple[float, ...]]
    unit: float
    checks: int


class Exact(NamedTuple):
    """The optimal stopping of a family."""

    #: expected C at the stop, less than any rule's
    cost: float
    #: whether to stop, by check, belief in regime 1 (on a grid from 0 to 1), and height of the
    #: last log error above the lowest so far, in units
    stops: NDArray[np.bool_]


def exact(law: Law, rate: float) -> Exact:
    """The least expected cost of any causal stopping rule, by dynamic programming.

    The state at a check is the probability of regime 1 given all that was seen, and the height of
    the log error above its lowest so far. Values are interpolated between beliefs; as they are
    concave in the belief, the cost is a lower bound also where the grid is coarse.

    Parameters
    ----------
    law : Law
    rate : float
        Weight of log time, above 0.

    Returns
    -------
    Exact

    Raises
    ------
    ValueError
        If the law is no law: probabilities that do not sum to 1 or are no probabilities, steps that
        do not rise, fewer than 2 checks, a unit or a rate that is not above 0.

    Examples
    --------

    A coin decides whether the error halves at each check or doubles. After one look all is known:

    >>> law = Law(0.5, (0, 1), (-1, 1), ((1, 0), (0, 1)), float(np.log(2)), 3)
    >>> found = exact(law, 0.1)
    >>> by_hand = (2 * np.log(1 / 2) + 0.1 * np.log(3 / 3) + 0.1 * np.log(2 / 3)) / 2
    >>> bool(np.isclose(found.cost, by_hand))
    True
    """
    _check(law, rate)
    belief = np.linspace(0, 1, BELIEFS)
    odds, steps = np.array(law.odds, float), np.array(law.steps)
    # probability of regime 1 before the step, of each step, and of regime 1 after it
    before = (1 - belief) * law.moves[0] + belief * law.moves[1]
    chance = np.outer(1 - before, odds[0]) + np.outer(before, odds[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        after = np.where(chance > 0, np.outer(before, odds[1]) / chance, 0.0) * (BELIEFS - 1)
    left = np.minimum(after.astype(int), BELIEFS - 2)
    part = after - left
    height = np.arange(max(int(steps.max()), 0) * (law.checks - 1) + 1)
    reached = height + steps[:, None]
    gain, reached = law.unit * np.minimum(reached, 0), reached.clip(0, height[-1])
    stops = np.ones((law.checks, BELIEFS, len(height)), bool)
    value = np.zeros((BELIEFS, len(height)))
    for t in range(law.checks - 1, 0, -1):
        going = np.zeros_like(value)
        for k in range(len(steps)):
            there = value[:, reached[k]]
            weight = part[:, [k]]
            next_ = (1 - weight) * there[left[:, k]] + weight * there[left[:, k] + 1]
            going += chance[:, [k]] * (gain[k] + next_)
        stop = rate * np.log(t / law.checks)
        stops[t - 1] = stop <= going
        value = np.minimum(stop, going)
    at, share = divmod(law.start * (BELIEFS - 1), 1)
    ends = value[[int(at), min(int(at) + 1, BELIEFS - 1)], 0]
    return Exact(float((1 - share) * ends[0] + share * ends[1]), stops)


def _check(law: Law, rate: float) -> None:
    odds = np.array(law.odds, float)
    for what, good in (
        ("start", 0 <= law.start <= 1),
        ("moves", all(0 <= p <= 1 for p in law.moves)),
        ("odds", odds.shape == (2, len(law.steps)) and (odds >= 0).all()),
        ("odds", np.allclose(odds.sum(axis=-1), 1)),
        ("steps", list(law.steps) == sorted(set(law.steps))),
        ("unit", law.unit > 0),
        ("checks", law.checks >= 2),
    ):
        if not good:
            raise ValueError(
                f"law: {what} = {getattr(law, what)}; expected probabilities, steps that "
                "rise, a unit above 0 and at least 2 checks"
            )
    if not rate > 0:
        raise ValueError(f"exact: rate = {rate}; expected a number above 0")


def stops_of(found: Exact, law: Law, steps: ArrayLike) -> NDArray[np.intp]:
    """Where the optimal policy stops runs of the family: one check per run, counted from 1.

    ``steps`` has the steps of each run in units, a row a run, one less than there are checks.

    >>> law = Law(0.5, (0, 1), (-1, 1), ((1, 0), (0, 1)), float(np.log(2)), 3)
    >>> stops_of(exact(law, 0.1), law, [[-1, -1], [1, 1]]).tolist()
    [3, 2]
    """
    moved, odds = np.asarray(steps), np.array(law.odds, float)
    n = len(moved)
    belief, height = np.full(n, float(law.start)), np.zeros(n, int)
    stop, going = np.full(n, law.checks), np.ones(n, bool)
    for t in range(law.checks):
        if t:
            step = moved[:, t - 1]
            height = np.maximum(height + step, 0)
            place = np.searchsorted(law.steps, step)
            before = (1 - belief) * law.moves[0] + belief * law.moves[1]
            seen = before * odds[1, place]
            belief = seen / (seen + (1 - before) * odds[0, place])
        now = going & found.stops[t, np.rint(belief * (BELIEFS - 1)).astype(int), height]
        stop[now], going = t + 1, going & ~now
    return stop


# -- recorded runs ---------------------------------------------------------------------------


class Decisions(NamedTuple):
    """Runs as a policy sees them: at some checks each, up to the last; NaN beyond.

    ``cost`` has a row a run and a column a decision, ``features`` one more axis.
    """

    cost: FloatArray
    features: FloatArray
    #: the check of each decision, counted from 1, and the last decision of each run
    checks: NDArray[np.intp]
    last: NDArray[np.intp]
    #: log time of each decision
    time: FloatArray
    #: the least C over all checks of each run, and the log time of that check
    hindsight: FloatArray
    hindsight_time: FloatArray

    def costs(self, stops: NDArray[np.intp]) -> FloatArray:
        """The cost of each run if it is stopped at that decision."""
        found: FloatArray = self.cost[np.arange(len(stops)), stops]
        return found


def decisions(curves: CurveSet, rate: float, *, error: str = "test") -> Decisions:
    """Costs and causal features of every run at geometrically spaced checks.

    Features, all without a scale: the height of the log validation error above its lowest, of the
    mean over the last tenth of the checks likewise, the checks since the lowest as a share of all
    so far, what the lowest gained since half of the checks, the noise (the root mean square change
    between checks of the last tenth), the training error's change since half of the checks (0
    without one), the validation error's change over the last tenth, fifth and third of the checks,
    and what its lowest gained over the last tenth and fifth. Costs are relative to the error that
    is kept at the run's end.

    Raises ``ValueError`` if an error is not positive and finite, or was not measured at each check,
    or if a position is not above 0.
    """
    require_curves("decisions", curves)
    val, offsets, _ = curves.error("val")
    kept, others, _ = curves.error(error)
    lengths = np.diff(offsets)
    if not np.array_equal(offsets, others) or not (np.isfinite(kept) & (kept > 0)).all():
        raise ValueError(f"decisions: expected a positive {error} error at each check of each run")
    if not (np.isfinite(val) & (val > 0)).all():
        raise ValueError("decisions: expected positive, finite validation errors")
    facts = facts_of(curves)
    if not (facts.first > 0).all():
        raise ValueError("decisions: expected positions above 0, whose logarithm is the time")
    time = np.log(facts.positions("val") / np.repeat(facts.last, lengths))
    train, of_train, _ = curves.error("train")
    trained = np.array_equal(of_train, offsets) and bool((np.isfinite(train) & (train > 0)).all())
    at = np.unique(np.geomspace(1, lengths.max(), DECISIONS).round().astype(np.intp))
    n = len(lengths)
    cost, times = np.full((2, n, len(at)), np.nan)
    features = np.full((n, len(at), FEATURES), np.nan)
    last, hindsight, then = np.empty(n, np.intp), np.empty(n), np.empty(n)
    for count in np.unique(lengths):
        runs = np.flatnonzero(lengths == count)
        # the last decision is at the run's own end
        mine = np.append(at[at < count], count) - 1
        # few runs at once, so that arrays stay in the processor's cache
        blocks = min(-(-len(runs) * count // BLOCK), len(runs))
        for few in np.array_split(runs, blocks):
            rows = offsets[few, None] + np.arange(count)
            log, spent = np.log(val[rows]), time[rows]
            low = np.minimum.accumulate(log, axis=1)
            where = _lowest_at(log, low)
            error_kept = np.log(np.take_along_axis(kept[rows], where, axis=1))
            every = error_kept - error_kept[:, -1:] + rate * spent
            best = every.argmin(axis=1)
            hindsight[few], then[few] = (each[np.arange(len(few)), best] for each in (every, spent))
            last[few] = len(mine) - 1
            cost[few, : len(mine)], times[few, : len(mine)] = every[:, mine], spent[:, mine]
            seen = np.log(train[rows]) if trained else None
            features[few, : len(mine)] = _features(log, low, where, seen, mine)
    return Decisions(cost, features, at, last, times, hindsight, then)


def _lowest_at(log: FloatArray, low: FloatArray) -> NDArray[np.intp]:
    """The check with the lowest value so far, the earliest of ties: a row a run."""
    new = np.zeros(log.shape, bool)
    new[:, 1:] = log[:, 1:] < low[:, :-1]
    found: NDArray[np.intp] = np.maximum.accumulate(
        np.where(new, np.arange(log.shape[1]), 0), axis=1
    )
    return found


def _features(
    log: FloatArray,
    low: FloatArray,
    where: NDArray[np.intp],
    train: FloatArray | None,
    at: NDArray[np.intp],
) -> FloatArray:
    """The features of runs at some checks, counted from 0; see :func:`decisions`."""
    checks = at + 1
    tenth, fifth, third = (np.maximum(at - np.maximum(checks // part, 5), 0) for part in (10, 5, 3))
    half = np.maximum(checks // 2 - 1, 0)
    begin = np.maximum(checks - np.maximum(checks // 10, 3), 0)
    nothing = np.zeros((len(log), 1))
    sums = np.hstack([nothing, log.cumsum(axis=1)])
    moved = np.hstack([nothing, nothing, np.cumsum(np.diff(log) ** 2, axis=1)])
    size = checks - begin
    now, lowest = log[:, at], low[:, at]
    return np.stack(
        [
            now - lowest,
            (sums[:, checks] - sums[:, begin]) / size - lowest,
            (at - where[:, at]) / checks,
            lowest - low[:, half],
            np.sqrt((moved[:, checks] - moved[:, begin]) / size),
            np.zeros_like(now) if train is None else train[:, at] - train[:, half],
            now - log[:, tenth],
            now - log[:, fifth],
            now - log[:, third],
            lowest - low[:, tenth],
            lowest - low[:, fifth],
        ],
        axis=2,
    )


#: where the slope of each feature may change, in standard deviations from its mean
KNOTS = (0.0,)


def _basis(x: FloatArray) -> FloatArray:
    """A constant, the features along the last axis, and their bends at the knots."""
    x = np.clip(x, -3, 3)
    bends = [np.maximum(x - knot, 0) for knot in KNOTS]
    return np.concatenate([np.ones((*x.shape[:-1], 1)), x, *bends], axis=-1)


def fitted(
    seen: Decisions, groups: ArrayLike, weights: ArrayLike, *, folds: int = 5, seed: int = 0
) -> NDArray[np.intp]:
    """The decision at which a policy stops each run that was fitted without those of its fold.

    From the last decision to the first, what continuing brings is regressed on the features: the
    cost of a run if it goes on and is then stopped by the policy of the later decisions, less that
    of stopping now (F. A. Longstaff and E. S. Schwartz, Review of Financial Studies 14, 2001, doi
    10.1093/rfs/14.1.113). Decisions next to each other are alike: the slopes of each are held to
    those of the one after it, with a force of :data:`RIDGE` times the number of runs.

    Parameters
    ----------
    seen : Decisions
    groups : array_like
        Runs with equal groups are in one fold, such as those of a data set.
    weights : array_like
        Weights of the runs in the fit.
    folds : int
        Number of folds, at least 2.
    seed : int
        Seed of the partition of the groups.

    Returns
    -------
    ndarray
        One index of a decision per run.
    """
    fold = folds_of(groups, folds, seed)
    fits = fold != np.arange(folds)[:, None]
    share = np.asarray(weights, float)
    n, k = seen.cost.shape
    costs = seen.cost.clip(-CUT, CUT)
    # of every run under the policy of each fold
    value = np.tile(costs[np.arange(n), seen.last], (folds, 1))
    found = np.tile(seen.last, (folds, 1))
    terms = 1 + (1 + len(KNOTS)) * seen.features.shape[2]
    # the constant is free
    held = np.append(1e-9, np.full(terms - 1, RIDGE))[:, None]
    slopes = np.zeros((folds, terms, 1))
    for j in range(k - 2, -1, -1):
        mine = np.flatnonzero(j < seen.last)
        if (fits[:, mine].sum(axis=1) < FEWEST_RUNS).any():
            continue
        mass = np.where(fits[:, mine], share[mine], 0.0)
        mass *= fits[:, mine].sum(axis=1, keepdims=True) / mass.sum(axis=1, keepdims=True)
        basis = _basis(_standard(seen.features[mine, j], mass))
        weighted = basis * mass[:, :, None]
        target = value[:, mine] - costs[mine, j]
        there, force = weighted.swapaxes(1, 2), held * mass.sum(axis=1)[:, None, None]
        slopes = np.linalg.solve(
            there @ basis + force * np.eye(terms), there @ target[:, :, None] + force * slopes
        )
        stopping = (basis @ slopes)[:, :, 0] >= 0
        value[:, mine] = np.where(stopping, costs[mine, j], value[:, mine])
        found[:, mine] = np.where(stopping, j, found[:, mine])
    stops: NDArray[np.intp] = found[fold, np.arange(n)]
    return stops


def _standard(x: FloatArray, mass: FloatArray) -> FloatArray:
    """Features (a row a run) less their mean, over their standard deviation: for each weighting."""
    total = mass.sum(axis=1)[:, None]
    away = x - (mass @ x / total)[:, None, :]
    spread = np.sqrt((mass[:, None, :] @ away**2)[:, 0] / total)
    standard: FloatArray = away / np.where(spread > 0, spread, 1)[:, None, :]
    return standard


def folds_of(groups: ArrayLike, folds: int, seed: int) -> NDArray[np.intp]:
    """A random partition of the groups into folds, as even as can be: one number per run."""
    if folds < 2:
        raise ValueError(f"folds = {folds}; expected at least 2")
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    order = np.random.default_rng(seed).permutation(len(names))
    found: NDArray[np.intp] = (order % folds)[place]
    return found


def part_of(seen: Decisions, runs: NDArray[np.bool_]) -> Decisions:
    """The decisions about some runs."""
    return seen._replace(
        **{name: part[runs] for name, part in seen._asdict().items() if name != "checks"}
    )


def policies(
    curves: CurveSet, seen: Decisions, groups: ArrayLike, weights: ArrayLike, *, folds: int = 5
) -> dict[str, NDArray[np.intp]]:
    """Where policies that were fitted on others stop the runs: see :func:`fitted`.

    ``fitted`` is fitted without the groups of the fold. Where runs have problems, ``fitted, same
    problem`` is fitted on other runs of the same problem.
    """
    found = {"fitted": fitted(seen, groups, weights, folds=folds)}
    if curves.has("problem"):
        problem = curves.meta["problem"].to_numpy()
        own = seen.last.copy()
        for each in np.unique(problem):
            mine = problem == each
            runs = np.arange(mine.sum())
            own[mine] = fitted(part_of(seen, mine), runs, np.ones(len(runs)), folds=folds)
        found["fitted, same problem"] = own
    return found


# -- rules beside the bound ------------------------------------------------------------------


class Bounds(NamedTuple):
    """Costs of stopping the runs of a corpus, log(1 + regret) + rate log time: one per cluster."""

    #: all runs at the same check, chosen on the other clusters
    blind: FloatArray
    #: a policy that was fitted on other runs: the better one of :func:`policies`
    fitted: FloatArray
    #: every run where it costs least
    hindsight: FloatArray


class Attained(NamedTuple):
    """What rules take of the attainable, as shares: 0 is blind stopping, 1 the best one found."""

    #: of every rule
    rules: dict[str, float]
    fitted: float
    hindsight: float
    #: the cost that the best causal stopping found saves over blind stopping, a logarithm
    gain: float
    #: percentage of time that an error lower by 1% is worth
    worth: float


def bounds(curves: CurveSet, rate: float, *, error: str = "test") -> Bounds:
    """The bounds of a corpus: see :class:`Bounds`.

    Parameters
    ----------
    curves : CurveSet
    rate : float
        Weight of log time; see :func:`measures.fronts.exchange_rate`.
    error : str
        The error that is kept.

    Returns
    -------
    Bounds

    Raises
    ------
    ValueError
        As :func:`decisions`; and if there are fewer than 6 clusters.
    """
    facts = facts_of(curves)
    clusters = facts.clusters
    sizes = clusters.value_counts()
    if len(sizes) < FEWEST_CLUSTERS:
        raise ValueError(f"bounds: {len(sizes)} clusters; expected at least {FEWEST_CLUSTERS}")
    seen = decisions(curves, rate, error=error)
    kept = curves.at(error, facts.lowest("val").row[:, None].astype(np.int32), "error")[:, 0]
    # costs are against the error kept at the end
    end = np.log(kept / facts.lowest(error).value)

    def means(costs: FloatArray) -> FloatArray:
        found: FloatArray = cluster_means(pd.DataFrame(costs + end[:, None]), clusters).to_numpy()
        return found

    stops = np.minimum(np.arange(seen.cost.shape[1]), seen.last[:, None])
    alike = means(np.take_along_axis(seen.cost, stops, axis=1))
    own = policies(curves, seen, clusters, 1 / sizes.loc[clusters].to_numpy(float))
    fits = [means(seen.costs(each)[:, None])[:, 0] for each in own.values()]
    hindsight = means(seen.hindsight[:, None])[:, 0]
    return Bounds(_chosen(alike), min(fits, key=np.mean), hindsight)


def bounds_of(curves: CurveSet, rate: float, error: str, digest: str, kept: Kept) -> Bounds | None:
    """The bounds of a corpus of this digest, computed or kept; None where there are none."""

    def made() -> Arrays:
        try:
            return bounds(curves, rate, error=error)._asdict()
        except ValueError:  # costs have no logarithm, or clusters are too few
            return {}

    found = kept.arrays(["bounds", digest, rate, error], made)
    return Bounds(**found) if found else None


def _chosen(costs: FloatArray) -> FloatArray:
    """The cost in each cluster (row) of the column that costs least in the others."""
    at = without_each(lambda others: int(costs[others].mean(axis=0).argmin()), len(costs), None, 0)
    found: FloatArray = costs[np.arange(len(costs)), at]
    return found


def attained(bounds: Bounds, sweeps: Mapping[str, FloatArray], rate: float) -> Attained | None:
    """What rules take of the attainable.

    Parameters
    ----------
    bounds : Bounds
    sweeps : dict of str to ndarray
        The costs of every rule, log(1 + regret) + rate log time: a row a cluster, a column a
        threshold. A rule is charged in each cluster for the threshold that costs least in the
        others.
    rate : float
        Weight of log time.

    Returns
    -------
    Attained or None
        None if nothing is better than stopping all runs at the same check.

    Examples
    --------
    >>> told = Bounds(np.array([0.03, 0.03]), np.array([0.01, 0.02]), np.zeros(2))
    >>> attained(told, {"GL": np.array([[0.02, 0.5], [0.025, 0.5]])}, 0.0245).rules
    {'GL': 0.5}
    """
    costs = {name: float(_chosen(each).mean()) for name, each in sweeps.items()}
    blind, fits, seer = (float(each.mean()) for each in bounds)
    gain = blind - min(fits, *costs.values())
    if not gain > 1e-9:
        return None
    shares = {name: (blind - each) / gain for name, each in costs.items()}
    worth = 100 * float(np.expm1(np.log(1.01) / rate))
    return Attained(shares, (blind - fits) / gain, (blind - seer) / gain, gain, worth)
