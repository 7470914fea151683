import re
import subprocess
import sys

import numpy as np
import pytest

from earlystop_lab import cli
from earlystop_lab.curves import read_curves


def dt_text(parts=(8, 4, 4), seed=0):
    """A data set of random examples with 3 inputs and 1 output."""
    rows = np.random.default_rng(seed).random((sum(parts), 4)).round(3).tolist()
    return (
        "bool_in=0\nreal_in=3\nbool_out=1\nreal_out=0\n"
        f"training_examples={parts[0]}\nvalidation_examples={parts[1]}\ntest_examples={parts[2]}\n"
        + "".join(" ".join(map(str, row)) + "\n" for row in rows)
    )


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "toy1.dt").write_text(dt_text(seed=1))
    (folder / "toy2.dt").write_text(dt_text(seed=2))
    return folder


def arguments(data, out, changed):
    """A small good command with some of its options changed; None leaves one out."""
    options = {
        "--data": data,
        "--datasets": "toy1",
        "--hidden": "2",
        "--epochs": 6,
        "--n-jobs": 1,
        "-o": out,
        **changed,
    }
    words = ["train", "proben1"]
    for name, value in options.items():
        if value is not None:
            words += [name, *map(str, value if isinstance(value, tuple) else (value,))]
    return words


@pytest.fixture
def earlystop(data, tmp_path, monkeypatch, capsys):
    """Run the command line in this process: exit code, stdout and stderr."""

    def run(out="out.parquet", **changed):
        changed = {f"--{name.replace('_', '-')}": value for name, value in changed.items()}
        monkeypatch.setattr(sys, "argv", ["earlystop", *arguments(data, tmp_path / out, changed)])
        # any other exception would be a traceback
        with pytest.raises(SystemExit) as stop:
            cli.main()
        streams = capsys.readouterr()
        # some CI services force colours
        plain = [re.sub(r"\x1b\[[0-9;]*m", "", text) for text in (streams.out, streams.err)]
        return stop.value.code or 0, *plain

    return run


def files(folder):
    """Everything in the folder, hidden files too, with its bytes."""
    return {p: p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def shown(value):
    """The id of a case: the options it changes."""
    return " ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else ""


# -- good runs -----------------------------------------------------------------------------


@pytest.mark.parametrize("out", ["out.parquet", "new/folder/out.parquet", "out"])
def test_a_good_command_writes_the_study_s_three_runs(earlystop, tmp_path, out):
    code, stdout, stderr = earlystop(out)
    assert (code, stderr) == (0, "")
    assert str(tmp_path / out) in stdout.replace("\n", "")
    curves = read_curves(tmp_path / out)
    assert curves.runs == ["toy1-2-linear-1", "toy1-2-linear-2", "toy1-2-sigmoid-1"]
    for curve in curves:
        assert curve.epoch.tolist() == [1, 2, 3, 4, 5, 6]
        assert len(curve.train) == len(curve.val) == len(curve.test) == 6
    assert (tmp_path / out).is_dir() == (out == "out")
    assert not list(tmp_path.rglob("*.partial"))


@pytest.mark.parametrize(
    ("changed", "runs"),
    [
        ({"hidden": "none", "output": "linear"}, ["toy1-none-linear-1", "toy1-none-linear-2"]),
        ({"output": "linear"}, ["toy1-2-linear-1", "toy1-2-linear-2"]),
        ({"output": "sigmoid"}, ["toy1-2-sigmoid-1"]),
        ({"runs": 1}, ["toy1-2-linear-1", "toy1-2-sigmoid-1"]),
        ({"runs": 2, "output": "sigmoid"}, ["toy1-2-sigmoid-1", "toy1-2-sigmoid-2"]),
        (
            {"hidden": "3+2, none", "output": "sigmoid", "datasets": "toy2, toy1"},
            [f"{d}-{h}-sigmoid-1" for d in ("toy2", "toy1") for h in ("3+2", "none")],
        ),
    ],
)
def test_options_choose_the_runs(earlystop, tmp_path, changed, runs):
    assert earlystop(**changed)[0] == 0
    assert read_curves(tmp_path / "out.parquet").runs == runs


def test_settings_reach_the_runs(earlystop, tmp_path):
    settings = {"eta_plus": 1.25, "delta0": (0.01, 0.02), "init": 0.125, "seed": 7}
    assert earlystop(**settings)[0] == 0
    row = read_curves(tmp_path / "out.parquet").meta.iloc[0]
    assert [row[name] for name in ("eta_plus", "delta0_low", "delta0_high", "init", "seed")] == [
        1.25,
        0.01,
        0.02,
        0.125,
        7,
    ]
    assert earlystop("usual.parquet")[0] == 0
    one, other = (read_curves(tmp_path / f"{name}.parquet") for name in ("out", "usual"))
    assert (one[0].val != other[0].val).any()


def test_without_datasets_it_is_the_study(earlystop, data):
    code, _, stderr = earlystop(datasets=None)
    # building1 is the first of the 36 and not here
    assert code == 2
    assert str(data / "building1.dt") in stderr.replace("\n", "")


def test_the_same_command_again_changes_nothing(earlystop, tmp_path):
    assert earlystop()[0] == 0
    path = tmp_path / "out.parquet"
    before, state = path.read_bytes(), path.stat()
    code, stdout, stderr = earlystop()
    assert (code, stderr) == (0, "")
    assert "3 runs" in stdout
    assert (path.read_bytes(), path.stat().st_mtime_ns) == (before, state.st_mtime_ns)


# -- mistakes ------------------------------------------------------------------------------


def assert_refused(result, *expected):
    """Exit code 2 and one message on stderr that says what was wrong."""
    code, _, stderr = result
    assert code == 2
    # the terminal's width may break lines
    flat = re.sub(r"\s+", " ", stderr.replace("│", " "))
    for part in expected:
        assert part in flat
    assert "Traceback" not in stderr
    assert len(re.findall(r"^earlystop: |Invalid value|No such option", stderr, re.M)) == 1


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"datasets": "cancer9"}, ["cancer9.dt", "No such file"]),
        ({"data": "no/such/folder"}, ["no/such/folder", "No such file"]),
        ({"datasets": "toy1,toy2,toy1"}, ["--datasets", "duplicate toy1"]),
        ({"datasets": "toy1,./toy1"}, ["toy1"]),
        ({"datasets": ","}, ["--datasets"]),
        ({"datasets": "toy1,"}, ["--datasets"]),
        *(
            ({"hidden": text}, ["--hidden", "8+4"])
            for text in ("8+", "8-4", "0", "8+0", "-2", "2.5", "two", "8,,4", "99999999999")
        ),
        ({"hidden": "2,2"}, ["--hidden", "duplicate 2"]),
        ({"hidden": "2,02"}, ["--hidden"]),
        *(
            ({"output": text}, ["--output", "linear, sigmoid"])
            for text in ("relu", "Linear", "linear,,sigmoid", "linear;sigmoid")
        ),
        ({"output": "linear,linear"}, ["--output", "duplicate linear"]),
        *(({"epochs": value}, ["--epochs"]) for value in (-5, 0, 1.5, "many")),
        *(({"runs": value}, ["--runs"]) for value in (-1, 0, "x")),
        *(
            ({"delta0": value}, ["delta0"])
            for value in ((0.2, 0.05), ("nan", 0.2), (0.05, "nan"), (0.05, "inf"), (-0.1, 0.1))
        ),
        *(({"init": value}, ["init"]) for value in ("inf", "nan", -0.5, "1e308", "x")),
        *(({"eta_plus": value}, ["eta"]) for value in (0.9, "nan", "x")),
        *(({"seed": value}, ["seed"]) for value in (-1, 2**64, "x")),
        ({"n_jobs": 0}, ["n_jobs"]),
        ({"n_jobs": "x"}, ["--n-jobs"]),
        ({"patience": 3}, ["--patience"]),
    ],
    ids=shown,
)
def test_a_mistake_is_one_message_and_writes_nothing(earlystop, tmp_path, changed, expected):
    before = files(tmp_path)
    assert_refused(earlystop(**changed), *expected)
    assert files(tmp_path) == before


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(dt_text()[:-30], "expected 3 inputs + 1 outputs", id="cut in a row"),
        pytest.param(dt_text()[: dt_text().index("ples=4")], "line 6", id="cut in the header"),
        pytest.param("\n".join(dt_text().splitlines()[:12]), "truncated", id="cut after a row"),
        pytest.param("", "line 1", id="empty"),
        pytest.param(dt_text().replace("0.", "0,"), "not a finite number", id="decimal commas"),
        pytest.param(
            re.sub(r"examples=\d", "examples=999999999", dt_text()), "16 examples", id="huge counts"
        ),
    ],
)
def test_a_bad_data_file_is_one_message_and_trains_nothing(
    earlystop, tmp_path, data, content, expected
):
    # the good toy1 comes first and must not be trained either
    (data / "bad1.dt").write_text(content)
    before = files(tmp_path)
    assert_refused(earlystop(datasets="toy1,bad1"), "bad1.dt", expected)
    assert files(tmp_path) == before


@pytest.mark.parametrize("out", ["file/out.parquet", "file/out"])
def test_an_output_below_a_file_cannot_be_written(earlystop, tmp_path, out):
    (tmp_path / "file").write_text("notes")
    before = files(tmp_path)
    assert_refused(earlystop(out), str(tmp_path / "file"), "Not a directory")
    assert files(tmp_path) == before


@pytest.mark.parametrize("out", ["out.parquet", "out"])
@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"epochs": 7}, "epochs = 6, but this command says 7"),
        ({"seed": 1}, "seed = 0, but this command says 1"),
        ({"init": 0.25}, "init = 0.5, but this command says 0.25"),
        ({"eta_plus": 1.2}, "eta_plus = 1.1, but this command says 1.2"),
        ({"delta0": (0.05, 0.3)}, "delta0_high = 0.2, but this command says 0.3"),
        ({"runs": 1}, "has 3 runs, but this command makes 2"),
        ({"hidden": "2,4"}, "has no run 'toy1-4-linear-1'"),
    ],
    ids=shown,
)
def test_an_output_of_other_settings_is_refused_and_kept(earlystop, tmp_path, out, changed, name):
    assert earlystop(out)[0] == 0
    before = files(tmp_path)
    assert_refused(earlystop(out, **changed), str(tmp_path / out), name)
    assert files(tmp_path) == before


@pytest.mark.parametrize("out", ["out.parquet", "out"])
def test_an_output_that_holds_no_curves_is_refused_and_kept(earlystop, tmp_path, out):
    path = tmp_path / out
    if out == "out":
        path.mkdir()
        path = path / "notes.txt"
    path.write_text("notes")
    before = files(tmp_path)
    assert_refused(earlystop(out), str(tmp_path / out))
    assert files(tmp_path) == before


def in_a_process(command, folder):
    code = "from earlystop_lab.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_mistake_in_a_process_of_its_own(data, tmp_path):
    command = arguments(data, tmp_path / "out.parquet", {"--datasets": "cancer9"})
    done = in_a_process(command, tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"earlystop: {data / 'cancer9.dt'}: No such file or directory\n"
    assert done.stdout == ""


def test_a_good_command_in_a_process_of_its_own(earlystop, data, tmp_path):
    command = arguments(data, tmp_path / "process.parquet", {"--n-jobs": None})
    done = in_a_process(command, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert earlystop()[0] == 0
    assert (tmp_path / "process.parquet").read_bytes() == (tmp_path / "out.parquet").read_bytes()
