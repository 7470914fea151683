"""Risk control against formulas written out, exact enumeration, and its own theorem."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, strategies as st

from earlystop_lab.inference.risk import (
    betting,
    conformal_risk,
    fastest_kept,
    fewest_betting,
    fewest_conformal,
    hoeffding_bentkus,
    mean_of_new,
    worst_so_far,
)

# -- choosing ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.1, 0.3, 0.2, 0.1], 2),
        ([0.1, 0.1, 0.1], 0),
        ([0.1, 0.3], None),
        ([0.0, math.nan, 0.1], 2),
        ([0.2 + 1e-16], 0),
        ([0.21], None),
    ],
)
def test_the_fastest_that_is_kept_with_all_slower_ones(values, expected):
    assert fastest_kept(np.array(values), 0.2) == expected


# -- conformal risk control ----------------------------------------------------------------


def test_conformal_risk_by_hand():
    losses = np.array([[0.3, 0.1, 0.0], [0.5, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert conformal_risk(losses, 0.5) == pytest.approx([1.3 / 4, 0.6 / 4, 0.5 / 4])


falling = st.lists(
    st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.4, 1.0]), min_size=5, max_size=5).map(
        lambda row: [*sorted(row, reverse=True)[:-1], 0.0]
    ),
    min_size=2,
    max_size=9,
)


@given(falling, st.sampled_from([0.1, 0.125, 0.2, 0.3, 0.5]))
def test_what_is_promised_holds_over_the_runs_left_out_in_turn(rows, limit):
    # the theorem, exact for any losses that fall: what was left out is as good as any other
    losses = np.array(rows)
    lost = []
    for i in range(len(losses)):
        at = fastest_kept(conformal_risk(np.delete(losses, i, axis=0), 1.0), limit)
        lost.append(0.0 if at is None else losses[i, at])
    assert np.mean(lost) <= limit + 1e-12


@pytest.mark.parametrize(("limit", "bound"), [(0.02, 0.2), (0.02, 1), (0.03, 0.2), (0.1, 0.15)])
def test_the_fewest_units_are_just_enough(limit, bound):
    n = fewest_conformal(limit, bound)
    assert fastest_kept(conformal_risk(np.zeros((n, 1)), bound), limit) == 0
    if n > 1:
        assert fastest_kept(conformal_risk(np.zeros((n - 1, 1)), bound), limit) is None


# -- learn then test -----------------------------------------------------------------------


def written_out(x, a):
    """Hoeffding-Bentkus of losses in 0..1, term by term."""
    n, mean = len(x), min(sum(x) / len(x), a)
    kl = sum(p * math.log(p / q) for p, q in ((mean, a), (1 - mean, 1 - a)) if p > 0)
    below = sum(math.comb(n, k) * a**k * (1 - a) ** (n - k) for k in range(math.ceil(sum(x)) + 1))
    return min(1.0, math.exp(-n * kl), math.e * below)


def bettor(x, a, level):
    """One over the most that a bettor had, bet by bet."""
    capital, most = 1.0, 1.0
    for i, loss in enumerate(x):
        means = [(0.5 + sum(x[: j + 1])) / (j + 2) for j in range(i)]
        squares = sum((x[j] - means[j]) ** 2 for j in range(i))
        variance = (0.25 + squares) / (i + 1)
        stake = min(1.0, math.sqrt(2 * math.log(1 / level) / (len(x) * variance)))
        capital *= 1 - stake * (loss - a)
        most = max(most, capital)
    return 1 / most


losses = st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=25)


@given(losses, st.sampled_from([0.02, 0.1, 0.5]), st.sampled_from([0.05, 0.2]))
def test_p_values_are_those_of_the_formulas_written_out(x, a, level):
    column = 3 * np.array(x)[:, None]
    assert hoeffding_bentkus(column, 3 * a, 3.0)[0] == pytest.approx(written_out(x, a), rel=1e-9)
    assert betting(column, 3 * a, 3.0, level)[0] == pytest.approx(bettor(x, a, level), rel=1e-9)


@pytest.mark.parametrize("a", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("level", [0.05, 0.1, 0.3])
def test_a_mean_just_at_the_limit_is_seldom_taken_for_lower(a, level):
    # every sequence of 12 losses of 0 and 1 with its exact probability
    every = np.array(list(product([0.0, 1.0], repeat=12)))
    chance = np.prod(np.where(every == 1, a, 1 - a), axis=1)
    found = np.concatenate([betting(x[:, None], a, 1.0, level) for x in every])
    assert chance[found <= level].sum() <= level
    # a level that the stakes were not made for
    assert chance[found <= 2 * level].sum() <= 2 * level
    found = hoeffding_bentkus(every.T, a, 1.0)
    for alpha in np.unique(found):
        assert chance[found <= alpha].sum() <= alpha + 1e-12


def test_columns_are_tested_each_by_itself():
    drawn = np.random.default_rng(0).random((30, 4)) ** 6
    for test in (hoeffding_bentkus, lambda *given: betting(*given, 0.1)):
        whole = test(drawn, 0.4, 1.0)
        assert whole == pytest.approx([test(drawn[:, [j]], 0.4, 1.0)[0] for j in range(4)])


def test_many_small_losses_are_surer_than_few():
    assert betting(np.full((500, 1), 0.01), 0.02, 1.0, 0.1)[0] < 0.1
    assert betting(np.full((500, 1), 0.019), 0.02, 1.0, 0.1)[0] > 0.1
    assert betting(np.full((500, 1), 0.03), 0.02, 1.0, 0.1)[0] == 1


@pytest.mark.parametrize(("limit", "bound"), [(0.02, 1.0), (0.02, 0.2), (0.3, 1.0)])
def test_the_fewest_units_for_a_test_are_just_enough(limit, bound):
    n = fewest_betting(limit, bound, 0.1)
    assert betting(np.zeros((n, 1)), limit, bound, 0.1)[0] <= 0.1
    assert betting(np.zeros((n - 1, 1)), limit, bound, 0.1)[0] > 0.1
    assert n >= math.log(0.1) / math.log(1 - limit / bound)


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan, math.inf])
def test_losses_out_of_bounds_are_refused(bad):
    table = np.zeros((3, 2))
    table[1, 0] = bad
    for test in (
        lambda: conformal_risk(table, 1.0),
        lambda: hoeffding_bentkus(table, 0.1, 1.0),
        lambda: betting(table, 0.1, 1.0, 0.1),
    ):
        with pytest.raises(ValueError, match=f"loss {bad} of unit 1, threshold 0; expected"):
            test()


# -- the mean of as many new ones ----------------------------------------------------------


def test_limits_of_a_new_mean_hold_as_often_as_they_say():
    # normal samples: the mean of as many new ones is within in 95% of the pairs
    rng = np.random.default_rng(0)
    for n in (4, 6, 12):
        old, new = rng.normal(size=(2, n, 40_000))
        low, high = mean_of_new(old)
        within = (low <= new.mean(axis=0)) & (new.mean(axis=0) <= high)
        assert within.mean() == pytest.approx(0.95, abs=0.005)


def test_a_further_cluster_counts_and_limits_do_not_rise_with_the_threshold():
    values = np.array([[0.3, 0.1, 0.2, 0.0], [0.2, 0.1, 0.0, 0.0], [0.4, 0.1, 0.1, 0.0]])
    assert worst_so_far(values).tolist() == [0.4, 0.2, 0.2, 0.0]
    low, high = mean_of_new(values, worst_so_far(values))
    rows = np.vstack([values, [0.4, 0.2, 0.2, 0.0]])
    half = 4.302653 * rows.std(axis=0, ddof=1) / math.sqrt(2)
    single = rows.mean(axis=0) + half
    assert high == pytest.approx([max(single[j:]) for j in range(4)])
    assert high[1] > single[1]
    assert low == pytest.approx(mean_of_new(values)[0])
