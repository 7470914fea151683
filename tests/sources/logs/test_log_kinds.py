"""Kinds of logs that are easily read as something else: a case of each, and variants of it."""

import gzip
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from earlystop_lab import read_logs

CASES = Path(__file__).parent / "cases"
NAN, INF = math.nan, math.inf


def curve_of(path, **options):
    """The only run of a log of which nothing is left out."""
    found = read_logs(path, **options)
    assert found.skipped == (), found.skipped
    assert len(found.curves) == 1, found.plan
    return found.curves[0]


def checks(curve, name="val"):
    """Position and value wherever a channel was measured."""
    if name not in curve.channels:
        return None
    there = curve.measured(name)
    return [*zip(curve.epoch[there].tolist(), curve[name][there].tolist(), strict=True)]


def notes_of(path, **options):
    return [note.text for note in read_logs(path, **options).notes]


def refusal(path, **options):
    """Why nothing of a log is imported."""
    found = read_logs(path, **options)
    assert not len(found.curves), found.plan
    return " ".join(skipped.reason for skipped in found.skipped)


def written(folder, text, name):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def epochs(*values):
    return [*enumerate(map(float, values), start=1)]


#: case -> options, val, train
RIGHT = {
    "evaluation_prefix.log": ({}, epochs(2.1, 1.8, 1.95, 2.05), epochs(2.3, 1.9, 1.5, 1.1)),
    "mmengine_scalars.json": (
        {"val": "accuracy/top1", "mode": "max"},
        epochs(43.1, 71.0, 76.9, 81.7, 80.9, 80.2),
        epochs(1.26, 0.882, 0.6174, 0.4322, 0.3025, 0.2118),
    ),
    "mmengine_min.json": ({}, epochs(19.4, 10.7, 6.0), epochs(35.4, 23.8, 12.4)),
    "detectron2_metrics.json": (
        {"val": "bbox/AP", "mode": "max"},
        [(499, 21.3), (999, 18.8), (1499, 27.7), (1999, 27.1)],
        None,
    ),
    "marian_valid.log": ({}, [(16000, 1.62), (18000, 1.57), (20000, 1.58)], None),
    "dvclive": (
        {},
        [*enumerate([2.4, 1.9, 1.7, 1.8, 2.0])],
        [*enumerate([2.3, 1.6, 1.1, 0.8, 0.5])],
    ),
    "comma_loss_train.log": ({}, epochs(0.659, 0.370), epochs(0.771, 0.333)),
    "mlflow_isnan_min.csv": ({}, [(0, 3.0), (1, 2.0), (2, NAN), (3, 1.5)], None),
    "clearml_oneline.jsonl": (
        {},
        [*enumerate([3.0, 2.0, 2.5, 3.5])],
        [*enumerate([3.5, 2.2, 1.0, 0.5])],
    ),
    "keras_initial_epoch.csv": ({}, [(4, 2.1), (5, 1.9)], [(4, 2.0), (5, 1.5)]),
    "quoted_newline.csv": ({}, epochs(3.0, 2.0, 2.5), None),
    "swanlab_1000.log": ({"val": "data"}, [(0, 3.0), (100, 3.1), (200, 3.2)], None),
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_right_values(name):
    options, val, train = RIGHT[name]
    curve = curve_of(CASES / name, **options)
    np.testing.assert_equal(checks(curve), val)
    assert curve.epoch.tolist() == [at for at, _ in val]
    np.testing.assert_equal(checks(curve, "train"), train)


def test_runs_that_were_appended():
    found = read_logs(CASES / "appended_runs.jsonl")
    assert [checks(curve) for curve in found.curves] == [
        epochs(5.6, 5.3, 5.4), epochs(5.5, 5.0, 5.1), epochs(3.9)
    ]  # fmt: skip
    assert (
        sum("restarts at 0 on line 4 and 1 more; read as 3 runs" in n.text for n in found.notes)
        == 1
    )
    curve = curve_of(CASES / "appended_runs.jsonl", restart="continue")
    assert checks(curve) == epochs(5.6, 5.3, 5.4, 5.5, 5.0, 5.1, 3.9)


def test_equal_rows_of_two_writers_are_read_once():
    curve = curve_of(CASES / "llamafactory_two_writers.jsonl")
    assert curve.val.tolist() == [0.85, 0.8, 0.75, 0.7, 0.65, 0.6]
    assert notes_of(CASES / "llamafactory_two_writers.jsonl")[1:] == [
        "6 rows repeat other rows and are read only once"
    ]


@pytest.mark.parametrize(
    ("name", "metric"),
    [("mmengine_scalars.json", "accuracy/top1"), ("detectron2_metrics.json", "bbox/AP")],
)
def test_a_score_that_was_evaluated_is_a_choice(name, metric):
    assert f"--val {metric} --mode max" in refusal(CASES / name)


def test_the_metric_beside_is_offered():
    curve = curve_of(CASES / "marian_valid.log", val="valid/bleu", mode="max")
    assert checks(curve) == [(16000, 45.3), (18000, 46.9), (20000, 48.1)]


def test_a_log_and_its_twin_are_one_run():
    found = read_logs(CASES / "mmengine_folder")
    assert len(found.curves) == 1
    assert sum("read only once" in note.text for note in found.notes) == 1
    curve = curve_of(CASES / "mmengine_every1_scalars.json")
    np.testing.assert_array_equal(found.curves[0].val, curve.val)
    assert curve.epoch.tolist() == [1, 2, 3, 4]
    assert not np.isnan(curve.train).any()


def test_a_search_is_refused_by_name():
    assert "a hyperparameter search (FLAML)" in refusal(CASES / "flaml_min.log")


# -- variants --------------------------------------------------------------------------------------

VAL, TRAIN = [2.1, 1.8, 1.95, 2.05], [2.3, 1.9, 1.5, 1.1]
LATER = [3.1, 2.8, 2.95]


def lines(template, start=1, val=VAL, train=TRAIN):
    """A line, or some, for every epoch from a template with {e}, {s}, {v}, {t} and {a}."""
    return "".join(
        template.format(e=start + i, s=100 * (start + i), v=v, t=t, a=(5 + i) / 10) + "\n"
        for i, (v, t) in enumerate(zip(val, train, strict=False))
    )


def one_file(folder, text, name="log.csv"):
    return written(folder, text, name)


def curves_in(path, **options):
    """Of every run its positions, val and train."""
    found = read_logs(path, **options).curves
    return [
        (c.epoch.tolist(), c.val.tolist(), None if c.train is None else c.train.tolist())
        for c in found
    ]


#: text that a program prints an epoch; all hold the same two curves
PRINTED = [
    "Epoch {e}/4 [Train] loss: {t} acc: 0.3\nEpoch {e}/4 [Evaluation] loss: {v} acc: 0.2",
    "[TRAIN] epoch={e} loss={t}\n[EVAL] epoch={e} loss={v}",
    "Epoch {e} | Train loss {t} | Dev loss {v} | Dev acc 0.4",
    "epoch {e} (training): loss = {t}\nepoch {e} (validation): loss = {v}",
    "Train - Epoch: {e}, Loss: {t}\nTest - Epoch: {e}, Loss: {v}",
    "2024-01-01 10:00:00,123 - INFO - Training epoch {e}: avg_loss={t}\n"
    "2024-01-01 10:00:00,123 - INFO - Validating epoch {e}: avg_loss={v}",
    "=> Train epoch {e} Loss {t} Acc 0.3\n=> Eval epoch {e} Loss {v} Acc 0.3",
    "Epoch: {e} Train: loss {t} ; Eval: loss {v}",
    "Epoch {e} loss {t}\nEpoch {e} done. Loss on dev set: {v}",
    "[12:00:01] INFO train.py:45 epoch {e} loss {t}\n"
    "[12:00:01] INFO evaluate.py:88 Evaluate: epoch {e} loss {v}",
    "Training: Epoch {e}, Loss {t}\nEvaluation: Epoch {e}, Loss {v}",
    "step {s} loss {t}\n*** Eval results at step {s} *** loss = {v}",
    "epoch {e} training loss {t}\n----> validation ---- loss {v}",
    "INFO:trainer:Epoch {e} - loss: {t}\nINFO:trainer:Epoch {e} - Evaluation - loss: {v}",
    "Epoch {e}: loss={t}\nEvaluation Average Loss: {v}, Accuracy: 0.5",
    "Epoch {e}, Average Loss (train): {t}\nEpoch {e}, Average Loss (eval): {v}",
    "EPOCH {e} - TRAINING - LOSS {t}\nEPOCH {e} - EVALUATION - LOSS {v}",
    "epoch {e} - loss: {t}\nTesting... epoch {e} - loss: {v}",
    "[Train][Epoch {e}] loss={t}\n[Valid][Epoch {e}] loss={v}",
    "Training Results - Epoch: {e}  Avg loss: {t}\nValidation Results - Epoch: {e}  Avg loss: {v}",
    "[2025-12-02 10:01:48] Ep. {e} : Up. {s} : Sen. 12,345 : Cost {t} * 1,234 @ 56 after 1,234\n"
    "[2025-12-02 10:01:48] [valid] Ep. {e} : Up. {s} : cross-entropy : {v} : new best",
    # a comma between name and number
    "Epoch: {e}, train_loss, {t}, val_loss, {v}",
    "epoch {e} , loss , {t} , val_loss , {v}",
    "step {s}, train loss, {t}\nstep {s}, val loss, {v}",
    "epoch, {e}, train_loss, {t}, val_loss, {v}",
    "Epoch {e}: train_loss,{t}, val_loss,{v}",
]


@pytest.mark.parametrize("template", PRINTED)
def test_the_set_that_a_printed_line_says_anywhere(tmp_path, template):
    curve = curve_of(written(tmp_path, lines(template), "train.log"))
    assert (curve.val.tolist(), curve.train.tolist()) == (VAL, TRAIN)
    assert not curve.about["val"].stand_in


#: rows that say their set in a field
FIELDS = {
    "variant.jsonl": '{{"epoch": {e}, "variant": "train", "loss": {t}}}\n'
                     '{{"epoch": {e}, "variant": "eval", "loss": {v}}}',
    "upper.jsonl": '{{"stage": "TRAIN", "step": {s}, "metrics": {{"loss": {t}}}}}\n'
                   '{{"stage": "TEST", "step": {s}, "metrics": {{"loss": {v}}}}}',
    "series.jsonl": '{{"iter": {e}, "metric": "loss", "series": "train", "value": {t}}}\n'
                    '{{"iter": {e}, "metric": "loss", "series": "validation", "value": {v}}}\n'
                    '{{"iter": {e}, "metric": "lr", "series": "lr", "value": 0.1}}',
    "title.jsonl": '{{"iter": {e}, "title": "train", "series": "loss", "value": {t}}}\n'
                   '{{"iter": {e}, "title": "val", "series": "loss", "value": {v}}}\n'
                   '{{"iter": {e}, "title": "val", "series": "acc", "value": 0.5}}',
    "mode.jsonl": '{{"mode": "train", "epoch": {e}, "iter": 50, "loss": {t}}}\n'
                  '{{"mode": "val", "epoch": {e}, "iter": 20, "loss": {v}}}',
    "any.csv": "{e},training,{t}\n{e},validation,{v}",
    "phase.csv": "{e},Train,{t}\n{e},Val,{v}",
    "tag.csv": "{e},loss/train,{t}\n{e},loss/valid,{v}",
}  # fmt: skip
HEADERS = {"any.csv": "epoch,part of it,loss\n", "phase.csv": "Epoch,Phase,Loss\n",
           "tag.csv": "step,tag,value\n"}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_the_set_that_a_field_says(tmp_path, name):
    text = HEADERS.get(name, "") + lines(FIELDS[name])
    curve = curve_of(written(tmp_path, text, name))
    assert (curve.val.tolist(), curve.train.tolist()) == (VAL, TRAIN)


@pytest.mark.parametrize(
    ("train", "val"),
    [
        ("train.csv", "val.csv"),
        ("loss_train.tsv", "loss_valid.tsv"),
        ("train_loss.csv", "test_loss.csv"),
        ("train/log.csv", "validation/log.csv"),
        ("run/train/loss.tsv", "run/dev/loss.tsv"),
        ("history-train.json", "history-eval.json"),
        ("train.log", "eval.log"),
    ],
)
def test_the_set_that_the_name_of_a_file_or_folder_says(tmp_path, train, val):
    for name, values in ((train, TRAIN), (val, VAL)):
        text = "step,loss\n" + lines("{e},{v}", val=values)
        if name.endswith("json"):
            text = json.dumps([{"step": i, "loss": v} for i, v in enumerate(values, start=1)])
        if name.endswith("log"):
            text = lines("step {e}: loss {v}", val=values)
        written(tmp_path, text.replace(",", "\t") if name.endswith("tsv") else text, name)
    curve = curve_of(tmp_path)
    assert (checks(curve), checks(curve, "train")) == (epochs(*VAL), epochs(*TRAIN))


def test_runs_in_files_named_after_sets_stay_apart(tmp_path):
    for run in ("a", "b"):
        for of, values in (("train", TRAIN), ("val", VAL if run == "a" else VAL[::-1])):
            text = "epoch,loss\n" + lines("{e},{v}", val=values)
            written(tmp_path, text, f"{of}_{run}.csv")
    assert [values for _, values, _ in curves_in(tmp_path)] == [VAL, VAL[::-1]]


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("epoch,loss,val_accuracy\n" + lines("{e},{t},{a}"), "--val val_accuracy --mode max"),
        ("step,loss,mIoU\n" + lines("{s},{t},\n{s},,{a}"), "--val mIoU --mode max"),
        ("step,loss,wer\n" + lines("{s},{t},\n{s},,{a}"), "--val wer"),
        ("step,train_loss,test_auc\n" + lines("{s},{t},{a}"), "--val test_auc --mode max"),
        ("step,total_loss,segm/AP\n" + lines("{s},{t},\n{s}5,{t},{a}"), "--val segm/AP --mode max"),
        ("step,loss,eval bleu\n" + lines("{s},{t},{a}"), '--val "eval bleu" --mode max'),
    ],
)  # fmt: skip
def test_a_metric_that_was_evaluated_is_never_passed_over(tmp_path, text, choice):
    assert f"(earlystop import: {choice})" in refusal(one_file(tmp_path, text))


@pytest.mark.parametrize(
    ("header", "row", "val", "train"),
    [
        ("epoch,accuracy,loss,val_accuracy,val_loss", "{e},0.{e},{t},{a},{v}", "val_accuracy",
         "accuracy"),
        ("epoch,loss,val_auc,val_loss", "{e},{t},{a},{v}", "val_auc", None),
        ("step,train/loss,eval/loss,eval/f1", "{s},{t},{v},{a}", "eval/f1", None),
        ("epoch,loss,mae,val_loss,val_mae", "{e},{t},9,{v},8", "val_mae", "mae"),
        ("epoch,train_loss,train_dice,valid_dice", "{e},{t},{a},{a}", "valid_dice", "train_dice"),
        ("epoch,loss,val_dsc", "{e},{t},{a}", "val_dsc", None),
    ],
)  # fmt: skip
def test_a_chosen_val_decides_the_training_curve(tmp_path, header, row, val, train):
    found = read_logs(one_file(tmp_path, f"{header}\n{lines(row)}"), val=val)
    assert found.plan["train"].tolist() == [train]
    left_out = [note for note in found.notes if "is a different quantity from" in note.text]
    assert len(left_out) == (train is None)


# -- positions -------------------------------------------------------------------------------------


def mixed(every=1, first=1, name="step", start=None):
    """Training counts iterations where validation, in the same field, counts epochs."""
    out, i = "", 0
    for e, (v, t) in enumerate(zip(VAL, TRAIN, strict=True), start=first):
        for k in (2, 1, 0):
            i += 1
            out += json.dumps({"loss": t + k, "epoch": e, "iter": i, name: i}) + "\n"
        if (e - first + 1) % every == 0:
            out += json.dumps({"val/mse": v, name: e if start is None else e + start}) + "\n"
    return out


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (mixed(), (VAL, TRAIN)),
        (mixed(first=0), (VAL, TRAIN)),
        (mixed(first=0, start=1), (VAL, TRAIN)),
        (mixed(name="global_step"), (VAL, TRAIN)),
        (mixed(every=2), (VAL[1::2], TRAIN[1::2])),
        # without an epoch, the field alone
        (lines('{{"step": {s}, "loss": {t}}}\n{{"step": {e}, "val_loss": {v}}}'), (VAL, TRAIN)),
        (lines('{{"iter": {s}, "loss": {t}}}\n{{"epoch": {e}, "val_loss": {v}}}'), (VAL, TRAIN)),
    ],
)
def test_a_field_that_counts_iterations_and_epochs(tmp_path, text, expected):
    curve = curve_of(written(tmp_path, text, "scalars.json"))
    there = curve.measured("val")
    assert (curve.val[there].tolist(), curve.train[there].tolist()) == expected


@pytest.mark.parametrize(
    ("header", "row", "start", "positions"),
    [
        ("index,loss,val_loss", "{s},{t},{v}", 0, [0, 100, 200, 300]),
        ("index,loss,val_loss", "{e},{t},{v}", 0, [0, 1, 2, 3]),
        ("index,epoch,val_loss", "9{e},{e},{v}", 1, [1, 2, 3, 4]),
        ("time/fps,time/iterations,time/total_timesteps,eval/loss", "500,{e},{s},{v}", 1,
         [100, 200, 300, 400]),
        ("trainer/global_step,val_loss", "{s},{v}", 0, [0, 100, 200, 300]),
        ("Global Step,Val Loss", "{s},{v}", 1, [100, 200, 300, 400]),
        ("timesteps_total,val_loss", "{s},{v}", 1, [100, 200, 300, 400]),
        ("current_steps,total_steps,val_loss", "{s},400,{v}", 1, [100, 200, 300, 400]),
        # epochs count from 1 in every format
        ("epoch,loss,val_loss", "{e},{t},{v}", 0, [1, 2, 3, 4]),
        ("epoch,loss,val_loss", "{e},{t},{v}", 1, [1, 2, 3, 4]),
        ("epoch,loss,val_loss", "{e},{t},{v}", 7, [8, 9, 10, 11]),
        ("epoch,loss,val_loss", "{e}0,{t},{v}", 1, [10, 20, 30, 40]),
        ("epoch,val_loss", "{e},{v}", 7, [7, 8, 9, 10]),
    ],
)  # fmt: skip
def test_positions(tmp_path, header, row, start, positions):
    curve = curve_of(one_file(tmp_path, f"{header}\n{lines(row, start)}"))
    assert (curve.epoch.tolist(), curve.val.tolist()) == (positions, VAL)


# -- appended, resumed, repeated -------------------------------------------------------------------

BOTH = '{{"epoch": {e}, "train_loss": {t}, "val_loss": {v}}}'
APART = '{{"step": {s}, "loss": {t}}}\n{{"step": {s}, "val_loss": {v}}}'
PRINT = "Epoch {e}: train loss {t}, val loss {v}"
LONG = "{s},val_loss,{v}\n{s},train_loss,{t}"


@pytest.mark.parametrize(
    ("name", "header", "row"),
    [
        ("a.jsonl", "", BOTH),
        ("a.jsonl", "", APART),
        ("a.log", "", PRINT),
        ("a.csv", "epoch,loss,val_loss\n", "{e},{t},{v}"),
        ("a.csv", "step,metric,value\n", LONG),
        ("a.csv", "epoch,step,loss,val_loss\n", "{e},{s},{t},\n{e},{s},,{v}"),
    ],
)
def test_positions_that_start_again_are_another_run(tmp_path, name, header, row):
    path = written(tmp_path, header + lines(row) + lines(row, val=LATER), name)
    assert [each[1:] for each in curves_in(path)] == [(VAL, TRAIN), (LATER, TRAIN[:3])]
    assert sum("2 runs" in note for note in notes_of(path)) == 1
    # or the same one
    ((at, val, train),) = curves_in(path, restart="continue")
    assert (val, train) == (VAL + LATER, TRAIN + TRAIN[:3])
    assert len({*np.diff(at).round(9)}) == 1


def test_a_run_that_ended_before_its_first_check_is_named(tmp_path):
    text = lines('{{"epoch": {e}, "train_loss": {t}}}', val=VAL[:2]) + lines(BOTH)
    found = read_logs(written(tmp_path, text, "a.jsonl"))
    assert [curve.val.tolist() for curve in found.curves] == [VAL]
    assert "run 1: no value of 'val_loss'" in found.skipped[0].reason


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("block.jsonl", lines(BOTH) + lines(BOTH)),
        ("rows.jsonl", lines(f"{BOTH}\n{BOTH}")),
        ("handlers.log", lines(f"INFO:root:{PRINT}\n{PRINT}")),
        ("lag.csv", "epoch,loss,val_loss\n1,2.3,2.1\n2,1.9,1.8\n1,2.3,2.1\n3,1.5,1.95\n2,1.9,1.8\n"
         "4,1.1,2.05\n3,1.5,1.95\n4,1.1,2.05\n"),
        ("times.jsonl", lines('{{"epoch": {e}, "time": {e}.1, "loss": {t}, "val_loss": {v}}}\n'
                              '{{"epoch": {e}, "time": {e}.2, "loss": {t}, "val_loss": {v}}}')),
    ],
)  # fmt: skip
def test_rows_of_two_writers(tmp_path, name, text):
    path = written(tmp_path, text, name)
    assert curves_in(path) == [([1, 2, 3, 4], VAL, TRAIN)]
    assert notes_of(path) == ["4 rows repeat other rows and are read only once"]


def test_a_second_run_that_begins_alike_is_another_run(tmp_path):
    text = lines(BOTH) + lines(BOTH, val=[2.1, 1.7, 1.6], train=[2.3, 1.8, 1.2])
    assert len(curves_in(written(tmp_path, text, "a.jsonl"))) == 2


def test_a_run_that_resumes_often_says_so_once(tmp_path):
    text = "epoch,val_loss\n1,9\n" + "".join(f"2,{k}.5\n3,{k}.5\n" for k in range(1, 100))
    found = read_logs(one_file(tmp_path, text))
    assert found.curves[0].val.tolist() == [9, 99.5, 99.5]
    assert [note.text.split(";")[0] for note in found.notes] == [
        "training resumed at 2 after 3 and 97 more times"
    ]


@pytest.mark.parametrize(
    ("names", "header", "row"),
    [
        (("t.log.2", "t.log.1", "t.log"), "", PRINT),
        (("t.log.10", "t.log.9", "t.log"), "", PRINT),
        (("t.jsonl.2026-11-28", "t.jsonl.2026-11-29", "t.jsonl"), "", BOTH),
        (("t.log-20261128.gz", "t.log-20261129", "t.log"), "", PRINT),
        (("t.csv.2", "t.csv.1", "t.csv"), "epoch,loss,val_loss\n", "{e},{t},{v}"),
    ],
)
def test_a_rotated_log_is_one_run(tmp_path, names, header, row):
    for name, (start, val, train) in zip(
        names, [(1, VAL[:1], TRAIN), (2, VAL[1:3], TRAIN[1:]), (4, VAL[3:], TRAIN[3:])], strict=True
    ):
        data = (header + lines(row, start, val, train)).encode()
        written(tmp_path, gzip.compress(data) if name.endswith("gz") else data, name)
    assert curves_in(tmp_path) == [([1, 2, 3, 4], VAL, TRAIN)]
    assert sum("3 files of one rotated log" in note for note in notes_of(tmp_path)) == 1


def test_the_same_log_twice_in_a_folder_is_one_run(tmp_path):
    text = "epoch,loss,val_loss\n" + lines("{e},{t},{v}")
    first = written(tmp_path / "a", text, "metrics.csv")
    written(tmp_path / "a", text, "metrics (copy).csv")
    written(tmp_path / "a", gzip.compress(text.encode()), "metrics.csv.gz")
    os.link(first, tmp_path / "a" / "other.csv")
    (tmp_path / "a" / "link.csv").symlink_to(first)
    # in another folder it is a run of its own
    written(tmp_path / "b", text, "metrics.csv")
    assert [run.split("/")[0] for run in read_logs(tmp_path).curves.runs] == ["a", "b"]


# -- what NaN looks like ---------------------------------------------------------------------------


def clearml(*values):
    rows = [{"type": "training_stats_scalar", "iter": i, "metric": "loss", "variant": "val",
             "value": value} for i, value in enumerate(values)]  # fmt: skip
    return json.dumps(rows)


@pytest.mark.parametrize(
    ("name", "text", "val"),
    [
        ("a.csv", "key,value,step,is_nan\nval_loss,3,0,False\nval_loss,0,1,True\nval_loss,2,2,0\n",
         [3, NAN, 2]),
        ("a.jsonl", '{"key": "val_loss", "value": 0, "step": 0, "is_nan": true}\n'
         '{"key": "val_loss", "value": 1.7976931348623157e308, "step": 1, "is_nan": false}\n'
         '{"key": "val_loss", "value": -1.7976931348623157e308, "step": 2, "is_nan": false}\n',
         [NAN, INF, -INF]),
        ("a.csv", "epoch,val_loss\n1,3\n2,1.7976931348623157e+308\n3,2\n", [3, INF, 2]),
        ("a.json", clearml(3.0, 0.0, 2.0, 2.5), [3, NAN, 2, 2.5]),
        ("a.jsonl", clearml(0.0, 3.0, 2.0, 0.0), [NAN, 3, 2, NAN]),
        ("a.jsonl", '{"epoch": 1, "val_loss": inf}\n{"epoch": 2, "val_loss": -inf}\n'
         '{"epoch": 3, "val_loss": nan}\n{"epoch": 4, "val_loss": 2}\n', [INF, -INF, NAN, 2]),
        ("a.json", '{"loss": [3, NaN, inf], "val_loss": [Infinity, -nan, 2]}', [INF, NAN, 2]),
        ("a.csv", "epoch,val_loss\n1,1.#INF\n2,-1.#IND\n3,nan(ind)\n4,2.5\n5,-nan\n",
         [INF, NAN, NAN, 2.5, NAN]),
        ("a.log", "Epoch 1 val loss inf\nEpoch 2 val loss nan\nEpoch 3 val loss 2.0\n",
         [INF, NAN, 2]),
        ("a.jsonl", '{"epoch": 1, "val_loss": "NaN"}\n{"epoch": 2, "val_loss": "-Infinity"}\n',
         [NAN, -INF]),
        ("trainer_state.json", json.dumps({"log_history": [
            {"loss": loss, "grad_norm": norm, "step": step}
            for step, (loss, norm) in enumerate([(2.0, 1.0), (0.0, NAN), (0.0, "inf"), (1.0, 3)])
        ]}), [2, NAN, NAN, 1]),
    ],
)  # fmt: skip
def test_numbers_that_stand_for_nan_and_infinity(tmp_path, name, text, val):
    np.testing.assert_equal(curve_of(written(tmp_path, text, name)).val.tolist(), val)


def test_a_zero_that_nothing_explains_is_named(tmp_path):
    path = one_file(tmp_path, "epoch,val_loss\n1,3\n2,2\n3,0.0\n4,2.5\n")
    assert curve_of(path).val.tolist() == [3, 2, 0, 2.5]
    (note,) = notes_of(path)
    assert note.startswith("line 4: 'val_loss' is exactly 0, far below its neighbours")
    # where errors came down to it, it is one
    path = one_file(tmp_path, "epoch,val_error\n1,0.3\n2,0.1\n3,0.02\n4,0.0\n5,0.0\n6,0.01\n")
    assert notes_of(path) == []


# -- text that looks damaged -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '1,a,3.0\n2,"b\nc\nd",2.0\n3,d,2.5\n',
        '1,a,3.0\r\n2,"b\r\nc",2.0\r\n3,d,2.5\r\n',
        '1,a,3.0\n2,"b, x\nc, 7",2.0\n3,"e",2.5\n',
        '1,a,3.0\n2,"say ""x""\n\nc",2.0\n3,d,2.5\n',
        '1,"a\nb",3.0\n2,"b\nx",2.0\n3,d,2.5\n',
        '1,"Traceback\n  File ""x.py"", line 1\nValueError: 1, 2",3.0\n2,,2.0\n3,,2.5',
    ],
)
def test_line_ends_in_quotes(tmp_path, text):
    curve = curve_of(one_file(tmp_path, "epoch,comment,val_loss\n" + text))
    assert curve.val.tolist() == [3.0, 2.0, 2.5]


def test_a_stray_quote_spoils_its_own_line_alone(tmp_path):
    text = 'epoch,comment,val_loss\n1,"a,3.0\n2,b,2.0\n3,"c,2.5\n4,d,1.5\n'
    found = read_logs(one_file(tmp_path, text))
    assert found.curves[0].val.tolist() == [2.0, 1.5]
    assert [entry.line for entry in found.skipped] == [2, 4]


@pytest.mark.parametrize(
    ("name", "text", "val", "said"),
    [
        ("a.log", "{0}Epoch 1 val loss 3.0\nEpoch 2 val loss 2.0\n", [3, 2], "start of line 1"),
        ("a.csv", "epoch,val_loss\n1,3.0\n{0}2,2.0\n", [3, 2], "start of line 3"),
        ("a.csv", "epoch,val_loss\n1,3.0\n2,2.0\n{0}", [3, 2], "start of line 4"),
        ("a.csv", "epoch,val_loss\n1,3.0\n2,2.{0}\n3,2.5\n", [3, 2.5], "inside line 3: cut off"),
        ("a.log", "Epoch 1 val loss 3.0\nEpoch 2 val loss 2.{0}\nEpoch 3 val loss 1.0\n", [3, 1],
         "inside line 2: cut off"),
        ("a.jsonl", '{{"epoch":1,"val_loss":3.0}}\n{0}{{"epoch":2,"val_loss":2.0}}\n', [3, 2],
         "start of line 2"),
    ],
)  # fmt: skip
def test_nul_bytes(tmp_path, name, text, val, said):
    found = read_logs(written(tmp_path, text.format("\0" * 40), name))
    assert found.curves[0].val.tolist() == val
    assert said in found.notes[0].text


def test_utf_16_without_a_mark(tmp_path):
    for encoding in ("utf-16-le", "utf-16-be"):
        path = one_file(tmp_path, "epoch,val_loss\n1,3.0\n2,2.0\n".encode(encoding))
        assert curve_of(path).val.tolist() == [3, 2]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "epoch,val_loss\n1,0.5012\n2,0.4101\n3,0.3217"),
        ("a.csv", "epoch,val_loss\n1,0.5\n2,0.41\n3,0.3"),
        ("a.jsonl", '{"epoch": 1, "val_loss": 0.5}\n{"epoch": 2, "val_loss": 0.41}'),
        ("a.log", "Epoch 1 val loss 0.5012\nEpoch 2 val loss 0.4101"),
        ("a.tsv", "epoch\tval_loss\n1\t0.5012\n2\t0.4101"),
    ],
)
def test_a_missing_last_line_end_is_no_damage(tmp_path, name, text):
    assert notes_of(written(tmp_path, text, name)) == []


# -- searches --------------------------------------------------------------------------------------

SEARCHES = {
    "optuna.csv": "number,value,datetime_start,params_lr,state\n0,0.5,a,0.1,COMPLETE\n"
                  "1,0.4,a,0.2,COMPLETE\n",
    "cv.csv": "mean_fit_time,param_C,params,split0_test_score,mean_test_score,rank_test_score\n"
              "1,1,{},.5,.5,1\n1,2,{},.6,.6,2\n",
    "cv.json": json.dumps({"mean_fit_time": [1, 1], "param_C": [0.1, 1], "params": [{}, {}],
                           "mean_test_score": [0.5, 0.6], "rank_test_score": [2, 1]}),
    "ray.csv": "trial_id,training_iteration,loss,config/lr\na,9,0.5,0.1\nb,9,0.4,0.2\nc,9,0.3,3\n",
    "optuna.log": "[I 2024] Trial 0 finished with value: 0.5 and parameters: {'x': 1}. Best\n",
    "flaml.jsonl": '{"record_id": 0, "learner": "lgbm", "validation_loss": 0.5}\n'
                   '{"record_id": 1, "learner": "rf", "validation_loss": 0.4}\n'
                   '{"curr_best_record_id": 1}\n',
    "config.jsonl": lines('{{"step": {e}, "val_loss": {v}, "config": {{"lr": 0.{e}}}}}'),
}  # fmt: skip


@pytest.mark.parametrize("name", SEARCHES)
def test_searches_are_refused_by_name(tmp_path, name):
    assert "a hyperparameter search" in refusal(written(tmp_path, SEARCHES[name], name))


def test_settings_that_stay_the_same_are_no_search(tmp_path):
    text = lines('{{"step": {e}, "val_loss": {v}, "config": {{"lr": 0.1}}}}')
    assert curve_of(written(tmp_path, text, "log.jsonl")).val.tolist() == VAL


@pytest.mark.parametrize(("last", "named"), [([0.5, 0.4, 0.3], True), ([0.5, 0.3, 0.4], False)])
def test_histories_that_all_end_at_their_best_are_named(tmp_path, last, named):
    """As skorch's Checkpoint(load_best=True) leaves them: it drops the epochs after the best."""
    for i, losses in enumerate([[0.9, 0.8], [0.7, 0.9, 0.6], last]):
        rows = [
            {"epoch": epoch, "train_loss": loss / 2, "valid_loss": loss, "valid_loss_best": True}
            for epoch, loss in enumerate(losses, 1)
        ]
        (tmp_path / f"history{i}.json").write_text(json.dumps(rows), encoding="utf-8")
    said = [note for note in notes_of(tmp_path) if "last check of every run is its best" in note]
    assert len(said) == (3 if named else 0)


# -- further tools -------------------------------------------------------------------------------


def test_a_score_whose_name_has_a_number_is_no_reason_to_take_the_training_loss(tmp_path):
    text = "".join(
        f"epoch {k}  | loss: {loss} | val_0_auc: {auc} |  0:00:0{k}s\n"
        for k, (loss, auc) in enumerate([(0.68, 0.7), (0.6, 0.75), (0.55, 0.74)])
    )
    path = written(tmp_path, text, "tabnet.log")
    assert "--val val_0_auc" in refusal(path)
    chosen = curve_of(path, val="val_0_auc", mode="max")
    assert checks(chosen) == [(1, 0.7), (2, 0.75), (3, 0.74)]


def test_a_parameter_named_like_a_loss_of_boosting_is_no_training_curve(tmp_path):
    text = "Using start_step=10 ref_gamma=-0.075\n" + "".join(
        f"step:{step}/40 val_loss:{loss} train_time:{step}ms\n"
        for step, loss in [(0, 4.5), (20, 3.5), (40, 3.25)]
    )
    curve = curve_of(written(tmp_path, text, "speedrun.txt"))
    assert checks(curve) == [(0, 4.5), (20, 3.5), (40, 3.25)]
    assert checks(curve, "train") is None
    # of a set it is the metric of that name
    boosted = json.dumps({"valid_0": {"gamma": [3.5, 3.25]}, "training": {"gamma": [3.0, 2.5]}})
    curve = curve_of(written(tmp_path, boosted, "lgb.json"))
    assert (checks(curve), checks(curve, "train")) == (epochs(3.5, 3.25), epochs(3, 2.5))


def test_lists_of_metrics_are_no_validation_curve_to_choose(tmp_path):
    rows = [(20.5, 18.0, [0.1, 0.2], 0.5), (15.5, 14.0, [0.15, 0.25], 0.75)]
    entries = [
        {"train_loss": train, "test_loss": test, "test_coco_eval_bbox": ap, "epoch": k}
        for k, (train, test, ap, _) in enumerate(rows)
    ]
    text = "".join(f"{json.dumps(each)}\n" for each in entries)
    detr = curve_of(written(tmp_path, text, "log.txt"))
    assert (checks(detr), checks(detr, "train")) == (epochs(18, 14), epochs(20.5, 15.5))
    # a score of the validation set and a loss of the test set: both are offered
    scored = "".join(
        f"{json.dumps({**each, 'val_auc': auc})}\n"
        for each, (*_, auc) in zip(entries, rows, strict=True)
    )
    assert "choose one of val_auc, test_loss" in refusal(written(tmp_path, scored, "scored.txt"))


def test_the_row_that_h2o_writes_before_training_is_not_the_first_epoch(tmp_path):
    head = "duration,epochs,iterations,samples,training_logloss,validation_logloss\n"
    text = "0.1,0.0,0,0,,\n0.2,1.0,1,100,0.6,0.65\n0.3,2.0,2,200,0.5,0.6\n0.4,3.0,3,300,0.4,0.7\n"
    curve = curve_of(written(tmp_path, head + text, "history.csv"))
    assert checks(curve) == [(1, 0.65), (2, 0.6), (3, 0.7)]
    # trees are counted, and the model has an error before the first one
    trees = "number_of_trees,training_rmse,validation_rmse\n0,0.7,0.8\n1,0.5,0.6\n2,0.4,0.7\n"
    forest = curve_of(written(tmp_path, trees, "trees.csv"))
    assert checks(forest) == [(0, 0.8), (1, 0.6), (2, 0.7)]
