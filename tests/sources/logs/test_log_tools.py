"""Logs of tools with a form of their own: every one gives what was logged, or the way out."""

import importlib.util
import json
import os
import re
import runpy
import sqlite3
import tarfile
import zipfile
from contextlib import closing
from pathlib import Path

import log_page
import numpy as np
import pandas as pd
import pytest
from log_samples import (
    FOLDERS,
    LONE,
    MLFLOW_TABLES,
    OPTUNA_TABLES,
    TRACKIO_TABLES,
    TRAIN,
    VAL,
    database,
)

from earlystop_lab.sources.logs import FORMATS, read_logs
from earlystop_lab.sources.logs._elsewhere import ENDINGS

ROOT = Path(__file__).resolve().parents[3]
CORPORA = Path(os.environ.get("EARLYSTOP_CORPORA", ROOT.parent / "shared" / "corpora"))


def corpus(name):
    if not (CORPORA / name).is_dir():
        pytest.skip(f"no copy of {name}: set EARLYSTOP_CORPORA to a folder with it")
    return CORPORA / name


def one(path, **options):
    """The only run of a log that imports without loss."""
    found = read_logs(path, **options)
    assert found.skipped == (), found.skipped
    assert len(found.curves) == 1
    return found.curves[0]


def pairs(curve):
    return list(zip(curve.epoch.tolist(), curve.val.tolist(), strict=True))


def notes(path, **options):
    return [note.text for note in read_logs(path, **options).notes]


@pytest.mark.parametrize("name", FOLDERS)
def test_every_tool_s_folder(tmp_path, name):
    path = FOLDERS[name](tmp_path / "log")
    curve = one(path)
    assert (curve.val.tolist(), curve.train.tolist()) == (VAL, TRAIN)
    assert curve.epoch.tolist() == [1, 2, 3, 4, 5, 6]
    assert read_logs(path).plan["format"].tolist() == [name]


@pytest.mark.parametrize("name", LONE)
def test_every_tool_s_lone_curve(tmp_path, name):
    path = LONE[name](tmp_path / "log")
    curve = one(path)
    assert curve.val.tolist() == pytest.approx(VAL, abs=0 if name != "sb3-evaluations" else 1e-15)
    assert curve.epoch.tolist() == [1, 2, 3, 4, 5, 6]
    plan = read_logs(path).plan
    assert plan["format"].tolist() == [name]
    assert plan["unit"].tolist() == ["step"]


@pytest.mark.parametrize("name", [*FOLDERS, *LONE])
def test_a_tool_s_damaged_file_is_named_or_still_read(tmp_path, name):
    path = {**FOLDERS, **LONE}[name](tmp_path / "log")
    rng = np.random.default_rng([7, *name.encode()])
    files = [p for p in (tmp_path / "log").rglob("*") if p.is_file()]
    whole = {file: file.read_bytes() for file in files}
    for _ in range(60):
        for file, data in whole.items():
            harmed = bytearray(data)
            if rng.random() < 0.5:
                harmed = harmed[: rng.integers(len(data) + 1)]
            for at in rng.integers(max(len(harmed), 1), size=3):
                harmed[at : at + 1] = bytes([rng.integers(256)])
            file.write_bytes(harmed)
        found = read_logs(path)
        assert len(found.curves) or found.skipped
        assert all(entry.reason for entry in found.skipped)


# -- DVCLive -------------------------------------------------------------------------------


def test_dvclive_metrics_keep_their_own_steps_and_a_damaged_one_is_named(tmp_path):
    folder = FOLDERS["dvclive"](tmp_path / "live")
    (folder / "plots" / "metrics" / "eval").mkdir()
    (folder / "plots" / "metrics" / "eval" / "acc.tsv").write_text("step\tacc\n2\t0.5\n6\tinf\n")
    (folder / "plots" / "metrics" / "odd.tsv").write_text("a\tb\n1\t2\n")
    found = read_logs(tmp_path)
    assert [entry.reason for entry in found.skipped] == [
        "metric odd: expected the columns step and odd"
    ]
    (curve,) = found.curves
    assert curve.val.tolist() == VAL
    assert str(curve["eval/acc"].tolist()) == "[nan, 0.5, nan, nan, nan, inf]"
    (folder / "plots" / "metrics" / "odd.tsv").write_text("step\todd\n1\n2\n")
    assert [entry.line for entry in read_logs(tmp_path).skipped] == [2, 3]
    lone = FOLDERS["dvclive"](tmp_path / "lone")
    (lone / "plots" / "metrics" / "val" / "loss.tsv").write_text("step\tloss\n1\t0.5\n2\toops\n")
    found = read_logs(lone)
    assert found.skipped[0].line == 3
    (curve,) = found.curves
    assert curve.val[curve.measured("val")].tolist() == [0.5]


# -- databases -----------------------------------------------------------------------------


def test_mlflow_s_database_has_nan_infinity_names_and_deleted_runs(tmp_path):
    largest = 1.7976931348623157e308
    values = [(3.0, 0), (0.0, 1), (largest, 0), (-largest, 0), (2.0, 0)]
    metrics = [
        ("val_loss", value, 100 + i, run, i, is_nan)
        for run in ("aaaaaaaa1", "bbbbbbbb2", "c", "d")
        for i, (value, is_nan) in enumerate(values, start=1)
    ]
    runs = [
        ("bbbbbbbb2", "same", 1, "active", 2),
        ("aaaaaaaa1", "same", 1, "active", 1),
        ("c", "other", 2, "active", 3),
        ("d", "gone", 2, "deleted", 4),
        ("e", "empty", 2, "active", 5),
    ]
    experiments = [(1, "Default"), (2, "second")]
    tables = {"experiments": experiments, "runs": runs, "metrics": metrics}
    path = database(tmp_path / "mlflow.db", MLFLOW_TABLES, **tables)
    found = read_logs(tmp_path)
    assert [curve.run.removeprefix("mlflow.db:") for curve in found.curves] == [
        "Default/same aaaaaaaa",
        "Default/same bbbbbbbb",
        "second/other",
    ]
    assert str(found.curves[0].val.tolist()) == "[3.0, nan, inf, -inf, 2.0]"
    assert "deleted runs left out: 1; restore them in MLflow to import them" in notes(path)
    assert {file.name for file in tmp_path.iterdir()} == {"mlflow.db"}


def test_what_a_program_has_not_yet_moved_into_its_database_is_read(tmp_path):
    path = tmp_path / "tiny.db"
    with closing(sqlite3.connect(path)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.executescript(TRACKIO_TABLES)
        for i, value in enumerate(('{"val/loss": 3.0}', '{"val/loss": "NaN"}'), start=1):
            writer.execute("INSERT INTO metrics VALUES (?, 'r', 't', 'a', ?, ?)", (i, i, value))
        writer.commit()
        assert path.with_name("tiny.db-wal").stat().st_size
        assert str(one(tmp_path).val.tolist()) == "[3.0, nan]"


def test_trackio_runs_of_one_name_are_told_apart_and_a_damaged_row_is_named(tmp_path):
    rows = [
        (i, run, "t", "a", i, text)
        for i, (run, text) in enumerate(
            [
                ("first run", '{"val": {"loss": 2.0}}'),
                ("second", '{"val/loss": 1'),
                ("second", "[]"),
                ("second", '{"val/loss": 1.5}'),
            ],
            start=1,
        )
    ]
    database(tmp_path / "tiny.db", TRACKIO_TABLES, metrics=rows)
    found = read_logs(tmp_path)
    assert [curve.run for curve in found.curves] == ["tiny.db:a first ru", "tiny.db:a second"]
    assert [curve.val.tolist() for curve in found.curves] == [[2.0], [1.5]]
    assert [entry.line for entry in found.skipped] == [2, 3]


def test_another_database_is_refused_by_name(tmp_path):
    database(tmp_path / "other.db", "CREATE TABLE metrics (name TEXT);")
    assert "a database of an unknown program" in read_logs(tmp_path).skipped[0].reason


# -- Sacred, ClearML, SwanLab --------------------------------------------------------------


def test_sacred_metrics_keep_their_own_steps(tmp_path):
    folder = FOLDERS["sacred"](tmp_path / "1")
    metrics = json.loads((folder / "metrics.json").read_text())
    metrics["train.loss"] = {"steps": [1, 3, 6], "values": [9, 0.5, 0.1], "timestamps": [""] * 3}
    metrics["bad"] = {"steps": [1], "values": [1, 2], "timestamps": []}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    found = read_logs(tmp_path)
    assert "metric 'bad': 'step' has 1 values, but 'bad' has 2" in found.skipped[0].reason
    assert str(found.curves[0].train.tolist()) == "[9.0, nan, 0.5, nan, nan, 0.1]"


def test_clearml_s_zeros_are_nan_where_they_would_be_errors(tmp_path):
    def scalar(at, metric, variant, value):
        event = {"type": "training_stats_scalar", "iter": at}
        return {**event, "metric": metric, "variant": variant, "value": value}

    session = tmp_path / "offline-abc"
    session.mkdir()
    (session / "task.json").write_text("{}")
    (session / "log.jsonl").write_text('{"msg": "epoch 1: loss 3"}\n')
    lines = [
        [scalar(i, "loss", "val", v), scalar(i, "acc", "val", 0.0)]
        for i, v in enumerate([3, 0.0, 1, 2])
    ]
    lines += [[scalar(-(2**31), "best", "best", 1.0), {"type": "plot"}]]
    text = "\n".join(map(json.dumps, lines)) + "\n[oops\n"
    (session / "metrics.jsonl").write_text(text)
    with zipfile.ZipFile(tmp_path / "session.zip", "w") as archive:
        archive.writestr("metrics.jsonl", text)
    for path in (tmp_path, session / "metrics.jsonl", tmp_path / "session.zip"):
        found = read_logs(path)
        (curve,) = found.curves
        assert str(curve.val.tolist()) == "[3.0, nan, 1.0, 2.0]"
        assert curve["acc/val"].tolist() == [0.0] * 4
        assert [entry.line for entry in found.skipped] == [6]
        assert [note.text for note in found.notes] == [
            "values reported once for the whole run are left out: best",
            "line 2: 'loss/val' is 0, which is how ClearML writes NaN; read as NaN",
        ]
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("weights.bin", "x")
    assert "unpack it" in read_logs(tmp_path / "other.zip").skipped[0].reason


def test_swanlab_reads_up_to_the_damage_and_names_another_version(tmp_path):
    folder = FOLDERS["swanlab"](tmp_path / "swanlog")
    (file,) = folder.rglob("*.swanlab")
    data = file.read_bytes()
    file.write_bytes(data[:-1])
    found = read_logs(folder)
    assert [entry.reason for entry in found.skipped] == [
        "the file is damaged after 11 records; everything after them is lost"
    ]
    assert str(found.curves[0].val.tolist()) == str([*VAL[:-1], float("nan")])
    assert found.curves[0].train.tolist() == TRAIN
    file.write_bytes(data[:6] + b"\x01" + data[7:])
    assert "only version 2 can be read; export" in read_logs(folder).skipped[0].reason


# -- boosting and scikit-learn -------------------------------------------------------------


def test_both_of_ngboost_s_scores_are_errors(tmp_path):
    (tmp_path / "log.json").write_text(
        '{"train": {"CRPSCORE": [3, 2, 1]}, "val": {"CRPSCORE": []}}'
    )
    found = read_logs(tmp_path)
    assert found.curves[0].val.tolist() == [3, 2, 1]
    assert found.plan["direction"].tolist() == ["min"]
    assert found.plan["unit"].tolist() == ["round"]
    assert "is used as val" in found.notes[0].text


def test_ydf_s_description_and_that_it_printed_some_iterations_only(tmp_path):
    line = "\tIter:{} train-loss:{} valid-loss:{}  train-accuracy:1 valid-accuracy:0.5\n"
    text = "".join(line.format(i, 1 / i, 2 / i) for i in (1, 2, 16))
    (tmp_path / "model.txt").write_text("Loss: BINOMIAL_LOG_LIKELIHOOD\n" + text)
    assert pairs(one(tmp_path)) == [(1, 2.0), (2, 1.0), (16, 0.125)]
    assert notes(tmp_path) == [
        "YDF printed only some iterations; model.training_logs() has all of them"
    ]


def test_the_curves_that_autogluon_keeps_per_model(tmp_path):
    for model, sets in (("LightGBM", ["train", "val"]), ("XGBoost", ["train", "val", "test"])):
        path = tmp_path / "models" / model / "curves.json"
        path.parent.mkdir(parents=True)
        values = {"train": TRAIN, "val": VAL, "test": [v + 1 for v in VAL]}
        lists = [[values[name] for name in sets], [[0.5] * len(VAL)] * len(sets)]
        path.write_text(json.dumps([sets, ["log_loss", "f1"], lists]))
    found = read_logs(tmp_path)
    assert found.plan["format"].tolist() == ["autogluon", "autogluon"]
    assert found.plan["direction"].tolist() == ["max", "max"]
    (note,) = {note.text for note in found.notes}
    assert note.startswith("assumed that 'log_loss' was optimised and recorded as a score")
    lowest = read_logs(tmp_path, mode="min")
    assert [curve.val.tolist() for curve in lowest.curves] == [VAL, VAL]
    assert lowest.curves[1].test.tolist() == [v + 1 for v in VAL]
    # a list of three lists that is nobody's curves
    (tmp_path / "other.json").write_text("[[1], [2], [3]]")
    assert len(read_logs(tmp_path / "other.json").curves) == 0


def test_catboost_cv_of_a_score_alone(tmp_path):
    header = "iterations,test-AUC-mean,test-AUC-std,train-AUC-mean,train-AUC-std"
    (tmp_path / "cv.csv").write_text(f"{header}\n0,0.5,0.1,0.6,0.1\n1,0.7,0.1,0.8,0.1\n")
    found = read_logs(tmp_path, val="test-AUC-mean")
    assert (found.curves[0].val.tolist(), found.curves[0].train.tolist()) == (
        [0.5, 0.7],
        [0.6, 0.8],
    )
    assert found.plan["direction"].tolist() == ["max"]


def test_every_fit_of_a_search_s_scoring_monitor_is_a_run(tmp_path):
    rows = [
        {"task_id_path": path, "parent_task_id_path": path[:-1], "task_name": name,
         "task_id": path[-1], "neg_log_loss": score}
        for path, name, score in [
            ([0], "fit", None), ([0, 0], "fit", -0.3), ([0, 0, 0], "iter", -0.5),
            ([0, 0, 1], "iter", -0.3), ([0, 1], "fit", -0.2), ([0, 1, 0], "iter", -0.4),
            ([0, 1, 1], "iter", -0.2),
        ]
    ]  # fmt: skip
    (tmp_path / "scores.json").write_text(json.dumps(rows))
    found = read_logs(tmp_path)
    assert [curve.val.tolist() for curve in found.curves] == [[-0.5, -0.3], [-0.4, -0.2]]
    assert found.plan["direction"].tolist() == ["max", "max"]
    assert "scores the training data" in found.notes[0].text


# -- Stable-Baselines3 ---------------------------------------------------------------------


def test_monitors_of_parallel_environments_are_one_run(tmp_path):
    for k, (began, episodes) in enumerate([(10.0, "5,2,1\n7,4,3\n"), (10.5, "6,3,1\nx,1,2\n")]):
        head = f'#{{"t_start": {began}, "env_id": "e"}}\nr,l,t\n'
        (tmp_path / f"{k}.monitor.csv").write_text(head + episodes)
    found = read_logs(tmp_path)
    (curve,) = found.curves
    assert pairs(curve) == [(2, 5), (5, 6), (9, 7)]
    assert curve["t"].tolist() == [1.0, 1.5, 3.0]
    assert [(entry.line, entry.reason) for entry in found.skipped] == [
        (4, "1.monitor.csv: expected numbers for r, l and t")
    ]
    assert found.plan["direction"].tolist() == ["max"]


def test_a_monitor_without_a_column_of_its_own_is_refused(tmp_path):
    (tmp_path / "monitor.csv").write_text("#{}\nr,l,time\n1,2,3\n")
    assert read_logs(tmp_path).skipped[0].reason == "expected numbers for r, l and t"


@pytest.mark.parametrize(
    "arrays",
    [
        {"results": np.zeros(3)},
        {"results": np.zeros((2, 3))},
        {"results": np.zeros((3, 0))},
        {"results": np.array([["a"], ["b"], ["c"]])},
        {"results": np.array([[1], [None], [2]], object)},
    ],
)
def test_evaluations_of_another_shape_are_refused(tmp_path, arrays):
    np.savez(tmp_path / "evaluations.npz", timesteps=np.arange(3), **arrays)
    reason = read_logs(tmp_path).skipped[0].reason
    assert "expected one row of episodes" in reason or "cannot be read" in reason


def test_success_rates_are_a_channel(tmp_path):
    np.savez(
        tmp_path / "evaluations.npz",
        timesteps=[100, 200],
        results=[[1.0, 3.0], [2.0, 4.0]],
        ep_lengths=[[10, 20], [30, 40]],
        successes=[[True, False], [True, True]],
    )
    curve = one(tmp_path)
    assert pairs(curve) == [(100, 2.0), (200, 3.0)]
    assert curve["success_rate"].tolist() == [0.5, 1.0]
    assert curve["mean_ep_length"].tolist() == [15.0, 35.0]


# -- searches ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "program"),
    [
        (
            "flaml.log",
            '{"record_id":0,"trial_time":0.1,"validation_loss":0.5,"learner":"lgbm"}\n' * 2,
            "FLAML",
        ),
        ("journal.log", '{"op_code":0,"worker_id":"a"}\n{"op_code":4,"worker_id":"a"}\n', "Optuna"),
        (
            "trials.csv",
            ",number,value,datetime_start,datetime_complete,state\n0,0,0.5,a,b,c\n",
            "Optuna",
        ),
        ("cv.csv", "params,mean_test_score,rank_test_score\na,0.5,1\nb,0.4,2\n", "scikit-learn"),
    ],
)
def test_a_hyperparameter_search_is_refused_by_name(tmp_path, name, text, program):
    (tmp_path / name).write_text(text)
    found = read_logs(tmp_path)
    assert not len(found.curves)
    assert f"a hyperparameter search ({program}" in found.skipped[0].reason


def test_optuna_s_database_is_refused_by_name(tmp_path):
    database(tmp_path / "optuna.db", OPTUNA_TABLES)
    reason = read_logs(tmp_path).skipped[0].reason
    assert "a hyperparameter search (Optuna)" in reason
    assert "intermediate_values" in reason


# -- MLPerf --------------------------------------------------------------------------------


def mllog(key, value, at, time):
    metadata = {"file": "train.py", "lineno": 7} | ({} if at is None else {"samples_count": at})
    record = {"time_ms": time, "key": key, "value": value, "metadata": metadata}
    return f":::MLLOG {json.dumps(record)}\n"


def test_mlperf_runs_seconds_repeats_and_what_cannot_be_placed(tmp_path):
    run = (
        mllog("submission_benchmark", "resnet", None, 0)
        + mllog("run_start", None, None, 1000)
        + mllog("eval_accuracy", 0.5, 10, 2000)
        + mllog("eval_accuracy", 0.5, 10, 2001)
        + mllog("tracked_stats", {"loss": 3.0}, None, 2500)
        + "talk :::MLLOG {\n"
        + mllog("eval_accuracy", 0.7, 20, 4000)
    )
    path = tmp_path / "two.txt"
    path.write_text(run + mllog("run_stop", None, None, 4000) + run)
    found = read_logs(path)
    assert [curve.val.tolist() for curve in found.curves] == [[0.5, 0.7]] * 2
    assert found.curves[0]["seconds"].tolist() == [1.0, 3.0]
    assert found.plan["unit"].tolist() == ["sample"] * 2
    assert found.plan["direction"].tolist() == ["max"] * 2
    assert {entry.line for entry in found.skipped} == {6, 14}
    assert "not valid JSON" in found.skipped[0].reason
    assert "1 tracked_stats are left out: no samples_count, the position of the evaluations" in {
        note.text for note in found.notes
    }
    path.write_text(mllog("run_start", None, None, 1000))
    assert "contain no eval_accuracy" in read_logs(path).skipped[0].reason
    path.write_text(mllog("eval_accuracy", 0.5, None, 1000))
    assert "has no position" in read_logs(path).skipped[0].reason


def test_mlperf_s_results_are_those_of_a_plain_reading(tmp_path, monkeypatch):
    folder = corpus("mlperf")
    monkeypatch.chdir(folder)
    runs = runpy.run_path("read.py")["runs"]
    for benchmark in ("gpt3", "stable_diffusion", "resnet", "dlrm_dcnv2"):
        with tarfile.open(f"{benchmark}.tar.gz") as archive:
            names = [m.name for _, m in zip(range(3), archive, strict=False)]
            for name in names:
                (tmp_path / "result.txt").write_bytes(archive.extractfile(name).read())
                curve = one(tmp_path / "result.txt")
                plain = next(run for run in runs(benchmark) if run["run"] == name)
                assert curve.epoch.tolist() == plain["epoch"]
                assert curve.val.tolist() == plain["val"]
                assert curve.about["val"].direction == plain["mode"]


# -- logs printed by GluonCV and by nanoGPT speedruns --------------------------------------


def test_accuracies_beside_a_loss_are_no_losses(tmp_path):
    line = "INFO:root:[Epoch {}] train={} val={} loss={} time: 34.3\n"
    rows = [(0, 0.23, 0.35, 2.05), (1, 0.43, 0.5, 1.54), (2, 0.5, 0.48, 1.3)]
    (tmp_path / "cifar.log").write_text("".join(line.format(*row) for row in rows))
    found = read_logs(tmp_path)
    assert pairs(found.curves[0]) == [(1, 0.35), (2, 0.5), (3, 0.48)]
    assert found.plan["direction"].tolist() == ["max"]
    assert any("are read as accuracies" in note.text for note in found.notes)


def test_metrics_whose_names_have_digits_are_read(tmp_path):
    lines = "[Epoch {0}] training: rmse={1}\n[Epoch {0}] validation: err-top1={2} err-top5={3}\n"
    rows = [(0, 0.3, 0.93, 0.82), (1, 0.2, 0.8, 0.57)]
    (tmp_path / "imagenet.log").write_text("".join(lines.format(*row) for row in rows))
    curve = one(tmp_path)
    assert curve.val.tolist() == [0.93, 0.8]
    assert curve["validation/err-top5"].tolist() == [0.82, 0.57]
    assert curve.about["val"].direction == "min"


def test_gluoncv_s_logs_are_those_of_its_published_curves(tmp_path):
    folder = corpus("gluon_logs")
    published = pd.read_csv(folder / "curves_long.csv.gz")
    columns = {
        "cifar10": {"val_acc": "val", "train_acc": "train"},
        "imagenet": {"val_err_top1": "val", "val_err_top5": "validation/err-top5"},
        "action_recognition": {"val_loss": "val", "val_acc_top1": "validation/acc-top1"},
    }
    with tarfile.open(folder / "logs_without_batch_lines.tar.gz") as archive:
        for family, named in columns.items():
            runs = published[published["family"] == family]
            files = runs.loc[runs["channel"] == next(iter(named)), "file"]
            for file in sorted(files.unique())[:3]:
                (tmp_path / "run.log").write_bytes(archive.extractfile(file).read())
                curve = read_logs(tmp_path / "run.log").curves[0]
                for channel, column in named.items():
                    its = runs[(runs["file"] == file) & (runs["channel"] == channel)]
                    np.testing.assert_allclose(curve[column], its.sort_values("epoch")["value"])


def test_nanogpt_speedruns_are_those_of_a_plain_reading(tmp_path):
    folder = corpus("modded_nanogpt")
    with tarfile.open(folder / "sample_with_timing_lines.tar.gz") as archive:
        members = [m for m in archive if m.isfile() and "track_1" in m.name]
        for member in members:
            text = archive.extractfile(member).read().decode()
            (tmp_path / "run.txt").write_text(text)
            curve = one(tmp_path / "run.txt")
            plain = dict(re.findall(r"^step:(\d+)/\d+ val_loss:([\d.]+)", text, re.MULTILINE))
            measured = curve.measured("val")
            assert curve.epoch[measured].tolist() == [*map(float, plain)]
            assert curve.val[measured].tolist() == [*map(float, plain.values())]
    assert members


# -- what is not read ----------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_not_read_names_the_way_out(tmp_path, ending):
    (tmp_path / f"file{ending}").write_bytes(b"\x00\x01\x80\x02 binary \x00")
    (entry,) = read_logs(tmp_path / f"file{ending}").skipped
    assert entry.reason == ENDINGS[ending]
    # a log is read whatever its file is called
    (tmp_path / f"log{ending}").write_text("epoch,val_loss\n1,0.5\n2,0.25\n")
    assert pairs(one(tmp_path / f"log{ending}")) == [(1, 0.5), (2, 0.25)]


# -- the page, and the scripts that drive the tools ---------------------------------------


def test_the_page_of_formats_is_what_the_importers_do():
    written = (ROOT / "docs" / "logs.md").read_text(encoding="utf-8")
    assert log_page.page() == written, "run make docs"
    assert all(f"| `{name}` " in written for name in FORMATS)


@pytest.fixture(scope="module")
def verify_logs():
    """The script that drives the tools."""
    path = ROOT / "experiments" / "verify_logs.py"
    spec = importlib.util.spec_from_file_location("verify_logs", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_scripts_that_drive_the_tools_name_formats_and_pins(verify_logs):
    for name, about in verify_logs.tools().items():
        assert {*about["tool"]["earlystop"]["formats"]} <= {*FORMATS}, name
        program = about["tool"]["earlystop"].get("program")
        assert program or about["dependencies"], name
        pins = [*about["dependencies"], *filter(None, [program])]
        assert all("==" in package for package in pins), name


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({}, None),
        ({"val": [*VAL[:-1], 0.0]}, "val [1.0"),
        ({"epoch": [0, 1, 2, 3, 4, 5]}, "epoch [1.0"),
        ({"unit": "epoch"}, "unit 'step', expected 'epoch'"),
        ({"test": VAL}, "no test"),
    ],
)
def test_a_difference_from_what_a_tool_kept_is_named(tmp_path, verify_logs, changed, difference):
    FOLDERS["dvclive"](tmp_path / "live")
    run = {"val": VAL, "train": TRAIN, "epoch": [1, 2, 3, 4, 5, 6], "unit": "step"}
    expected = {"path": "live", "options": {}, "says": [], "refused": None}
    wrong = verify_logs.differences(
        tmp_path, {**expected, "runs": [{**run, **changed}]}, ["dvclive"]
    )
    assert [difference in text for text in wrong] == [True] * (difference is not None)
    assert verify_logs.differences(tmp_path, {**expected, "runs": []}, ["dvclive"])
    assert verify_logs.differences(tmp_path, {**expected, "runs": [run]}, ["csv"])
    told = {**expected, "runs": [run], "says": ["something"]}
    assert verify_logs.differences(tmp_path, told, ["dvclive"]) == ["not said: something"]
    refused = {**expected, "runs": [], "refused": "a search"}
    assert "expected it refused" in verify_logs.differences(tmp_path, refused, ["dvclive"])[0]
