"""Facts of runs against a plain loop over them."""

import gc
import math
import weakref

import numpy as np
import pytest
from hypothesis import given, strategies as st

from earlystop_lab import CurveSet
from earlystop_lab.curves.facts import facts_of, outcomes

NAN, INF = math.nan, math.inf

errors = st.sampled_from([NAN, INF, -INF, 0.0, -0.0, -1.0, 1.0, 1.5, 2.0])


@st.composite
def sets(draw):
    """Some runs of few different errors, so that ties and copies are common."""
    runs = []
    for _ in range(draw(st.integers(1, 8))):
        run = {"val": draw(st.lists(errors, min_size=1, max_size=4))}
        length = len(run["val"])
        if draw(st.booleans()):
            run["test"] = draw(st.lists(errors, min_size=length, max_size=length))
        if draw(st.booleans()):
            run["epoch"] = draw(st.sampled_from([1, 0.5, 10])) * np.arange(1.0, length + 1)
        runs.append(run)
    return CurveSet.from_runs(runs)


def lowest(values, epoch, keep):
    """Value, epoch and check of the lowest of those to keep, by a loop."""
    found = (NAN, NAN, -1)
    for i, value in enumerate(values):
        if keep(value) and not value >= found[0]:
            found = (value, epoch[i], i)
    return found


def same(array, values):
    np.testing.assert_array_equal(array, np.array(values))


@given(sets())
def test_facts_are_those_of_a_plain_loop(curves):
    known, table = facts_of(curves), outcomes(curves)
    runs = list(curves)
    same(known.first, [run.epoch[0] for run in runs])
    same(known.last, [run.epoch[-1] for run in runs])
    for name in ("val", "train", "test"):
        for finite in (False, True):
            keep = math.isfinite if finite else lambda value: not math.isnan(value)
            each = [
                (NAN, NAN, -1)
                if (values := getattr(run, name)) is None
                else lowest(values.tolist(), run.epoch, keep)
                for run in runs
            ]
            for i, field in enumerate(known.lowest(name, finite=finite)):
                same(field, [found[i] for found in each])
        usable = [
            (values := getattr(run, name)) is not None
            and all(map(math.isfinite, values))
            and min(values) != 0
            for run in runs
        ]
        same(known.measurable(name), usable)
    finite = [[math.isfinite(value) for value in run.val] for run in runs]
    best = [lowest(run.val, run.epoch, math.isfinite) for run in runs]
    ends = [at == len(run.val) - 1 for (_, _, at), run in zip(best, runs, strict=True)]
    late = [epoch > 0.9 * run.epoch[-1] for (_, epoch, _), run in zip(best, runs, strict=True)]
    seen, copies = [], []
    for run in runs:
        bits = [[float(x).hex() for x in values] for values in (run.epoch, run.val)]
        copies.append(len(run.val) > 1 and bits in seen)
        seen.append(bits)
    for mask, column, expected in (
        (known.late, "late", late),
        (known.censored, "censored", ends),
        (known.diverged, "diverged", [not all(each) for each in finite]),
        (known.never_finite, "never_finite", [not any(each) for each in finite]),
        (known.copies, "repeated", copies),
    ):
        same(mask, expected)
        same(table[column], expected)
    same(table["best_epoch"], [epoch for _, epoch, _ in best])


def test_endings_count_the_runs_that_have_a_finite_error():
    runs = [
        {"val": [3.0, *[2.0] * 8, 1.0], "ended": "target"},
        {"val": [3.0, *[2.0] * 8, 1.0, 2.0]},
        {"val": [3.0, 1.0, *[2.0] * 8], "ended": "aborted"},
        {"val": [NAN, INF], "ended": "target"},
    ]
    known = facts_of(CurveSet.from_runs(runs))
    assert known.at_target.tolist() == [True, False, False, True]
    assert known.endings == (3, 2, 1, 1)
    assert known.endings.share("late") == 2 / 3
    assert facts_of(CurveSet.from_runs([])).endings.share("late") == 0


def test_a_copy_has_the_same_positions_and_errors_and_more_than_one_check():
    runs = [
        {"val": [3.0, 2.0], "epoch": [1, 2], "test": [1.0, 1.0]},
        {"val": [3.0, 2.0], "epoch": [10, 20]},
        {"val": [3.0, 2.0]},
        {"val": [2.0, 3.0]},
        {"val": [3.0, 2.0], "epoch": [10, 20]},
        {"val": [5.0]},
        {"val": [5.0]},
    ]
    copies = facts_of(CurveSet.from_runs(runs)).copies
    assert copies.tolist() == [False, False, True, False, True, False, False]


def test_clusters_are_data_sets_else_problems_else_runs():
    runs = [{"val": [1], "problem": p, "dataset": p[0]} for p in ("a", "a-noise", "b")]
    named = facts_of(CurveSet.from_runs(runs)).clusters
    assert (named.tolist(), named.name) == (["a", "a", "b"], "dataset")
    # a data set that only some runs name is no reason to fall back on problems
    some = CurveSet.from_runs([*runs, {"run": "z", "val": [1], "problem": "c"}])
    with pytest.raises(ValueError, match="run 'z' has no dataset; give every run a dataset, or"):
        _ = facts_of(some).clusters
    named = facts_of(CurveSet.from_runs([{"val": [1], "problem": p} for p in "aab"])).clusters
    assert (named.tolist(), named.name) == (["a", "a", "b"], "problem")
    alone = facts_of(CurveSet.from_runs([{"run": r, "val": [1]} for r in "xy"])).clusters
    assert (alone.tolist(), alone.name) == (["x", "y"], "run")
    some = CurveSet.from_runs([{"val": [1.0], "problem": "a"}, {"run": "y", "val": [1.0]}])
    with pytest.raises(ValueError, match="run 'y' has no problem"):
        _ = facts_of(some).clusters


def test_facts_of_no_runs():
    known = facts_of(CurveSet.from_runs([]))
    arrays = (known.first, known.last, *known.lowest("val"), known.copies, known.censored)
    assert [len(array) for array in (*arrays, known.measurable())] == [0] * 8


def test_facts_are_found_once_and_end_with_their_set():
    curves = CurveSet.from_runs([{"val": [2.0, 1.0]}])
    assert facts_of(curves) is facts_of(curves)
    assert facts_of(curves).lowest("val") is facts_of(curves).lowest("val")
    with pytest.raises(ValueError, match="read-only"):
        facts_of(curves).copies[0] = True
    # the facts alone are enough
    assert facts_of(curves[:1]).last.tolist() == [2]
    gone = weakref.ref(curves)
    del curves
    gc.collect()
    assert gone() is None
