"""Rules that know the plan of the learning rate: against sums that are written out, and by hand."""

import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from earlystop_lab import CurveSet, Keras, MultiPowerLaw, RateDecayed, all_of, replay, trace
from earlystop_lab.studies.schedules import fit_multi_power_law

ROOT = Path(__file__).parents[2]
CONSTANTS = {"a": 0.5, "b": 300.0, "c": 2.0, "alpha": 0.4, "beta": 0.6, "gamma": 0.5}


def statistic(rule, **run):
    return trace(rule, CurveSet.from_runs([run])[0]).statistic


def shape(plan, t, start, end, final):
    """The rate at a position, over its highest."""
    part = min(max((t - start) / (end - start), 0), 1)
    return {
        "constant": 1,
        "cosine": final + (1 - final) * (math.cos(math.pi * part) + 1) / 2,
        "linear": 1 + part * (final - 1),
        "exponential": math.exp(part * math.log(final)),
        "step": final if part > 0 else 1,
    }[plan]


def written_out(times, rates, before, limit=0.0):
    """The law at the last of these positions: every fall of the rate, one after the other."""
    sums = [before]
    for i in range(1, len(times)):
        sums.append(sums[-1] + (times[i] - times[i - 1]) * (rates[i] + rates[i - 1]) / 2)
    loss = limit + CONSTANTS["a"] * sums[-1] ** -CONSTANTS["alpha"]
    for i in range(1, len(times)):
        since = sums[-1] - (sums[i] + sums[i - 1]) / 2
        x = CONSTANTS["c"] * rates[i] ** -CONSTANTS["gamma"] * since
        fall = rates[i - 1] - rates[i]
        loss -= CONSTANTS["b"] * fall * (1 - 1 / (1 + x) ** CONSTANTS["beta"])
    return loss


@pytest.mark.parametrize("plan", ["constant", "cosine", "linear", "exponential", "step"])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_the_forecast_is_the_law_written_out(plan, noise):
    start, end, final, peak = 1000.0, 6000.0, 0.2, 3e-4
    times = np.arange(200.0, 6001, 200)
    rates = np.array([peak * shape(plan, t, start, end, final) for t in times])
    law = [written_out(times[: i + 1], rates[: i + 1], 0.7, 2.0) for i in range(len(times))]
    val = np.array(law) + noise * np.random.default_rng(0).normal(size=len(times))
    rule = MultiPowerLaw(0.1, plan=plan, start=start, end=end, final=final, before=0.7, **CONSTANTS)
    found = statistic(rule, epoch=times, val=val, lr=rates)
    assert np.isnan(found[:15]).all()
    for n in (16, 20, len(times)):
        ahead = np.linspace(times[n - 1], end, 65)[1:] if n < len(times) else []
        later = [peak * shape(plan, t, start, end, final) for t in ahead]
        last = written_out([*times[:n], *ahead], [*rates[:n], *later], 0.7)
        level = [
            val[i] - written_out(times[: i + 1], rates[: i + 1], 0.7) for i in range(n - n // 8, n)
        ]
        expected = (val[:n].min() - last - np.mean(level)) / val[:n].min()
        assert found[n - 1] == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_without_an_end_it_goes_on_forever():
    times, peak = np.arange(100.0, 4001, 100), 3e-4
    val = [2 + written_out([t], [peak], t * peak) for t in times]
    found = statistic(
        MultiPowerLaw(0.1, **CONSTANTS), epoch=times, val=val, lr=np.full(len(times), peak)
    )
    assert found[-1] == pytest.approx((val[-1] - 2) / val[-1])


def test_many_changes_of_the_rate_are_merged_and_hardly_matter():
    times = np.arange(100.0, 60001, 100)
    rates = np.array([3e-4 * shape("cosine", t, 0, 60000, 0.1) for t in times])
    # written out at every tenth check
    some = [199, 299, 399, 599]
    law = {i: written_out(times[: i + 1], rates[: i + 1], 0.03) for i in some}
    rule = MultiPowerLaw(0.1, plan="cosine", end=60000.0, before=0.03, **CONSTANTS)
    found = statistic(rule, epoch=times, val=np.full(len(times), 3.0), lr=rates)
    for i in some[:-1]:
        # the error stays at 3, which is above the law by ever more
        level = 3 - np.mean(
            [
                written_out(times[: j + 1], rates[: j + 1], 0.03)
                for j in (i, i - i // 16, i - i // 8)
            ]
        )
        assert found[i] == pytest.approx(-(law[599] + level - 3) / 3, abs=2e-3)


@pytest.mark.parametrize("missing", [np.nan, np.inf])
def test_errors_that_are_not_finite_are_left_out(missing):
    times = np.arange(100.0, 4001, 100)
    val = 2 + 0.5 * (3e-4 * times) ** -0.4
    holes = val.copy()
    holes[[0, 20, 37]] = missing
    rule, lr = MultiPowerLaw(0.1, end=5000, **CONSTANTS), np.full(40, 3e-4)
    whole = statistic(rule, epoch=times, val=val, lr=lr)
    assert statistic(rule, epoch=times, val=holes, lr=lr)[-1] == pytest.approx(whole[-1], rel=0.01)


def test_a_rate_that_is_nan_ends_the_forecast():
    times, lr = np.arange(1.0, 41), np.full(40, 0.1)
    lr[30] = np.nan
    found = statistic(MultiPowerLaw(0.1), epoch=times, val=1 / times, lr=lr)
    assert np.isfinite(found[15:30]).all()
    assert np.isnan(found[30:]).all()


def test_the_guard_by_hand():
    lr = [0.5, 1.0, 1.0, 0.4, 0.1, 0.05, 0.0]
    run = {"val": [5, 4, 4, 4, 4, 3, 3], "lr": lr}
    assert statistic(RateDecayed(), **run).tolist() == [1, 1, 1, 0.4, 0.1, 0.05, 0]
    rules = [Keras(1), RateDecayed(0.4), all_of(RateDecayed(0.4), Keras(1)), "RateDecayed()"]
    assert replay(CurveSet.from_runs([run]), rules).stop.tolist() == [[3, 4, 4, 5]]


def test_a_rate_of_nan_or_none_is_no_decay():
    found = statistic(RateDecayed(), val=[1, 1, 1], lr=[math.nan, 0.0, 2.0])
    assert np.isnan(found[:2]).all()
    assert found[2] == 1


# -- the constants ----------------------------------------------------------------------------


def test_the_fit_finds_the_law_that_made_the_runs():
    times, runs = np.arange(200.0, 8001, 200), []
    for plan, start in (("constant", 0), ("linear", 4000), ("cosine", 0), ("step", 3000)):
        rates = np.array([3e-4 * shape(plan, t, start, 8000, 0.1) for t in times])
        val = [written_out(times[: i + 1], rates[: i + 1], 0.06, 3.0) for i in range(len(times))]
        runs.append({"run": plan, "epoch": times, "val": val, "lr": rates})
    found = fit_multi_power_law(CurveSet.from_runs(runs))
    assert found["limit"] == pytest.approx(3, rel=0.02)
    expected = CONSTANTS | {"before": 0.06}
    assert found["alpha"] == pytest.approx(expected["alpha"], rel=0.1)
    rates = np.array([3e-4 * shape("exponential", t, 5000, 8000, 0.1) for t in times])
    val = [written_out(times[: i + 1], rates[: i + 1], 0.06, 3.0) for i in range(len(times))]
    found.pop("limit")
    rule = MultiPowerLaw(0.1, plan="exponential", start=5000, end=8000, **found)
    said = np.minimum.accumulate(val) * (1 - statistic(rule, epoch=times, val=val, lr=rates))
    assert said[20] == pytest.approx(val[-1], rel=0.002)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"val": [1, 2]}, "has no lr"),
        ({"val": [1, -2], "lr": [1, 1]}, "val = -2"),
        ({"val": [1, 2], "lr": [1, 0]}, "lr = 0"),
        ({"val": [1, 2], "lr": [1, 1]}, "the rate never changes"),
    ],
)
def test_what_cannot_be_fitted_is_said(run, message):
    with pytest.raises(ValueError, match=f"fit_multi_power_law: .*{message}"):
        fit_multi_power_law(CurveSet.from_runs([{"run": "a", **run}]))


# -- what was measured ------------------------------------------------------------------------


def test_the_page_says_what_was_measured():
    found = pd.read_csv(ROOT / "data" / "studies" / "schedules-forecast.csv")
    page = " ".join((ROOT / "docs" / "howto" / "schedules.md").read_text("utf-8").split())
    by = found.assign(error=100 * found["error"].abs()).groupby("seen")["error"]
    assert len(found[found["seen"] == "nothing"]) == 27
    for seen, words in (
        ("three quarters", "three quarters of the run"),
        ("half", "half of the run"),
        ("fall", "the run up to the fall of its rate"),
        ("nothing", "nothing of the run"),
    ):
        assert f"| {words} | {by.mean()[seen]:.2f}% | {by.max()[seen]:.2f}% |" in page
    assert by.mean()[["fall", "three quarters"]].max() <= 0.2
    guard = pd.read_csv(ROOT / "data" / "studies" / "schedules-guard.csv")
    for row in guard.to_dict("records"):
        numbers = [f"{100 * row[name]:.1f}%" for name in ("median_regret", "saved")]
        assert f"| `{row['rule']}` | {numbers[0]} | {numbers[1]} |" in page
    assert guard["median_regret"].iloc[-1] < 0.02


def test_forecasts_of_held_out_plans(monkeypatch):
    folder = os.environ.get("EARLYSTOP_CORPORA")
    if not folder or not (Path(folder) / "multi_power_law").is_dir():
        pytest.skip("EARLYSTOP_CORPORA names no folder with multi_power_law")
    from earlystop_lab.sources.corpora import read_corpus
    from experiments import schedules

    curves = read_corpus("multi-power-law", Path(folder) / "multi_power_law").curves
    one = curves.select((curves.meta["problem"] == "25M").to_numpy())
    found = schedules.forecast(one)
    kept = pd.read_csv(ROOT / "data" / "studies" / "schedules-forecast.csv")
    kept = kept[kept["size"] == "25M"]
    assert found["error"].to_numpy() == pytest.approx(kept["error"].to_numpy(), abs=2e-4)
