"""Comparisons by swaps against loops, and their size where both rules are alike."""

import itertools

import numpy as np
import pandas as pd
import pytest

from earlystop_lab.inference.interpolation import interpolated
from earlystop_lab.inference.swaps import (
    GAP,
    Pair,
    Sweep,
    _at_equal_time,
    _chosen_elsewhere,
    aligned,
    compared,
    pooled,
)

PROBLEMS = pd.Index([f"p{i}" for i in range(7)], name="problem")


def random_sweep(rng, n=7, thresholds=9):
    """Times that grow, losses that fall, a row a cluster."""
    time = np.sort(rng.uniform(-1, 0, (n, thresholds)), axis=1)
    loss = np.sort(rng.exponential(0.1, (n, thresholds)), axis=1)[:, ::-1]
    return Sweep(pd.DataFrame(time), pd.DataFrame(loss))


def equal_time_by_loop(pair, keep):
    """Mean difference a cluster over the aligned times, of the rules after a swap."""
    n = len(keep)
    groups = [
        [
            (pair.time[side if kept else 1 - side][i], pair.loss[side if kept else 1 - side][i])
            for i, kept in enumerate(keep)
        ]
        for side in (0, 1)
    ]
    found = np.zeros(n)
    for moment in pair.at:
        values = []
        for group in groups:
            mean = np.mean([time for time, _ in group], axis=0)
            values.append([np.interp(moment, mean, loss) for _, loss in group])
        found += (np.array(values[0]) - values[1]) / len(pair.at)
    return found


def studentized(d):
    return abs(d.mean()) / (d.std(ddof=1) / np.sqrt(len(d)))


def test_p_at_equal_time_is_that_of_a_loop_over_all_swaps():
    rng = np.random.default_rng(3)
    # no time is taken twice, so that interpolation has one answer
    pair = aligned(random_sweep(rng), random_sweep(rng), np.linspace(-0.7, -0.3, 5))
    assert len(pair.at) == 5
    seen = studentized(equal_time_by_loop(pair, [True] * 7))
    every = [
        studentized(equal_time_by_loop(pair, keep))
        for keep in itertools.product([True, False], repeat=7)
    ]
    expected = np.mean(np.array(every) >= seen * (1 - 1e-9))
    row = compared({"k": pair}, PROBLEMS, rate=0.02).iloc[0]
    assert row["p"] == pytest.approx(expected)
    by_cluster = equal_time_by_loop(pair, [True] * 7)
    assert row["difference"] == pytest.approx(by_cluster.mean())
    assert (row["better"], row["worse"]) == ((by_cluster < 0).sum(), (by_cluster > 0).sum())


def test_p_of_chosen_thresholds_is_that_of_a_loop_over_all_swaps():
    rng = np.random.default_rng(5)
    pair = aligned(random_sweep(rng), random_sweep(rng), np.linspace(-0.7, -0.3, 5))
    costs = [pair.loss[k] + 0.1 * pair.time[k] for k in (0, 1)]

    def chosen(keep):
        groups = [
            np.array([costs[side if kept else 1 - side][i] for i, kept in enumerate(keep)])
            for side in (0, 1)
        ]
        found = []
        for i in range(7):
            one, other = (
                group[i, np.delete(group, i, axis=0).mean(axis=0).argmin()] for group in groups
            )
            found.append(one - other)
        return np.array(found)

    seen = studentized(chosen([True] * 7))
    every = [studentized(chosen(keep)) for keep in itertools.product([True, False], repeat=7)]
    row = compared({"k": pair}, PROBLEMS, rate=0.1).iloc[0]
    assert row["chosen_difference"] == pytest.approx(chosen([True] * 7).mean())
    assert row["chosen_p"] == pytest.approx(np.mean(np.array(every) >= seen * (1 - 1e-9)))


def test_the_same_sweep_is_the_same():
    sweep = random_sweep(np.random.default_rng(0))
    pair = aligned(sweep, sweep, np.linspace(-0.7, -0.3, 5), default=-0.5)
    row = compared({"k": pair}, PROBLEMS, rate=0.02).iloc[0]
    for prefix in ("", "default_", "chosen_"):
        assert row[f"{prefix}difference"] == 0
        assert row[f"{prefix}p"] == row[f"{prefix}p_max_t"] == 1
        assert row[f"{prefix}tied"] == 7


def test_times_in_a_wide_gap_are_not_compared():
    time = pd.DataFrame([[-2.0, -1.0, -1.0 + GAP / 2, 0.0]] * 2)
    sweep = Sweep(time, -time)
    pair = aligned(sweep, sweep, [-2.5, -2.0, -1.5, -1 + GAP / 4, -0.5], default=-0.2)
    assert pair.at.tolist() == [-2.0, -1 + GAP / 4]
    assert pair.default is None
    assert aligned(sweep, sweep, [-1.5]) is None


def test_times_that_say_nothing_are_left_out():
    time = pd.DataFrame([[-0.2, -0.1, 0.0]] * 2)
    sweep = Sweep(time, -time)
    pair = aligned(sweep, sweep, [-0.2, -0.1, 0.0], default=0.0, without=[-0.2 + 1e-12, 0.0])
    assert pair.at.tolist() == [-0.1]
    assert pair.default is None
    assert aligned(sweep, sweep, [0.0], without=[0.0]) is None


def test_rules_that_are_exchangeable_are_told_apart_in_at_most_5_percent():
    rng = np.random.default_rng(11)
    lowest = []
    for _ in range(300):
        shared = rng.normal(0, 0.1, (8, 1))
        pairs = {}
        for k in range(3):
            # the same law for both sides, and the clusters have times of their own
            time, loss = rng.normal(0, 0.3, (2, 8, 6)), rng.exponential(0.05, (2, 8, 6)) + shared**2
            grid = np.linspace(-1, 0, 6)
            time = grid + time - time.mean(axis=1, keepdims=True)
            pairs[f"r{k}"] = Pair(tuple(time), tuple(loss), grid)
        table = compared(pairs, pd.RangeIndex(8), rate=0.02)
        lowest.append(table[["p_max_t", "chosen_p_max_t"]].min().min())
    error = np.sqrt(0.05 * 0.95 / 300)
    assert np.mean(np.array(lowest) <= 0.05) <= 0.05 + 3 * error


def test_pooled_is_the_same_test_of_one_study_and_of_two_halves():
    rng = np.random.default_rng(7)
    pairs = {
        name: aligned(random_sweep(rng), random_sweep(rng), np.linspace(-0.7, -0.3, 5))
        for name in ("a", "b")
    }
    alone = compared(pairs, PROBLEMS, rate=0.02)
    table = pooled([(pairs, PROBLEMS)])
    for column in ("rule", "difference", "better", "tied", "worse", "p"):
        assert table[column].tolist() == alone[column].tolist()
    assert (table["p_max_t"] >= table["p"]).all()
    # the second study has one of the rules, and one problem of the first
    more = pooled(
        [
            (pairs, PROBLEMS),
            ({"a": pairs["a"]}, PROBLEMS.map(lambda p: p.replace("p", "q") if p != "p6" else p)),
        ]
    )
    assert more["clusters"].tolist() == [13, 7]
    assert more["better"].tolist()[1] == alone["better"].tolist()[1]


def test_pooled_rules_that_are_exchangeable_are_told_apart_in_at_most_5_percent():
    rng = np.random.default_rng(13)
    # five problems are in both studies, and alike there
    units = [pd.Index(range(8)), pd.Index(range(3, 11))]
    lowest = []
    for _ in range(200):
        own, grid = rng.exponential(0.05, (3, 2, 11, 6)), np.linspace(-1, 0, 6)
        studies = []
        for names in units:
            pairs = {}
            for k in range(3):
                time = rng.normal(0, 0.3, (2, 8, 6))
                time = grid + time - time.mean(axis=1, keepdims=True)
                pairs[f"r{k}"] = Pair(tuple(time), tuple(own[k][:, names]), grid)
            studies.append((pairs, names))
        lowest.append(pooled(studies)["p_max_t"].min())
    error = np.sqrt(0.05 * 0.95 / 200)
    assert np.mean(np.array(lowest) <= 0.05) <= 0.05 + 3 * error


def test_a_rule_that_is_better_everywhere_is_found_and_holm_stands_beside():
    rng = np.random.default_rng(2)
    worse = random_sweep(rng, n=12)
    better = Sweep(worse.time, worse.loss * rng.uniform(0.5, 0.8, (12, 1)))
    at = np.linspace(-0.7, -0.3, 5)
    pairs = {"worse": aligned(better, worse, at), "same": aligned(better, better, at)}
    table = compared(pairs, pd.RangeIndex(12, name="problem"), rate=0.02).set_index("rule")
    assert table.at["worse", "p_max_t"] <= 0.01
    assert table.at["worse", "better"] == 12
    assert (table["p_max_t"] >= table["p"]).all()
    assert (table["p_holm"] >= table["p"]).all()
    assert table.at["worse", "smallest"] == 2 / 2**12


@pytest.mark.parametrize("infinite", [False, True])
def test_differences_in_every_swap_are_those_of_interpolated_mixtures(infinite):
    rng = np.random.default_rng(13)
    # times in any order, some of them equal
    time = np.linspace(-1, 0, 10) + rng.normal(0, 0.3, (2, 5, 10)).round(1)
    loss = rng.exponential(0.1, (2, 5, 10))
    if infinite:
        time[0, 3, 2], loss[0, 1, 4], loss[1, 2, 5] = -np.inf, np.inf, np.inf
    pair = Pair(tuple(time), tuple(loss), np.linspace(-1.2, 0.2, 9), 4)
    signs = np.array(list(itertools.product([1.0, -1.0], repeat=5)))
    average, by_default = _at_equal_time(pair, signs)
    chosen = None if infinite else _chosen_elsewhere(*loss, signs)
    for k, keep in enumerate(signs > 0):
        difference, costs = np.zeros((5, 9)), np.zeros(5)
        for side, kept in ((1, keep), (-1, ~keep)):
            mixed = np.where(kept[:, None], *loss)
            mean = np.where(kept[:, None], *time).mean(axis=0)
            with np.errstate(invalid="ignore"):
                difference += (
                    side * interpolated(mean[None], mixed[:, None], pair.at, extended=True)[:, 0]
                )
            for i in range(5):
                elsewhere = np.delete(mixed, i, axis=0).sum(axis=0)
                costs[i] += side * mixed[i, elsewhere.argmin()]
        with np.errstate(invalid="ignore"):
            assert np.array_equal(average[k], difference.mean(axis=1), equal_nan=True)
        assert np.array_equal(by_default[k], difference[:, 4], equal_nan=True)
        if chosen is not None:
            assert chosen[k] == pytest.approx(costs, abs=1e-12)
