"""How far rules are from what is attainable, on families whose law is known and on recorded runs.

    python -m experiments.answers attainable

Rules, thresholds and policies are all chosen on other runs than they are judged on: a rule's
threshold, and for policies of other data sets the fit, without the data sets of the fold; policies
of the same problem without the runs of the fold. Costs are against training to the end.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from earlystop_lab import GL, UP, CurveSet, MaxEpochs, replay, simulate
from earlystop_lab.criteria import FAMILIES, Criterion, Family
from earlystop_lab.curves import FloatArray, facts_of
from earlystop_lab.engine.thresholds import sweeps
from earlystop_lab.inference import cluster_means
from earlystop_lab.measures.fronts import exchange_rate
from earlystop_lab.studies.attainable import (
    Law,
    decisions,
    exact,
    folds_of,
    policies,
    stops_of,
)
from experiments.short_studies import TESTED, WORTH, with_test
from experiments.studies import Row, at, draw_estimates, row, told, value

RATE = exchange_rate(WORTH)
#: a rule that sees nothing: the same number of epochs for all
BLIND = "MaxEpochs"
RULES = (
    *(FAMILIES[name] for name in ("Keras", "PQ", "UP", "EMA", "SklearnMLP", "RelativePatience")),
    GL(1, k=1),
    UP(1, k=1),
    MaxEpochs(1),
)
#: members of each sweep
MEMBERS = 60
#: runs that are drawn from each law, in batches with seeds of their own, and from each simulator
RUNS, BATCHES, SIMULATED = 12000, 20, 1500
FOLDS = 5
_STEPS = tuple(range(-3, 4))


def _odds(drift: float, spread: float = 1.2) -> tuple[float, ...]:
    """Probabilities of the steps, shaped like a normal density."""
    density = np.exp(-((np.array(_STEPS) - drift) ** 2) / (2 * spread**2))
    return tuple(density / density.sum())


#: families of curves: a hidden regime in which the error falls, and one in which it does not
LAWS = {
    "falls, then rises": Law(0, (0.04, 1), _STEPS, (_odds(-1.0), _odds(0.4)), 0.008, 120),
    "falls, then creeps": Law(0, (0.06, 1), _STEPS, (_odds(-1.0), _odds(0.2)), 0.006, 120),
    "falls with pauses": Law(0, (0.1, 0.985), _STEPS, (_odds(-1.0), _odds(0.2)), 0.008, 120),
}


def drawn_from(law: Law, runs: int, seed: int) -> np.ndarray:
    """Steps of runs of a family, a row a run."""
    rng = np.random.default_rng(seed)
    odds, steps = np.cumsum(law.odds, axis=1), np.array(law.steps)
    regime = rng.random(runs) < law.start
    found = np.zeros((runs, law.checks - 1), int)
    for t in range(law.checks - 1):
        regime = rng.random(runs) < np.where(regime, law.moves[1], law.moves[0])
        passed = rng.random(runs)[:, None] > odds[regime.astype(int)]
        found[:, t] = steps[passed.sum(axis=1).clip(0, len(steps) - 1)]
    return found


def look() -> pd.DataFrame:
    rows: list[Row] = []
    for name, law in LAWS.items():
        each = RUNS // BATCHES
        steps = np.concatenate([drawn_from(law, each, seed) for seed in range(BATCHES)])
        logs = law.unit * np.insert(steps.cumsum(axis=1), 0, 0, axis=1)
        curves = CurveSet.from_runs([{"val": error} for error in np.exp(logs)])
        clusters = pd.Index(np.repeat(np.arange(BATCHES), each).astype(str), name="seed")
        low = np.minimum.accumulate(logs, axis=1)
        costs = low - low[:, [-1]] + RATE * np.log(np.arange(1, law.checks + 1) / law.checks)
        best = exact(law, RATE)
        optimal = costs[np.arange(RUNS), stops_of(best, law, steps) - 1]
        rows += judged(name, curves, clusters, np.arange(RUNS), "val", {"optimal": optimal})
        rows.append(row(name, "exact bound", best.cost - low[:, -1], clusters, log=True))
    for name in ("gradient_flow", "parametric"):
        curves = simulate(name, SIMULATED, seed=2, epochs=300)
        curves = positive(curves)
        batch = pd.Index((np.arange(len(curves)) % BATCHES).astype(str), name="batch")
        rows += judged(name, curves, batch, np.arange(len(curves)), "test")
    for name in (*TESTED, "taskset"):
        curves = positive(with_test(name))
        sets = facts_of(curves).clusters
        if sets.nunique() == 1:  # the problems of TaskSet are about one data set
            sets = pd.Index(curves.meta["problem"], name="problem")
        rows += judged(name, curves, sets, sets, "test")
    return pd.DataFrame(rows)


def positive(curves: CurveSet) -> CurveSet:
    """The runs whose validation and test errors are all finite and above 0."""
    facts = facts_of(curves)
    kept = facts.measurable() & facts.measurable("test")
    lowest = np.minimum(facts.lowest("val").value, facts.lowest("test").value)
    return curves.select(kept & (lowest > 0))


def judged(
    where: str,
    curves: CurveSet,
    clusters: pd.Index,
    groups: ArrayLike,
    error: str,
    known: Mapping[str, FloatArray] = MappingProxyType({}),
) -> list[Row]:
    """Rows of one corpus: costs of rules and policies, and what they differ by."""
    seen = decisions(curves, RATE, error=error)
    sizes = pd.Series(clusters).map(pd.Series(clusters).value_counts()).to_numpy()
    fold = folds_of(groups, FOLDS, 0)
    rules = costs_of(RULES, curves, clusters, fold, error)
    costs = {"hindsight": seen.hindsight, "blind": rules.pop(BLIND), **rules}
    means = {name: cluster_means(pd.DataFrame(each), clusters)[0] for name, each in rules.items()}
    best = min(means, key=lambda name: means[name].mean())
    stops = policies(curves, seen, groups, 1 / sizes, folds=FOLDS)
    fits = {**known, **{name: seen.costs(each) for name, each in stops.items()}}
    rows = [row(where, name, each, clusters, log=True) for name, each in (costs | fits).items()]
    for name, each in (fits | {"hindsight": seen.hindsight}).items():
        what = f"{name} against best rule"
        rows.append(row(where, what, each - rules[best], clusters, log=True))
    return [*rows, row(where, f"best rule: {best}", rules[best], clusters, log=True)]


def costs_of(
    asked: Sequence[Family | Criterion],
    curves: CurveSet,
    clusters: pd.Index,
    fold: np.ndarray,
    error: str,
) -> dict[str, FloatArray]:
    """Cost of each run under each rule, whose threshold is chosen on the other folds."""
    facts = facts_of(curves)
    end = np.log(curves.at(error, facts.lowest("val").row[:, None].astype(np.int32), "error"))
    found = {}
    for name, members in sweeps(asked, curves, MEMBERS).items():
        stops = replay(curves, members, restore="lowest")
        share = stops.stop / facts.last[:, None]
        cost = np.log(stops.error(error)) - end + RATE * np.log(share)
        mine = np.empty(len(curves))
        for each in range(FOLDS):
            out = fold == each
            means = cluster_means(pd.DataFrame(cost[~out]), clusters[~out]).mean()
            mine[out] = cost[out, int(means.to_numpy().argmin())]
        found[name] = mine
    return found


def best_rule(t: pd.DataFrame, where: str) -> str:
    """The name of the rule with the least mean cost."""
    (what,) = t[(t["where"] == where) & t["what"].str.startswith("best rule: ")]["what"]
    return str(what.removeprefix("best rule: "))


def share(t: pd.DataFrame, where: str, what: str) -> float:
    """What a policy takes of the gap between the best rule and hindsight, in logarithms."""
    gained = np.log1p(at(t, where, f"{what} against best rule")["value"])
    return float(gained / np.log1p(at(t, where, "hindsight against best rule")["value"]))


def attained(t: pd.DataFrame, where: str) -> float:
    """The least cost that anything causal was shown to attain, or the optimal policy."""
    part = t[(t["where"] == where)].set_index("what")["value"]
    bound = [name for name in ("fitted", "fitted, same problem", "optimal") if name in part]
    return float(np.log1p(part[[*bound, f"best rule: {best_rule(t, where)}"]]).min())


def of_attainable(t: pd.DataFrame, where: str, rule: str) -> float:
    """The share of the attainable: what a rule gains over blind stopping, of what can be gained."""
    blind = np.log1p(at(t, where, "blind")["value"])
    return float((blind - np.log1p(at(t, where, rule)["value"])) / (blind - attained(t, where)))


def answer(t: pd.DataFrame) -> str:
    same = "fitted, same problem"
    taken = [
        f"{name} {told(t, name, f'{same} against best rule', 'change')} "
        f"({share(t, name, same):.0%} of the gap, best rule {best_rule(t, name)})"
        for name in (*TESTED, "taskset")
    ]
    other = [
        f"{name} {told(t, name, 'fitted against best rule', 'change')}"
        for name in (*TESTED, "taskset")
    ]
    laws = [
        f"{name}: optimal {value(t, name, 'optimal', 'change')}, fitted "
        f"{value(t, name, 'fitted', 'change')}, best rule {best_rule(t, name)} "
        f"{value(t, name, best_rule(t, name), 'change')}, hindsight "
        f"{value(t, name, 'hindsight', 'change')}"
        for name in LAWS
    ]
    near = [f"{of_attainable(t, name, 'fitted'):.0%}" for name in LAWS]
    simulated = [
        f"{name} {share(t, name, 'fitted'):.0%}" for name in ("gradient_flow", "parametric")
    ]
    patience = [f"{name} {of_attainable(t, name, 'Keras'):.0%}" for name in (*TESTED, "taskset")]
    return (
        "A policy fitted on other runs of the same problem costs, against the best rule (in error, "
        f"1% of which is worth {WORTH}% of time), {'; '.join(taken)}. One fitted on other data "
        f"sets: {'; '.join(other)}. Of the gap between the best rule and hindsight, fitted "
        f"policies take {' and '.join(simulated)} on the simulators. Where the law is known, costs "
        f"against training to the end are {'; '.join(laws)}. Of what the optimum gains there over "
        f"stopping all runs at the same epoch, fitted policies take {', '.join(near)}. The share "
        "of the attainable that patience takes, from stopping all runs at the same epoch to the "
        f"best causal policy found, is {', '.join(patience)}."
    )


def draw(t: pd.DataFrame) -> Figure:
    names = [*LAWS, "gradient_flow", "parametric", *TESTED, "taskset"]
    shown = t[t["where"].isin(names)].copy()
    chosen = shown["what"].str.startswith("best rule: ")
    shown.loc[chosen, "what"] = "best rule"
    same = shown["what"] == "fitted, same problem"
    kept = shown[~same]
    panels = {
        "best rule": ("cost of the best rule against the end", "change"),
        "fitted": ("policy fitted on other runs or data sets", "change"),
        "same": ("policy of the same problem, or optimal policy", "change"),
        "hindsight": ("hindsight", "change"),
    }
    bound = shown[same | (shown["what"] == "optimal")].assign(what="same")
    return draw_estimates(pd.concat([kept, bound]), panels)
