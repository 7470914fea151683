"""What is computed from the highs of a statistic, and when something is compiled."""

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from earlystop_lab import GL, UP, CurveSet, Keras, replay
from earlystop_lab._common import compiling, progress
from earlystop_lab.criteria import FAMILIES, first_passage, usual
from earlystop_lab.criteria.first_passage import (
    NEVER,
    NOWHERE,
    Highs,
    brief,
    lowest,
    passages,
    strides,
)
from earlystop_lab.engine.replaying import stopped
from earlystop_lab.engine.thresholds import Thresholds, _ascending, sweep, watchable

numbers = st.integers(0, 12).map(float)


@given(
    st.lists(st.sets(numbers, max_size=9), min_size=1, max_size=4),
    st.sets(st.one_of(numbers, st.floats(-2, 14)), min_size=1),
)
@example([{-1.0, 0.0, 1.0, 7.0}], {np.nextafter(1.0, 0), -1.0, 6.5})
def test_a_limit_is_passed_at_the_first_higher_high(runs, limits):
    highs, limits = [sorted(run) for run in runs], np.array(sorted(limits))
    value = np.array([high for run in highs for high in run], np.float64)
    row = np.array([3 * i for run in highs for i in range(len(run))], np.int32)
    plain = Highs(value, row, np.cumsum([0, *map(len, highs)]))
    for each in (plain, brief(plain, 3)):
        stop = np.full((len(runs), len(limits) + 2), 99, np.int32)
        passages(*each, limits, stop, 1)
        for found, run in zip(stop, highs, strict=True):
            first = [next((3 * i for i, h in enumerate(run) if h > one), NEVER) for one in limits]
            assert found.tolist() == [99, *first, 99]


@given(
    st.lists(st.lists(st.sampled_from([0.0, 1.0, 2.0, np.inf, np.nan]), min_size=1), min_size=1),
    st.sampled_from([[], [1], [2], [1, 3], [2, 3], [4, 6], [3, 6]]),
    st.data(),
)
def test_the_lowest_selectable_error_up_to_each_check(runs, strips, data):
    ends = [[NEVER, NOWHERE, *range(len(run))] for run in runs]
    until = np.array([data.draw(st.tuples(*[st.sampled_from(e)] * 3)) for e in ends], np.int32)
    best = np.full((len(runs), 3), 99, np.int32)
    errors, offsets = np.concatenate(runs), np.cumsum([0, *map(len, runs)])
    lowest(errors, offsets, strides(frozenset(strips)), until, best, 1, 3)
    for i, run in enumerate(runs):
        assert best[i, 0] == 99
        for found, check in zip(best[i, 1:], until[i, 1:], strict=True):
            last = len(run) - 1 if check == NEVER else check
            allowed = [
                j for j in range(last + 1) if not strips or any((j + 1) % k == 0 for k in strips)
            ]
            some = [j for j in allowed if not np.isnan(run[j])]
            assert found == (min(some, key=lambda j: run[j]) if some else last)


@given(st.lists(st.sampled_from([-2.5, -0.0, 0.0, 1.0, 1.5, 3.0, np.inf])))
def test_equal_highs_are_ordered_by_run(values):
    values = np.array(values, np.float64)
    assert _ascending(values).tolist() == np.argsort(values, kind="stable").tolist()


def some_runs(seed=0):
    rng = np.random.default_rng(seed)
    errors = [1 / np.arange(1, n + 1) + 0.2 * rng.random(n) for n in (1, 7, 40, 90)]
    errors[2][5:9] = np.nan
    return CurveSet.from_runs([{"val": e, "train": 0.9 * e, "test": e + 0.1} for e in errors])


@pytest.mark.parametrize("restore", ["best", "last", "own"])
@pytest.mark.parametrize("rule", [GL(1, k=1), GL(5), UP(2), Keras(3, min_delta=0.05)], ids=str)
def test_stops_from_known_highs_are_those_of_a_replay(rule, restore):
    curves = some_runs()
    fine = Thresholds.of(rule, curves)
    members = fine.sweep(20)
    known = stopped(curves, members, restore=restore, known=fine.known)
    replayed = replay(curves, members, restore=restore)
    assert np.array_equal(known.stop + 1, replayed.stop)
    assert np.array_equal(known.selected + 1, replayed.selected)


def test_plain_python_and_compiled_code_give_the_same_stops(monkeypatch):
    curves = some_runs()
    some = [f for f in FAMILIES.values() if watchable(f, curves).all() and f.threshold]
    rules = [each for family in some for each in (*sweep(family, curves, 5), usual(family))]
    rules = list(dict.fromkeys(rules))

    def found(seconds):
        forget_what_was_compiled(monkeypatch, seconds)
        stops = replay(curves, rules)
        return stops.stop.tobytes(), stops.selected.tobytes(), stops.fired.tobytes()

    assert found(math.inf) == found(-1)


def test_a_pass_in_portions_is_that_of_all_runs_at_once(monkeypatch):
    curves = some_runs()
    rules = [GL(1, k=1), GL(5), UP(2), Keras(3, min_delta=0.05)]
    whole = replay(curves, rules, restore="own")
    monkeypatch.setattr(first_passage, "TRIED", 10)
    parts = replay(curves, rules, restore="own")
    assert np.array_equal(parts.stop, whole.stop)
    assert np.array_equal(parts.selected, whole.selected)


def forget_what_was_compiled(monkeypatch, seconds):
    """As if nothing was compiled, which takes so many seconds."""
    monkeypatch.setattr(compiling, "COMPILING", seconds)
    monkeypatch.setattr(compiling, "LOADING", seconds)
    monkeypatch.setattr(compiling, "_ready", set())
    monkeypatch.setattr(compiling, "_work", compiling.Counter())
    monkeypatch.setattr(compiling, "_seconds", compiling.defaultdict(float))


@pytest.fixture
def compiled(monkeypatch):
    """The work that a compiler which is not there was called for; plain work takes a second."""
    calls, clock = [], itertools.count()
    forget_what_was_compiled(monkeypatch, 100)
    monkeypatch.setattr(compiling.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(compiling, "_on_disk", lambda driver: False)
    monkeypatch.setattr(compiling, "_compiled", lambda driver: calls.append)
    monkeypatch.setitem(sys.modules, "numba", compiling)
    return calls


def plain(work):
    """A driver in plain Python; compiled, it would be called, too."""


def test_a_driver_is_compiled_once_it_would_take_longer_than_compiling(
    compiled, monkeypatch, capsys
):
    monkeypatch.setattr(progress._Shown, "noted", set())
    # each call takes a second: 98 would take 49, and then 5000, after 100 in two seconds, 100
    with progress.progress_shown():
        for work in (2, 98, 5000, 1):
            compiling.call_bound(plain, {}, work, rule="x", work=work)
    assert compiled == [5000, 1]
    assert capsys.readouterr().err == "earlystop: compiling rules, once for each on this machine\n"


def test_what_is_on_disk_is_used_for_any_work(compiled, monkeypatch):
    monkeypatch.setattr(compiling, "_on_disk", lambda driver: True)
    compiling.call_bound(plain, {}, 3, rule="x", work=3)
    assert compiled == [3]


SMALL = """
import sys
from earlystop_lab import CurveSet, replay
replay(CurveSet.from_runs([{"val": [2.0, 1.0, 1.5, 3.0]}]), ["GL(60, k=1)", "Keras(1)"])
print("numba" in sys.modules)
"""


def test_a_small_replay_does_not_import_the_compiler(tmp_path):
    environment = {"EARLYSTOP_COMPILE": "", "NUMBA_CACHE_DIR": str(tmp_path), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", SMALL], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "False\n"
