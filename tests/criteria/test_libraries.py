"""Every rule against its plain restatement, hand-worked goldens and its library's own code.

The table of restatements, grids and goldens is ``restated.py``; the libraries' own code is driven
by ``library_drivers.py`` where it is installed, and `make verify` prints what was tried.
"""

import importlib.util
import inspect
import math
import os
from importlib.metadata import version

import library_drivers
import numpy as np
import pytest
from restated import GOLDENS, ON_EPOCHS, ON_TRAIN, RESTATED, RULES
from strategies import CHANNELS, random_errors

from earlystop_lab import Channel, CurveSet, parse, replay
from earlystop_lab.criteria import FAMILIES

#: the rules that other tests hold against something independent
ELSEWHERE = {"GL", "PQ", "UP", "Progress", "MaxEpochs", "TerminateOnNaN", "PowerLaw"}
ELSEWHERE |= {"RateDecayed", "MultiPowerLaw"}
#: module -> the package that brings it
PACKAGES = {
    "ignite": "pytorch-ignite",
    "sklearn": "scikit-learn",
    "early_stopping": "early-stopping",
    "pybrain3": "PyBrain3",
}
#: what the library takes in other values than ours: it drives what it can
DRIVEN = {
    **{name: RULES[name] for name in RULES if RULES[name][0]},
    "Slope": ("early_stopping", {"window": [2, 3, 5, 8]}),
}
#: CatBoost's metrics have to be finite
FINITE = {"CatBoostIter", "CatBoostIncToDec"}
TRIALS = 240
#: those that a library's own code decides, which takes longer; make verify asks for 240
DRIVEN_TRIALS = int(os.environ.get("EARLYSTOP_SETS", "60"))


def trials(name, grid, count=TRIALS):
    """Random curves with random parameters of the rule."""
    rng = np.random.default_rng(len(name))
    for _ in range(count):
        params = {key: some[rng.integers(len(some))] for key, some in grid.items()}
        errors, more = random_errors(rng), {}
        if name in FINITE:
            errors = [e if math.isfinite(e) else 1.0 for e in errors]
        if name == "Slope":  # sums that floats hold exactly, so that no order of summing matters
            errors = [round(e * 64) / 64 if math.isfinite(e) else e for e in errors]
        if name != "Keras":  # whose start_from_epoch is an epoch; most count checks all the same
            first = 1 if name in ON_EPOCHS else int(rng.integers(2))  # Ultralytics' is 1
            more["epochs"] = list(range(first, 3 * len(errors) + 2, 1 + int(rng.integers(3))))
            more["epochs"] = more["epochs"][: len(errors)]
        if name in ON_TRAIN:
            more["train"] = [e * 0.9 - 0.01 * i for i, e in enumerate(random_errors(rng))]
            more["train"] = (more["train"] * len(errors))[: len(errors)]
        for channel in CHANNELS:
            if channel in FAMILIES[name].watches:
                more[channel] = (random_errors(rng) * len(errors))[: len(errors)]
        yield errors, params, more


def replayed(name, errors, params, more):
    """Stop and restored check of our rule, as indices from 0; None where it does not stop."""
    columns = {"epoch" if key == "epochs" else key: values for key, values in more.items()}
    curves = CurveSet.from_runs([{"val": errors, **columns}])
    stops = replay(curves, [FAMILIES[name](**params)], restore="own")
    epochs = curves[0].epoch.tolist()
    stop = epochs.index(stops.stop[0, 0]) if stops.fired[0, 0] else None
    return stop, epochs.index(stops.selected[0, 0])


def disagreements(name, decide, grid=None, count=TRIALS):
    """What our rule and another decide differently, of all trials."""
    asked = inspect.signature(decide).parameters
    for errors, params, more in trials(name, grid or RULES[name][1], count):
        if name in ON_EPOCHS and "epochs" not in asked:
            more = {}  # it counts its own calls
        found = replayed(name, errors, params, more)
        more = {key: values for key, values in more.items() if key in asked}
        stop, restored = decide(list(errors), **params, **more)
        if found[0] == stop and restored in (None, found[1]):
            continue
        if "slack" in asked and (
            decide(errors, **params, **more, slack=1e-9)[0]
            != decide(errors, **params, **more, slack=-1e-9)[0]
        ):
            continue  # the order of summing decides: either is right
        yield errors, params, more, found, (stop, restored)


def test_every_rule_is_held_against_something():
    assert set(RESTATED) == set(RULES) == set(FAMILIES) - ELSEWHERE


@pytest.mark.parametrize("name", RULES)
def test_the_rule_is_its_restatement(name):
    assert list(disagreements(name, RESTATED[name])) == []


def golden(rule, curves):
    """Stop and restored check of a golden example, counted from 1; None where it never stops."""
    run = curves if isinstance(curves, dict) else {"val": curves}
    run = {key: [float(value) for value in values] for key, values in run.items()}
    stops = replay(CurveSet.from_runs([run]), [parse(rule)], restore="own")
    epochs = list(run.get("epoch", range(1, len(run["val"]) + 1)))
    stop = epochs.index(stops.stop[0, 0]) + 1 if stops.fired[0, 0] else None
    return stop, epochs.index(stops.selected[0, 0]) + 1


@pytest.mark.parametrize(
    ("rule", "curves", "stop", "restored"), GOLDENS, ids=[f"{g[0]} {g[1]}" for g in GOLDENS]
)
def test_worked_by_hand(rule, curves, stop, restored):
    found = golden(rule, curves)
    assert found == (stop, found[1] if restored is None else restored)


@pytest.mark.parametrize("name", DRIVEN)
@pytest.mark.filterwarnings("ignore")  # a library's own warnings are not ours to fix
def test_the_rule_is_the_library_s_own(name, record_property):
    module, grid = DRIVEN[name]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed: make verify installs it")
    found = list(disagreements(name, getattr(library_drivers, name), grid, DRIVEN_TRIALS))
    package = PACKAGES.get(module, module)
    record_property("verified", (package, version(package), name, DRIVEN_TRIALS, len(found)))
    assert found == []


#: rules whose libraries are told which way is better, with what the rule is tried with
SCORED = {
    "Lightning": {
        "patience": [1, 2, 3],
        "min_delta": [0.0, 0.125],
        "stopping_threshold": [None, 0.85],
        "divergence_threshold": [None, 0.125],
    },
    "Ultralytics": {"patience": [1, 2, 3, 5]},
}


@pytest.mark.parametrize("name", SCORED)
@pytest.mark.filterwarnings("ignore")  # a library's own warnings are not ours to fix
def test_scores_are_to_the_rule_what_they_are_to_the_library(name):
    module = DRIVEN[name][0]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed: make verify installs it")
    rng = np.random.default_rng(14)
    for _ in range(DRIVEN_TRIALS):
        params = {key: some[rng.integers(len(some))] for key, some in SCORED[name].items()}
        # with ties, and zeros at first: of a fitness of 0 Ultralytics knows no best
        scores = (rng.integers(0, 9, int(rng.integers(1, 16))) / 8).tolist()
        scores[: int(rng.integers(4))] = []
        scores = [0.0] * int(rng.integers(4)) + scores
        if not scores:
            continue
        curves = CurveSet.from_runs([{"val": scores}], channels={"val": Channel(direction="max")})
        stops = replay(curves, [FAMILIES[name](**params)], restore="own")
        stop = int(stops.stop[0, 0]) - 1 if stops.fired[0, 0] else None
        expected, restored = getattr(library_drivers, name)(scores, **params, mode="max")
        assert stop == expected, (scores, params)
        if restored is not None:
            assert stops.selected[0, 0] - 1 == restored, (scores, params)
