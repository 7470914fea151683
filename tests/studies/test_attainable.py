"""The attainable bound: against all histories, on runs of the law, and out of sample."""

import math
from pathlib import Path

import numpy as np
import pytest

from earlystop_lab import CurveSet, read_curves
from earlystop_lab.measures.fronts import exchange_rate
from earlystop_lab.studies.attainable import (
    Attained,
    Bounds,
    Law,
    attained as attained_by,
    bounds,
    decisions,
    exact,
    fitted,
    folds_of,
    stops_of,
)
from experiments.attainable import LAWS, attained, best_rule, drawn_from
from experiments.short_studies import TESTED
from experiments.studies import at, study

RATE = exchange_rate(50)
SMALL = Law(0.3, (0.25, 0.9), (-1, 0, 1), ((0.6, 0.3, 0.1), (0.1, 0.3, 0.6)), 0.02, 5)


def over_histories(law, rate, belief, height, t):
    """The least expected cost to go, by recursion over every history: no grid, no interpolation."""
    stop = rate * math.log(t / law.checks)
    if t == law.checks:
        return stop
    going = 0.0
    before = (1 - belief) * law.moves[0] + belief * law.moves[1]
    for step, low, high in zip(law.steps, *law.odds, strict=True):
        chance = (1 - before) * low + before * high
        after = before * high / chance
        gain = law.unit * min(height + step, 0)
        then = over_histories(law, rate, after, max(height + step, 0), t + 1)
        going += chance * (gain + then)
    return min(stop, going)


def test_the_exact_bound_is_that_of_all_histories():
    for rate in (0.01, 0.05):
        by_hand = over_histories(SMALL, rate, SMALL.start, 0, 1)
        found = exact(SMALL, rate).cost
        # interpolated between beliefs, it may be a little lower, never higher
        assert by_hand - 2e-5 <= found <= by_hand + 1e-12


def test_the_optimal_policy_attains_the_bound_and_no_fixed_time_does():
    law = LAWS["falls, then rises"]._replace(checks=40)
    found = exact(law, RATE)
    steps = drawn_from(law, 4000, seed=5)
    logs = law.unit * np.insert(steps.cumsum(axis=1), 0, 0, axis=1)
    costs = np.minimum.accumulate(logs, axis=1) + RATE * np.log(np.arange(1, 41) / 40)
    stop = stops_of(found, law, steps)
    attained = costs[np.arange(4000), stop - 1]
    assert abs(attained.mean() - found.cost) < 4 * attained.std() / math.sqrt(4000)
    assert (costs.mean(axis=0) > attained.mean()).all()
    assert len(np.unique(stop)) > 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"start": 1.5}, "start = 1.5"),
        ({"moves": (0.5, -0.1)}, "moves"),
        ({"odds": ((0.5, 0.3, 0.1), (0.1, 0.3, 0.6))}, "odds"),
        ({"steps": (1, 0, -1)}, "steps"),
        ({"unit": 0}, "unit = 0"),
        ({"checks": 1}, "checks = 1"),
    ],
)
def test_what_is_no_law_is_refused(wrong, said):
    with pytest.raises(ValueError, match=f"law: {said}"):
        exact(SMALL._replace(**wrong), RATE)
    with pytest.raises(ValueError, match="rate = 0"):
        exact(SMALL, 0)


# -- recorded runs ---------------------------------------------------------------------------


def some_runs(n=300, checks=30, seed=0):
    rng = np.random.default_rng(seed)
    turn = rng.integers(5, 25, n)
    time = np.arange(checks)
    logs = -0.02 * np.minimum(time, turn[:, None]) + 0.02 * np.maximum(time - turn[:, None], 0)
    return CurveSet.from_runs([{"val": np.exp(log), "test": np.exp(log) + 0.1} for log in logs])


def test_costs_and_features_are_those_of_a_loop():
    nets = Path(__file__).parents[2] / "data" / "curves" / "modern-nets" / "digits.parquet"
    curves = read_curves(nets)[:3]
    seen = decisions(curves, RATE)
    for i, curve in enumerate(curves):
        n = len(curve)
        best = [int(curve.val[: t + 1].argmin()) for t in range(n)]
        cost = [
            math.log(curve.test[best[t]] / curve.test[best[-1]]) + RATE * math.log((t + 1) / n)
            for t in range(n)
        ]
        assert seen.hindsight[i] == pytest.approx(min(cost))
        for j in (0, 5, len(seen.checks) - 3):
            t = int(seen.checks[j]) - 1
            assert seen.cost[i, j] == pytest.approx(cost[t])
            low = math.log(curve.val[best[t]])
            assert seen.features[i, j, 0] == pytest.approx(math.log(curve.val[t]) - low, abs=1e-12)
            assert seen.features[i, j, 2] == pytest.approx((t - best[t]) / (t + 1))
        assert seen.cost[i, seen.last[i]] == pytest.approx(0)


def test_features_see_nothing_of_what_comes_later():
    curves = some_runs(4)
    whole = decisions(curves, RATE)
    runs = [curve.as_run() for curve in curves]
    cut = 20
    for run in runs:
        run["val"] = np.append(run["val"][:cut], run["val"][cut:] * 7)
    changed = decisions(CurveSet.from_runs(runs), RATE)
    before = whole.checks <= cut
    assert np.array_equal(whole.features[:, before], changed.features[:, before])
    assert not np.array_equal(whole.features[:, ~before], changed.features[:, ~before])


def test_a_policy_finds_the_turn_and_is_not_fitted_on_the_runs_it_stops():
    seen = decisions(some_runs(), RATE)
    groups, weights = np.arange(300), np.ones(300)
    stops = fitted(seen, groups, weights)
    found = seen.costs(stops)
    blind = np.nanmean(seen.cost, axis=0).min()
    assert seen.hindsight.mean() <= found.mean()
    assert blind - found.mean() > 0.55 * (blind - seen.hindsight.mean())
    # what a run would have cost changes nothing about where it and its fold are stopped
    fold = folds_of(groups, 5, 0) == 2
    dearer = seen._replace(cost=np.where(fold[:, None], seen.cost + 1, seen.cost))
    assert np.array_equal(fitted(dearer, groups, weights)[fold], stops[fold])


def test_runs_that_cannot_be_judged_are_refused():
    with pytest.raises(ValueError, match="expected a positive test error at each check"):
        decisions(CurveSet.from_runs([{"val": [1.0, 0.5]}]), RATE)
    with pytest.raises(ValueError, match="expected positive, finite validation errors"):
        decisions(CurveSet.from_runs([{"val": [1.0, -0.5], "test": [1.0, 1.0]}]), RATE)
    with pytest.raises(ValueError, match="folds = 1"):
        folds_of([1, 2], 1, 0)


def test_bounds_of_a_corpus_are_those_of_loops():
    runs = [
        {**curve.as_run(), "run": str(i), "problem": f"p{i % 6}", "dataset": f"d{i % 6}"}
        for i, curve in enumerate(some_runs(60))
    ]
    curves = CurveSet.from_runs(runs)
    found = bounds(curves, RATE)
    costs = np.empty((60, 30))
    for i, curve in enumerate(curves):
        for t in range(30):
            kept = curve.test[int(curve.val[: t + 1].argmin())]
            costs[i, t] = math.log(kept / curve.test.min()) + RATE * math.log((t + 1) / 30)
    means = np.array([costs[c::6].mean(axis=0) for c in range(6)])
    assert found.hindsight == pytest.approx([costs[c::6].min(axis=1).mean() for c in range(6)])
    for c in range(6):
        blind = np.delete(means, c, axis=0).mean(axis=0).argmin()
        assert found.blind[c] == pytest.approx(means[c, blind])
    assert found.hindsight.mean() < found.fitted.mean() < found.blind.mean()
    with pytest.raises(ValueError, match="bounds: 1 clusters; expected at least 6"):
        bounds(CurveSet.from_runs([{**run, "dataset": "one"} for run in runs]), RATE)


def test_shares_of_the_attainable_by_hand():
    told = Bounds(np.full(3, 0.05), np.full(3, 0.03), np.full(3, 0.01))
    # the second threshold is the best of the first two clusters alone
    rules = {"A": np.array([[0.04, 0.03], [0.04, 0.03], [0.04, 0.5]]), "B": np.full((3, 1), 0.06)}
    found = attained_by(told, rules, RATE)
    # A pays for the first threshold in two clusters, for the second in the third
    assert found == Attained(
        {"A": pytest.approx(-7.1667, abs=1e-3), "B": pytest.approx(-0.5)},
        pytest.approx(1),
        pytest.approx(2),
        pytest.approx(0.02),
        pytest.approx(50),
    )
    # a rule that is better than the policy is the best that was found
    better = attained_by(told, {"A": np.full((3, 1), 0.01)}, RATE)
    assert (better.rules["A"], better.fitted) == (pytest.approx(1), pytest.approx(0.5))
    assert attained_by(told._replace(fitted=np.full(3, 0.05)), {"B": rules["B"]}, RATE) is None


# -- the committed study ---------------------------------------------------------------------


def test_no_rule_beats_the_bound_and_nothing_beats_hindsight():
    t = study("attainable")
    for where, part in t.groupby("where"):
        values = part[~part["what"].str.contains("against|exact")].set_index("what")["value"]
        assert values.min() == values["hindsight"], where
        assert attained(t, where) <= math.log1p(at(t, where, best_rule(t, where))["value"])
    for where in LAWS:
        # by more than the noise of the same runs
        assert at(t, where, "optimal against best rule")["low"] < 0
        exact_bound, optimal = at(t, where, "exact bound"), at(t, where, "optimal")
        assert exact_bound["low"] <= optimal["value"] <= exact_bound["high"]


@pytest.mark.parametrize("where", LAWS)
def test_fitted_policies_come_within_a_fifth_of_the_exact_bound(where):
    t = study("attainable")
    found = {
        what: math.log1p(at(t, where, what)["value"]) for what in ("blind", "fitted", "optimal")
    }
    gap = found["blind"] - found["optimal"]
    assert gap > 0
    assert found["blind"] - found["fitted"] >= 0.8 * gap


def test_no_rule_beats_the_fitted_bound_by_more_than_its_standard_error():
    t = study("attainable")
    same = "fitted, same problem against best rule"
    for where in ("gradient_flow", "parametric", *TESTED, "taskset"):
        value, low, high = np.log1p(at(t, where, same)[["value", "low", "high"]].to_numpy(float))
        # a 95% interval is more than two standard errors to each side
        assert value <= (high - low) / 4, where
