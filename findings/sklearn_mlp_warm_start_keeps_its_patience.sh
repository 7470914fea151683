#!/usr/bin/env bash
# What: an MLP of scikit-learn with warm_start=True that was stopped early keeps its count of
#   epochs without improvement. Every further fit() ends after one epoch, unless just that epoch
#   improves; n_iter_ counts from 1 again, validation_scores_ goes on.
# Version: scikit-learn 1.9.1
# Why it matters: "train a little longer" by fitting again is no longer training, and a curve that
#   is read by n_iter_ is cut to its first value or joined wrongly.
# Wrong guess: a new fit() has its full patience of n_iter_no_change epochs.
# Seen: n_iter_no_change 5: the first fit 96 epochs, the next three 1 each; 99 validation scores
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
from sklearn.neural_network import MLPRegressor

rng = np.random.default_rng(0)
x = rng.normal(size=(300, 5))
y = x[:, 0] + 0.1 * rng.normal(size=300)
patience = 5
model = MLPRegressor(
    hidden_layer_sizes=(10,),
    early_stopping=True,
    n_iter_no_change=patience,
    learning_rate_init=0.01,
    max_iter=500,
    warm_start=True,
    random_state=0,
)
print("scikit-learn", sklearn.__version__)
epochs, scores = [], []
for number in range(1, 5):
    model.fit(x, y)
    epochs.append(model.n_iter_)
    scores.append(len(model.validation_scores_))
    print(f"fit {number}: n_iter_ {epochs[-1]}, validation scores in all {scores[-1]}")
print(f"guess: more than {patience} epochs in each fit")

still = epochs[0] > patience and epochs[1:] == [1, 1, 1] and scores[-1] == sum(epochs)
if not still:
    sys.exit("NO LONGER SO: a further fit of a warm-started MLP has its patience back")
print("as recorded")
EOF
