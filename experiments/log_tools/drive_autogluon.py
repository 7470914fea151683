# /// script
# dependencies = ["autogluon.tabular==1.6.3"]
# [tool.earlystop]
# formats = ["autogluon"]
# ///
"""AutoGluon's learning curves: as the predictor returns them, and as it keeps them per model."""

import json

import numpy as np
import pandas as pd
from _numbers import arguments, done, kept
from autogluon.tabular import TabularPredictor

folder = arguments()
random = np.random.default_rng(0)
table = pd.DataFrame(random.normal(size=(300, 4)), columns=list("abcd"))
table["y"] = (table["a"] + random.normal(size=300) > 0).astype(int)
MODELS = {"GBM": {"num_boost_round": 8}, "XGB": {"n_estimators": 8}}


def trained(name, **curves):
    """The curves of both models, by set and metric, in the order of the models."""
    predictor = TabularPredictor("y", path=folder / name, eval_metric="roc_auc", verbosity=0)
    predictor.fit(
        table[:200],
        tuning_data=table[200:],
        hyperparameters=MODELS,
        learning_curves=curves or True,
        fit_weighted_ensemble=False,
        num_cpus=1,
    )
    about, models = predictor.learning_curves()
    (folder / f"{name}.json").write_text(json.dumps([about, models]))
    found = []
    for sets, metrics, values in models.values():
        of_metric = values[metrics.index("roc_auc")]
        found.append({name: of_metric[sets.index(name)] for name in ("train", "val")})
    return found


def run(curves, direction):
    checks = len(curves["val"])
    return {**curves, "epoch": list(range(1, checks + 1)), "direction": direction}


scores = trained("scores")
errors = trained("errors", metrics=["accuracy", "roc_auc"], use_error=True)
runs = [run(curves, "max") for curves in scores]
done(
    kept("scores.json", *runs, says=["recorded as scores"]),
    kept(
        "scores/models/LightGBM/curves.json", runs[0], says=["assumed that 'roc_auc' was optimised"]
    ),
    kept("errors.json", *[run(curves, "min") for curves in errors], says=["recorded as errors"]),
)
