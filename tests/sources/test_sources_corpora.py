"""Corpora: what is read is what is there, cards say it, and what is none is refused by name."""

import gzip
import hashlib
import json
import os
import pickle
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

from earlystop_lab import CurveSet, read_curves, replay
from earlystop_lab.criteria import FAMILIES
from earlystop_lab.curves.facts import info, outcomes
from earlystop_lab.report.galleries import bands, plot_gallery
from earlystop_lab.report.style import save
from earlystop_lab.sources import corpora
from earlystop_lab.sources.corpora import CORPORA, build, read_corpus

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("EARLYSTOP_CORPORA", ROOT.parent / "shared" / "corpora"))
TASK = "FixedTextRNNClassification_imdb_patch128_LSTM128_avg_bs64"
NAN = float("nan")


def shared(name):
    if not (SHARED / name).is_dir():
        pytest.skip(f"no copy of {name}: set EARLYSTOP_CORPORA to a folder with it")
    return SHARED / name


# -- small copies --------------------------------------------------------------------------

RUN = "algoperf_v05/logs/external_tuning/amos/study_0/wmt_jax/trial_1"
SPEECH = "algoperf_v06/logs/self_tuning/sinv6/study_2/trial_3"
LOG = "global_step,score,test/loss,train/loss,validation/loss\n1,9,3.5,2.5,4.5\n10,9,3.25,2,\n"
SPEECH_LOG = "global_step,train/ctc_loss,validation/ctc_loss,validation/wer\n1,30,31,4\n5,3,2,1\n"
LONG = """\
run_path,split_metric_loss,step,train_loss,valid_loss,test_loss
0,loss,1,2.5,4.5,3.5
0,loss,10,2,,3.25
7,ctc_loss,1,30,31,32
"""
INDEX = f"run_id,path,n_evals\n0,{RUN},2\n7,{SPEECH},1\n"


@pytest.fixture
def tree(tmp_path):
    """A tree of logs with two runs."""
    for place, text in ((RUN, LOG), (SPEECH, SPEECH_LOG)):
        folder = tmp_path / "tree" / place
        folder.mkdir(parents=True)
        (folder / "eval_measurements.csv").write_text(text)
    return tmp_path / "tree"


@pytest.fixture
def table(tmp_path):
    """A long table with its index."""
    folder = tmp_path / "table"
    folder.mkdir()
    (folder / "curves_long.csv").write_text(LONG)
    (folder / "run_index.csv").write_text(INDEX)
    return folder


def task_file(runs=2, **changes):
    entry = {"hp": {"learning_rate": 0.1, "beta1": 0.9}}
    for i, split in enumerate(("train", "valid", "test")):
        entry[split] = {"loss": [1.0 + i, 0.5 + i]}
    return json.dumps([{**entry, **changes}] * runs)


def archive(path, **arrays):
    np.savez(path, **arrays)
    return path


ARRAY = np.array([[[1, 0.5], [2, 1.5], [3, 2.5]]] * 2, np.float32)

# -- AlgoPerf ------------------------------------------------------------------------------


def test_a_tree_of_logs_is_read(tree):
    curves = read_corpus("algoperf", tree).curves
    assert curves.runs == [RUN, SPEECH]
    run = curves[RUN]
    assert run.epoch.tolist() == [1, 10]
    np.testing.assert_array_equal(run.val, [4.5, NAN])
    assert (run.train.tolist(), run.test.tolist()) == ([2.5, 2], [3.5, 3.25])
    assert curves[SPEECH].val.tolist() == [31, 2]
    assert curves[SPEECH].test is None
    assert curves.meta.iloc[0].to_dict() == {
        "run": RUN, "problem": "wmt", "dataset": "wmt", "framework": "jax",
        "version": "algoperf_v05",
        "ruleset": "external_tuning", "submission": "amos", "study": "study_0",
        "trial": "trial_1", "loss": "loss", "epoch.unit": "step",
    }  # fmt: skip
    # its place names no workload; only speech has a CTC loss
    assert curves.meta["problem"][1] == "librispeech_unnamed"


def test_a_run_is_the_same_from_wherever_it_is_read(tree):
    whole = read_corpus("algoperf", tree).curves
    for part in (tree / RUN, tree / RUN / "eval_measurements.csv", (tree / RUN).parents[1]):
        found = read_corpus("algoperf", part).curves
        assert found.meta.iloc[0].to_dict() == whole.meta.iloc[0].to_dict()


@pytest.mark.parametrize("compressed", [False, True])
def test_a_long_table_is_read(table, compressed):
    if compressed:
        for file in list(table.iterdir()):
            file.with_name(file.name + ".gz").write_bytes(gzip.compress(file.read_bytes()))
            file.unlink()
    curves = read_corpus("algoperf", table).curves
    assert curves.runs == [RUN, SPEECH]
    np.testing.assert_array_equal(curves[RUN].val, [4.5, NAN])
    assert curves[RUN].epoch.tolist() == [1, 10]
    assert curves[SPEECH].test.tolist() == [32]
    assert curves.meta["problem"].tolist() == ["wmt", "librispeech_unnamed"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("2.5,4.5", "x,4.5"), r"curves_long\.csv: .*Row #2: .*'x'"),
        (("0,loss,10,", "0,loss,,"), r"curves_long\.csv: row 3, column 'step': empty"),
        (("0,loss,10,", "0,loss,1,"), r"curves_long\.csv: run '.*', column 'epoch', position 1"),
        (("0,loss,10", "0,ctc_loss,10"), r"curves_long\.csv: row 3: split_metric_loss is 'ctc_l"),
        (("7,ctc_loss", "8,ctc_loss"), r"curves_long\.csv: run_path 7 is in only one"),
        (("7,ctc_loss", "0,ctc_loss"), r"curves_long\.csv: run_path 7 is in only one"),
        (("7,c", "0,loss,20,1,1,1\n7,c"), r"run_path 0, from row 2: 3 rows, but the index says 2"),
        (("\n7,c", "\n7,ctc_loss,1,1,1,1\n0,loss,11,1,1,1\n7,c"), r"row \d: run_path 0 again"),
        (("valid_loss", "loss"), r"curves_long\.csv: .*'valid_loss'"),
    ],
)
def test_what_is_no_long_table_is_named(table, change, said):
    file = table / "curves_long.csv"
    file.write_text(LONG.replace(*change))
    with pytest.raises(ValueError, match=said):
        read_corpus("algoperf", table)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("validation/loss", "validation/x"), "no column validation/loss or validation/ctc_loss"),
        (("4.5", "high"), "Row #2.*'high'"),
        (("10,9", "1,9"), "epochs must increase"),
        (("\n10,9", "\n10"), "Row #3: Expected 5 columns"),
    ],
)
def test_what_is_no_log_is_named(tree, change, said):
    file = tree / RUN / "eval_measurements.csv"
    file.write_text(LOG.replace(*change))
    with pytest.raises(ValueError, match=f"trial_1/eval_measurements.csv: .*{said}"):
        read_corpus("algoperf", tree)


def test_a_place_that_is_none_of_algoperf_s_is_named(tmp_path):
    (tmp_path / "eval_measurements.csv").write_text(LOG)
    with pytest.raises(ValueError, match=r"eval_measurements\.csv: path .* expected"):
        read_corpus("algoperf", tmp_path)


def test_absent_files_are_os_errors(tmp_path, table):
    with pytest.raises(FileNotFoundError, match="no AlgoPerf logs"):
        read_corpus("algoperf", _empty(tmp_path))
    with pytest.raises(FileNotFoundError, match="no TaskSet record"):
        read_corpus("taskset", _empty(tmp_path))
    with pytest.raises(FileNotFoundError, match="gone does not exist; expected a copy of taskset"):
        read_corpus("taskset", tmp_path / "gone")
    (table / "run_index.csv").unlink()
    with pytest.raises(FileNotFoundError, match=r"one \*run_index\.csv"):
        read_corpus("algoperf", table)


def _empty(tmp_path):
    (tmp_path / "empty").mkdir(exist_ok=True)
    return tmp_path / "empty"


def test_a_cut_gzip_is_named(table):
    whole = gzip.compress((LONG * 50).encode())
    (table / "curves_long.csv").unlink()
    (table / "curves_long.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises((ValueError, OSError), match=r"curves_long\.csv\.gz: "):
        read_corpus("algoperf", table)


# -- TaskSet -------------------------------------------------------------------------------


def test_an_archive_is_read(tmp_path):
    curves = read_corpus("taskset", archive(tmp_path / "x.npz", b=ARRAY, a=ARRAY)).curves
    assert curves.runs == ["a/0", "a/1", "b/0", "b/1"]
    assert curves.table.schema.field("val").type.value_type == "float"
    assert curves["b/1"].val.tolist() == [2, 1.5]
    assert curves["b/1"].test.tolist() == [3, 2.5]
    assert curves["b/1"].epoch.tolist() == [1, 2]


@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_files_are_read_with_their_hyperparameters(tmp_path, suffix):
    text = task_file().encode()
    (tmp_path / f"a{suffix}").write_bytes(gzip.compress(text) if suffix == ".json.gz" else text)
    curves = read_corpus("taskset", tmp_path).curves
    assert curves.meta["learning_rate"].tolist() == [0.1, 0.1]
    assert curves["a/0"].val.tolist() == [2, 1.5]


def test_a_file_beside_the_archive_must_agree(tmp_path):
    archive(tmp_path / "x.npz", a=ARRAY, b=ARRAY)
    (tmp_path / "a.json").write_text(task_file())
    curves = read_corpus("taskset", tmp_path).curves
    assert curves.meta["beta1"].dropna().tolist() == [0.9, 0.9]
    assert len(curves) == 4
    (tmp_path / "a.json").write_text(task_file(test={"loss": [3, 2.6]}))
    with pytest.raises(ValueError, match=r"a\.json: run 'a/0', test: differs from the curve"):
        read_corpus("taskset", tmp_path)
    (tmp_path / "a.json").write_text(task_file(runs=3))
    with pytest.raises(ValueError, match=r"a\.json: 3 runs, but the archive has 2"):
        read_corpus("taskset", tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "expected a list of runs, got dict"),
        ("[1]", "run 0: no 'hp'"),
        ("[", "not a JSON file"),
        (task_file(hp={"lr": "fast"}), "run 0: hp 'lr' is 'fast'"),
        (task_file(hp={"val": 1}), "run 0: hp 'val' is 1"),
        (task_file(valid=[1]), "run 0: no list valid.loss"),
        (task_file(valid={"loss": [1, "x"]}), "run 'a/0', column 'val', position 1"),
        (task_file(valid={"loss": [1]}), "run 'a/0'.*same length"),
    ],
)
def test_what_is_no_task_is_named(tmp_path, text, said):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=rf"{tmp_path}.*: .*{said}"):
        read_corpus("taskset", tmp_path)


class Trap:
    """Unpickled, it would leave a trace."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_nothing_is_unpickled(tmp_path):
    trace = tmp_path / "trace"
    np.savez(tmp_path / "x.npz", a=np.array([Trap(trace)], object))
    with pytest.raises(ValueError, match=r"x\.npz: .*allow_pickle=False"):
        read_corpus("taskset", tmp_path / "x.npz")
    (tmp_path / "x.npz").write_bytes(pickle.dumps(Trap(trace)))
    with pytest.raises(ValueError, match=r"x\.npz: not a complete \.npz"):
        read_corpus("taskset", tmp_path / "x.npz")
    assert not trace.exists()


@pytest.mark.parametrize(
    "array", [ARRAY[0], ARRAY[:, :2], ARRAY.astype(int), np.array([["x"] * 3])]
)
def test_an_array_of_another_shape_is_named(tmp_path, array):
    with pytest.raises(ValueError, match=r"x\.npz: task 'a': .* of shape .*; expected floats"):
        read_corpus("taskset", archive(tmp_path / "x.npz", a=array))


@pytest.mark.parametrize("seed", range(60))
def test_damaged_archives_give_one_named_error_or_curves(tmp_path, seed):
    rng = np.random.default_rng(seed)
    content = bytearray(archive(tmp_path / "x.npz", a=ARRAY).read_bytes())
    for at in rng.integers(len(content), size=3):
        content[at] = rng.integers(256)
    (tmp_path / "x.npz").write_bytes(content[: rng.integers(1, len(content) + 200)])
    said = "x.npz"
    try:
        read_corpus("taskset", tmp_path / "x.npz")
    except (ValueError, OSError) as error:
        said = str(error)
    assert "x.npz" in said


# -- facts ---------------------------------------------------------------------------------

ENDS = CurveSet.from_runs(
    [
        {"run": "improving", "val": [3.0, 2.0, 1.0], "epoch": [1, 5, 100], "problem": "p"},
        {"run": "done", "val": [3.0, 1.0, 1.0], "epoch": [1, 90, 100], "problem": "p"},
        {"run": "late", "val": [3.0, 1.0, 2.0], "epoch": [1, 91, 100], "problem": "p"},
        {"run": "late again", "val": [3.0, 1.0, 2.0], "epoch": [1, 91, 100], "problem": "p"},
        {"run": "broken", "val": [3.0, float("inf"), NAN], "problem": "q", "test": [1, 1, 1]},
        {"run": "nothing", "val": [NAN], "problem": "q", "test": [1.0]},
        {"run": "short", "val": [1.0], "problem": "q", "test": [1.0]},
    ]
)


def test_outcomes_of_runs():
    table = outcomes(ENDS).set_index("run")
    assert table.index[table["censored"]].tolist() == ["improving", "short"]
    assert table.index[table["diverged"]].tolist() == ["broken", "nothing"]
    assert table.index[table["never_finite"]].tolist() == ["nothing"]
    assert table.index[table["repeated"]].tolist() == ["late again"]
    np.testing.assert_array_equal(table["best_epoch"], [100, 90, 91, 91, 1, NAN, 1])
    assert table["last_epoch"].tolist() == [100, 100, 100, 100, 3, 1, 1]


def test_facts_of_problems():
    p, q = info(ENDS).to_dict("records")
    assert p == {
        "problem": "p", "runs": 4, "checks_min": 3, "checks_max": 3, "last_tenth": 0.75,
        "censored": 1, "at_target": 0, "diverged": 0, "never_finite": 0, "repeated": 1,
        "one_check": 0, "channels": "val",
    }  # fmt: skip
    assert q == {
        "problem": "q", "runs": 3, "checks_min": 1, "checks_max": 3, "last_tenth": 0.5,
        "censored": 1, "at_target": 0, "diverged": 2, "never_finite": 1, "repeated": 0,
        "one_check": 2, "channels": "val, test",
    }  # fmt: skip


def test_facts_of_a_path_and_of_nothing(tmp_path):
    ENDS.write(tmp_path / "x.arrow")
    assert info(tmp_path / "x.arrow").equals(info(ENDS))
    assert len(info(ENDS[:0])) == len(outcomes(ENDS[:0])) == 0
    with pytest.raises(FileNotFoundError, match="gone"):
        info(tmp_path / "gone")


# -- building ------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_a_corpus_is_built_with_its_card(tree, tmp_path, suffix):
    facts = build("algoperf", tree, tmp_path / "out", suffix=suffix)
    assert facts["runs"].tolist() == [1, 1]
    out = tmp_path / "out"
    assert sorted(f.name for f in out.iterdir()) == [
        "README.md", f"algoperf.{suffix}", "read.sha256",
    ]  # fmt: skip
    curves = read_curves(out)
    assert curves.meta.equals(read_corpus("algoperf", tree).curves.meta)
    card = (out / "README.md").read_text()
    corpus = CORPORA["algoperf"]
    for said in (corpus.citation, corpus.licence, corpus.source, "2 on 2 problems"):
        assert said in card
    (name, total) = re.findall(r"^\| `([\w.]+)` \| `([0-9a-f]{64})`", card, re.M)[0]
    assert hashlib.sha256((out / name).read_bytes()).hexdigest() == total
    for line in (out / "read.sha256").read_text().splitlines():
        total, file = line.split("  ")
        assert hashlib.sha256((tree / file).read_bytes()).hexdigest() == total
    assert str(tmp_path) not in card


def test_the_same_copy_gives_the_same_bytes(table, tmp_path):
    for name in ("a", "b"):
        build("algoperf", table, tmp_path / name)
    for file in (tmp_path / "a").iterdir():
        assert file.read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def test_the_corpus_own_checksums_are_checked(table, tmp_path):
    file = table / "curves_long.csv"
    total = hashlib.sha256(file.read_bytes()).hexdigest()
    (table / "SHA256SUMS").write_text(f"{total}  ./{file.name}\n{'0' * 64}  elsewhere.csv\n")
    build("algoperf", table, tmp_path / "out")
    assert "1 confirmed by the corpus' own" in (tmp_path / "out" / "README.md").read_text()
    (table / "run_index.csv.sha256").write_text(f"{'0' * 64} *run_index.csv\n")
    with pytest.raises(ValueError, match=r"run_index\.csv: its SHA-256 is .* says 000"):
        build("algoperf", table, tmp_path / "again")
    (table / "run_index.csv.sha256").write_text("something\n")
    with pytest.raises(ValueError, match=r"run_index\.csv\.sha256, line 1: 'something'"):
        build("algoperf", table, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_nothing_is_half_written(table, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(corpora.building, "_card", fail)
    with pytest.raises(OSError, match="disk full"):
        build("algoperf", table, tmp_path / "out")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["table"]


def test_what_cannot_be_built_is_said(table, tmp_path):
    with pytest.raises(ValueError, match="unknown corpus 'imagenet'; expected one of algoperf"):
        build("imagenet", table, tmp_path / "out")
    with pytest.raises(ValueError, match="format 'csv': expected 'parquet' or 'arrow'"):
        build("algoperf", table, tmp_path / "out", suffix="csv")
    with pytest.raises(FileExistsError, match="exists already"):
        build("algoperf", table, table)


# -- the corpora themselves ----------------------------------------------------------------


def test_algoperf_is_what_it_says(tmp_path):
    source = shared("algoperf")
    facts = build("algoperf", source, tmp_path / "out")
    curves = read_curves(tmp_path / "out")
    assert len(curves) == facts["runs"].sum() == 4379
    assert curves.lengths.sum() == 304052
    assert facts["diverged"].sum() == 44
    # every workload is one of those described
    for problem in facts["problem"]:
        assert any(problem.startswith(name) for name in corpora.algoperf.WORKLOADS)
    # 18 runs whose place names no workload are copies of the conformer's
    unnamed = outcomes(curves).query("problem == 'librispeech_unnamed'")
    assert len(unnamed) == 18
    assert unnamed["repeated"].all()
    # the card warns of submissions that log coarser steps
    ends = outcomes(curves)["last_epoch"]
    coarse = curves.meta["submission"].isin(["lawa_queue", "lawa_ema"])
    assert coarse.sum() == 669
    assert ends[coarse].median() < 0.02 * ends[~coarse].median()


def test_algoperf_s_own_logs_are_the_table_s_to_its_digits():
    source = shared("algoperf")
    table = read_corpus("algoperf", source).curves
    logs = read_corpus("algoperf", source / "raw").curves
    assert len(logs) == 30
    for run in logs:
        same = table[run.run]
        assert same.epoch.tolist() == run.epoch.tolist()
        for name in ("train", "val", "test"):
            np.testing.assert_allclose(getattr(same, name), getattr(run, name), rtol=6e-6)


def test_taskset_is_what_it_says():
    reading = read_corpus("taskset", shared("taskset"))
    curves = reading.curves
    facts = info(curves)
    assert facts["runs"].tolist() == [1000] * 12
    assert set(curves.lengths) == {51}
    finite = np.isfinite(curves.channel("val").values.reshape(-1, 51))
    assert facts["diverged"].sum() == (~finite).any(axis=1).sum() == 917
    # once NaN, a run is NaN to its end
    assert (np.diff(finite.astype(int), axis=1) <= 0).all()
    # the original file of one task is read, too, and agrees
    assert len(reading.notes) == 1
    assert curves.meta.loc[curves.meta["problem"] == TASK, "learning_rate"].notna().all()


def test_corpora_replay_with_censored_runs_counted():
    for name, runs in (("algoperf", 4379), ("taskset", 12000)):
        curves = read_corpus(name, shared(name)).curves
        stops = replay(curves, ["Keras(5)", "MaxEpochs(1000000000)", FAMILIES["TerminateOnNaN"]()])
        assert stops.fired.shape == (runs, 3)
        # never reached, never padded: the stop is the last recorded position
        assert not stops.fired[:, 1].any()
        assert stops.stop[:, 1].tolist() == outcomes(curves)["last_epoch"].tolist()
        assert stops.fired[:, 2].tolist() == outcomes(curves)["diverged"].tolist()


# -- the gallery ---------------------------------------------------------------------------


def test_bands_are_quantiles_of_the_runs_still_recorded():
    runs = [{"val": np.arange(n, dtype=float) + i} for i, n in enumerate([3, 5, 5, 9])]
    found = bands(list(CurveSet.from_runs(runs)), log=False)
    # three of four go on after the first ends, one after the next two: less than half
    assert (found.position[0], found.position[-1]) == (1, 5)
    assert found.quantiles[:, 0].tolist() == [0, 0, 1, 2, 3]
    assert found.quantiles[:, -1].tolist() == [5, 5, 6, 7, 7]


def test_a_diverged_run_is_infinitely_high():
    runs = [{"val": [1.0, NAN]}, {"val": [1.0, 2.0]}, {"val": [1.0, 3.0]}, {"val": [1.0, 4.0]}]
    found = bands(list(CurveSet.from_runs(runs)), log=True)
    assert found.quantiles[:, -1].tolist() == [2, 2, 3, 4, np.inf]


@pytest.mark.parametrize(
    "curves",
    [ENDS, CurveSet.from_runs([{"val": [NAN, NAN]}] * 6),
     CurveSet.from_runs([{"val": [-1.0, -2.0]}] * 6),
     CurveSet.from_runs([{"val": np.geomspace(1e9, 1e-3, 1500)}] * 6)],
)  # fmt: skip
def test_a_gallery_of_anything_is_drawn(curves, tmp_path):
    axes = plot_gallery(curves, "some")
    (file,) = save(axes[0].figure, tmp_path / "some.png")
    assert file.stat().st_size > 5000
    assert plt.get_fignums() == []
