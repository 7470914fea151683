"""The new rules: against exact power laws and what has to hold for any curve."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from earlystop_lab import CurveSet, PowerLaw, replay, trace


def statistic(val, **params):
    return trace(PowerLaw(0.01, **params), CurveSet.from_runs([{"val": val}])[0]).statistic


@pytest.mark.parametrize("b", [0.25, 0.5, 1.0, 1.5])
@pytest.mark.parametrize("end", [None, 4000.0])
def test_the_gain_of_an_exact_power_law(b, end):
    t = np.arange(1.0, 2001)
    val = 0.5 + 3 * t**-b
    expected = (val - 0.5 - (0 if end is None else 3 * end**-b)) / val
    # means of sums are those of integrals but for terms of 1 / t
    assert statistic(val, end=end)[-1] == pytest.approx(expected[-1], rel=0.01)


def test_it_says_nothing_before_the_sixteenth_check():
    assert np.isnan(statistic(1 / np.arange(1.0, 40))[:15]).all()
    assert np.isfinite(statistic(1 / np.arange(1.0, 40))[15:]).all()


@pytest.mark.parametrize("level", [0.0, 0.1, -3.0])
def test_a_plateau_stops_with_the_sixteenth_check(level):
    stops = replay(CurveSet.from_runs([{"val": [level] * 40}]), [PowerLaw(1e-9)])
    assert stops.stop[0, 0] == 16


def test_gains_that_do_not_shrink_never_stop():
    assert (statistic(10 - 0.1 * np.arange(60))[15:] == np.inf).all()


def test_a_rising_error_promises_nothing():
    t = np.arange(1.0, 101)
    assert (statistic(1 + t / 100)[15:] == 0).all()


@given(st.integers(0, 2**32), st.floats(0.01, 100))
def test_the_scale_of_the_errors_does_not_matter(seed, scale):
    val = 1 + np.random.default_rng(seed).random(80) / np.arange(1, 81)
    assert np.allclose(statistic(val), statistic(val * scale), rtol=1e-6, equal_nan=True)


def test_missing_and_infinite_errors_are_left_out():
    val = 1 + 1 / np.arange(1.0, 201)
    holes = val.copy()
    holes[[3, 50, 51, 120]] = [np.nan, np.inf, -np.inf, np.nan]
    # two of the fifty errors of one mean are gone
    assert statistic(holes)[-1] == pytest.approx(statistic(val)[-1], rel=0.2)


@pytest.mark.parametrize("spike", [1e14, 1e20, 1e308])
def test_a_spike_leaves_the_rest_as_it_was(spike):
    val = 1 + 1 / np.arange(1.0, 2001)
    val[1] = spike
    stops = replay(CurveSet.from_runs([{"val": val}]), [PowerLaw(0.001)])
    assert stops.stop[0, 0] == pytest.approx(996, abs=5)


def test_positions_count_not_checks():
    t = np.arange(4.0, 2001, 4)
    curve = CurveSet.from_runs([{"val": 1 + 1 / t, "epoch": t}])[0]
    assert trace(PowerLaw(0.01), curve).statistic[-1] == pytest.approx(1 / 2001, rel=0.02)
