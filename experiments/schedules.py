"""What the plan of the learning rate tells: forecasts of the last loss, and patience that waits.

    python -m experiments.schedules MULTI_POWER_LAW ALGOPERF

writes data/studies/schedules-forecast.csv and data/studies/schedules-guard.csv from the two public
corpora (``earlystop corpus list`` says where they come from).

Forecast: for each of the 27 language models (three sizes, nine plans), the constants are fitted to
the eight other plans of its size; the law then forecasts the last loss from nothing of the run, and
from its losses and rates up to half and three quarters of it, and up to where its rate begins to
fall.

Guard: Keras(5) on AlgoPerf's ImageNet ResNet, runs with at least 100 checks. The logs have no
learning rate. The plan is the usual one of the benchmark, a warm-up, here of 5%, and a cosine to 0
over its step hint of 186,666 steps; the rate is then below a tenth of its highest value from step
150,343 on. Not all submissions had this plan.
"""

import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from earlystop_lab import Keras, MultiPowerLaw, PowerLaw, after, replay, trace
from earlystop_lab.curves import facts_of
from earlystop_lab.sources.corpora import read_corpus
from earlystop_lab.studies.schedules import fit_multi_power_law

OUT = Path(__file__).resolve().parents[1] / "data" / "studies"
#: of each schedule of the corpus: shape, first position of the fall, last position
PLANS = {
    "constant_24000": ("constant", 0, 24000),
    "constant_72000": ("constant", 0, 72000),
    "cosine_24000": ("cosine", 2160, 24000),
    "cosine_72000": ("cosine", 2160, 72000),
    "wsd_20000_24000": ("exponential", 20000, 24000),
    "wsdld_20000_24000": ("linear", 20000, 24000),
    "wsdcon_3": ("step", 8000, None),
    "wsdcon_9": ("step", 8000, None),
    "wsdcon_18": ("step", 8000, None),
}
FINAL = {"wsdcon_9": 0.3, "wsdcon_18": 0.6}
STEPS, WARM_UP = 186_666, 0.05


def forecast(curves):
    """One row per run and share of it that was seen: what was forecast, and what came."""
    rows = []
    for run, size, plan in curves.meta[["run", "problem", "schedule"]].itertuples(index=False):
        others = (curves.meta["problem"] == size) & (curves.meta["schedule"] != plan)
        constants = fit_multi_power_law(curves.select(others.to_numpy()))
        limit = constants.pop("limit")
        curve = curves[run]
        last = float(curve.val[-1])
        shape, start, end = PLANS[plan]
        rule = MultiPowerLaw(
            0,
            plan=shape,
            start=start,
            end=end or float(curve.epoch[-1]),
            final=FINAL.get(plan, 0.1),
            **constants,
        )
        gain = trace(rule, curve).statistic
        lowest = np.minimum.accumulate(curve.val)
        said = lowest - gain * lowest
        power = trace(PowerLaw(0, end=float(curve.epoch[-1])), curve).statistic
        falls = int(np.flatnonzero(np.append(np.diff(curve["lr"]) < 0, True))[0])
        checks = {"half": len(curve) // 2, "three quarters": 3 * len(curve) // 4}
        if len(curve) // 8 < falls < len(curve) - 1:
            checks["fall"] = falls + 1
        rows.append(
            _row(size, plan, "nothing", 0.0, _pure(constants, limit, curve), math.nan, last)
        )
        for seen, n in checks.items():
            promised = lowest[n - 1] * (1 - power[n - 1])
            rows.append(_row(size, plan, seen, n / len(curve), said[n - 1], promised, last))
    return pd.DataFrame(rows)


def _row(size, plan, seen, share, said, power_law, last):
    return {
        "size": size,
        "plan": plan,
        "seen": seen,
        "share": share,
        "last": last,
        "forecast": said,
        "error": said / last - 1,
        "power_law_error": power_law / last - 1,
    }


def _pure(constants, limit, curve):
    """The law itself at the end, with nothing of the run but its rates."""
    rate, epoch = curve["lr"], curve.epoch
    total = constants["before"] + np.concatenate(
        [[0.0], np.cumsum((rate[1:] + rate[:-1]) / 2 * np.diff(epoch))]
    )
    since = total[-1] - (total[1:] + total[:-1]) / 2
    scale = constants["c"] * rate[1:] ** -constants["gamma"]
    gains = -np.diff(rate) * (1 - (1 + scale * since) ** -constants["beta"])
    return limit + constants["a"] * total[-1] ** -constants["alpha"] - constants["b"] * gains.sum()


def decayed(ratio):
    """The step at which the cosine of the plan has fallen to a share of its highest rate."""
    part = math.acos(2 * ratio - 1) / math.pi
    return int(STEPS * (WARM_UP + (1 - WARM_UP) * part))


def guard(curves):
    """One row per rule: regret and savings over the runs."""
    facts = facts_of(curves)
    lowest = facts.lowest("val").value
    rules = {"none": Keras(5)} | {f"{r:g}": after(decayed(r), Keras(5)) for r in (0.5, 0.2, 0.1)}
    rows = []
    for ratio, rule in rules.items():
        stops = replay(curves, [rule])
        regret = stops.error("val")[:, 0] / lowest - 1
        rows.append(
            {
                "rate_below": ratio,
                "rule": str(rule),
                "runs": len(curves),
                "stopped": stops.fired.mean(),
                "saved": 1 - stops.stop.sum() / facts.last.sum(),
                "median_regret": np.nanmedian(regret),
                "mean_regret": np.nanmean(regret),
            }
        )
    return pd.DataFrame(rows)


def resnets(curves):
    """The runs that the guard is tried on."""
    problem = (curves.meta["problem"] == "imagenet_resnet").to_numpy()
    return curves.select(problem & (curves.lengths >= 100))


def summary(rows):
    """Mean and largest absolute error by what was seen."""
    by = rows.assign(error=rows["error"].abs(), power_law=rows["power_law_error"].abs())
    return by.groupby("seen")[["error", "power_law"]].agg(["mean", "max", "size"])


def main(law, algoperf):
    """Measure both, and write the tables."""
    rows = forecast(read_corpus("multi-power-law", law).curves)
    rows.to_csv(OUT / "schedules-forecast.csv", index=False, float_format="%.6g")
    print(summary(rows).to_string(float_format="{:.5f}".format))
    runs = guard(resnets(read_corpus("algoperf", algoperf).curves))
    runs.to_csv(OUT / "schedules-guard.csv", index=False, float_format="%.6g")
    print(runs.to_string(float_format="{:.4f}".format))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
