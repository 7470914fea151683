"""Further corpora: small copies of each are read as they are, and whole ones as plainly read."""

import csv
import gzip
import io
import itertools
import json
import os
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest

from earlystop_lab.curves import CurveSet, facts_of
from earlystop_lab.sources.corpora import CORPORA, build, read_corpus
from earlystop_lab.sources.corpora.gluon import dataset_of

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("EARLYSTOP_CORPORA", ROOT.parent / "shared" / "corpora"))
#: corpus -> the folder of its copy
COPIES = {
    "algoperf": "algoperf",
    "gluon": "gluon_logs",
    "lcbench-surrogate": "lcbench_surrogate",
    "mlperf-losses": "mlperf",
    "mlperf-scores": "mlperf",
    "multi-power-law": "multi_power_law",
    "nanogpt-speedruns": "modded_nanogpt",
    "rl-evaluations": "rl_eval_curves",
    "taskset": "taskset",
}
#: those that are read in a second
QUICK = ("gluon", "lcbench-surrogate", "multi-power-law", "rl-evaluations")


def copy_of(name):
    folder = SHARED / COPIES[name]
    if not folder.is_dir():
        pytest.skip(f"no copy of {name}: set EARLYSTOP_CORPORA to a folder with it")
    return folder


def table(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{line}\n" for line in lines)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def archive(path, files):
    """A tar archive of texts by name."""
    with tarfile.open(path, "w:gz") as made:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text.encode())
            made.addfile(member, io.BytesIO(text.encode()))
    return path


def facts(curves, *names):
    return curves.meta[list(names)].to_numpy().tolist()


# -- each of them in small ------------------------------------------------------------------------


def test_losses_under_a_schedule_are_read_with_the_rates(tmp_path):
    lines = ["25M,cosine,2176,0.0003,3.75", "25M,cosine,2304,0.0002,3.5", "25M,wsd,2176,0.0003,4"]
    table(tmp_path / "curves.csv", "model,schedule,step,lr,loss", *lines)
    curves = read_corpus("multi-power-law", tmp_path).curves
    assert curves.runs == ["25M/cosine", "25M/wsd"]
    assert curves[0].epoch.tolist() == [2176, 2304]
    assert (curves[0].val.tolist(), curves[0]["lr"].tolist()) == ([3.75, 3.5], [0.0003, 0.0002])
    assert curves.about("epoch").unit == "step"
    # the same models throughout: one cluster
    assert facts(curves, "problem", "dataset") == [["25M", "multi-power-law"]] * 2


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("25M,wsd,2176,x,4", r"curves\.csv: .*'x'"),
        ("25M,cosine,2000,1,4", r"curves\.csv: run '25M/cosine'"),
        ("25M,,2200,1,4", r"curves\.csv: row 3, column 'schedule': empty"),
    ],
)
def test_what_is_no_table_of_losses_is_named(tmp_path, line, said):
    header = "model,schedule,step,lr,loss"
    table(tmp_path / "curves.csv", header, "25M,cosine,2176,0.0003,3.75", line)
    with pytest.raises(ValueError, match=said):
        read_corpus("multi-power-law", tmp_path)


def lcbench(**changes):
    shape = (2, 3, 4)
    names = ("val_cross_entropy", "seconds", "val_accuracy", "val_balanced_accuracy",
             "test_balanced_accuracy")  # fmt: skip
    arrays = {
        name: np.arange(24, dtype=np.float32).reshape(shape) + k for k, name in enumerate(names)
    }
    config = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    about = {"task": np.array(["31", "53"]), "epoch": np.arange(1, 5), "config": config}
    return {**about, "config_names": np.array(["batch_size", "depth"]), **arrays, **changes}


def test_draws_of_lcbench_are_read_with_their_settings(tmp_path):
    np.savez(tmp_path / "lcbench_surrogate.npz", **lcbench())
    curves = read_corpus("lcbench-surrogate", tmp_path).curves
    assert curves.runs == ["31/0", "31/1", "31/2", "53/0", "53/1", "53/2"]
    assert curves["53/1"].val.tolist() == [16, 17, 18, 19]
    assert curves["53/1"]["test_balanced_accuracy"].tolist() == [20, 21, 22, 23]
    assert curves.about("test_balanced_accuracy").direction == "max"
    assert facts(curves, "dataset", "batch_size", "depth")[4] == ["openml-53", 8, 9]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"seconds": np.ones((2, 3))}, r"'seconds' has shape \(2, 3\); expected tasks x"),
        ({"config": np.ones((2, 3, 5))}, r"'config' has shape \(2, 3, 5\)"),
    ],
)
def test_draws_of_another_shape_are_named(tmp_path, changes, said):
    np.savez(tmp_path / "lcbench_surrogate.npz", **lcbench(**changes))
    with pytest.raises(ValueError, match=said):
        read_corpus("lcbench-surrogate", tmp_path)
    arrays = lcbench()
    del arrays["epoch"]
    np.savez(tmp_path / "lcbench_surrogate.npz", **arrays)
    with pytest.raises(ValueError, match="no array 'epoch'"):
        read_corpus("lcbench-surrogate", tmp_path)


def test_returns_are_scores_of_an_environment(tmp_path):
    table(tmp_path / "td3.csv.gz", "algo,env,seed,step,eval_return", "TD3,Ant-v1,0,0,-48.5",
          "TD3,Ant-v1,0,5000,980.5", "TD3,Ant-v1,1,0,1")  # fmt: skip
    # a step that is listed twice counts once, and hours are seconds
    table(tmp_path / "drqv2.csv.gz", "file,agent,task,seed,frame,episode_reward,hour",
          "dmc_ant_run,DrQ-v2,ant_run,1,0,1,0.5", "dmc_ant_run,DrQ-v2,ant_run,1,0,9,0.75",
          "dmc_ant_run,DrQ-v2,ant_run,1,20000,2,1.5")  # fmt: skip
    table(tmp_path / "tdmpc2.csv.gz", "algo,task,seed,step,metric,value",
          "sac,ant-run,1,0,success,0.25")  # fmt: skip
    scores = [{"task": "dmc_ant_run", "seed": "0", "xs": [30, 10, 20], "ys": [3, 1, None]}]
    folder = tmp_path / "dreamerv3_scores"
    folder.mkdir()
    (folder / "dmc-sac.json.gz").write_bytes(gzip.compress(json.dumps(scores).encode()))
    curves = read_corpus("rl-evaluations", tmp_path).curves
    assert curves.runs == [
        "td3/TD3/Ant-v1/0",
        "td3/TD3/Ant-v1/1",
        "drqv2/dmc_ant_run/DrQ-v2/1",
        "tdmpc2/sac/ant-run/1/success",
        "dreamerv3/dmc-sac/dmc_ant_run/0",
    ]
    assert curves.about("val").direction == "max"
    assert (curves[0].val.tolist(), curves[0].epoch.tolist()) == ([-48.5, 980.5], [0, 5000])
    assert (curves[2].val.tolist(), curves[2]["seconds"].tolist()) == ([1, 2], [1800, 5400])
    assert (curves[4].val.tolist(), curves[4].epoch.tolist()) == ([1, 3], [10, 30])
    assert curves.meta["dataset"].tolist() == ["ant", "ant", "ant_run", "ant_run", "ant_run"]
    assert curves.meta["val.metric"].tolist() == ["return"] * 3 + ["success", "return"]


def test_gluon_s_logs_have_their_own_epochs_and_errors(tmp_path):
    file = "gluonnlp/logs/sentiment/SST-1_static.log"
    rows = [("0", 0, "val_loss", 1.5), ("0", 0, "val_acc", 0.5), ("0", 1, "val_acc", 0.75),
            ("0", 1, "train_loss", 1.25), ("1", 0, "val_loss", 2)]  # fmt: skip
    lines = [f"sentiment_cnn,{file},{s},{at},{name},{value}" for s, at, name, value in rows]
    seconds = [f"sentiment_cnn,{file},1,0,epoch_seconds,9"]
    tested = ["fasttext,gluonnlp/logs/classification/fasttext-dbpedia.log,0,1,test_acc,0.5"]
    header = "family,file,segment,epoch,channel,value"
    table(tmp_path / "curves_long.csv.gz", header, *lines, *seconds, *tested)
    reading = read_corpus("gluon", tmp_path)
    curves = reading.curves
    assert curves.runs == [f"{file}#0", f"{file}#1"]
    assert curves[0].epoch.tolist() == [1, 2]
    assert curves[0].measured("val").tolist() == [True, False]
    assert (curves[0].val[0], curves[0]["val_score"].tolist()) == (1.5, [0.5, 0.75])
    assert curves[1]["seconds"].tolist() == [9]
    assert facts(curves, "dataset", "val.metric", "val_score.metric")[0] == [
        "rotten-tomatoes", "loss", "acc",
    ]  # fmt: skip
    assert reading.notes == ["1 logs have no validation curve and are left out."]


def test_data_sets_of_gluon_s_logs():
    places = {
        "gluoncv/logs/classification/imagenet/darknet53.log": "imagenet",
        "gluoncv/logs/detection/ssd_512_vgg16_atrous_voc_train.log": "pascal-voc",
        "gluoncv/logs/segmentation/fcn_resnet50_coco.log": "coco",
        "gluonnlp/logs/sentiment/MR_rand.log": "rotten-tomatoes",
        "gluonnlp/logs/language_model/standard_lstm_lm_200_wikitext-2.log": "wikitext-2",
    }
    assert {place: dataset_of(place) for place in places} == places
    with pytest.raises(ValueError, match=r"other\.log' names no known data set"):
        dataset_of("gluoncv/logs/other.log")


SPEEDRUN = """\
step:0/250 val_loss:10.5 train_time:0ms step_avg:nanms
step:125/250 val_loss:4.5 train_time:1500ms step_avg:12.0ms
step:250/250 val_loss:3.25 train_time:3000ms step_avg:12.0ms
"""


@pytest.mark.parametrize("packed", [True, False])
def test_speedruns_are_read_with_their_seconds(tmp_path, packed):
    place = "records/track_1_short/2024-10-10_Muon/eb56.txt"
    older = "records/track_3_old/a.log"
    files = {place: SPEEDRUN, older: "s:0 tel:9.5\ns:128 tel:4.5\n"}
    if packed:
        archive(tmp_path / "logs.tar.gz", files)
    else:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True)
            (tmp_path / name).write_text(text)
    curves = read_corpus("nanogpt-speedruns", tmp_path).curves
    assert curves.runs == [place, older]
    assert (curves[0].epoch.tolist(), curves[0].val.tolist()) == ([0, 125, 250], [10.5, 4.5, 3.25])
    assert curves[0]["seconds"].tolist() == [0, 1.5, 3]
    assert curves[1].val.tolist() == [9.5, 4.5]
    known = [["track_1_short", "fineweb", "2024-10-10_Muon"], ["track_3_old", "fineweb", ""]]
    assert curves.meta.fillna("")[["problem", "dataset", "record"]].to_numpy().tolist() == known


def mllog(benchmark, *checks, at="samples_count", status=None):
    events = [("submission_benchmark", benchmark, {}, 900), ("run_start", None, {}, 1000)]
    events += [("eval_accuracy", v, {at: x}, 1000 + 500 * x) for x, v in checks]
    if status is not None:
        events.append(("run_stop", None, {"status": status}, 1000 + 500 * checks[-1][0]))
    return "".join(
        f":::MLLOG {json.dumps({'key': k, 'value': v, 'metadata': m, 'time_ms': t})}\n"
        for k, v, m, t in events
    )


def test_mlperf_s_losses_and_scores_are_two_corpora(tmp_path):
    archive(tmp_path / "flux1.tar.gz", {
        "v5.1/Some/box_n4/flux1/result_0.txt": mllog("flux1", (10, 0.75), (20, 0.5)),
    })  # fmt: skip
    archive(tmp_path / "ssd.tar.gz", {
        "v4.0/Some/box/ssd/result_0.txt": mllog("ssd", (1, 0.25), (2, 0.5), at="epoch_num"),
    })  # fmt: skip
    losses = read_corpus("mlperf-losses", tmp_path).curves
    assert (losses[0].epoch.tolist(), losses[0].val.tolist()) == ([10, 20], [0.75, 0.5])
    assert (losses[0]["seconds"].tolist(), losses.about("val").direction) == ([5, 10], "min")
    assert facts(losses, "problem", "dataset", "round", "submitter", "system", "epoch.unit") == [
        ["flux1", "cc12m", "v5.1", "Some", "box_n4", "sample"]
    ]
    scores = read_corpus("mlperf-scores", tmp_path).curves
    assert (scores[0].val.tolist(), scores.about("val").direction) == ([0.25, 0.5], "max")
    assert facts(scores, "problem", "benchmark", "epoch.unit") == [["retinanet", "ssd", "epoch"]]


def test_which_results_of_mlperf_ended_at_their_target_is_in_the_log(tmp_path):
    statuses = ("success", "aborted", None)
    archive(tmp_path / "flux1.tar.gz", {
        f"v5.1/Some/box/flux1/result_{i}.txt": mllog("flux1", (10, 0.5), (20, 0.75), status=each)
        for i, each in enumerate(statuses)
    })  # fmt: skip
    curves = read_corpus("mlperf-losses", tmp_path).curves
    assert curves.meta["ended"].fillna("").tolist() == ["target", "aborted", ""]
    assert facts_of(curves).at_target.tolist() == [True, False, False]


def test_a_place_that_is_none_of_mlperf_s_is_named(tmp_path):
    archive(tmp_path / "x.tar.gz", {"v5.1/Some/box/chess/result_0.txt": mllog("chess", (1, 0.5))})
    with pytest.raises(ValueError, match=r"box/chess/result_0\.txt: expected <round>"):
        read_corpus("mlperf-losses", tmp_path)
    (tmp_path / "x.tar.gz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"x\.tar\.gz: not a complete tar archive \([^\n:]+\)$"):
        read_corpus("mlperf-losses", tmp_path)


@pytest.mark.parametrize("name", CORPORA)
def test_an_empty_folder_is_no_corpus(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path))):
        read_corpus(name, tmp_path)


def test_a_copy_without_runs_of_the_corpus_is_named(tmp_path):
    archive(tmp_path / "flux1.tar.gz", {"v5.1/A/b/flux1/result_0.txt": mllog("flux1", (1, 0.5))})
    with pytest.raises(ValueError, match=r": no runs; expected a copy of mlperf-scores"):
        read_corpus("mlperf-scores", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"curves_long\.csv\.gz does not exist"):
        read_corpus("gluon", tmp_path)


# -- whole copies ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", QUICK)
def test_a_copy_has_the_size_that_the_list_says(name, tmp_path):
    copy = copy_of(name)
    build(name, copy, tmp_path / "made")
    curves = CurveSet(read_corpus(name, copy).curves.table)
    size, meta = CORPORA[name].size, curves.meta
    assert size.runs == len(curves)
    assert size.checks == curves.lengths.sum()
    assert (size.problems, size.datasets) == (meta["problem"].nunique(), meta["dataset"].nunique())
    assert size.channels == ", ".join(n for n in curves.names if n not in ("run", "epoch"))
    assert size.positions == ", ".join(map(str, facts_of(curves).units))
    assert (
        f"| {size.runs} on {size.problems} problems |"
        in (tmp_path / "made" / "README.md").read_text()
    )


def test_all_corpora_together_have_twenty_thousand_runs():
    assert sum(corpus.size.runs for corpus in CORPORA.values()) >= 20_000


def test_gluon_s_runs_are_those_of_a_plain_reading():
    copy = copy_of("gluon")
    curves = read_corpus("gluon", copy).curves
    wanted = {}
    with gzip.open(copy / "curves_long.csv.gz", "rt") as stream:
        for row in csv.DictReader(stream):
            if row["channel"] in ("val_loss", "val_acc"):
                run = wanted.setdefault((f"{row['file']}#{row['segment']}", row["channel"]), {})
                run[float(row["epoch"])] = float(row["value"])
    names = {"val_loss": "val", "val_acc": "val_score"}
    seen = 0
    for (run, channel), values in wanted.items():
        curve = curves[run]
        there = curve.measured(names[channel])
        assert curve[names[channel]][there].tolist() == [values[at] for at in sorted(values)], run
        seen += 1
    assert seen > 400


def test_speedruns_are_those_of_a_plain_reading(tmp_path):
    line = re.compile(r"step:(\d+)/\d+ val_loss:([\d.]+) train_time:([\d.]+)ms")
    with tarfile.open(copy_of("nanogpt-speedruns") / "logs.tar.gz") as logs:
        some = itertools.islice(filter(tarfile.TarInfo.isfile, logs), 0, None, 25)
        texts = {member.name: logs.extractfile(member).read().decode() for member in some}
    archive(tmp_path / "logs.tar.gz", texts)
    curves = read_corpus("nanogpt-speedruns", tmp_path).curves
    alike = 0
    for name, text in texts.items():
        found = [m.groups() for m in map(line.match, text.splitlines()) if m]
        steps = [int(step) for step, _, _ in found]
        if found and steps == sorted(set(steps)):
            curve = curves[name]
            assert curve.epoch.tolist() == steps
            assert curve.val.tolist() == [float(loss) for _, loss, _ in found]
            assert curve["seconds"].tolist() == [float(ms) / 1000 for _, _, ms in found]
            alike += 1
    assert alike > 10
