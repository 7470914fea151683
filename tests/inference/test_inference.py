"""Statistics of tables against published numbers and formulas written out."""

import math
import runpy
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings, strategies as st
from scipy import stats

from earlystop_lab.inference import (
    METHODS,
    cluster_means,
    holm,
    intervals,
    mean_over_clusters,
    ranks,
    sign_flip,
    slopes,
)
from earlystop_lab.inference.bootstrap import resampled_weights

COVERAGE = runpy.run_path(
    str(Path(__file__).resolve().parents[2] / "experiments" / "interval_coverage.py")
)
ratio_of_totals = COVERAGE["ratio_of_totals"]

# -- means over clusters -------------------------------------------------------------------

#: hours of sleep gained with one drug over another; Student, Biometrika 6 (1908), p. 20
SLEEP = pd.Series([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])


def test_student_s_sleep_data():
    result = mean_over_clusters(SLEEP)
    assert result.estimate == pytest.approx(1.58)
    found = intervals(SLEEP).iloc[0]
    assert result == (*found[["estimate", "low", "high", "p"]], 10)


numbers = st.lists(st.floats(-1e3, 1e3), min_size=6, max_size=12)


@given(numbers, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
@settings(max_examples=30)
def test_p_is_below_5_percent_where_the_interval_excludes_0(values, confidence):
    assume(np.ptp(values) > 1e-6 * max(map(abs, values)))
    result = mean_over_clusters(pd.Series(values), confidence)
    excludes = result.low > 0 or result.high < 0
    # the quantile is one of the 10,000 values, p counts them and the observed one
    assert (result.p <= 1 - confidence + 2 / 10_001) >= excludes
    assert (result.p <= 1 - confidence - 2 / 10_001) <= excludes


def test_the_sign_mirrors_the_interval():
    result, mirrored = mean_over_clusters(SLEEP), mean_over_clusters(-SLEEP)
    expected = (-result.estimate, -result.high, -result.low, result.p, 10)
    assert mirrored == pytest.approx(expected)


def test_values_that_are_all_zero_are_no_evidence():
    assert mean_over_clusters(pd.Series([0.0, -0.0] * 3)) == (0, 0, 0, 1, 6)


def test_values_that_are_all_equal_have_no_spread():
    assert mean_over_clusters(pd.Series([0.5] * 6)) == (0.5, 0.5, 0.5, 1 / 10_001, 6)


def test_fewer_than_6_means_have_no_test_and_no_interval():
    for values in (SLEEP[:5], pd.Series([0.5] * 5), pd.Series([0.1, 0.1])):
        result = mean_over_clusters(values)
        assert result.estimate == pytest.approx(values.mean())
        assert result.clusters == len(values)
        assert all(math.isnan(each) for each in (result.low, result.high, result.p))


@pytest.mark.parametrize("values", [[0.3, 0.1 + 0.2, 0.3], [-1.1, -1.1000000000000003, -1.1]])
def test_values_equal_but_for_rounding_make_no_warning(values):
    result = mean_over_clusters(pd.Series(values * 2))
    assert result.estimate == pytest.approx(values[0])
    assert result.high - result.low < 1e-12
    assert result.p == 1 / 10_001


def test_the_index_of_the_series_does_not_matter():
    named = SLEEP.set_axis(list("jihgfedcba"))
    assert mean_over_clusters(named) == mean_over_clusters(SLEEP)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, math.nan], [math.nan, math.nan]])
def test_too_few_or_missing_values_are_refused(values):
    with pytest.raises(ValueError, match="at least 2 clusters") as error:
        mean_over_clusters(pd.Series(values, dtype=float))
    assert str(list(values)) in str(error.value)


# -- slopes --------------------------------------------------------------------------------


def points(times, errors, problem="a"):
    return pd.DataFrame({"problem": problem, "time": times, "error": errors})


@pytest.mark.parametrize("power", [-2, -0.037, 0, 1.5])
def test_a_power_law_has_its_power_as_slope(power):
    times = np.array([3.0, 1.0, 50.0, 7.0])
    found = slopes(points(times, 4.2 * times**power), by="problem", x="time", y="error")
    assert found["a"] == pytest.approx(power, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_slopes_are_those_of_polyfit(seed):
    rng = np.random.default_rng(seed)
    parts = {name: np.exp(rng.normal(size=(2, 3 + i))) for i, name in enumerate("cab")}
    table = pd.concat([points(*part, problem=name) for name, part in parts.items()])
    expected = {name: np.polyfit(*np.log(part), 1)[0] for name, part in parts.items()}
    # rows of the problems mixed: c is first either way
    mixed = pd.concat([table[:1], table[1:].sample(frac=1, random_state=seed)])
    for shown in (table, mixed):
        found = slopes(shown, by="problem", x="time", y="error")
        assert found.name == "slope"
        assert found.to_dict() == pytest.approx(expected)
    assert slopes(table, by="problem", x="time", y="error").index.tolist() == ["c", "a", "b"]


def test_units_do_not_change_a_slope():
    table = points([1.0, 2.0, 5.0], [3.0, 2.5, 1.0])
    scaled = table.assign(time=table["time"] * 60, error=table["error"] / 100)
    names = {"by": "problem", "x": "time", "y": "error"}
    assert slopes(scaled, **names)["a"] == pytest.approx(slopes(table, **names)["a"])


def test_holm_steps_down_from_the_smallest_p():
    # sorted .01 .02 .03 .04; times 4 3 2 1: .04 .06 .06 .04; running maximum: .04 .06 .06 .06
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.999))
def test_holm_rejects_what_the_step_down_procedure_rejects(p, alpha):
    rejected = set()
    for step, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[i] * (len(p) - step) > alpha:
            break
        rejected.add(i)
    assert {i for i, value in enumerate(holm(p)) if value <= alpha} == rejected


# -- means of clusters ---------------------------------------------------------------------


def test_cluster_means_are_those_of_a_plain_loop():
    rng = np.random.default_rng(0)
    names = [str(name) for name in rng.choice(list("cab"), 30)]
    values = pd.DataFrame(rng.normal(size=(30, 2)), columns=["x", "y"])
    before = values.copy()
    found = cluster_means(values, pd.Series(names, name="problem", index=range(100, 130)))
    assert found.index.tolist() == list(dict.fromkeys(names))
    assert found.index.name == "problem"
    for name in set(names):
        mine = [i for i in range(30) if names[i] == name]
        for column in ("x", "y"):
            expected = math.fsum(values[column][i] for i in mine) / len(mine)
            assert found.loc[name, column] == pytest.approx(expected)
    pd.testing.assert_frame_equal(values, before)


def test_cluster_means_of_what_is_no_table_of_runs_are_refused():
    values = pd.DataFrame({"x": [1.0, 2.0]}, index=pd.Index(["a", "b"], name="run"))
    with pytest.raises(ValueError, match="2 runs but 3 clusters"):
        cluster_means(values, pd.Series(["p"] * 3))
    with pytest.raises(ValueError, match="run 'b' has no cluster"):
        cluster_means(values, pd.Series(["p", None]))
    values.loc["b", "x"] = np.inf
    with pytest.raises(ValueError, match="run 'b', 'x': inf; expected a finite number"):
        cluster_means(values, pd.Series(["p", "q"]))
    assert cluster_means(values, pd.Index(["p", "p"]), infinite=True).loc["p", "x"] == np.inf
    with pytest.raises(ValueError, match="0, 0: nan; expected a number"):
        cluster_means(np.array([np.nan]), pd.Index(["p"]), infinite=True)


# -- intervals -----------------------------------------------------------------------------

SIX = np.array([0.3, -1.2, 2.5, 0.9, 4.0, 1.1])
#: every resample of six clusters, each as likely
ALL = np.array(list(product(range(6), repeat=6)))


def test_the_symmetric_bootstrap_t_is_that_of_all_resamples():
    # all 6 ** 6 of them, with the textbook's formula
    mean, error = SIX.mean(), SIX.std(ddof=1) / np.sqrt(6)
    drawn = SIX[ALL]
    with np.errstate(divide="ignore"):
        t = np.abs(drawn.mean(axis=1) - mean) / (drawn.std(axis=1, ddof=1) / np.sqrt(6))
    # the quantile of 200,000 draws lies between these (four standard errors)
    low, high = np.quantile(t, [0.8973, 0.9027], method="higher") * error
    found = intervals(pd.Series(SIX), confidence=0.9, resamples=200_000).iloc[0]
    assert found["estimate"] == pytest.approx(mean)
    assert low * (1 - 1e-9) <= found["high"] - mean <= high * (1 + 1e-9)
    assert high < 1.1 * low
    assert mean - found["low"] == pytest.approx(found["high"] - mean)


def test_the_percentile_interval_is_that_of_all_resamples():
    means = np.sort(SIX[ALL].mean(axis=1))
    low, high = np.quantile(means, [0.05, 0.95])
    found = intervals(pd.Series(SIX), method="percentile", confidence=0.9, resamples=100_000)
    assert found["low"].iloc[0] == pytest.approx(low, abs=0.02)
    assert found["high"].iloc[0] == pytest.approx(high, abs=0.02)


@pytest.mark.parametrize("method", ["percentile", "BCa"])
def test_bootstrap_intervals_of_a_table_are_scipy_s_of_each_column(method):
    rng = np.random.default_rng(7)
    values = np.column_stack([rng.normal(size=15), rng.exponential(size=15), -rng.random(15)])
    found = intervals(pd.DataFrame(values), method=method, resamples=20_000, seed=1)
    for j in range(3):
        expected = stats.bootstrap(
            (values[:, j],),
            np.mean,
            method=method,
            n_resamples=20_000,
            rng=np.random.default_rng(9),
        ).confidence_interval
        scale = expected.high - expected.low
        assert found["low"].iloc[j] == pytest.approx(expected.low, abs=0.03 * scale)
        assert found["high"].iloc[j] == pytest.approx(expected.high, abs=0.03 * scale)


def test_the_t_interval_is_student_s():
    found = intervals(SLEEP, method="t").iloc[0]
    assert (found["low"], found["high"]) == pytest.approx((0.7001142, 2.4598858), abs=5e-8)


TABLE = pd.DataFrame(
    np.random.default_rng(3).exponential(size=(12, 3)), columns=["a", "b", "c"]
).rename_axis("problem")


@pytest.mark.parametrize("method", METHODS)
def test_an_interval_says_all_that_it_depends_on(method):
    before = TABLE.copy()
    found = intervals(TABLE, method=method, confidence=0.9)
    assert found.index.tolist() == ["a", "b", "c"]
    assert (found["method"] == method).all()
    assert (found["confidence"] == 0.9).all()
    assert (found["unit"] == "problem").all()
    assert (found["clusters"] == 12).all()
    assert (found["averaged"] == "one value a problem, each problem counted once").all()
    assert (found["note"] == "").all()
    assert ((found["low"] < found["estimate"]) & (found["estimate"] < found["high"])).all()
    wider = intervals(TABLE, method=method, confidence=0.99)
    assert (wider["high"] > found["high"]).all()
    assert (wider["low"] < found["low"]).all()
    pd.testing.assert_frame_equal(TABLE, before)


@pytest.mark.parametrize("method", METHODS)
def test_intervals_move_stretch_and_turn_with_the_values(method):
    found = intervals(TABLE, method=method)
    moved = intervals(5 + 2 * TABLE, method=method)
    for name in ("estimate", "low", "high"):
        # BCa counts resamples below the mean, of which some are so by rounding
        exact = 1e-3 if method == "BCa" else 1e-9
        np.testing.assert_allclose(moved[name], 5 + 2 * found[name], rtol=exact)
    turned = intervals(-TABLE, method=method)
    tolerance = {"rtol": 1e-9} if method in ("bootstrap-t", "t") else {"rtol": 0.02}
    np.testing.assert_allclose(turned["low"], -found["high"], **tolerance)


@pytest.mark.parametrize("method", METHODS)
def test_the_same_seed_gives_the_same_bytes_and_no_column_depends_on_another(method):
    found = intervals(TABLE, method=method, seed=4)
    pd.testing.assert_frame_equal(intervals(TABLE, method=method, seed=4), found, check_exact=True)
    alone = intervals(TABLE[["b"]], method=method, seed=4)
    np.testing.assert_allclose(alone["high"], found["high"][["b"]], rtol=1e-12)
    if method != "t":
        assert (intervals(TABLE, method=method, seed=5)["high"] != found["high"]).any()


@pytest.mark.parametrize("method", METHODS)
def test_fewer_than_6_clusters_have_no_interval(method):
    found = intervals(TABLE[:5], method=method)
    np.testing.assert_allclose(found["estimate"], TABLE[:5].mean())
    assert found[["low", "high"]].isna().all(axis=None)
    assert (found["note"] == "no interval: 5 problems, at least 6 are needed").all()
    assert intervals(TABLE[:6], method=method)[["low", "high"]].notna().all(axis=None)


@pytest.mark.parametrize("method", METHODS)
def test_contrasts_without_spread_have_an_interval_of_one_value(method):
    table = TABLE.assign(b=0.0, c=0.1 + 0.2)
    table.loc[0, "c"] = 0.3
    found = intervals(table, method=method)
    assert found.loc["b", ["low", "high"]].tolist() == [0, 0]
    assert found.loc["b", "note"] == "no difference in any problem"
    assert found.loc["c", "low"] == found.loc["c", "high"] == pytest.approx(0.3)
    assert found.loc["c", "note"] == "the same in every problem"
    assert found.loc["a", "low"] == pytest.approx(intervals(TABLE, method=method).loc["a", "low"])


def test_a_contrast_in_which_few_clusters_differ_is_unbounded_and_says_so():
    # of 12 clusters 2 differ: (10/12)^12 = 11% of the resamples have neither
    values = pd.Series([0.0] * 10 + [1.0, 2.0]).rename_axis("problem")
    found = intervals(values).iloc[0]
    assert (found["low"], found["high"]) == (-np.inf, np.inf)
    assert found["note"] == "unbounded: too few problems differ"
    # 3: (9/12)^12 = 3%
    values.iloc[0] = -1.0
    assert np.isfinite(intervals(values).iloc[0]["high"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "bca"}, "method = 'bca'; expected one of bootstrap-t, percentile, BCa, t"),
        ({"confidence": 95}, "confidence = 95; expected a number in \\(0, 1\\)"),
        ({"resamples": 10}, "resamples = 10; too few for a confidence of 0.95"),
        ({"method": "t", "simultaneous": True}, "a simultaneous band requires 'bootstrap-t'"),
    ],
)
def test_intervals_refuse_what_makes_no_sense(options, message):
    with pytest.raises(ValueError, match=message):
        intervals(TABLE, **options)


def test_values_that_are_not_finite_are_named():
    for bad in (np.nan, np.inf):
        table = TABLE.copy()
        table.loc[3, "b"] = bad
        for method in METHODS if bad == np.inf else METHODS[1:]:
            with pytest.raises(ValueError, match=rf"problem 3, 'b': {bad}; expected a finite"):
                intervals(table, method=method)
    with pytest.raises(ValueError, match="'b': nan; expected a finite"):
        intervals(TABLE.assign(b=np.nan))
    with pytest.raises(ValueError, match=r"table of shape \(0, 3\)"):
        intervals(TABLE[:0])


# -- ratios of totals ----------------------------------------------------------------------

ABOVE = np.array([4.0, 9.0, 2.5, 30.0, 7.0, 12.0])
BELOW = np.array([5.0, 10.0, 6.0, 31.0, 11.0, 12.5])


def test_the_interval_for_a_ratio_of_totals_is_that_of_all_resamples():
    def log_ratio(a, b):
        ratio = a.sum(axis=-1) / b.sum(axis=-1)
        rest = a - ratio[..., None] * b
        error = np.sqrt((rest**2).mean(axis=-1) / 5) / a.mean(axis=-1)
        return np.log(ratio), error

    truth, error = log_ratio(ABOVE, BELOW)
    logs, errors = log_ratio(ABOVE[ALL], BELOW[ALL])
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(errors > 1e-9, np.abs(logs - truth) / errors, np.inf)
    # the quantile of 200,000 draws lies between these (four standard errors)
    low, high = np.quantile(t, [0.8973, 0.9027], method="higher") * error
    found = ratio_of_totals(
        pd.Series(ABOVE), pd.Series(BELOW), confidence=0.9, resamples=200_000
    ).iloc[0]
    assert found["estimate"] == pytest.approx(ABOVE.sum() / BELOW.sum())
    half = np.log(found["high"] / found["estimate"])
    assert low * (1 - 1e-9) <= half <= high * (1 + 1e-9)
    assert high < 1.2 * low
    assert found["low"] * found["high"] == pytest.approx(found["estimate"] ** 2)


def totals(n):
    rng = np.random.default_rng(n)
    below = pd.Series(rng.lognormal(size=n), name="end").rename_axis("problem")
    return (below * rng.uniform(0.2, 0.9, n)).rename("rule"), below


@pytest.mark.parametrize(
    ("n", "note"),
    [
        (5, "no interval: 5 problems, at least 6 are needed"),
        (6, "approximate: 6 problems < 40"),
        (39, "approximate: 39 problems < 40"),
        (40, ""),
    ],
)
def test_a_ratio_of_few_totals_is_marked(n, note):
    above, below = totals(n)
    found = ratio_of_totals(above, below).iloc[0]
    assert found["note"] == note
    assert found["estimate"] == pytest.approx(above.sum() / below.sum())
    assert found["averaged"] == "ratio of totals, large problems count more"
    assert (found["unit"], found["clusters"]) == ("problem", n)
    assert np.isnan(found["low"]) == (n < 6)
    if n >= 6:
        assert 0 < found["low"] < found["estimate"] < found["high"]


def test_units_of_totals_do_not_matter_and_one_proportion_has_no_spread():
    above, below = totals(12)
    found = ratio_of_totals(above, below)
    scaled = ratio_of_totals(60 * above, 60 * below)
    np.testing.assert_allclose(scaled[["low", "high"]], found[["low", "high"]])
    same = ratio_of_totals(0.3 * below, below).iloc[0]
    assert (same["low"], same["high"]) == pytest.approx((0.3, 0.3))


def test_totals_that_have_no_ratio_are_refused():
    above, below = totals(8)
    with pytest.raises(ValueError, match="expected the same clusters"):
        ratio_of_totals(above, below[:7])
    for bad in (-below, 0 * below):
        with pytest.raises(ValueError, match="totals of 0 or more that are not all 0"):
            ratio_of_totals(above, bad)


# -- tests ---------------------------------------------------------------------------------


def exact_p(values):
    """Share of all sign assignments whose sum is as far from 0, in exact arithmetic."""
    numbers = [Fraction(value) for value in values]
    sums = [
        abs(sum(sign * number for sign, number in zip(signs, numbers, strict=True)))
        for signs in product((-1, 1), repeat=len(numbers))
    ]
    return sum(each >= abs(sum(numbers)) for each in sums) / len(sums)


# halves and eighths add up without rounding; sums often tie
flipped = st.lists(st.integers(-12, 12).map(lambda k: k / 8), min_size=6, max_size=8)


@given(flipped)
@settings(max_examples=20)
def test_sign_flips_count_every_sign_assignment(values):
    assume(np.ptp(values) > 0)
    assert sign_flip(pd.Series(values)) == pytest.approx(exact_p(values), abs=1e-12)


def test_too_few_clusters_have_no_test():
    assert math.isnan(sign_flip(SLEEP[:5]))


def test_p_is_the_share_of_all_resamples():
    truth, error = SIX.mean(), SIX.std(ddof=1) / math.sqrt(6)
    drawn = SIX[ALL]
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.abs(drawn.mean(axis=1) - truth) / (drawn.std(axis=1, ddof=1) / math.sqrt(6))
    t[np.ptp(drawn, axis=1) == 0] = np.inf
    expected = np.mean(t >= truth / error)
    found = intervals(pd.Series(SIX), resamples=200_000)["p"].iloc[0]
    assert found == pytest.approx(expected, abs=4 * math.sqrt(expected / 200_000))


def resampled_t(table, resamples, seed):
    """abs(m* - m) / s* in every resample, column by column, without what a column lacks."""
    t = np.empty((resamples, table.shape[1]))
    (weights,) = (w for _, w in resampled_weights(len(table), resamples, seed))
    counts = np.rint(weights * len(table)).astype(int)
    for j in range(table.shape[1]):
        known = ~np.isnan(table[:, j])
        for row, times in enumerate(counts):
            drawn = np.repeat(table[known, j], times[known])
            spread = np.std(drawn, ddof=1) if len(drawn) > 1 else 0.0
            gap = abs(drawn.mean() - np.nanmean(table[:, j])) if len(drawn) else 0.0
            t[row, j] = gap / (spread / math.sqrt(len(drawn))) if spread > 1e-9 else np.inf
    return t


def step_down(p_resampled, p):
    """Westfall and Young's step-down minimum p, hypothesis by hypothesis."""
    order = sorted(range(len(p)), key=lambda j: p[j])
    adjusted, before = [0.0] * len(p), 0.0
    for step, j in enumerate(order):
        left = p_resampled[:, order[step:]]
        share = (1 + (left.min(axis=1) <= p[j] + 1e-12).sum()) / (len(left) + 1)
        before = adjusted[j] = max(before, share)
    return adjusted


@pytest.mark.parametrize("seed", range(2))
def test_p_and_its_adjustment_are_those_of_plain_loops(seed):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(9, 4)) + rng.normal(size=(9, 1)) + [0, 0.5, 1, 2]
    table[[2, 5], 1] = np.nan
    table[3:, 3] = 0  # three of nine differ: many resamples have no spread
    resamples = 400
    found = intervals(pd.DataFrame(table), resamples=resamples, seed=seed)
    assert found["clusters"].tolist() == [9, 7, 9, 9]
    t = resampled_t(table, resamples, seed)
    mean, n = np.nanmean(table, axis=0), (~np.isnan(table)).sum(axis=0)
    seen = np.abs(mean) / (np.nanstd(table, axis=0, ddof=1) / np.sqrt(n))

    def p_of(values):
        return (1 + (t >= values * (1 - 1e-9)).sum(axis=0)) / (resamples + 1)

    assert found["p"].to_numpy() == pytest.approx(p_of(seen))
    expected = step_down(np.array([p_of(row) for row in t]), list(found["p"]))
    assert found["p_adjusted"].tolist() == pytest.approx(expected)
    assert (found["p_adjusted"] >= found["p"]).all()


def test_copies_of_a_contrast_and_contrasts_without_any_difference_cost_nothing():
    rng = np.random.default_rng(4)
    one = pd.DataFrame({"a": rng.normal(0.6, 1, size=12)})
    alone = intervals(one)["p"].iloc[0]
    copies = pd.concat([one["a"].rename(k) for k in range(5)], axis=1).assign(none=0.0)
    found = intervals(copies)
    assert found["p_adjusted"][:5].tolist() == pytest.approx([alone] * 5)
    assert found.loc["none", ["p", "p_adjusted"]].tolist() == [1, 1]


# -- counts, ranks, trends -----------------------------------------------------------------

costs = st.lists(
    st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, math.inf]), min_size=3, max_size=3),
    min_size=1,
    max_size=8,
)


@given(costs)
def test_ranks_are_those_of_a_plain_loop(rows):
    table = pd.DataFrame(rows, columns=["a", "b", "c"]).rename_axis("problem")
    expected = np.mean([stats.rankdata(row) for row in rows], axis=0)
    shown = ranks(table)
    np.testing.assert_allclose(shown["estimate"], expected)
    assert shown["low"].isna().all() == (len(rows) < 6)


def test_ranks_have_the_intervals_of_their_means():
    table = pd.DataFrame(np.random.default_rng(8).normal(size=(12, 4))).rename_axis("problem")
    expected = intervals(pd.DataFrame(stats.rankdata(table, axis=1)).rename_axis("problem"))
    pd.testing.assert_frame_equal(ranks(table), expected)


def test_ranks_of_unknown_values_are_refused():
    table = pd.DataFrame({"a": [1.0, np.nan]}).rename_axis("problem")
    with pytest.raises(ValueError, match="problem 1, 'a': nan; expected a number"):
        ranks(table)


@pytest.mark.parametrize("time", [[1.0, 1.0], [0.0, 1.0], [-1.0, 2.0]])
def test_slopes_without_two_positive_times_are_refused(time):
    with pytest.raises(
        ValueError, match="problem 'a': a slope of logarithms requires positive time"
    ):
        slopes(points(time, [1.0, 2.0]), by="problem", x="time", y="error")
