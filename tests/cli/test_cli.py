"""``earlystop replay`` and ``earlystop reproduce``: good runs and users' mistakes."""

import ast
import json
import re
import shutil
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer

from earlystop_lab import Channel, CurveSet, cli, read_curves, replay, simulate
from earlystop_lab.criteria import FAMILIES
from earlystop_lab.sources.corpora import CORPORA, RECORDED, fetching

CURVES = CurveSet.from_runs(
    [
        {
            "run": "b",
            "val": [0.9, 0.5, 0.4, 0.42, 0.41, 0.5],
            "test": [0.9, 0.6, 0.5, 0.5, 0.5, 0.6],
            "problem": "toy",
        },
        {"run": "a", "val": [0.8, 0.6, 0.61, 0.5], "train": [0.5, 0.4, 0.3, 0.2], "problem": "toy"},
    ]
)
CRITERIA = ["GL(2, k=1)", "Keras(1, min_delta=0.15)", "any_of(UP(1, k=1), MaxEpochs(3))"]


@pytest.fixture
def curves(tmp_path):
    path = tmp_path / "curves.parquet"
    CURVES.write(path)
    return path


@pytest.fixture
def earlystop(tmp_path, monkeypatch, capsys):
    """Run the command line in this process, in an empty folder: exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["earlystop", *map(str, words)])
        # any other exception would be a traceback
        with pytest.raises(SystemExit) as stop:
            cli.main()
        streams = capsys.readouterr()
        # some CI services force colours
        plain = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text) for text in streams]
        return stop.value.code or 0, *plain

    return run


def chosen(*criteria):
    return [word for criterion in criteria for word in ("-c", criterion)]


def files(folder):
    """Everything in the folder, hidden files too, with its bytes."""
    return {p: p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def flat(text):
    """The text without the line breaks and frames that the terminal's width makes."""
    return re.sub(r"\s+", " ", re.sub(r"[│╭╮╰╯─]", " ", text))


def assert_refused(result, *expected):
    """Exit code 2 and one message on stderr that says what was wrong."""
    code, _, stderr = result
    assert code == 2, stderr
    for part in expected:
        assert str(part) in flat(stderr)
    assert "Traceback" not in stderr
    assert len(re.findall(r"^earlystop: |Invalid value|No such|Missing", stderr, re.M)) == 1


# -- logs and simulated runs -----------------------------------------------------------------

LOG = "epoch,loss,val_loss\n0,0.9,1.0\n1,0.5,0.8\n2,0.3,oops\n"


def test_import_shows_what_it_chose_and_writes_the_curves(earlystop, tmp_path):
    (tmp_path / "history.csv").write_text(LOG, encoding="utf-8")
    code, stdout, stderr = earlystop("import", "history.csv", "-o", "curves.arrow")
    assert code == 0
    assert "val_loss" in stdout
    assert "history.csv, line 4: column 'val_loss': 'oops' is not a number" in stderr
    assert read_curves(tmp_path / "curves.arrow")[0].val.tolist() == [1.0, 0.8]


def test_import_prints_a_line_a_channel(earlystop, tmp_path):
    (tmp_path / "log.csv").write_text(
        "epoch,learning_rate,loss,val_accuracy,val_loss\n1,0.1,3,0.5,2\n2,0.1,2,,1\n"
    )
    code, stdout, _ = earlystop("import", "log.csv", "--dry-run")
    assert code == 0
    lines = [line.split() for line in stdout.splitlines()]
    assert lines[lines.index([]) + 1 :] == [
        ["channel", "column", "role", "metric", "data", "direction", "unit", "runs", "values"],
        ["epoch", "epoch", "epoch", "1", "2"],
        ["val", "val_loss", "val", "loss", "min", "1", "2"],
        ["train", "loss", "train", "loss", "min", "1", "2"],
        ["lr", "learning_rate", "1", "2"],
        ["val_accuracy", "val_accuracy", "val", "accuracy", "max", "1", "1"],
    ]


def test_import_takes_means_of_training_curves(earlystop, tmp_path):
    log = tmp_path / "log.csv"
    log.write_text("step,loss,val_loss\n1,4,\n2,2,9\n3,6,\n4,2,8\n")
    code, stdout, _ = earlystop("import", log, "--between", "mean", "-o", "curves.arrow")
    assert code == 0
    assert "loss (mean since the previous check)" in stdout
    assert read_curves(tmp_path / "curves.arrow")[0].train.tolist() == [4, 3, 4]
    code, _, stderr = earlystop("import", log, "--between", "median", "--dry-run")
    assert code == 2
    assert all(word in stderr for word in ("between", "last", "mean"))


def test_import_can_only_look(earlystop, tmp_path):
    (tmp_path / "history.csv").write_text(LOG, encoding="utf-8")
    before = files(tmp_path)
    assert earlystop("import", "history.csv", "--dry-run")[0] == 0
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["history.csv"], ["-o", ".parquet or .arrow", "--dry-run"]),
        (["", "-o", "x.arrow"], ["a path is empty"]),
        (["history.csv", "-o", "x.csv"], ["--out x.csv", ".parquet or .arrow"]),
        (["history.csv", "-o", "x.arrow", "--mode", "up"], ["mode = 'up'"]),
        (["history.csv", "-o", "x.arrow", "--format", "up"], ["format 'up'", "keras-csv"]),
        (["notes.txt", "-o", "x.arrow"], ["nothing was imported"]),
        (["missing.csv", "-o", "x.arrow"], ["nothing was imported"]),
    ],
)
def test_an_import_without_curves_is_one_message(earlystop, tmp_path, words, expected):
    (tmp_path / "history.csv").write_text(LOG, encoding="utf-8")
    (tmp_path / "notes.txt").write_text("nothing here", encoding="utf-8")
    before = files(tmp_path)
    assert_refused(earlystop("import", *words), *expected)
    assert files(tmp_path) == before


def test_simulated_runs_are_those_of_the_package(earlystop, tmp_path):
    words = ["simulate", "parametric", "-n", "3", "-o", "x.parquet", "-p", "epochs=40"]
    assert earlystop(*words, "--seed", "7")[0] == 0
    found = read_curves(tmp_path / "x.parquet")
    assert found.table.equals(simulate("parametric", 3, seed=7, epochs=40).table)


def test_runs_are_drawn_from_a_curve_set(earlystop, curves, tmp_path):
    assert earlystop("simulate", "resample", "-n", "4", "-o", "x.arrow", "--curves", curves)[0] == 0
    assert len(read_curves(tmp_path / "x.arrow")) == 4


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nope"], ["'nope'", "gradient_flow"]),
        (["parametric", "-p", "epoch=3"], ["unknown parameter 'epoch'", "epochs"]),
        (["parametric", "-p", "epochs"], ["'epochs'", "name=value"]),
        (["resample"], ["resample: missing parameter 'curves'"]),
        (["gradient_flow", "-p", "noise=abc"], ["noise = 'abc'", "a number"]),
        (["gradient_flow", "-p", "learning_rate=None"], ["learning_rate = None"]),
        (["gradient_flow", "-p", "spectrum=abc"], ["spectrum = 'abc'"]),
        (["gradient_flow", "-p", "samples=10**9"], ["samples = '10**9'", "an integer"]),
        (["gradient_flow", "-p", "seed=3"], ["--param seed", "an option or argument of its own"]),
        (["gradient_flow", "-p", "family=x"], ["--param family"]),
        (["double_descent", "-p", "features=5"], ["features = 5", "two numbers"]),
        (["double_descent", "-p", "signal=1"], ["signal = 1", "two numbers"]),
        (["parametric", "-p", "params=5"], ["params = 5", "a mapping"]),
        (["parametric", "-p", "params=[1,2]"], ["params = [1, 2]", "a mapping"]),
        (["parametric", "-p", "params=abc"], ["params = 'abc'", "a mapping"]),
        (["parametric", "-p", "params={'noise': [1, 2]}"], ["noise = [1, 2]", "a number"]),
        (["parametric", "-p", "clustering=abc"], ["clustering = 'abc'", "a number"]),
        (["resample", "--curves", "few.arrow", "-p", "width=abc"], ["width = 'abc'", "a number"]),
        (["gradient_flow", "-o", "x.csv"], ["--out x.csv", ".parquet or .arrow"]),
    ],
)
def test_a_mistake_in_a_simulation_is_one_message(earlystop, tmp_path, words, expected):
    CurveSet.from_runs([{"run": "a", "val": [2.0, 1.0]}]).write(tmp_path / "few.arrow")
    before = files(tmp_path)
    assert_refused(earlystop("simulate", "-o", "x.arrow", *words), *expected)
    assert files(tmp_path) == before


# -- corpora -------------------------------------------------------------------------------


def test_the_corpora_are_listed_with_citation_and_licence(earlystop):
    code, stdout, stderr = earlystop("corpus", "list")
    assert (code, stderr) == (0, "")
    for name, corpus in (CORPORA | RECORDED).items():
        size = corpus.size
        assert f"{name}: {corpus.description}\n    {size.runs:,} runs, {size.checks:,} " in stdout
        assert f"channels {size.channels}; costs in {size.costs}\n" in stdout
        assert corpus.citation in stdout
        assert corpus.licence in stdout


def test_the_facts_of_a_curve_set_are_a_row_a_problem(earlystop, curves):
    code, stdout, _ = earlystop("corpus", "info", curves)
    assert code == 0
    assert re.search(r"^ *toy +2 ", stdout, re.M)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nope", "."], ["'nope'", "algoperf"]),
        (["taskset", "."], ["TaskSet"]),
        (["taskset", "missing"], ["missing"]),
        (["taskset", ".", "--format", "csv"], ["--format 'csv'", "parquet, arrow"]),
    ],
)
def test_what_is_no_corpus_is_one_message(earlystop, tmp_path, words, expected):
    assert_refused(earlystop("corpus", "build", *words, "-o", "out"), *expected)
    assert files(tmp_path) == {}


def test_a_survey_shows_every_rule_and_counts_the_runs(earlystop, curves, tmp_path):
    code, stdout, stderr = earlystop("survey", curves, "-o", "survey.csv")
    assert (code, stderr) == (0, "")
    assert f"{len(FAMILIES)} rules over 2 runs, of which 1 are censored and 0 diverged" in stdout
    # what no run has the channels for is named below the table, not a row of it
    rows, _, below = stdout.partition("left out: ")
    assert "LabelWave" not in rows
    assert "LabelWave" in below
    assert len(pd.read_csv(tmp_path / "survey.csv")) == len(FAMILIES)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["missing.parquet"], ["missing.parquet"]),
        ([".", "--corpus", "nope"], ["'nope'", "algoperf"]),
        ([".", "-o", "x.parquet"], ["x.parquet", ".csv"]),
    ],
)
def test_what_cannot_be_surveyed_is_one_message(earlystop, tmp_path, words, expected):
    assert_refused(earlystop("survey", *words), *expected)
    assert files(tmp_path) == {}


# -- rules ---------------------------------------------------------------------------------

RULES = """
import numpy as np
from earlystop_lab import criterion, any_of, GL

@criterion(threshold="level", passes="<")
def Good(val, *, window: int = 3):
    return np.fmin.accumulate(val)

@criterion(threshold="level", passes="<")
def Peek(val):
    return val - val[-1]

both = any_of(Good(0.1), GL(5))
number = 3
"""


def test_criteria_shows_every_rule(earlystop):
    code, stdout, stderr = earlystop("criteria")
    assert (code, stderr) == (0, "")
    assert [name for name in FAMILIES if name not in stdout] == []
    assert "n_iter_no_change" in stdout


def test_criteria_as_markdown_is_the_page(earlystop):
    page = Path(__file__).parents[2] / "docs" / "criteria.md"
    assert earlystop("criteria", "--markdown")[1] == page.read_text(encoding="utf-8")


def test_criteria_of_a_library_says_which_rule_it_is(earlystop):
    code, stdout, stderr = earlystop("criteria", "--library", "PyTorch-TabNet")
    assert (code, stderr) == (0, "")
    assert "fit(patience=10)" in stdout
    assert "Keras(10, min_delta=0.01)" in stdout
    assert "lightgbm" not in stdout
    # where no rule is close, it says so
    assert "none" in earlystop("criteria", "--library", "pyswarms")[1]
    (row,) = json.loads(earlystop("criteria", "--library", "pyswarms", "--json")[1])
    assert (row["library"], row["rule"]) == ("pyswarms", None)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--library", "ligthgbm"], ["library 'ligthgbm'", "did you mean 'lightgbm'?"]),
        (["--library", ""], ["library ''", "expected one of allennlp"]),
        (["--library", "keras", "--markdown"], ["--markdown", "leave out --library"]),
    ],
)
def test_criteria_refuses(earlystop, more, expected):
    assert_refused(earlystop("criteria", *more), *expected)


@pytest.mark.parametrize("name", ["Good", "both"])
def test_a_good_rule_keeps_every_promise(earlystop, tmp_path, name):
    (tmp_path / "mine.py").write_text(RULES, encoding="utf-8")
    code, stdout, _ = earlystop("check", f"mine.py:{name}")
    assert (code, stdout) == (0, f"mine.py:{name}: all conformance checks passed\n")


def test_a_rule_s_file_may_import_its_neighbour_and_be_called_as_a_module(earlystop, tmp_path):
    (tmp_path / "neighbour.py").write_text(RULES, encoding="utf-8")
    (tmp_path / "random.py").write_text("from neighbour import Good\n", encoding="utf-8")
    assert earlystop("check", "random.py:Good")[0] == 0


def test_a_rule_that_fails_on_no_trial_curve_but_a_random_one_is_one_message(earlystop, tmp_path):
    code = """
from earlystop_lab import criterion

@criterion(threshold="level", passes=">")
def Rare(val):
    return [{}[v] if 1.5 <= v <= 1.9 else 0.0 for v in val]
"""
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    assert_refused(earlystop("check", "mine.py:Rare"), "Rare(0): KeyError", "for example: val = [")


def test_what_a_rule_breaks_is_shown_on_a_short_curve(earlystop, tmp_path):
    (tmp_path / "mine.py").write_text(RULES, encoding="utf-8")
    result = earlystop("check", "mine.py:Peek")
    assert_refused(
        result, "Peek(0): not causal", "the rule uses later checks", "for example: val = ["
    )
    shown = ast.literal_eval(result[2].split("val = ")[1])
    assert len(shown) == 2


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (RULES, "mine.py:Goood", "Goood is not defined; rules in it: Good, Peek, both"),
        (RULES, "mine.py:number", "number is not a rule; rules in it"),
        (RULES, "other.py:Good", "other.py does not exist"),
        (RULES, "mine.py", "expected FILE.py:NAME"),
        (RULES, "mine.txt:Good", "expected FILE.py:NAME"),
        ("x = 1\ny = 1 / 0\n", "mine.py:y", "mine.py, line 2: ZeroDivisionError"),
        ("def f(:\n", "mine.py:f", "mine.py, line 1: SyntaxError"),
        ("x = 1", "mine.py:x", "make one with @criterion"),
        ("import sys\nsys.exit(0)", "mine.py:x", "mine.py, line 2: SystemExit"),
        ("x = 1\nimport nosuchmodule", "mine.py:x", "mine.py, line 2: ModuleNotFoundError"),
        ("eval('1 +')", "mine.py:x", "mine.py, line 1: SyntaxError"),
    ],
)
def test_what_is_no_rule_is_one_message(earlystop, tmp_path, content, name, expected):
    (tmp_path / "mine.py").write_text(content, encoding="utf-8")
    assert_refused(earlystop("check", name), expected)


# -- good runs -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "restore", ["best", "lowest", "last", "own", "ModelCheckpoint(ties='last')"]
)
@pytest.mark.parametrize("name", ["stops.csv", "stops.parquet", "new/folder/stops.parquet"])
def test_replay_writes_what_the_package_finds(earlystop, curves, tmp_path, name, restore):
    words = ["replay", curves, *chosen(*CRITERIA), "--restore", restore, "-o", name]
    code, stdout, stderr = earlystop(*words)
    assert (code, stderr) == (0, "")
    assert f"{name}: 6 stops" in stdout
    out = tmp_path / name
    found = pd.read_csv(out) if out.suffix == ".csv" else pd.read_parquet(out)
    expected = replay(CURVES, CRITERIA, restore=restore).to_frame()
    pd.testing.assert_frame_equal(found, expected)
    assert set(files(tmp_path)) == {curves, out, *(p for p in out.parents if tmp_path in p.parents)}


def test_replay_without_an_output_shows_the_table(earlystop, curves, tmp_path):
    before = files(tmp_path)
    code, stdout, stderr = earlystop("replay", curves, *chosen(*CRITERIA))
    assert (code, stderr) == (0, "")
    assert replay(CURVES, CRITERIA).to_frame().to_string() in stdout
    assert files(tmp_path) == before


def test_standard_output_holds_the_table_alone(earlystop, curves):
    # it may be piped on; progress belongs on stderr, if anywhere
    _, stdout, _ = earlystop("replay", curves, *chosen("GL(2)"))
    assert stdout.strip() == replay(CURVES, ["GL(2)"]).to_frame().to_string().strip()


def test_a_folder_of_files_and_two_jobs_give_the_same(earlystop, tmp_path):
    runs = [{"run": f"r{i}", "val": [1.0, 2.0, i], "problem": f"p{i % 2}"} for i in range(5)]
    CurveSet.from_runs(runs).write(tmp_path / "corpus")
    words = ["replay", "corpus", *chosen("GL(2, k=1)"), "--n-jobs", 2, "-o", "stops.csv"]
    assert earlystop(*words)[0] == 0
    found = pd.read_csv(tmp_path / "stops.csv")
    assert found["run"].tolist() == ["r0", "r2", "r4", "r1", "r3"]
    assert found["stop"].tolist() == [2] * 5


def test_criteria_of_other_channels_are_replayed(earlystop, tmp_path):
    run = {"run": "a", "val": [3.0, 2.0, 4.0, 1.0], "accuracy": [0.5, 0.75, None, 0.5]}
    about = {"accuracy": Channel(role="val", direction="max")}
    CurveSet.from_runs([run], channels=about).write(tmp_path / "scores.parquet")
    rule = "any_of(Keras(2), Keras(1, val='accuracy'))"
    words = ["replay", "scores.parquet", *chosen(rule), "--select", "accuracy", "-o", "stops.csv"]
    assert earlystop(*words)[0] == 0
    row = pd.read_csv(tmp_path / "stops.csv").iloc[0]
    assert (row["criterion"], row["stop"], row["selected"]) == (rule, 4, 2)
    assert (row["val"], row["accuracy"]) == (2.0, 0.75)
    wrong = earlystop("replay", "scores.parquet", *chosen("Keras(2)"), "--select", "acc")
    assert_refused(wrong, "select = 'acc': run 'a' has no such channel")


TWO_METRICS = "epoch,loss,val_loss,val_accuracy\n" + "".join(
    f"{i},{1 / (i + 1)},{1 + abs(i - 4) / 10},{1 - i / 20}\n" for i in range(12)
)


def test_logs_are_taken_wherever_curves_are(earlystop, tmp_path):
    (tmp_path / "logs").mkdir()
    for name in ("1", "2"):  # files that are alike would be one run
        log = f"{TWO_METRICS}12,0.05,{name},0.1\n"
        (tmp_path / f"logs/{name}.csv").write_text(log, encoding="utf-8")
    assert earlystop("import", "logs", "-o", "known.parquet")[0] == 0
    both = chosen("Keras(3)", "any_of(Keras(9), Keras(2, val='val_accuracy'))")
    for words in (
        ("replay", "{}", *both),
        ("survey", "{}"),
        ("corpus", "info", "{}"),
        ("recommend", "{}"),
    ):
        of_logs, of_curves = (
            earlystop(*(word.format(path) for word in words)) for path in ("logs", "known.parquet")
        )
        assert of_logs[0] == of_curves[0] == 0
        assert of_logs[1] == of_curves[1]
    mixed = earlystop("recommend", "logs", "known.parquet")
    assert_refused(mixed, "known.parquet: a curve set beside other paths", "training logs only")
    for path in ("logs", "known.parquet"):
        assert earlystop("replay", path, *both, "-o", f"{path}.csv")[0] == 0
        resampled = "resample", "-n", 9, "--curves", path, "-o", f"{path}.arrow"
        assert earlystop("simulate", *resampled)[0] == 0
    assert Path("logs.csv").read_bytes() == Path("known.parquet.csv").read_bytes()
    assert (
        read_curves("logs.arrow").to_frame().equals(read_curves("known.parquet.arrow").to_frame())
    )


def test_an_old_output_is_replaced(earlystop, curves, tmp_path):
    (tmp_path / "stops.csv").write_text("old")
    assert earlystop("replay", curves, *chosen("GL(2)"), "-o", "stops.csv")[0] == 0
    assert len(pd.read_csv(tmp_path / "stops.csv")) == 2


def commands(group=None, words=()):
    """The words of every command, its groups too."""
    group = group or typer.main.get_command(cli.app)
    yield words
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*words, name))


@pytest.mark.parametrize(
    "words", list(commands()), ids=lambda words: " ".join(words) or "earlystop"
)
def test_every_command_has_help(earlystop, words):
    code, stdout, stderr = earlystop(*words, "--help")
    assert (code, stderr) == (0, "")
    assert " ".join(("Usage: earlystop", *words)) in flat(stdout)


@pytest.mark.parametrize("words", [(), ("replay",), ("corpus", "info")])
def test_help_is_short_too(earlystop, words):
    assert earlystop(*words, "-h") == earlystop(*words, "--help")


def test_the_version_is_that_of_the_package(earlystop):
    assert earlystop("--version") == (0, f"earlystop_lab {version('earlystop_lab')}\n", "")


def test_the_commands_are_those_of_their_page():
    words = {" ".join(words) for words in commands()}
    page = (Path(__file__).parents[2] / "docs/howto/commands.md").read_text(encoding="utf-8")
    groups = "|".join(("train", "corpus", "plot"))
    found = re.findall(rf"^    earlystop ((?:(?:{groups}) )?[a-z0-9]+) ", page, re.M)
    assert {*found} == words - {"", *groups.split("|")}


def test_the_installed_command_is_this_one():
    (script,) = entry_points(group="console_scripts", name="earlystop")
    assert script.load() is cli.main


# -- mistakes with criteria and options ----------------------------------------------------


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        (["GLL(2)"], ["unknown criterion 'GLL'", "did you mean 'GL'?"]),
        (["GL(2)", "Xyzzy(1)"], ["unknown criterion 'Xyzzy'", "Known criteria: GL, PQ"]),
        (["GL(2, window=3)"], ["GL", "unknown parameter 'window'", "alpha, k"]),
        (["GL(2, k=0)"], ["GL: k = 0", "at least 1"]),
        (["GL(-1)"], ["GL: alpha = -1", "at least 0"]),
        (["GL(two)"], ["'two'"]),
        (["GL"], ["'GL'", "such as GL(2)"]),
        (["GL(2"], ["'GL(2'", "such as GL(2)"]),
        ([""], ["''", "such as GL(2)"]),
        (["GL(2)", "GL(2.0)"], ["duplicate criterion GL(2)"]),
        (["PQ(1)"], ["PQ needs training errors", "'b'"]),
        ([], ["--criterion"]),
    ],
    ids=lambda value: " ".join(value),
)
@pytest.mark.parametrize("out", ["stops.csv", "new/stops.parquet"])
def test_a_mistake_in_a_criterion_is_one_message(
    earlystop, curves, tmp_path, criteria, expected, out
):
    before = files(tmp_path)
    assert_refused(earlystop("replay", curves, *chosen(*criteria), "-o", out), *expected)
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--restore", "middle"], ["restore = 'middle'", "'best', 'lowest', 'last', 'own' or"]),
        (["--n-jobs", "0"], ["n_jobs"]),
        (["--n-jobs", "two"], ["--n-jobs"]),
        (["--epochs", "3"], ["--epochs"]),
        (["-o", "stops.txt"], ["stops.txt", ".parquet or .csv"]),
        (["-o", "stops"], ["stops", ".parquet or .csv"]),
        (["-o", "stops.CSV.gz"], ["stops.CSV.gz", ".parquet or .csv"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_a_mistake_in_an_option_is_one_message(earlystop, curves, tmp_path, options, expected):
    before = files(tmp_path)
    assert_refused(earlystop("replay", curves, *chosen("GL(2)"), *options), *expected)
    assert files(tmp_path) == before


# -- mistakes with files -------------------------------------------------------------------


def nothing(path):
    """The path is left as it is."""


def folder_of_notes(path):
    path.mkdir()
    (path / "notes.txt").write_text("notes")


def text(path):
    path.write_text("notes of a meeting\n")


def cut(path):
    CURVES.write(path.with_suffix(".parquet"))
    path.write_bytes(path.with_suffix(".parquet").read_bytes()[:-20])


def folder_with_a_bad_file(path):
    CURVES.write(path)
    (path / "worse.parquet").write_text("notes")


def no_runs(path):
    CurveSet.from_runs([]).write(path.with_suffix(".parquet"))
    path.with_suffix(".parquet").rename(path)


def other_table(path):
    pq.write_table(pa.table({"run": ["a"], "author": ["b"]}), path)


def numbers_as_text(path):
    pq.write_table(pa.table({"run": ["a"], "val": [["1", "2"]]}), path)


def run_twice(path):
    CURVES.write(path)
    (path / "again.parquet").write_bytes((path / "toy.parquet").read_bytes())


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (nothing, ["does not exist", "curve set"]),
        (folder_of_notes, ["not a curve set", "no .parquet or .arrow file"]),
        (text, ["neither a curve set nor a training log"]),
        (cut, ["Parquet"]),
        (folder_with_a_bad_file, ["worse.parquet", "Parquet"]),
        (no_runs, ["empty"]),
        (other_table, ["no column looks like a validation error", "neither a curve set"]),
        (numbers_as_text, ["has lists in its cells", "neither a curve set"]),
        (run_twice, ["duplicate run id 'b'"]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize("out", [None, "stops.csv"])
def test_what_is_no_curve_set_is_one_message(earlystop, tmp_path, make, expected, out):
    path = tmp_path / "given"
    make(path)
    before = files(tmp_path)
    words = ["replay", path, *chosen("GL(2)"), *(["-o", out] if out else [])]
    code, stdout, stderr = earlystop(*words)
    assert_refused((code, stdout, stderr), *expected)
    assert files(tmp_path) == before


@pytest.mark.parametrize("make", [nothing, folder_of_notes, text, no_runs, other_table])
def test_what_is_no_curve_set_is_named_by_its_path(earlystop, tmp_path, make):
    path = tmp_path / "given"
    make(path)
    assert_refused(earlystop("replay", path, *chosen("GL(2)")), path)


@pytest.mark.parametrize("out", ["file/stops.csv", "file/new/stops.csv"])
def test_an_output_below_a_file_cannot_be_written(earlystop, curves, tmp_path, out):
    (tmp_path / "file").write_text("notes")
    before = files(tmp_path)
    result = earlystop("replay", curves, *chosen("GL(2)"), "-o", tmp_path / out)
    assert_refused(result, tmp_path / "file")
    # "File exists" alone would not say what is wrong with it
    assert re.search("not a (directory|folder)", result[2], re.I)
    assert files(tmp_path) == before


def test_an_output_that_is_a_folder_is_named(earlystop, curves, tmp_path):
    out = tmp_path / "stops.csv"
    out.mkdir()
    before = files(tmp_path)
    # and not the temporary file that was to become it
    assert_refused(earlystop("replay", curves, *chosen("GL(2)"), "-o", out), f"{out}: ")
    assert files(tmp_path) == before


# -- the study -----------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch):
    """Where the study is told to read and write; it is not run."""
    calls = []
    monkeypatch.setattr(
        "earlystop_lab.report.prechelt1997.reproduce",
        lambda *given, margin: calls.append((*given, margin)),
    )
    monkeypatch.setattr("earlystop_lab.report.in_words", lambda found: "the answer")
    return calls


def checkout(folder):
    (folder / "data" / "curves").mkdir(parents=True)
    return folder


def test_the_study_around_the_current_folder_is_run(earlystop, tmp_path, monkeypatch, asked):
    checkout(tmp_path)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    code, stdout, stderr = earlystop(
        "reproduce", "--out", "there", "--corpus", "mine", "--margin", "2%"
    )
    assert (code, stderr) == (0, "")
    assert asked == [(tmp_path / "data", Path("there"), "mine", None, 0.02)]
    place = Path("there", "mine")
    assert stdout == f"the answer\nTables in {place}, figures in {place / 'figures'}\n"


def installed(root, monkeypatch):
    """The package as if it was installed in a folder, with the data that it has inside."""
    inside = root / "earlystop_lab" / "data"
    for part in ("reference", f"curves/{fetching.SMALL}"):
        shutil.copytree(Path(__file__).parents[2] / "data" / part, inside / part)
    place = root / "earlystop_lab" / "sources" / "corpora" / "fetching.py"
    monkeypatch.setattr(fetching, "__file__", str(place))
    monkeypatch.setattr(fetching, "_INSIDE", inside)


def test_elsewhere_the_study_around_the_package_is_run(earlystop, tmp_path, monkeypatch, asked):
    root = checkout(tmp_path / "installed")
    installed(root, monkeypatch)
    assert earlystop("reproduce")[0] == 0
    assert asked == [(root / "data", root / "results", "prechelt1997", root / "figures", 0.005)]


def test_the_data_may_lie_anywhere(earlystop, tmp_path, asked):
    assert earlystop("reproduce", "--data", "mine/data")[0] == 0
    root = tmp_path / "mine"
    assert asked == [(root / "data", root / "results", "prechelt1997", root / "figures", 0.005)]


def test_outside_a_checkout_the_study_is_run_on_what_is_in_the_package(
    earlystop, tmp_path, monkeypatch, asked
):
    installed(tmp_path / "lib", monkeypatch)
    assert earlystop("reproduce")[0] == 0
    inside = tmp_path / "lib" / "earlystop_lab" / "data"
    assert asked == [(inside, tmp_path / "results", "prechelt1997-small", None, 0.005)]


def test_a_corpus_that_is_not_there_is_said_with_where_to_get_it(earlystop, tmp_path, monkeypatch):
    installed(tmp_path / "lib", monkeypatch)
    before = files(tmp_path)
    for words in (
        ["reproduce", "--corpus", "prechelt1997"],
        ["reproduce", "--proben1", tmp_path],
        ["recommend", "prechelt1997"],
        ["replay", "prechelt1997", "-c", "GL(2)"],
    ):
        result = earlystop(*words)
        assert_refused(result, "corpus prechelt1997 is not on this machine", "set EARLYSTOP_DATA")
        assert len(result[2].splitlines()) == 1
    assert files(tmp_path) == before


def test_the_name_of_a_corpus_is_taken_for_its_curves(earlystop, tmp_path, monkeypatch):
    installed(tmp_path / "lib", monkeypatch)
    code, said, errors = earlystop("replay", "prechelt1997-small", "-c", "GL(2)", "--json")
    assert (code, errors, len(json.loads(said))) == (0, "", 36)
    # what has that name in the current folder comes first
    (tmp_path / "prechelt1997-small").mkdir()
    CURVES.write(tmp_path / "prechelt1997-small" / "mine.parquet")
    code, said, errors = earlystop("replay", "prechelt1997-small", "-c", "GL(2)", "--json")
    assert (code, errors, len(json.loads(said))) == (0, "", 2)


def test_a_folder_without_the_study_s_data_is_named(earlystop, tmp_path):
    result = earlystop("reproduce", "--data", checkout(tmp_path) / "data", "--out", "out")
    assert_refused(result, tmp_path / "data" / "reference", "does not exist", "checkout")
    assert not (tmp_path / "out").exists()


def test_an_unknown_corpus_is_named(earlystop, tmp_path):
    result = earlystop("reproduce", "--corpus", "nosuch", "--out", tmp_path / "out")
    assert_refused(result, Path("data", "curves", "nosuch"), "does not exist")
    assert files(tmp_path) == {}


@pytest.mark.parametrize("corpus", ["no/such", "../curves", "/", "prechelt1997/"])
def test_a_corpus_is_a_name_not_a_path(earlystop, tmp_path, corpus):
    result = earlystop("reproduce", "--corpus", corpus, "--out", tmp_path / "out")
    assert_refused(result, repr(corpus), "a folder in curves/")
    assert files(tmp_path) == {}


def test_raw_data_that_are_not_there_are_named(earlystop, tmp_path):
    result = earlystop("reproduce", "--proben1", tmp_path / "raw", "--out", tmp_path / "out")
    assert_refused(result, tmp_path / "raw", "not a folder", ".dt files")
    assert files(tmp_path) == {}


def test_only_the_study_itself_is_trained_from_raw_data(earlystop, tmp_path):
    words = ["--proben1", tmp_path, "--corpus", "mine", "--out", tmp_path / "out"]
    assert_refused(earlystop("reproduce", *words), "--corpus mine", "--proben1", "prechelt1997")
    assert files(tmp_path) == {}


# -- in a process of its own ---------------------------------------------------------------


@pytest.mark.parametrize(
    "start", [["-c", "from earlystop_lab.cli import main; main()"], ["-m", "earlystop_lab"]]
)
def test_a_process_of_its_own_ends_as_this_one(curves, tmp_path, start):
    def run(*words):
        return subprocess.run(
            [sys.executable, *start, "replay", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    good = run("curves.parquet", *chosen(*CRITERIA), "-o", "stops.parquet")
    assert (good.returncode, good.stderr) == (0, "")
    found = pd.read_parquet(tmp_path / "stops.parquet")
    pd.testing.assert_frame_equal(found, replay(CURVES, CRITERIA).to_frame())
    bad = run("nosuch.parquet", *chosen("GL(2)"))
    assert bad.returncode == 2
    assert (
        bad.stderr
        == "earlystop: nosuch.parquet does not exist; expected a curve set (Parquet or Arrow)\n"
    )


# -- bench ---------------------------------------------------------------------------------

PLAIN = '''
import numpy as np
from earlystop_lab import criterion

def best(val):
    return np.minimum.accumulate(val)

@criterion(threshold="rise", passes=">")
def AboveBest(val):
    """How far the validation error is above its best so far."""
    return val - best(val)

@criterion(threshold="level", passes=">")
def Peeking(val):
    """Looks ahead."""
    return val - val.min()
'''


@pytest.fixture
def rules(tmp_path, monkeypatch):
    """Rules in a file, runs to compare them on, and few rivals: enough to see the command work."""
    monkeypatch.setattr(
        "earlystop_lab.studies.comparison.FAMILIES", {name: FAMILIES[name] for name in ("GL", "UP")}
    )
    (tmp_path / "rules.py").write_text(PLAIN)
    simulate("gradient_flow", 24, seed=1).write(tmp_path / "flow.parquet")


@pytest.mark.usefixtures("rules")
def test_bench_answers_and_writes_tables_and_the_figure(earlystop, tmp_path):
    formats = ["--format", "md", "--format", "csv", "--format", "tex"]
    code, said, _ = earlystop(
        "bench", "rules.py:AboveBest", "--corpus", "flow.parquet", "-o", "out", *formats
    )
    assert code == 0
    assert "Is AboveBest better than the known stopping criteria" in said
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"report.md", "report.csv", "report.tex", "fronts.png", "fronts.pdf"}
    assert all(str(Path("out") / name) in said for name in written)


def test_bench_names_what_is_missing_before_the_extra(earlystop, tmp_path, monkeypatch):
    def require():
        raise ValueError("the report needs the package altair")

    monkeypatch.setattr("earlystop_lab.report.require", require)
    assert_refused(earlystop("bench", "nope.py:X"), "nope.py does not exist")
    (tmp_path / "rules.py").write_text(PLAIN)
    monkeypatch.setenv("EARLYSTOP_DATA", str(tmp_path / "nothing"))
    result = earlystop("bench", "rules.py:AboveBest")
    assert_refused(result, "EARLYSTOP_DATA", "--corpus")
    result = earlystop("bench", "rules.py:AboveBest", "--format", "html", "--corpus", "no.parquet")
    assert_refused(result, "the report needs the package altair")
    assert [*files(tmp_path)] == [tmp_path / "rules.py"]


@pytest.mark.usefixtures("rules")
def test_bench_without_the_extra_writes_its_tables(earlystop, tmp_path, monkeypatch):
    def require():
        raise ValueError("the report needs the package altair")

    monkeypatch.setattr("earlystop_lab.report.require", require)
    code, said, errors = earlystop("bench", "rules.py:AboveBest", "--corpus", "flow.parquet")
    assert code == 0
    assert "earlystop: the report needs the package altair; writing report.md instead\n" in errors
    assert str(Path("bench-AboveBest") / "report.md") in said


def test_bench_says_where_it_compares_on_the_small_corpus_alone(earlystop, tmp_path, monkeypatch):
    asked = []
    installed(tmp_path / "lib", monkeypatch)
    (tmp_path / "rules.py").write_text(PLAIN)

    def bench(rule, corpora, **options):
        asked.extend(corpora)
        raise ValueError("enough")

    monkeypatch.setattr("earlystop_lab.studies.comparison.bench", bench)
    code, _, errors = earlystop("bench", "rules.py:AboveBest", "--format", "csv")
    assert (code, asked) == (2, ["prechelt1997-small"])
    assert "compared on prechelt1997-small alone, the 36 runs in the package" in errors


@pytest.mark.usefixtures("rules")
def test_bench_sends_a_rule_in_a_file_to_its_workers(earlystop, tmp_path):
    words = ["bench", "rules.py:AboveBest", "--corpus", "flow.parquet", "--format", "csv"]
    said = [earlystop(*words, "-o", "out", "--n-jobs", jobs) for jobs in (1, 2)]
    assert said[0] == said[1]
    assert said[0][0] == 0


@pytest.mark.usefixtures("rules")
@pytest.mark.parametrize(
    ("name", "more", "expected"),
    [
        ("Peeking", [], "not causal"),
        ("AboveBest", ["--format", "xls"], "--format 'xls'"),
        ("AboveBest", ["--corpus", "flow.parquet"], "two curve sets are named flow.parquet"),
    ],
)
def test_bench_refuses(earlystop, tmp_path, name, more, expected):
    result = earlystop(
        "bench", f"rules.py:{name}", "--corpus", "flow.parquet", "--format", "csv", *more
    )
    assert_refused(result, expected)
    assert not (tmp_path / f"bench-{name}").exists()


# -- answers for other programs ---------------------------------------------------------------

#: command lines that answer, and what their JSON holds
ANSWERS = {
    "replay curves.parquet -c GL(2,k=1)": lambda found: found[0]["criterion"] == "GL(2, k=1)",
    "criteria": lambda found: [row["rule"].split("(")[0] for row in found] == [*FAMILIES],
    "check rules.py:AboveBest": lambda found: found["passed"] is True,
    "recommend curves.parquet": lambda found: found["verdict"] == "declined",
    "survey curves.parquet --n-jobs 1": lambda found: {row["runs"] for row in found} <= {0, 1, 2},
    "corpus list": lambda found: [*found] == [*CORPORA, *RECORDED],
    "corpus info curves.parquet": lambda found: (
        [row["channel"] for row in found["channels"]] == ["epoch", "val", "train", "test"]
    ),
}


@pytest.mark.usefixtures("curves")
@pytest.mark.parametrize("line", ANSWERS)
def test_an_answer_is_there_as_text_and_as_json(earlystop, tmp_path, line):
    (tmp_path / "rules.py").write_text(PLAIN)
    text, data = earlystop(*line.split()), earlystop(*line.split(), "--json")
    assert (text[0], data[0], data[2]) == (0, 0, "")
    found = json.loads(data[1])
    assert ANSWERS[line](found)
    if line.startswith("replay"):
        return
    for name, expected in (("answer.json", data[1]), ("answer.txt", text[1])):
        assert earlystop(*line.split(), "-o", name)[:2] == text[:2]
        assert (tmp_path / name).read_text(encoding="utf-8") == expected


@pytest.mark.usefixtures("curves")
@pytest.mark.parametrize("line", ["criteria", "survey curves.parquet --n-jobs 1"])
def test_a_table_is_there_as_csv(earlystop, tmp_path, line):
    assert earlystop(*line.split(), "-o", "table.csv")[0] == 0
    rows = json.loads(earlystop(*line.split(), "--json")[1])
    read = pd.read_csv(tmp_path / "table.csv", keep_default_na=False)
    assert [*read] == [*rows[0]]
    assert len(read) == len(rows)


@pytest.mark.usefixtures("curves")
def test_json_of_stops_is_no_file_of_stops(earlystop):
    result = earlystop("replay", "curves.parquet", "-c", "GL(2)", "--json", "-o", "stops.csv")
    assert_refused(result, "--json", "without --out")


@pytest.mark.usefixtures("rules")
def test_bench_keeps_what_it_computed_and_says_where(earlystop, tmp_path, monkeypatch):
    monkeypatch.setenv("EARLYSTOP_CACHE", str(tmp_path / "kept"))
    words = ["bench", "rules.py:AboveBest", "--corpus", "flow.parquet", "--format", "csv"]
    asked = [earlystop(*words, *more) for more in (["--no-cache"], [], [])]
    assert asked[0][0] == 0
    assert asked == asked[:1] * 3
    assert json.loads(earlystop("cache", "--json")[1])["files"] == 3
    code, said, _ = earlystop("cache", "-o", "told.txt")
    assert code == 0
    assert said.startswith(f"{tmp_path / 'kept'}: 3 files, 0.")
    assert said.endswith(" MB of at most 2147 MB\n")
    assert (tmp_path / "told.txt").read_text() == said
    assert earlystop("cache", "--clear")[1].startswith("3 files removed\n")
    assert json.loads(earlystop("cache", "--clear", "--json")[1])["removed"] == 0


@pytest.mark.usefixtures("rules")
def test_bench_answers_in_json_and_still_writes_the_report(earlystop, tmp_path):
    words = ["bench", "rules.py:AboveBest", "--corpus", "flow.parquet", "--format", "csv"]
    code, said, told = earlystop(*words, "--json", "-o", "out")
    found = json.loads(said)
    assert code == 0
    assert found["rule"] == "AboveBest"
    assert found["answer"].startswith("Is AboveBest better")
    rows = pd.read_csv(tmp_path / "out" / "report.csv")
    assert [row["rule"] for row in found["corpora"][0]["comparisons"]] == rows["rule"].tolist()
    assert str(Path("out") / "report.csv") in told


# -- plot ----------------------------------------------------------------------------------


def test_plot_draws_a_log_as_it_is(earlystop, tmp_path):
    (tmp_path / "log.csv").write_text(
        "epoch,loss,val_loss\n1,0.9,1.0\n2,0.5,0.8\n3,0.4,0.7\n4,0.3,0.72\n5,0.2,0.8\n6,0.1,0.9\n"
    )
    words = ("plot", "run", "log.csv", "-c", "GL(5, k=1)")
    code, out, _ = earlystop(*words, "-o", "run.svg", "--width", "column", "--style", "grey")
    assert (code, out) == (0, "run.svg\n")
    drawn = (tmp_path / "run.svg").read_text("utf-8")
    assert re.search(r'<svg [^>]*width="234pt"', drawn)  # 3.25 inches
    # text is drawn as outlines, and said in comments
    said = " ".join(re.findall(r"<!-- (.*?) -->", drawn, re.S))
    assert "GL(5, k=1) stops at epoch 5: GL 14.2857%" in flat(said)
    earlystop(*words, "-o", "again.svg", "--width", "column", "--style", "grey")
    assert (tmp_path / "again.svg").read_text("utf-8") == drawn


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "x.csv", "-c", "GL(5)", "-o", "x.gif"), "expected a name ending in .pdf or"),
        (("run", "x.csv", "-c", "GL(5)", "-o", "x.pdf", "--width", "1"), "inches from 2.5 to 20"),
        (("run", "x.csv", "-c", "GL(5)", "-o", "x.pdf", "--style", "gray"), "did you mean 'grey'?"),
        (("run", "x.csv", "-c", "GL(5)", "-o", "x.pdf", "--run", "y"), "expected one of x"),
        (("front", "x.csv", "-c", "any_of(GL(1), UP(2))", "-o", "x.pdf"), "cannot be swept"),
        (("calibration", "x.csv", "-o", "x.pdf"), "9 are needed"),
        (("tradeoff", "x.csv", "--reference", "UP(99)", "-o", "x.pdf"), "not among the criteria"),
    ],
)
def test_plot_names_mistakes_and_writes_nothing(earlystop, tmp_path, words, message):
    (tmp_path / "x.csv").write_text("epoch,loss,val_loss\n1,0.9,1.0\n2,0.5,0.8\n3,0.4,0.7\n")
    code, out, err = earlystop("plot", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err
    assert not list(tmp_path.glob("x.[pg]*"))


def test_prune_says_why_a_number_is_unknown(earlystop, tmp_path):
    unknown, zero = tmp_path / "unknown.parquet", tmp_path / "zero.parquet"
    CurveSet.from_runs([{"val": [float("nan")] * 2}]).write(unknown)
    CurveSet.from_runs([{"val": [1.0, 0.0]}]).write(zero)
    code, out, _ = earlystop("prune", unknown, "-c", "Keras(1)")
    assert code == 0
    assert "killed, loss and regret are NaN, as no run has a validation error" in out
    code, out, _ = earlystop("prune", zero, "-c", "Keras(1)")
    assert code == 0
    assert "; regret is NaN, as the lowest error of a search is not above 0" in out


def test_watch_does_not_save_runs_in_a_file(earlystop, tmp_path):
    taken = tmp_path / "taken.csv"
    taken.write_text("mine")
    assert_refused(
        earlystop("watch", "-o", taken), "--out", "taken.csv", "a file; expected a folder"
    )
    assert taken.read_text() == "mine"


def test_watch_says_which_logs_do_not_exist_yet(earlystop, tmp_path, monkeypatch):
    (tmp_path / "there.csv").write_text("epoch,val_loss\n")
    monkeypatch.setattr("earlystop_lab.live.watch.server.serve", lambda *given, **options: None)
    code, _, err = earlystop("watch", "there.csv", "tpyo.csv")
    assert (code, err) == (0, "tpyo.csv does not exist; it is read once it does\n")


def test_simulate_takes_one_value_of_a_parameter(earlystop, tmp_path):
    words = [
        "simulate",
        "parametric",
        "-n",
        "2",
        "-p",
        "epochs=5",
        "-p",
        "epochs=6",
        "-o",
        "s.arrow",
    ]
    assert_refused(earlystop(*words), "--param epochs: given as 5 and 6; expected one value")
    assert files(tmp_path) == {}
