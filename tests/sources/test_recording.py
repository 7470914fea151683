import inspect
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from earlystop_lab.curves import read_curves
from earlystop_lab.sources.recording import Job, record
from earlystop_lab.sources.training import Rprop, proben1_jobs


def fake_training(folder, name, length):
    """Curves that depend on the name alone; every call is noted, a 'broken' mark stops it."""
    with (folder / "calls").open("a") as calls:
        calls.write(f"{name}\n")
    if (folder / f"{name}.broken").exists():
        raise RuntimeError(f"{name} broke")
    curves = np.random.default_rng([*name.encode()]).random((3, length)).astype(np.float32)
    return dict(zip(("train", "val", "test"), curves, strict=True))


def fake_jobs(folder, names="abcde", **settings):
    # dearest first is the order of training: e, d, c, b, a
    return [
        Job(
            {"run": name, "problem": "xy"[i % 2], "repeat": i, **settings},
            float(i + 1),
            fake_training,
            (folder, name, 3 + i),
        )
        for i, name in enumerate(names)
    ]


def calls(folder):
    return (folder / "calls").read_text().split() if (folder / "calls").exists() else []


def content(path):
    """Every byte of a file, or of all files of a folder by name."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [(file.name, file.read_bytes()) for file in files]


def contents(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "calls")


OUTPUTS = ["out.parquet", "out"]


@pytest.mark.parametrize("name", OUTPUTS)
def test_output_holds_every_run_as_it_was_trained(tmp_path, name):
    jobs = fake_jobs(tmp_path)
    returned = record(jobs, tmp_path / name)
    for curves in (returned, read_curves(tmp_path / name)):
        assert sorted(curves.runs) == [*"abcde"]
        meta = curves.meta.set_index("run")
        for job in jobs:
            expected = job.train(*job.arguments)
            for column, values in expected.items():
                assert getattr(curves[job.meta["run"]], column).tolist() == values.tolist()
            row = meta.loc[job.meta["run"]]
            assert (row["problem"], row["repeat"]) == (job.meta["problem"], job.meta["repeat"])
        # float32 as recorded, not widened: a study is half as large
        assert {str(curves.table.schema.field(c).type.value_type) for c in expected} == {"float"}
    assert returned.runs == [*"abcde"]
    assert contents(tmp_path) == [name]


def test_a_folder_output_has_a_file_a_problem(tmp_path):
    record(fake_jobs(tmp_path), tmp_path / "out")
    assert contents(tmp_path / "out") == ["x.parquet", "y.parquet"]
    assert read_curves(tmp_path / "out" / "y.parquet").runs == ["b", "d"]


def test_the_dearest_run_starts_first(tmp_path):
    record(fake_jobs(tmp_path), tmp_path / "out.parquet")
    assert calls(tmp_path) == [*"edcba"]


@pytest.mark.parametrize("name", OUTPUTS)
def test_every_byte_is_the_same_for_any_number_of_processes(tmp_path, name):
    for n_jobs in (1, 2):
        record(fake_jobs(tmp_path), tmp_path / str(n_jobs) / name, n_jobs=n_jobs)
    assert content(tmp_path / "1" / name) == content(tmp_path / "2" / name)
    assert contents(tmp_path / "2") == [name]


def test_trained_networks_are_the_same_for_any_number_of_processes(tmp_path, write_dt):
    folder = write_dt("toy1").parent
    for n_jobs in (1, 2):
        jobs = proben1_jobs(folder, datasets=["toy1"], topologies=[(), (2, 2)], epochs=30)
        record(jobs, tmp_path / f"{n_jobs}.parquet", n_jobs=n_jobs)
    assert (tmp_path / "1.parquet").read_bytes() == (tmp_path / "2.parquet").read_bytes()


# -- interruptions -------------------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("name", OUTPUTS)
def test_after_a_failure_only_what_is_missing_is_trained(tmp_path, name, n_jobs):
    whole = tmp_path / "whole" / name
    record(fake_jobs(tmp_path), whole)
    (tmp_path / "calls").unlink()

    (tmp_path / "b.broken").touch()
    with pytest.raises(RuntimeError, match="b broke"):
        record(fake_jobs(tmp_path), tmp_path / name, n_jobs=n_jobs)
    assert not (tmp_path / name).exists()
    kept = {file.stem for file in (tmp_path / f"{name}.partial").glob("*.parquet")}
    if n_jobs == 1:
        assert kept == {*"edc"}
    assert "b" not in kept

    (tmp_path / "b.broken").unlink()
    (tmp_path / "calls").unlink()
    record(fake_jobs(tmp_path), tmp_path / name, n_jobs=n_jobs)
    assert set(calls(tmp_path)) == {*"abcde"} - kept
    assert len(calls(tmp_path)) == 5 - len(kept)
    assert content(tmp_path / name) == content(whole)
    assert contents(tmp_path) == sorted([name, "whole"])


def test_a_complete_output_is_left_as_it_is(tmp_path):
    path = tmp_path / "out.parquet"
    record(fake_jobs(tmp_path), path)
    before = path.stat()
    (tmp_path / "calls").unlink()
    again = record(fake_jobs(tmp_path), path)
    assert calls(tmp_path) == []
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert again.runs == [*"abcde"]
    assert contents(tmp_path) == ["out.parquet"]


def test_a_partial_folder_left_beside_a_complete_output_goes(tmp_path):
    # as after a kill between writing the output and removing the folder
    record(fake_jobs(tmp_path), tmp_path / "out.parquet")
    (tmp_path / "out.parquet.partial").mkdir()
    record(fake_jobs(tmp_path, "e"), tmp_path / "out.parquet.partial" / "e.parquet")
    record(fake_jobs(tmp_path), tmp_path / "out.parquet")
    assert contents(tmp_path) == ["out.parquet"]


def killed_in_mid_run(command, partial, total):
    """Start the command and kill it, with its workers, once some but not all runs are there."""
    process = subprocess.Popen(
        command,
        cwd=partial.parent,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 60
        while not list(partial.glob("*.parquet")):
            assert process.poll() is None, "it ended without a partial folder"
            assert time.monotonic() < deadline, "no run finished in a minute"
            time.sleep(0.005)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert 0 < len(list(partial.glob("*.parquet"))) < total


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs POSIX process groups")
@pytest.mark.parametrize(("name", "n_jobs"), [("out.parquet", 1), ("out", 2)])
def test_a_killed_command_goes_on_to_the_same_bytes(tmp_path, write_dt, name, n_jobs):
    for dataset in ("toy1", "yot1"):
        folder = write_dt(dataset, inputs=6, parts=(60, 30, 30)).parent
    settings = {"topologies": [(8, 4), (8,)], "epochs": 3000}
    jobs = proben1_jobs(folder, datasets=["toy1", "yot1"], **settings)
    record(jobs, tmp_path / "whole" / name)

    command = [
        *(sys.executable, "-c", "from earlystop_lab.cli import main; main()", "train", "proben1"),
        *("--data", str(folder), "--datasets", "toy1,yot1", "--hidden", "8+4,8"),
        *("--epochs", "3000", "--n-jobs", str(n_jobs), "-o", str(tmp_path / name)),
    ]
    partial = tmp_path / f"{name}.partial"
    killed_in_mid_run(command, partial, len(jobs))
    assert not (tmp_path / name).exists()
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    assert content(tmp_path / name) == content(tmp_path / "whole" / name)
    assert contents(tmp_path) == sorted(["data", name, "whole"])


# -- other runs than these -----------------------------------------------------------------


@pytest.mark.parametrize("state", ["complete", "partial"])
def test_other_settings_are_refused_by_name(tmp_path, state):
    path = tmp_path / "out.parquet"
    if state == "partial":
        (tmp_path / "a.broken").touch()
        with pytest.raises(RuntimeError):
            record(fake_jobs(tmp_path, epochs=100), path)
        where = "out.parquet.partial"
    else:
        record(fake_jobs(tmp_path, epochs=100), path)
        where = "out.parquet"
    before = content(tmp_path / where)
    (tmp_path / "calls").unlink()
    with pytest.raises(ValueError, match=rf"{where}.*epochs = 100, but this command says 200"):
        record(fake_jobs(tmp_path, epochs=200), path)
    assert calls(tmp_path) == []
    assert content(tmp_path / where) == before


OTHER = {
    "eta_plus": 1.3,
    "eta_minus": 0.4,
    "delta0": (0.1, 0.15),
    "delta_min": 0.01,
    "delta_max": 0.2,
    "init": 0.3,
}


@pytest.mark.parametrize("setting", inspect.signature(Rprop).parameters)
def test_every_setting_of_rprop_that_changes_curves_is_told_apart(tmp_path, write_dt, setting):
    folder = write_dt("toy1").parent
    study = {"datasets": ["toy1"], "topologies": [(2,)], "epochs": 60, "runs": 1}
    usual = proben1_jobs(folder, **study)
    other = proben1_jobs(folder, **study, rprop=Rprop(**{setting: OTHER[setting]}))
    record(usual, tmp_path / "usual.parquet")
    assert any(
        (one.train(*one.arguments)["val"] != two.train(*two.arguments)["val"]).any()
        for one, two in zip(usual, other, strict=True)
    )
    with pytest.raises(ValueError, match=setting):
        record(other, tmp_path / "usual.parquet")


def test_more_or_fewer_or_other_runs_are_refused(tmp_path):
    path = tmp_path / "out.parquet"
    record(fake_jobs(tmp_path), path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="has 5 runs, but this command makes 3"):
        record(fake_jobs(tmp_path, "abc"), path)
    with pytest.raises(ValueError, match="has no run 'f'"):
        record(fake_jobs(tmp_path, "abcdef"), path)
    assert path.read_bytes() == before
    assert contents(tmp_path) == ["out.parquet"]


def test_two_jobs_of_one_id_are_refused_before_any_training(tmp_path):
    with pytest.raises(ValueError, match="'a'"):
        record(fake_jobs(tmp_path, "aba"), tmp_path / "out.parquet")
    assert calls(tmp_path) == []
    assert contents(tmp_path) == []


def test_no_jobs_at_all_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no runs"):
        record([], tmp_path / "out.parquet")
    assert contents(tmp_path) == []


@pytest.mark.parametrize("name", OUTPUTS)
def test_an_output_that_is_something_else_is_left_alone(tmp_path, name):
    path = tmp_path / name
    if name.endswith(".parquet"):
        path.write_text("notes")
    else:
        path.mkdir()
        (path / "notes.txt").write_text("notes")
    before = content(path)
    with pytest.raises(ValueError, match=str(path)):
        record(fake_jobs(tmp_path), path)
    assert content(path) == before
    assert calls(tmp_path) == []
    assert contents(tmp_path) == [name]


def test_a_diverged_run_is_recorded_and_resumed(tmp_path, write_dt):
    folder = write_dt("toy1").parent
    jobs = proben1_jobs(
        folder, datasets=["toy1"], topologies=[()], epochs=5, rprop=Rprop(init=1e200)
    )
    record(jobs, tmp_path / "out.parquet")
    curves = record(jobs, tmp_path / "out.parquet")
    assert np.isposinf(curves["toy1-none-linear-1"].val).all()


def test_progress_counts_runs(tmp_path, capsys):
    record(fake_jobs(tmp_path), tmp_path / "out.parquet", progress=True)
    assert "5/5 runs" in capsys.readouterr().err
    record(fake_jobs(tmp_path), tmp_path / "quiet.parquet")
    assert capsys.readouterr() == ("", "")
