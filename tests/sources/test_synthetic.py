"""Simulated curves against gradient descent itself, fine grids and known distributions."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from earlystop_lab.curves import CurveSet, read_curves
from earlystop_lab.sources import synthetic
from earlystop_lab.sources.synthetic import (
    Examples,
    clean_curve,
    descent_curves,
    double_descent,
    double_descent_risk,
    fit_parametric,
    gradient_flow,
    parametric,
    resample,
    simulate,
)
from earlystop_lab.sources.synthetic.parametric_curves import SPREADS, wander
from earlystop_lab.sources.synthetic.smoothing import local_size, smooth

EXPERIMENT = Path(__file__).resolve().parents[2] / "experiments" / "simulated_curves.py"
curve_features = runpy.run_path(str(EXPERIMENT))["curve_features"]

#: the quiet part of the formula: nothing random but what a test adds
QUIET = {"noise": 0, "plateaus": 0, "spikes": 0, "diverges": 0}
SHAPE = {"floor": 2.0, "drop": 9.0, "decay": 1.2, "rise": 3.0, "onset": 150.0, "steepness": 2.0}


def rng(seed=0):
    return np.random.default_rng(seed)


def small_corpus():
    """Ragged runs with gaps, a divergence and a run too short for anything."""
    made = rng(5)
    runs = []
    for i, length in enumerate((40, 60, 25, 1)):
        trend = 3 * np.arange(1.0, length + 1) ** -0.5
        val, train = (trend * np.exp(0.05 * made.standard_normal(length)) for _ in range(2))
        runs.append({"run": f"r{i}", "problem": f"p{i % 2}", "val": val, "train": train})
    runs[0]["val"][[3, 17]] = np.nan
    runs[1]["val"][-5:] = np.inf
    return CurveSet.from_runs(runs)


PARAMS = {
    "gradient_flow": {"epochs": 20},
    "double_descent": {"epochs": 20, "validation": 30},
    "parametric": {"epochs": 20},
    "resample": {"curves": small_corpus()},
}


def local_minima(values):
    return [
        i
        for i in range(1, len(values) - 1)
        if values[i] < values[i - 1] and values[i] <= values[i + 1]
    ]


# -- one entry -----------------------------------------------------------------------------


@pytest.mark.parametrize("family", synthetic.FAMILIES)
@settings(max_examples=15)
@given(seed=st.integers(0, 2**64), n=st.integers(1, 15), more=st.integers(0, 5))
def test_a_seed_gives_the_same_bytes_whatever_n(family, seed, n, more):
    short = simulate(family, n, seed=seed, **PARAMS[family])
    long = simulate(family, n + more, seed=seed, **PARAMS[family])
    assert len(short) == n
    for name in short.table.column_names:
        if name in ("epoch", "val", "train", "test"):
            a, b = short.channel(name), long[:n].channel(name)
            assert a.values.tobytes() == b.values.tobytes()
            assert a.offsets.tolist() == b.offsets.tolist()
        else:
            assert short.table[name].to_pylist() == long.table[name][:n].to_pylist()


def test_the_number_of_blas_threads_does_not_matter():
    code = (
        "import hashlib; from earlystop_lab.sources.synthetic import simulate\n"
        "for family in ('gradient_flow', 'double_descent', 'parametric'):\n"
        "    for curve in simulate(family, 3, seed=1):\n"
        "        values = b''.join(bytes(curve[name]) for name in curve.channels)\n"
        "        print(hashlib.sha256(values).hexdigest())"
    )
    said = []
    for threads in ("1", "2"):
        counts = {f"{name}_NUM_THREADS": threads for name in ("OPENBLAS", "MKL", "OMP")}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **counts},
            capture_output=True,
            text=True,
            check=True,
        )
        said.append(done.stdout)
    assert said[0].count("\n") == 9
    assert said[0] == said[1]


@pytest.mark.parametrize("family", synthetic.FAMILIES)
def test_seeds_and_runs_differ(family):
    one, two = (simulate(family, 2, seed=seed, **PARAMS[family]) for seed in (1, 2))
    assert one[0].val.tobytes() != two[0].val.tobytes()
    assert one[0].val.tobytes() != one[1].val.tobytes()


@pytest.mark.parametrize("family", synthetic.FAMILIES)
def test_the_optimum_is_the_lowest_of_the_noiseless_curve(family):
    curves = simulate(family, 30, seed=3, **PARAMS[family])
    for curve, row in zip(curves, curves.meta.to_dict("records"), strict=True):
        known = [(e, t) for t, e in zip(curve.epoch, curve.test, strict=True) if e == e]
        error, epoch = min(known)
        assert (row["optimum"], row["optimum_error"]) == (epoch, error)
        assert row["optimum_censored"] == (epoch == known[-1][1])
    assert curves.meta["problem"].nunique() > 1


@pytest.mark.parametrize("family", synthetic.FAMILIES)
def test_curves_survive_the_file(family, tmp_path):
    curves = simulate(family, 4, seed=3, **PARAMS[family])
    curves.write(tmp_path / "curves.parquet")
    assert read_curves(tmp_path / "curves.parquet").table.equals(curves.table)


@pytest.mark.parametrize(
    ("family", "n", "params", "said"),
    [
        ([], 1, {}, r"family = \[\]; expected one of gradient_flow, "),
        ("gradient_flow", 1, {"spectrum": 1}, r"spectrum = 1; expected a list of numbers"),
        ("sgd", 1, {}, r"family = 'sgd'; expected one of gradient_flow, "),
        ("parametric", 0, {}, r"n = 0; expected an integer"),
        ("parametric", 2.5, {}, r"n = 2.5; expected an integer"),
        (
            "parametric",
            1,
            {"rise": 1},
            r"parametric: unknown parameter 'rise'; expected one of params, epochs",
        ),
        ("parametric", 1, {"params": {"height": 1}}, r"'height'; expected parameters among floor"),
        ("parametric", 1, {"params": {"noise": -1}}, r"noise = -1; expected a finite number"),
        ("parametric", 1, {"params": {"noise": "much"}}, r"noise = 'much'; expected a number"),
        ("parametric", 1, {"params": {"correlation": 1}}, r"correlation = 1; .*-1 and 1"),
        ("parametric", 1, {"params": {"spikes": 1.5}}, r"spikes = 1.5; expected a probability"),
        ("parametric", 1, {"params": {"onset": 0}}, r"onset = 0; expected"),
        ("parametric", 1, {"params": {"epochs": 0}}, r"epochs = 0; expected a finite number above"),
        ("parametric", 1, {"params": pd.DataFrame({"noise": []})}, r"at least one row"),
        ("parametric", 1, {"clustering": 2}, r"clustering = 2; expected a number between"),
        ("gradient_flow", 1, {"epochs": 0}, r"epochs = 0; expected"),
        ("gradient_flow", 1, {"problems": 0}, r"problems = 0; expected"),
        ("gradient_flow", 1, {"noise": np.nan}, r"noise = nan; expected a finite number"),
        ("gradient_flow", 1, {"spectrum": [1, 0]}, r"spectrum = \[1, 0\]; expected one or more"),
        ("gradient_flow", 1, {"spectrum": []}, r"spectrum = \[\]; expected one or more"),
        ("gradient_flow", 1, {"learning_rate": 0}, r"learning_rate = 0; expected a number above 0"),
        ("double_descent", 1, {"samples": 79}, r"samples = 79; expected at least the 80 features"),
        ("double_descent", 1, {"eigenvalues": (0.1, 1)}, r"eigenvalues = .* the fast one first"),
        ("double_descent", 1, {"signal": (1, -1)}, r"signal = \(1, -1\); expected two"),
        (
            "double_descent",
            1,
            {"signal": (1e308, 1e308)},
            "all errors of a simulated run are infinite",
        ),
        ("double_descent", 1, {"features": (3,)}, r"features = \(3,\); expected two numbers"),
        ("resample", 1, {}, r"resample: missing parameter 'curves'"),
        ("resample", 1, {"curves": small_corpus(), "block": 0}, r"block = 0; expected"),
        ("resample", 1, {"curves": small_corpus(), "width": 1}, r"width = 1; expected"),
        ("resample", 1, {"curves": CurveSet.from_runs([{"val": [np.nan]}])}, "at least one run"),
    ],
)
def test_bad_parameters_are_named_with_their_value(family, n, params, said):
    with pytest.raises(ValueError, match=said):
        simulate(family, n, seed=0, **params)


def test_a_bad_seed_is_named():
    with pytest.raises(ValueError, match=r"seed = -1; expected an integer >= 0"):
        simulate("parametric", 1, seed=-1)
    with pytest.raises(ValueError, match=r"rng = 7; expected a numpy.random.Generator"):
        gradient_flow(1, 7)


# -- gradient descent ----------------------------------------------------------------------


def sample(seed, samples, spectrum, noise):
    made = rng(seed)
    teacher = made.standard_normal(len(spectrum))
    sets = []
    for size in (samples, 25):
        x = made.standard_normal((size, len(spectrum))) * np.sqrt(spectrum)
        sets.append(Examples(x, x @ teacher + noise * made.standard_normal(size)))
    return *sets, teacher


def descend(train, val, teacher, spectrum, noise, learning_rate, epochs):
    """Gradient descent, one update after the other."""
    w = np.zeros(len(teacher))
    rows = []
    for _ in range(epochs):
        w = w - learning_rate * train.x.T @ (train.x @ w - train.y) / len(train.y)
        off = w - teacher
        errors = [np.mean((data.x @ w - data.y) ** 2) for data in (train, val)]
        rows.append([*errors, noise**2 + off @ np.diag(spectrum) @ off])
    return dict(zip(("train", "val", "test"), np.array(rows).T, strict=True))


@pytest.mark.parametrize(
    ("samples", "spectrum", "learning_rate"),
    [
        (30, np.arange(1.0, 11.0) ** -1.5, 0.5),
        (8, np.arange(1.0, 21.0) ** -0.5, 0.2),  # more features than samples
        (40, np.geomspace(1, 1e-9, 12), 0.9),  # directions that hardly learn
        (500, np.ones(3), 1.6),  # steps that overshoot
        (1, np.ones(1), 0.01),
    ],
)
def test_closed_form_is_gradient_descent(samples, spectrum, learning_rate):
    train, val, teacher = sample(1, samples, spectrum, 0.7)
    settings = {"noise": 0.7, "learning_rate": learning_rate, "epochs": 400}
    exact = descent_curves(train, val, teacher, spectrum, **settings)
    run = descend(train, val, teacher, spectrum, **settings)
    for name in ("train", "val", "test"):
        np.testing.assert_allclose(exact[name], run[name], rtol=1e-8, atol=1e-12)


def test_a_risk_of_no_samples_is_refused():
    with pytest.raises(ValueError, match="samples = 0; expected an integer >= 1"):
        double_descent_risk([1, 2], samples=0)


def test_a_rate_beyond_the_largest_eigenvalue_is_refused_and_only_that():
    spectrum = np.ones(4)
    train, val, teacher = sample(2, 12, spectrum, 0.1)
    limit = 2 / np.linalg.svd(train.x / np.sqrt(12), compute_uv=False)[0] ** 2
    settings = {"noise": 0.1, "epochs": 3000}
    below = descent_curves(train, val, teacher, spectrum, learning_rate=0.999 * limit, **settings)
    assert below["train"][-1] < below["train"][0]
    above = descend(train, val, teacher, spectrum, learning_rate=1.01 * limit, **settings)
    assert above["train"][-1] > 1e6 * above["train"][0]
    with pytest.raises(ValueError, match=r"learning_rate = .*2 / the largest eigenvalue"):
        descent_curves(train, val, teacher, spectrum, learning_rate=1.01 * limit, **settings)


def test_the_optimal_epoch_is_that_of_the_continuous_flow_on_a_fine_grid():
    # w(s) = (I - exp(-s H)) H^-1 b at time s = epoch * learning_rate, by the matrix exponential
    from scipy.linalg import expm

    spectrum, noise, rate = np.arange(1.0, 9.0) ** -1.0, 1.5, 1e-3
    train, val, teacher = sample(4, 20, spectrum, noise)
    exact = descent_curves(
        train, val, teacher, spectrum, noise=noise, learning_rate=rate, epochs=10_000
    )
    gram, along = train.x.T @ train.x / 20, train.x.T @ train.y / 20
    grid = np.arange(0.005, 10, 0.005)
    risks = []
    for s in grid:
        off = np.linalg.solve(gram, along - expm(-s * gram) @ along) - teacher
        risks.append(noise**2 + off @ (spectrum * off))
    best = grid[np.argmin(risks)]
    assert 0.1 < best < 9
    assert abs(rate * (1 + exact["test"].argmin()) - best) <= 0.01
    assert exact["test"].min() == pytest.approx(min(risks), rel=1e-4)


def test_true_risk_is_the_error_on_many_new_examples():
    spectrum = np.array([1.0, 0.3, 0.1])
    train, _, teacher = sample(6, 10, spectrum, 0.5)
    made = rng(7)
    x = made.standard_normal((400_000, 3)) * np.sqrt(spectrum)
    fresh = Examples(x, x @ teacher + 0.5 * made.standard_normal(len(x)))
    curves = descent_curves(
        train, fresh, teacher, spectrum, noise=0.5, learning_rate=0.5, epochs=40
    )
    # the standard error of a mean of squares is below sqrt(2 / 400 000) of it
    np.testing.assert_allclose(curves["val"], curves["test"], rtol=5 * np.sqrt(2 / 4e5))


def test_runs_of_gradient_flow_overfit_as_their_parameters_say():
    calm = gradient_flow(20, rng(), noise=0.0, samples=200, epochs=300)
    assert calm.meta["optimum_censored"].all()
    noisy = gradient_flow(20, rng(), noise=1.0)
    assert not noisy.meta["optimum_censored"].any()
    for curve in noisy:
        assert np.all(np.diff(curve.train) < 0)
        assert curve.test[-1] > 1.1 * curve.test.min()


# -- double descent ------------------------------------------------------------------------


def test_double_descent_has_two_minima():
    assert len(local_minima(double_descent_risk(np.arange(1, 3001)))) == 2
    for curve in double_descent(24, rng(11)):
        first, second = local_minima(curve.test)
        assert first < 30 < 500 < second


@pytest.mark.parametrize(("slow", "second_is_lower"), [(0.3, False), (0.5, True), (1.0, True)])
def test_the_slow_features_signal_decides_which_minimum_is_lower(slow, second_is_lower):
    signal = (0.5, slow)
    risk = double_descent_risk(np.arange(1, 6001), signal=signal, eigenvalues=(1.0, 0.004))
    first, second = local_minima(risk)
    assert (risk[second] < risk[first]) == second_is_lower
    # as the docstring's condition says
    v_fast, v_slow = 0.6, 0.2
    assert (slow**2 / (slow + v_slow) > v_fast**2 / (0.5 + v_fast)) == second_is_lower


def test_the_mean_of_many_runs_is_the_closed_form():
    params = {"features": (6, 3), "samples": 12, "eigenvalues": (1.0, 0.05), "signal": (0.5, 2.0)}
    runs = double_descent(400, rng(1), epochs=60, validation=9, **params)
    risks = np.array([curve.test for curve in runs])
    expected = double_descent_risk(np.arange(1, 61), **params)
    error = risks.std(axis=0, ddof=1) / np.sqrt(len(risks))
    assert np.abs((risks.mean(axis=0) - expected) / error).max() < 4
    assert error.max() < 0.05 * expected.min()


# -- the formula ---------------------------------------------------------------------------


def test_without_noise_validation_is_the_formula():
    curves = parametric(3, rng(), params={**SHAPE, **QUIET}, epochs=500)
    t = np.arange(1.0, 501)
    h = (t / 150) ** 2
    expected = 2 + 9 / t**1.2 + 3 * h / (1 + h)
    for curve in curves:
        np.testing.assert_allclose(curve.val, expected, rtol=1e-13)
        np.testing.assert_array_equal(curve.val, curve.test)
    fine = np.arange(1.0, 500, 0.01)
    h = (fine / 150) ** 2
    best = fine[np.argmin(2 + 9 / fine**1.2 + 3 * h / (1 + h))]
    assert abs(curves.meta["optimum"][0] - best) <= 1


@pytest.mark.parametrize(("a", "b"), [(0.0, 0.0), (0.8, 0.0), (-0.5, 0.0), (0.9, 0.4), (0.5, -0.3)])
def test_noise_has_the_variance_and_correlation_of_its_process(a, b):
    first = (a + b) / (1 + a * b)
    second = (a + b) * first - a * b
    many = np.array([wander(rng(i), 8, a, b) for i in range(6000)])
    # stationary from the first value on; 6000 values know a correlation to 0.013, 5 of these
    empirical = many.T @ many / len(many)
    for i in range(8):
        assert empirical[i, i] == pytest.approx(1, abs=5 * np.sqrt(2 / 6000))
        if i + 1 < 8:
            assert empirical[i, i + 1] == pytest.approx(first, abs=0.065)
        if i + 2 < 8:
            assert empirical[i, i + 2] == pytest.approx(second, abs=0.065)


def test_noise_shrinks_as_cooling_says():
    params = {**QUIET, "noise": 0.2, "cooling": 0.5, "correlation": 0.7}
    curves = parametric(3000, rng(2), params=params, epochs=100)
    logs = np.log([curve.val / curve.test for curve in curves])
    size = logs.std(axis=0)
    np.testing.assert_allclose(size, 0.2 * np.arange(1, 101) ** -0.5, rtol=5 / np.sqrt(6000))
    steady = parametric(3000, rng(2), params={**params, "cooling": 0}, epochs=100)
    logs = np.log([curve.val / curve.test for curve in steady])
    np.testing.assert_allclose(logs.std(axis=0), 0.2, rtol=5 / np.sqrt(6000))


def test_a_plateau_is_a_pause_in_the_noiseless_curve():
    params = {**QUIET, **SHAPE, "rise": 0.0}
    free = parametric(1, rng(), params=params, epochs=400)[0].test
    for curve in parametric(20, rng(3), params={**params, "plateaus": 1}, epochs=400):
        still = np.flatnonzero(np.diff(curve.test) == 0)
        assert 0.05 * 400 - 1 <= len(still) <= 0.2 * 400
        assert np.all(np.diff(still) == 1)
        # before it the free curve, after it the free curve, later
        np.testing.assert_array_equal(curve.test[: still[0] + 1], free[: still[0] + 1])
        assert free[400 - len(still) - 2] >= curve.test[-1] >= free[400 - len(still)]
    assert not np.any(np.diff(free) == 0)


def test_spikes_are_as_many_and_as_high_as_asked_for():
    params = {**QUIET, "spikes": 0.1, "spike_height": 0.5}
    curves = parametric(100, rng(4), params=params, epochs=1000)
    logs = np.concatenate([np.log(curve.val / curve.test) for curve in curves])
    hit = logs > 1e-12
    assert hit.mean() == pytest.approx(0.1, rel=0.05)
    assert logs[hit].mean() == pytest.approx(0.5, rel=0.05)
    assert logs[hit].std() == pytest.approx(0.5, rel=0.06)  # exponential: mean and deviation agree
    assert not np.any(logs < -1e-12)


def test_divergence_is_as_frequent_as_asked_for_and_ends_infinite():
    curves = parametric(400, rng(5), params={**QUIET, "diverges": 0.25}, epochs=200)
    infinite = [np.isinf(curve.val) for curve in curves]
    exploding = [curve.test[-1] > 2 * curve.test.min() + 5 for curve in curves]
    assert np.mean(exploding) == pytest.approx(0.25, abs=0.09)
    for curve, gone in zip(curves, infinite, strict=True):
        assert np.all(np.diff(gone.astype(int)) >= 0)  # once gone, gone
        np.testing.assert_array_equal(gone, np.isinf(curve.test))
        np.testing.assert_array_equal(gone, np.isinf(curve.train))
    assert np.any(infinite)


def test_parameters_are_drawn_from_the_stated_distributions():
    drawn = parametric(1200, rng(6), epochs=2, problems=1200).meta
    for name in ("floor", "decay", "rise", "onset", "noise"):
        logs = np.log(drawn[name])
        spread = SPREADS[name]
        assert logs.mean() == pytest.approx(
            np.log(spread.median), abs=5 * spread.sigma / np.sqrt(1200)
        )
        assert logs.std() == pytest.approx(spread.sigma, rel=5 / np.sqrt(2400))
    odds = np.log(drawn["correlation"] / (1 - drawn["correlation"]))
    assert odds.std() == pytest.approx(1, rel=5 / np.sqrt(2400))
    for name in ("drop", "decay", "noise", "cooling"):
        assert drawn[f"train_{name}"].equals(drawn[name].rename(f"train_{name}"))


@pytest.mark.parametrize("clustering", [0.0, 0.5, 1.0])
def test_clustering_is_the_share_of_the_variance_between_problems(clustering):
    drawn = parametric(2000, rng(7), epochs=2, problems=200, clustering=clustering).meta
    logs = np.log(drawn["floor"])
    groups = logs.groupby(drawn["problem"])
    within = groups.var().mean()
    between = groups.mean().var() - within / 10
    assert between / (between + within) == pytest.approx(clustering, abs=0.12)


def test_a_table_s_rows_are_drawn_whole():
    table = pd.DataFrame(
        {
            "floor": [1.0, 2.0],
            "drop": [10.0, 20.0],
            "epochs": [30.0, 50.0],
            "every": [1.0, 5.0],
            "problem": ["a", "b"],
        }
    )
    curves = parametric(40, rng(8), params=table)
    kinds = {("a", 1.0, 10.0, 30, 30.0), ("b", 2.0, 20.0, 10, 50.0)}
    found = [
        (row["problem"], row["floor"], row["drop"], len(curve.val), curve.epoch[-1])
        for curve, row in zip(curves, curves.meta.to_dict("records"), strict=True)
    ]
    assert set(found) == kinds
    assert 8 < [kind[0] for kind in found].count("a") < 32


# -- fitting -------------------------------------------------------------------------------


def test_a_fit_finds_the_curves_it_was_made_from():
    params = {**QUIET, **SHAPE, "noise": 0.02, "cooling": 0.0, "correlation": 0.5}
    params |= {"train_floor": 0.5, "train_drop": 9.0, "train_decay": 0.8}
    curves = parametric(12, rng(9), params=params, epochs=1500)
    fit = fit_parametric(curves)
    t = np.arange(1.0, 1501)
    truth = clean_curve(t, **SHAPE)
    for _, row in fit.iterrows():
        fitted = clean_curve(t, **{name: row[name] for name in SHAPE})
        assert np.abs(np.log(fitted / truth))[3:].max() < 0.05
        train = clean_curve(t, **{n: row[f"train_{n}"] for n in ("floor", "drop", "decay")})
        assert np.abs(np.log(train / (0.5 + 9 / t**0.8)))[3:].max() < 0.05
    assert fit["noise"].median() == pytest.approx(0.02, rel=0.25)
    assert fit["cooling"].median() == pytest.approx(0, abs=0.06)
    assert fit["correlation"].median() == pytest.approx(0.5, abs=0.1)
    assert fit["persistence"].median() == pytest.approx(0, abs=0.15)
    assert fit["misfit"].max() < 0.05


@pytest.mark.parametrize("persistence", [0.0, 0.5])
def test_curves_from_a_fit_have_the_features_of_the_corpus(persistence):
    params = {"noise": 0.05, "cooling": 0.4, "correlation": 0.9, "persistence": persistence}
    corpus = parametric(60, rng(10), params={**QUIET, **params}, epochs=800)
    again = parametric(60, rng(11), params=fit_parametric(corpus), epochs=800)
    real, simulated = curve_features(corpus).median(numeric_only=True), None
    simulated = curve_features(again).median(numeric_only=True)
    assert simulated["minima"] == pytest.approx(real["minima"], rel=0.15)
    assert simulated["noise"] == pytest.approx(real["noise"], rel=0.15)


@pytest.mark.parametrize(("epochs", "errors"), [(1000, 1), (1e-3, 1e-6), (1e9, 1e100)])
def test_the_units_of_epochs_and_errors_change_no_fit(epochs, errors):
    (curve,) = parametric(1, rng(3), params={**QUIET, **SHAPE, "noise": 0.02}, epochs=300)
    scaled = {"val": curve.val * errors, "epoch": curve.epoch * epochs}
    before, after = (
        fit_parametric(CurveSet.from_runs([run])).iloc[0]
        for run in ({"val": curve.val, "epoch": curve.epoch}, scaled)
    )
    # floor + drop t^-decay: the drop is that of epoch 1 in either unit
    power = epochs ** after["decay"]
    for name, unit in [("floor", 1), ("rise", 1), ("drop", power)]:
        assert after[name] == pytest.approx(before[name] * errors * unit, rel=1e-6)
    assert after["onset"] == pytest.approx(before["onset"] * epochs, rel=1e-6)
    for name in ("decay", "steepness", "misfit", "cooling", "correlation"):
        assert after[name] == pytest.approx(before[name], abs=1e-6)


def test_errors_over_many_decades_are_fitted():
    t = np.cumsum(rng(5).integers(1, 1000, 40)).astype(float)
    fit = fit_parametric(
        CurveSet.from_runs([{"val": np.exp(rng(6).normal(0, 100, 40)), "epoch": t}])
    )
    assert np.isfinite(fit.drop(columns="run").astype(float)).all(axis=None)


def test_outliers_hardly_move_a_fit():
    t = np.arange(1.0, 601)
    clean = clean_curve(t, **SHAPE)
    dirty = clean.copy()
    dirty[rng(12).random(600) < 0.03] *= 30
    rows = fit_parametric(CurveSet.from_runs([{"val": clean}, {"val": dirty}]))
    one, two = (clean_curve(t, **{n: row[n] for n in SHAPE}) for _, row in rows.iterrows())
    assert np.abs(np.log(two / one))[10:].max() < 0.1
    assert rows["spikes"][0] == 0 < rows["spikes"][1] <= 0.03
    assert rows["spike_height"][1] == pytest.approx(np.log(30), rel=0.1)


def test_a_fit_says_what_it_cannot_and_keeps_what_it_can():
    t = np.arange(10.0, 410, 10)
    good = clean_curve(t, **SHAPE)
    gone = np.where(t > 300, np.inf, good)
    holes = np.where(t % 70 == 0, np.nan, good)
    runs = [
        {"run": "good", "val": good, "epoch": t, "problem": "p"},
        {"run": "gone", "val": gone, "epoch": t, "problem": "q"},
        {"run": "holes", "val": holes, "epoch": t, "problem": "q"},
        {"run": "short", "val": good[:11], "epoch": t[:11], "problem": "q"},
        {"run": "negative", "val": -good, "epoch": t, "problem": "q"},
        {"run": "flat", "val": np.full(40, 0.3), "epoch": t, "problem": "q"},
    ]
    fit = fit_parametric(CurveSet.from_runs(runs)).set_index("run")
    assert fit.index.tolist() == ["good", "gone", "holes", "flat"]
    assert fit["diverges"].tolist() == [0, 1, 0, 0]
    assert fit["problem"].tolist() == ["p", "q", "q", "q"]
    assert set(fit["every"]) == {10}
    assert set(fit["epochs"]) == {400}
    flat = clean_curve(t, **{name: fit.loc["flat", name] for name in SHAPE})
    np.testing.assert_allclose(flat, 0.3, rtol=1e-3)
    assert fit.loc["flat", "noise"] == 0
    simulated = parametric(8, rng(), params=fit.reset_index())
    assert {tuple(curve.epoch) for curve in simulated} == {tuple(t)}
    with pytest.raises(ValueError, match="at least one run with 12 finite validation errors"):
        fit_parametric(CurveSet.from_runs(runs[3:5]))


# -- resampling ----------------------------------------------------------------------------


def test_resampled_runs_keep_lengths_epochs_and_what_is_not_finite():
    corpus = small_corpus()
    more = resample(40, rng(), curves=corpus)
    assert set(more.meta["source"]) == set(corpus.runs)
    problems = dict(zip(corpus.runs, corpus.meta["problem"], strict=True))
    for curve, row in zip(more, more.meta.to_dict("records"), strict=True):
        source = corpus[row["source"]]
        assert row["problem"] == problems[source.run]
        for one, other in [(curve.val, source.val), (curve.test, source.val)]:
            assert len(one) == len(other)
            wild = ~np.isfinite(other)
            np.testing.assert_array_equal(one[wild], other[wild])
            assert np.isfinite(one[~wild]).all()
        np.testing.assert_array_equal(curve.epoch, source.epoch)


def test_an_optimum_at_the_last_check_that_was_measured_is_censored():
    falling = 1 / np.arange(1.0, 31)
    falling[-4:] = np.nan
    diverged = np.where(np.isnan(falling), np.inf, falling)
    for val, censored in ((falling, True), (diverged, False)):
        source = CurveSet.from_runs([{"val": val}])
        meta = resample(1, rng(), curves=source).meta
        assert meta["optimum"].tolist() == [26]
        assert meta["optimum_censored"].tolist() == [censored]


def test_resampled_noise_has_the_size_and_correlation_of_the_source_s():
    t = np.arange(1.0, 2001)
    clean = 1 + 5 / t
    noise = 0.1 * t**-0.5 * wander(rng(13), 2000, 0.8)
    source = CurveSet.from_runs([{"val": clean * np.exp(noise), "train": clean * np.exp(noise)}])
    more = resample(30, rng(14), curves=source, block=40)
    np.testing.assert_allclose(more[0].test[20:], clean[20:], rtol=0.06)
    logs = np.array([np.log(curve.val / curve.test) for curve in more])
    for part in (slice(50, 200), slice(500, 1900)):
        unit = (logs / t**-0.5)[:, part]
        assert unit.std() == pytest.approx(0.1, rel=0.25)
        lagged = np.mean(unit[:, 1:] * unit[:, :-1]) / np.mean(unit**2)
        assert lagged == pytest.approx(0.8, abs=0.1)
    # with blocks of one check the correlation is gone: the test above can fail
    single = resample(30, rng(14), curves=source, block=1)
    logs = np.array([np.log(curve.val / curve.test) for curve in single])[:, 500:1900]
    assert abs(np.mean(logs[:, 1:] * logs[:, :-1]) / np.mean(logs**2)) < 0.1
    for curve in more:  # the same blocks for both curves
        np.testing.assert_allclose(curve.train, curve.val, rtol=1e-12)


def test_a_steep_start_leaves_the_noise_after_it_alone():
    t = np.arange(1.0, 61)
    val = np.where(t < 4, 60.0 / t**3, 1.0) * np.exp(0.01 * rng(18).standard_normal(60))
    more = resample(200, rng(19), curves=CurveSet.from_runs([{"val": val}]))
    lowest = np.array([curve.val.min() for curve in more])
    assert np.mean(lowest < 0.9 * val.min()) < 0.2


def test_every_resampled_block_is_a_block_of_the_source():
    # a negative curve is taken apart without logarithms
    source = CurveSet.from_runs([{"val": -5.0 + 0.01 * rng(15).standard_normal(50)}])
    curve = resample(1, rng(16), curves=source, block=10)[0]
    trend = smooth(source[0].val)
    np.testing.assert_allclose(curve.test, trend, rtol=1e-14)
    size = local_size(source[0].val - trend, before=2)
    unit, drawn = (source[0].val - trend) / size, (curve.val - trend) / size
    windows = np.lib.stride_tricks.sliding_window_view(unit, 10)
    for block in drawn.reshape(5, 10):
        assert np.abs(windows - block).max(axis=1).min() < 1e-9


# -- the trend and the features ------------------------------------------------------------


def test_the_trend_is_the_line_of_least_squares_in_each_window():
    made = rng(17)
    values = np.log(np.arange(1.0, 81) ** -0.6 + 0.5) + 1e-3 * made.standard_normal(80)
    x = np.log(np.arange(1.0, 81))

    def lines(y):
        out = []
        for i in range(80):
            half = max(2, int(0.2 * (i + 1)))
            near = slice(max(0, i - half), i + half + 1)
            out.append(np.polyval(np.polyfit(x[near] - x[i], y[near], 1), 0.0))
        return np.array(out)

    def nearby(y):
        half = [max(2, int(0.2 * (i + 1))) for i in range(80)]
        return np.array([y[max(0, i - h) : i + h + 1].mean() for i, h in enumerate(half)])

    once = lines(values)
    cut = 3 * nearby(np.abs(values - once))
    again = lines(once + np.clip(values - once, -cut, cut))
    np.testing.assert_allclose(smooth(values, 0.2), again, atol=1e-10)


def test_a_spike_stays_out_of_the_trend():
    curve = np.log(np.arange(1.0, 501) ** -0.5)
    spiked = curve.copy()
    spiked[300] += 5
    assert np.abs(smooth(spiked) - curve).max() < 0.02


def test_features_of_curves_worked_out_by_hand():
    runs = [
        {"run": "a", "val": [4.0, 2.0, 3.0, 1.0, 1.5], "epoch": [2, 4, 6, 8, 10]},
        {"run": "ties", "val": [2.0, 1.0, 1.0, 2.0]},
        {"run": "hole", "val": [4.0, np.nan, 2.0, 3.0, np.inf]},
        {"run": "negative", "val": [-1.0, -3.0, -2.0]},
        {"run": "nothing", "val": [np.nan]},
    ]
    table = curve_features(CurveSet.from_runs(runs)).set_index("run")
    assert table["checks"].tolist() == [5, 4, 3, 3, 0]
    assert table["minima"].tolist() == [2, 1, 1, 1, 0]
    np.testing.assert_array_equal(table["optimum"], [8, 2, 3, 2, np.nan])
    np.testing.assert_array_equal(table["position"], [0.8, 0.5, 0.6, 2 / 3, np.nan])
    np.testing.assert_array_equal(table["depth"], [0.5, 1.0, np.inf, np.nan, np.nan])
    assert table["noise"].isna().tolist() == [False, False, False, True, True]


def test_the_noise_feature_is_the_relative_noise():
    t = np.arange(1.0, 3001)
    val = 7 * t**-0.4 * np.exp(0.03 * rng(18).standard_normal(3000))
    (noise,) = curve_features(CurveSet.from_runs([{"val": val}]))["noise"]
    assert noise == pytest.approx(0.03, rel=0.05)


def test_features_carry_the_problem_and_an_empty_set_has_none():
    corpus = small_corpus()
    table = curve_features(corpus)
    assert table.columns.tolist()[:2] == ["run", "problem"]
    assert table["problem"].tolist() == ["p0", "p1", "p0", "p1"]
    assert len(curve_features(CurveSet.from_runs([]))) == 0
