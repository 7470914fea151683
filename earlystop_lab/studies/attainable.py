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
#: strength of the ridge of the regressions, in runs
RIDGE = 10.0
#: costs count up to this in the regressions, on either side: few runs lose very much
CUT = 0.1


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
    between checks of the last tenth) and the training error's change since half of the checks (0
    without one). Costs are relative to the error that is kept at the run's end.

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
    longest = int(lengths.max())
    at = np.unique(np.geomspace(1, longest, DECISIONS).round().astype(np.intp))
    n = len(lengths)
    cost, times = np.full((2, n, len(at)), np.nan)
    features = np.full((n, len(at), 6), np.nan)
    last, hindsight, then = np.empty(n, np.intp), np.empty(n), np.empty(n)
    for i, (start, count) in enumerate(zip(offsets[:-1], lengths, strict=True)):
        log = np.log(val[start : start + count])
        low = np.minimum.accumulate(log)
        where = np.maximum.accumulate(np.where(log == low, _new_lows(log), 0))
        error_kept = np.log(kept[start : start + count])[where]
        spent = time[start : start + count]
        every = error_kept - error_kept[-1] + rate * spent
        hindsight[i], then[i] = every.min(), spent[every.argmin()]
        # the last decision is at the run's own end
        mine = np.append(at[at < count], count) - 1
        last[i] = len(mine) - 1
        cost[i, : len(mine)], times[i, : len(mine)] = every[mine], spent[mine]
        window, half = np.maximum((mine + 1) // 10, 3), (mine + 1) // 2
        begin = np.maximum(mine + 1 - window, 0)
        sums, moved = np.append(0, log.cumsum()), np.append([0, 0], np.cumsum(np.diff(log) ** 2))
        size = mine + 1 - begin
        change = np.zeros(len(mine))
        if trained:
            seen = np.log(train[start : start + count])
            change = seen[mine] - seen[np.maximum(half - 1, 0)]
        features[i, : len(mine)] = np.stack(
            [
                log[mine] - low[mine],
                (sums[mine + 1] - sums[begin]) / size - low[mine],
                (mine - where[mine]) / (mine + 1),
                low[mine] - low[np.maximum(half - 1, 0)],
                np.sqrt((moved[mine + 1] - moved[begin]) / size),
                change,
            ],
            axis=1,
        )
    return Decisions(cost, features, at, last, times, hindsight, then)


def _new_lows(log: FloatArray) -> NDArray[np.intp]:
    """The index of each value that is lower than all before, 0 elsewhere."""
    before = np.append(np.inf, np.minimum.accumulate(log)[:-1])
    return np.where(log < before, np.arange(len(log)), 0)


class Policy(NamedTuple):
    """What continuing is expected to bring, by decision: weights of a basis of the features."""

    weights: FloatArray
    centre: FloatArray
    scale: FloatArray
    knots: FloatArray

    def gains(self, features: FloatArray, j: int) -> FloatArray:
        """Expected cost of the best continuation, less that of stopping; above 0: stop."""
        found: FloatArray = self._basis(features, j) @ self.weights[j]
        return found

    def _basis(self, features: FloatArray, j: int) -> FloatArray:
        return _basis((features - self.centre[j]) / self.scale[j], self.knots)

    def stops(self, seen: Decisions) -> NDArray[np.intp]:
        """The decision at which each run is stopped."""
        n, k = seen.cost.shape
        stop = seen.last.copy()
        open_ = np.ones(n, bool)
        for j in range(min(k, len(self.weights))):
            mine = open_ & (j < seen.last)
            if mine.any():
                passing = np.zeros(n, bool)
                passing[mine] = self.gains(seen.features[mine, j], j) >= 0
                stop[passing], open_ = j, open_ & ~passing
        return stop


#: bends of each feature, in standard deviations from its mean
KNOTS = np.array([-0.5, 0.0, 0.7, 1.5])


def _basis(x: FloatArray, knots: FloatArray) -> FloatArray:
    """A constant, the features, and their bends at the knots."""
    x = np.clip(x, -3, 3)
    bends = np.maximum(x[:, :, None] - knots, 0).reshape(len(x), -1)
    return np.concatenate([np.ones((len(x), 1)), x, bends], axis=1)


def fit(seen: Decisions, weights: ArrayLike) -> Policy:
    """Regress what continuing brings, from the last decision to the first.

    At each decision, the target is the cost of the run if it goes on and is then stopped by the
    policy that is fitted for later decisions, less the cost of stopping now (F. A. Longstaff and
    E. S. Schwartz, Review of Financial Studies 14, 2001, doi 10.1093/rfs/14.1.113). ``weights``
    are of the runs.
    """
    share = np.asarray(weights, float)
    n, k = seen.cost.shape
    terms = _basis(np.zeros((1, seen.features.shape[2])), KNOTS).shape[1]
    policy = Policy(
        np.zeros((k, terms)),
        np.zeros((k, seen.features.shape[2])),
        np.ones((k, seen.features.shape[2])),
        KNOTS,
    )
    costs = seen.cost.clip(-CUT, CUT)
    value = costs[np.arange(n), seen.last]
    for j in range(k - 2, -1, -1):
        mine = j < seen.last
        if mine.sum() < 10:
            continue
        x, mass = seen.features[mine, j], share[mine] / share[mine].mean()
        policy.centre[j] = np.average(x, axis=0, weights=mass)
        policy.scale[j] = np.sqrt(np.average((x - policy.centre[j]) ** 2, axis=0, weights=mass))
        policy.scale[j] = np.where(policy.scale[j] > 0, policy.scale[j], 1)
        basis = policy._basis(x, j)
        # the constant is not shrunk
        shrunk = RIDGE * np.eye(terms)
        shrunk[0, 0] = 1e-9
        weighted = basis * mass[:, None]
        target = value[mine] - costs[mine, j]
        policy.weights[j] = np.linalg.solve(basis.T @ weighted + shrunk, weighted.T @ target)
        stopping = np.zeros(n, bool)
        stopping[mine] = basis @ policy.weights[j] >= 0
        value = np.where(stopping, costs[:, j], value)
    return policy


def fitted(
    seen: Decisions, groups: ArrayLike, weights: ArrayLike, *, folds: int = 5, seed: int = 0
) -> NDArray[np.intp]:
    """The decision at which a policy stops each run that was fitted without those of its fold.

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
    mass, found = np.asarray(weights, float), seen.last.copy()
    for each in range(folds):
        out = fold == each
        if out.any():
            policy = fit(part_of(seen, ~out), mass[~out])
            found[out] = policy.stops(part_of(seen, out))
    return found


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
