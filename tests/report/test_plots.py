"""Figures by the data that they show."""

import math
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st
from matplotlib.colors import to_hex

from earlystop_lab import Channel, CurveSet, replay, tradeoff
from earlystop_lab.curves import local_minima
from earlystop_lab.report.axes import (
    legend_of_families,
    log_axis,
    plot_curve,
    plot_front,
    plot_spread,
    plot_statistic,
    plot_tradeoff,
)
from earlystop_lab.report.style import colour, look, save


@pytest.fixture(autouse=True)
def _figures():
    plt.switch_backend("Agg")
    yield
    # some warnings come only when a figure is drawn
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()
    plt.close("all")


def one_run(val, **others):
    return CurveSet.from_runs([{"val": val, **others}])[0]


def points(line):
    return [tuple(point) for point in line.get_xydata().tolist()]


def line_of(ax, label):
    (line,) = [line for line in ax.lines if label in str(line.get_label())]
    return line


def upright(ax):
    """Epochs of the vertical lines."""
    pairs = [np.asarray(line.get_xdata(), float) for line in ax.lines]
    spans = [line.get_ydata() for line in ax.lines]
    # an axvline spans the axes, from 0 to 1
    return [x[0] for x, y in zip(pairs, spans, strict=True) if list(y) == [0, 1] and x[0] == x[1]]


def texts(ax):
    return [text.get_text() for text in ax.texts]


VAL = [9.0, 5.0, 4.0, 4.5, 3.0, 3.0, 3.5, 2.0, 2.5, 2.6]
CURVE = one_run(VAL, train=[8.0, 4.0, 3.0, 2.0, 1.5, 1.2, 1.0, 0.9, 0.8, 0.7])
TABLE = pd.DataFrame(
    {
        "criterion": ["UP(3)", "GL(5)", "Keras(10)", "GL(1)", "UP(2)", "GL(2)"],
        "slowness_ref": [2.0, 3.0, 1.5, 0.5, 1.0, 1.0],
        "badness_ref": [0.97, 0.95, 1.0, 1.02, 1.01, 1.0],
        "p_good": [0.4, 0.6, 0.3, 0.1, 0.2, 0.5],
    }
)
SPREAD = pd.DataFrame(
    np.random.default_rng(1).lognormal(size=(21, 3)), columns=["GL(2)", "PQ(1)", "UP(2)"]
)
STATISTIC = np.array([math.nan, 0.0, 1.5, math.inf, 3.0])


def draw_curve(ax=None):
    return plot_curve(CURVE, {"GL(2)": 4, "UP(3)": 9}, ax)


def draw_statistic(ax=None):
    return plot_statistic(np.arange(1.0, 6), STATISTIC, {"GL(1)": 1, "GL(2)": 2}, ax, "loss")


def draw_spread(ax=None):
    return plot_spread(SPREAD, ax, "badness")


def draw_tradeoff(ax=None):
    return plot_tradeoff(TABLE, ax=ax)


# -- all figures ---------------------------------------------------------------------------


def test_scores_are_drawn_as_recorded_over_positions_in_their_unit():
    about = {"val": Channel(direction="max"), "train": Channel(direction="max")}
    val = [0.1, 0.5, 0.4, 0.6, None, 0.5, 0.7]
    run = {"val": val, "train": [0.1] * 7, "epoch": np.arange(0, 700, 100), "epoch.unit": "step"}
    ax = plot_curve(CurveSet.from_runs([run], channels=about)[0], {})
    lines = {line.get_label(): line for line in ax.get_lines()}
    assert list(lines) == ["training score", "validation score", "its local maxima"]
    assert lines["validation score"].get_ydata().tolist() == [v for v in val if v is not None]
    assert lines["its local maxima"].get_ydata().tolist() == [0.5, 0.6]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "score")
    low, high = ax.get_ylim()
    assert 0.1 - low == pytest.approx(2 * (high - 0.7))
    seen = plot_statistic(np.arange(2.0), np.arange(2.0), {}, plt.figure().gca(), unit="round")
    assert seen.get_xlabel() == "round"


@pytest.mark.parametrize("draw", [draw_curve, draw_statistic, draw_spread, draw_tradeoff])
def test_a_figure_is_drawn_on_the_axes_given_and_nowhere_else(draw):
    fig, (chosen, current) = plt.subplots(1, 2)
    before = len(current.get_children())
    plt.sca(current)
    assert draw(chosen) is chosen
    assert chosen.has_data()
    assert not current.has_data()
    assert len(current.get_children()) == before
    assert plt.get_fignums() == [fig.number]


@pytest.mark.parametrize("draw", [draw_curve, draw_statistic, draw_spread, draw_tradeoff])
def test_without_axes_a_figure_is_drawn_on_the_current_one(draw):
    _, (_, current) = plt.subplots(1, 2)
    plt.sca(current)
    assert draw() is current
    assert current.has_data()


def test_tables_are_left_as_they_were():
    before = TABLE.copy(), SPREAD.copy(), STATISTIC.copy()
    for draw in (draw_tradeoff, draw_spread, draw_statistic):
        draw()
    pd.testing.assert_frame_equal(TABLE, before[0])
    pd.testing.assert_frame_equal(SPREAD, before[1])
    np.testing.assert_array_equal(STATISTIC, before[2])


def test_prechelt_s_families_have_a_colour_each_in_every_figure():
    tones = {name: to_hex(colour(name)) for name in ("GL(2)", "PQ(2)", "UP(2)", "Keras(2)")}
    assert len(set(tones.values())) == 4
    for name, tone in tones.items():
        assert to_hex(colour(name.replace("2", "5, k=1"))) == tone
    ax = draw_statistic()
    assert to_hex(ax.lines[0].get_color()) == tones["GL(2)"]


# -- one run -------------------------------------------------------------------------------


def test_a_curve_shows_the_errors_given():
    ax = draw_curve()
    epochs = range(1, 11)
    expected = list(zip(epochs, VAL, strict=True))
    assert points(line_of(ax, "validation error")) == expected
    assert points(line_of(ax, "training error")) == list(zip(epochs, CURVE.train, strict=True))
    # 4 and 2, and the first of the plateau of 3
    assert points(line_of(ax, "minima")) == [(3, 4), (5, 3), (8, 2)]


def test_a_curve_without_training_errors_shows_none():
    ax = plot_curve(one_run(VAL), {})
    assert not [line for line in ax.lines if "training" in str(line.get_label())]


def test_strips_show_the_errors_at_their_ends():
    ax = plot_curve(CURVE, {}, strip=3)
    assert points(line_of(ax, "validation error")) == [(3, 4), (6, 3), (9, 2.5)]


def test_a_curve_is_shown_up_to_the_epoch_asked_for():
    ax = plot_curve(CURVE, {}, until=6)
    assert points(line_of(ax, "validation error"))[-1] == (6, 3)
    assert ax.get_xlim()[1] == 6


def test_epochs_are_those_recorded():
    ax = plot_curve(one_run([3.0, 2.0, 1.0], epoch=[10, 20, 40]), {"GL(2)": 20})
    assert points(line_of(ax, "validation error")) == [(10, 3), (20, 2), (40, 1)]
    assert upright(ax) == [20]


def test_each_stop_epoch_has_one_line_with_all_its_criteria():
    stops = {"UP(8)": 9, "GL(2)": 4, "PQ(1)": 9, "GL(1)": 4, "UP(2)": 7.5}
    ax = plot_curve(CURVE, stops)
    assert sorted(upright(ax)) == [4, 7.5, 9]
    assert sorted(", ".join(texts(ax)).split(", ")) == sorted(stops)
    places = {text.get_text(): text.xy[0] for text in ax.texts}
    for name, epoch in stops.items():
        assert [x for text, x in places.items() if name in text.split(", ")] == [epoch]


def test_a_stop_is_in_the_colour_of_its_family():
    ax = plot_curve(CURVE, {"GL(2)": 4, "UP(2)": 6})
    tones = {line.get_xdata()[0]: to_hex(line.get_color()) for line in ax.lines[-2:]}
    assert tones == {4: to_hex(colour("GL(1)")), 6: to_hex(colour("UP(1)"))}


def test_the_lowest_error_is_in_sight():
    low, high = draw_curve().get_ylim()
    assert low < 2
    # the start may be cut off, what comes after not
    assert high > 5


@pytest.mark.parametrize(
    "val",
    [
        [0.5] * 8,
        [0.0] * 3,
        [0.7],
        [0.7, 0.8],
        [3.0, 2.0, math.nan, 1.0, 1.5],
        [math.nan, 2.0, 1.0],
        [math.nan] * 4,
        [2.0, 1.0, 1.5, 1e300, math.inf, math.inf],
        [-1.0, -2.0, -1.5],
    ],
    ids=str,
)
def test_a_run_that_went_wrong_can_be_shown(val):
    # a warning would be an error here; NaN, constant and diverged runs are data
    ax = plot_curve(one_run(val), {"GL(2)": len(val)})
    np.testing.assert_array_equal(line_of(ax, "validation error").get_ydata(), val)
    assert np.isfinite(ax.get_ylim()).all()


def test_a_run_shorter_than_a_strip_can_be_shown():
    ax = plot_curve(one_run([3.0, 2.0]), {}, strip=5)
    assert points(line_of(ax, "validation error")) == []


values = st.lists(st.sampled_from([0.0, 0.5, 1.0, 2.0, math.inf, math.nan]), max_size=12)


@given(values)
def test_local_minima_are_those_of_a_plain_loop(values):
    expected = [
        i
        for i in range(1, len(values) - 1)
        if values[i] < values[i - 1] and values[i] <= values[i + 1]
    ]
    assert local_minima(np.array(values, float)).tolist() == expected


# -- statistics ----------------------------------------------------------------------------


def test_a_statistic_is_shown_where_it_is_defined_beside_its_thresholds():
    ax = draw_statistic()
    statistic, *thresholds = ax.lines
    # the line is broken where the statistic is infinite
    assert str(points(statistic)) == str([(2.0, 0.0), (3.0, 1.5), (math.nan,) * 2, (5.0, 3.0)])
    # lines across the whole axes
    assert [points(line) for line in thresholds] == [[(0, 1), (1, 1)], [(0, 2), (1, 2)]]
    assert {text.get_text(): text.xy[1] for text in ax.texts} == {"GL(1)": 1, "GL(2)": 2}
    assert ax.get_ylabel() == "loss"


def test_a_statistic_of_strips_is_joined_from_strip_to_strip():
    ax = plot_statistic(np.arange(1.0, 7), np.array([math.nan, 1, math.nan, 2, math.nan, 3]), {})
    assert points(ax.lines[0]) == [(2, 1), (4, 2), (6, 3)]


def test_a_statistic_that_is_nowhere_defined_is_an_empty_figure():
    ax = plot_statistic(np.arange(1.0, 4), np.full(3, np.nan), {"GL(2)": 2})
    assert points(ax.lines[0]) == []


# -- tables --------------------------------------------------------------------------------


def segments(ax):
    return [[segment.tolist() for segment in part.get_segments()] for part in ax.collections[:2]]


@pytest.mark.parametrize("rows", [False, True])
def test_a_spread_shows_quantiles_median_and_mean(rows):
    ax = plot_spread(SPREAD, label="badness", rows=rows)
    shown = {}
    for line in ax.lines:
        data = line.get_xydata()[:, :: -1 if rows else 1]
        kind = line.get_marker() if line.get_marker() == "o" else line.get_linewidth()
        shown.setdefault(kind, []).extend(map(tuple, data.tolist()))
    quantiles = np.percentile(SPREAD, [5, 25, 50, 75, 95], axis=0)
    for kind, numbers in ((0.9, quantiles[[0, 4]]), (4, quantiles[[1, 3]]), ("o", quantiles[[2]])):
        expected = [(float(i), number) for i, two in enumerate(numbers.T) for number in two]
        np.testing.assert_allclose(sorted(shown[kind]), sorted(expected))
    crosses = ax.collections[-1].get_offsets()[:, :: -1 if rows else 1]
    np.testing.assert_allclose(crosses, list(enumerate(SPREAD.mean())))
    axes = (ax.yaxis, ax.xaxis) if rows else (ax.xaxis, ax.yaxis)
    assert [tick.get_text() for tick in axes[0].get_ticklabels()] == list(SPREAD)
    assert [axis.get_label_text() for axis in axes] == ["", "badness"]
    tones = {to_hex(line.get_color()) for line in ax.lines if line.get_linewidth() == 4}
    assert tones == {to_hex(colour(name)) for name in SPREAD}


@pytest.mark.parametrize("rows", [False, True])
def test_a_spread_says_how_many_runs_are_finite(rows):
    values = pd.DataFrame({"GL(2)": [1.0, 2.0, 3.0], "UP(2)": [1.0, math.inf, math.nan]})
    ax = plot_spread(values, rows=rows)
    labels = (ax.yaxis if rows else ax.xaxis).get_ticklabels()
    assert [label.get_text() for label in labels] == ["GL(2)", "UP(2)\n1 of 3 runs finite"]
    crosses = ax.collections[-1].get_offsets()[:, :: -1 if rows else 1].tolist()
    assert crosses == [[0, 2], [1, 1]]


@pytest.mark.parametrize("y", ["badness_ref", "p_good"])
def test_a_tradeoff_has_one_point_a_criterion(y):
    ax = plot_tradeoff(TABLE, y=y)
    shown = sorted(point for line in ax.lines for point in points(line))
    expected = TABLE[["slowness_ref", y]].itertuples(index=False, name=None)
    assert shown == sorted(expected)
    places = {text.get_text(): tuple(text.xy) for text in ax.texts}
    assert places == {
        row["criterion"]: (row["slowness_ref"], row[y]) for row in TABLE.to_dict("records")
    }
    words = {
        "badness_ref": "mean test error relative to the reference",
        "p_good": "share of runs with the best result of these criteria",
    }
    assert ax.get_xlabel() == "mean training time relative to the reference"
    assert ax.get_ylabel() == words[y]


def test_a_tradeoff_joins_each_family_by_time():
    lines = {line.get_label(): line for line in draw_tradeoff().lines}
    assert {name: len(points(line)) for name, line in lines.items()} == {
        "UP": 2,
        "GL": 3,
        "Keras": 1,
    }
    assert points(lines["GL"]) == [(0.5, 1.02), (1.0, 1.0), (3.0, 0.95)]
    for name, line in lines.items():
        assert all(before < later for before, later in pairwise(line.get_xdata()))
        assert line.get_marker() == look(name).marker
        assert to_hex(line.get_color()) == to_hex(colour(name))


def test_a_tradeoff_without_labels_has_the_same_points():
    bare = plot_tradeoff(TABLE, ax=plt.figure().gca(), labels=False, marker="s")
    full = draw_tradeoff(plt.figure().gca())
    assert texts(bare) == []
    assert list(map(points, bare.lines)) == list(map(points, full.lines))
    assert {line.get_marker() for line in bare.lines} == {"s"}


def test_every_point_is_in_sight():
    ax = draw_tradeoff()
    for low, high, name in (*[(*ax.get_xlim(), "slowness_ref")], (*ax.get_ylim(), "badness_ref")):
        assert low < TABLE[name].min() <= TABLE[name].max() < high


# -- axes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("which", "other"), [("x", "y"), ("y", "x")])
def test_a_log_axis_has_plain_numbers(which, other):
    ax = draw_tradeoff()
    log_axis(ax, which)
    assert getattr(ax, f"get_{which}scale")() == "log"
    assert getattr(ax, f"get_{other}scale")() == "linear"
    ax.figure.canvas.draw()
    axis = getattr(ax, f"{which}axis")
    shown = [t.get_text() for t in (*axis.get_ticklabels(), *axis.get_minorticklabels())]
    assert any(shown)
    # 10^{-1} would not be a plain number
    assert all(float(text.replace("\N{MINUS SIGN}", "-")) > 0 for text in shown if text)


def test_the_legend_has_one_entry_a_family():
    ax = plt.figure().gca()
    assert legend_of_families(ax, ["UP(3)", "GL(1)", "GL(2)", "UP(2)"], loc="center") is None
    legend = ax.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["UP", "GL"]
    tones = [to_hex(line.get_color()) for line in legend.get_lines()]
    assert tones == [to_hex(colour("UP")), to_hex(colour("GL"))]


# -- fronts and profiles -------------------------------------------------------------------

FRONT = pd.DataFrame(
    {
        "rule": ["Keras"] * 4 + ["Mine"] * 2,
        "criterion": ["Keras(1)", "Keras(2)", "Keras(3)", "Keras(4)", "Mine(1)", "Mine(2)"],
        "time": [0.1, 0.5, 0.6, 1.0, 0.2, 0.4],
        "regret": [0.3, 0.1, 0.2, 0.0, 0.5, 0.2],
        "low": [0.1, 0.0, 0.0, 0.0, 0.2, 0.1],
        "high": [0.9, 0.2, 0.4, np.inf, 0.8, 0.4],
        "best_of_rule": [True, True, False, True, True, True],
    }
)


def test_a_front_is_a_line_a_rule_through_its_best_points():
    ax = plot_front(FRONT, rules=("Keras",))
    assert points(line_of(ax, "Keras")) == [(0.1, 0.3), (0.5, 0.1), (1.0, 1e-4)]
    (other,) = [line for line in ax.lines if str(line.get_label()).startswith("_")]
    assert points(other) == [(0.2, 0.5), (0.4, 0.2)]
    assert other.get_linewidth() < line_of(ax, "Keras").get_linewidth()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["Keras"]
    # the band of Keras, which ends where it is unbounded
    (band,) = ax.collections
    corners = band.get_paths()[0].vertices
    assert {0.9, 0.2} <= set(corners[:, 1].round(6))
    assert corners[:, 0].max() == 0.5


def test_a_front_draws_bands_only_of_what_is_asked_for():
    assert len(plot_front(FRONT, rules=("Keras", "Mine"), bands=()).collections) == 0
    plt.figure()
    ax = plot_front(FRONT, rules=("Keras", "Mine"), bands=("Keras", "Mine"))
    assert len(ax.collections) == 2
    assert len({line.get_color() for line in ax.lines}) == 2


# -- saving --------------------------------------------------------------------------------


def test_a_saved_figure_is_the_same_bytes_and_closed(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        figure, ax = plt.subplots()
        ax.plot([1, 2])
        files = save(figure, tmp_path / folder / "x.y")
        assert [file.name for file in files] == ["x.y.png", "x.y.pdf"]
    for name in ("x.y.png", "x.y.pdf"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert plt.get_fignums() == []


# -- figures of stops and tables ---------------------------------------------------------------

STOPS = replay(
    CurveSet.from_runs({"val": VAL[i:], "test": VAL[i:]} for i in range(6)),
    ["GL(2, k=1)", "Keras(2)", "MaxEpochs(9)"],
)


def test_stops_show_their_distribution_over_the_runs():
    ax = STOPS.plot()
    assert [tick.get_text() for tick in ax.get_yticklabels()] == STOPS.criteria
    assert texts(ax) == [f"{share:.0%} stopped" for share in STOPS.fired.mean(axis=0)]
    assert ax.get_xlabel() == "stop (epoch)"
    crosses = ax.collections[-1].get_offsets().tolist()
    assert crosses == [[mean, i] for i, mean in enumerate(STOPS.stop.mean(axis=0))]


def test_stops_and_tables_are_drawn_whole_in_figures_of_their_own():
    drawn = [STOPS.plot(), tradeoff(STOPS, reference="GL(2, k=1)").plot(), STOPS.plot()]
    assert len({ax.figure for ax in drawn}) == 3
    for ax in drawn:
        ax.figure.canvas.draw()
        whole = ax.figure.bbox
        for text in [*ax.texts, *ax.get_yticklabels(), ax.xaxis.label]:
            box = text.get_window_extent()
            assert whole.x0 <= box.x0 <= box.x1 <= whole.x1, text


def test_stops_of_steps_say_so():
    runs = [{"val": VAL, "epoch": np.arange(10) * 5, "epoch.unit": "step"}]
    _, (ax, other) = plt.subplots(1, 2)
    assert replay(CurveSet.from_runs(runs), ["GL(2, k=1)"]).plot(ax) is ax
    assert ax.get_xlabel() == "stop (step)"
    assert not other.has_data()


def test_a_table_of_tradeoffs_is_drawn_as_its_figure():
    table = tradeoff(STOPS, reference="GL(2, k=1)")
    ax = table.plot(y="p_good", ax=plt.figure().gca())
    drawn = plot_tradeoff(table, "slowness_ref", "p_good", plt.figure().gca())
    assert list(map(points, ax.lines)) == list(map(points, drawn.lines))
    assert type(table[["criterion", "p_good"]]) is pd.DataFrame
    with pytest.raises(ValueError, match="no column 'slownes_ref'; did you mean 'slowness_ref'"):
        table.plot(x="slownes_ref")
    grouped = STOPS.with_meta(STOPS.meta.assign(half=["a", "b"] * 3))
    with pytest.raises(ValueError, match="several rows per criterion"):
        tradeoff(grouped, "GL(2, k=1)", by="half").plot()
