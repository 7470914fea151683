"""Names and values from outside reach the terminal and the reports as nothing but text."""

import ast
import csv
import io
import json
import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

import earlystop_lab
from earlystop_lab import CurveSet, cli
from earlystop_lab._common.wording import visible

#: clears a screen, sets a title, rings, steps back, overrides the direction, is invisible, forges
#: a line, is half a character
NASTY = "\x1b[2J\x1b]0;x\x07a\x08\x9b31m\u202e\u200b\u2028\x7f\rb\nskipped: forged: line"
PACKAGE = Path(earlystop_lab.__file__).parent


@pytest.fixture
def earlystop(tmp_path, monkeypatch, capsys):
    """Run the command line in an empty folder: exit code, and what reaches the terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["earlystop", *map(str, words)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        streams = capsys.readouterr()
        return stop.value.code or 0, *streams

    return run


def is_harmless(text):
    """Whether nothing in a text controls a terminal, or is a line of its own that was forged."""
    odd = {c for c in text if not c.isprintable() and c != "\n"}
    return not odd and not re.search("^skipped: forged", text, re.MULTILINE)


def shown(code, out, err):
    assert is_harmless(out), ascii(out)
    assert is_harmless(err), ascii(err)
    return code, out, err


@pytest.fixture
def curves(tmp_path):
    """Curves with awful names of runs, problems, channels and of their file."""
    file = tmp_path / f"x{NASTY}.parquet"
    rows = [
        {
            "run": f"{NASTY}{i}",
            "problem": f"{NASTY}p{i % 3}",
            "val": [1.0, 0.5 + i / 99, 0.4, 0.6 + i / 50, 0.7],
            "test": [1.0, 0.5, 0.4, 0.6, 0.7],
            NASTY: [1.0] * 5,
            "note": f"=1+1{NASTY}",
        }
        for i in range(4)
    ]
    CurveSet.from_runs(rows).write(file)
    return file


@pytest.fixture
def log(tmp_path):
    """A log whose name and columns are awful, and one that is skipped."""
    file = tmp_path / "logs" / f"x{NASTY}.csv"
    file.parent.mkdir()
    quoted = NASTY.replace("\r", "").replace("\n", "").replace("\u2028", "")
    file.write_text(
        f'epoch,"{quoted}",val_loss\n1,2,0.5\n2,{quoted},0.4\n3,2,{quoted}\n4,2,0.6\n', newline=""
    )
    (file.parent / f"no{NASTY}.csv").write_text("a,b\nx,y\n")
    (file.parent / f"no{NASTY}.json").write_text(f"{{'{NASTY}'")
    return file.parent


RULE = """
import numpy as np
from earlystop_lab import criterion
@criterion(threshold="rise", passes=">")
def Rise(val):
    "Above the best."
    return val - np.minimum.accumulate(val)
@criterion(threshold="rise", passes=">")
def Bad(val):
    "Fails."
    raise ValueError({nasty!r})
"""


@pytest.mark.parametrize(
    "words",
    [
        ["replay", "CURVES", "-c", "GL(2)"],
        ["replay", "CURVES", "-c", "GL(2)", "--json"],
        ["replay", "CURVES", "-c", "GL(2)", "-o", f"{NASTY}.csv"],
        ["replay", "CURVES", "-c", NASTY],
        ["replay", "CURVES", "-c", f"GL(2, val={NASTY!r})"],
        ["replay", f"no{NASTY}", "-c", "GL(2)"],
        ["replay", "CURVES", "-c", "GL(2)", "-o", f"x.{NASTY}"],
        ["replay", "LOG", "-c", "GL(2)"],
        ["corpus", "info", "CURVES"],
        ["corpus", "info", "CURVES", "--json"],
        ["corpus", "info", "LOG"],
        ["corpus", "build", NASTY, "LOG", "-o", "x"],
        ["corpus", "build", "taskset", "LOG", "-o", NASTY],
        ["recommend", "CURVES"],
        ["recommend", "CURVES", "--json"],
        ["recommend", "LOG", "--max-loss", NASTY],
        ["survey", "LOG", "--n-jobs", "1", "-o", f"{NASTY}.csv"],
        ["import", "LOG", "--dry-run"],
        ["import", "LOG", "-o", f"{NASTY}.parquet"],
        ["import", "LOG", "--val", NASTY, "--dry-run"],
        ["import", f"no{NASTY}", "--dry-run"],
        ["simulate", "resample", "--curves", "CURVES", "-n", "5", "-o", f"{NASTY}.parquet"],
        ["simulate", NASTY, "-o", "x.parquet"],
        ["simulate", "parametric", "-p", NASTY, "-o", "x.parquet"],
        ["check", "RULE:Rise"],
        ["check", "RULE:Bad"],
        ["check", f"RULE:{NASTY}"],
        ["check", f"no{NASTY}.py:Rise"],
        ["bench", "RULE:Bad", "--corpus", "CURVES"],
        ["reproduce", "--data", f"no{NASTY}"],
        ["train", "proben1", "--data", f"no{NASTY}", "-o", "x", "--datasets", "cancer1"],
        ["watch", "-c", NASTY],
        ["watch", "--host", f"no{NASTY}"],
        [NASTY],
        ["replay", f"--{NASTY}"],
        ["replay", "CURVES", "-c", "GL(2)", "--n-jobs", NASTY],
        ["replay", "CURVES", "-c", "GL(2)", NASTY],
    ],
    ids=lambda words: visible(" ".join(words))[:40],
)
def test_every_command_prints_names_as_text(earlystop, tmp_path, curves, log, words):
    rule = tmp_path / f"r{NASTY}.py"
    rule.write_text(RULE.format(nasty=NASTY))
    given = {"CURVES": str(curves), "LOG": str(log)}
    words = [given.get(word, word).replace("RULE:", f"{rule}:") for word in words]
    _, out, err = shown(*earlystop(*words))
    assert out or err


def test_the_names_are_still_told(earlystop, curves, log):
    _, out, _ = shown(*earlystop("corpus", "info", curves))
    assert r"\x1b[2J" in out
    assert r"\u202e" in out
    _, _, err = shown(*earlystop("import", log, "--dry-run"))
    assert r"\x9b31m" in err


def test_json_keeps_every_character_in_escaped_form(earlystop, curves):
    _, out, _ = shown(*earlystop("replay", curves, "-c", "GL(2)", "--json"))
    assert {row["run"][:-1] for row in json.loads(out)} >= {NASTY}


def test_data_are_written_as_they_are(earlystop, tmp_path):
    CurveSet.from_runs([{"run": "=1+1", "val": [-1.0, -2.0, -1.5]}]).write("x.parquet")
    code, _, _ = earlystop("replay", "x.parquet", "-c", "Keras(1)", "-o", "stops.csv")
    assert code == 0
    (row,) = csv.DictReader(io.StringIO((tmp_path / "stops.csv").read_text()))
    assert (row["run"], float(row["val"])) == ("=1+1", -2.0)


def test_check_and_bench_run_the_file_of_the_rule(earlystop, tmp_path):
    trace = tmp_path / "trace"
    code = f"from pathlib import Path\nPath({str(trace)!r}).touch()\nBad = 3\n"
    (tmp_path / "rule.py").write_text(code)
    for command in ("check", "bench"):
        assert earlystop(command, "rule.py:Bad")[0] == 2
        assert trace.exists()
        trace.unlink()
    for words in (["import", "rule.py", "--dry-run"], ["replay", "rule.py", "-c", "GL(2)"]):
        earlystop(*words)
        assert not trace.exists()


def test_only_one_function_prints():
    for file in [*(PACKAGE / "cli").glob("*.py"), *(PACKAGE / "live/watch").glob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in ("print", "typer.echo", "sys.stdout.write"), file


@pytest.mark.parametrize(
    "char", [*map(chr, [*range(32), *range(127, 160), 0x202E, 0x200B, 0xD800])]
)
def test_no_odd_character_is_printed(char):
    told = visible(f"a{char}b")
    assert told.isprintable()
    assert ast.literal_eval(f"'{told}'") == f"a{char}b"


def test_letters_of_any_language_are_printed():
    text = "Übung 実験 эксперимент تجربة 😀 é"
    assert visible(text) == text
    assert unicodedata.category("é"[0]) == "Ll"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "words", [["--version"], ["--help"], ["criteria"], ["criteria", "--json"], ["corpus", "list"]]
)
def test_output_that_cannot_be_written_is_one_line(words):
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "earlystop_lab", *words],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "earlystop: standard output: No space left on device\n"


def test_a_reader_that_has_seen_enough_is_no_error():
    command = f"{sys.executable} -m earlystop_lab criteria --json | head -c 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_what_the_encoding_lacks_is_escaped(tmp_path):
    CurveSet.from_runs([{"run": "é", "val": [1.0, 2.0]}]).write(tmp_path / "x.parquet")
    done = subprocess.run(
        [sys.executable, "-m", "earlystop_lab", "replay", tmp_path / "x.parquet", "-c", "GL(2)"],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert rb"\xe9" in done.stdout
