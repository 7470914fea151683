"""Fronts by hand, against plain loops, and on simulated curves."""

import math
import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from matplotlib.colors import to_hex
from strategies import random_runs

from earlystop_lab import GL, CurveSet, Keras, MaxEpochs, replay, simulate
from earlystop_lab.curves.facts import facts_of
from earlystop_lab.engine.thresholds import sweeps
from earlystop_lab.inference import intervals
from earlystop_lab.measures.fronts import (
    SweepMeans,
    at_rate,
    cost,
    equal_time,
    exchange_rate,
    front,
    replay_sweeps,
    undominated,
    within_loss,
    within_time,
    without_each,
)
from earlystop_lab.measures.hindsight import regrets
from earlystop_lab.report.axes import plot_profile
from earlystop_lab.report.style import colour

EXPERIMENT = runpy.run_path(str(Path(__file__).resolve().parents[2] / "experiments" / "front.py"))
equal_time_table, knee = EXPERIMENT["equal_time_table"], EXPERIMENT["knee"]
hypervolume, hypervolumes = EXPERIMENT["hypervolume"], EXPERIMENT["hypervolumes"]


def table(rows, columns):
    return pd.DataFrame(rows, columns=columns).rename_axis("problem")


def made(time, loss, rules=None):
    """Means of criteria c0, c1 ... from one row a problem."""
    columns = [f"c{j}" for j in range(len(time[0]))]
    record = pd.Series([0.0] * len(time))
    return SweepMeans(
        rules or ["r"] * len(columns), table(time, columns), table(loss, columns), record
    )


SIMULATED = CurveSet.from_runs(
    {"run": f"{i}", "val": curve.val, "test": curve.val * 1.1, "problem": f"p{i % 8}"}
    for i, curve in enumerate(simulate("gradient_flow", 48, seed=3))
)

# -- by hand -------------------------------------------------------------------------------


def test_points_weigh_problems_alike():
    curves = CurveSet.from_runs(
        [
            {"val": [4, 2, 1, 3], "problem": "a"},
            {"val": [2, 2, 1, 3], "problem": "a"},
            {"val": [1, 3, 3, 3, 3, 3, 3, 3], "problem": "b"},
        ]
    )
    found = replay_sweeps(curves, {"budget": [MaxEpochs(1), MaxEpochs(2)], "keras": [Keras(1)]})
    assert found.rules == ["budget", "budget", "keras"]
    assert found.criteria == ["MaxEpochs(1)", "MaxEpochs(2)", "Keras(1)"]
    time = [
        [np.log(1 / 4), np.log(2 / 4), np.log(np.sqrt(2 / 4 * 4 / 4))],
        np.log([1, 2, 2]) - np.log(8),
    ]
    np.testing.assert_allclose(found.time, time)
    loss = [[np.log(np.sqrt(4 * 2)), np.log(2), np.log(2) / 2], [0, 0, 0]]
    np.testing.assert_allclose(found.loss, loss, atol=1e-12)
    np.testing.assert_allclose(np.exp(found.record), [4, 8])
    shown = front(found)
    np.testing.assert_allclose(shown["epochs"], np.exp(np.mean(time, axis=0)) * np.sqrt(32))
    np.testing.assert_allclose(shown["regret"], np.exp(np.mean(loss, axis=0)) - 1, atol=1e-12)
    assert shown["low"].isna().all()  # two problems have no band
    # the budget of 2 is faster than Keras(1) and Keras better
    assert shown["on_front"].tolist() == [True, True, True]
    assert found.falling == {"budget", "keras"}
    assert found.of("keras").criteria == ["Keras(1)"]


def test_a_faster_and_better_point_takes_others_off_the_front():
    time, loss = np.array([1, 1, 2, 3, 3.0]), np.array([5, 5, 5, 2, 1.0])
    assert undominated(time, loss).tolist() == [True, True, False, False, True]
    assert undominated(np.array([1.0, 2]), np.array([math.inf, 1])).tolist() == [False, True]
    found = made([[-3, -1], [-3, -1]], [[0.1, 0.2], [0.3, 0.4]], ["a", "b"])
    shown = front(found)
    assert shown["on_front"].tolist() == [True, False]
    assert shown["best_of_rule"].tolist() == [True, True]


def test_regret_at_equal_time_by_hand():
    # mean times are -3 and -1; halfway between them is halfway between the losses
    found = made([[-4, -2], [-2, 0]], [[0.4, 0.2], [0.8, 0.0]])
    by_problem = equal_time(found, np.exp([-3, -2, -1, -0.5]))["r"]
    assert by_problem.index.name == "problem"
    expected = [[0.4, 0.3, 0.2, math.nan], [0.8, 0.4, 0.0, math.nan]]
    np.testing.assert_allclose(by_problem, expected)
    shown = equal_time_table(found, np.exp([-2, -0.5]))
    np.testing.assert_allclose(shown["regret"], [np.expm1(0.35), math.nan])


def test_choices_by_hand():
    time, loss = np.log([0.1, 0.2, 0.2, 0.4]), np.log1p([0.1, 0.02, 0.02, 0.0])
    assert [within_loss(time, loss, x) for x in (0.1, 0.05, 0.01)] == [0, 1, 3]
    assert within_loss(time[:3], loss[:3], 0.001) == -1
    assert [within_time(time, loss, x) for x in (0.1, 0.3, 1)] == [0, 1, 3]
    assert within_time(time, loss, 0.05) == -1
    # log(1.1/1.02) = .0755 for a doubling, .693 of log time: worth it below a rate of .109
    assert [at_rate(time, loss, x) for x in (0.2, 0.1, 0.01)] == [0, 1, 3]
    assert at_rate(time, np.full(4, math.inf), 1) == -1
    # double the time for 1% of error
    assert exchange_rate(100) == pytest.approx(math.log(1.01) / math.log(2))
    same = cost(np.log([0.1, 0.2]), np.log([1.01, 1.0]), exchange_rate(100))
    assert same[0] == pytest.approx(same[1])
    with pytest.raises(ValueError, match=r"exchange rate = -5; expected a percentage of time"):
        exchange_rate(-5)


def test_what_is_chosen_without_each_sees_the_others_alone():
    # on problems 0 and 1 the fast one loses nothing, on problem 2 much
    loss = np.array([[0, 0], [0, 0], [0.3, 0]])
    time = np.array([[-2.0, 0]] * 3)

    def chosen(others):
        return within_loss(time[others].mean(axis=0), loss[others].mean(axis=0), 0.05)

    assert without_each(chosen, 3, None, 0).tolist() == [1, 1, 0]
    assert without_each(lambda others: -1, 2, None, 0).tolist() == [-1, -1]


def test_what_is_chosen_in_folds_takes_each_unit_once_and_repeats():
    seen = []

    def chosen(others):
        seen.append(others)
        return len(seen)

    out = [without_each(chosen, 50, 5, seed) for seed in (1, 1, 2)]
    assert len(seen) == 15
    assert (np.sum([~others for others in seen[:5]], axis=0) == 1).all()
    for i, fold in enumerate(out[0] - 1):
        assert not seen[fold][i]
    assert (out[1] - out[0] == 5).all()
    assert (out[2] - out[0] != 10).any()


def test_hypervolume_by_hand():
    time, loss = np.log([0.1, 0.5, 0.8]), np.log1p([0.05, 0.0, 0.02])
    # nothing below 5% until half of the record, then all of it
    assert hypervolume(time, loss) == pytest.approx(math.log(2))
    assert hypervolume(time, loss, log_time=False) == pytest.approx(0.5)
    height = 1 - math.log(1.05) / math.log(1.1)
    assert hypervolume(time, loss, within=0.1) == pytest.approx(math.log(5) * height + math.log(2))
    assert hypervolume(np.zeros(1), np.zeros(1)) == 0
    assert hypervolume(np.log([0.1]), np.array([math.inf])) == 0


def test_hypervolumes_print_their_reference_and_rank_by_each():
    found = made([[-2, -1, -1.5]] * 2, [[0.04, 0, 0]] * 2, ["a", "a", "b"])
    shown = hypervolumes(found, within=(0.05, 0.01))
    assert shown["reference"].iloc[0] == "end of record, 5% regret, log time"
    assert set(shown["reference"]) == {
        f"end of record, {x}% regret, {scale} time" for x in (1, 5) for scale in ("log", "linear")
    }
    first = shown.iloc[:2].set_index("rule")
    area = 1 - 0.04 / math.log(1.05) + 1
    assert first["hypervolume"].tolist() == pytest.approx([area, 1.5])
    assert first["rank"].tolist() == [2, 1]


def test_the_knee_is_furthest_below_the_line():
    rows = pd.DataFrame({"time": [0.01, 0.1, 1.0, 0.5], "regret": [1.0, 0.1, 0.0, 0.5]})
    rows["best_of_rule"] = [True, True, True, False]
    assert knee(rows).name == 1
    with pytest.raises(ValueError, match="no point of the front is finite"):
        knee(rows[3:])


def test_runs_whose_regret_is_unknown_are_named():
    curves = CurveSet.from_runs([{"run": "x", "val": [1.0, 2.0]}])
    with pytest.raises(ValueError, match=r"1 of 1 runs have an unknown test error.* 'x'"):
        replay_sweeps(curves, {"GL": [GL(1)]}, error="test")
    some = CurveSet.from_runs([{"val": [1.0], "problem": "a"}, {"run": "y", "val": [1.0]}])
    with pytest.raises(ValueError, match="run 'y' has no problem"):
        replay_sweeps(some, {"GL": [GL(1)]})
    with pytest.raises(ValueError, match="no rule 'UP' among the points; expected one of r"):
        made([[0]], [[0]]).of("UP")


# -- laws ----------------------------------------------------------------------------------


@given(st.integers(0, 2**32 - 1))
def test_points_are_those_of_a_plain_loop(seed):
    curves = CurveSet.from_runs(
        {**run, "problem": f"p{i % 3}"} for i, run in enumerate(random_runs(seed, 12))
    )
    curves = curves.select(facts_of(curves).measurable())
    criteria = [GL(5, k=1), Keras(2), MaxEpochs(4)]
    found = replay_sweeps(curves, {"all": criteria})
    stops = replay(curves, criteria)
    problems = curves.meta["problem"].tolist()
    for problem in set(problems):
        mine = [i for i, name in enumerate(problems) if name == problem]
        for j, name in enumerate(stops.criteria):
            time = [math.log(stops.stop[i, j] / len(curves[i].val)) for i in mine]
            loss = [math.log(stops.val[i, j] / curves[i].val.min()) for i in mine]
            assert found.time.loc[problem, name] == pytest.approx(np.mean(time))
            assert found.loss.loc[problem, name] == pytest.approx(np.mean(loss), abs=1e-12)


def test_a_front_has_bands_that_hold_its_means_and_repeat():
    found = replay_sweeps(SIMULATED, sweeps([Keras, MaxEpochs], SIMULATED, 20))
    shown = front(found, seed=1)
    pd.testing.assert_frame_equal(shown, front(found, seed=1))
    assert shown["high"].notna().all()
    assert (shown["low"] <= shown["regret"] + 1e-12).all()
    assert (shown["regret"] <= shown["high"] + 1e-12).all()
    # validation regret can only fall, so the band never rises
    for _, mine in shown.groupby("rule"):
        assert mine["high"].is_monotonic_decreasing
        assert mine["low"].is_monotonic_decreasing
    test = replay_sweeps(SIMULATED, sweeps([Keras], SIMULATED, 20), error="test")
    assert test.falling == frozenset()


def test_a_band_is_at_least_as_wide_as_each_interval_by_itself():
    rng = np.random.default_rng(5)
    means = table(rng.exponential(size=(12, 30)), [f"c{j}" for j in range(30)])
    alone, together = intervals(means), intervals(means, simultaneous=True)
    assert (together["high"] > alone["high"]).all()
    # one contrast is its own band, of which there is no p
    tests = ["p", "p_adjusted"]
    one = intervals(means[["c0"]], simultaneous=True)
    assert one[tests].isna().all(axis=None)
    pd.testing.assert_frame_equal(
        one.drop(columns=tests), intervals(means[["c0"]]).drop(columns=tests)
    )
    # where hardly any problem differs, only that contrast is unbounded
    means["c30"] = [0.0] * 10 + [1.0, 2.0]
    wider = intervals(means, simultaneous=True)
    assert np.isinf(wider.loc["c30", "high"])
    pd.testing.assert_frame_equal(wider.iloc[:30], together)
    with pytest.raises(ValueError, match="a simultaneous band requires 'bootstrap-t'"):
        intervals(means, method="t", simultaneous=True)


@pytest.mark.parametrize("n", [12, 40])
def test_bands_hold_all_means_at_once_about_as_often_as_they_say(n):
    rng = np.random.default_rng(n)
    shape = np.exp(-np.linspace(0, 2, 15))
    held = 0
    for _ in range(200):
        # correlated along the sweep, with an exponential size a problem
        sample = rng.exponential(size=(n, 1)) * shape + 0.1 * shape * rng.normal(size=(n, 15))
        band = intervals(pd.DataFrame(sample), resamples=500, simultaneous=True)
        held += bool(((band["low"] <= shape) & (shape <= band["high"])).all())
    # 95% within simulation error and what skewness costs with 12 clusters
    assert 0.89 <= held / 200 <= 0.995


def test_points_of_a_rule_do_not_change_with_the_pool():
    few = replay_sweeps(SIMULATED, sweeps([Keras], SIMULATED, 10))
    more = replay_sweeps(SIMULATED, sweeps([MaxEpochs, Keras, GL], SIMULATED, 10)).of("Keras")
    pd.testing.assert_frame_equal(few.loss, more.loss)
    pd.testing.assert_frame_equal(few.time, more.time)
    value = regrets(replay(SIMULATED, [Keras(0)]), SIMULATED).val
    assert np.log1p(value).mean() == pytest.approx(few.loss["Keras(0)"].mean())


def test_a_profile_has_a_step_a_criterion():
    index = pd.Index([0.0, 0.01, 0.1], name="within")
    table = pd.DataFrame({"GL(2)": [0.1, 0.2, 0.4], "Keras(5)": [0.0, 0.5, 1.0]}, index=index)
    ax = plot_profile(table)
    line = ax.lines[0]
    assert line.get_xydata().tolist() == [[0.01, 0.2], [0.1, 0.4]]
    assert ax.get_ylim() == (0, 1)
    assert ax.get_xscale() == "log"
    assert to_hex(line.get_color()) == to_hex(colour("GL(2)"))
    assert "regret" in ax.get_xlabel()
    plt.close("all")
    assert "time" in plot_profile(table.rename_axis("time")).get_xlabel()
    plt.close("all")


losses = st.sampled_from([0.0, 0.1, 0.2, 0.5, math.inf])


@given(st.lists(st.tuples(st.sampled_from([-math.inf, -2.0, -1.0, 0.0]), losses), min_size=1))
def test_undominated_are_those_of_a_loop_over_pairs(pairs):
    def beaten(time, loss):
        return any(t <= time and v <= loss and (t < time or v < loss) for t, v in pairs)

    time, loss = np.array(pairs).T
    expected = [math.isfinite(v) and not beaten(t, v) for t, v in pairs]
    assert undominated(time, loss).tolist() == expected
