"""Libraries that have no rule named after them, held against the rule that the table names.

``make verify`` installs them, in groups, and prints what was tried. A library that is not installed
is skipped, unless ``EARLYSTOP_DRIVE`` names its group.
"""

import importlib.util
import os
from importlib.metadata import version

import numpy as np
import pytest
from other_drivers import OTHERS, row_of
from strategies import random_errors

from earlystop_lab import CurveSet, parse, replay

TRIALS = 240


def trials(name):
    """Random curves with random parameters of the library."""
    other = OTHERS[name]
    rng = np.random.default_rng(len(name))
    for _ in range(TRIALS):
        params = {key: some[rng.integers(len(some))] for key, some in other.grid.items()}
        errors = random_errors(rng)
        for turned in other.values:
            errors = turned(errors)
        yield errors, params


def criterion(rule, params):
    """The text of our rule for the library's parameters."""
    return rule.format(**params) if isinstance(rule, str) else rule(**params)


def replayed(text, errors):
    """Stop and restored check of our rule, as indices from 0; None where it does not stop."""
    curves = CurveSet.from_runs([{"val": errors, "train": errors}])
    stops = replay(curves, [parse(text)], restore="own")
    return int(stops.stop[0, 0]) - 1 if stops.fired[0, 0] else None, int(stops.selected[0, 0]) - 1


def installed(module, row):
    try:
        there = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a part of a package that is not there
        return False
    # of Keras, other versions are elsewhere
    return there and (row.library != "keras" or version("keras") == row.version)


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.filterwarnings("ignore")  # a library's own warnings are not ours to fix
def test_the_rule_decides_as_the_library(name, record_property):
    other = OTHERS[name]
    if os.environ.get("EARLYSTOP_DRIVE", other.group) != other.group:
        pytest.skip(f"is of the group {other.group}")
    row = row_of(name)
    if "EARLYSTOP_DRIVE" not in os.environ and not installed(other.module, row):
        pytest.skip(f"{row.library} {row.version} is not installed: make verify installs it")
    assert version(row.library) == row.version
    found = []
    for errors, params in trials(name):
        stop, restored = other.decide(list(errors), **params)
        expected = replayed(text := criterion(other.rule, params), errors)
        if expected[0] != stop or restored not in (None, expected[1]):
            found.append((errors, params, expected, (stop, restored)))
    family = text.partition("(")[0]
    record_property("verified", (row.library, row.version, family, TRIALS, len(found)))
    assert found == []
