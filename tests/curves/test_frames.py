"""Sets from frames with a row a check, and such frames from sets."""

import math
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from strategies import random_runs

import earlystop_lab as es
from earlystop_lab import Channel, CurveSet
from earlystop_lab.curves.facts import info
from earlystop_lab.engine.replaying import traces
from earlystop_lab.studies.comparison import bench
from earlystop_lab.studies.surveys import survey

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
        ({"val": [1.0]}, ["run = 'run' is not a column", "the frame has val"]),
        ({"run": ["a", None], "val": [1.0, 2.0]}, ["row 1", "'run'", "missing run id"]),
        ({"run": ["a", "a"], "epoch": [1, 1], "val": [1.0, 2.0]}, ["'a'", "'epoch'", "increase"]),
        ({"run": ["a"], "epoch": ["x"], "val": [1.0]}, ["'epoch'", "positions"]),
        ({"run": ["a", "a"], "val": [1.0, 2.0], "note": ["x", "y"]}, ["'a'", "'note'", "the same"]),
        ({"run": ["a"], "val": ["x"]}, ["'val'", "expected numbers"]),
        (
            {"run": ["a", "b"], "val": pd.array([1.0, None], "Float64")},
            ["'b'", "no measured value"],
        ),
        ({"run": ["a"], "lr": [0.1], "learning_rate": [0.1]}, ["duplicate column 'lr'"]),
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


# -- what a notebook shows, and help where a frame is not taken ------------------------------


class Parsed(HTMLParser):
    """Texts by the element that they are in, and every attribute."""

    def __init__(self, html):
        super().__init__()
        self.texts, self.points, self.open = {}, [], []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag != "br":
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")
        if tag == "polyline":
            pairs = dict(attrs)["points"].split()
            self.points.append(np.array([pair.split(",") for pair in pairs], float))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts[self.open[-1]][-1] += data


def test_a_notebook_shows_facts_channels_and_curves():
    runs = [
        {"run": "<a>", "epoch": [10, 20, 40], "val": [3.0, 1.0, 2.0], "problem": "toy"},
        {"run": "b", "epoch": [10, 30], "val": [2.0, np.nan], "lr": [0.1, 0.1], "problem": "toy"},
    ]
    about = {"epoch": Channel(unit="step"), "lr": Channel()}
    shown = Parsed(CurveSet.from_runs(runs, channels=about)._repr_html_())
    assert shown.texts["p"][0] == ": 2 runs, 2 to 3 checksmetadata: problem"
    assert shown.texts["th"][0] == "channel"
    assert shown.texts["th"][-1] == "runs"
    cells = np.reshape(shown.texts["td"], (2, -1))
    assert cells[:, [0, -1]].tolist() == [["val", "2"], ["lr", "1"]]
    assert shown.texts["title"] == ["<a>", "b"]
    assert shown.texts["small"][0].startswith("val, step 10 to 40, ")
    first, second = shown.points
    # left to right, lower is lower, and a third of the way is there
    assert np.all(np.diff(first[:, 0]) > 0)
    width = first[-1, 0] - first[0, 0]
    assert (first[1, 0] - first[0, 0]) / width == pytest.approx(1 / 3, abs=1e-3)
    assert first[1, 1] > first[2, 1] > first[0, 1]
    assert second.tolist() == [[first[0, 0], first[2, 1]]]


@pytest.mark.parametrize(
    "values", [[np.nan, np.inf], [1.0], [2.0, 2.0], [1e308, -1e308], [-np.inf, 1.0, 5e-324]]
)
def test_a_notebook_shows_any_curve(values):
    shown = Parsed(CurveSet.from_runs([{"run": "&", "val": values}])._repr_html_())
    for points in shown.points:
        assert np.isfinite(points).all()
        assert (points >= 0).all()
    assert len(shown.points) == np.isfinite(values).any()


def test_a_notebook_shows_a_large_set_in_little():
    runs = [{"val": np.linspace(1, 0, 3000), **{f"c{i}": np.ones(3000) for i in range(40)}}] * 60
    curves = CurveSet.from_runs([{**run, "run": str(i)} for i, run in enumerate(runs)])
    assert len(curves._repr_html_()) < 100_000
    assert "and 21 more" in repr(curves)
    assert CurveSet.from_runs([])._repr_html_().count("<svg") == 0


FRAME = pd.DataFrame({"run": ["a", "a"], "epoch": [1, 2], "val": [0.9, 0.5]})


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
@pytest.mark.parametrize(
    "use",
    [
        lambda given: es.replay(given, ["GL(2)"]),
        lambda given: es.recommend(given),
        lambda given: es.calibrate(given, es.Keras, at_most=0.1),
        lambda given: es.simulate("resample", 2, seed=1, curves=given),
        lambda given: traces("GL(2)", given),
        lambda given: survey(given),
        lambda given: info(given),
        lambda given: bench(es.GL, {"mine": given}, known=[es.Keras]),
    ],
)
def test_a_frame_in_place_of_a_set_is_told_how_to_become_one(use, library):
    frames = pytest.importorskip(library)
    rows = FRAME.to_dict("list")
    given = frames.table(rows) if library == "pyarrow" else frames.DataFrame(rows)
    with pytest.raises(TypeError, match=rf"not a {library} \w+; .*CurveSet\.from_frame\(frame\)"):
        use(given)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ([{"val": [1.0]}], r"not a list; .*CurveSet\.from_runs"),
        ({"val": [1.0]}, r"not a dict; .*CurveSet\.from_runs"),
        (CurveSet.from_runs([{"val": [1.0]}])[0], r"not a Curve; curve\.alone\(\)"),
        (None, r"not a NoneType; make one with CurveSet\.from_runs"),
    ],
)
def test_what_is_no_set_is_told_how_to_become_one(given, hint):
    with pytest.raises(TypeError, match=f"^replay takes a CurveSet, {hint}"):
        es.replay(given, ["GL(2)"])


def test_a_path_is_read_first_where_no_path_is_taken():
    with pytest.raises(TypeError, match=r"not a str; read it with read_curves\(path\)"):
        es.recommend("curves.parquet")
    with pytest.raises(TypeError, match=r"trace takes one run, such as curves\[0\], not"):
        es.trace("GL(2)", CurveSet.from_runs([{"val": [1.0]}]))
