#!/usr/bin/env bash
# What: HistGradientBoosting with warm_start=True that has stopped early goes on at the next fit, by
#   several trees, although no score since has been as good as the best: it tests only after a new tree,
#   and against the score n iterations before, which is itself one of the bad ones by then.
# Version: scikit-learn 1.9.1
# Why it matters: n_iter_ and the model change with every call of fit, towards more overfitting. With
#   MLPRegressor in its place, every further fit ends after one epoch.
# Wrong guess: after an early stop a further fit adds nothing, as its patience is used up.
# Seen: trees after each fit 14, 18, 19; the best score is that of 9 trees, the last is below it
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 || exit 2
venv/bin/python -W ignore - <<'EOF'
import sys

import numpy as np
import sklearn
from sklearn.ensemble import HistGradientBoostingRegressor

rng = np.random.default_rng(0)
x = rng.normal(size=(400, 5))
y = x[:, 0] + rng.normal(size=400)
model = HistGradientBoostingRegressor(
    early_stopping=True,
    n_iter_no_change=5,
    tol=0,
    max_iter=200,
    learning_rate=0.3,
    warm_start=True,
    random_state=0,
)
trees, best, last = [], [], []
for _ in range(3):
    model.fit(x, y)
    trees.append(model.n_iter_)
    best.append(int(np.argmax(model.validation_score_)))
    last.append(round(float(model.validation_score_[-1]), 3))
print("scikit-learn", sklearn.__version__)
print("trees after each fit", trees, "trees of the best score", best, "last score", last)
print("guess: the same number of trees three times")

still = trees[0] < trees[1] < trees[2] and len(set(best)) == 1 and last[0] > last[2]
if not still:
    sys.exit("NO LONGER SO: a further fit adds no trees after an early stop")
print("as recorded")
EOF
