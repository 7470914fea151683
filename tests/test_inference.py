"""Statistics of tables against published numbers and formulas written out."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from earlystop_lab.inference import holm, mean_over_clusters, slopes

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


numbers = st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12)


@given(numbers, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
@settings(deadline=None)
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
    assert mean_over_clusters(pd.Series([0.0, -0.0, 0.0])) == (0, 0, 0, 1, 3)


def test_values_that_are_all_equal_have_no_spread():
    assert mean_over_clusters(pd.Series([0.5] * 4)) == (0.5, 0.5, 0.5, 0, 4)


@pytest.mark.parametrize("values", [[0.3, 0.1 + 0.2, 0.3], [-1.1, -1.1000000000000003, -1.1]])
def test_values_equal_but_for_rounding_make_no_warning(values):
    result = mean_over_clusters(pd.Series(values))
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
