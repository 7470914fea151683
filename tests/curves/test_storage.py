"""Curve sets in files: mapped Arrow files, and units that cover every run once."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from strategies import random_runs

from earlystop_lab import GL, CurveSet, read_curves, replay
from earlystop_lab.curves import files, is_curves, storing

DATA = Path(__file__).parent / "data"
CURVES = CurveSet.from_runs(random_runs(seed=4, count=50))


@pytest.fixture(params=["curves.parquet", "curves.arrow", "mixed"])
def path(request, tmp_path):
    """The curves in one file of either kind, or in a folder with both."""
    if request.param != "mixed":
        CURVES.write(tmp_path / request.param)
        return tmp_path / request.param
    CURVES[:20].write(tmp_path / "a.arrow")
    CURVES[20:].write(tmp_path / "b.parquet")
    return tmp_path


def test_a_file_holds_what_was_written(path):
    found = read_curves(path)
    assert found.table.schema.equals(CURVES.table.schema)
    assert found.meta.equals(CURVES.meta)
    for name in ("epoch", "val", "train", "test"):
        # NaN is NaN, bit by bit
        for a, b in zip(found.channel(name), CURVES.channel(name), strict=True):
            assert (a is b is None) or a.tobytes() == b.tobytes()


def test_formats_convert_into_each_other(tmp_path):
    CURVES.write(tmp_path / "a.arrow")
    read_curves(tmp_path / "a.arrow").write(tmp_path / "b.parquet")
    read_curves(tmp_path / "b.parquet").write(tmp_path / "c.arrow")
    assert (tmp_path / "a.arrow").read_bytes() == (tmp_path / "c.arrow").read_bytes()


def test_a_mapped_file_is_not_copied(tmp_path):
    val = np.arange(1e6)
    CurveSet.from_runs([{"val": val}, {"val": val}]).write(tmp_path / "big.arrow")
    before = pa.total_allocated_bytes()
    curves = read_curves(tmp_path / "big.arrow")
    channel = curves.channel("val")
    assert pa.total_allocated_bytes() - before < 1e5
    assert channel.values.base is not None
    assert channel.values[-1] == val[-1]


def test_units_cover_every_run_once_and_in_order(path):
    runs = [
        curve.run for unit in files.units(path) for part in files.chunks(unit, 7) for curve in part
    ]
    assert runs == CURVES.runs
    assert sum(unit.runs for unit in files.units(path)) == len(CURVES)


def test_a_large_arrow_file_has_many_units(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_UNIT", 64)
    CURVES.write(tmp_path / "curves.arrow")
    found = files.units(tmp_path / "curves.arrow")
    assert len(found) > 5
    parts = [part for unit in found for part in files.chunks(unit)]
    assert [run for part in parts for run in part.runs] == CURVES.runs
    stops = replay(tmp_path / "curves.arrow", [GL(5, k=1)], n_jobs=2)
    assert stops.stop.tolist() == replay(CURVES, [GL(5, k=1)]).stop.tolist()


def test_the_more_criteria_the_fewer_runs_has_a_unit(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_STOPS", 100)
    CURVES.write(tmp_path / "curves.arrow")
    rules = [GL(alpha, k=1) for alpha in range(30)]
    found = files.units(tmp_path / "curves.arrow", len(rules))
    assert max(unit.runs for unit in found) == 100 // 30
    assert sum(unit.runs for unit in found) == len(CURVES)
    stops = replay(tmp_path / "curves.arrow", rules)
    assert stops.stop.tolist() == replay(CURVES, rules).stop.tolist()


@pytest.mark.parametrize("suffix", ["arrow", "parquet"])
@pytest.mark.parametrize("length", [0, 3, 200])
def test_a_cut_file_is_named(tmp_path, suffix, length):
    whole, cut = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    CURVES.write(whole)
    cut.write_bytes(whole.read_bytes()[:length])
    for read in (read_curves, lambda path: replay(path, [GL(2)])):
        with pytest.raises(ValueError, match=rf"cut\.{suffix}: not an? \w+ file"):
            read(cut)


@pytest.mark.parametrize("suffix", ["arrow", "parquet"])
def test_a_damaged_file_is_a_curve_set_that_is_refused(tmp_path, suffix):
    path = tmp_path / f"damaged.{suffix}"
    CURVES.write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-60] + b"damage" + whole[-54:])
    for read in (read_curves, is_curves, lambda path: replay(path, [GL(2)])):
        with pytest.raises(ValueError, match=rf"damaged\.{suffix}: damaged: its footer is not"):
            read(path)


def test_a_set_in_several_batches_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(storing, "_BATCH", 4096)
    path = tmp_path / "curves.arrow"
    CURVES.write(path)
    assert len(storing.groups(path)) > 3
    assert repr(read_curves(path).table.to_pylist()) == repr(CURVES.table.to_pylist())
    rules = [GL(5, k=1), GL(20, k=1)]
    for stops in (replay(path, rules), replay(path, rules, n_jobs=2), replay(CURVES, rules)):
        assert stops.stop.tolist() == replay(read_curves(path), rules).stop.tolist()


@pytest.mark.parametrize("suffix", ["arrow", "parquet"])
def test_in_a_file_of_version_1_low_is_good_and_no_metric_known(suffix):
    curves = read_curves(DATA / f"version1.{suffix}")
    assert list(curves.channels.index) == ["epoch", "val", "train"]
    known = curves.channels.loc[["val", "train"]]
    assert known["direction"].tolist() == ["min", "min"]
    assert known["role"].tolist() == ["val", "train"]
    assert known["metric"].isna().all()
    assert replay(curves, [GL(20, k=1)]).stop.tolist() == [[15.0], [2.0]]
