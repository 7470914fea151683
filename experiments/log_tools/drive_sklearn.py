# /// script
# dependencies = ["scikit-learn==1.9.1"]
# [tool.earlystop]
# formats = ["sklearn-scores", "sklearn"]
# ///
"""scikit-learn: ScoringMonitor's log as CSV and JSON, and the curves of fitted estimators."""

import json

import numpy as np
from _numbers import arguments, done, kept
from sklearn.callback import ScoringMonitor
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

folder = arguments()
rng = np.random.default_rng(0)
x = rng.normal(size=(200, 3))
y = x[:, 0] + rng.normal(size=200) > 0

losses = []


def scored(estimator, x, y):
    losses.append(-log_loss(y, estimator.predict_proba(x)))
    return {"neg_log_loss": losses[-1]}


monitor = ScoringMonitor(scoring=scored)
LogisticRegression(max_iter=20).set_callbacks(monitor).fit(x, y)
log = monitor.get_logs()
log.data_as_pandas.to_csv(folder / "scores.csv", index=False)
(folder / "scores.json").write_text(json.dumps(log.data))
# the last call is of the whole fit
run = {"val": losses[:-1], "epoch": list(range(len(losses) - 1)), "unit": "step"}
scores = {**run, "direction": "max"}
said = "ScoringMonitor scores the training data"

network = MLPClassifier(early_stopping=True, max_iter=15, random_state=0).fit(x, y)
record = {"loss_curve_": network.loss_curve_, "validation_scores_": network.validation_scores_}
(folder / "mlp.json").write_text(json.dumps(record))
trees = HistGradientBoostingClassifier(early_stopping=True, max_iter=12, random_state=0).fit(x, y)
record = {name: getattr(trees, name).tolist() for name in ("train_score_", "validation_score_")}
(folder / "hgb.json").write_text(json.dumps(record))
done(
    kept("scores.csv", scores, says=[said]),
    kept("scores.json", scores, says=[said]),
    kept(
        "mlp.json",
        {
            "val": network.validation_scores_,
            "train": network.loss_curve_,
            "epoch": list(range(1, network.n_iter_ + 1)),
            "unit": "epoch",
            "direction": "max",
        },
    ),
    kept(
        "hgb.json",
        {
            "val": record["validation_score_"],
            "train": record["train_score_"],
            "epoch": list(range(trees.n_iter_ + 1)),
            "unit": "round",
            "direction": "max",
        },
    ),
)
