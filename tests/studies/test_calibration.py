"""Calibration against plain loops over every patience, and what it refuses."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from strategies import random_runs

from earlystop_lab import (
    GL,
    CurveSet,
    Keras,
    RefusedError,
    SklearnHGB,
    any_of,
    calibrate,
    replay,
    simulate,
)
from earlystop_lab.inference.risk import betting, hoeffding_bentkus
from earlystop_lab.report import in_words
from earlystop_lab.studies.calibration import Caution, measured, sequence
from earlystop_lab.studies.records import Hidden

SIMULATED = simulate("parametric", 100, seed=5, epochs=120, params={"diverges": 0})
CURVES = CurveSet.from_runs({"run": c.run, "val": c.val, "test": c.test} for c in SIMULATED)
PROBLEMS = CurveSet.from_runs(
    {"run": c.run, "val": c.val, "test": c.test, "problem": f"p{i % 12}"}
    for i, c in enumerate(CURVES)
)


@cache
def kept_of(run, patience):
    return kept(CURVES[run], patience)


def kept(curve, patience):
    """The check that a plain patience keeps, and that at which it stops, from 0."""
    best, waited = 0, 0
    for t in range(1, len(curve.val)):
        if curve.val[t] < curve.val[best]:
            best, waited = t, 0
        else:
            waited += 1
            if waited >= max(patience, 1):
                return best, t
    return best, len(curve.val) - 1


def val_loss(curve, patience):
    at, _ = kept_of(curve.run, patience)
    return curve.val[at] / curve.val.min() - 1


def test_loss(curve, patience):
    at, _ = kept_of(curve.run, patience)
    return max(0.0, curve.test[at] / curve.test[curve.val.argmin()] - 1)


test_loss.__test__ = False
PATIENCES = range(1, 120)
#: what learn-then-test tests, whatever the runs are
PATIENCES_TESTED = [*range(1, 11), 12, 15, 20, 25, 30, 40, 50, 60, 80, 100]


def smallest_patience(risks, limit):
    """The smallest from which all larger are within the limit."""
    found = None
    for patience in sorted(risks, reverse=True):
        if risks[patience] > limit:
            return found
        found = patience
    return found


@pytest.mark.parametrize(("at_most", "cap"), [(0.02, None), (0.02, 0.5), (0.005, 0.1), (0.1, 1.0)])
def test_the_patience_is_the_smallest_that_a_plain_loop_finds(at_most, cap):
    found = calibrate(CURVES, Keras, at_most, cap=cap)
    assert found.promise.cap == (cap or 10 * at_most)
    risks = {
        p: (sum(min(val_loss(c, p), found.promise.cap) for c in CURVES) + found.promise.cap)
        / (len(CURVES) + 1)
        for p in PATIENCES
    }
    assert str(found.criterion) == f"Keras({smallest_patience(risks, at_most)})"
    patience = int(found.criterion.threshold)
    every = [val_loss(c, patience) for c in CURVES]
    assert found.reached == pytest.approx(risks[patience])
    assert found.mean == pytest.approx(np.minimum(every, found.promise.cap).mean())
    assert found.mean_uncapped == found.excess == pytest.approx(np.mean(every))
    assert found.largest == pytest.approx(max(every))
    times = [(kept_of(c.run, patience)[1] + 1) / len(c.val) for c in CURVES]
    assert found.saved == pytest.approx(1 - np.mean(times))
    assert (found.promise.unit, found.units, found.hoeffding_bentkus) == ("run", 100, None)


def test_a_probability_of_a_large_regret():
    found = calibrate(CURVES, Keras, 0.1, exceed=0.05)
    risks = {p: (sum(val_loss(c, p) > 0.05 for c in CURVES) + 1) / 101 for p in PATIENCES}
    assert found.criterion.threshold == smallest_patience(risks, 0.1)
    assert found.promise.cap == 1
    assert "P(validation regret > 5.00%) is at most 10.00%" in in_words(found)
    assert found.promise.exceed == 0.05
    assert f"{found.mean:.2%} lose more than 5.00%" in in_words(found)


def test_the_test_error_is_tested_from_the_slowest_on():
    found = calibrate(CURVES, Keras, 0.05, cap=0.5, confidence=0.8, seed=3)
    order = np.random.default_rng(3).permutation(len(CURVES))
    tests = {
        p: np.minimum([test_loss(c, p) for c in CURVES], 0.5)[:, None] for p in PATIENCES_TESTED
    }
    assert set(PATIENCES_TESTED) == {
        int(each.threshold) for each in sequence(Keras, CURVES) if each.threshold < 120
    }
    bets = {p: betting(x[order], 0.05, 0.5, 1 - 0.8)[0] for p, x in tests.items()}
    bounds = {p: hoeffding_bentkus(x, 0.05, 0.5)[0] for p, x in tests.items()}
    assert found.criterion.threshold == smallest_patience(bets, 1 - 0.8)
    assert found.hoeffding_bentkus.threshold == smallest_patience(bounds, 1 - 0.8)
    patience = int(found.criterion.threshold)
    assert found.mean_uncapped == pytest.approx(np.mean([test_loss(c, patience) for c in CURVES]))
    assert found.excess == pytest.approx(np.mean([val_loss(c, patience) for c in CURVES]))
    assert "learn-then-test, for at least 80% of calibration sets" in in_words(found)


def test_a_problem_is_one_loss():
    found = calibrate(PROBLEMS, Keras, 0.02, cap=0.2, unit="dataset")
    problems = pd.Series([f"p{i % 12}" for i in range(100)])
    risks = {}
    for p in PATIENCES:
        every = pd.Series([min(val_loss(c, p), 0.2) for c in PROBLEMS])
        risks[p] = (every.groupby(problems).mean().sum() + 0.2) / 13
    assert found.criterion.threshold == smallest_patience(risks, 0.02)
    assert (found.promise.unit, found.units) == ("problem", 12)
    assert "for a new problem like these" in in_words(found)
    runs = [
        c.as_run() | {"problem": c.run, "dataset": f"p{i % 12}"} for i, c in enumerate(PROBLEMS)
    ]
    same = calibrate(CurveSet.from_runs(runs), Keras, 0.02, cap=0.2, unit="dataset")
    assert (same.promise.unit, same.reached) == ("dataset", found.reached)
    assert "for a new data set like these" in in_words(same)
    assert "On the 12 calibration data sets" in in_words(same)


@pytest.mark.parametrize("each", [3, 12, 13])
@pytest.mark.parametrize("confidence", [None, 0.9])
def test_the_mean_of_capped_losses_is_never_above_the_cap(each, confidence):
    # 0.2 + 0.2 + 0.2 over 3 is 0.20000000000000004
    val = np.array([5, 3, 4, 2, 1, 1.5])
    curves = CurveSet.from_runs(
        {"val": val, "test": val, "problem": f"p{p}"} for p in range(12) for _ in range(each)
    )
    # refused for what is lost, not for a loss beyond the cap
    with pytest.raises(RefusedError, match="12 problems"):
        calibrate(curves, Keras, unit="dataset", confidence=confidence)


def test_the_sweep_s_losses_can_only_fall_and_diverged_runs_count_as_the_cap():
    curves = CurveSet.from_runs(r for r in random_runs(2, 60) if not np.isnan(r["val"]).all())
    for family in (Keras, GL(1, k=1)):
        found = measured(curves, family)
        assert (found.losses[:, 1:] <= found.losses[:, :-1]).all()
        assert np.isinf(found.losses).any()
        done = calibrate(curves, family, 0.1, cap=0.3)
        at = [str(m) for m in found.members].index(str(done.criterion))
        assert done.mean == np.minimum(found.losses[:, at], 0.3).mean()


def test_the_same_seed_gives_the_same_and_only_bets_depend_on_it():
    args = {"at_most": 0.05, "cap": 0.5, "confidence": 0.8}
    assert calibrate(CURVES, Keras, **args, seed=1) == calibrate(CURVES, Keras, **args, seed=1)
    reached = {calibrate(CURVES, Keras, **args, seed=s).reached for s in range(4)}
    assert len(reached) > 1
    assert calibrate(CURVES, Keras, seed=1) == calibrate(CURVES, Keras, seed=2)


def test_nothing_depends_on_the_order_of_the_runs():
    backwards = CURVES[::-1]
    assert calibrate(backwards, Keras).criterion == calibrate(CURVES, Keras).criterion


def test_a_mean_above_the_limit_without_the_cap_is_warned_of():
    runs = [{"val": [2.0, 1.0, 1.5, 1.4, 1.3]} for _ in range(60)]
    # patience 1 stops at the third check, and would have found a tenth of the error later
    runs += [{"val": [2.0, 1.0, 1.5, 1.4, 0.1]}]
    found = calibrate(CurveSet.from_runs(runs), Keras, 0.02)
    assert str(found.criterion) == "Keras(1)"
    assert found.mean_uncapped == pytest.approx(9 / 61)
    assert found.largest == pytest.approx(9)
    capped, copies = found.warnings[0], found.warnings[-1]
    assert capped.what is Caution.CAPPED
    assert capped.numbers == {"cap": 0.2, "mean": found.mean_uncapped, "at_most": 0.02}
    assert copies == (Caution.COPIES, {"copies": 59, "runs": 61})
    said = in_words(found)
    assert "  warning: without the cap of 0.2 the mean loss is 14.75%, above" in said
    assert "59 of 61 runs are copies of another run" in said.split("\n")[-1]
    # with a cap that lets it count, only a patience that finds it is sure
    with pytest.raises(
        RefusedError, match=r"no threshold of Keras that stops a run .* with these 61 runs"
    ):
        calibrate(CurveSet.from_runs(runs), Keras, 0.02, cap=1)


def test_doubts_about_the_records_are_told():
    curves = CurveSet.from_runs({"val": c.val[: kept(c, 5)[1] + 1]} for c in CURVES)
    found = calibrate(curves, Keras, 0.05)
    (stopped,) = (each for each in found.warnings if each.what is Hidden.STOPPED)
    assert stopped.numbers["patience"] == 5
    assert "  warning: " in in_words(found)
    assert "they were probably stopped by a patience of 5" in in_words(found)


@pytest.mark.parametrize(
    ("n", "options", "needed"),
    [
        (8, {}, 9),
        (48, {"cap": 1}, 49),
        (15, {"exceed": 0.1, "at_most": 0.05}, 19),
        (24, {"confidence": 0.9}, 25),
        (118, {"confidence": 0.9, "cap": 1}, 119),
    ],
)
def test_too_few_runs_are_refused_with_the_number_needed(n, options, needed):
    # no loss at all, and a patience that stops early
    runs = CurveSet.from_runs(
        {"val": [1.0, *np.arange(2.0, 9)], "test": [1.0] * 8} for _ in "x" * needed
    )
    with pytest.raises(RefusedError, match=f"{n} runs are too few.*{needed} are needed") as error:
        calibrate(runs[:n], Keras, **options)
    assert isinstance(error.value, ValueError)
    assert str(calibrate(runs, Keras, **options).criterion) == "Keras(1)"


def test_a_threshold_that_never_stops_a_run_early_is_a_refusal():
    falls = CurveSet.from_runs({"val": np.linspace(2, 1, 20)} for _ in range(50))
    with pytest.raises(RefusedError, match="no threshold of Keras that stops a run before its end"):
        calibrate(falls, Keras)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"at_most": 0}, "at_most = 0; expected a share above 0"),
        ({"at_most": np.nan}, "at_most = nan"),
        ({"at_most": 1.5, "exceed": 0.1}, "at_most = 1.5"),
        ({"cap": 0.02}, "cap = 0.02; expected a number above at_most = 0.02"),
        ({"cap": np.inf}, "cap = inf"),
        ({"cap": 1, "exceed": 0.1}, "pass only one of them"),
        ({"exceed": -1}, "exceed = -1; expected"),
        ({"confidence": 90}, "confidence = 90; expected a number in"),
        ({"unit": "epoch"}, "unit = 'epoch'; expected 'run' or 'dataset'"),
        ({"unit": "dataset"}, "no column 'dataset' or 'problem'"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ValueError, match=message) as error:
        calibrate(CurveSet.from_runs([{"val": [1.0, 2.0]}]), Keras, **options)
    assert not isinstance(error.value, RefusedError)


def test_what_cannot_be_calibrated_is_refused():
    with pytest.raises(ValueError, match=r"SklearnHGB has no threshold .* pass confidence"):
        calibrate(CURVES, SklearnHGB)
    with pytest.raises(ValueError, match="is not a family or a criterion of one"):
        calibrate(CURVES, any_of(GL(1), Keras(2)))
    silent = CurveSet.from_runs([{"run": "a", "val": [np.nan, np.nan]}, {"val": [1.0, 2.0]}])
    with pytest.raises(ValueError, match=r"1 of 2 runs have an unknown val error .* 'a'"):
        calibrate(silent, Keras)
    untested = CurveSet.from_runs([{"run": "b", "val": [1.0, 2.0, 1.0]}])
    with pytest.raises(ValueError, match=r"1 of 1 runs have an unknown test error .* 'b'"):
        calibrate(untested, Keras, confidence=0.9)


def test_the_loss_of_a_test_error_is_against_what_the_end_selects():
    curves = CurveSet.from_runs(
        [{"val": [3.0, 2.0, 2.5, 1.0, 4.0, 5.0], "test": [2.0, 3.0, 1.0, 2.0, 9.0, 9.0]}]
    )
    found = measured(curves, Keras(0), "test")
    # a patience of 1 keeps the second epoch, the others the fourth, as the end does
    assert found.losses[0, :4].tolist() == [0.5, 0.0, 0.0, 0.0]
    stops = replay(curves, found.members)
    assert stops.test[0, :4].tolist() == [3, 2, 2, 2]
    fewer = measured(curves, GL(1, k=5), "test").losses
    assert (fewer >= 0).all()


def test_the_sequence_of_tests_does_not_depend_on_the_errors():
    # thresholds between the highs of the runs would be chosen on the runs that test them
    others = CurveSet.from_runs({"val": c.val**3, "test": c.test} for c in CURVES)
    for rule in (Keras, GL(1, k=1), SklearnHGB):
        assert sequence(rule, CURVES) == sequence(rule, others)
    assert [each.threshold for each in sequence(GL(1, k=1), CURVES)[:3]] == [
        0.0001,
        0.00015,
        0.0002,
    ]
    stops = replay(CURVES, sequence(GL(1, k=1), CURVES)).stop
    assert (np.diff(stops, axis=1) >= 0).all()


def test_several_data_sets_are_the_units_unless_told_otherwise():
    assert calibrate(PROBLEMS, Keras).promise.unit == "problem"
    assert calibrate(PROBLEMS, Keras, unit="run").promise.unit == "run"
    assert calibrate(PROBLEMS.select(PROBLEMS.meta["problem"] == "p1"), Keras, 0.2).units == 9
    said = in_words(calibrate(PROBLEMS, Keras, unit="run"))
    assert "Holds for a new run like these, with a record of at most 120 checks;" in said
    assert said.split("\n")[2].endswith("a changed recipe, or another data set")
    assert "or another data set" not in in_words(calibrate(PROBLEMS, Keras))
