"""Every column of a log as a channel: names, what they are, rows, positions, units."""

import json
import math

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from log_samples import GENUINE, TEXTS, TRAIN, VAL, genuine_folder

from earlystop_lab import Keras, any_of, criterion, read_curves, read_logs, replay
from earlystop_lab.sources.logs._cells import is_number
from earlystop_lab.sources.logs._checks import Series, _means, _rows
from earlystop_lab.sources.logs._epochs import epochs_of

HEADER = "epoch,accuracy,learning_rate,loss,val_accuracy,val_loss\n"


def imported(tmp_path, text, name="log.csv", **options):
    path = tmp_path / name
    path.write_text(text)
    return read_logs(path, **options)


def keras_log(tmp_path, n=40, seed=0):
    rng = np.random.default_rng(seed)
    rows = [HEADER]
    for i in range(n):
        accuracy, loss = 0.9 - 0.5 * 0.8**i, 1 / (i + 1) + 0.02 * i
        noise = 0.02 * rng.random(2)
        cells = [i, accuracy, 0.1 / (i + 1), loss, accuracy - noise[0], loss + noise[1]]
        rows.append(",".join(map(repr, cells)) + "\n")
    return imported(tmp_path, "".join(rows).replace("np.float64(", "").replace(")", ""))


def kept(curve, name):
    """A channel, None where it was not measured."""
    pairs = zip(curve[name].tolist(), curve.measured(name).tolist(), strict=True)
    return [value if there else None for value, there in pairs]


def test_every_column_is_a_channel_and_what_it_is(tmp_path):
    curves = keras_log(tmp_path).curves
    about = curves.channels
    assert about.index.tolist() == ["epoch", "val", "train", "accuracy", "lr", "val_accuracy"]
    told = about[["role", "direction", "metric", "source", "unit"]].astype(object)
    assert told.where(told.notna(), None).to_numpy().tolist() == [
        [None, None, None, "epoch", "epoch"],
        ["val", "min", "loss", "val_loss", None],
        ["train", "min", "loss", "loss", None],
        ["train", "max", "accuracy", None, None],
        [None, None, None, "learning_rate", None],
        ["val", "max", "accuracy", None, None],
    ]
    assert about.loc["val_accuracy", "upper"] == 1
    assert not curves.about("val").stand_in


def test_a_rule_over_two_columns_stops_where_a_plain_loop_does(tmp_path):
    curves = keras_log(tmp_path).curves
    rows = (tmp_path / "log.csv").read_text().splitlines()[1:]
    loss, accuracy = ([float(row.split(",")[k]) for row in rows] for k in (5, 4))
    best, waits, stop = [math.inf, math.inf], [0, 0], None
    for i, errors in enumerate(zip(loss, [-value for value in accuracy], strict=True)):
        for k, error in enumerate(errors):
            better = error < best[k]
            best[k], waits[k] = (error, 0) if better else (best[k], waits[k] + 1)
        if waits[0] >= 5 or waits[1] >= 10:
            stop = i + 1
            break
    rule = any_of(Keras(5), Keras(10, val="val_accuracy"))
    assert replay(curves, [rule]).stop.tolist() == [[stop]]


def test_what_is_logged_more_often_is_kept_at_the_checks_and_what_is_rarer_is_missing(tmp_path):
    text = (
        "step,loss,grad_norm,val_loss,val_acc\n0,,,9,\n5,8,1,,\n10,7,nan,8,0.5\n15,,,7,\n"
        "20,5,2,,\n25,4,3,,0.75\n30,3,,6,\n"
    )
    found = imported(tmp_path, text)
    curve = found.curves[0]
    assert curve.epoch.tolist() == [0, 10, 15, 30]
    assert kept(curve, "train") == [None, 7, None, 3]
    assert kept(curve, "grad_norm")[2:] == [None, 3]
    assert curve.measured("grad_norm").tolist() == [False, True, False, True]
    assert math.isnan(curve["grad_norm"][1])
    assert kept(curve, "val_acc") == [None, 0.5, None, 0.75]


SPARSE = (
    "step,loss,lr,val_loss,test_loss\n0,,1,,\n10,8,1,,\n20,4,1,9,\n30,,1,8,\n40,5,0.5,,\n"
    "50,nan,0.5,,\n60,3,0.5,7,\n70,1,0.5,,\n80,2,0.25,,\n90,,,,6\n"
)


def test_a_run_begins_and_ends_where_its_training_curve_does(tmp_path):
    found = imported(tmp_path, SPARSE)
    curve = found.curves[0]
    # neither the learning rate of step 0 nor the final test says how far training got
    assert curve.epoch.tolist() == [10, 20, 30, 60, 80]
    assert kept(curve, "val") == [None, 9, 8, 7, None]
    assert kept(curve, "train") == [8, 4, None, 3, 2]
    assert kept(curve, "lr") == [1, 1, 1, 0.5, 0.25]
    assert found.plan["checks"].tolist() == [3]
    assert repr(found.curves).startswith("CurveSet: 1 run, 3 checks each")
    assert repr(curve).startswith("Curve('log.csv', 3 checks, last epoch 80")
    # a rule that never fires trains to the end, and a patience counts the checks alone
    stops = replay(found.curves, ["Keras(9)", "Keras(1)"])
    assert stops.stop.tolist() == [[80, 80]]
    assert stops.fired.tolist() == [[False, False]]
    assert stops.val.tolist() == [[7, 7]]


def test_the_mean_between_checks_on_request(tmp_path):
    found = imported(tmp_path, SPARSE, between="mean")
    curve = found.curves[0]
    assert curve.epoch.tolist() == [10, 20, 30, 60, 80]
    # the first value is the first row's and one of those up to the first check
    train = kept(curve, "train")
    assert (train[:3], train[4]) == ([8, 6, None], 1.5)
    assert math.isnan(train[3])
    assert kept(curve, "lr") == [1, 1, 1, 0.5, 0.25]
    assert found.curves.about("train").metric == "loss (mean since the previous check)"
    assert found.curves.about("val").metric == "loss"
    assert "train is the mean since the previous check" in [note.text for note in found.notes]
    # what was measured no more often than the validation error is no mean of anything
    whole = imported(tmp_path, "epoch,loss,val_loss\n1,3,4\n2,2,3\n", between="mean")
    assert whole.curves[0].train.tolist() == [3, 2]
    assert whole.curves.about("train").metric == "loss"
    with pytest.raises(ValueError, match="between"):
        imported(tmp_path, SPARSE, between="median")


@given(st.data())
def test_the_mean_between_checks_is_that_of_a_plain_loop(data):
    positions = st.lists(st.integers(0, 40), min_size=1, max_size=20, unique=True).map(sorted)
    values = st.floats(-1e100, 1e100) | st.just(math.nan)
    at, checks = np.array(data.draw(positions), float), np.array(data.draw(positions), float)
    series = Series(at, np.array([data.draw(values) for _ in at]))
    rows = _rows({"val": Series(checks, checks), "train": series}, ["train"])
    expected = []
    for i, row in enumerate(rows.at):
        before = [check for check in checks if check < row]
        since = before[-1] if before and i else -math.inf
        within = [v for p, v in zip(at, series.values, strict=True) if since < p <= row]
        expected.append(math.fsum(within) / len(within) if within else None)
    assert [*rows.at] == [*({at[0]} if at[0] < checks[0] else {}), *checks,
                          *({at[-1]} if at[-1] > checks[-1] else {})]  # fmt: skip
    found = _means(series, rows)
    if found is None:
        assert set(expected) == {None}
        return
    assert np.ma.getmaskarray(found).tolist() == [value is None for value in expected]
    told = [math.nan if value is None else value for value in expected]
    np.testing.assert_allclose(np.ma.filled(found, math.nan), told, rtol=1e-12, atol=1e85)


def test_a_log_without_errors_keeps_all_its_rows(tmp_path):
    found = imported(tmp_path, "step,lr,grad_norm\n1,0.1,\n2,0.1,3\n4,0.01,2\n")
    curve = found.curves[0]
    assert (curve.channels, curve.epoch.tolist()) == (["lr", "grad_norm"], [1, 2, 4])
    assert kept(curve, "grad_norm") == [None, 3, 2]
    assert found.notes[0].text == "the log has no validation error; all positions are kept"
    # what has no position, or only one, is no curve
    assert not len(imported(tmp_path, "lr,grad_norm\n1,0.1\n2,0.1\n").curves)
    assert not len(imported(tmp_path, "step,lr\n1,0.1\n").curves)


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_a_stand_in_says_so_also_after_a_round_trip(tmp_path, suffix):
    found = imported(tmp_path, "epoch,loss\n1,3\n2,2\n")
    assert "is used as val" in found.notes[0].text
    found.curves.write(tmp_path / f"curves.{suffix}")
    again = read_curves(tmp_path / f"curves.{suffix}")
    assert again.about("val").stand_in
    assert again.about("val").source == "loss"
    # who names it says that it is no stand-in
    assert not imported(tmp_path, "epoch,loss\n1,3\n2,2\n", val="loss").curves.about("val").stand_in
    assert imported(tmp_path, "epoch,train_loss\n1,3\n2,2\n").curves.about("val").stand_in


def test_scores_of_most_runs_leave_no_room_for_errors(tmp_path):
    for i in range(3):
        score = json.dumps(
            {"loss_curve_": TRAIN, "validation_scores_": [0.5, 0.7, 0.6, 0.6, 0.8, i]}
        )
        (tmp_path / f"{i}.json").write_text(score)
    (tmp_path / "loss.csv").write_text(TEXTS["history.csv"][1])
    found = read_logs(tmp_path)
    assert found.curves.runs == ["0.json", "1.json", "2.json"]
    assert [tuple(skipped) for skipped in found.skipped] == [
        ("loss.csv", None, "'val' is val_loss (lower is better), but in most runs higher is "
         "better; import this log separately"),
    ]  # fmt: skip


def test_names_that_are_taken_are_told_apart(tmp_path):
    text = "iter,epoch,val,val_loss,lr,learning_rate,file\n10,1,5,3,1,2,7\n10,2,6,2,1,2,7\n"
    curve = imported(tmp_path, text, epoch="epoch", val="val_loss").curves[0]
    assert curve.channels == [
        "val", "iter", "val (logged)", "lr", "lr (logged)", "file (logged)"
    ]  # fmt: skip
    assert curve["val (logged)"].tolist() == [5, 6]
    assert curve.about["val (logged)"].source == "val"


def test_cells_that_are_no_numbers_are_missing_in_what_is_no_error(tmp_path):
    found = imported(tmp_path, "epoch,val_loss,lr\n1,3,0.1\n2,2,oops\n3,1,0.1\n4,1,0.1\n")
    assert kept(found.curves[0], "lr") == [0.1, None, 0.1, 0.1]
    assert found.skipped == ()
    assert found.notes[0].text == "line 3: column 'lr': 'oops' is not a number; left out"


@pytest.mark.parametrize("name", TEXTS)
def test_the_unit_of_the_positions_is_always_known(tmp_path, name):
    found = imported(tmp_path, TEXTS[name][1], name)
    expected = {
        "xgb.json": "round", "lgb.json": "round", "catboost_training.json": "round",
        "train.log": "step", "wandb.csv": "step", "wandb.jsonl": "step", "plain.csv": "step",
        "learning_curves.json": "check", "ngboost.json": "round", "ydf.log": "round",
        "cv.csv": "round", "metrics.jsonl": "step",
    }  # fmt: skip
    assert found.plan["unit"].tolist() == [expected.get(name, "epoch")]


# -- epochs of steps -----------------------------------------------------------------------------


@given(
    length=st.integers(2, 50),
    epochs=st.integers(2, 6),
    every=st.integers(1, 20),
    first_step=st.integers(0, 1),
    first_epoch=st.integers(0, 1),
)
def test_steps_are_shown_in_epochs_or_stay(length, epochs, every, first_step, first_epoch):
    """A loop that logs every few steps, and at the end of each epoch, as trainers do."""
    steps, at_epochs, ends = [], [], []
    for done in range(1, length * epochs + 1):
        end = done % length == 0
        if end or done % every == 0:
            steps.append(done - 1 + first_step)
            at_epochs.append((done - 1) // length + first_epoch)
            if end:
                ends.append(len(steps) - 1)
    steps, at_epochs = np.array(steps, float), np.array(at_epochs, float)
    found = epochs_of(steps[ends], steps, at_epochs)
    # a first step that is logged says from where they count
    assume(every > 1 or first_step == 0 or steps[0] == 1)
    np.testing.assert_allclose(found, np.arange(1.0, epochs + 1))


@pytest.mark.parametrize("decimals", [2, 4, 15])
def test_epochs_with_fractions_are_computed_from_the_steps(decimals):
    steps = np.arange(10.0, 1001, 10)
    found = epochs_of(steps, steps, np.round(steps / 321, decimals), told=321.0)
    np.testing.assert_allclose(found, steps / 321, atol=0.5 * 10.0**-decimals)
    assert (np.diff(found) > 0).all()


@pytest.mark.parametrize(
    ("steps", "epochs"),
    [
        ([1, 2, 3], [1, 1, 1]),  # one epoch says nothing of its length
        ([10, 20, 30], [1, 1, 2]),  # several lengths fit
        ([10, 20, 30], [3, 2, 1]),
        ([5, 5, 5], [1, 2, 3]),  # steps that do not count
    ],
)
def test_steps_stay_where_the_epochs_do_not_tell(steps, epochs):
    steps, epochs = np.array(steps, float), np.array(epochs, float)
    assert epochs_of(np.unique(steps), steps, epochs) is None


def test_lightning_is_ordered_by_step_and_shown_in_epochs(tmp_path):
    text = (
        "epoch,step,train_loss,val_loss\n0,49,3,\n0,99,2,\n0,99,,9\n1,149,1,\n1,199,1,\n1,199,,8\n"
    )
    curve = imported(tmp_path, text, "metrics.csv").curves[0]
    assert (curve.epoch.tolist(), curve["step"].tolist()) == ([0.5, 1, 2], [49, 99, 199])
    assert curve.about["step"].unit == "step"
    # steps that were asked for stay
    curves = imported(tmp_path, text, "metrics.csv", epoch="step").curves
    assert (curves[0].epoch.tolist(), curves.about("epoch").unit) == ([49, 99, 199], "step")


# -- the fitness of Ultralytics ------------------------------------------------------------------


BOXES = (
    "epoch,train/box_loss,metrics/mAP50(B),metrics/mAP50-95(B),val/box_loss\n"
    "1,1,0.5,0.25,1\n2,1,0.75,0.5,1\n"
)


def test_the_fitness_of_ultralytics_is_the_validation_curve(tmp_path):
    found = imported(tmp_path, BOXES, "results.csv")
    expected = [0.1 * 0.5 + 0.9 * 0.25, 0.1 * 0.75 + 0.9 * 0.5]
    np.testing.assert_allclose(found.curves[0].val, expected, rtol=1e-15)
    assert found.curves.about("val")[:5] == ("val", "max", None, 1, "fitness")
    assert found.curves.about("val/box_loss").direction == "min"
    # what later versions stop by is beside it, as long as nothing says which version it was
    assert found.curves[0]["fitness (mAP50-95)"].tolist() == [0.25, 0.5]
    assert "from Ultralytics 8.3.198 on" in found.notes[-1].text
    text = "epoch,train/loss,metrics/accuracy_top1,metrics/accuracy_top5,val/loss\n1,1,0.5,1,1\n"
    found = imported(tmp_path, text, "results.csv")
    assert (found.curves[0].val.tolist(), len(found.notes)) == ([0.75], 1)


@pytest.mark.parametrize(
    ("settings", "fitness"),
    [("task: detect\ncompile: false\n", [0.25, 0.5]), ("task: detect\n", [0.275, 0.525])],
)
def test_the_settings_say_which_fitness_a_version_has(tmp_path, settings, fitness):
    (tmp_path / "args.yaml").write_text(settings)
    found = imported(tmp_path, BOXES, "results.csv")
    np.testing.assert_allclose(found.curves[0].val, fitness, rtol=1e-15)
    assert "fitness (mAP50-95)" not in found.curves.names


def test_epochs_without_a_step_of_ultralytics_optimizer_are_counted(tmp_path):
    head = "epoch,train/box_loss,train/cls_loss,metrics/mAP50-95(B),val/box_loss,val/cls_loss\n"
    rows = [(1, 1.5, 2), (2, 1.5, 2), (3, 1.5, 1.9), (4, 1.4, 1.9), (5, 1.4, 1.9), (6, 1.4, 1.9)]
    text = head + "".join(f"{at},{at},{at},0,{box},{cls}\n" for at, box, cls in rows)
    said = [note.text for note in imported(tmp_path, text, "results.csv").notes]
    repeats = "validation losses of 3 of 6 epochs are those of the epoch before"
    assert sum(repeats in each for each in said) == 1
    falling = imported(tmp_path, BOXES.replace("0.5,1\n", "0.5,0.9\n"), "results.csv")
    assert not any("epoch before" in note.text for note in falling.notes)


def test_the_fitness_of_masks_is_added_to_that_of_boxes(tmp_path):
    text = (
        "epoch,train/box_loss,metrics/mAP50(B),metrics/mAP50-95(B),metrics/mAP50(M),"
        "metrics/mAP50-95(M),val/box_loss\n1,1,0.5,0.25,0.4,0.2,1\n2,1,0.75,0.5,0.5,0.25,1\n"
    )
    found = imported(tmp_path, text, "results.csv")
    expected = [0.1 * 0.5 + 0.9 * 0.25 + 0.1 * 0.4 + 0.9 * 0.2,
                0.1 * 0.75 + 0.9 * 0.5 + 0.1 * 0.5 + 0.9 * 0.25]  # fmt: skip
    np.testing.assert_allclose(found.curves[0].val, expected, rtol=1e-15)
    # of two tasks it is at most 2
    assert found.curves.about("val").upper is None


# -- genuine files -------------------------------------------------------------------------------


def columns_of(path):
    """The columns of numbers of a genuine table or history, found without any of our readers."""
    cells = {}
    if path.suffix == ".csv":
        header, *rows = [
            [c.strip() for c in line.split(",")] for line in path.read_text().splitlines()
        ]
        cells = {name: [row[k] for row in rows] for k, name in enumerate(header)}
    elif "trainer_state" in path.name:
        for entry in json.loads(path.read_text())["log_history"]:
            for name, cell in entry.items():
                cells.setdefault(name, []).append(cell)
    return {name for name, column in cells.items() if any(map(is_number, column))}


def test_most_columns_of_genuine_logs_arrive():
    folder, expected, arrived = genuine_folder(), 0, 0
    for name in GENUINE:
        columns, curves = columns_of(folder / name), read_logs(folder / name).curves
        known = {curves.about(channel).source or channel for channel in ("epoch", *curves.names)}
        # epochs that steps are shown in arrive as positions
        known |= {"epoch"} if curves.about("epoch").unit == "epoch" else set()
        expected += len(columns)
        arrived += len(columns & known)
    assert expected > 30
    assert arrived >= 0.95 * expected


def test_a_rule_on_the_learning_rate_of_a_genuine_log():
    path = genuine_folder() / "hf_trainer_state" / "NijatZeynalov__trainer_state.json"
    curves = read_logs(path).curves
    lr, steps = curves[0]["lr"], curves[0]["step"]
    logged = {
        entry["step"]: entry["learning_rate"]
        for entry in json.loads(path.read_text())["log_history"]
        if "learning_rate" in entry
    }
    # the last rate up to each evaluation
    assert lr.tolist() == [logged[max(s for s in logged if s <= step)] for step in steps]
    found = replay(curves, [_RateIsLow(0.0002)])
    assert found.stop.tolist() == [[curves[0].epoch[np.argmax(lr < 0.0002)]]]


@criterion(threshold="rate", passes="<")
def _RateIsLow(lr):
    return lr


def test_values_are_as_in_the_files(tmp_path):
    found = imported(tmp_path, TEXTS["history.csv"][1], "history.csv")
    assert found.curves[0].val.tolist() == VAL
