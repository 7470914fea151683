"""Runs as they grow: the same curves and the same stops as a replay of what was posted."""

import asyncio
import errno
import json
import math
import os
import shutil
import threading

import numpy as np
import pyarrow.parquet as pq
import pytest
from adapters import LowRate
from hypothesis import given, strategies as st

from earlystop_lab import Channel, CurveSet, criterion, read_curves, replay, trace
from earlystop_lab._common.names import file_in
from earlystop_lab.live.watch import runs as limits
from earlystop_lab.live.watch.journal import Journal
from earlystop_lab.live.watch.posts import Asked, Post, PostError
from earlystop_lab.live.watch.runs import Board, Run
from earlystop_lab.live.watch.saving import load, save, saved, snapshot
from earlystop_lab.live.watch.views import POINTS, detail, overview
from earlystop_lab.live.watch.watching import Watching

CRITERIA = ["GL(5, k=1)", "PQ(1, k=2)", "UP(2, k=1)", "any_of(Keras(3), MaxEpochs(9))"]


def post(run, epoch, **metrics):
    """Let a post happen to a run, by way of the text that its journal gets."""
    event = json.loads(json.dumps(run.event(Post(epoch, metrics), Asked())))
    run.apply(event)
    return event


def evaluated(run):
    while run.waiting:
        run.evaluate(1.0)
    return run


def columns(run):
    return [run.curve(name).tolist() for name in run.names]


#: what a log says of its channels
ALONE = {"epoch": Channel(unit="epoch"), "val": Channel("val", "min", source="val_loss")}
LOSSES = {**ALONE, "train": Channel("train", "min", source="loss")}


errors = st.sampled_from([0.0, 0.5, 1.0, 1.1, 2.0, 3.0, math.nan, math.inf]) | st.floats(0.1, 9)
steps = st.lists(st.tuples(st.integers(1, 12), errors, errors), min_size=1, max_size=30)


def kept(steps):
    """What is left of posts: one at an epoch that was there replaces all from there on."""
    rows = []
    for step in steps:
        rows = [row for row in rows if row[0] < step[0]] + [step]
    return rows


@given(steps)
def test_a_run_stops_where_the_replay_of_what_is_left_of_its_posts_does(steps):
    run = Run("a", 1, CRITERIA)
    events = []
    for epoch, val, train in steps:
        events.append(post(run, epoch, val_loss=val, loss=train))
        run.evaluate(0)
    evaluated(run)
    epoch, val, train = map(list, zip(*kept(steps), strict=True))
    np.testing.assert_array_equal(columns(run), [epoch, val, train])
    curves = CurveSet.from_runs([{"epoch": epoch, "val": val, "train": train}])
    stops = replay(curves, CRITERIA)
    for i, verdict in enumerate(run.verdicts):
        stop = verdict.stopper.stop_epoch
        assert (stop is not None) == stops.fired[0, i]
        if stop is not None:
            assert (stop, verdict.stopper.best_epoch) == (stops.stop[0, i], stops.selected[0, i])
    for i in (0, 1, 2):
        statistic = trace(CRITERIA[i], curves[0]).statistic
        np.testing.assert_array_equal(run.verdicts[i].values[0], statistic[: run.verdicts[i].seen])
    # and a server that reads its journal has the same
    again = Run("a", 1, CRITERIA)
    for event in events:
        again.apply(event)
    np.testing.assert_array_equal(columns(evaluated(again)), columns(run))
    assert [v.stopper.reason for v in again.verdicts] == [v.stopper.reason for v in run.verdicts]
    finite = [row for row in kept(steps) if not math.isnan(row[1])]
    lowest = min(finite, key=lambda row: row[1], default=None)
    assert run.best == again.best == (lowest and lowest[:2])


cells = st.none() | st.sampled_from([0.25, 0.5, 0.5, 0.75, math.nan])
holed = st.lists(
    st.tuples(st.integers(1, 8), cells, cells, cells, st.booleans()), min_size=1, max_size=20
)


@given(holed)
def test_other_channels_with_holes_stop_where_the_replay_of_what_is_left_does(steps):
    names = ("val_loss", "loss", "val_accuracy")
    rules = ["any_of(Keras(2), Keras(1, val='val_accuracy'))", "PQ(1, k=2)", "MaxEpochs(6)"]
    run, events, rows, channels = Run("a", 1, rules), [], [], set()
    # or the first would stand in, and what came before it was kept by its error
    steps = [(1, 0.5, None, None, False), *steps]
    for epoch, *values, evaluates in steps:
        posted = {n: v for n, v in zip(names, values, strict=True) if v is not None}
        events.append(post(run, epoch, **posted))
        channels.update(posted)
        if "val_loss" in posted:
            rows = [row for row in rows if row["epoch"] < epoch] + [{"epoch": epoch, **posted}]
        if evaluates:
            evaluated(run)
    evaluated(run)
    kinds = {"val": "val_loss", "train": "loss", "val_accuracy": "val_accuracy"}
    lists = {name: [row.get(posted) for row in rows] for name, posted in kinds.items()}
    told = {"epoch": [row["epoch"] for row in rows], **lists}
    curves = CurveSet.from_runs([told], channels={"val_accuracy": Channel(direction="max")})
    for verdict, needs in zip(run.verdicts, ("val_accuracy", "loss", "val_loss"), strict=True):
        assert (verdict.problem is None) == (needs in channels)
        if needs in channels:
            stops = replay(curves, [verdict.criterion])
            stop = verdict.stopper.stop_epoch
            assert (stop is not None) == stops.fired[0, 0]
            if stop is not None:
                selected = verdict.stopper.best_epoch
                assert (stop, selected) == (stops.stop[0, 0], stops.selected[0, 0])
    again = Run("a", 1, rules)
    for event in events:
        again.apply(event)
    for name in run.names:
        np.testing.assert_array_equal(again.curve(name), run.curve(name))
        np.testing.assert_array_equal(run.masked(name).mask, again.masked(name).mask)
    assert (again.channels, again.best) == (run.channels, run.best)


def test_posts_without_the_validation_error_are_no_checks():
    run = Run("a", 1, ["Keras(2)"])
    post(run, 1, loss=1.0, val_loss=2.0)
    assert "check" not in post(run, 2, loss=0.9)
    post(run, 3, loss=0.8, val_loss=1.5)
    assert columns(run) == [[1, 3], [2.0, 1.5], [1.0, 0.8]]


def test_the_training_error_stands_in_until_there_is_one_of_validation():
    # validation_freq=3: the first epochs know nothing of it
    run = Run("a", 1, ["Keras(1)"])
    post(run, 1, loss=1.0)
    post(run, 2, loss=2.0)
    evaluated(run)
    assert run.verdicts[0].stopper.stop_epoch == 2
    post(run, 3, loss=0.5, val_loss=0.7)
    evaluated(run)
    assert columns(run) == [[3], [0.7], [0.5]]
    assert run.verdicts[0].stopper.stop_epoch is None


def test_training_errors_that_come_later_leave_the_checks_alone():
    run = Run("a", 1, ["Keras(5)"])
    post(run, 1, val_loss=1.0)
    post(run, 2, val_loss=0.9, loss=0.8)
    np.testing.assert_array_equal(columns(run), [[1, 2], [1.0, 0.9], [math.nan, 0.8]])
    assert run.masked("train").mask.tolist() == [True, False]


def test_a_criterion_that_needs_training_errors_says_so():
    run = Run("a", 1, ["PQ(1, k=2)", "GL(5, k=1)"])
    post(run, 1, val_loss=1.0)
    evaluated(run)
    assert "PQ(1, k=2) needs training errors" in run.verdicts[0].problem
    assert run.verdicts[1].problem is None
    assert run.waiting == 0


def test_a_rule_of_ones_own_that_fails_says_so_and_nothing_else_stops():
    @criterion(threshold="level", passes=">")
    def Fails(val):
        raise RuntimeError("no idea")

    run = Run("a", 1, [Fails(1), "Keras(1)"])
    for epoch in (1, 2, 3):
        post(run, epoch, val_loss=float(epoch))
    evaluated(run)
    assert run.verdicts[0].problem == "no idea"
    assert run.verdicts[1].stopper.stop_epoch == 2


def test_a_run_has_so_many_metrics_and_no_more():
    run = Run("a", 1, [])
    for i in range(31):
        post(run, i + 1, val_loss=1.0, **{f"m{i}": 0.0, f"n{i}": 0.0})
    with pytest.raises(PostError, match="run a: more than 64 metrics"):
        run.event(Post(99.0, {"val_loss": 1.0, "x": 1.0, "y": 1.0}), Asked())
    post(run, 99, val_loss=1.0, m0=3.0)


def test_a_run_begins_anew_where_it_began_with_another_check():
    run = Run("a", 1, [])
    post(run, 5, val_loss=1.0)
    assert not run.begins_anew(Post(5.0, {}))
    assert not run.begins_anew(Post(5.0, {"val_loss": 1.0}))
    assert run.begins_anew(Post(5.0, {"val_loss": 2.0}))
    post(run, 6, val_loss=1.0)
    assert not run.begins_anew(Post(6.0, {}))
    assert run.begins_anew(Post(5.0, {}))
    assert run.begins_anew(Post(1.0, {}))


# -- log files ----------------------------------------------------------------------------------


def curve(**lists):
    return CurveSet.from_runs([lists])[0]


def test_a_log_that_grows_and_is_repaired():
    run = Run("log.csv", 1, ["Keras(2)"])
    channels = LOSSES
    run.follow(curve(val=[3.0, 2.0, 2], train=[3.0, 2.0, 1.0]), channels, [])
    evaluated(run)
    before, version = run.verdicts[0].stopper, run.version
    # the last line had been cut off
    run.follow(curve(val=[3.0, 2.0, 2.5], train=[3.0, 2.0, 1.0]), channels, [])
    assert run.verdicts[0].stopper is not before
    assert run.version > version
    run.follow(curve(val=[3.0, 2.0, 2.5, 2.6], train=[3.0, 2.0, 1.0, 0.5]), channels, [])
    evaluated(run)
    assert columns(run) == [[1, 2, 3, 4], [3.0, 2.0, 2.5, 2.6], [3.0, 2.0, 1.0, 0.5]]
    assert run.verdicts[0].stopper.stop_epoch == 4
    # nothing new
    version = run.version
    run.follow(curve(val=[3.0, 2.0, 2.5, 2.6], train=[3.0, 2.0, 1.0, 0.5]), channels, [])
    assert run.version == version


def test_a_watched_column_of_a_log_that_comes_later_is_there_from_the_first_check():
    run = Run("log.csv", 1, [LowRate(0.05)])
    run.follow(curve(val=[3.0, 2.0]), ALONE, [])
    evaluated(run)
    assert "'lr'" in run.verdicts[0].problem
    grown = curve(val=[3.0, 2.0, 1.0], lr=[None, 0.1, 0.01])
    run.follow(grown, {**ALONE, "lr": Channel()}, [])
    evaluated(run)
    assert run.masked("lr").tolist() == [None, 0.1, 0.01]
    assert run.verdicts[0].stopper.stop_epoch == 3


def test_not_a_number_agrees_with_itself():
    run = Run("log.csv", 1, [])
    run.follow(curve(val=[math.nan, 2.0]), ALONE, [])
    assert run.agrees(curve(val=[math.nan, 2.0, 3.0])) == 2
    assert run.agrees(curve(val=[1.0, 2.0, 3.0])) == 0
    assert run.agrees(curve(val=[math.nan])) == 1


# -- many runs ------------------------------------------------------------------------------------


def test_a_full_board_lets_go_only_of_what_was_silent(monkeypatch):
    monkeypatch.setattr(limits, "MOST_RUNS", 3)
    board = Board(["GL(5)"], Asked())
    for name in "abc":
        board.add(Run(name, 1, []))
    with pytest.raises(PostError, match="already 3 runs") as refused:
        board.add(Run("d", 1, []))
    assert refused.value.status == 429
    board.runs["b"].changed -= limits.SILENT + 1
    board.add(Run("d", 1, []))
    assert list(board.runs) == ["a", "c", "d"]
    assert board.current("b") is None
    assert board.current("d") is board.runs["d"]


def test_a_full_board_takes_no_more_checks(monkeypatch):
    monkeypatch.setattr(limits, "MOST_CHECKS", 3)
    board = Board([], Asked())
    run = Run("a", 1, [])
    for epoch in (1, 2, 3):
        post(run, epoch, val_loss=1.0)
    board.add(run)
    with pytest.raises(PostError, match="already 3 checks") as refused:
        board.require_room(1)
    assert refused.value.status == 507


def test_other_runs_of_a_name_are_numbered():
    board = Board([], Asked())
    for number, name in enumerate(["a", "a (2)", "a (4)"], start=1):
        run = board.another("a", lambda text: text == "a (3)")
        assert (run.name, run.called) == (name, "a")
        board.add(run)
        assert board.current("a") is run, number


# -- files ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["a", "run/log.csv", "..", "ü (2)", "x" * 300, "CON", ".x", "a%2Fb"]
)
def test_a_run_is_saved_and_read_whatever_its_name(tmp_path, name):
    run = Run(name, 2, ["Keras(2)"])
    for epoch, val in ((1, 0.1), (2, math.nan), (4, math.inf)):
        post(run, epoch, val_loss=val, loss=1 / 3)
    save(snapshot(run), tmp_path, event=7)
    (path,) = tmp_path.iterdir()
    assert path == file_in(tmp_path, run.name)
    assert len(path.name.encode()) < 200
    again, event = load(path, ["Keras(2)"])
    assert (event, again.name, again.called, again.number) == (7, run.name, name, 2)
    np.testing.assert_array_equal(columns(again), columns(run))
    assert (again.channels, again.best) == (run.channels, run.best)
    # it goes on as if nothing had been
    assert post(again, 5, val_loss=1.0, loss=1.0).keys() == {"check"}


def test_a_saved_run_is_a_curve_set_like_others(tmp_path):
    run = Run("a", 1, [])
    post(run, 1, val_loss=0.5, loss=0.7)
    post(run, 3, val_loss=0.4, loss=0.6)
    save(snapshot(run), tmp_path, event=1)
    stops = replay(tmp_path, ["MaxEpochs(3)"])
    assert stops.to_frame().loc[0, ["run", "stop", "val"]].tolist() == ["a", 3, 0.4]
    assert stops.meta.loc[0, ["val.source", "train.source"]].tolist() == ["val_loss", "loss"]


def test_a_score_is_kept_and_saved_as_it_was_posted(tmp_path):
    run = Run("a", 1, ["Keras(1)", "GL(1, k=1)", "Keras(1, min_delta=0.3)"])
    for epoch, accuracy in ((1, 0.5), (2, 0.75), (3, math.nan), (4, 0.7)):
        event = run.event(Post(epoch, {"val_accuracy": accuracy}), Asked(mode="max"))
        run.apply(json.loads(json.dumps(event)))
    evaluated(run)
    # 100 (0.3 / 0.25 - 1) > 1, of an accuracy 1 less it
    assert [each.stopper.stop_epoch for each in run.verdicts] == [3, 4, 2]
    assert run.best == (2, 0.75)
    save(snapshot(run), tmp_path, event=1)
    curves = read_curves(tmp_path)
    np.testing.assert_array_equal(curves["a"].val, [0.5, 0.75, math.nan, 0.7])
    about = curves.about("val")
    assert about._replace(stand_in=None) == Channel(
        "val", "max", upper=1, metric="accuracy", source="val_accuracy"
    )
    assert curves.about("epoch").unit == "epoch"
    stops = replay(curves, [each.criterion for each in run.verdicts])
    assert stops.stop.tolist() == [[3, 4, 2]]
    again, _ = load(file_in(tmp_path, "a"), ["Keras(1)"])
    assert (again.channels, again.best) == (run.channels, run.best)
    assert evaluated(again).verdicts[0].stopper.stop_epoch == 3


def test_the_bound_of_a_score_is_as_an_import_would_say():
    run = Run("a", 1, ["GL(50, k=1)"])
    for epoch, percent in enumerate((0.5, 60.0, 70.0, 20.0), start=1):
        run.apply(run.event(Post(epoch, {"val_accuracy": percent}), Asked(mode="max")))
        evaluated(run)
        assert run.about("val").upper == (1 if epoch == 1 else 100)
    # new metrics without a check leave it as it was
    run.apply(run.event(Post(5.0, {"lr": 0.1}), Asked(mode="max")))
    assert run.about("val").upper == 100
    evaluated(run)
    # 100 (80 / 30 - 1)
    assert run.verdicts[0].stopper.reason == "GL 166.667% > 50 at epoch 4; best epoch 3"
    run = Run("a", 1, ["GL(50, k=1)", "Keras(1)"])
    run.apply(run.event(Post(1.0, {"val_psnr": 0.5}), Asked(val="val_psnr", mode="max")))
    assert "'val' is a score with an unknown upper bound" in run.verdicts[0].problem
    assert run.verdicts[1].problem is None
    assert run.waiting == 1


def test_criteria_of_other_channels_that_are_posted(tmp_path):
    criteria = ["any_of(Keras(9), Keras(2, val='val_accuracy'))", "Keras(1, val='val_foo')"]
    run = Run("a", 1, criteria)
    posts = [
        (0.9, 0.5, 0.1),
        (0.8, 0.7, None),
        (0.7, 0.6, 0.1),
        (0.6, 0.65, 0.01),
        (0.5, 0.9, 0.01),
    ]
    events = []
    for epoch, (loss, accuracy, rate) in enumerate(posts, start=1):
        more = {} if rate is None else {"learning_rate": rate, "val_foo": rate}
        events.append(post(run, epoch, val_loss=loss, val_accuracy=accuracy, **more))
    evaluated(run)
    assert run.verdicts[0].stopper.reason == "Keras 2 >= 2 at epoch 4; best epoch 4"
    assert "'val_foo' has no known direction" in run.verdicts[1].problem
    assert run.names == ["epoch", "val", "val_accuracy", "val_foo"]
    save(snapshot(run), tmp_path, event=1)
    curves = read_curves(tmp_path)
    assert curves["a"].measured("val_foo").tolist() == [True, False, True, True, True]
    stops = replay(curves, criteria[:1])
    assert (stops.stop[0, 0], stops.selected[0, 0]) == (4, 4)
    again = Run("a", 1, criteria)
    for event in events:
        again.apply(event)
    assert [v.stopper and v.stopper.reason for v in evaluated(again).verdicts] == [
        v.stopper and v.stopper.reason for v in run.verdicts
    ]
    # one that comes later, and a criterion of a channel that never comes
    run = Run("a", 1, ["Keras(1, val='val_accuracy')", "Keras(1, val='val_acc', min_delta=0.1)"])
    post(run, 1, val_loss=1.0)
    evaluated(run)
    assert [v.problem is None for v in run.verdicts] == [False, False]
    post(run, 2, val_loss=1.0, val_accuracy=0.5)
    post(run, 3, val_loss=1.0, val_accuracy=0.5)
    evaluated(run)
    assert run.verdicts[0].stopper.stop_epoch == 3
    assert "'val_acc'" in run.verdicts[1].problem


def test_another_server_keeps_the_channels_that_a_file_has(tmp_path):
    run = Run("a", 1, ["Keras(5, val='val_accuracy')"])
    post(run, 1, val_loss=1.0, val_accuracy=0.5)
    save(snapshot(run), tmp_path, event=1)
    again, _ = load(file_in(tmp_path, "a"), ["Keras(5)"])
    post(again, 2, val_loss=1.0, val_accuracy=0.75, other=1.0)
    assert again.curve("val_accuracy").tolist() == [0.5, 0.75]


def test_a_file_of_an_earlier_version_knows_nothing_of_this_journal(tmp_path):
    run = Run("a", 1, [])
    post(run, 1, val_loss=0.5)
    save(snapshot(run), tmp_path, event=7)
    path = file_in(tmp_path, "a")
    table = pq.read_table(path)
    mark = json.loads(table.schema.metadata[b"earlystop watch"])
    # it counted the pieces of a journal of its own
    mark["segment"] = mark.pop("event")
    pq.write_table(table.replace_schema_metadata({"earlystop watch": json.dumps(mark)}), path)
    again, event = load(path, [])
    assert (event, columns(again)[0]) == (0, [1.0])


def test_files_of_others_are_left_alone(tmp_path):
    CurveSet.from_runs([{"run": "a", "val": [1.0]}]).write(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_text("notes")
    assert list(saved(tmp_path)) == []
    with pytest.raises(ValueError, match=r"a\.parquet: not a run saved by earlystop watch"):
        load(tmp_path / "a.parquet", [])


# -- what the page gets ---------------------------------------------------------------------------


def test_the_page_gets_as_much_of_a_long_run_as_of_a_short_one():
    rng = np.random.default_rng(0)
    val = rng.random(100_000) + 1
    val[[17_123, 60_001]] = 0.5, 9.0
    run = Run("a", 1, ["MaxEpochs(100001)"])
    run.follow(curve(val=val, train=val / 2), LOSSES, [])
    run.evaluate(0.2)
    shown = detail(run)
    for name in ("val", "train"):
        points = shown["curves"][name]
        assert len(points["epoch"]) == len(points["value"]) <= POINTS + 1
        assert points["epoch"][-1] == 100_000
        assert np.all(np.diff(points["epoch"]) > 0)
    by_epoch = dict(zip(*shown["curves"]["val"].values(), strict=True))
    # neither peak nor trough is lost
    assert (by_epoch[17_124], by_epoch[60_002]) == (0.5, 9.0)
    assert all(val[int(epoch) - 1] == value for epoch, value in by_epoch.items())
    (verdict,) = shown["verdicts"]
    assert verdict["waiting"] == 100_000 - run.verdicts[0].seen
    assert len(json.dumps(shown)) < 200_000


def test_the_page_gets_valid_json_of_diverged_runs():
    board = Board(["GL(5, k=1)"], Asked())
    run = Run("a", 1, board.criteria)
    for epoch, val in enumerate((math.nan, 1.0, math.inf), start=1):
        post(run, epoch, val_loss=val, loss=-math.inf)
    board.add(evaluated(run))
    board.add(Run("empty", 1, board.criteria))
    for shown in (overview(board, "runs"), detail(run)):
        json.dumps(shown, allow_nan=False)
    assert detail(run)["curves"]["val"] == {"epoch": [1, 2, 3], "value": [None, 1.0, None]}
    (row,) = overview(board, "runs")["runs"]
    assert (row["val"], row["best"], row["stops"]) == (None, {"epoch": 2, "val": 1.0}, [3])


# -- a post ---------------------------------------------------------------------------------------


def taken(tmp_path, *posts):
    """The values of each run of a name, and whether it says that it may be mixed up."""

    async def take(watching):
        for epoch, value in posts:
            await watching.take("a", Post(float(epoch), {"val_loss": value}))

    runs = played(tmp_path, take).runs.values()
    return {run.name: (run.curve("val").tolist(), bool(run.notes)) for run in runs}


def test_two_trainings_that_post_under_one_name_are_told_apart(tmp_path):
    # values below 5 are those of one, others of the other
    late = [(1, 1.1), (2, 1.2), (3, 1.3), (1, 9.1), (4, 1.4), (2, 9.2), (5, 1.5), (3, 9.3)]
    assert taken(tmp_path / "late", *late) == {
        "a": ([1.1, 1.2, 1.3, 1.4, 1.5], True),
        "a (2)": ([9.1, 9.2, 9.3], True),
    }
    # where nothing tells them apart both say so
    together = [(1, 1.1), (1, 9.1), (2, 1.2), (2, 9.2), (3, 1.3), (3, 9.3)]
    found = taken(tmp_path / "together", *together)
    assert [mixed for _, mixed in found.values()] == [True, True]
    values = [value for each, _ in found.values() for value in each]
    assert sorted(values) == sorted(value for _, value in together)
    # one that was ended and begins again is alone
    again = [*((i, 1.0 + i) for i in range(1, 4)), *((i, 9.0 + i) for i in range(1, 7))]
    assert taken(tmp_path / "again", *again) == {
        "a": ([2, 3, 4], False),
        "a (2)": ([10, 11, 12, 13, 14, 15], False),
    }


def test_of_two_trainings_one_that_has_ended_gets_no_more_posts(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr("time.time", lambda: now[0])

    async def take(watching):
        for seconds, epoch, value in [
            *[(1, 1, 1.1), (1, 2, 1.2), (0.5, 1, 9.1), (0.5, 3, 1.3), (0.5, 2, 9.2)],
            *[(10, 3, 9.3), (1, 4, 9.4), (1, 5, 9.5)],
        ]:
            now[0] += seconds
            await watching.take("a", Post(float(epoch), {"val_loss": value}))

    runs = played(tmp_path, take).runs.values()
    found = [run.curve("val").tolist() for run in runs]
    assert found == [[1.1, 1.2, 1.3], [9.1, 9.2, 9.3, 9.4, 9.5]]


def test_the_page_shows_where_a_long_run_is_not_finite():
    rng, nan = np.random.default_rng(0), [7, 8, 9000, 19999]
    run = Run("long", 1, ["GL(5)"])
    for epoch in range(20000):
        value = math.nan if epoch in nan else rng.random()
        post(run, epoch + 1, loss=0.1, val_loss=value)
    shown = detail(run)["not_finite"]
    assert shown["val"] == {"count": 4, "epoch": [epoch + 1 for epoch in nan]}
    assert shown["train"] == {"count": 0, "epoch": []}
    # of many as many as are seen, the first and the last among them
    run = Run("diverged", 1, [])
    for epoch in range(3000):
        post(run, epoch + 1, val_loss=math.inf if epoch >= 500 else 1.0)
    shown = detail(run)["not_finite"]["val"]
    assert (shown["count"], shown["epoch"][0], shown["epoch"][-1]) == (2500, 501, 3000)
    assert len(shown["epoch"]) <= POINTS


def test_the_page_tells_the_best_check_that_a_criterion_sees_from_the_best_of_all():
    run = Run("a", 1, ["GL(5, k=2)", "GL(5, k=1)"])
    for epoch, val in enumerate([3.0, 2.0, 1.0, 1.5, 1.25]):
        post(run, epoch + 1, val_loss=val)
    run.evaluate(60)
    shown = detail(run)
    assert shown["best"] == {"epoch": 3, "val": 1.0}
    seen = [(each["selected"], each["selected_val"]) for each in shown["verdicts"]]
    # of strips of two, the best of checks 2 and 4
    assert seen == [(4, 1.5), (3, 1.0)]


def test_a_post_to_a_run_that_is_read_from_a_log_is_refused(tmp_path):
    async def post():
        watching = Watching(tmp_path, [], Asked())
        await watching.start()
        try:
            await watching.follow("log.csv", curve(val=[1.0]), ALONE, [])
            with pytest.raises(PostError, match=r"run log\.csv is read from a log") as refused:
                await watching.take("log.csv", Post(1.0, {"val_loss": 1.0}))
            assert refused.value.status == 409
        finally:
            await watching.stop()

    asyncio.run(post())


def played(folder, steps):
    """Let steps happen to the runs of a folder; its board, once they have."""

    async def play():
        watching = Watching(folder, [], Asked())
        await watching.start()
        try:
            await steps(watching)
        finally:
            await watching.stop()
        return watching.board

    return asyncio.run(play())


def full(watching, is_full):
    """Let SQLite take no page more than it has, as on a full disk, or as many as it likes."""
    database = watching._journal._database
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages if is_full else 10**6}")


def check(epoch, **more):
    return Post(float(epoch), {"val_loss": float(epoch), **more})


def shape(run):
    """All that events make of a run."""
    return columns(run), run.channels, set(run._metrics), run.version, run.best


def test_what_cannot_be_written_is_refused_and_leaves_no_trace(tmp_path, monkeypatch):
    """A full disk, and one that is killed once there is space again."""
    # nothing but the journal has it
    monkeypatch.setattr("earlystop_lab.live.watch.watching._BETWEEN", 999)
    copy = tmp_path / "killed"

    async def steps(watching):
        await watching.save()
        board = watching.board
        await watching.take("a", check(1, loss=1.0))
        full(watching, True)
        epoch = 1
        with pytest.raises(PostError, match="written: database or disk is full") as no:  # noqa: PT012
            while epoch := epoch + 1:
                await watching.take("a", check(epoch, loss=0.5))
        before = shape(board.runs["a"])
        assert len(before[0][0]) == epoch - 1
        assert no.value.status == 507
        refused = [
            watching.take("a", check(epoch)),
            # new metrics, among them one that would be another curve
            watching.take("a", check(epoch, val_nll=3.0, accuracy=1.0, **{"x" * 99: 1.0})),
            watching.take("a", check(1)),
            watching.take("b", check(1)),
            watching.take("b", check(2)),
        ]
        said = await asyncio.gather(*refused, return_exceptions=True)
        assert [str(error) for error in said] == [str(no.value)] * 5
        assert shape(board.runs["a"]) == before
        assert board.runs.keys() == {"a"}
        full(watching, False)
        assert len(await watching.take("a", check(epoch + 7))) == epoch
        assert len(await watching.take("b", check(5))) == 1
        shutil.copytree(tmp_path / "runs", copy)

    first = played(tmp_path / "runs", steps)
    again = Watching(copy, [], Asked())
    again._journal.close()
    for board in (first, again.board):
        epochs = board.runs["a"].curve("epoch").tolist()
        assert epochs[:-1] == list(range(1, len(epochs)))
        assert epochs[-1] == len(epochs) + 7
        found = {name: about.source for name, about in board.runs["a"].channels.items()}
        assert found == {"epoch": None, "val": "val_loss", "train": "loss"}
        assert columns(board.runs["b"])[0] == [5]
        assert board.runs.keys() == {"a", "b"}
    assert read_curves(tmp_path / "runs")["a"].epoch.tolist() == epochs


def test_a_post_changes_its_run_only_once_it_is_on_disk(tmp_path, monkeypatch):
    on_disk = threading.Event()
    append = Journal.append

    def slowly(self, events):
        on_disk.wait()
        append(self, events)

    async def steps(watching):
        await watching.take("a", check(1))
        monkeypatch.setattr(Journal, "append", slowly)
        posts = [asyncio.create_task(watching.take(name, check(2))) for name in ("a", "b")]
        for _ in range(20):
            await asyncio.sleep(0.01)
            assert not any(post.done() for post in posts)
            assert len(watching.board.runs["a"]) == 1
            assert [run["run"] for run in overview(watching.board, "")["runs"]] == ["a"]
        # a client that hangs up takes nothing back
        posts[0].cancel()
        on_disk.set()
        assert len(await posts[1]) == 1
        assert len(watching.board.runs["a"]) == 2

    assert played(tmp_path, steps).runs.keys() == {"a", "b"}


def test_many_clients_wait_for_the_disk_together_and_each_run_in_order(tmp_path, monkeypatch):
    batches = []
    append = Journal.append

    def counted(self, events):
        batches.append(len(events))
        append(self, events)

    monkeypatch.setattr(Journal, "append", counted)
    names = [f"net-{i}" for i in range(50)]

    async def steps(watching):
        posts = [watching.take(name, check(epoch)) for epoch in (1, 2, 3, 2) for name in names]
        await asyncio.gather(*posts)

    board = played(tmp_path, steps)
    assert sum(batches) == 200
    assert len(batches) < 20
    assert [columns(board.runs[name])[0] for name in names] == [[1, 2]] * 50
    again = Watching(tmp_path, [], Asked())
    assert [columns(again.board.runs[name])[0] for name in names] == [[1, 2]] * 50
    again._journal.close()


def test_there_is_no_room_for_more_runs_however_many_begin_together(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MOST_RUNS", 3)
    monkeypatch.setattr(limits, "MOST_CHECKS", 5)

    async def steps(watching):
        posts = [watching.take(f"net-{i}", check(1)) for i in range(9)]
        said = await asyncio.gather(*posts, return_exceptions=True)
        assert [getattr(error, "status", 200) for error in said] == [200] * 3 + [429] * 6
        posts = [watching.take(f"net-{i}", check(2)) for i in range(3)]
        said = await asyncio.gather(*posts, return_exceptions=True)
        assert [getattr(error, "status", 200) for error in said] == [200] * 2 + [507]

    assert len(played(tmp_path, steps).runs) == 3


def test_what_cannot_be_saved_is_saved_later(tmp_path, monkeypatch):
    async def steps(watching):
        await watching.take("a", check(1))
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", raising(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
            await watching.take("a", check(2))
            await watching.save()
            assert "runs cannot be saved" in watching.board.trouble
        await watching.take("a", check(3))
        await watching.save()
        assert watching.board.trouble == ""

    played(tmp_path, steps)
    assert read_curves(tmp_path)["a"].val.tolist() == [1.0, 2.0, 3.0]


def raising(error):
    def fail(*_, **__):
        raise error

    return fail


def test_when_saving_has_failed_posts_are_refused_and_the_journal_has_all(tmp_path, monkeypatch):
    monkeypatch.setattr("earlystop_lab.live.watch.watching._BETWEEN", 0)

    async def steps(watching):
        await watching.save()
        with monkeypatch.context() as patch:
            patch.setattr(CurveSet, "from_runs", raising(AssertionError("a mistake of ours")))
            await watching.take("a", check(1))
            while not watching.board.trouble:
                await asyncio.sleep(0.01)
            with pytest.raises(PostError, match=r"has failed .*a mistake of ours") as refused:
                await watching.take("a", check(2))
        assert refused.value.status == 500
        assert len(watching.board.runs["a"]) == 1

    with pytest.raises(AssertionError, match="a mistake of ours"):
        played(tmp_path, steps)
    again = Watching(tmp_path, [], Asked())
    assert columns(again.board.runs["a"])[0] == [1]
    again._journal.close()
