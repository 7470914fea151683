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
    slopes,
)

COVERAGE = runpy.run_path(str(Path(__file__).resolve().parents[2] / "experiments" / "coverage.py"))
ratio_of_totals, sign_flip, max_t = (
    COVERAGE[name] for name in ("ratio_of_totals", "sign_flip", "max_t")
)

# -- means over clusters -------------------------------------------------------------------

#: hours of sleep gained with one drug over another; Student, Biometrika 6 (1908), p. 20
SLEEP = pd.Series([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4])


def test_student_s_sleep_data():
    # as R prints it: t.test(extra ~ group, sleep, paired = TRUE)
    result = mean_over_clusters(SLEEP)
    assert result.estimate == pytest.approx(1.58)
    assert (result.low, result.high) == pytest.approx((0.7001142, 2.4598858), abs=5e-8)
    assert result.p == pytest.approx(0.002833, abs=5e-7)
    assert result.clusters == 10


numbers = st.lists(st.floats(-1e3, 1e3), min_size=6, max_size=12)


@given(numbers, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_the_formula_written_out(values, confidence):
    n, mean = len(values), math.fsum(values) / len(values)
    spread = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    # below, the test is about rounding; see the test of rounded values
    assume(spread > 1e-6 * max(map(abs, values)))
    error = spread / math.sqrt(n)
    half = stats.t.ppf(0.5 + confidence / 2, n - 1) * error
    result = mean_over_clusters(pd.Series(values), confidence)
    assert result.estimate == pytest.approx(mean, rel=1e-9, abs=1e-9)
    assert result.low == pytest.approx(mean - half, rel=1e-6, abs=1e-6 * half)
    assert result.high == pytest.approx(mean + half, rel=1e-6, abs=1e-6 * half)
    assert result.p == pytest.approx(2 * stats.t.sf(abs(mean) / error, n - 1), rel=1e-6)
    assert result.clusters == n


def test_the_interval_at_level_1_minus_p_ends_at_zero():
    p = mean_over_clusters(SLEEP).p
    assert mean_over_clusters(SLEEP, 1 - p).low == pytest.approx(0, abs=1e-9)


def test_the_sign_mirrors_the_interval():
    result, mirrored = mean_over_clusters(SLEEP), mean_over_clusters(-SLEEP)
    expected = (-result.estimate, -result.high, -result.low, result.p, 10)
    assert mirrored == pytest.approx(expected)


def test_values_that_are_all_zero_are_no_evidence():
    assert mean_over_clusters(pd.Series([0.0, -0.0] * 3)) == (0, 0, 0, 1, 6)


def test_values_that_are_all_equal_have_no_spread():
    assert mean_over_clusters(pd.Series([0.5] * 6)) == (0.5, 0.5, 0.5, 0, 6)


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
    assert result.p < 1e-6


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
        for function in (intervals, sign_flip, max_t):
            with pytest.raises(ValueError, match=rf"problem 3, 'b': {bad}; expected a finite"):
                function(table)
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


# -- sign flips ----------------------------------------------------------------------------


def exact_p(values):
    """Share of all sign assignments whose sum is as far from 0, in exact arithmetic."""
    numbers = [Fraction(value) for value in values]
    sums = [
        abs(sum(sign * number for sign, number in zip(signs, numbers, strict=True)))
        for signs in product((-1, 1), repeat=len(numbers))
    ]
    return sum(each >= abs(sum(numbers)) for each in sums) / len(sums)


# halves and eighths add up without rounding; sums often tie
flipped = st.lists(st.integers(-12, 12).map(lambda k: k / 8), min_size=1, max_size=9)


@given(flipped)
def test_p_counts_every_sign_assignment(values):
    assert sign_flip(pd.Series(values))[0] == pytest.approx(exact_p(values), abs=1e-12)


@pytest.mark.parametrize(
    "values", [[0.5, 2.5, -1, -1, -1], [0.1, 0.2, 0.3, -0.6, 0.1], [0.1] * 7, [1e-8, 3e-8, 1e-8]]
)
def test_sums_that_tie_but_for_rounding_count(values):
    # as the decimals that they are written as
    exact = exact_p([Fraction(str(value)) for value in values])
    assert sign_flip(pd.Series(values))[0] == pytest.approx(exact, abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_p_is_that_of_scipy_s_permutation_test(seed):
    values = np.random.default_rng(seed).normal(0.5, 1, 9)
    expected = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=np.inf
    ).pvalue
    assert sign_flip(pd.Series(values))[0] == pytest.approx(expected)


def test_random_flips_come_close_to_all_of_them():
    rng = np.random.default_rng(2)
    values = rng.integers(-6, 12, 20)
    # the distribution of the sum, cluster by cluster
    chance = {0: 1.0}
    for value in values.tolist():
        grown: dict[int, float] = {}
        for total, share in chance.items():
            for signed in (total + value, total - value):
                grown[signed] = grown.get(signed, 0) + share / 2
        chance = grown
    exact = sum(share for total, share in chance.items() if abs(total) >= abs(values.sum()))
    found = sign_flip(pd.Series(values.astype(float)), resamples=100_000)
    assert found[0] == pytest.approx(exact, abs=5 * math.sqrt(exact / 100_000))
    assert found.name == "p, 100000 random sign flips of 20 clusters"
    # never 0: what was seen is one of them
    assert sign_flip(pd.Series(np.ones(40)), resamples=99)[0] == 1 / 100


def test_differences_that_are_all_zero_are_no_evidence():
    for n in (1, 5, 12, 20):
        table = pd.DataFrame({"none": np.zeros(n), "some": np.arange(1.0, n + 1)})
        assert sign_flip(table)["none"] == 1
        found = max_t(table)
        assert found.loc["none", ["p", "p_max_t", "p_holm"]].tolist() == [1, 1, 1]


def test_signs_sizes_and_zeros_do_not_change_p():
    values = np.array([0.3, 1.2, -0.4, 2.0, 0.9, 1.1, 0.7])
    p = sign_flip(pd.Series(values))[0]
    for same in (-values, 1e-9 * values, 1e9 * values, np.append(values, [0, 0, 0])):
        assert sign_flip(pd.Series(same))[0] == pytest.approx(p, abs=1e-12)


def test_many_contrasts_are_tested_as_each_by_itself():
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(16, 200)))
    whole = sign_flip(table)
    assert [whole[j] for j in (0, 121, 122, 199)] == pytest.approx(
        [sign_flip(table[j]).iloc[0] for j in (0, 121, 122, 199)]
    )
    assert whole.name == "p, all sign flips of 16 clusters"


# -- many contrasts ------------------------------------------------------------------------


def step_down(table):
    """Westfall and Young's step-down max-T, hypothesis by hypothesis."""
    n, m = table.shape

    def size(column):
        norm = math.sqrt(sum(x * x for x in column))
        return abs(sum(column)) / norm if norm else 0.0

    seen = [size(table[:, j]) for j in range(m)]
    order = sorted(range(m), key=lambda j: -seen[j])
    p, before = [0.0] * m, 0.0
    for step, j in enumerate(order):
        left = order[step:]
        reached = 0
        for signs in product((-1, 1), repeat=n):
            flipped = table * np.array(signs)[:, None]
            reached += max(size(flipped[:, k]) for k in left) >= seen[j] - 1e-9
        before = p[j] = max(before, reached / 2**n)
    return p


@pytest.mark.parametrize("seed", range(3))
def test_max_t_steps_down_as_a_plain_loop_does(seed):
    rng = np.random.default_rng(seed)
    table = rng.normal(size=(7, 4)) + rng.normal(size=(7, 1)) + [0, 0.5, 1, 2]
    table[:, 1] = np.round(table[:, 1])
    found = max_t(pd.DataFrame(table).rename_axis("problem"))
    assert found["p_max_t"].tolist() == pytest.approx(step_down(table))
    assert found["p"].tolist() == pytest.approx([exact_p(table[:, j]) for j in range(4)])
    assert found["p_holm"].tolist() == pytest.approx(holm(list(found["p"])))
    np.testing.assert_allclose(found["estimate"], table.mean(axis=0))
    assert (found["unit"] == "problem").all()
    assert (found["clusters"] == 7).all()
    assert (found["averaged"] == "one value a problem, each problem counted once").all()
    assert (found["note"] == "all sign flips of 7 problems").all()


def test_the_smallest_p_that_could_be_reached_is_reached_by_what_is_all_on_one_side():
    table = pd.DataFrame(np.outer(np.arange(1.0, 13), [1, 2, 0.5]))
    found = max_t(table)
    assert found["smallest"].tolist() == [2 / 4096] * 3
    assert found["p_max_t"].tolist() == [2 / 4096] * 3
    assert found["smallest_holm"].tolist() == [6 / 4096] * 3
    assert found["p_holm"].tolist() == pytest.approx([6 / 4096] * 3)
    # all pairs of 40 rules on 12 problems
    assert min(1, 780 * 2 / 4096) == pytest.approx(0.381, abs=1e-3)
    many = max_t(pd.DataFrame(np.outer(np.ones(12), np.ones(780))))
    assert many["smallest_holm"].iloc[0] == pytest.approx(780 * 2 / 4096)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_adjusted_p_are_at_least_the_others_and_copies_cost_nothing(seed):
    table = pd.DataFrame(np.random.default_rng(seed).normal(0.4, 1, size=(8, 3)))
    found = max_t(table)
    assert (found["p_max_t"] >= found["p"] - 1e-12).all()
    assert (found["p_max_t"] <= 1).all()
    # the order of p is kept
    assert found.sort_values("p")["p_holm"].is_monotonic_increasing
    copies = max_t(pd.concat([table[[0]]] * 5, axis=1))
    assert copies["p_max_t"].tolist() == pytest.approx([found["p"][0]] * 5)


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
