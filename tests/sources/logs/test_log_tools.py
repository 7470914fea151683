"""Logs of tools with a form of their own: every one gives what was logged, or the way out."""

import importlib.util
import json
import os
import runpy
import tarfile
from pathlib import Path

import pytest
from log_samples import FOLDERS, TRAIN, VAL

from earlystop_lab.sources.logs import FORMATS, read_logs

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


def notes(path, **options):
    return [note.text for note in read_logs(path, **options).notes]


@pytest.mark.parametrize("name", FOLDERS)
def test_every_tool_s_folder(tmp_path, name):
    path = FOLDERS[name](tmp_path / "log")
    curve = one(path)
    assert (curve.val.tolist(), curve.train.tolist()) == (VAL, TRAIN)
    assert curve.epoch.tolist() == [1, 2, 3, 4, 5, 6]
    assert read_logs(path).plan["format"].tolist() == [name]


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
    lone = FOLDERS["dvclive"](tmp_path / "lone")
    (lone / "plots" / "metrics" / "val" / "loss.tsv").write_text("step\tloss\n1\t0.5\n2\toops\n")
    found = read_logs(lone)
    assert found.skipped[0].line == 3
    (curve,) = found.curves
    assert curve.val[curve.measured("val")].tolist() == [0.5]


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
    assert "1 tracked_stats without samples_count, by which evaluations are counted" in {
        note.text for note in found.notes
    }
    path.write_text(mllog("run_start", None, None, 1000))
    assert "without an eval_accuracy" in read_logs(path).skipped[0].reason
    path.write_text(mllog("eval_accuracy", 0.5, None, 1000))
    assert "without a position" in read_logs(path).skipped[0].reason


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


# -- the scripts that drive the tools ------------------------------------------------------


def test_the_scripts_that_drive_the_tools_name_formats_and_pins():
    spec = importlib.util.spec_from_file_location(
        "verify_logs", ROOT / "experiments" / "verify_logs.py"
    )
    verify_logs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(verify_logs)
    for name, about in verify_logs.tools().items():
        assert {*about["tool"]["earlystop"]["formats"]} <= {*FORMATS}, name
        assert all("==" in package for package in about["dependencies"]), name
