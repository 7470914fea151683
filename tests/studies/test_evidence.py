"""The experiments on calibration and coverage, with few replications: what they promise holds."""

import math
import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from earlystop_lab import Keras, calibrate, read_curves, simulate
from earlystop_lab.curves.facts import facts_of
from earlystop_lab.studies.calibration import measured

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
CALIBRATION = runpy.run_path(str(EXPERIMENTS / "calibration.py"))
COVERAGE = runpy.run_path(str(EXPERIMENTS / "interval_coverage.py"))
NETS = Path(__file__).resolve().parents[2] / "data" / "curves" / "modern-nets"


@pytest.fixture(autouse=True)
def _figures():
    plt.switch_backend("Agg")
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def calibrated():
    curves = simulate("parametric", 300, seed=1, epochs=150)
    return CALIBRATION["study"]({"simulated": curves.select(facts_of(curves).measurable())}, 30)


def test_the_risk_promised_is_kept_on_new_runs(calibrated):
    cells, tests = calibrated["calibration"], calibrated["calibration_tests"]
    assert len(cells) == 3 * 2 * 4
    # one in 40 may be more than two standard errors above, if all were just at the limit
    assert cells["kept"].mean() >= 0.9
    assert (cells["lost"] <= 0.02 + 4 * cells["standard_error"]).all()
    level = 0.1
    assert (tests["violated"] <= level + 3 * math.sqrt(level * (1 - level) / 30)).all()
    assert (tests["violated"] <= level).mean() >= 0.8


def test_the_figure_of_calibration_shows_every_cell(calibrated):
    figure = CALIBRATION["draw"](calibrated)
    figure.canvas.draw()
    cells, tests, caps, broken = figure.axes
    assert len(cells.containers) == len(calibrated["calibration"])
    assert sum(len(line.get_xdata()) for line in tests.lines[:-1]) == len(
        calibrated["calibration_tests"]
    )
    assert len(caps.lines[0].get_xdata()) == 4
    assert "logs that Keras(50) had stopped" in [t.get_text() for t in broken.get_yticklabels()]


def test_patience_saves_half_of_the_epochs_of_recorded_runs_with_50_to_calibrate_on():
    curves = read_curves(NETS)
    seen = measured(curves.select(facts_of(curves).measurable()), Keras)
    found = CALIBRATION["conformal"](seen, 50, 0.2, 60)
    assert found["saved"] >= 0.5
    assert found["kept"]
    assert found["uncapped"] > found["lost"]


def test_the_experiment_chooses_as_calibrate_does():
    curves = simulate("parametric", 40, seed=3, epochs=100)
    curves = curves.select(facts_of(curves).measurable())
    seen = measured(curves, Keras)
    at, reached, _ = CALIBRATION["chosen"](np.minimum(seen.losses, 0.2), seen.time, 0.02, 0.2)
    found = calibrate(curves, Keras, unit="run")
    assert (found.criterion, found.reached) == (seen.members[at], reached)


@pytest.fixture(scope="module")
def populations():
    rng = np.random.default_rng(0)
    make = COVERAGE["Population"]
    return {
        "normal": make(lambda _, *shape: rng.standard_normal(shape), 0.0, 1.0),
        "60% none, 40% exponential": make(COVERAGE["_mostly_none"], 0.4, 0.64),
    }


def test_the_default_interval_covers_and_others_do_not(populations):
    rows = [
        row
        for name, population in populations.items()
        for row in COVERAGE["coverage"](name, population, 12, 600, 1)
    ]
    table = pd.DataFrame(rows).pivot(index="population", columns="method", values="covered")
    error = 3 * math.sqrt(0.95 * 0.05 / 600)
    assert table["bootstrap-t"].between(0.93 - error, 0.975 + error).all()
    assert (table["percentile"] < table["bootstrap-t"] - 0.02).all()
    assert (table["t, runs as units"] < 0.5).all()
    assert table.loc["normal", "t"] == pytest.approx(0.95, abs=error)
    assert table.loc["60% none, 40% exponential", "t"] < 0.9


def test_the_equal_tailed_bootstrap_t_is_that_of_a_plain_loop():
    values = np.random.default_rng(1).exponential(size=(12, 1))
    low, high = COVERAGE["_equal_tailed"](values, np.random.default_rng(2))[:, 0]
    rng, t = np.random.default_rng(3), []
    mean, error = values.mean(), values.std(ddof=1) / math.sqrt(12)
    for _ in range(20_000):
        drawn = rng.choice(values[:, 0], 12)
        if np.ptp(drawn):
            t.append((drawn.mean() - mean) / (drawn.std(ddof=1) / math.sqrt(12)))
    expected = mean - np.quantile(t, [0.975, 0.025]) * error
    assert [low, high] == pytest.approx(expected, abs=0.1 * np.ptp(expected))


def test_the_default_test_keeps_its_size_where_others_do_not(populations):
    table = COVERAGE["sizes"](populations, 1000, 20)
    shares = table.pivot(index=["null", "clusters"], columns="test", values="rejected")
    error = 3 * math.sqrt(0.08 * 0.92 / 1000)
    assert (shares.drop("lognormal")["bootstrap-t"] <= 0.08 + error).all()
    skewed = ("60% none, 40% exponential", 12)
    assert shares.loc[skewed, "sign flips"] > shares.loc[skewed, "bootstrap-t"] + 0.05
    assert shares.loc[("normal", 12), "t"] == pytest.approx(0.05, abs=error)
    assert shares.loc[("normal", 12), "sign flips"] == pytest.approx(0.05, abs=error)


def test_the_figure_of_coverage_shows_every_method(populations):
    tables = {
        "coverage": pd.DataFrame(
            row
            for name, population in populations.items()
            for n in (12, 40)
            for row in COVERAGE["coverage"](name, population, n, 20, 1)
        ),
        "coverage_pairs": pd.DataFrame({kind: [0.9, 0.95] for kind in COVERAGE["KINDS"]}),
        "coverage_tests": COVERAGE["sizes"](
            {
                **populations,
                "t, 3 degrees of freedom": populations["normal"],
                "problems: a / b": populations["normal"],
            },
            20,
            2,
        ),
    }
    figure = COVERAGE["draw"](tables)
    figure.canvas.draw()
    labels = [line.get_label() for line in figure.axes[1].lines]
    assert {"percentile", "BCa", "t", "t, runs as units"} <= set(labels)
    assert "bootstrap-t, symmetric (the default)" in labels
