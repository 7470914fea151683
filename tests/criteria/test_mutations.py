"""The tests bite: a rule with any one knob turned differs from its restatement.

Each knob of each patience rule is set to each other value; some trial of ``test_libraries`` has
to notice, unless the two settings are the same rule, which EQUAL says and why.
"""

import dataclasses

import pytest
from restated import GOLDENS, ON_EPOCHS, RESTATED
from test_libraries import disagreements, golden

from earlystop_lab._common.compiling import call_plain
from earlystop_lab.criteria import FAMILIES, first_passage
from earlystop_lab.criteria.rules.older import looked_epoch
from earlystop_lab.criteria.rules.patience import (
    AT_GAIN,
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
    SILENT,
    SUM,
    Knobs,
    kept_epoch,
)

VALUES = {
    "test": list(IMPROVES),
    "first": [False, True],
    "moves": list(MOVES),
    "counts": list(COUNTS),
    "at_gain": list(AT_GAIN),
    "epochs": [False, True],
    "finite": [False, True],
    "last_tie": [False, True],
}
OPPOSITE = {">": ">=", ">=": ">"}
#: rules that are tried with a threshold of 0, which a count of 0 passes
ZERO = {"Keras", "Keras2", "Lightning", "HuggingFace", "Fastai", "XGBoost"}
#: settings that are the same rule, and why
EQUAL = {
    "d is 0, so that these are v < best": {
        *(
            (name, "test", test)
            for name in ("SpaCy", "Encog", "MatlabMaxFail", "Weka")
            for test in (SUM, DIFFERENCE, GAIN, LOWER_BY, RELATIVE, RELATIVE_SIZE)
        ),
        *((name, "moves", EITHER) for name in ("SpaCy", "Encog", "MatlabMaxFail", "Ultralytics")),
    },
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
            )
            for first in (True, False)
        ),
    },
    "d is at least 0, so that a gain of more is below": {("DL4J", "test", LOWER_BY)},
    "a threshold of 0 stops at the first check": {
        ("HuggingFace", "at_gain", BETWEEN),
        ("XGBoost", "at_gain", BETWEEN),
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
    if knob == "at_gain" and name not in ON_EPOCHS:
        if value in (SILENT, COUNTED) and (family.passes == ">" or least):
            return "a count of 0 stops nothing"
        if value == BETWEEN and family.passes == ">=" and least:
            return "in checks, the one before would have stopped"
    if knob == "last_tie" and family.restores not in (kept_epoch, looked_epoch):
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


def survives(name, knob, value, monkeypatch):
    # every mutant would be compiled anew
    monkeypatch.setattr(first_passage, "call_bound", call_plain)
    monkeypatch.setitem(FAMILIES, name, mutant(name, knob, value))
    for rule, curves, stop, _ in GOLDENS:
        if rule.startswith(f"{name}(") and golden(rule, curves)[0] != stop:
            return False
    return next(disagreements(name, RESTATED[name]), None) is None


@pytest.mark.parametrize(("name", "knob", "value"), list(mutants()))
def test_a_turned_knob_is_noticed(name, knob, value, monkeypatch):
    assert survives(name, knob, value, monkeypatch) == (same(name, knob, value) is not None)
