"""Rules that were tried: what they are by a loop, and that the answer follows from the table."""

import math
from itertools import pairwise

import numpy as np
from hypothesis import given, strategies as st

from experiments import rules_tried
from experiments.rules_tried import TRIED, Area, Doubling, NoisyHeight, ShareAndHeight
from experiments.studies import study

CURVES = st.lists(st.floats(0.1, 10), min_size=1, max_size=20)


def naive(val):
    """The four statistics at each check, one at a time."""
    for t in range(len(val)):
        log = [math.log(each) for each in val[: t + 1]]
        low, at = min(log), log.index(min(log))
        half = (t + 1) // 2
        doubled = (min(log[:half]) - low) / math.log(2) if half >= 2 else math.nan
        squares = [(b - a) ** 2 for a, b in pairwise(log)]
        noise = math.sqrt(sum(squares) / t) if t else 0
        height = (log[-1] - low) / noise if noise else math.nan
        share = (t - at) / (t + 1) + (0.1 * height if noise else 0) if t >= 4 else -1.0
        area = sum(each - low for each in log[at + 1 :]) / noise if noise else math.nan
        yield doubled, height, share, area


@given(CURVES)
def test_statistics_are_those_of_a_loop(val):
    expected = np.array(list(naive(val))).T
    for rule, wanted in zip((Doubling, NoisyHeight, ShareAndHeight, Area), expected, strict=True):
        found = rule.array(np.array(val))
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6, equal_nan=True)


@given(CURVES, st.data())
def test_tried_rules_never_look_ahead(val, data):
    cut = data.draw(st.integers(1, len(val)))
    for rule in TRIED:
        whole, part = rule.array(np.array(val)), rule.array(np.array(val[:cut]))
        np.testing.assert_array_equal(whole[:cut], part)


def test_the_answer_says_what_the_table_shows():
    table = study("rules_tried")
    better = table[table["what"].str.endswith("against all") & (table["value"] < 0)]
    said = rules_tried.answer(table)
    assert ("none is shown to be better" in said) == better.empty
    for found in better.itertuples():
        assert f"{found.what.split()[0]} on {found.where}" in said
