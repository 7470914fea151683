"""Sets from frames with a row a check, and such frames from sets."""

import math

import numpy as np
import pandas as pd
import pytest
from strategies import random_runs

from earlystop_lab import Channel, CurveSet

NAN = math.nan
RUNS = [
    {
        "run": "b",
        "val": [1.0, None, NAN],
        "accuracy": [0.1, 0.2, 0.3],
        "problem": "x",
        "seed": 1,
        "val.metric": "log loss",
    },
    {"run": "a", "epoch": [5, 10], "val": [2.0, 1.0], "problem": "y", "seed": 2},
]
ABOUT = {"accuracy": Channel(direction="max")}
CURVES = CurveSet.from_runs(RUNS, channels=ABOUT)


def rows_of(curves):
    """What a set holds, positions written out, whatever its columns' types."""
    found = []
    for curve, meta in zip(curves, curves.meta.to_dict("records"), strict=True):
        lists = {n: [v if m else None for v, m in zip(curve[n], curve.measured(n), strict=True)]
                 for n in sorted(curve.channels)}  # fmt: skip
        known = {k: v for k, v in sorted(meta.items()) if not pd.isna(v)}
        found.append(repr((curve.run, curve.epoch.tolist(), lists, known)))
    return found


def test_a_set_comes_back_from_its_frame():
    frame = CURVES.to_frame()
    assert frame["epoch"].tolist() == [1, 2, 3, 5, 10]
    assert frame["val"].isna().tolist() == [False, True, False, False, False]
    assert rows_of(CurveSet.from_frame(frame, channels=ABOUT)) == rows_of(CURVES)


def test_random_sets_come_back_whatever_the_order_of_the_rows():
    curves = CurveSet.from_runs(random_runs(7, 30))
    frame = curves.to_frame()
    first = frame.drop_duplicates("run")
    shuffled = frame.drop(first.index).sample(frac=1, random_state=0)
    again = CurveSet.from_frame(pd.concat([first, shuffled]))
    assert rows_of(again) == rows_of(curves)


def test_a_naive_grouping_finds_the_same():
    rng = np.random.default_rng(2)
    frame = pd.DataFrame({"id": rng.integers(0, 5, 60), "step": rng.permutation(60),
                          "val": rng.random(60), "lr": rng.random(60)})  # fmt: skip
    curves = CurveSet.from_frame(frame, run="id", epoch="step")
    assert curves.runs == [str(run) for run in frame["id"].unique()]
    for run, part in frame.groupby("id"):
        part = part.sort_values("step")
        for name in ("val", "lr"):
            assert curves[str(run)][name].tolist() == part[name].tolist()
        assert curves[str(run)].epoch.tolist() == part["step"].tolist()


def test_missing_is_not_nan():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    rows = {"run": ["a"] * 3, "val": [0.5, None, NAN]}
    frames = {
        "polars": polars.DataFrame(rows),
        "nullable": pd.DataFrame({**rows, "val": pd.array([0.5, None, 2.0], "Float64")}),
        "numpy": pd.DataFrame({**rows, "val": [0.5, NAN, NAN]}),
    }
    measured = {
        name: CurveSet.from_frame(frame)[0].measured("val").tolist()
        for name, frame in frames.items()
    }
    assert measured == {
        "polars": [True, False, True],
        "nullable": [True, False, True],
        "numpy": [True, True, True],
    }
    converted = CurveSet.from_frame(frames["numpy"].convert_dtypes())
    assert converted[0].measured("val").tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"val": [1.0]}, ["no column 'run'", "it has val"]),
        ({"run": ["a", None], "val": [1.0, 2.0]}, ["row 1", "'run'", "no run"]),
        ({"run": ["a", "a"], "epoch": [1, 1], "val": [1.0, 2.0]}, ["'a'", "'epoch'", "increase"]),
        ({"run": ["a"], "epoch": ["x"], "val": [1.0]}, ["'epoch'", "positions"]),
        ({"run": ["a", "a"], "val": [1.0, 2.0], "note": ["x", "y"]}, ["'a'", "'note'", "the same"]),
        ({"run": ["a"], "val": ["x"]}, ["'val'", "expected numbers"]),
        ({"run": ["a", "b"], "val": pd.array([1.0, None], "Float64")}, ["'b'", "nothing was"]),
        ({"run": ["a"], "lr": [0.1], "learning_rate": [0.1]}, ["'lr'", "twice"]),
        ({"run": ["a"], "problem": ["x"]}, ["no channel", "problem"]),
    ],
)
def test_what_is_no_set_is_named(columns, words):
    with pytest.raises(ValueError, match=r".") as caught:
        CurveSet.from_frame(pd.DataFrame(columns))
    for word in words:
        assert word in str(caught.value)


def test_texts_of_polars_are_metadata():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    rows = {"run": ["a", "a"], "val": [1.0, 2.0], "problem": ["p", "p"], "val.metric": ["m", "m"]}
    frame = polars.DataFrame(rows).with_columns(kind=polars.lit("x").cast(polars.Categorical))
    curves = CurveSet.from_frame(frame)
    assert curves.meta.loc[0].tolist() == ["a", "p", "m", "x"]


def test_a_column_of_mixed_types_is_named():
    frame = pd.DataFrame({"run": ["a", "a"], "val": [1.0, 2.0], "x": [1, "b"]})
    with pytest.raises(ValueError, match="from_frame: column 'x': Could not convert 'b'"):
        CurveSet.from_frame(frame)
