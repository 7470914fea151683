"""Stops written unit by unit: resumed after an interruption, and from workers that may die."""

import errno
import itertools
import os
import signal
import sys
import time

import numpy as np
import pandas as pd
import pytest
from strategies import random_runs

from earlystop_lab import CurveSet, criterion, replay
from earlystop_lab._common.files import BusyError
from earlystop_lab.cli import main
from earlystop_lab.engine import into_files
from earlystop_lab.engine.into_files import replay_to_file

CURVES = CurveSet.from_runs(random_runs(seed=5, count=60))
CRITERIA = ["GL(5, k=1)", "Keras(2)", "any_of(UP(2, k=1), MaxEpochs(9))", "SklearnHGB(2)"]


@pytest.fixture
def folder(tmp_path):
    """The curves in twelve files, so in twelve units."""
    (tmp_path / "curves").mkdir()
    for i in range(12):
        CURVES[5 * i : 5 * i + 5].write(tmp_path / "curves" / f"{i:02}.arrow")
    return tmp_path / "curves"


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("name", ["stops.parquet", "stops.csv"])
def test_the_file_holds_what_the_package_finds(folder, tmp_path, name, n_jobs):
    rows = replay_to_file(folder, CRITERIA, tmp_path / name, n_jobs=n_jobs, restore="own")
    read = pd.read_parquet if name.endswith(".parquet") else pd.read_csv
    expected = replay(CURVES, CRITERIA, restore="own").to_frame()
    assert rows == len(expected)
    found = read(tmp_path / name, **({} if "parquet" in name else {"dtype": {"run": str}}))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def interrupted_after(count, monkeypatch):
    """Let the next call end as by Ctrl-C after some units; later calls tell what they skip."""
    skipped, original = [], into_files.parts

    def parts(*args, skip, **options):
        skipped.append(skip)
        results = original(*args, skip=skip, **options)
        if len(skipped) > 1:
            yield from results
            return
        yield from itertools.islice(results, count)
        raise KeyboardInterrupt

    monkeypatch.setattr(into_files, "parts", parts)
    return skipped


@pytest.mark.parametrize("count", [0, 1, 7, 12])
def test_the_same_call_goes_on_where_it_was_interrupted(folder, tmp_path, monkeypatch, count):
    replay_to_file(folder, CRITERIA, tmp_path / "whole.parquet")
    skipped = interrupted_after(count, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        replay_to_file(folder, CRITERIA, tmp_path / "stops.parquet")
    assert not (tmp_path / "stops.parquet").exists()
    replay_to_file(folder, CRITERIA, tmp_path / "stops.parquet")
    assert skipped == [0, count]
    assert (tmp_path / "stops.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


def test_a_clean_up_that_was_interrupted_is_no_trouble(folder, tmp_path, monkeypatch):
    """The finished units are removed in any order; so the first may be missing, or key.json."""
    replay_to_file(folder, CRITERIA, tmp_path / "whole.parquet")
    for missing in ("00000000.parquet", "00000004.parquet", "key.json"):
        with monkeypatch.context() as patch:
            skipped = interrupted_after(12, patch)
            with pytest.raises(KeyboardInterrupt):
                replay_to_file(folder, CRITERIA, tmp_path / "stops.parquet")
            (tmp_path / ".stops.parquet.partial" / missing).unlink()
            replay_to_file(folder, CRITERIA, tmp_path / "stops.parquet")
        assert skipped == [0, 4 if missing.startswith("00000004") else 0]
        whole = (tmp_path / "whole.parquet").read_bytes()
        assert (tmp_path / "stops.parquet").read_bytes() == whole
        assert not (tmp_path / ".stops.parquet.partial").exists()


@pytest.mark.parametrize("lost", [(0, 0), (0, 1), (0.1, 0.4), (0.5, 1)])
def test_units_that_a_power_failure_damaged_are_replayed_again(folder, tmp_path, monkeypatch, lost):
    replay_to_file(folder, CRITERIA, tmp_path / "whole.parquet")
    skipped = interrupted_after(7, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        replay_to_file(folder, CRITERIA, tmp_path / "stops.parquet")
    unit = tmp_path / ".stops.parquet.partial" / "00000003.parquet"
    content = unit.read_bytes()
    begin, end = (int(share * len(content)) for share in lost)
    unit.write_bytes(content[:begin] + bytes(end - begin) + content[end:] if end else b"")
    replay_to_file(folder, CRITERIA, tmp_path / "stops.parquet")
    assert skipped == [0, 3]
    assert (tmp_path / "stops.parquet").read_bytes() == (tmp_path / "whole.parquet").read_bytes()


@pytest.mark.parametrize("change", ["criteria", "restore", "file"])
def test_another_call_begins_anew(folder, tmp_path, monkeypatch, change):
    skipped = interrupted_after(7, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        replay_to_file(folder, CRITERIA, tmp_path / "stops.parquet")
    if change == "file":
        CURVES[:5].write(folder / "00.arrow")
        os.utime(folder / "00.arrow", (1, 1))
    rules = CRITERIA[:2] if change == "criteria" else CRITERIA
    restore = "last" if change == "restore" else "best"
    replay_to_file(folder, rules, tmp_path / "stops.parquet", restore=restore)
    assert skipped == [0, 0]
    expected = replay(CURVES, rules, restore=restore).to_frame()
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "stops.parquet"), expected, check_dtype=False
    )


def level(times):
    """One family, as its file is before and after an edit."""

    @criterion(threshold="level", passes=">")
    def Level(val):
        return val * times

    return Level


@pytest.mark.parametrize(
    ("before", "after"),
    [({"a": "GL(1, k=1)"}, {"a": "GL(50, k=1)"}), ([level(1)(2)], [level(10)(2)])],
    ids=["other rule of the name", "edited rule"],
)
def test_the_stops_of_another_rule_are_not_taken_over(folder, tmp_path, monkeypatch, before, after):
    skipped = interrupted_after(7, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        replay_to_file(folder, before, tmp_path / "stops.parquet")
    replay_to_file(folder, after, tmp_path / "stops.parquet")
    assert skipped == [0, 0]
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "stops.parquet"),
        replay(CURVES, after).to_frame(),
        check_dtype=False,
    )


def test_a_mistake_leaves_nothing_behind(folder, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    CURVES[:1].write(folder / "zz.arrow")
    with pytest.raises(ValueError, match="duplicate run id"):
        replay_to_file(folder, CRITERIA, tmp_path / "new" / "stops.parquet")
    (folder / "zz.arrow").unlink()
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["stops.parquet", "stops.csv"])
def test_a_second_call_leaves_the_output_of_the_first_alone(folder, tmp_path, monkeypatch, name):
    original, refused = into_files.parts, []

    def parts(*args, **options):
        for i, part in enumerate(original(*args, **options)):
            if i == 5:
                with pytest.raises(
                    BusyError, match=f"{name}: another process.* {os.getpid()}"
                ) as e:
                    replay_to_file(folder, ["GL(2)"], tmp_path / name)
                refused.append(e)
            yield part

    monkeypatch.setattr(into_files, "parts", parts)
    replay_to_file(folder, CRITERIA, tmp_path / name)
    assert len(refused) == 1
    monkeypatch.undo()
    replay_to_file(folder, CRITERIA, tmp_path / f"alone-{name}")
    assert (tmp_path / name).read_bytes() == (tmp_path / f"alone-{name}").read_bytes()
    # one that ended without giving it up holds it no more
    (tmp_path / f".{name}.holder").write_text("process 1")
    (tmp_path / f".{name}.lock").touch()
    replay_to_file(folder, CRITERIA, tmp_path / name)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_full_disk_is_said_of_the_file_that_was_asked_for(folder, tmp_path, monkeypatch):
    def full(frame, path, **options):
        raise OSError(errno.ENOSPC, "Error writing bytes to file")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(OSError, match="No space left on device") as caught:
        replay_to_file(folder, CRITERIA, tmp_path / "stops.csv")
    assert caught.value.filename == str(tmp_path / "stops.csv")


def test_a_lost_scheduler_is_one_line(folder, tmp_path, monkeypatch, capsys):
    distributed = pytest.importorskip("distributed", reason="the extra [distributed]")

    def lost(*args, **options):
        raise distributed.client.FutureCancelledError("unit-0", "scheduler-connection-lost")

    monkeypatch.setattr(into_files, "parts", lost)
    # without a worker, which nothing here needs and whose end may complain into another test
    cluster = distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=None)
    with cluster:
        address = cluster.scheduler_address
        command = ["replay", str(folder), "-c", "GL(2)", "-o", str(tmp_path / "stops.csv")]
        monkeypatch.setattr(sys, "argv", ["earlystop", *command, "--scheduler", address])
        with pytest.raises(SystemExit) as end:
            main()
    assert end.value.code == 2
    assert f"{address}: the connection was lost; rerun the same command" in (
        capsys.readouterr().err
    )


@criterion(threshold="level", passes=">")
def Slow(val):
    """Slow enough for a worker to be killed meanwhile."""
    time.sleep(0.02)
    return np.arange(len(val))


def test_a_killed_worker_costs_no_result(folder, tmp_path):
    distributed = pytest.importorskip("distributed", reason="the extra [distributed]")
    import joblib

    replay_to_file(folder, [Slow(3), "GL(5, k=1)"], tmp_path / "local.parquet")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
        joblib.parallel_config(backend="dask", client=client),
    ):
        # a real scheduler, and two worker processes, of which one dies with its first units
        original, killed = into_files.shown, []

        def shown(results, curves, progress):
            for part in results:
                if not killed:
                    victim = next(iter(cluster.workers.values())).pid
                    os.kill(victim, signal.SIGKILL)
                    killed.append(victim)
                yield part

        into_files.shown = shown
        try:
            replay_to_file(
                folder, [Slow(3), "GL(5, k=1)"], tmp_path / "far.parquet", n_jobs=-1, progress=True
            )
        finally:
            into_files.shown = original
        assert killed
    assert (tmp_path / "far.parquet").read_bytes() == (tmp_path / "local.parquet").read_bytes()
