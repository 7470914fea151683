"""The built wheel, as a user has it: its types, its contents, and every command in an empty folder.

Here, the wheel is unpacked into an environment that sees the libraries of this one, and nothing is
compiled. ``make wheel`` sets EARLYSTOP_WHEEL to an environment in which pip installed it and
nothing else: then the commands that take minutes run, too.
"""

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from email import message_from_bytes
from email.message import Message
from importlib.metadata import distribution
from pathlib import Path

import pytest
from pasted import cells_of, paste

from earlystop_lab import cli

ROOT = Path(__file__).parents[1]
#: an environment with nothing but the wheel, of ``make wheel``
ALONE = os.environ.get("EARLYSTOP_WHEEL")
SMALL = "earlystop_lab/data/curves/prechelt1997-small"
TUTORIALS = ("first_steps", "reproduce", "patience", "new_rule", "training")

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
    "prune x.parquet -c SyneTuneASHA(3) --orders 2": "SyneTuneASHA()",
    "cache": "MB of at most",
    "corpus list": "taskset",
    "corpus info prechelt1997-small": "cancer",
    "plot run log.csv -c GL(5,k=1) -o run.png": "run.png",
}
#: those that compile rules, or compare them all: a minute or more
LONG = {
    "reproduce": "# Prechelt's study on prechelt1997-small: 36 of 1296 runs, 12 problems",
    "recommend prechelt1997-small": "Keras(",
    "calibrate prechelt1997-small Keras --at-most 10%": "Keras(",
    "replay prechelt1997-small -c GL(2) -c UP(3)": "GL(2)",
    "survey prechelt1997-small": "36 runs",
    "bench rules.py:Above --format md": "Is Above better than the known stopping criteria",
    "plot tradeoff x.parquet -c GL(2) -c UP(2) --reference GL(2) -o tradeoff.pdf": "tradeoff.pdf",
    "plot front x.parquet -o front.pdf": "front.pdf",
    "plot profiles x.parquet -c GL(2) -o profiles.pdf": "profiles.pdf",
    "plot ranks prechelt1997-small -o ranks.pdf": "ranks.pdf",
    "plot calibration x.parquet --at-most 5% -o calibration.pdf": "calibration.pdf",
    "plot gallery x.parquet -o gallery.pdf": "gallery.pdf",
}
if ALONE:
    COMMANDS |= LONG
REFUSALS = {
    "bench rules.py:Above --format html": 'pip install "earlystop_lab[report]"',
    "watch": 'pip install "earlystop_lab[watch]"',
    "replay x.parquet -c GL(2) --scheduler tcp://x:1": 'pip install "earlystop_lab[distributed]"',
    "reproduce --corpus prechelt1997": "EARLYSTOP_DATA",
    "recommend modern-nets": "EARLYSTOP_DATA",
    "corpus build taskset nothing -o there": "nothing",
    "train proben1 --data nothing -o runs": "nothing",
}


def built(kind, folder, source=ROOT):
    """The wheel or source distribution of a source tree."""
    pytest.importorskip("hatchling", reason="builds the package")
    build = [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", folder]
    subprocess.run(build, cwd=source, check=True, capture_output=True)
    (made,) = folder.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return made


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return built("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    """The unpacked source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    with tarfile.open(built("sdist", folder)) as file:
        file.extractall(folder, filter="data")
    (tree,) = (each for each in folder.iterdir() if each.is_dir())
    return tree


@pytest.fixture(scope="module")
def user(wheel, tmp_path_factory):
    """The Python of an environment with the wheel in it, and the libraries of this one."""
    folder = tmp_path_factory.mktemp("user") / "venv" if ALONE is None else ROOT / ALONE
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    if ALONE is None:
        venv.create(folder, with_pip=False)
        (packages,) = folder.rglob("site-packages")
        with zipfile.ZipFile(wheel) as file:
            file.extractall(packages)
        # editable installs are not looked at there
        libraries = [path for path in sys.path if Path(path).name == "site-packages"]
        (packages / "libraries.pth").write_text("\n".join([*libraries, ""]))
    return scripts / ("python.exe" if os.name == "nt" else "python")


# -- what is inside ------------------------------------------------------------------------


def contents(wheel):
    with zipfile.ZipFile(wheel) as file:
        return {info.filename: info for info in file.infolist()}


def about(wheel) -> Message:
    with zipfile.ZipFile(wheel) as file:
        (name,) = (name for name in file.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(file.read(name))


def test_the_wheel_has_the_package_the_small_corpus_and_the_published_numbers(wheel):
    inside = contents(wheel)
    source = ROOT / "earlystop_lab"
    expected = {
        f"earlystop_lab/{path.relative_to(source).as_posix()}"
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    data = {
        f"earlystop_lab/data/{file.relative_to(ROOT / 'data').as_posix()}"
        for place in ("curves/prechelt1997-small", "reference")
        for file in (ROOT / "data" / place).iterdir()
    }
    assert {name for name in inside if ".dist-info/" not in name} == expected | data
    corpus = sum(info.file_size for name, info in inside.items() if name.startswith(SMALL))
    assert corpus < 700_000
    assert wheel.stat().st_size < 2_000_000


def test_the_wheel_says_what_a_list_of_components_needs(wheel):
    said = about(wheel)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert said["Name"].replace("-", "_") == "earlystop_lab"
    assert said["Version"] == project["version"]
    assert said["License-Expression"] == "BSD-3-Clause"
    assert said["Requires-Python"] == ">=3.11"
    assert said["Author"]
    assert said.get_all("Project-URL")
    # as PyPI demands beside an expression
    assert not [each for each in said.get_all("Classifier") if each.startswith("License ::")]
    licences = said.get_all("License-File")
    assert licences == ["LICENSE", "data/LICENSES.md"]
    for name in licences:
        (there,) = (n for n in contents(wheel) if n.endswith(f".dist-info/licenses/{name}"))
        with zipfile.ZipFile(wheel) as file:
            assert file.read(there) == (ROOT / name).read_bytes()


def test_the_licences_of_data_are_those_of_the_corpora():
    from earlystop_lab.sources.corpora import RECORDED

    text = (ROOT / "data" / "LICENSES.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `curves/(\S+)` \| (\S+) \| (yes|no) \|$", text, re.M)
    inside = {name: "yes" if name == Path(SMALL).name else "no" for name in RECORDED}
    assert sorted(rows) == sorted((n, RECORDED[n].licence, inside[n]) for n in RECORDED)


def test_the_newest_entry_of_the_changelog_is_of_this_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    head = re.search(r"^## (\S+)", text, re.M)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert head[1] == project["version"]


def test_the_source_distribution_makes_the_same_wheel(sdist, wheel, tmp_path):
    again = built("wheel", tmp_path, sdist)
    sums = [{name: info.CRC for name, info in contents(each).items()} for each in (wheel, again)]
    assert sums[0] == sums[1]


def test_the_source_distribution_has_what_tests_without_extras_need(sdist):
    for name in ("tests", "experiments", "docs", "data/reference", "data/studies", "figures"):
        assert sorted(path.name for path in (sdist / name).iterdir() if path.is_file()) == sorted(
            path.name for path in (ROOT / name).iterdir() if path.is_file()
        )
    for name in ("Makefile", "conftest.py", "constraints.txt", "README.md", "CHANGELOG.md"):
        assert (sdist / name).read_bytes() == (ROOT / name).read_bytes()
    # the larger ones would make it fifty times as large
    assert [path.name for path in (sdist / "data" / "curves").iterdir()] == [Path(SMALL).name]


#: bytes that the base install may take as its wheels are unpacked. What pip compiles when it
#: installs, unless told not to (--no-compile), takes another 150 MB
LARGEST = 680 * 2**20


def test_the_base_install_is_not_too_large():
    from packaging.requirements import Requirement

    sizes, waiting = {}, ["earlystop_lab"]
    while waiting:
        name = waiting.pop()
        found = distribution(name)
        if found.metadata["Name"] in sizes:
            continue
        sizes[found.metadata["Name"]] = sum(file.size or 0 for file in found.files or [])
        needed = [Requirement(text) for text in found.requires or []]
        waiting += [r.name for r in needed if not r.marker or r.marker.evaluate({"extra": ""})]
    assert {"numpy", "scipy", "pandas", "pyarrow", "numba", "llvmlite", "matplotlib"} <= set(sizes)
    assert sum(sizes.values()) < LARGEST, sorted(sizes.items(), key=lambda item: -item[1])[:9]


# -- types ---------------------------------------------------------------------------------


def test_a_type_checker_sees_real_types(user, tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "page.py").write_text(PAGE, encoding="utf-8")
    (tmp_path / "mypy.ini").write_text("[mypy]\n")
    check = [sys.executable, "-m", "mypy", "--strict", "--python-executable", user, "page.py"]
    found = subprocess.run(check, cwd=tmp_path, capture_output=True, text=True)
    assert found.stdout == "Success: no issues found in 1 source file\n"


# -- every command -------------------------------------------------------------------------


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
    own = {"PYTHONPATH", "EARLYSTOP_DATA"} | ({"EARLYSTOP_COMPILE"} if ALONE else set())
    environment = {name: value for name, value in os.environ.items() if name not in own}
    if ALONE is None:
        environment["NUMBA_DISABLE_JIT"] = "1"
    subprocess.run(run, cwd=folder, check=True, timeout=1800, env=environment)
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


@pytest.mark.skipif(ALONE is None, reason="make wheel runs it; here, tests of the site do")
@pytest.mark.parametrize("page", TUTORIALS)
def test_a_tutorial_in_an_empty_folder_gives_what_it_gives_here(user, page, tmp_path):
    cells = {page: cells_of(ROOT / "docs" / "tutorials" / f"{page}.md")}
    assert len(cells[page]) > 1
    # tests of the site compare what it gives here with what the page shows
    printed = []
    for name, python in (("alone", user), ("here", sys.executable)):
        (folder := tmp_path / name).mkdir()
        printed.append(paste(cells, python, folder, PYTHONPATH="", EARLYSTOP_DATA=""))
    assert "Traceback" not in printed[0][page]
    assert printed[0] == printed[1]


def test_every_command_is_tried():
    import typer

    def commands(group, words=()):
        for name, command in group.commands.items():
            if hasattr(command, "commands"):
                yield from commands(command, (*words, name))
            else:
                yield " ".join((*words, name))

    tried = (*COMMANDS, *LONG, *REFUSALS)
    for command in commands(typer.main.get_command(cli.app)):
        assert any(line == command or line.startswith(f"{command} ") for line in tried), command
