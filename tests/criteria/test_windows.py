"""What rules remember of the last errors, against numpy on the whole past."""

import math

import numpy as np
import pytest
from hypothesis import given, strategies as st
from strategies import CHANNELS, small

from earlystop_lab import CurveSet, replay
from earlystop_lab.criteria import FAMILIES
from earlystop_lab.criteria.rules import _windows as windows

numbers = st.lists(st.sampled_from([0.1, 0.2, 0.3, 1e10, -7.5, 1e-9]) | st.floats(-1e6, 1e6))
lengths = st.integers(1, 12)


@given(numbers, lengths)
def test_a_window_holds_the_newest_values(values, length):
    window = windows.new_window(length)
    for i, value in enumerate(values, 1):
        window = windows.shifted(window, value)
        assert windows.full(window) == (i >= length)
        if i >= length:
            assert windows.values(window).tolist() == values[i - length : i]
            assert windows.oldest(window) == values[i - length]


@given(st.lists(st.integers(0, 5) | st.sampled_from([math.nan, math.inf])), lengths)
def test_the_highest_of_the_newest_values(values, length):
    queue = windows.highest(length)
    for i, value in enumerate(values, 1):
        queue = windows.raised(queue, float(value))
        newest = [v for v in values[max(i - length, 0) : i] if not math.isnan(v)]
        highest = windows.top(queue)
        assert highest == max(newest) if newest else math.isnan(highest)


@given(numbers, lengths)
def test_sums_that_are_kept_up_are_those_of_exact_arithmetic(values, length):
    rolling = windows.rolling(length)
    for i, value in enumerate(values, 1):
        rolling = windows.rolled(rolling, value)
        if i >= length:
            newest = values[i - length : i]
            assert windows.total(rolling) == pytest.approx(math.fsum(newest), rel=1e-15, abs=1e-20)
            moment = math.fsum(place * each for place, each in enumerate(newest))
            assert rolling.moment.high == pytest.approx(moment, rel=1e-12, abs=1e-12)


def test_sums_forget_a_spike_and_what_was_not_finite():
    rolling = windows.rolling(3)
    for value in [1e16, math.inf, math.nan, 0.1, 0.1, 0.1]:
        rolling = windows.rolled(rolling, value)
    assert windows.total(rolling) == math.fsum([0.1, 0.1, 0.1])
    assert math.isinf(windows.total(windows.rolled(rolling, math.inf)))


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=128))
def test_sums_and_deviations_are_numpy_s_to_the_last_bit(values):
    values = np.array(values)
    assert windows.summed(values) == np.sum(values)
    std = windows.deviation(values, windows.mean(values), np.empty(len(values)))
    assert std == pytest.approx(np.std(values), rel=1e-15, abs=1e-300)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=str)
def test_a_run_does_not_know_of_the_runs_before_it(family):
    rng = np.random.default_rng(1)
    runs = [{name: rng.random(n) for name in ("val", "train", *CHANNELS)} for n in (40, 7, 40)]
    alone = [replay(CurveSet.from_runs([run]), [small(family)], restore="own") for run in runs]
    together = replay(CurveSet.from_runs([*runs, *runs]), [small(family)], restore="own")
    assert together.stop[:, 0].tolist() == [each.stop[0, 0] for each in [*alone, *alone]]
    assert together.selected[:, 0].tolist() == [each.selected[0, 0] for each in [*alone, *alone]]
