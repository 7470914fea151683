"""Curve sets: what they refuse, how they look, and that Parquet gives back what was written."""

import math
import os

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st
from strategies import curves, random_runs

from earlystop_lab import Channel, CurveSet, read_curves

LISTS = ("epoch", "val", "train", "test")


def assert_same_curve(found, expected):
    assert found.run == expected.run
    for name in LISTS:
        a, b = getattr(found, name), getattr(expected, name)
        assert (a is None) == (b is None), name
        if a is not None:
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype == np.float64


def assert_same_set(found, expected):
    assert found.runs == expected.runs
    for a, b in zip(found, expected, strict=True):
        assert_same_curve(a, b)
    pd.testing.assert_frame_equal(found.meta, expected.meta, check_like=True)


TOY = CurveSet.from_runs(
    [
        {"run": "a", "val": [3.0, 2.0, 2.5], "train": [3.0, 1.0, 0.5], "problem": "x", "seed": 1},
        {"run": "b", "val": [4.0, 3.0], "epoch": [10, 20], "test": [5.0, 6.0], "problem": "y"},
        {"run": "c", "val": [math.nan, math.inf, -1.0, 0.0], "problem": "x", "seed": 3},
    ]
)

# -- making ----------------------------------------------------------------------------------


def test_curves_are_what_was_given():
    assert TOY["a"].val.tolist() == [3.0, 2.0, 2.5]
    assert TOY["a"].train.tolist() == [3.0, 1.0, 0.5]
    assert TOY["a"].test is None
    assert TOY["a"].epoch.tolist() == [1, 2, 3]
    assert TOY["b"].epoch.tolist() == [10, 20]
    assert TOY["b"].train is None
    assert TOY["b"].test.tolist() == [5.0, 6.0]
    assert np.isnan(TOY["c"].val[0])
    assert TOY["c"].val[1:].tolist() == [math.inf, -1.0, 0.0]


@given(st.lists(curves(), max_size=6))
def test_every_value_of_ragged_runs_comes_back(pairs):
    made = CurveSet.from_runs({"val": val, "train": train} for val, train in pairs)
    assert len(made) == len(pairs)
    for curve, (val, train) in zip(made, pairs, strict=True):
        np.testing.assert_array_equal(curve.val, val)
        np.testing.assert_array_equal(curve.train, train)


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3],
        (1.0, 2.0, 3.0),
        np.array([1, 2, 3], np.int8),
        np.array([1, 2, 3], np.uint64),
        np.array([1, 2, 3], np.float16),
        np.array([1, 2, 3], np.longdouble),
        np.array([9, 1, 9, 2, 9, 3])[1::2],
        pd.Series([1.0, 2.0, 3.0], index=[5, 6, 7]),
    ],
    ids=lambda values: type(values).__name__,
)
def test_any_list_of_numbers_is_a_curve(values):
    curve = CurveSet.from_runs([{"val": values, "train": values, "epoch": values}])[0]
    assert curve.val.tolist() == curve.train.tolist() == curve.epoch.tolist() == [1.0, 2.0, 3.0]


def test_runs_without_an_id_are_numbered_from_0():
    made = CurveSet.from_runs([{"val": [1.0]}, {"run": "named", "val": [2.0]}, {"val": [3.0]}])
    assert made.runs == ["0", "named", "2"]
    assert CurveSet.from_runs([{"run": 7, "val": [1.0]}])["7"].val.tolist() == [1.0]


def test_a_missing_curve_may_be_given_as_none():
    made = CurveSet.from_runs([{"val": [1.0], "train": None, "epoch": None}])
    assert made[0].train is None
    assert made[0].epoch.tolist() == [1]


def test_scores_are_kept_as_recorded_and_their_negatives_are_the_errors():
    metric, epoch = [0.25, math.nan, 0.75], [1, 2, 5]
    run = {"val": metric, "test": metric, "epoch": epoch, "accuracy": 0.75}
    higher = Channel(direction="max")
    made = CurveSet.from_runs([run], channels={"val": higher, "test": higher})
    for name in ("val", "test"):
        np.testing.assert_array_equal(made[0][name], metric)
        np.testing.assert_array_equal(made.channel(name).values, metric)
        np.testing.assert_array_equal(made.error(name).values, [-0.25, math.nan, -0.75])
    assert made[0].epoch.tolist() == epoch
    assert made.meta["accuracy"].tolist() == [0.75]


def test_what_was_given_is_copied():
    val = np.array([2.0, 1.0])
    made = CurveSet.from_runs([{"val": val}])
    val[:] = 9
    assert made[0].val.tolist() == [2.0, 1.0]


def test_the_empty_set():
    empty = CurveSet.from_runs([])
    assert len(empty) == 0
    assert list(empty) == empty.runs == []
    assert repr(empty) == "CurveSet: 0 runs, no checks, val; metadata: none"
    assert_same_set(empty + TOY, TOY)


def run(**changes):
    return {"run": "r7", "val": [1.0, 2.0], **changes}


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([[1.0, 2.0]], ["run 0", "mapping", "list"]),
        ({"val": [1.0]}, ["run 0", "mapping", "str"]),
        ([{"run": "r7", "rate": 1.0}], ["'r7'", "at least one channel", "rate"]),
        ([run(), {}], ["'1'", "at least one channel", "nothing"]),
        ([run(val=None)], ["'r7'", "at least one channel"]),
        ([run(epoch=[1, 2], val=None)], ["'r7'", "at least one channel"]),
        ([run(epoch=[1, None])], ["'r7'", "'epoch'", "position 1"]),
        ([run(lr=[1, 2], learning_rate=[1, 2])], ["'r7'", "duplicate 'lr'"]),
        ([run(seed=[1, 2]), run(run="b", seed=1)], ["'b'", "'seed'", "list of numbers", "int"]),
        ([run(val=[])], ["'r7'", "'val'", "empty list"]),
        ([run(val=3.0)], ["'r7'", "'val'", "list of numbers"]),
        ([run(val="12")], ["'r7'", "'val'", "list of numbers"]),
        ([run(val={1: 2})], ["'r7'", "'val'", "list of numbers"]),
        ([run(val=[[1.0, 2.0]])], ["'r7'", "'val'", "list of numbers"]),
        ([run(val=np.ones((2, 2)))], ["'r7'", "'val'", "list of numbers"]),
        ([run(val=[1.0, [2.0]])], ["'r7'", "'val'", "position 1"]),
        ([run(val=[1.0, "x"])], ["'r7'", "'val'", "position 1"]),
        ([run(val=[1.0, "2"])], ["'r7'", "'val'", "position 1"]),
        ([run(val=["1", "2"])], ["'r7'", "'val'", "position 0"]),
        ([run(val=[1.0, 2j])], ["'r7'", "'val'", "position 1"]),
        ([run(val=np.array([1.0, "x"], object))], ["'r7'", "'val'", "position 1"]),
        ([run(train=[1.0, object()])], ["'r7'", "'train'", "position 1"]),
        ([run(train=[1.0])], ["'r7'", "'train'", "1 values", "2"]),
        ([run(test=[])], ["'r7'", "'test'", "empty list"]),
        ([run(epoch=[1, 2, 3])], ["'r7'", "'epoch'", "3 values", "2"]),
        ([run(epoch=[2, 2])], ["'r7'", "'epoch'", "position 1", "2 after 2"]),
        ([run(epoch=[2, 1.5])], ["'r7'", "'epoch'", "position 1", "1.5 after 2"]),
        ([run(epoch=[math.nan, 1])], ["'r7'", "'epoch'", "position 0", "nan"]),
        ([run(epoch=[1, math.inf])], ["'r7'", "'epoch'", "position 1", "inf"]),
        ([run(run="a"), run(epoch=[5, 4])], ["'r7'", "'epoch'", "position 1", "4 after 5"]),
        ([run(run="a", epoch=[1, 2]), run(run="b"), run(epoch=[5, 4])], ["'r7'", "position 1"]),
        ([run(), run()], ["duplicate run id 'r7'"]),
        ([{"run": "1", "val": [1.0]}, {"val": [1.0]}], ["duplicate run id '1'"]),
        ([run(seed={1: 2})], ["'r7'", "'seed'", "one scalar", "dict"]),
        ([run(names=["a", "b"])], ["'r7'", "'names'", "position 0", "list of numbers"]),
        ([run(seed=1), run(run="b", seed="one")], ["'seed'", "int, str"]),
    ],
)
def test_what_is_no_run_is_named(runs, words):
    with pytest.raises(ValueError, match=r".") as caught:
        CurveSet.from_runs(runs)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("channels", "words"),
    [
        ({"val": Channel(direction="up")}, ["'val'", "direction", "'up'", "min, max"]),
        ({"val": Channel(role="dev")}, ["'val'", "role", "'dev'", "val, train, test"]),
        ({"accuracy": Channel(direction="max")}, ["no channel 'accuracy'", "val"]),
    ],
)
def test_what_no_channel_can_be_is_named(channels, words):
    with pytest.raises(ValueError, match=r".") as caught:
        CurveSet.from_runs([run()], channels=channels)
    for word in words:
        assert word in str(caught.value)


# -- looking ---------------------------------------------------------------------------------


def test_repr_shows_runs_checks_and_columns():
    assert repr(TOY) == "CurveSet: 3 runs, 2 to 4 checks, val, train, test; metadata: problem, seed"
    assert repr(TOY[:1]).startswith("CurveSet: 1 run, 3 checks each")
    assert repr(TOY["b"]) == "Curve('b', 2 checks, last epoch 20, val, test)"


def test_arrays_are_read_only():
    for curve in (*TOY, *TOY[1:], *TOY.select([True, False, True])):
        for name in ("epoch", *curve.channels):
            with pytest.raises(ValueError, match="read-only"):
                curve[name][0] = 0
    for name in ("val", "train", "test"):
        with pytest.raises(ValueError, match="read-only"):
            TOY.channel(name).values[:] = 0


def test_meta_is_one_row_a_run():
    assert TOY.meta.columns.tolist() == ["run", "problem", "seed"]
    assert TOY.meta["problem"].tolist() == ["x", "y", "x"]
    assert TOY.meta["seed"].isna().tolist() == [False, True, False]
    frame = TOY.meta
    frame["problem"] = "changed"
    assert TOY.meta["problem"].tolist() == ["x", "y", "x"]


def test_indexing():
    assert TOY[-1].run == TOY[np.int64(2)].run == "c"
    with pytest.raises(IndexError):
        TOY[3]
    with pytest.raises(KeyError, match="'z'"):
        TOY["z"]
    with pytest.raises(KeyError, match="'c'"):
        TOY[:2]["c"]
    assert [curve.run for curve in TOY] == TOY.runs == ["a", "b", "c"]


@given(
    st.none() | st.integers(-5, 5), st.none() | st.integers(-5, 5), st.sampled_from([1, 2, -1, -2])
)
def test_slices_are_those_of_a_list(start, stop, step):
    part = TOY[start:stop:step]
    expected = list(TOY)[start:stop:step]
    assert part.runs == [curve.run for curve in expected]
    for found, curve in zip(part, expected, strict=True):
        assert_same_curve(found, curve)
        assert_same_curve(part[found.run], curve)
    assert part.meta["problem"].tolist() == TOY.meta["problem"].tolist()[start:stop:step]


def test_slices_of_slices():
    made = CurveSet.from_runs(random_runs(3, 20))
    part = made[3:17].select(np.arange(14) % 2 == 0)[1:5]
    assert part.runs == [f"run {i}" for i in (5, 7, 9, 11)]
    for name in ("val", "train"):
        expected = np.concatenate([getattr(made[run], name) for run in part.runs])
        np.testing.assert_array_equal(part.channel(name).values, expected)
        assert part.channel(name).offsets[0] == 0


def test_select():
    assert TOY.select(TOY.meta["problem"] == "x").runs == ["a", "c"]
    assert TOY.select(np.array([False] * 3)).runs == []
    assert_same_set(TOY.select([True] * 3), TOY)


@pytest.mark.parametrize("mask", [[True], [0, 1, 1], [[True] * 3], np.array([0, 2])])
def test_a_mask_must_be_one_bool_a_run(mask):
    with pytest.raises(ValueError, match="expected 3 booleans"):
        TOY.select(mask)


def test_concatenation():
    assert_same_set(TOY[:1] + TOY[1:], TOY)
    other = CurveSet.from_runs([{"run": "z", "val": np.float32([0.5, 0.25]), "rate": 0.1}])
    both = TOY + other
    assert both.runs == ["a", "b", "c", "z"]
    assert both["z"].val.tolist() == [0.5, 0.25]
    assert both["z"].train is None
    assert both["a"].train.tolist() == [3.0, 1.0, 0.5]
    assert both.meta["rate"].isna().tolist() == [True, True, True, False]
    with pytest.raises(ValueError, match="duplicate run id 'a'"):
        TOY + TOY[:1]


def test_epochs_are_counted_in_the_runs_that_have_none():
    made = CurveSet.from_runs(
        [
            {"val": [1.0, 2.0]},
            {"val": [1.0, 2.0, 3.0], "epoch": [0.5, 1.5, 9]},
            {"val": [1.0]},
            {"val": [1.0, 2.0, 3.0]},
        ]
    )
    expected = [[1, 2], [0.5, 1.5, 9], [1], [1, 2, 3]]
    assert [curve.epoch.tolist() for curve in made] == expected
    values, offsets, rows = made.channel("epoch")
    assert rows is None
    assert values.tolist() == [*expected[0], *expected[1], *expected[2], *expected[3]]
    assert offsets.tolist() == [0, 2, 5, 6, 9]
    # also where no run has epochs, and in a part
    assert made[1:3].channel("epoch").values.tolist() == [0.5, 1.5, 9, 1]
    counted = CurveSet.from_runs([{"val": [1.0, 2.0]}, {"val": [1.0]}]).channel("epoch")
    assert counted.values.tolist() == [1, 2, 1]


# -- files -----------------------------------------------------------------------------------


def runs_for_files(dtype):
    runs = random_runs(5, 12)
    for i, each in enumerate(runs):
        for name in ("val", "train", "test"):
            each[name] = each[name].astype(dtype)
        if i % 3 == 0:
            del each["test"]
        if i % 4 == 1:
            each["epoch"] = 5 * np.arange(1, len(each["val"]) + 1)
        each |= {"problem": f"p{i // 6}", "seed": i, "rate": i / 7, "shuffled": i % 2 == 0}
    return runs


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["curves.parquet", "folder"])
def test_parquet_gives_back_what_was_written(tmp_path, name, dtype):
    made = CurveSet.from_runs(runs_for_files(dtype))
    made.write(tmp_path / name)
    again = read_curves(str(tmp_path / name))
    assert_same_set(again, made)
    assert again.table.schema.field("val").type.value_type == pa.from_numpy_dtype(dtype)
    files = ["p0.parquet", "p1.parquet"] if name == "folder" else [name]
    folder = tmp_path / name if name == "folder" else tmp_path
    assert sorted(file.name for file in folder.iterdir()) == files


def test_what_is_said_of_a_file_goes_over_what_it_says(tmp_path):
    made = CurveSet.from_runs(runs_for_files(np.float64))
    made.write(tmp_path / "x.parquet")
    again = read_curves(tmp_path / "x.parquet", channels={"val": Channel(direction="max")})
    assert_same_set(again, made)
    np.testing.assert_array_equal(again.error("val").values, -made.error("val").values)
    np.testing.assert_array_equal(again.error("test").values, made.error("test").values)


@pytest.mark.parametrize("kind", [pa.uint8(), pa.int32(), pa.float32()])
def test_other_writers_numbers_are_read(tmp_path, kind):
    column = pa.array([[1, 2], [3]], pa.list_(kind))
    pq.write_table(pa.table({"run": [5, 6], "val": column}), tmp_path / "x.parquet")
    assert [c.val.tolist() for c in read_curves(tmp_path / "x.parquet")] == [[1, 2], [3]]
    scores = read_curves(tmp_path / "x.parquet", channels={"val": Channel(direction="max")})
    assert scores.error("val").values.tolist() == [-1, -2, -3]
    assert scores.runs == ["5", "6"]


@pytest.mark.parametrize(
    "problems", [["a b", "a_b"], ["a/b", "a b"], ["x", None], [None, None], ["", "x"], [1, 2]]
)
def test_a_folder_keeps_every_run_whatever_its_problem_is_called(tmp_path, problems):
    runs = [{"run": f"r{i}", "val": [1.0], "problem": p} for i, p in enumerate(problems)]
    CurveSet.from_runs(runs).write(tmp_path / "folder")
    again = read_curves(tmp_path / "folder")
    assert sorted(again.runs) == ["r0", "r1"]
    found = dict(zip(again.runs, again.table["problem"].to_pylist(), strict=True))
    assert found == {"r0": problems[0], "r1": problems[1]}


def test_a_folder_without_problems_is_one_file(tmp_path):
    CurveSet.from_runs([{"val": [1.0]}]).write(tmp_path / "folder")
    assert [file.name for file in (tmp_path / "folder").iterdir()] == ["curves.parquet"]


def test_write_makes_the_folders_above(tmp_path):
    TOY.write(tmp_path / "new" / "deep" / "x.parquet")
    assert_same_set(read_curves(tmp_path / "new" / "deep" / "x.parquet"), TOY)


def test_a_file_is_replaced_and_a_folder_refused(tmp_path):
    TOY.write(tmp_path / "x.parquet")
    TOY[:1].write(tmp_path / "x.parquet")
    assert read_curves(tmp_path / "x.parquet").runs == ["a"]
    TOY.write(tmp_path / "folder")
    with pytest.raises(FileExistsError, match="folder already exists"):
        TOY[:1].write(tmp_path / "folder")
    assert sorted(read_curves(tmp_path / "folder").runs) == ["a", "b", "c"]


@pytest.mark.parametrize("failing", [pq, os])
def test_a_failing_write_leaves_the_old_file(tmp_path, monkeypatch, failing):
    TOY.write(tmp_path / "x.parquet")
    before = (tmp_path / "x.parquet").read_bytes()

    def half_written(writer, table):
        raise OSError("no space left")

    def refused(source, target):
        raise OSError("no space left")

    if failing is pq:
        monkeypatch.setattr(pq.ParquetWriter, "write_table", half_written)
    else:
        monkeypatch.setattr(os, "replace", refused)
    for target in ("x.parquet", "new.parquet", "folder"):
        with pytest.raises(OSError, match="no space left"):
            TOY[:1].write(tmp_path / target)
    assert [file.name for file in tmp_path.iterdir()] == ["x.parquet"]
    assert (tmp_path / "x.parquet").read_bytes() == before


def test_no_temporary_files_remain(tmp_path):
    TOY.write(tmp_path / "x.parquet")
    TOY.write(tmp_path / "folder")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["folder", "x.parquet"]


def table(**columns):
    return pa.table({"run": ["r7"], "val": [[1.0, 2.0]], **columns})


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (table().drop(["val"]), ["no channel", "it has run"]),
        (pa.table({"x": [1]}), ["no column 'run'", "it has x"]),
        (table(val=["text"]), ["'val'", "list of numbers", "string"]),
        (table(val=[["1", "2"]]), ["'val'", "list of numbers"]),
        (table(epoch=[[1, None]]), ["'epoch'", "null"]),
        (table(val=pa.array([None], pa.list_(pa.float64()))), ["'r7'", "no channel"]),
        (table(val=[[]]), ["'val'", "list of numbers", "null"]),
        (table(val=pa.array([[]], pa.list_(pa.float64()))), ["'r7'", "'val'", "empty list"]),
        (table(train=[[1.0]]), ["'r7'", "'train'", "1 values", "2"]),
        (table(epoch=[[3, 3]]), ["'r7'", "'epoch'", "position 1", "3 after 3"]),
        (table(run=pa.array([None], pa.string())), ["run 0", "missing run id"]),
        (pa.concat_tables([table(), table()]), ["duplicate run id 'r7'"]),
        (b"no Parquet at all", ["not a Parquet file"]),
        (b"", ["not a Parquet file"]),
    ],
)
def test_a_file_that_is_no_curve_set_is_named(tmp_path, content, words):
    path = tmp_path / "wrong.parquet"
    path.write_bytes(content) if isinstance(content, bytes) else pq.write_table(content, path)
    for read in (path, tmp_path):
        with pytest.raises(ValueError, match=r".") as caught:
            read_curves(read)
        for word in (str(read), *words):
            assert word in str(caught.value)


def test_a_log_in_place_of_a_curve_set_is_named(tmp_path):
    (tmp_path / "log.csv").write_text("epoch,val_loss\n1,0.5\n")
    with pytest.raises(
        ValueError, match=r"not a Parquet file .*; read a training log with read_logs"
    ):
        read_curves(tmp_path / "log.csv")


def test_a_path_without_curves_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none does not exist"):
        read_curves(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "readme.txt").write_text("nothing here")
    with pytest.raises(ValueError, match=r"empty.*no \.parquet or \.arrow file"):
        read_curves(tmp_path / "empty")


def test_files_of_a_folder_that_do_not_fit_together_are_named(tmp_path):
    pq.write_table(table(seed=[1]), tmp_path / "a.parquet")
    pq.write_table(table(run=["r8"], seed=["one"]), tmp_path / "b.parquet")
    with pytest.raises(ValueError, match=str(tmp_path)):
        read_curves(tmp_path)
