"""The tests bite: a rule with any one knob turned differs from its restatement.

Each knob of each patience rule is set to each other value; some trial of ``test_libraries`` has
to notice, unless the two settings are the same rule, which EQUAL says and why.
"""

import dataclasses
import inspect
import math
import operator

import pytest
from restated import GOLDENS, ON_EPOCHS, RESTATED, RULES
from test_libraries import trials

from earlystop_lab.criteria import FAMILIES, parse
from earlystop_lab.criteria.rules.boosting import trees_epoch
from earlystop_lab.criteria.rules.channels import wave_epoch
from earlystop_lab.criteria.rules.older import looked_epoch
from earlystop_lab.criteria.rules.patience import (
    AT_GAIN,
    AT_MOST,
    BETWEEN,
    COUNTED,
    COUNTS,
    DIFFERENCE,
    EITHER,
    GAIN,
    GAIN_OR_INFINITE,
    IMPROVES,
    LOWER,
    LOWER_BY,
    MOVES,
    NOT_WITHIN,
    NOT_WITHIN_RELATIVE,
    RELATIVE,
    RELATIVE_SIZE,
    RELATIVE_TO,
    SILENT,
    SUM,
    WORSE,
    Knobs,
    kept_epoch,
)
from earlystop_lab.criteria.rules.training import delayed_epoch

VALUES = {
    "test": list(IMPROVES),
    "first": [False, True],
    "moves": list(MOVES),
    "counts": list(COUNTS),
    "at_gain": list(AT_GAIN),
    "epochs": [False, True],
    "finite": [False, True],
    "last_tie": [False, True],
    "skips_nan": [False, True],
    "first_bad": [False, True],
}
OPPOSITE = {">": ">=", ">=": ">"}
PASSES = {">": operator.gt, ">=": operator.ge}
#: rules that are tried with a threshold of 0, which a count of 0 passes
ZERO = {
    "Keras",
    "Keras2",
    "Lightning",
    "HuggingFace",
    "Fastai",
    "XGBoost",
    "Cornac",
    "TorchTuples",
    "Paddle",
}
#: rules whose count may pass a threshold at a check that improves: it counts the first, or trees
COUNTS_MORE = {("Hyperopt", COUNTED), ("Hyperopt", BETWEEN), ("YDF", BETWEEN)}
#: what is restored is the epoch of the rule's own best
OWN_BEST = {kept_epoch, looked_epoch, delayed_epoch, trees_epoch, wave_epoch}
#: rules whose best starts at infinity, and which nothing but a lower value improves
PLAIN = ("StableBaselines3", "NoisyEarlyStopping", "LabelWave")
#: settings that are the same rule, and why
EQUAL = {
    "d is 0, so that these are v < best": {
        *(
            (name, "test", test)
            for name in (*PLAIN, "SpaCy", "Encog", "MatlabMaxFail", "Weka", "YDF")
            for test in (SUM, DIFFERENCE, GAIN, LOWER_BY, RELATIVE, RELATIVE_SIZE)
        ),
        *(
            (name, "moves", EITHER)
            for name in (*PLAIN, "SpaCy", "Encog", "MatlabMaxFail", "Ultralytics")
        ),
        *((name, "moves", LOWER) for name in PLAIN),
        ("YDF", "moves", EITHER),
        ("Encog", "test", RELATIVE_TO),
        ("NGBoost", "counts", WORSE),
    },
    "d is above 0, so that a gain is lower": {("TPOT", "moves", EITHER)},
    "a NaN stops it, or is no check": {
        ("MMEngine", "test", AT_MOST),
        ("EarlyStoppingPyTorch", "test", NOT_WITHIN),
    },
    "it counts from iteration 0, as if that had been seen": {
        ("DeepXDE", "first", True),
        ("DeepXDE", "first_bad", True),
    },
    "a NaN is the highest error of a median": {("Median", "skips_nan", True)},
    "the best is never infinite": {("Encog", "test", GAIN_OR_INFINITE), ("Encog", "moves", LOWER)},
    "a NaN stops it, or is not falling": {
        *(
            (name, "test", test)
            for name in ("Encog", "Weka")
            for test in (NOT_WITHIN, NOT_WITHIN_RELATIVE)
        ),
    },
    "any first value improves, or stops it": {
        *(
            (name, "first", first)
            for name in (
                "Flax",
                "MMEngine",
                "SklearnMLP",
                "SklearnSGD",
                "Ultralytics",
                "Weka",
                "Encog",
                "NGBoost",
            )
            for first in (True, False)
        ),
    },
    "d is at least 0, so that a gain of more is below": {("DL4J", "test", LOWER_BY)},
    "a threshold of 0 stops at the first check": {
        ("HuggingFace", "at_gain", BETWEEN),
        ("XGBoost", "at_gain", BETWEEN),
        ("TorchTuples", "at_gain", BETWEEN),
        ("Paddle", "at_gain", BETWEEN),
    },
    "a count of 0 stops nothing": {
        ("Ultralytics", "at_gain", COUNTED),
        ("DL4J", "at_gain", COUNTED),
    },
}


def same(name, knob, value):
    """Why a setting is the same rule as the one that the library has, None where it is not."""
    family = FAMILIES[name]
    least = 1 if family.passes == ">=" and name not in ZERO else 0
    if knob == "at_gain" and name not in ON_EPOCHS and (name, value) not in COUNTS_MORE:
        if value in (SILENT, COUNTED) and (family.passes == ">" or least):
            return "a count of 0 stops nothing"
        if value == BETWEEN and family.passes == ">=" and least:
            return "in checks, the one before would have stopped"
    if knob == "last_tie" and family.restores not in OWN_BEST:
        return "its own best is not what is restored"
    return next((why for why, which in EQUAL.items() if (name, knob, value) in which), None)


def turned(state, knob, value):
    """The state with one knob of the rule itself turned; what is restored is left alone."""
    if isinstance(state, Knobs):
        return dataclasses.replace(state, **{knob: value}), True
    if not isinstance(state, tuple):
        return state, False
    parts, done = [], False
    for part in state:
        if not done:
            part, done = turned(part, knob, value)
        parts.append(part)
    return (type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)), done


def mutants():
    """Every rule with knobs, with every other value of every knob."""
    for name, family in FAMILIES.items():
        state = family.start() if family.start and family.threshold else None
        if not turned(state, "test", 0)[1]:
            continue
        yield name, "passes", OPPOSITE[family.passes]
        for knob, values in VALUES.items():
            for value in values:
                if turned(state, knob, value)[0] != state:
                    yield name, knob, value


def mutant(name, knob, value):
    family = FAMILIES[name]
    if knob == "passes":
        return dataclasses.replace(family, passes=value)

    def start(**params):
        return turned(family.start(**params), knob, value)[0]

    return dataclasses.replace(family, start=start)


def decided(family, errors, params, more):
    """Stop and restored check as indices from 0, step by step in plain Python."""
    rule = family(**params)
    state, epochs = family.start(**dict(rule.params)), more.get("epochs")
    kept = math.nan
    for i, error in enumerate(errors):
        epoch = float(epochs[i] if epochs else i + 1)
        val = 1 - error if family.takes == "score" else error
        watched = {"val": val, **{name: each[i] for name, each in more.items()}}
        after, statistic = family.step(state, epoch, *(watched[name] for name in family.watches))
        if family.tests_between_checks and statistic > rule.threshold:
            return i, kept
        state = after
        if family.restores is not None and not math.isnan(now := family.restores(state)):
            kept = list(epochs or range(1, len(errors) + 1)).index(now)
        if PASSES[family.passes](statistic, rule.threshold):
            return i, kept
    return None, kept


def survives(name, family):
    """Whether a rule decides as the restatement does, in all goldens and trials."""
    for rule, curves, stop, _ in GOLDENS:
        if rule.startswith(f"{name}("):
            run = curves if isinstance(curves, dict) else {"val": curves}
            given = dict(parse(rule).params)
            if family.threshold:
                given[family.threshold] = parse(rule).threshold
            more = {"epochs" if key == "epoch" else key: run[key] for key in run if key != "val"}
            found, _ = decided(family, run["val"], given, more)
            if found != (None if stop is None else stop - 1):
                return False
    decide = RESTATED[name]
    asked = inspect.signature(decide).parameters
    for errors, params, more in trials(name, RULES[name][1]):
        stop, restored = decided(family, errors, params, more)
        given = {**params, **{key: more[key] for key in more if key in asked}}
        expected = decide(list(errors), **given)
        if "slack" in asked and decide(list(errors), **given, slack=1e-9) != decide(
            list(errors), **given, slack=-1e-9
        ):
            continue  # the order of summing decides: either is right
        if stop != expected[0] or (expected[1] is not None and restored != expected[1]):
            return False
    return True


@pytest.mark.parametrize("name", sorted({name for name, _, _ in mutants()}))
def test_the_rule_itself_survives(name):
    assert survives(name, FAMILIES[name])


@pytest.mark.parametrize(("name", "knob", "value"), list(mutants()))
def test_a_turned_knob_is_noticed(name, knob, value):
    assert survives(name, mutant(name, knob, value)) == (same(name, knob, value) is not None)
