"""Sweeps by hand, against every threshold there is, and on every rule of the table."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st
from strategies import CHANNELS, random_runs

from earlystop_lab import (
    GL,
    PQ,
    UP,
    CatBoostIncToDec,
    CurveSet,
    Discrepancy,
    HuggingFace,
    Keras,
    LightGBM,
    MaxEpochs,
    PlateauStd,
    Progress,
    PyBrain,
    SklearnMLP,
    TerminateOnNaN,
    after,
    any_of,
    criterion,
    read_curves,
    replay,
)
from earlystop_lab.criteria import FAMILIES
from earlystop_lab.engine.thresholds import sweep, sweeps


def texts(rule, curves, n=150):
    return [str(each) for each in sweep(rule, curves, n)]


def one(*val, **more):
    return CurveSet.from_runs([{"val": list(val), **more}])


# -- by hand -------------------------------------------------------------------------------

#        GL(k=1):   0   0   50   0  100    bad checks: -  -  1  2  3
VALLEY = one(4.0, 2.0, 3.0, 2.0, 4.0)


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (GL(7, k=1), ["GL(0, k=1)", "GL(50, k=1)", "GL(101, k=1)"]),
        (Keras, [f"Keras({p})" for p in range(5)]),
        (Keras(9, min_delta=1), [f"Keras({p}, min_delta=1)" for p in range(5)]),
        (LightGBM, [f"LightGBM({p})" for p in range(1, 5)]),
        (HuggingFace, [f"HuggingFace({p})" for p in range(5)]),
        (MaxEpochs, [f"MaxEpochs({p})" for p in range(1, 7)]),
        # it first looks at the second check, so that its highest count is 2
        (UP(1, k=1), ["UP(1, k=1)", "UP(2, k=1)"]),
        # ties are no improvement on a tolerance: 2 checks are bad, and 3 would have to be
        (SklearnMLP(1, tol=0), [f"SklearnMLP({p}, tol=0)" for p in range(1, 3)]),
        (PyBrain, [f"PyBrain({p})" for p in range(1, 6)]),
        (after(3, GL(1, k=1)), ["after(3, GL(0, k=1))", "after(3, GL(101, k=1))"]),
    ],
)
def test_sweeps_by_hand(rule, expected):
    assert texts(rule, VALLEY) == expected


def test_a_statistic_that_passes_by_falling_goes_from_high_to_low():
    train = [4.0, 3.0, 3.0, 1.5, 2.5]
    found = texts(Discrepancy, one(1, 1, 1, 1, 1, train=train))
    # 5 passes at once; 1.49 never; the lows between decide, where a low itself passes
    lows = ["Discrepancy(4)", "Discrepancy(3)", "Discrepancy(1.5)"]
    assert found == ["Discrepancy(5)", *lows, "Discrepancy(1.49)"]


def test_even_steps_of_mean_log_time():
    # a statistic that is the epoch squared: thresholds must be even in log epochs
    @criterion(threshold="level", passes=">")
    def Squared(epoch):
        return epoch**2

    found = sweep(Squared, one(*np.ones(1000)), 12)
    assert len(found) == 12
    stops = replay(one(*np.ones(1000)), found).stop[0]
    assert stops[0] == 1
    assert stops[-1] == 1000
    steps = np.diff(np.log(stops))
    assert steps.max() / steps[2:].min() < 1.25
    assert all(each.threshold == float(f"{each.threshold:.3g}") for each in found[1:-1])


def test_many_whole_thresholds_are_thinned_geometrically():
    found = [each.threshold for each in sweep(Keras, one(*np.arange(1000.0)), 40)]
    assert len(found) <= 40
    assert len(found) >= 36
    assert found[:4] == [0, 1, 2, 3]
    assert found[-1] == 1000
    gaps = np.diff(found)
    assert (np.diff(gaps) >= -gaps[1:] * 0.2 - 1).all()


def test_digits_are_as_few_as_keep_thresholds_apart():
    @criterion(threshold="level", passes=">")
    def Level(val):
        return val

    rising = one(*(1000 + np.arange(50) / 1e6))
    found = sweep(Level, rising, 20)
    assert len(found) >= 17
    assert len(set(replay(rising, found).stop[0])) >= 16


def test_infinite_statistics_and_none_at_all():
    # GL is infinite above an optimum of 0: no threshold keeps it from stopping
    found = sweep(GL(1, k=1), one(1.0, 2.0, 0.0, 1.0))
    assert [str(each) for each in found] == ["GL(0, k=1)", "GL(100, k=1)", "GL(101, k=1)"]
    assert replay(one(1.0, 2.0, 0.0, 1.0), found).stop.tolist() == [[2, 4, 4]]
    assert replay(one(1.0, 2.0, 0.0, 1.0), found).fired.all()
    assert texts(GL, one(1.0, 2.0)) == ["GL(0)", "GL(1)"]  # no strip ends
    assert texts(PlateauStd, one(math.nan, math.nan)) != []
    assert texts(CatBoostIncToDec, one(1.0, 2.0))[0] == "CatBoostIncToDec(1)"


@pytest.mark.parametrize(
    ("rule", "curves", "n", "message"),
    [
        (GL, VALLEY, 1, "n = 1; expected at least 2"),
        (GL, VALLEY[:0], 9, "the curve set is empty"),
        (any_of(GL(1), Keras(2)), VALLEY, 9, "is not a family or a criterion of one"),
        ("GL", VALLEY, 9, "'GL' is not a family"),
        (TerminateOnNaN, VALLEY, 9, "neither a threshold nor a numeric"),
        (PQ, VALLEY, 9, "PQ needs training errors, but run '0' has no column"),
    ],
)
def test_what_cannot_be_swept_is_said(rule, curves, n, message):
    with pytest.raises(ValueError, match=message):
        sweep(rule, curves, n)


def test_several_sweeps_leave_out_what_the_curves_cannot_answer():
    found = sweeps([GL, PQ, Progress, TerminateOnNaN, Keras(3, min_delta=0.5)], VALLEY)
    assert list(found) == ["GL", "Keras(min_delta=0.5)"]
    assert list(sweeps([after(2, PQ(1, k=1))], one(1, 2, train=[1, 1]))) == ["after(2, PQ(k=1))"]


# -- laws ----------------------------------------------------------------------------------

#: rules of errors alone; those of other channels are swept where a set has those
THRESHOLDS = [f for f in FAMILIES.values() if f.threshold and not {*f.watches} & {*CHANNELS}]
FAST = [family for family in THRESHOLDS if family.step is not None]
#: it needs ties, of which these runs have none
NEVER = {"PyGAD"}


@settings(max_examples=40)
# a statistic of 15.5 at most, so that only 16 never fires
@example(4644, FAMILIES["SpaCy"])
@given(st.integers(0, 2**32 - 1), st.sampled_from(FAST))
def test_a_sweep_slows_down_from_the_fastest_to_the_slowest_of_all(seed, family):
    curves = CurveSet.from_runs(random_runs(seed, 8))
    found = sweep(family, curves, 30)
    assert 1 <= len(found) <= 30
    stop = replay(curves, found).stop
    assert (np.diff(stop, axis=1) >= 0).all()
    # no threshold that the family allows is faster than the first or slower than the last
    rng = np.random.default_rng(seed)
    whole = family.kinds[family.threshold] is int
    others = []
    for value in [*rng.integers(0, 60, 6), *(() if whole else 10 ** rng.uniform(-9, 9, 6))]:
        try:
            others.append(family(float(value)))
        except ValueError:
            continue
    others = list(dict.fromkeys(others))
    tried = replay(curves, others).stop
    assert (tried >= stop[:, :1]).all()
    assert (tried <= stop[:, -1:]).all()


@pytest.mark.parametrize(
    "family", [f for f in THRESHOLDS if f.name not in NEVER], ids=lambda family: family.name
)
def test_every_rule_is_swept_on_recorded_runs(family, recorded):
    curves = read_curves(recorded / "modern-nets")[::40]
    found = sweep(family, curves, 20)
    assert found == sweep(family, curves, 20)
    assert 2 <= len(found) <= 20
    stops = replay(curves, found)
    assert (np.diff(stops.stop, axis=1) >= 0).all()
    mean = np.log(stops.stop).mean(axis=0)
    assert mean[-1] - mean[0] > 0.5
