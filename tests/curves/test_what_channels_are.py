"""What a set knows of its channels, and that it keeps that whatever is done with the set."""

import math
import pickle

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from earlystop_lab import Channel, CurveSet, read_curves
from earlystop_lab.curves import taken
from earlystop_lab.curves.channels import with_column
from earlystop_lab.curves.facts import facts_of, info, outcomes

ACCURACY = Channel(role="val", direction="max", upper=1)
SECONDS = Channel(unit="s")
MUCH = {"upper": "much"}


def made(**about):
    """Two runs: a validation loss of different metrics, a score and a cost that one lacks."""
    runs = [
        {
            "run": "a",
            "epoch": [100, 200, 300],
            "val": [3.0, None, math.nan],
            "val.metric": "log loss",
            "val.source": "val_loss",
            "accuracy": [0.5, 0.75, None],
            "seconds": [1, 2, 3],
            "epoch.unit": "step",
        },
        {"run": "b", "val": [4.0], "val.metric": "squared error", "val.stand_in": True},
    ]
    return CurveSet.from_runs(runs, channels={"accuracy": ACCURACY, "seconds": SECONDS, **about})


def same(found, expected):
    """Whether two sets say the same of their channels."""
    return found.channels.drop(columns=["runs", "values", "nan"]).equals(
        expected.channels.drop(columns=["runs", "values", "nan"])
    )


def test_the_table_of_channels():
    table = made().channels
    assert table.index.tolist() == ["epoch", "val", "accuracy", "seconds"]
    assert table["role"].tolist() == [None, "val", "val", None]
    assert table["direction"].tolist() == [None, "min", "max", None]
    assert table["unit"].tolist() == ["step", None, None, "s"]
    assert table["upper"].dropna().to_dict() == {"accuracy": 1}
    # runs differ: all that is said
    assert table.loc["val", "metric"] == "log loss, squared error"
    assert table.loc["val", "stand_in"] is True
    assert table[["runs", "values", "nan"]].to_numpy().tolist() == [
        [1, 4, 0],
        [2, 3, 1],
        [1, 2, 0],
        [1, 3, 0],
    ]


def test_one_run_says_what_it_has():
    curves = made()
    assert curves["b"].channels == ["val"]
    assert curves["a"].channels == ["val", "accuracy", "seconds"]
    assert curves["a"].about["accuracy"] == ACCURACY
    assert curves["a"].measured("accuracy").tolist() == [True, True, False]
    assert np.isnan(curves["a"]["accuracy"][2])
    with pytest.raises(KeyError, match=r"'b' has no channel 'accuracy'; it has val"):
        curves["b"]["accuracy"]
    assert curves["b"].train is None


def test_a_run_says_where_a_channel_was_measured():
    runs = [{"val": [1.0, None], "learning_rate": [None, 0.5]}, {"epoch": [3], "val": [1.0]}]
    curves = CurveSet.from_runs(runs)
    assert curves[0].measured("learning_rate").tolist() == [False, True]
    assert [curve.measured("epoch").tolist() for curve in curves] == [[True, True], [True]]


def test_what_is_known_of_channels_is_kept(tmp_path):
    curves = made()
    parts = {
        "slice": curves[:1] + curves[1:],
        "select": curves.select([True, True]),
        "steps": curves[::-1],
        "pickle": pickle.loads(pickle.dumps(curves)),
        "table": CurveSet(curves.table),
        "stream": CurveSet(pa.table(curves)),
        "alone": curves["a"].alone() + curves["b"].alone(),
    }
    for name in ("x.parquet", "x.arrow", "folder"):
        curves.write(tmp_path / name)
        parts[name] = read_curves(tmp_path / name)
    for name, part in parts.items():
        assert same(part, curves), name
        assert part.table.schema.field("accuracy").metadata == {
            b"role": b"val",
            b"direction": b"max",
            b"upper": b"1",
        }, name
    other = with_column(
        curves.table, "accuracy", curves.table["accuracy"].cast(pa.list_(pa.float32()))
    )
    assert same(CurveSet(other), curves)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"accuracy": Channel(direction="min")}, ["'accuracy'", "direction max", "min"]),
        ({"seconds": Channel(unit="min")}, ["'seconds'", "unit s", "min"]),
        ({"val": Channel(direction="max")}, ["'val'", "direction min", "max"]),
        ({"accuracy": ACCURACY._replace(upper=100)}, ["'accuracy'", "upper 1.0", "100.0"]),
        ({"accuracy": ACCURACY._replace(role="test")}, ["'accuracy'", "role val", "test"]),
    ],
)
def test_sets_that_say_otherwise_are_not_put_together(other, words, tmp_path):
    curves, more = made(), made(**other)
    renamed = pa.array(["c", "d"])
    more = CurveSet(with_column(more.table, "run", renamed))
    (tmp_path / "folder").mkdir()
    curves.write(tmp_path / "folder" / "a.parquet")
    more.write(tmp_path / "folder" / "b.arrow")
    for put_together in (lambda: curves + more, lambda: read_curves(tmp_path / "folder")):
        with pytest.raises(ValueError, match=r"(cannot be|before) concatenat") as caught:
            put_together()
        for word in words:
            assert word in str(caught.value)


def test_what_one_set_does_not_say_another_may():
    known = CurveSet.from_runs([{"run": "x", "val": [1.0]}], channels={"val": Channel(upper=5)})
    both = known + CurveSet.from_runs([{"run": "y", "val": [2.0], "lr": [0.1]}])
    assert both.about("val").upper == 5
    assert both["x"].channels == ["val"]


def test_metadata_that_no_channel_can_have_is_named():
    field = pa.field("val", pa.list_(pa.float64()), metadata={"direction": "up"})
    table = pa.table([["a"], [[1.0]]], schema=pa.schema([pa.field("run", pa.string()), field]))
    with pytest.raises(ValueError, match=r"'val': direction 'up': expected one of min, max"):
        CurveSet(table)
    with pytest.raises(ValueError, match=r"'val': upper = 'much'; expected a number"):
        CurveSet(
            table.cast(pa.schema([table.schema.field(0), field.with_metadata({"upper": "much"})]))
        )


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ({"val.metric": [1.0]}, r"'val.metric': expected a string per run, found list"),
        ({"val.metric": 3}, r"'val.metric': expected a string per run, found int64"),
        ({"val.stand_in": "no"}, r"'val.stand_in': expected true or false per run, found string"),
        ({"epoch.unit": True}, r"'epoch.unit': expected a string per run, found bool"),
        ({"run": [1.0]}, r"'run': expected one id per run, found list"),
    ],
)
def test_columns_that_cannot_say_what_they_should_are_named(run, words):
    with pytest.raises(ValueError, match=words):
        CurveSet.from_runs([{"val": [1.0], **run}])


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("max", "'val' = 'max'; expected a Channel"),
        (Channel(upper=math.nan), "'val': upper = nan; expected a finite number"),
        (Channel(upper="1"), "'val': upper = '1'; expected a finite number"),
        (Channel(metric=3), "'val': metric = 3; expected a string"),
        (Channel(unit=3), "'val': unit = 3; expected a string"),
        (Channel(stand_in="no"), "'val': stand_in = 'no'; expected True or False"),
    ],
)
def test_what_no_channel_can_be_is_named(channel, words):
    with pytest.raises(ValueError, match=words):
        CurveSet.from_runs([{"val": [1.0]}], channels={"val": channel})


@pytest.mark.parametrize("upper", [1, 100, 1 / 3, 1234567.0, 2.0**60, 1e300])
def test_the_bound_of_a_score_is_kept_exactly(upper):
    about = {"val": Channel(direction="max", upper=upper)}
    assert CurveSet.from_runs([{"val": [0.5]}], channels=about).about("val").upper == upper


def test_the_learning_rate_of_another_programs_table_has_its_name_here():
    columns = {"run": ["a"], "val": [[1.0]], "learning_rate": [[0.5]]}
    columns["learning_rate.source"] = ["x"]
    curves = CurveSet(pa.table(columns))
    assert (curves.names, curves.about("lr").source) == (["val", "lr"], "x")
    more = CurveSet.from_runs([{"run": "b", "lr": [0.25]}])
    assert (curves + more)["b"]["learning_rate"].tolist() == [0.25]
    with pytest.raises(ValueError, match="duplicate column 'lr', also named 'learning_rate'"):
        CurveSet(pa.table({**columns, "lr": [[0.5]]}))


def test_metadata_of_types_that_do_not_go_together_is_named():
    one = CurveSet.from_runs([{"run": "a", "val": [1.0], "width": 3, "seed": 1}])
    other = CurveSet.from_runs([{"run": "b", "val": [1.0], "width": "wide", "seed": 0.5}])
    with pytest.raises(ValueError, match="'width' has type int64 in one set and string in another"):
        one + other


@pytest.mark.parametrize(
    "values",
    [
        (1.5, None, math.nan),
        np.ma.array([1.5, 0, math.nan], mask=[False, True, False]),
        pd.Series([1.5, None, math.nan], dtype=object),
        pd.Series(pa.array([1.5, None, math.nan]), dtype=pd.ArrowDtype(pa.float64())),
        pd.arrays.FloatingArray(np.array([1.5, 0, math.nan]), np.array([False, True, False])),
        pa.array([1.5, None, math.nan]),
        pa.chunked_array([[1.5, None], [math.nan]]),
    ],
    ids=lambda values: type(values).__name__,
)
def test_null_of_every_kind_of_list_was_not_measured_and_nan_was(values):
    of_a_list(values)


def test_null_of_a_series_of_polars_was_not_measured_and_nan_was():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    of_a_list(polars.Series([1.5, None, math.nan]))


def of_a_list(values):
    (curve,) = CurveSet.from_runs([{"val": values, "lr": values, "epoch": pd.Index([1, 2, 4])}])
    for name in ("val", "lr"):
        np.testing.assert_array_equal(curve[name], [1.5, math.nan, math.nan])
        assert curve.measured(name).tolist() == [True, False, True]


def test_the_forms_of_values():
    values = np.array([0.25, math.nan], np.float32)
    assert taken(values, Channel(), "recorded", "x") is values
    assert taken(values, Channel(direction="min"), "ratio", "x") is values
    assert taken(values, Channel(direction="max"), "score", "x") is values
    np.testing.assert_array_equal(taken(values, Channel(direction="max"), "error", "x"), -values)
    np.testing.assert_array_equal(taken(values, ACCURACY, "ratio", "x"), [0.75, math.nan])
    np.testing.assert_array_equal(
        taken(values, Channel(direction="min"), "score", "x"), [0.75, math.nan]
    )
    assert taken(np.uint8([1]), Channel(direction="max"), "error", "x").tolist() == [-1]
    with pytest.raises(ValueError, match="'x' has a score of 50, above its upper bound 1"):
        taken(np.array([math.nan, 50.0]), ACCURACY, "ratio", "x")
    for form in ("error", "ratio", "score"):
        with pytest.raises(ValueError, match="'x' has no known direction"):
            taken(values, Channel(), form, "x")


def test_facts_count_what_was_measured():
    runs = [
        {"run": "a", "epoch": [1, 2, 3, 4], "val": [None, 2.0, None, 1.0]},
        {"run": "b", "epoch": [1, 2, 3, 4], "val": [None, 1.0, 2.0, None]},
        {"run": "c", "epoch": [1, 2, 3, 4], "val": [None, 1.0, 2.0, None]},
        {"run": "d", "epoch": [1, 2, 3, 5], "val": [None, 1.0, None, 2.0]},
        {"run": "e", "train": [1.0, 2.0]},
        {"run": "f", "val": [None, None], "train": [1.0, 2.0]},
    ]
    curves = CurveSet.from_runs(runs)
    known = facts_of(curves)
    assert known.counts("val").tolist() == [2, 2, 2, 2, 0, 0]
    assert known.last_row("val").tolist() == [3, 2, 2, 3, -1, -1]
    assert known.lowest("val").row.tolist() == [3, 1, 1, 1, -1, -1]
    np.testing.assert_array_equal(known.lowest("val").epoch, [4, 2, 2, 2, math.nan, math.nan])
    assert known.censored.tolist() == [True, False, False, False, False, False]
    # d has the values of b, at other positions
    assert known.copies.tolist() == [False, False, True, False, False, False]
    assert known.positions("val").tolist() == [2, 4, 2, 3, 2, 3, 2, 5]
    assert outcomes(curves)["checks"].tolist() == [2, 2, 2, 2, 0, 0]
    assert info(curves).loc[0, "channels"] == "val, train"


def test_the_lowest_error_of_a_score_is_its_highest_value():
    curves = CurveSet.from_runs(
        [{"val": [0.5, 0.75, 0.75, 0.25]}], channels={"val": Channel(direction="max")}
    )
    lowest = facts_of(curves).lowest("val")
    assert (lowest.value[0], lowest.epoch[0]) == (-0.75, 2)


def test_copies_are_found_behind_a_run_without_validation_errors():
    runs = [
        {"run": "a", "epoch": [1, 2], "train": [1.0, 2.0]},
        {"run": "b", "epoch": [3, 4], "val": [1.0, 2.0]},
        {"run": "c", "epoch": [3, 4], "val": [1.0, 2.0]},
        {"run": "d", "epoch": [3, 5], "val": [1.0, 2.0]},
    ]
    known = facts_of(CurveSet.from_runs(runs))
    assert known.positions("val").tolist() == [3, 4, 3, 4, 3, 5]
    assert known.copies.tolist() == [False, False, True, False]
