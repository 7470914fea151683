#!/usr/bin/env bash
# What: XGBoost's own metric interval-regression-accuracy, the share of predictions inside their
#   interval, is minimized by its early stopping; only AUC, PR AUC, precision, MAP and NDCG are
#   maximized where nothing is said.
# Version: xgboost 3.2.0 (the package xgboost-cpu, the same code without the GPU's)
# Why it matters: it is the readable metric of the objective survival:aft. With early_stopping_rounds
#   a model of survival times that gets better in every round ends after that many rounds, and
#   best_iteration is that of its lowest accuracy.
# Wrong guess: early stopping knows of each metric that XGBoost computes which values are better.
# Seen: best_iteration 0 of 11 rounds at accuracy 0.31; with maximize=True 37 of 48 at 0.99
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    xgboost-cpu==3.2.0 numpy==2.4.6 scipy==1.17.1 || exit 2
venv/bin/python - <<'EOF'
import sys

import numpy as np
import xgboost

METRIC = "interval-regression-accuracy"
rng = np.random.default_rng(0)
x = rng.normal(size=(600, 5))
time = np.exp(x[:, 0] + 0.1 * rng.normal(size=600))


def matrix(rows):
    """Survival times that are known to a factor of 1.5."""
    made = xgboost.DMatrix(x[rows])
    made.set_float_info("label_lower_bound", time[rows] / 1.5)
    made.set_float_info("label_upper_bound", time[rows] * 1.5)
    return made


train, val = matrix(slice(0, 400)), matrix(slice(400, 600))


def trained(**said):
    """Best iteration, rounds trained, and the accuracies."""
    record = {}
    model = xgboost.train(
        {"objective": "survival:aft", "eval_metric": METRIC, "max_depth": 2, "eta": 0.1},
        train,
        100,
        evals=[(val, "val")],
        early_stopping_rounds=10,
        evals_result=record,
        verbose_eval=False,
        **said,
    )
    return model.best_iteration, model.num_boosted_rounds(), record["val"][METRIC]


print("xgboost", xgboost.__version__)
unsaid, said = trained(), trained(maximize=True)
for name, (best, rounds, accuracy) in {"nothing said": unsaid, "maximize=True": said}.items():
    print(f"{name}: best_iteration {best} of {rounds} rounds, accuracy {accuracy[best]:.2f}")
print("guess: the same, since XGBoost knows its own metric")

lowest = unsaid[2][unsaid[0]] == min(unsaid[2]) < max(unsaid[2])
if not (lowest and said[2][said[0]] == max(said[2]) > max(unsaid[2])):
    sys.exit(f"NO LONGER SO: early stopping no longer minimizes {METRIC}")
print("as recorded")
EOF
