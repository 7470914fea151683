"""Replay against stepping a plain loop; what must not change its bytes; what it refuses."""

import hashlib
import itertools
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import library_drivers
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from strategies import CHANNELS, curves, random_errors, random_runs, small

from earlystop_lab import (
    GL,
    PQ,
    UP,
    CurveSet,
    Keras,
    Keras2,
    MaxEpochs,
    ModelCheckpoint,
    Progress,
    TerminateOnNaN,
    after,
    all_of,
    any_of,
    criterion,
    parse,
    read_curves,
    replay,
    trace,
)
from earlystop_lab.criteria import FAMILIES
from earlystop_lab.live import Stopper

ARRAYS = ("stop", "selected", "fired", "train", "val", "test")


#: criteria of every family, several thresholds to a family and out of order
SCANS = [
    GL(5),
    GL(0),
    GL(50),
    GL(5, k=1),
    GL(2, k=3),
    PQ(0.5, k=2),
    PQ(3, k=2),
    PQ(0, k=1),
    PQ(0.75),
    UP(3, k=1),
    UP(1, k=1),
    UP(2, k=1),
    UP(1),
    UP(2, k=2),
    Progress(100, k=2),
    Progress(0.1, k=2),
    Progress(300),
    MaxEpochs(10),
    MaxEpochs(3),
    MaxEpochs(1000),
    Keras(3),
    Keras(0),
    Keras(1),
    Keras(10),
    Keras(2, min_delta=0.05),
    Keras(2, baseline=0.3),
    Keras(2, start_from_epoch=4),
    Keras2(2),
    Keras2(0),
    Keras2(3, min_delta=-0.05),
    Keras2(2, baseline=0.3),
    TerminateOnNaN(),
    *(
        parse(text)
        for text in (
            "Lightning(3, min_delta=-0.1, check_finite=False)",
            "Ignite(2, threshold=0.1, cumulative=True)",
            "HuggingFace(2, threshold=0.05)",
            "LightGBM(2, min_delta=0.1)",
            "Median(1, window=4)",
            "Encog(1, check_frequency=0)",
        )
    ),
    *(small(f) for f in FAMILIES.values() if f.step and not {*f.watches} & {*CHANNELS}),
]


@criterion(threshold="level", passes="<")
def Flat(val, train, *, window=3):
    """Spread of the validation error over a window, undefined where training diverged."""
    val = np.where(np.isfinite(val + train), val, np.nan)
    return np.array([np.ptp(val[max(0, t - window) : t]) for t in range(1, len(val) + 1)])


SCANS = list(dict.fromkeys(SCANS))
RULES = [
    *SCANS,
    *(small(family) for family in FAMILIES.values() if not family.step),
    any_of(GL(50, k=1), Keras(3), MaxEpochs(20)),
    all_of(UP(1, k=1), GL(5, k=1)),
    after(5, Keras(2)),
    any_of(all_of(UP(1, k=1), Keras(2)), after(10, GL(0))),
]

CURVES = CurveSet.from_runs(random_runs(seed=11, count=60))


def digest(stops):
    parts = [getattr(stops, name).tobytes() for name in ARRAYS]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def assert_same(found, expected):
    assert found.criteria == expected.criteria
    assert list(found.meta["run"]) == list(expected.meta["run"])
    for name in ARRAYS:
        assert getattr(found, name).tobytes() == getattr(expected, name).tobytes(), name


# -- one run at a time, one step at a time ---------------------------------------------------


def stepped(rule, curve):
    """Position of the first check that passes, and the epochs the library would restore."""
    family, owns = rule.family, []
    state = family.start(**dict(rule.params))
    every = dict(rule.params)["k"] if family.at_ends else 1
    # the errors of random runs are below 1, so that a fitness is 1 - error
    watched = [1 - curve[n] if family.takes == "score" else curve[n] for n in family.watches]
    for at, values in enumerate(zip(curve.epoch, *watched, strict=True)):
        statistic = math.nan
        if (at + 1) % every == 0:
            state, statistic = family.step(state, *map(float, values))
        owns.append(family.restores(state) if family.restores else None)
        passed = {
            ">": statistic > rule.threshold,
            ">=": statistic >= rule.threshold,
            "<": statistic < rule.threshold,
            "<=": statistic <= rule.threshold,
        }[family.passes]
        if passed and curve.epoch[at] > rule.warmup:
            return at, owns
    return None, owns


def lowest(curve, last, k):
    """Position of the first lowest error at strip ends up to ``last``; ``last`` without one."""
    seen = [i for i in range(last + 1) if (i + 1) % k == 0 and not math.isnan(curve.val[i])]
    return min(seen, key=lambda i: curve.val[i], default=last)


def first_step(s, epoch, first, *others):
    """The value of the first channel; the state is the check's number."""
    return s + 1, first


@pytest.mark.parametrize("watches", [("val",), ("train", "val"), ("lr", "train", "val")])
def test_a_step_is_told_what_it_watches_in_that_order(watches):
    @criterion(threshold="level", step=first_step, watches=watches)
    def Told():
        return 0

    row = {"val": 2.0, "train": 1.0, "lr": 0.5}
    curves = CurveSet.from_runs([{name: [value] for name, value in row.items()}])
    assert trace(Told(1), curves[0]).statistic[0] == row[watches[0]]
    assert replay(curves, [Told(1)]).fired[0, 0] == (row[watches[0]] >= 1)
    assert Stopper(Told(1)).update(**row) == (row[watches[0]] >= 1)


def count_step(s, epoch, val):
    """How many steps were taken."""
    return s + 1, float(s + 1)


def count_cannot_pass(s, bound, val):
    return 2 * (s + 1) < bound


def count_bound(limit):
    return 2 * limit


def test_a_rule_of_ones_own_takes_steps_at_strip_ends_and_passes_over_those_that_cannot_pass():
    @criterion(
        threshold="n",
        step=count_step,
        cannot_pass=count_cannot_pass,
        pass_bound=count_bound,
        strip="k",
        at_ends=True,
    )
    def Ends(*, k: int = 5):
        return 0

    runs = CurveSet.from_runs([{"val": np.linspace(2, 1, n)} for n in (2, 3, 7, 20)])
    stops = replay(runs, [Ends(1, k=3), Ends(2, k=3), Ends(3), Ends(2, k=1)])
    # ends of strips of 3: 3, 6 ...; the third strip of 5 ends at 15
    assert stops.stop.tolist() == [[2, 2, 2, 2], [3, 3, 3, 2], [3, 6, 7, 2], [3, 6, 15, 2]]
    np.testing.assert_equal(trace(Ends(1, k=2), runs[1]).statistic, [math.nan, 1, math.nan])


@pytest.mark.parametrize("restore", ["best", "lowest", "last", "own"])
def test_replay_is_stepping_a_plain_loop(restore):
    stops = replay(CURVES, SCANS, restore=restore)
    for i, curve in enumerate(CURVES):
        for j, rule in enumerate(SCANS):
            where = f"{rule} on {curve.run}"
            at, owns = stepped(rule, curve)
            assert stops.fired[i, j] == (at is not None), where
            last = len(curve.val) - 1 if at is None else at
            assert stops.stop[i, j] == curve.epoch[last], where
            # a rule with strips has seen only their ends
            strip = rule.family.strip
            kept = lowest(
                curve, last, dict(rule.params)[strip] if strip and restore != "lowest" else 1
            )
            if restore == "last":
                kept = last
            elif restore == "own" and rule.family.restores:
                # Keras 2 restores only where its callback stopped the training
                none = math.isnan(owns[-1]) or (at is None and rule.family.name == "Keras2")
                kept = last if none else int(owns[-1]) - 1
            assert stops.selected[i, j] == curve.epoch[kept], where
            for name in ("train", "val", "test"):
                found, expected = getattr(stops, name)[i, j], getattr(curve, name)[kept]
                assert found == expected or (math.isnan(found) and math.isnan(expected)), where


@given(curves(), st.sampled_from(SCANS), st.integers(0, 10))
def test_warm_up_is_stepping_with_a_gate(pair, rule, epochs):
    run = CurveSet.from_runs([{"val": pair[0], "train": pair[1]}])
    rule = after(epochs, rule)
    at, _ = stepped(rule, run[0])
    stops = replay(run, [rule])
    assert stops.fired[0, 0] == (at is not None)
    assert stops.stop[0, 0] == (len(pair[0]) if at is None else at + 1)


def test_an_array_family_stops_where_its_own_values_say():
    rules = [Flat(0.1), Flat(0.01), Flat(0.1, window=5)]
    stops = replay(CURVES, rules)
    for i, curve in enumerate(CURVES):
        for j, rule in enumerate(rules):
            statistic = Flat.array(curve.val, curve.train, **dict(rule.params))
            passed = np.flatnonzero(statistic < rule.threshold)
            assert stops.fired[i, j] == (len(passed) > 0)
            assert stops.stop[i, j] == (passed[0] + 1 if len(passed) else len(curve.val))


@pytest.mark.parametrize("rule", RULES[-4:], ids=str)
def test_combinations_select_the_best_of_all_checks_that_a_member_sees(rule):
    stops = replay(CURVES, [rule])
    for i, curve in enumerate(CURVES):
        last = int(stops.stop[i, 0]) - 1
        # each of these has a member that looks at every check
        assert stops.selected[i, 0] == lowest(curve, last, 1) + 1


def test_combinations_of_strips_select_among_their_ends():
    run = CurveSet.from_runs([{"val": [1.0, 5.0, 2.0, 4.0, 1.5, 6.0, 9.0, 9.0]}])
    # ends of strips of 2 and 3: 5 2 4 6 9; the rule without validation adds no check
    rule = any_of(GL(200, k=2), GL(300, k=3), MaxEpochs(7))
    stops = replay(run, [rule, any_of(rule, Keras(20))])
    assert stops.stop.tolist() == [[7, 7]]
    assert stops.selected.tolist() == [[3, 1]]


# -- thresholds, order, ties -----------------------------------------------------------------

MANY = [
    *(GL(a, k=k) for k in (1, 5) for a in (50, 0, 1, 3, 2, 0.5, 1e9)),
    *(PQ(a, k=2) for a in (3, 0, 0.5, 1, 1e9)),
    *(Progress(a, k=2) for a in (0, 1000, 10, 0.1, 100)),
    *(UP(s, k=1) for s in (8, 1, 4, 2)),
    *(Keras(p) for p in (5, 0, 1, 20, 2)),
    *(after(8, GL(a, k=1)) for a in (50, 0, 2)),
    *(Flat(level) for level in (0.5, 0, 0.1, 0.05)),
]


def test_thresholds_in_one_pass_are_the_same_as_one_by_one():
    together = replay(CURVES, MANY, restore="own")
    for j, rule in enumerate(MANY):
        alone = replay(CURVES, [rule], restore="own")
        for name in ARRAYS:
            one = np.ascontiguousarray(getattr(together, name)[:, j])
            assert one.tobytes() == getattr(alone, name).tobytes(), (str(rule), name)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_criteria_does_not_matter(seed):
    order = np.random.default_rng(seed).permutation(len(MANY))
    given_order, shuffled = replay(CURVES, MANY), replay(CURVES, [MANY[j] for j in order])
    for name in ARRAYS:
        one = np.ascontiguousarray(getattr(given_order, name)[:, order])
        assert one.tobytes() == getattr(shuffled, name).tobytes()


def test_a_higher_threshold_never_stops_earlier():
    levels = [0, 0.5, 1, 2, 5, 10, 50]
    for rules in ([GL(a) for a in levels], [PQ(a, k=2) for a in levels]):
        stops = replay(CURVES, rules)
        stop = np.where(stops.fired, stops.stop, np.inf)
        assert (stop[:, :-1] <= stop[:, 1:]).all()


def test_the_earliest_of_tied_minima_is_kept():
    run = CurveSet.from_runs([{"val": [2.0, 1.0, 3.0, 1.0, 1.0, 4.0]}])
    stops = replay(run, [MaxEpochs(5), Keras(3), GL(300, k=2)])
    # of the strip ends 1, 1, 4 the first is check 2
    assert stops.selected.tolist() == [[2, 2, 2]]


def test_nan_is_never_the_best():
    run = CurveSet.from_runs([{"val": [math.nan, 3.0, math.nan, 2.0, math.nan]}])
    assert replay(run, [MaxEpochs(3), MaxEpochs(4), MaxEpochs(9)]).selected.tolist() == [[2, 4, 4]]
    only_nan = CurveSet.from_runs([{"val": [math.nan] * 3}])
    assert replay(only_nan, [MaxEpochs(2)]).selected.tolist() == [[2]]


def test_infinity_is_an_error_like_any_other():
    run = CurveSet.from_runs([{"val": [math.inf, math.inf, 1e300, math.inf]}])
    assert replay(run, [MaxEpochs(2), MaxEpochs(4)]).selected.tolist() == [[1, 3]]


# -- what is reported ----------------------------------------------------------------------


def test_a_run_that_never_passes_is_censored_at_its_own_end():
    runs = CurveSet.from_runs({"val": np.linspace(2, 1, length)} for length in (1, 3, 7))
    stops = replay(runs, [GL(2, k=1), MaxEpochs(100), MaxEpochs(7)])
    assert stops.stop.tolist() == [[1, 1, 1], [3, 3, 3], [7, 7, 7]]
    assert stops.fired.tolist() == [[False] * 3, [False] * 3, [False, False, True]]
    assert stops.val.tolist() == [[2, 2, 2], [1, 1, 1], [1, 1, 1]]


def test_a_check_at_epoch_0_can_stop():
    curves = CurveSet.from_runs([{"val": [math.nan, 2.0, 1.0], "epoch": [0, 1, 2]}])
    assert replay(curves, ["Lightning(2)"]).stop[0, 0] == 0
    assert trace("Lightning(2)", curves[0]).holds.tolist() == [True, False, False]


def test_given_epochs_are_reported():
    val = [4.0, 3.0, 3.5, 3.6, 9.0]
    rules = [GL(10, k=1), UP(2, k=1), Keras(2), MaxEpochs(25), GL(1e9)]
    counted = replay(CurveSet.from_runs([{"val": val}]), rules, restore="own")
    given_epochs = CurveSet.from_runs([{"val": val, "epoch": [10, 20, 30, 40, 50]}])
    stops = replay(given_epochs, rules, restore="own")
    assert stops.stop.tolist() == [[30, 40, 40, 30, 50]]
    assert stops.selected.tolist() == [[20, 20, 20, 20, 50]]
    # only the budget is in epochs
    assert (counted.stop * 10)[0, [0, 1, 2, 4]].tolist() == stops.stop[0, [0, 1, 2, 4]].tolist()
    frame = stops.to_frame()
    assert frame["stop"].dtype == frame["selected"].dtype == np.int64


def test_fractional_epochs_are_reported_as_they_are():
    run = CurveSet.from_runs([{"val": [4.0, 3.0, 3.5], "epoch": [0.5, 1.5, 2.5]}])
    assert replay(run, [GL(10, k=1)], restore="own").to_frame()["stop"].tolist() == [2.5]
    assert replay(run, [Keras(1)], restore="own").selected.tolist() == [[1.5]]


def test_the_frame_is_tidy_and_in_order():
    runs = CurveSet.from_runs(
        [
            {"run": "b", "val": [2.0, 1.0, 3.0], "test": [5.0, 6.0, 7.0]},
            {"run": "a", "val": [1.0, 2.0], "train": [0.5, 0.25]},
        ]
    )
    frame = replay(runs, ["UP(1, k=1)", MaxEpochs(1)]).to_frame()
    expected = pd.DataFrame(
        {
            "run": ["b", "b", "a", "a"],
            "criterion": ["UP(1, k=1)", "MaxEpochs(1)"] * 2,
            "stop": [3, 1, 2, 1],
            "selected": [2, 1, 1, 1],
            "fired": [True] * 4,
            "train": [math.nan, math.nan, 0.5, 0.5],
            "val": [1.0, 2.0, 1.0, 1.0],
            "test": [6.0, 5.0, math.nan, math.nan],
        }
    )
    pd.testing.assert_frame_equal(frame, expected, check_dtype=False)


def test_repr_says_how_many_fired():
    runs = CurveSet.from_runs({"val": [1.0, 2.0]} for _ in range(3))
    stops = replay(runs, [UP(1, k=1), MaxEpochs(9)])
    assert repr(stops) == "Stops: 3 runs x 2 criteria, 50% fired"
    assert len(stops) == 3


def test_text_and_objects_are_the_same():
    assert_same(replay(CURVES, list(map(str, RULES))), replay(CURVES, RULES))


def test_the_set_is_left_as_it_was():
    names = ("epoch", "val", "train", "test")
    before = [CURVES.channel(name).values.tobytes() for name in names]
    replay(CURVES, [*RULES, Flat(0.1)], restore="own")
    assert [CURVES.channel(name).values.tobytes() for name in names] == before


# -- what must not change a byte -------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("chunk_size", [1, 3, 1000])
def test_chunks_and_threads_do_not_matter(n_jobs, chunk_size):
    found = replay(CURVES, RULES, restore="own", n_jobs=n_jobs, chunk_size=chunk_size)
    assert_same(found, replay(CURVES, RULES, restore="own"))


@pytest.mark.parametrize(("n_jobs", "chunk_size"), [(1, 1), (1, 3), (2, 3), (2, 1000)])
def test_chunks_and_processes_do_not_matter(n_jobs, chunk_size):
    @criterion(threshold="level", passes="<")
    def Local(val, *, window=3):
        return Flat.array(val, val, window=window)

    rules = [Flat(0.1), GL(5), Local(0.1), Local(0.2), any_of(Local(0.01), UP(1, k=1))]
    found = replay(CURVES, rules, n_jobs=n_jobs, chunk_size=chunk_size)
    assert_same(found, replay(CURVES, rules))


@pytest.mark.parametrize("seconds", [0, 2])
def test_a_progress_bar_shows_after_a_second_and_changes_nothing(seconds, monkeypatch, capsys):
    clock = itertools.count(step=seconds)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    assert_same(replay(CURVES, RULES, progress=True, chunk_size=7), replay(CURVES, RULES))
    shown = capsys.readouterr().err
    assert "60 of 60 runs" in shown if seconds else shown == ""


@pytest.mark.parametrize("chunk_size", [4, 256])
@pytest.mark.parametrize("name", ["curves.parquet", "folder", "curves.arrow"])
def test_a_path_is_the_same_as_the_set(tmp_path, name, chunk_size):
    runs = random_runs(1, 9, problem="p1") + [
        {
            **run,
            "run": f"other {i}",
            "problem": "p0",
            "epoch": 10 * np.arange(1, len(run["val"]) + 1),
        }
        for i, run in enumerate(random_runs(2, 9))
    ]
    CurveSet.from_runs(runs).write(tmp_path / name)
    in_memory = replay(read_curves(tmp_path / name), RULES)
    from_path = replay(tmp_path / name, RULES, chunk_size=chunk_size)
    assert_same(from_path, in_memory)
    assert_same(replay(str(tmp_path / name), RULES, n_jobs=2, chunk_size=4), in_memory)
    pd.testing.assert_frame_equal(from_path.meta, in_memory.meta)
    assert_same(in_memory, replay(read_curves(tmp_path / name), RULES))
    given_order = replay(CurveSet.from_runs(runs), RULES).to_frame().set_index(["run", "criterion"])
    pd.testing.assert_frame_equal(
        from_path.to_frame().set_index(["run", "criterion"]).loc[given_order.index], given_order
    )


def test_float32_errors_are_widened_before_they_are_compared():
    # in float32 0.1 + 1e-9 is 0.1 again; widened, the gain of 0.05 is compared exactly
    rng = np.random.default_rng(4)
    lists = [np.round(rng.random(30), 2).astype(np.float32) for _ in range(10)]
    narrow = CurveSet.from_runs({"val": v, "train": v, "test": v} for v in lists)
    wide = CurveSet.from_runs(
        {name: v.astype(np.float64) for name in ("val", "train", "test")} for v in lists
    )
    rules = [*RULES, Keras(2, min_delta=1e-9), Keras(2, min_delta=0.01), Flat(0.1)]
    found = replay(narrow, rules, restore="own")
    assert_same(found, replay(wide, rules, restore="own"))
    assert found.val.dtype == np.float64


def test_slices_and_selections_replay_as_their_runs_do():
    whole = replay(CURVES, RULES)
    mask = np.arange(len(CURVES)) % 3 == 1
    for part, rows in ((CURVES[7:20], slice(7, 20)), (CURVES[::-7], slice(None, None, -7))):
        assert replay(part, RULES).stop.tolist() == whole.stop[rows].tolist()
    assert replay(CURVES.select(mask), RULES).selected.tolist() == whole.selected[mask].tolist()


DIGEST = """
import sys
sys.path[:0] = {tests!r}
import test_replay as t
print(t.digest(t.replay(t.CURVES, t.RULES, restore="own")))
"""


def test_plain_python_gives_the_same_bytes():
    done = subprocess.run(
        [sys.executable, "-c", DIGEST.format(tests=[str(f) for f in Path(__file__).parents[:2]])],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == digest(replay(CURVES, RULES, restore="own"))


# -- trace ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", SCANS, ids=str)
def test_trace_is_where_the_replay_stops(rule):
    stops = replay(CURVES, [rule])
    for i, curve in enumerate(CURVES):
        seen = trace(rule, curve)
        assert len(seen.statistic) == len(seen.holds) == len(seen.restored) == len(curve.val)
        assert seen.holds.any() == stops.fired[i, 0]
        if seen.holds.any():
            assert curve.epoch[seen.holds.argmax()] == stops.stop[i, 0]


# -- refusals ------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [PQ(1), Progress(0.1), TerminateOnNaN(), Flat(1), "PQ(1)"])
def test_missing_training_errors_are_named(rule):
    runs = CurveSet.from_runs(
        [{"run": "with", "val": [1.0], "train": [1.0]}, {"run": "without", "val": [1.0]}]
    )
    name = str(rule).split("(")[0]
    with pytest.raises(ValueError, match=rf"{name}.*'without'.*train"):
        replay(runs, [GL(1), rule])
    with pytest.raises(ValueError, match=rf"{name}.*'without'.*train"):
        trace(rule, runs["without"])
    assert trace(rule, runs["with"]).holds.shape == (1,)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"criteria": []}, "criteria is empty"),
        ({"criteria": ["GL(2)", GL(2.0), UP(1)]}, r"duplicate criterion GL\(2\)"),
        ({"criteria": ["GLL(2)"]}, "did you mean 'GL'"),
        ({"criteria": [GL]}, r"GL is a family; pass a criterion, such as GL\(2\)"),
        ({"criteria": [2]}, "2 is not a criterion"),
        ({"restore": "first"}, "'first'.*'best', 'lowest', 'last', 'own' or a ModelCheckpoint"),
        ({"restore": GL(2)}, r"GL\(2\).*ModelCheckpoint"),
        ({"restore": "ModelCheckpoint"}, r"'ModelCheckpoint'; expected 'best'.*"),
        ({"restore": after(3, ModelCheckpoint())}, r"after\(3.*expected 'best'"),
        ({"criteria": [any_of(GL(2), ModelCheckpoint())]}, "stops nothing; pass it as restore"),
        ({"chunk_size": 0}, "chunk_size = 0"),
        ({"chunk_size": -3}, "chunk_size = -3"),
        ({"curves": CurveSet.from_runs([])}, "empty"),
        ({"curves": CURVES[:0]}, "empty"),
    ],
)
def test_a_mistake_is_named(arguments, match):
    with pytest.raises(ValueError, match=match):
        replay(**{"curves": CURVES, "criteria": [GL(2)], **arguments})


@pytest.mark.parametrize("alone", ["GL(2)", GL(2)])
def test_a_criterion_in_place_of_a_list_is_named(alone):
    with pytest.raises(TypeError, match=r"criteria = 'GL\(2\)'; expected a list"):
        replay(CURVES, alone)


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.parquet"):
        replay(tmp_path / "none.parquet", [GL(2)])
    (tmp_path / "text.parquet").write_text("no Parquet")
    with pytest.raises(ValueError, match=r"text\.parquet"):
        replay(tmp_path / "text.parquet", [GL(2)])


def test_a_run_in_two_files_of_a_folder_is_named(tmp_path):
    for name in ("x", "y"):
        CurveSet.from_runs([{"run": "again", "val": [1.0]}]).write(tmp_path / f"{name}.parquet")
    with pytest.raises(ValueError, match="duplicate run id 'again'"):
        replay(tmp_path, [GL(2)])


# -- checkpoints -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "val", "kept"),
    [
        ({}, [3.0, 1.0, 2.0], 3),
        ({"save_best_only": True}, [3.0, 1.0, 1.0, 2.0], 2),
        ({"save_best_only": True, "ties": "last"}, [3.0, 1.0, 1.0, 2.0], 3),
        # only what is below the initial value is saved; the stop where nothing was
        ({"save_best_only": True, "initial_value_threshold": 1.5}, [2.0, 1.8, 1.4, 1.6], 3),
        ({"save_best_only": True, "initial_value_threshold": 1.0}, [2.0, 1.8, 1.4, 1.6], 4),
        # a NaN first is the best for good, unless the best starts elsewhere
        ({"save_best_only": True}, [math.nan, 1.0, 2.0], 1),
        ({"save_best_only": True, "ties": "last"}, [math.nan, 1.0, 2.0], 1),
        ({"save_best_only": True, "initial_value_threshold": 9}, [math.nan, 1.0, 2.0], 2),
    ],
)
def test_a_checkpoint_keeps_what_it_saved(options, val, kept):
    curves = CurveSet.from_runs([{"val": val}])
    stops = replay(curves, [MaxEpochs(99)], restore=ModelCheckpoint(**options))
    assert stops.selected[0, 0] == kept


@pytest.mark.parametrize("threshold", [None, 0.5])
def test_a_checkpoint_keeps_what_keras_saves(threshold):
    pytest.importorskip("keras", reason="the callback itself is the reference")
    rng = np.random.default_rng(12)
    policy = ModelCheckpoint(save_best_only=True, initial_value_threshold=threshold)
    for _ in range(200):
        errors = random_errors(rng)
        saved = library_drivers.keras_checkpoint(errors, initial_value_threshold=threshold)
        stops = replay(CurveSet.from_runs([{"val": errors}]), [MaxEpochs(999)], restore=policy)
        expected = len(errors) if saved is None else saved + 1
        assert stops.selected[0, 0] == expected, errors


def test_epochs_that_no_integer_holds_stay_as_they_are():
    curves = CurveSet.from_runs([{"val": [1.0, 2.0], "epoch": [1e300, 1e301]}])
    frame = replay(curves, [GL(2, k=1)]).to_frame()
    assert frame[["stop", "selected"]].to_numpy().tolist() == [[1e301, 1e300]]
