"""The built wheel, as a user has it: its types, and every command in an empty folder."""

import json
import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from earlystop_lab import cli

ROOT = Path(__file__).parents[1]

#: a page of somebody's code: ``assert_type`` fails where a type is Any, too
PAGE = """
from typing import assert_type

import numpy as np
import numpy.typing as npt
import pandas as pd

import earlystop_lab as es
from earlystop_lab import (
    GL,
    UP,
    Channel,
    Curve,
    CurveSet,
    EarlystopError,
    Keras,
    Stops,
    any_of,
    calibrate,
    check_criterion,
    criterion,
    parse,
    read_curves,
    read_logs,
    recommend,
    replay,
    simulate,
    trace,
    tradeoff,
)
from earlystop_lab.criteria import Combination, Criterion, Family, Rule
from earlystop_lab.live import Stopper
from earlystop_lab.sources.logs import LogImport
from earlystop_lab.studies.calibration import Calibrated
from earlystop_lab.studies.recommendation import Recommendation

Floats = npt.NDArray[np.float64]

curves = CurveSet.from_runs(
    [{"run": "a", "val": [3.0, 2.0, 2.5]}], channels={"val": Channel(direction="min")}
)
assert_type(curves, CurveSet)
assert_type(read_curves("curves.parquet"), CurveSet)
assert_type(simulate("gradient_flow", 3, seed=1), CurveSet)
assert_type(CurveSet.from_frame(curves.to_frame()), CurveSet)
assert_type(curves[0], Curve)
assert_type(curves["a"], Curve)
assert_type(curves[0:1], CurveSet)
assert_type(curves[0].val, Floats)
assert_type(curves[0].train, Floats | None)
assert_type(curves.runs, list[str])
assert_type(curves.meta, pd.DataFrame)
for curve in curves:
    assert_type(curve.run, str)

assert_type(GL, Family)
rule = assert_type(GL(2, k=1), Criterion)
both = assert_type(any_of(rule, UP(3)), Combination)
assert_type(parse("GL(2)"), Rule)
stops = assert_type(replay(curves, [rule, both, "Keras(10)"], n_jobs=2), Stops)
assert_type(stops.stop, Floats)
assert_type(stops.fired, npt.NDArray[np.bool_])
assert_type(stops.to_frame(), pd.DataFrame)
assert_type(stops["lr"], Floats)
assert_type(trace(rule, curves[0]).statistic, Floats)
table: pd.DataFrame = tradeoff(stops, reference="GL(2, k=1)")
assert_type(recommend(curves, max_loss=0.01), Recommendation)
assert_type(calibrate(curves, Keras, at_most=0.05), Calibrated)
assert_type(read_logs("logs"), LogImport)
assert_type(read_logs("logs").curves, CurveSet)
assert_type(es.replay(curves, {"mine": rule}), Stops)


@criterion(threshold="level", passes="<")
def Below(val: Floats, *, scale: float = 1.0) -> Floats:
    return np.minimum.accumulate(val) / scale


assert_type(Below, Family)
assert_type(Below(0.5, scale=2.0), Criterion)
check_criterion(Below)

with Stopper(rule, record="runs") as stopper:
    assert_type(stopper, Stopper)
    if assert_type(stopper.update(val=0.5, epoch=1), bool):
        print(stopper.reason)

try:
    read_curves("nothing")
except EarlystopError as error:
    assert_type(error, EarlystopError)
"""

#: tells for each command line its exit code and what it said; what extras bring is not there
RUNNER = """
import contextlib, io, json, sys
from pathlib import Path
lines, missing = json.loads(sys.argv[1])
sys.modules.update(dict.fromkeys(missing))
from earlystop_lab.cli import main
answers = []
for words in lines:
    sys.argv = ["earlystop", *words]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
    answers.append((code, out.getvalue(), err.getvalue()))
    rules = Path("rules.py")
    if not rules.exists():
        rules.write_text('''
from earlystop_lab import criterion
import numpy as np
@criterion(threshold="rise", passes=">")
def Above(val):
    return val - np.minimum.accumulate(val)
''')
        Path("log.csv").write_text("epoch,loss,val_loss\\n0,3,3\\n1,2,1\\n2,1,2\\n")
import earlystop_lab
Path("answers.json").write_text(json.dumps([earlystop_lab.__file__, answers]))
"""

#: a line for every command, and what it answers: a part of its output, or of the one line it says
COMMANDS = {
    "--version": "earlystop_lab ",
    "--help": "Usage: earlystop",
    "simulate gradient_flow -n 20 -p epochs=60 -o x.parquet": "x.parquet: CurveSet: 20 runs",
    "replay x.parquet -c GL(2) -c Keras(10)": "Keras(10)",
    "replay x.parquet -c GL(2) -o stops.csv": "stops.csv: 20 stops",
    "criteria": "Keras",
    "check rules.py:Above": "rules.py:Above",
    "recommend x.parquet": "Keras",
    "survey x.parquet --n-jobs 1": "20 runs",
    "calibrate x.parquet Keras --at-most 5%": "Keras(",
    "import log.csv -o log.parquet": "log.parquet: CurveSet: 1 run",
    "cache": "MB of at most",
    "corpus list": "taskset",
    "corpus info x.parquet": "val",
}
REFUSALS = {
    "bench rules.py:Above": "--corpus",
    "bench rules.py:Above --corpus x.parquet": 'pip install "earlystop_lab[report]"',
    "watch": 'pip install "earlystop_lab[watch]"',
    "replay x.parquet -c GL(2) --scheduler tcp://x:1": 'pip install "earlystop_lab[distributed]"',
    "reproduce": "--data",
    "corpus build taskset nothing -o there": "nothing",
    "train proben1 --data nothing -o runs": "nothing",
}


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """The Python of an environment with the wheel in it, and the libraries of this one."""
    pytest.importorskip("hatchling", reason="builds the wheel")
    folder = tmp_path_factory.mktemp("user")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist"]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    venv.create(folder / "venv", with_pip=False)
    (packages,) = (folder / "venv").rglob("site-packages")
    (wheel,) = (folder / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as file:
        file.extractall(packages)
    # editable installs are not looked at there
    libraries = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "libraries.pth").write_text("\n".join([*libraries, ""]))
    scripts = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
    return scripts / Path(sys.executable).name


def test_a_type_checker_sees_real_types(user, tmp_path):
    (tmp_path / "page.py").write_text(PAGE, encoding="utf-8")
    (tmp_path / "mypy.ini").write_text("[mypy]\n")
    check = [sys.executable, "-m", "mypy", "--strict", "--python-executable", user, "page.py"]
    found = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True)
    assert found.stdout == "Success: no issues found in 1 source file\n"


@pytest.fixture(scope="module")
def answers(user, tmp_path_factory):
    """Exit code, output and errors of every command line in an empty folder; where it ran."""
    folder = tmp_path_factory.mktemp("empty")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [project["optional-dependencies"][name] for name in ("distributed", "watch", "report")]
    named = {"vl-convert-python": "vl_convert"}
    missing = [named.get(name, name) for extra in extras for name in extra]
    lines = [line.split() for line in (*COMMANDS, *REFUSALS)]
    run = [user, "-c", RUNNER, json.dumps([lines, missing])]
    # to compile every rule takes longer than these few curves
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = {**clean, "NUMBA_DISABLE_JIT": "1"}
    subprocess.run(run, cwd=folder, check=True, timeout=300, env=environment)
    where, found = json.loads((folder / "answers.json").read_text())
    assert Path(where).is_relative_to(user.parents[1])
    return dict(zip((*COMMANDS, *REFUSALS), found, strict=True))


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_works_in_an_empty_folder(answers, line):
    code, out, err = answers[line]
    assert (code, "Traceback" in err) == (0, False)
    assert COMMANDS[line] in out


@pytest.mark.parametrize("line", REFUSALS)
def test_a_command_says_in_one_line_what_it_needs(answers, line):
    code, out, err = answers[line]
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert REFUSALS[line] in err


def test_every_command_is_tried():
    import typer

    def commands(group, words=()):
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from commands(command, (*words, name))
            else:
                yield " ".join((*words, name))

    tried = (*COMMANDS, *REFUSALS)
    for command in commands(typer.main.get_command(cli.app)):
        assert any(line == command or line.startswith(f"{command} ") for line in tried), command
