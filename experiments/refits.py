"""Stop on a hold-out, then train on all data: for how long?

    python -m experiments.answers refits

from the pairs of trainings that :mod:`experiments.record_refits` recorded.
"""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from earlystop_lab import read_curves
from earlystop_lab.studies.refits import refit
from experiments.record_refits import HELD, OUT
from experiments.studies import draw_estimates, excludes, told

#: how trainings on all data are named, by the power of 1 / share
NAMES = {1.0: "t / (1 - f) against t", 2.0: "t / (1 - f)^2 against t"}


def look() -> pd.DataFrame:
    curves, rows = read_curves(OUT), []
    models = {"both": np.ones(len(curves), bool)}
    models |= {name: (curves.meta["model"] == name).to_numpy() for name in ("lightgbm", "mlp-32")}
    for name, mine in models.items():
        found = refit(curves.select(mine))
        about = {"where": name, "unit": found.unit, "clusters": found.clusters, "runs": found.pairs}
        ends = {"value": found.factor, "low": found.low, "high": found.high}
        rows.append({**about, "what": "best factor", **ends})
        for each in found.powers.itertuples():
            ends = {"value": each.estimate, "low": each.low, "high": each.high}
            rows.append({**about, "what": NAMES[each.power], **ends})
    columns = ["where", "what", "value", "low", "high", "unit", "clusters", "runs"]
    return pd.DataFrame(rows)[columns]


def answer(t: pd.DataFrame) -> str:
    def change(where: str, power: float) -> str:
        return told(t, where, NAMES[power], "change")

    shown = [
        f"{name} with {where}"
        for where in ("lightgbm", "mlp-32")
        for name in NAMES.values()
        if excludes(t, where, name)
    ]
    verdict = (
        f"Shown to differ: {'; '.join(shown)}." if shown else "None of them is shown to differ."
    )
    return (
        f"After the best epoch t on {1 - HELD:.0%} of the data, the best training on all of it is "
        f"{told(t, 'both', 'best factor', 'factor')} times as long "
        f"({told(t, 'lightgbm', 'best factor', 'factor')} for boosting, "
        f"{told(t, 'mlp-32', 'best factor', 'factor')} for networks); folklore has "
        f"{1 / (1 - HELD):.3g}. Test error at t / (1 - f) against t: {change('lightgbm', 1.0)} for "
        f"boosting, {change('mlp-32', 1.0)} for networks; at t / (1 - f)^2: "
        f"{change('lightgbm', 2.0)} and {change('mlp-32', 2.0)}. {verdict}"
    )


def draw(t: pd.DataFrame) -> Figure:
    return draw_estimates(
        t,
        {
            "best factor": ("best training on all data, over t", "factor"),
            NAMES[1.0]: ("test error at t / (1 - f) against t", "change"),
            NAMES[2.0]: ("test error at t / (1 - f)^2 against t", "change"),
        },
    )
