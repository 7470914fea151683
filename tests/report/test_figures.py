"""Figures as they are printed: fonts, sizes, labels that cover nothing, and colours."""

import io
import itertools
import math
import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from drawn_texts import fonts_of, outside, overlaps, sizes_of, texts_of, width_of
from hypothesis import given, settings, strategies as st
from matplotlib.colors import rgb_to_hsv, to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from earlystop_lab import CurveSet, Keras, calibrate, replay, simulate, tradeoff
from earlystop_lab.inference import intervals
from earlystop_lab.live import Stopper
from earlystop_lab.measures.profiles import profile_bands, regret_profile
from earlystop_lab.report import style
from earlystop_lab.report.labels import Label, label_margin, label_points
from earlystop_lab.report.plots import (
    drawn,
    plot_calibration,
    plot_front_of,
    plot_gallery,
    plot_profiles,
    plot_ranks_of,
    plot_run,
    plot_tradeoff_of,
    save,
    why_stopped,
)

FIGURES = Path(__file__).resolve().parents[2] / "figures"


def runs_of(problems, each):
    rows = []
    for k in range(problems):
        for curve in simulate("gradient_flow", each, seed=k, epochs=90, noise=1.5):
            errors = {"val": curve.val, "test": curve.test, "train": 0.9 * curve.val}
            rows.append({"run": f"{k}-{curve.run}", "problem": f"p{k}", **errors})
    return CurveSet.from_runs(rows)


CURVES = runs_of(7, 3)
NAMED = "Keras(1, min_delta=0.00012345, baseline=12345.678, start_from_epoch=5)"
CRITERIA = ["GL(5)", "GL(2)", "PQ(0.5)", "UP(3)", "any_of(Keras(8), MaxEpochs(60))"]
KINDS = {
    "run": lambda: plot_run(CURVES[2], CRITERIA),
    "tradeoff": lambda: [plot_tradeoff_of(CURVES)],
    "front": lambda: [plot_front_of(CURVES)],
    "profiles": lambda: plot_profiles(CURVES),
    "ranks": lambda: [plot_ranks_of(CURVES)],
    "calibration": lambda: [plot_calibration(CURVES, calibrate(CURVES, Keras, 0.05, unit="run"))],
    "gallery": lambda: plot_gallery(CURVES, "simulated"),
    "stops": lambda: [replay(CURVES, CRITERIA).plot()],
    "table": lambda: [tradeoff(replay(CURVES, ["GL(2)", "GL(5)", "UP(3)"])).plot()],
    "front of a long name": lambda: [plot_front_of(CURVES, [NAMED, "UP"])],
    "profiles of long names": lambda: plot_profiles(CURVES, [f"any_of({NAMED}, GL(2))", NAMED]),
    "many stops": lambda: [replay(CURVES, [f"Keras({n})" for n in range(30)]).plot()],
    "one row of a long name": lambda: plot_gallery(CURVES[:2], "a_name_of_a_corpus_" * 4),
}


@pytest.fixture(autouse=True)
def _figures():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


# -- every kind ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "width", "look"),
    [(kind, "column", "paper") for kind in KINDS]
    + [(kind, "page", "grey") for kind in ("run", "tradeoff", "front", "gallery")]
    + [("run", 4, "screen"), ("tradeoff", "page", "screen"), ("front", "column", "screen")]
    + [("one row of a long name", "page", "screen")],
)
def test_a_figure_is_printed_as_it_is(kind, width, look, tmp_path):
    with drawn(look, width):
        axes = KINDS[kind]()
    figure = axes[0].get_figure(root=True)
    assert overlaps(figure) == []
    assert outside(figure) == []
    if look == "grey":
        tones = {to_rgb(line.get_color()) for ax in axes for line in ax.lines}
        assert all(max(tone) == min(tone) for tone in tones)
    (file,) = save(figure, tmp_path / "x.pdf")
    pdf = file.read_bytes()
    assert fonts_of(pdf) == ({"Type0", "CIDFontType2"}, True)
    assert min(sizes_of(pdf)) >= style.SMALLEST
    assert width_of(pdf) == pytest.approx(style.width_of(width))


def test_of_a_run_it_says_why_it_stopped_as_a_live_run_does():
    curve = CURVES[2]
    stops = replay(curve.alone(), CRITERIA)
    for column, text in enumerate(CRITERIA):
        said = why_stopped(stops_rule(text), curve, stops, column)
        live = Stopper(text)
        for epoch, val, train in zip(curve.epoch, curve.val, curve.train, strict=True):
            if live.update(val=val, train=train, epoch=epoch):
                why, best = re.fullmatch(
                    r"(.*) at epoch \S+; best epoch (\S+)", live.reason
                ).groups()
                assert said == (
                    f"{live.criterion} stops at epoch {live.stop_epoch:g}: {why}; "
                    f"it keeps epoch {best}"
                )
                break
        else:
            assert said.startswith(f"{live.criterion} does not stop; the run ends at epoch 90")


def stops_rule(text):
    from earlystop_lab import parse

    return parse(text)


def test_a_run_shows_each_statistic_once_with_all_its_thresholds():
    axes = plot_run(CURVES[2], CRITERIA)
    assert len(axes) == 1 + 5  # GL, PQ, UP, Keras and MaxEpochs
    assert [text.get_text() for text in axes[1].texts] == ["GL(5)", "GL(2)"]
    with pytest.raises(ValueError, match="7 different statistics; a figure has room for 6"):
        plot_run(CURVES[2], [*CRITERIA, "EMA(2)", "Lightning(4)"])


@pytest.mark.parametrize(
    "draw", [plot_run, plot_tradeoff_of, plot_front_of, plot_profiles, plot_ranks_of]
)
def test_more_than_a_figure_can_show_is_refused(draw):
    many = [f"Keras({n})" for n in range(50)]
    refused = pytest.raises(ValueError, match=r"^plot \w+: 50 criteria; .* has room for (12|40)$")
    with drawn("paper", "page"), refused:
        draw(CURVES[0] if draw is plot_run else CURVES, many)


def test_a_run_without_any_validation_error_is_no_figure():
    (run,) = CurveSet.from_runs([{"run": "a", "val": [math.nan] * 2, "train": [2, 1]}])
    refused = pytest.raises(ValueError, match=r"^plot run: no .* of run 'a' is a number$")
    with drawn("paper", "column"), refused:
        plot_run(run, ["GL(5)"])


def test_the_calibrated_threshold_is_the_fastest_whose_bound_is_low_enough():
    found = calibrate(CURVES, Keras, 0.05, unit="run")
    ax = plot_calibration(CURVES, found)
    loss, bound, limit, chosen = ax.lines
    assert list(limit.get_ydata()) == [0.05, 0.05]
    ((x, y),) = chosen.get_xydata()
    at = np.flatnonzero(loss.get_xdata() == x)
    assert y in loss.get_ydata()[at]
    assert (
        found.reached == pytest.approx(bound.get_ydata()[at].max())
        or found.reached in bound.get_ydata()[at]
    )
    assert (bound.get_ydata()[bound.get_xdata() < x - 1e-12] > 0.05).all()


def test_mean_ranks_of_two_rules_add_up_to_three():
    ax = plot_ranks_of(CURVES, ["Keras", "UP(1, k=1)"])
    lines = [line.get_ydata() for line in ax.lines if len(line.get_xdata()) > 1]
    np.testing.assert_allclose(np.sum(lines, axis=0), 3)


def test_bands_of_profiles_are_intervals_of_the_shares_and_hold_them():
    values = np.array([[0.0, 0.2], [0.1, 0.3], [0.02, 0.0], [0.5, 0.1], [0.0, 0.0], [0.3, 0.2],
                       [0.04, 0.6]])  # fmt: skip
    within = [0.01, 0.05, 0.25]
    alone = pd.Index([f"d{i}" for i in range(7)], name="dataset")
    bands = profile_bands(values, alone, ["a", "b"], within)
    shares = regret_profile(values, ["a", "b"], within)
    for j, name in enumerate("ab"):
        # one run a cluster: the interval of the mean of zeros and ones, cut at 0 and 1
        plain = intervals(pd.DataFrame(values[:, [j]] <= within).astype(float), simultaneous=True)
        for i, x in enumerate(within):
            # the share rises with x: the best end on either side holds
            low, high = max(0, *plain["low"][: i + 1]), min(1, *plain["high"][i:])
            expected = [low, high] if (low, high) != (0, 1) else [np.nan, np.nan]
            np.testing.assert_allclose(bands[name].loc[x], expected)
            assert not low > shares.loc[x, name]
            assert not high < shares.loc[x, name]
    with drawn("paper"):
        left, right = plot_profiles(CURVES, ["GL(2)", "UP(3)"])
    assert [len(ax.collections) for ax in (left, right)] == [2, 2]


def test_without_enough_data_sets_it_says_that_there_are_no_intervals():
    with drawn("paper"):
        ax = plot_tradeoff_of(CURVES[:9], ["GL(2)", "UP(3)"])
    assert ax.get_title(loc="left") == "9 runs; no intervals: 3 problems are too few"


# -- labels --------------------------------------------------------------------------------

places = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=14)


@settings(max_examples=5)
@given(places)
def test_labels_of_points_cover_no_other_label(points):
    with drawn("paper", "page"):
        figure, ax = plt.subplots()
    ax.set(xlim=(-0.1, 1.1), ylim=(-0.1, 1.1))
    label_points(ax, [Label(f"GL({i})", x, y, "black") for i, (x, y) in enumerate(points)])
    assert overlaps(figure) == []
    for _, box in [each for each in texts_of(figure) if each[0] in ax.texts]:
        assert ax.bbox.x0 <= box.x0 <= box.x1 <= ax.bbox.x1
    before = [text.get_position() for text in ax.texts]
    figure.canvas.draw()
    assert [text.get_position() for text in ax.texts] == before
    plt.close(figure)


@settings(max_examples=5)
@given(st.lists(st.floats(0.2, 0.8), min_size=1, max_size=8), st.sampled_from(["top", "right"]))
def test_labels_in_a_margin_keep_their_order_and_move_only_if_they_must(at, side):
    with drawn("paper", "page"):
        figure, ax = plt.subplots()
    label_margin(ax, side, [(f"UP({i})", place, "black") for i, place in enumerate(at)])
    assert overlaps(figure) == []
    way = 0 if side == "top" else 1
    boxes = [(Text.get_window_extent(t), t) for t in ax.texts]
    middles = [((b.x0 + b.x1) / 2, (b.y0 + b.y1) / 2)[way] for b, _ in boxes]
    wanted = [ax.transData.transform((place, place))[way] for place in at]
    for (a, x), (b, y) in itertools.combinations(zip(wanted, middles, strict=True), 2):
        assert a == b or (a < b) == (x < y)
    size = boxes[0][0].bounds[2 + way]
    if np.diff(np.sort(wanted)).min(initial=math.inf) > 2 * size:
        np.testing.assert_allclose(middles, wanted, atol=1.5)
    plt.close(figure)


# -- style ---------------------------------------------------------------------------------

#: what people see who lack one kind of cones, in linear RGB
#: (G. Machado et al., IEEE TVCG 15 (2009) 1291-1298, doi 10.1109/TVCG.2009.113, severity 1)
SEEN = {
    "all": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                 [-0.011820, 0.042940, 0.968881]],
}  # fmt: skip


def linear(colour):
    rgb = np.array(to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
              [0.0193339, 0.1191920, 0.9503041]]  # fmt: skip
    xyz = np.array(to_xyz) @ np.clip(rgb, 0, 1) / [0.95047, 1, 1.08883]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("who", SEEN)
def test_the_families_of_most_figures_are_told_apart(who):
    tones = [style.colour(f"{name}(2)") for name in ("GL", "PQ", "UP", "Keras")]
    seen = [lab(np.array(SEEN[who]) @ linear(tone)) for tone in tones]
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(one - other) > 25


def test_families_differ_also_without_colour_and_nothing_is_red():
    with drawn("grey"):
        looks = [style.look(f"{name}(2)") for name in ("GL", "PQ", "UP", "Keras")]
        assert len({look.marker for look in looks}) == len({look.line for look in looks}) == 4
        assert len({look.colour for look in looks}) == 4
    for look in style.series("abcdefgh").values():
        hue, saturation, _ = rgb_to_hsv(to_rgb(look.colour))
        assert saturation < 0.1 or 0.04 < hue < 0.95
        # contrast of at least 3 to 1 on white
        assert 1.05 / (linear(look.colour) @ [0.2126, 0.7152, 0.0722] + 0.05) >= 3


def test_a_wrong_style_or_width_is_named():
    for width in ("broad", "0.5", 300, "nan"):
        with pytest.raises(ValueError, match=r"width = .*expected column, page or inches from"):
            style.width_of(width)
    with pytest.raises(ValueError, match="style 'papper': did you mean 'paper'"), drawn("papper"):
        pass


# -- what is committed ---------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(FIGURES.glob("*.pdf")), ids=lambda path: path.name)
def test_committed_figures_have_fonts_that_venues_take(path):
    pdf = path.read_bytes()
    assert fonts_of(pdf) == ({"Type0", "CIDFontType2"}, True)
    assert min(sizes_of(pdf)) >= style.SMALLEST
    assert width_of(pdf) <= style.WIDTHS["page"] + 1e-6


def test_a_figure_says_what_it_shows():
    def one(y, text="a"):
        figure, ax = plt.subplots()
        ax.plot([1, 2], [1, y])
        ax.set_title(text)
        return figure

    digests = [style.digest(one(*given)) for given in ((2,), (2,), (2.01,), (2, "b"), (2.0000001,))]
    assert digests[0] == digests[1] == digests[4]
    assert len({*digests}) == 3
    made = style.bytes_of(one(2), ".png")
    assert Image.open(io.BytesIO(made)).text["Drawn"] == digests[0]
    assert isinstance(plt.gcf(), Figure)


def test_names_of_problems_break_between_words_and_their_count_stays_whole():
    names = ["imagenet_resnet_large_bn_init", "digits", "synthetic-clusters-noise20"]
    curves = CurveSet.from_runs([{"run": f"{i}", "problem": n, "val": [1.0, 0.5]} for i, n in
                                 enumerate(names)])  # fmt: skip
    with drawn("paper", 5):
        titles = [ax.get_title(loc="left") for ax in plot_gallery(curves, "some")]
    assert titles == [
        "digits (1 run)",
        "imagenet_resnet_\nlarge_bn_init (1 run)",
        "synthetic-clusters-\nnoise20 (1 run)",
    ]


@pytest.mark.parametrize("text", ["EarlyStoppingPyTorch(7)", "AdaptivePatience()"])
def test_a_statistic_has_the_colour_of_the_stop_also_with_a_long_name_or_no_threshold(text):
    axes = plot_run(CURVES[2], [text])
    assert axes[1].lines[0].get_color() == style.colour(text)
    assert {line.get_color() for line in axes[0].lines[3:]} <= {style.colour(text)}
