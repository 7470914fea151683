"""Regret against numbers worked out by hand, a plain loop, and laws of profiles."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from strategies import curves, random_runs

from earlystop_lab import GL, CurveSet, Keras, MaxEpochs, read_curves, replay
from earlystop_lab.curves.facts import facts_of
from earlystop_lab.measures.hindsight import regret, regrets, worst_share
from earlystop_lab.measures.profiles import regret_profile, time_profile

NAN, INF = math.nan, math.inf

# -- by hand -------------------------------------------------------------------------------

#                             stops at 2     at 3, the best error is at
HAND = CurveSet.from_runs(
    [
        {"run": "a", "val": [4, 3, 2, 2, 5], "test": [4, 6, 3, 2, 8], "problem": "p"},
        {"run": "b", "val": [1, 2, 4, 4, 0.5], "test": [2, 9, 9, 9, 1], "problem": "p"},
        {"run": "c", "val": [8, 4, 5], "test": [8, 6, 3], "epoch": [10, 20, 40], "problem": "q"},
    ]
)


def test_what_hindsight_knows_by_hand():
    known = facts_of(HAND)
    val, test = known.lowest("val"), known.lowest("test")
    assert known.last.tolist() == [5, 5, 40]
    assert val.value.tolist() == [2, 0.5, 4]
    assert val.epoch.tolist() == [3, 5, 20]
    assert test.value.tolist() == [2, 1, 3]
    assert test.epoch.tolist() == [4, 5, 40]


def test_regrets_by_hand():
    # MaxEpochs(2): a keeps 2 (error 3, test 6), b keeps 1 (1, 2), c stops at 10 and keeps it
    # MaxEpochs(4): a keeps 3 (2, 3), b keeps 1 (1, 2), c as before
    stops = replay(HAND, [MaxEpochs(2), MaxEpochs(4)])
    found = regrets(stops, HAND)
    assert found.val.tolist() == [[0.5, 0], [1, 1], [1, 1]]
    np.testing.assert_allclose(found.test, [[2, 0.5], [1, 1], [5 / 3, 5 / 3]])
    assert found.time.tolist() == [[2 / 5, 4 / 5], [2 / 5, 4 / 5], [1 / 4, 1 / 4]]
    np.testing.assert_allclose(found.early, [[1 / 3, 0], [3 / 5, 1 / 5], [1 / 2, 1 / 2]])


@pytest.mark.parametrize(
    ("error", "lowest", "expected"),
    [
        (1.02, 1, 0.02),
        (0, 0, 0),
        (0.1, 0, INF),
        (-0.9, -1, 0.1),
        (0.5, -1, 1.5),
        (INF, 1, INF),
        (INF, INF, 0),
        (5, -INF, INF),
        (-INF, -INF, 0),
        (NAN, 1, NAN),
        (1, NAN, NAN),
        (1e308, -1e308, 2),
        (1e308, 1e-308, INF),
    ],
)
def test_regret_of_odd_errors(error, lowest, expected):
    if abs(error) == 1e308 and lowest < 0:
        expected = INF  # the difference leaves float64
    assert regret(error, lowest) == pytest.approx(expected, nan_ok=True)


def test_a_run_that_diverged_at_once_has_infinite_regret_and_an_unknown_test_error_none():
    curves = CurveSet.from_runs(
        [
            {"val": [NAN, NAN, 1.0], "test": [1.0, 1.0, 1.0]},
            {"val": [2.0, 1.0, 3.0], "test": [NAN, NAN, 1.0]},
            {"val": [NAN, NAN, NAN]},
        ]
    )
    found = regrets(replay(curves, [MaxEpochs(2)]), curves)
    assert found.val[:2, 0].tolist() == [INF, 0]
    assert np.isnan(found.val[2, 0])
    assert found.test[0, 0] == 0
    assert np.isnan(found.test[1:, 0]).all()


def test_epochs_from_0_are_counted_and_below_0_refused():
    curves = CurveSet.from_runs(
        [{"val": [2.0, 1.0], "epoch": [0, 200]}, {"val": [1], "epoch": [0]}]
    )
    found = regrets(replay(curves, [MaxEpochs(1), "Keras(5)"]), curves)
    assert found.time.tolist() == [[1, 1], [1, 1]]
    stops = replay(curves, ["HuggingFace(0)"])
    assert regrets(stops, curves).time.tolist() == [[0], [1]]
    below = CurveSet.from_runs([{"run": "x", "val": [2.0, 1.0], "epoch": [-5, 200]}])
    with pytest.raises(ValueError, match="run 'x' has negative epochs"):
        regrets(replay(below, [MaxEpochs(1)]), below)


def test_stops_of_other_runs_are_refused():
    with pytest.raises(ValueError, match="different runs"):
        regrets(replay(HAND, [MaxEpochs(2)]), HAND[1:])


@pytest.mark.parametrize(
    ("excess", "worst", "expected"),
    [
        ([1.0] * 100, 0.01, 0.01),
        ([1.0] * 101, 0.01, 2 / 101),
        ([0.0, 0.0], 0.5, NAN),
        ([0.0, INF, 1.0], 0.01, 1.0),
        ([NAN, 1.0], 0.5, NAN),
    ],
)
def test_the_share_of_the_worst(excess, worst, expected):
    found = worst_share(np.array(excess)[:, None], worst)
    np.testing.assert_allclose(found, [expected])


def test_what_was_not_measured_at_the_end_is_no_divergence():
    runs = [
        # kept: row 4, whose error is that of row 3; row 1, before the first check
        {"run": "a", "val": [None, 1.0, 2.0, None], "lr": [1.0, 1.0, 1.0, 0.1]},
        # measured, and not a number
        {"run": "b", "val": [2.0, None, NAN, None], "lr": [1.0, 1.0, 1.0, 0.1]},
        {"run": "c", "val": [None, None, None, None], "lr": [1.0, 1.0, 1.0, 0.1]},
    ]
    curves = CurveSet.from_runs(runs)
    lost = regrets(replay(curves, [MaxEpochs(1), MaxEpochs(4)], restore="last"), curves)
    np.testing.assert_array_equal(lost.val, [[0, 1], [0, INF], [NAN, NAN]])


# -- a plain loop --------------------------------------------------------------------------


@given(curves())
def test_regrets_are_those_of_a_plain_loop(pair):
    val, test = pair
    curves = CurveSet.from_runs([{"val": val, "test": test}])
    stops = replay(curves, [GL(5, k=1), Keras(2), MaxEpochs(3)])
    found = regrets(stops, curves)
    for j in range(3):
        for name, errors in (("val", val), ("test", test)):
            known = [e for e in errors if not math.isnan(e)]
            error = errors[int(stops.selected[0, j]) - 1]
            if not known or (math.isnan(error) and name == "test"):
                expected = NAN
            elif math.isnan(error):
                expected = INF
            elif error == min(known):
                expected = 0
            else:
                expected = error / min(known) - 1 if min(known) else INF
            assert getattr(found, name)[0, j] == pytest.approx(expected, nan_ok=True)
        assert found.time[0, j] == stops.stop[0, j] / len(val)
    assert not (found.val < 0).any()
    assert not (found.test < 0).any()


def test_on_recorded_curves_the_end_of_the_record_has_no_regret(recorded):
    curves = read_curves(recorded / "modern-nets")
    stops = replay(curves, [MaxEpochs(10**6), "Keras(5)"])
    found = regrets(stops, curves)
    assert (found.val[:, 0] == 0).all()
    assert (found.time[:, 0] == 1).all()
    assert (found.early[:, 0] == 0).all()
    assert (found.val >= 0).all()


# -- profiles ------------------------------------------------------------------------------


def test_profiles_by_hand():
    values = np.array([[0.0, 0.02], [0.05, NAN], [0.2, 0.0], [INF, 0.01]])
    found = regret_profile(values, ["a", "b"], [0, 0.02, 0.1, 1])
    assert found["a"].tolist() == [0.25, 0.25, 0.5, 0.75]
    assert found["b"].tolist() == [0.25, 0.75, 0.75, 0.75]
    time = np.array([[0.1, 0.1], [0.2, 0.2], [0.3, 0.3], [0.4, 0.4]])
    found = time_profile(values, time, ["a", "b"], [0.05, 0.1, 0.3, 1], within=0.1)
    assert found.index.name == "time"
    assert found["a"].tolist() == [0, 0.25, 0.5, 0.5]
    assert found["b"].tolist() == [0, 0.25, 0.5, 0.75]


@given(st.integers(0, 2**32 - 1))
def test_profiles_do_not_change_when_a_rule_joins_the_pool(seed):
    curves = CurveSet.from_runs(random_runs(seed, 8))
    few, more = ["GL(5, k=1)", "Keras(3)"], ["UP(1, k=1)", "GL(5, k=1)", "MaxEpochs(9)", "Keras(3)"]
    grids = np.linspace(0, 1, 11)
    tables = []
    for criteria in (few, more):
        found = regrets(replay(curves, criteria), curves)
        tables.append(
            pd.concat(
                [
                    regret_profile(found.val, criteria, grids),
                    time_profile(found.val, found.time, criteria, grids),
                ]
            )
        )
        assert (np.diff(tables[-1].iloc[:11], axis=0) >= 0).all()
    pd.testing.assert_frame_equal(tables[0], tables[1][few])


def test_between_two_checks_the_error_is_that_of_the_check_before():
    val, test = [None, 4.0, None, 2.0, math.nan, None], [None, 8.0, None, None, 2.0, None]
    curves = CurveSet.from_runs([{"val": val, "test": test}])
    rules = [MaxEpochs(n) for n in range(1, 7)]
    seen = regrets(replay(curves, rules, restore="last"), curves)
    # of the first check where there is none before; what was measured as NaN has diverged
    np.testing.assert_array_equal(seen.val[0], [1, 1, 1, 0, math.inf, math.inf])
    np.testing.assert_array_equal(seen.test[0], [3, 3, 3, 3, 0, 0])
    np.testing.assert_array_equal(seen.time[0], np.arange(1, 7) / 6)
