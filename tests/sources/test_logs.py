"""Logs of other programs: formats, choice of channels, repairs, refusals, the real libraries."""

import contextlib
import io
import json
import math
import os
import time
import warnings

import numpy as np
import pandas as pd
import pytest
from log_samples import (
    FOLDERS,
    GENUINE,
    LONE,
    TEXTS,
    TRAIN,
    VAL,
    event_file,
    genuine_folder,
    write_mlflow,
)

from earlystop_lab import read_curves
from earlystop_lab.sources.logs import FORMATS, read_logs
from earlystop_lab.sources.logs._channels import meaning

COLUMNS = ["format", "val", "train", "test", "epoch", "checks"]


def one(path, **options):
    """The only run of a log that imports without loss."""
    found = read_logs(path, **options)
    assert found.skipped == (), found.skipped
    assert len(found.curves) == 1
    return found.curves[0]


def table(found):
    """The plan as tuples, None where a channel is not there."""
    plan = found.plan[COLUMNS].astype(object)
    return [tuple(row) for row in plan.where(plan.notna(), None).to_numpy().tolist()]


def written(tmp_path, text, name="log.csv"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def pairs(curve):
    checks = curve.measured("val")
    return list(zip(curve.epoch[checks].tolist(), curve.val[checks].tolist(), strict=True))


def ends(curve):
    """Where training began and ended."""
    return curve.epoch[[0, -1]].tolist()


def assert_kept(curves, folder):
    """Parquet and Arrow keep every bit, NaN included."""
    for name in ("curves.parquet", "curves.arrow"):
        curves.write(folder / name)
        again = read_curves(folder / name)
        assert again.table.schema.equals(curves.table.schema)
        pd.testing.assert_frame_equal(again.meta, curves.meta)
        for a, b in zip(again, curves, strict=True):
            assert a.run == b.run
            for channel in ("epoch", *b.channels):
                np.testing.assert_equal(a[channel], b[channel])


# -- genuine files -------------------------------------------------------------------------


@pytest.mark.parametrize("name", GENUINE)
def test_genuine_files_give_the_channels_a_person_would_choose(name):
    path = genuine_folder() / name
    found = read_logs(path)
    assert found.skipped == ()
    assert table(found) == GENUINE[name]


def test_all_genuine_files_are_in_the_table_and_survive_parquet_and_arrow(tmp_path):
    folder = genuine_folder()
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} == {
        *GENUINE
    }
    found = read_logs(folder)
    assert_kept(found.curves, tmp_path)


def test_genuine_numbers():
    folder = genuine_folder()
    curve = one(folder / "keras_csvlogger" / "jingr1__logs__history.csv")
    assert curve.epoch.tolist() == [1, 2, 3, 4, 5]
    assert curve.val[[0, -1]].tolist() == [0.0501634302436, 0.0469039631575]
    curve = one(folder / "yolo_results" / "AstilePeter__runs__train__exp__results.csv")
    assert (curve.epoch[0], curve.epoch[-1]) == (1, 120)
    table = pd.read_csv(folder / "yolo_results" / "AstilePeter__runs__train__exp__results.csv")
    table.columns = table.columns.str.strip()
    fitness = 0.1 * table["metrics/mAP_0.5"] + 0.9 * table["metrics/mAP_0.5:0.95"]
    np.testing.assert_allclose(curve.val, fitness, rtol=1e-15)
    curve = one(folder / "hf_trainer_state" / "NijatZeynalov__trainer_state.json")
    assert curve["step"][:3].tolist() == [10, 100, 200]
    # 9411 steps are 3 epochs; the log has epochs of two digits
    assert curve.epoch[:3].tolist() == [10 / 3137, 100 / 3137, 200 / 3137]
    assert (curve.val[1], curve.train[1]) == (3.3984055519104004, 4.7258)
    curve = one(
        folder / "nanogpt" / "modded-nanogpt__records__track_2_medium__2025-01-18__main.log"
    )
    assert pairs(curve)[-1] == (60000, 2.9282)


# -- every format --------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEXTS)
def test_every_text_format(tmp_path, name):
    expected, text, first = TEXTS[name]
    found = read_logs(written(tmp_path, text, name))
    assert found.skipped == ()
    assert found.curves.meta["format"].tolist() == [expected]
    curve = found.curves[0]
    assert (curve.val.tolist(), curve.train.tolist()) == (VAL, TRAIN)
    assert curve.epoch.tolist() == list(range(first, first + 6))
    # and the same when the format is said
    again = read_logs(tmp_path / name, format=expected)
    assert again.curves.table.equals(found.curves.table)


def test_every_format_of_the_table_is_tested():
    assert {*FORMATS} == {expected for expected, _, _ in TEXTS.values()} | {
        "tensorboard", "tensorboard-export", "parquet", "sklearn", "apart", "optuna",
        *FOLDERS, *LONE,
    }  # fmt: skip


def test_scores_of_sklearn_are_as_recorded(tmp_path):
    scores = json.dumps({"loss_curve_": TRAIN, "validation_scores_": [0.5, 0.7, 0.6, 0.6, 0.8, 1]})
    curve = one(written(tmp_path, scores, "mlp.json"))
    assert curve.val.tolist() == [0.5, 0.7, 0.6, 0.6, 0.8, 1]
    assert curve.train.tolist() == TRAIN
    assert (curve.about["val"].direction, curve.about["train"].direction) == ("max", "min")
    boosted = json.dumps({"train_score_": [-0.5, -0.4], "validation_score_": [-0.7, -0.6]})
    curve = one(written(tmp_path, boosted, "hgb.json"))
    assert (curve.val.tolist(), curve.train.tolist()) == ([-0.7, -0.6], [-0.5, -0.4])
    found = read_logs(written(tmp_path, json.dumps({"loss_curve_": TRAIN}), "plain.json"))
    assert found.curves[0].val.tolist() == TRAIN
    assert "is used as val" in found.notes[0].text


def test_event_files(tmp_path):
    path = written(tmp_path, event_file(), "events.out.tfevents.1.host")
    curve = one(path)
    assert curve.epoch.tolist() == [1, 2, 3, 4, 5, 6]
    assert curve.val.tolist() == np.float32(VAL).astype(float).tolist()
    # a crash in the middle of a record loses that record only
    cut = read_logs(written(tmp_path, event_file()[:-3], "events.out.tfevents.1.host"))
    whole = np.float32(VAL[:-1]).astype(float).tolist()
    assert pairs(cut.curves[0]) == list(zip(range(1, 6), whole, strict=True))
    assert ends(cut.curves[0]) == [1, 6]
    assert len(cut.skipped) == 1


def test_mlflow_keeps_the_steps_of_each_metric(tmp_path):
    run = write_mlflow(tmp_path / "mlruns" / "0" / "abc")
    (run / "metrics" / "lr").write_text("")
    found = read_logs(tmp_path / "mlruns")
    assert found.curves.runs == ["0/abc"]
    assert found.curves[0].val.tolist() == VAL
    assert found.curves[0].train.tolist() == TRAIN
    assert found.notes == (("0/abc", "run name 'calm-owl-3'"),)
    # training by batches, validation by epochs: no false "resumed"
    (run / "metrics" / "train_loss").write_text(
        "".join(f"{100 + i} 0.5 {9 * i}\n" for i in range(9))
    )
    assert [n.text for n in read_logs(run).notes] == ["run name 'calm-owl-3'"]
    (run / "meta.yaml").write_text("lifecycle_stage: deleted\n")
    assert "deleted" in read_logs(run).skipped[0].reason


def test_parquet_tables(tmp_path):
    frame = pd.DataFrame({"epoch": range(1, 7), "train_loss": TRAIN, "val_loss": VAL})
    frame["run"] = "a"
    both = pd.concat([frame, frame.assign(run="b", val_loss=1.0)])
    both.to_parquet(tmp_path / "log.parquet")
    found = read_logs(tmp_path / "log.parquet")
    assert found.curves.runs == ["log.parquet:a", "log.parquet:b"]
    assert found.curves[0].val.tolist() == VAL
    found.curves.write(tmp_path / "curves.parquet")
    assert "read_curves" in read_logs(tmp_path / "curves.parquet").skipped[0].reason


def test_catboost_folder(tmp_path):
    folder = tmp_path / "catboost_info"
    (folder / "test").mkdir(parents=True)
    (folder / "catboost_training.json").write_text(TEXTS["catboost_training.json"][1])
    (folder / "learn_error.tsv").write_text("iter\tL\n" + "".join(
        f"{i}\t{t}\n" for i, t in enumerate(TRAIN)))  # fmt: skip
    (folder / "test_error.tsv").write_text("iter\tAUC\tL\n" + "".join(
        f"{i}\t0.5\t{v}\n" for i, v in enumerate(VAL)))  # fmt: skip
    (folder / "time_left.tsv").write_text("iter\tPassed\tRemaining\n0\t1\t5\n")
    (folder / "test" / "events.out.tfevents").write_bytes(b"")
    found = read_logs(tmp_path)
    assert table(found) == [("catboost", "test-L", "learn-L", None, "iteration", 6)]
    assert found.skipped == ()
    whole = found.curves[0]
    # a crash leaves the JSON unfinished
    (folder / "catboost_training.json").write_text(TEXTS["catboost_training.json"][1][:-40])
    (folder / "test_error.tsv").write_text("iter\tL\n" + "".join(
        f"{i}\t{v}\n" for i, v in enumerate(VAL)))  # fmt: skip
    found = read_logs(tmp_path)
    assert pairs(found.curves[0]) == pairs(whole)
    assert any("tables in the same folder were read" in note.text for note in found.notes)


def test_checkpoints_of_one_hugging_face_run_are_one_run(tmp_path):
    state = json.loads(TEXTS["trainer_state.json"][1])
    for n in (4, 8, 12):
        folder = tmp_path / f"checkpoint-{n}"
        folder.mkdir()
        part = {"log_history": state["log_history"][:n]}
        (folder / "trainer_state.json").write_text(json.dumps(part))
    found = read_logs(tmp_path)
    assert [len(c.val) for c in found.curves] == [6]
    assert "3 checkpoints" in found.notes[0].text


def test_several_evaluation_sets(tmp_path):
    history = [{"loss": 0.5, "step": 1}]
    history += [{f"eval_{name}_loss": x, "step": 1} for name, x in [("b", 3), ("test", 4)]]
    path = written(tmp_path, json.dumps({"log_history": history}), "trainer_state.json")
    assert table(read_logs(path)) == [
        ("huggingface", "eval_b_loss", "loss", "eval_test_loss", "step", 1)
    ]
    numbered = {f"validation_{i}": {"auc": VAL, "logloss": [i + x for x in VAL]} for i in (0, 1)}
    found = read_logs(written(tmp_path, json.dumps(numbered), "x.json"))
    assert table(found)[0][1:3] == ("validation_1-logloss", "validation_0-logloss")
    assert "only numbered" in found.notes[0].text


def test_a_chart_of_several_runs(tmp_path):
    text = "Step,red-1 - val/loss,red-1 - val/loss__MIN,blue - 2 - val/loss\n0,3,3,4\n1,2,2,\n"
    found = read_logs(written(tmp_path, text))
    assert found.curves.runs == ["log.csv:red-1", "log.csv:blue - 2"]
    assert [pairs(c) for c in found.curves] == [[(0, 3), (1, 2)], [(0, 4)]]


def test_validation_freq_of_a_history(tmp_path):
    text = json.dumps({"loss": TRAIN, "val_loss": VAL[:2]})
    curve = one(written(tmp_path, text, "h.json"))
    assert pairs(curve) == [(3, 1.0), (6, 0.75)]
    assert ends(curve) == [1, 6]
    assert curve.train.tolist() == [0.9, 0.4, 0.1]
    text = json.dumps({"loss": TRAIN, "val_loss": VAL[:5]})
    found = read_logs(written(tmp_path, text, "h.json"))
    assert "'val_loss' has 5 values, but others have 6" in found.skipped[0].reason


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("step:0/9 val_loss:10.8 train_time:0ms\nstep:125/9 val_loss:6.5 x:1\n",
         [(0, 10.8), (125, 6.5)]),
        ("0 val 10.95\n0 hella 0.24\n0 train 10.9\n250 val 5.9\n", [(0, 10.95), (250, 5.9)]),
        ("Epoch 1/2\n9/9 - 0s 4ms/step - loss: 0.5 - val_loss: 0.6\nEpoch 2/2\n"
         "9/9 - 0s - loss: 0.4 - val_loss: 0.55\n", [(1, 0.6), (2, 0.55)]),
        ("[2024-01-02 10:00] step 5: val loss 1e-3\n[2024-01-02 10:01] step 6: val loss nan\n",
         [(5, 1e-3), (6, math.nan)]),
        ("import torch\nstep = 0\niter 3: loss 4, time 3ms\nstep 3: train loss 4.5, val loss 5\n",
         [(3, 5.0)]),
    ],
)  # fmt: skip
def test_text_logs(tmp_path, lines, expected):
    np.testing.assert_equal(pairs(one(written(tmp_path, lines, "train.log"))), expected)


# -- choosing channels ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "val", "train", "test"),
    [
        ("loss val_loss", "val_loss", "loss", None),
        ("accuracy val_accuracy loss val_loss", "val_loss", "loss", None),
        ("train/loss val/loss test/loss", "val/loss", "train/loss", "test/loss"),
        ("loss eval_loss eval_runtime", "eval_loss", "loss", None),
        ("valid_0's_auc valid_0's_binary_logloss", "valid_0's_binary_logloss", None, None),
        ("validation_0-logloss", "validation_0-logloss", None, None),
        ("trainLoss valLoss testLoss", "valLoss", "trainLoss", "testLoss"),
        ("train_loss_step train_loss_epoch val_loss", "val_loss", "train_loss_epoch", None),
        ("val_mse val_loss train_mse train_loss", "val_loss", "train_loss", None),
        ("val_rmse train_loss train_rmse", "val_rmse", "train_rmse", None),
        ("best_val_loss val_loss_std val_nll", "val_nll", None, None),
        ("train_recon train_kl train_total val_recon val_kl val_total", "val_total", "train_total",
         None),
        ("train_loss test_loss", "test_loss", "train_loss", None),
        ("train val test", "val", "train", "test"),
        ("trainloss validloss", "validloss", "trainloss", None),
        ("learning_rate loss", "loss", None, None),
        ("dev_perplexity training_loss", "dev_perplexity", "training_loss", None),
        ("Train_Loss Validation_Loss Time", "Validation_Loss", "Train_Loss", None),
        ("val_loss/dataloader_idx_0 val_loss/dataloader_idx_1", "val_loss/dataloader_idx_0", None,
         None),
        ("train-rmse-mean train-rmse-std test-rmse-mean test-rmse-std", "test-rmse-mean",
         "train-rmse-mean", None),
    ],
)  # fmt: skip
def test_channels_by_name(tmp_path, names, val, train, test):
    names = names.split()
    text = ",".join(["step", *names]) + "\n" + "".join(
        ",".join([str(i)] + ["0.5"] * len(names)) + "\n" for i in (1, 2)
    )  # fmt: skip
    assert table(read_logs(written(tmp_path, text))) == [("csv", val, train, test, "step", 2)]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("val_accuracy", "higher"), ("val/mAP50-95(B)", "higher"), ("eval_rougeL", "higher"),
        ("valid_0's ndcg@10", "higher"), ("val_neg_mean_squared_error", "higher"),
        ("eval_samples_per_second", "aside"), ("validation/num_examples", "aside"),
        ("grad_norm", "aside"), ("val_neg_log_likelihood", "loss"), ("test-MultiClass", "unknown"),
        ("val_error_rate", "error"), ("evaluation_loss_vs_iterations", "aside"),
        ("valid_0's kullback_leibler", "loss"), ("valid_0's fair", "error"),
        ("eval-cox-nloglik", "loss"), ("val_mape", "error"),
        ("val_dice_loss", "loss"), ("val_f1Loss", "loss"),
        ("auc_loss", "loss"), ("val_ssim_loss", "loss"), ("val_iou_loss", "loss"),
        ("val_top1_err", "error"), ("val_top5_error", "error"), ("test-BrierScore", "error"),
        ("val_neg_brier_score", "higher"), ("val_elbo", "higher"), ("val_neg_elbo", "loss"),
        ("val_elbo_loss", "loss"), ("val_neg_log_likelihood_loss", "loss"), ("val_total", "loss"),
        ("total", "unknown"), ("val_total_acc", "higher"), ("val_top1", "higher"),
    ],
)  # fmt: skip
def test_what_a_name_means(name, kind):
    assert meaning(name).kind == kind


def test_scores_are_validation_only_when_told(tmp_path):
    path = written(tmp_path, "epoch,loss,acc,val_acc\n1,3,0.5,0.4\n2,2,0.6,0.7\n")
    refused = read_logs(path)
    assert len(refused.curves) == 0
    assert "val='val_acc'" in refused.skipped[0].reason
    for curve in (one(path, val="val_acc"), one(path, mode="max")):
        assert (curve.val.tolist(), curve.train.tolist()) == ([0.4, 0.7], [0.5, 0.6])
        assert [curve.about[name].direction for name in ("val", "train")] == ["max", "max"]
        assert curve.about["val"].upper == 1
    # another metric keeps its own direction
    curve = one(path, val="val_acc", train="loss", mode="max")
    assert curve.train.tolist() == [3, 2]
    assert [curve.about[name].direction for name in ("val", "train")] == ["max", "min"]
    # and what is said goes over what the name says
    assert one(path, val="val_acc", mode="min").about["val"].direction == "min"


def test_mode_max_never_means_a_loss(tmp_path):
    path = written(tmp_path, "epoch,val_loss,val_acc\n1,3,0.4\n2,2,0.7\n")
    assert table(read_logs(path, mode="max"))[0][1] == "val_acc"
    path = written(tmp_path, "epoch,val_loss\n1,3\n")
    assert "no column is a known validation score" in read_logs(path, mode="max").skipped[0].reason


def test_columns_apart_by_blanks(tmp_path):
    curve = one(
        written(tmp_path, "epoch   loss  val_loss\n  1   5.0  6.0\n 2  4.0   5.5\n", "a.txt")
    )
    assert pairs(curve) == [(1, 6), (2, 5.5)]


def test_columns_as_asked(tmp_path):
    text = "run,t,a,b,c\nx,1,3,4,5\nx,2,2,3,4\ny,1,1,1,1\n"
    found = read_logs(written(tmp_path, text), val="B", train="a", test="c", epoch="t", run="run")
    assert found.curves.runs == ["log.csv:x", "log.csv:y"]
    assert table(found) == [("csv", "b", "a", "c", "t", 2), ("csv", "b", "a", "c", "t", 1)]
    missing = read_logs(tmp_path / "log.csv", val="val_loss")
    assert missing.skipped[0].reason == (
        "run x: no column 'val_loss' for val; the columns are run, t, a, b, c"
    )
    assert "for run" in read_logs(tmp_path / "log.csv", run="seed").skipped[0].reason


def test_arguments_that_are_none_of_those_there_are():
    with pytest.raises(ValueError, match=r"format 'cvs': .*expected one of (?s:.*)csv"):
        read_logs([], format="cvs")
    with pytest.raises(ValueError, match="'up'"):
        read_logs([], mode="up")


# -- what is normal in logs ----------------------------------------------------------------


def test_resumed_runs_replace_what_they_repeat(tmp_path):
    text = "epoch,loss,val_loss\n1,9,9\n2,8,8\n3,7,7\n4,6,6\n3,1,1\n4,2,2\n5,3,3\n"
    found = read_logs(written(tmp_path, text))
    assert pairs(found.curves[0]) == [(1, 9), (2, 8), (3, 1), (4, 2), (5, 3)]
    assert "resumed at 3 after 4" in found.notes[0].text


def test_a_csvlogger_appended_twice(tmp_path):
    text = "epoch,loss,val_loss\n0,9,9\n1,8,8\nepoch,loss,val_loss\n0,5,5\n1,4,4\n2,3,3\n"
    found = read_logs(written(tmp_path, text))
    assert found.curves.runs == ["log.csv:1", "log.csv:2"]
    assert [*map(pairs, found.curves)] == [[(1, 9), (2, 8)], [(1, 5), (2, 4), (3, 3)]]
    assert sum("restarts at 0 on line 5; read as 2 runs" in note.text for note in found.notes) == 1
    # or a second fit of the same model
    found = read_logs(tmp_path / "log.csv", restart="continue")
    assert found.curves.runs == ["log.csv"]
    assert pairs(found.curves[0]) == [(1, 9), (2, 8), (3, 5), (4, 4), (5, 3)]


def test_rows_out_of_place_are_sorted(tmp_path):
    found = read_logs(written(tmp_path, "step,val_loss\n1,9\n3,7\n2,8\n4,6\n"))
    assert pairs(found.curves[0]) == [(1, 9), (2, 8), (3, 7), (4, 6)]
    assert "out of order" in found.notes[0].text


def test_sparse_validation_takes_the_last_training_error(tmp_path):
    text = "step,loss,val_loss\n0,,9\n10,5,\n15,4,\n20,,8\n30,3,7\n"
    found = read_logs(written(tmp_path, text))
    curve = found.curves[0]
    assert pairs(curve) == [(0, 9), (20, 8), (30, 7)]
    np.testing.assert_equal(curve.train.tolist(), [math.nan, 4, 3])
    assert "not measured at the first 1 checks" in found.notes[0].text


def test_a_final_test_does_not_look_like_a_resumed_run(tmp_path):
    text = "step,train_loss,val_loss,test_loss\n1,5,6,\n2,4,5,\n3,4,7,\n2,,,5\n"
    found = read_logs(written(tmp_path, text))
    assert pairs(found.curves[0]) == [(1, 6), (2, 5), (3, 7)]
    assert [n.text for n in found.notes] == ["'test_loss' was recorded only once and is left out"]


def test_nan_and_infinity_are_data_and_blanks_are_not_measured(tmp_path):
    text = "epoch,loss,val_loss\n1,1,nan\n2,1,Infinity\n3,1,\n4,1,-\n5,1,NA\n6,nan,-inf\n"
    curve = one(written(tmp_path, text))
    np.testing.assert_equal(pairs(curve), [(1, math.nan), (2, math.inf), (6, -math.inf)])


@pytest.mark.parametrize("cell", ["1e999", "1_000", "0x10", "--1", "1,5", "\uff11", "1e", "True"])
def test_cells_that_are_no_numbers_are_named(tmp_path, cell):
    path = written(tmp_path, f"epoch;loss;val_loss\n1;1;3\n2;1;{cell}\n3;1;2\n")
    found = read_logs(path)
    assert pairs(found.curves[0]) == [(1, 3), (3, 2)]
    (skipped,) = found.skipped
    assert (skipped.file, skipped.line) == ("log.csv", 3)
    assert "column 'val_loss'" in skipped.reason
    assert cell in skipped.reason


@pytest.mark.parametrize("epoch", ["9007199254740993", "-1", "nan", "inf", "", "1e999"])
def test_positions_that_are_none(tmp_path, epoch):
    found = read_logs(written(tmp_path, f"epoch,loss,val_loss\n1,1,3\n{epoch},1,9\n3,1,2\n"))
    assert pairs(found.curves[0]) == [(1, 3), (3, 2)]
    assert found.skipped[0].line == 3


def test_lines_that_do_not_fit(tmp_path):
    text = 'epoch,loss,val_loss\n1,1,3\n2,1\n3,1,4,5\n4,"1,2\n5,1,2\n6,1'
    found = read_logs(written(tmp_path, text))
    assert pairs(found.curves[0]) == [(1, 3), (5, 2)]
    assert [s.line for s in found.skipped] == [3, 4, 5, 7]
    assert "cut off" in found.skipped[-1].reason
    found = read_logs(written(tmp_path, "epoch,loss,val_loss\n1,1,0.5\n2,1,0.2"))
    assert pairs(found.curves[0]) == [(1, 0.5), (2, 0.2)]
    assert found.notes == ()
    found = read_logs(written(tmp_path, "epoch,loss,val_loss\n1,1,0.51\n2,1,0.25\n3,1,0.2"))
    assert [note.text for note in found.notes] == [
        "line 4 has no line ending; its last value '0.2' looks cut off"
    ]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path, encoding, end):
    text = end.join(["epoch,loss,val_loss,größe", "1,1,3,5", "2,1,2,5", ""])
    found = read_logs(written(tmp_path, text.encode(encoding)))
    assert pairs(found.curves[0]) == [(1, 3), (2, 2)]
    assert found.skipped == ()
    assert bool(found.notes) == (encoding == "latin-1")


@pytest.mark.parametrize(
    ("text", "name", "reason"),
    [
        ("", "a.csv", "empty"),
        ("\n \n", "a.json", "empty"),
        ("1,2\n3,4\n", "a.csv", "not a log of a known format"),
        ("epoch,val_loss\n", "a.csv", "no rows"),
        (b"\x00\x01\x02", "a.csv", "binary"),
        ('{"loss": [1, 2', "a.json", "not valid JSON.*cut off"),
        ('{"loss": [1], "loss": [2]}', "a.json", "duplicate key 'loss'"),
        ("[" * 100_000, "a.json", "nested too deeply"),
        ('{"loss": [1, 1e999], "val_loss": [1e999, 1e999]}', "a.json", "no value.*too large"),
        ('{"lr": 0.1, "layers": [64, 64]}', "config.json", "no column looks like"),
        ("just talk\n", "a.txt", "not a log of a known format.*just talk"),
        (b"PAR1nothing", "a.parquet", "the Parquet file cannot be read"),
        ("epoch,step,train_f1\n1,1,0.5\n", "a.csv", "no column looks like"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, text, name, reason):
    good = written(tmp_path, TEXTS["history.csv"][1], "good.csv")
    found = read_logs([written(tmp_path, text, name), good])
    assert found.curves.runs == ["good.csv"]
    (skipped,) = found.skipped
    assert skipped.file == name
    assert pd.Series([skipped.reason]).str.contains(reason)[0], skipped


@pytest.mark.parametrize("text", ["9", "step 1: a ", "{", "[1,", "1,", "a=1 ", '"', '{"loss":['])
def test_huge_lines_are_refused_quickly(tmp_path, text):
    before = time.process_time()
    found = read_logs(written(tmp_path, text * 10**6, "a.log"))
    assert time.process_time() - before < 2
    assert len(found.curves) == 0
    assert found.skipped[0].file == "a.log"


def test_many_bad_lines_are_counted(tmp_path):
    found = read_logs(written(tmp_path, "epoch,val_loss\n1,1\n" + "x,y\n" * 1000))
    assert len(found.skipped) == 21
    assert found.skipped[-1].reason.startswith("980 more")


# -- files and folders ---------------------------------------------------------------------


def test_paths_that_hold_no_logs(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "gone.csv").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.csv")
    names = ["empty", "loop", "gone.csv", "pipe.csv", "missing.csv"]
    found = read_logs([tmp_path / name for name in names])
    assert len(found.curves) == 0
    assert len(found.skipped) == 5
    assert "folder contains no logs" in found.skipped[0].reason
    assert any("not a regular file" in s.reason for s in found.skipped)


def test_a_file_reached_twice_counts_once_and_names_are_relative(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        written(tmp_path / name, TEXTS["history.csv"][1], "history.csv")
    (tmp_path / "link.csv").symlink_to(tmp_path / "a" / "history.csv")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    found = read_logs([tmp_path, tmp_path / "b" / "history.csv"])
    assert sorted(found.curves.runs) == ["b/history.csv", "link.csv"]
    assert read_logs(tmp_path / "a" / "history.csv").curves.runs == ["history.csv"]


def test_keras_event_folders_are_one_run(tmp_path):
    for part in ("train", "validation"):
        (tmp_path / "fit" / part).mkdir(parents=True)
        (tmp_path / "fit" / part / "events.out.tfevents.1.h").write_bytes(event_file())
    found = read_logs(tmp_path, val="validation/val/loss", train="train/train/loss")
    assert found.curves.runs == ["fit"]
    assert len(found.curves[0].val) == 6


def test_metadata_parquet_and_arrow(tmp_path):
    for name, (_, text, _) in TEXTS.items():
        written(tmp_path, text, name)
    found = read_logs(tmp_path)
    assert len(found.curves) == len(TEXTS)
    assert {"format", "file", "val.source", "train.source", "epoch.source", "epoch.unit",
            "val.metric", "val.stand_in"} < {*found.curves.meta}  # fmt: skip
    assert_kept(found.curves, tmp_path / "out")


# -- logs that the real libraries write ------------------------------------------------------

XY = "rng = np.random.default_rng(0); X = rng.normal(size=(80, 3)).astype('float32')\n"
XY += "y = (X[:, 0] + rng.normal(size=80) > 0).astype('float32')\n"


def by_library(tmp_path, module, code):
    """Run code that trains, in a folder; what it prints at last, which training reported."""
    pytest.importorskip(module, reason="the library itself writes the log", exc_type=ImportError)
    printed = io.StringIO()
    with (
        contextlib.chdir(tmp_path),
        contextlib.redirect_stdout(printed),
        warnings.catch_warnings(action="ignore"),
    ):
        exec(f"import json, numpy as np\n{XY}{code}", {"__name__": "training"})
    return json.loads(printed.getvalue().strip().splitlines()[-1])


def test_xgboost_writes(tmp_path):
    told = by_library(tmp_path, "xgboost", """
import xgboost
model = xgboost.XGBClassifier(n_estimators=5, eval_metric=["auc", "logloss"])
model.fit(X[:40], y[:40], eval_set=[(X[:40], y[:40]), (X[40:], y[40:])], verbose=False)
json.dump(model.evals_result(), open("log.json", "w"))
print(json.dumps(model.evals_result()))
""")  # fmt: skip
    curve = one(tmp_path / "log.json")
    assert curve.val.tolist() == told["validation_1"]["logloss"]
    assert curve.train.tolist() == told["validation_0"]["logloss"]


def test_lightgbm_writes(tmp_path):
    told = by_library(tmp_path, "lightgbm", """
import lightgbm
model = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1, min_child_samples=5)
model.fit(X, y, eval_set=[(X, y), (X[40:], y[40:])], eval_metric="auc")
json.dump(model.evals_result_, open("log.json", "w"))
print(json.dumps(model.evals_result_))
""")  # fmt: skip
    curve = one(tmp_path / "log.json")
    assert curve.val.tolist() == told["valid_1"]["binary_logloss"]
    assert curve.train.tolist() == told["training"]["binary_logloss"]


def test_catboost_writes(tmp_path):
    told = by_library(tmp_path, "catboost", """
import catboost
model = catboost.CatBoostClassifier(iterations=5, train_dir="info", verbose=False)
model.fit(X, y, eval_set=(X[40:], y[40:]))
print(json.dumps(model.get_evals_result()))
""")  # fmt: skip
    curve = one(tmp_path / "info")
    assert curve.epoch.tolist() == [1, 2, 3, 4, 5]
    # the files hold ten digits
    np.testing.assert_allclose(curve.val, told["validation"]["Logloss"], rtol=1e-9)
    np.testing.assert_allclose(curve.train, told["learn"]["Logloss"], rtol=1e-9)


def test_catboost_writes_several_sets_of_which_it_stops_by_the_last(tmp_path):
    told = by_library(tmp_path, "catboost", """
import catboost
sets = [(X[40:60], y[40:60]), (X[60:], y[60:])]
model = catboost.CatBoostClassifier(iterations=5, train_dir="info", verbose=False)
model.fit(X[:40], y[:40], eval_set=sets)
print(json.dumps([model.get_evals_result(), model.get_best_iteration()]))
""")  # fmt: skip
    val = told[0]["validation_1"]["Logloss"]
    assert int(np.argmin(val)) == told[1]
    np.testing.assert_allclose(one(tmp_path / "info").val, val, rtol=1e-9)
    (tmp_path / "info" / "catboost_training.json").unlink()
    np.testing.assert_allclose(one(tmp_path / "info").val, val, rtol=1e-9)


@pytest.mark.parametrize(
    ("module", "code", "digits"),
    [
        ("xgboost", """
model = xgboost.XGBClassifier(n_estimators=5, eval_metric=["auc", "logloss"])
model.fit(X[:40], y[:40], eval_set=[(X[:40], y[:40]), (X[40:], y[40:])], verbose=True)
told = model.evals_result()
told = [told["validation_1"]["logloss"], told["validation_0"]["logloss"]]
""", 5),
        ("lightgbm", """
model = lightgbm.LGBMClassifier(n_estimators=30, min_child_samples=5)
A, b = X[:40], y[:40]
model.fit(A, b, eval_set=[(A, b), (X[40:], y[40:])],
    callbacks=[lightgbm.log_evaluation(1), lightgbm.early_stopping(3)])
told = model.evals_result_
told = [told["valid_1"]["binary_logloss"], told["training"]["binary_logloss"]]
""", 6),
        ("catboost", """
model = catboost.CatBoostClassifier(iterations=5, train_dir="info", verbose=1)
model.fit(X[:40], y[:40], eval_set=(X[40:], y[40:]), log_cout=sys.stdout)
told = model.get_evals_result()
told = [told["validation"]["Logloss"], told["learn"]["Logloss"]]
""", 7),
        ("catboost", """
model = catboost.CatBoostClassifier(iterations=9, train_dir="info", eval_metric="F1")
model.fit(X[:40], y[:40], eval_set=(X[40:], y[40:]), log_cout=sys.stdout)
told = model.get_evals_result()
told = [told[of]["F1"] for of in ("validation", "learn")]
""", 7),
        ("skorch", """
import torch
model = skorch.NeuralNetRegressor(torch.nn.Linear(3, 1), max_epochs=5).fit(X, y[:, None])
told = [model.history[:, name] for name in ("valid_loss", "train_loss")]
""", 4),
    ],
)  # fmt: skip
def test_what_libraries_print(tmp_path, module, code, digits):
    head = f"import {module}, contextlib, io, sys\nprinted = io.StringIO()\n"
    head += "with contextlib.redirect_stdout(printed):"
    code = code.replace("\n", "\n    ")
    end = '\nopen("log.txt", "w").write(printed.getvalue())\nprint(json.dumps(told))'
    val, train = by_library(tmp_path, module, head + code + end)
    curve = one(tmp_path / "log.txt")
    # the first check is of one epoch, or of one tree
    assert curve.epoch.tolist() == list(range(1, len(val) + 1))
    np.testing.assert_allclose(curve.val, val, atol=0.6 * 10**-digits)
    np.testing.assert_allclose(curve.train, train, atol=0.6 * 10**-digits)


def test_sklearn_writes(tmp_path):
    told = by_library(tmp_path, "sklearn", """
from sklearn.neural_network import MLPClassifier
model = MLPClassifier((4,), max_iter=5, early_stopping=True).fit(X, y)
told = {"loss_curve_": [float(x) for x in model.loss_curve_],
        "validation_scores_": [float(x) for x in model.validation_scores_]}
json.dump(told, open("log.json", "w"))
print(json.dumps(told))
""")  # fmt: skip
    curve = one(tmp_path / "log.json")
    assert curve.val.tolist() == told["validation_scores_"]
    assert curve.train.tolist() == told["loss_curve_"]


def test_lightning_writes(tmp_path):
    told = by_library(tmp_path, "lightning", """
import torch, lightning
from lightning.pytorch.loggers import CSVLogger
told = []
class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)
    def loss(self, batch):
        return ((self.layer(batch[0])[:, 0] - batch[1]) ** 2).mean()
    def training_step(self, batch, i):
        loss = self.loss(batch)
        self.log("train_loss", loss, on_step=True, on_epoch=True)
        return loss
    def validation_step(self, batch, i):
        self.log("val_loss", self.loss(batch))
    def test_step(self, batch, i):
        self.log("test_loss", self.loss(batch))
    def on_train_epoch_end(self):
        told.append(float(self.trainer.callback_metrics["val_loss"]))
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)
data = torch.utils.data.TensorDataset(torch.tensor(X), torch.tensor(y))
data = torch.utils.data.DataLoader(data, batch_size=20)
trainer = lightning.Trainer(max_epochs=3, logger=CSVLogger("."), log_every_n_steps=2,
    accelerator="cpu", enable_progress_bar=False, enable_model_summary=False,
    enable_checkpointing=False)
trainer.fit(Model(), data, data)
trainer.test(trainer.model, data, verbose=False)
print(json.dumps(told))
""")  # fmt: skip
    found = read_logs(tmp_path)
    assert found.skipped == ()
    assert [val for _, val in pairs(found.curves[0])] == told
    assert table(found) == [("lightning", "val_loss", "train_loss_epoch", None, "step", 3)]


def test_transformers_write(tmp_path):
    pytest.importorskip("accelerate", reason="transformers' Trainer needs it")
    told = by_library(tmp_path, "transformers", """
import torch, transformers
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)
    def forward(self, x, labels):
        out = self.layer(x)[:, 0]
        return {"loss": ((out - labels) ** 2).mean(), "logits": out}
data = [{"x": torch.tensor(a), "labels": torch.tensor(b)} for a, b in zip(X, y)]
options = transformers.TrainingArguments("out", num_train_epochs=3, eval_strategy="epoch",
    logging_steps=2, report_to="none", save_strategy="epoch", use_cpu=True, disable_tqdm=True)
trainer = transformers.Trainer(Model(), options, train_dataset=data, eval_dataset=data[:20])
trainer.train()
print(json.dumps([e["eval_loss"] for e in trainer.state.log_history if "eval_loss" in e]))
""")  # fmt: skip
    found = read_logs(tmp_path)
    assert [val for _, val in pairs(found.curves[0])] == told
    assert table(found)[0][:3] == ("huggingface", "eval_loss", "loss")


def test_tensorboard_writes(tmp_path):
    pytest.importorskip("tensorboard", reason="torch writes event files with it")
    by_library(tmp_path, "torch", f"""
from torch.utils.tensorboard import SummaryWriter
with SummaryWriter("log") as writer:
    for i, (t, v) in enumerate(zip({TRAIN}, {VAL})):
        writer.add_scalar("Loss/train", t, i)
        writer.add_scalar("Loss/val", v, i)
        writer.add_scalar("val_norm", v, i, new_style=True)
    writer.add_hparams({{"lr": 0.1}}, {{"val_loss": 0.625}}, run_name="settings")
print(0)
""")  # fmt: skip
    found = read_logs(tmp_path)
    ((file, _, reason),) = found.skipped
    assert file.startswith("log/settings/")
    assert "add_hparams" in reason
    assert table(found) == [("tensorboard", "Loss/val", "Loss/train", None, "step", 6)]
    assert found.curves[0].val.tolist() == np.float32(VAL).astype(float).tolist()


def test_tensorboard_purges(tmp_path):
    pytest.importorskip("tensorboard", reason="torch writes event files with it")
    by_library(tmp_path, "torch", f"""
import time
from torch.utils.tensorboard import SummaryWriter
with SummaryWriter("log") as writer:  # after step 20 it crashed, from step 15 on it starts again
    for at in (0, 10, 20):
        writer.add_scalar("val_loss", 9.5, at)
time.sleep(1.1)  # the time of day in seconds is in the name of the file
with SummaryWriter("log", purge_step=15) as writer:
    for i, v in enumerate({VAL[2:]}):
        writer.add_scalar("val_loss", v, 15 + i)
print(0)
""")  # fmt: skip
    found = read_logs(tmp_path)
    assert found.curves[0].val.tolist() == [9.5, 9.5, *np.float32(VAL[2:]).astype(float)]
    assert found.curves[0].epoch.tolist() == [0, 10, 15, 16, 17, 18]
    assert "restarts at step 15" in found.notes[0].text
