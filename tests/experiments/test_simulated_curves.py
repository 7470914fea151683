"""The comparison of real and simulated curves: cumulative shares and their distances."""

import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from earlystop_lab import simulate

STUDY = runpy.run_path(
    str(Path(__file__).resolve().parents[2] / "experiments" / "simulated_curves.py")
)


def largest_distance(a, b):
    """Kolmogorov and Smirnov's distance, by its definition."""
    a, b = a[~np.isnan(a)], b[~np.isnan(b)]
    return max(abs((a <= x).mean() - (b <= x).mean()) for x in np.concatenate([a, b]))


def test_distances_are_those_of_the_definition():
    rng = np.random.default_rng(3)
    tables = {
        name: pd.DataFrame({f: rng.normal(shift, size=40) for f in STUDY["FEATURES"]})
        for name, shift in (("real", 0.0), ("fitted", 0.5), ("resampled", 0.0))
    }
    tables["fitted"].loc[3, "depth"] = np.inf
    tables["real"].loc[5, "depth"] = np.nan
    found = STUDY["distances"](tables).set_index("curves")
    for name in ("fitted", "resampled"):
        for feature in STUDY["FEATURES"]:
            expected = largest_distance(tables["real"][feature], tables[name][feature])
            assert found.loc[name, feature] == pytest.approx(expected, abs=1e-12)


def test_a_study_is_drawn_and_the_same_every_time(tmp_path):
    curves = simulate("parametric", 12, seed=1, epochs=60)
    studies = {"toy": STUDY["features"](curves)}
    assert [len(table) for table in studies["toy"].values()] == [12, 12, 12]
    again = STUDY["features"](curves)
    for name, table in studies["toy"].items():
        pd.testing.assert_frame_equal(table, again[name])
    shown = STUDY["levels"](studies)
    # quantiles that are values of the runs
    values = set(studies["toy"]["real"]["noise"])
    assert set(shown.loc[shown["curves"] == "real", "noise"]) == values
    figure = STUDY["draw"](shown)
    assert len(figure.axes) == len(STUDY["FEATURES"])
    plt.close(figure)


def test_shares_are_steps_of_one_in_n():
    ax = plt.figure().gca()
    samples = {"a": np.array([2.0, 1.0, np.nan, np.inf, 0.0]), "b": np.array([5.0])}
    STUDY["plot_shares"](samples, ax, label="depth", floor=0.5)
    (a, b) = ax.get_lines()
    # the NaN does not count, the infinite one lies beyond, 0 is drawn at the floor
    assert a.get_xdata().tolist() == [0.5, 1, 2]
    assert a.get_ydata().tolist() == [0.25, 0.5, 0.75]
    assert (b.get_xdata().tolist(), b.get_ydata().tolist()) == ([5], [1])
    assert (ax.get_xscale(), ax.get_xlabel()) == ("log", "depth")
    plt.close("all")
