#!/usr/bin/env bash
# What: the table of scikit-learn's ScoringMonitor callback begins with a row of the whole fit, which
#   has the score of the finished model. The rows of the iterations follow it. A plot of the score
#   column, or an argmax over it, has the end of training at the start; where the last iteration is
#   the best, the "best row" is row 0.
# Version: scikit-learn 1.9.1
# Why it matters: read as a learning curve, the first check is as good as the last one, so that
#   every patience rule counts from it and stops too early.
# Wrong guess: a row an iteration, in the order in which they were scored.
# Seen: 5 iterations, 6 rows; row 0 has the score of row 5, and a patience of 3 on the rows stops at
#   row 3, on the iterations it does not stop
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 || exit 2
venv/bin/python -W ignore - <<'EOF'
import sys

import numpy as np
import sklearn
from sklearn.callback import ScoringMonitor
from sklearn.linear_model import LogisticRegression


def stop_of_patience(scores, patience):
    """The row at which so many rows have passed without a better score; None if never."""
    best, since = -np.inf, 0
    for row, score in enumerate(scores):
        best, since = (score, 0) if score > best else (best, since + 1)
        if since == patience:
            return row
    return None


rng = np.random.default_rng(0)
x = rng.normal(size=(100, 3))
y = x[:, 0] + rng.normal(size=100) > 0
monitor = ScoringMonitor(scoring="neg_log_loss")
model = LogisticRegression(max_iter=5).set_callbacks(monitor).fit(x, y)
table = monitor.get_logs().data_as_pandas
scores = table["neg_log_loss"].to_numpy()
print("scikit-learn", sklearn.__version__)
print(table[["task_name", "task_id", "neg_log_loss"]].to_string())
rows, iterations = (stop_of_patience(s, 3) for s in (scores, scores[1:]))
print(f"n_iter_ {model.n_iter_[0]}, rows {len(table)}")
print(f"a patience of 3 on the rows stops at {rows}, on the iterations at {iterations}")
print(f"guess: {model.n_iter_[0]} rows, the worst score first")

still = (
    len(table) == model.n_iter_[0] + 1
    and table["task_name"].iloc[0] == "fit"
    and scores[0] == scores[-1] == scores.max()
    and (np.diff(scores[1:]) > 0).all()
    and rows == 3
    and iterations is None
)
if not still:
    sys.exit("NO LONGER SO: the first row of ScoringMonitor is not that of the whole fit")
print("as recorded")
EOF
