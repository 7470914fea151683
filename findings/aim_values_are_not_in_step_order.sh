#!/usr/bin/env bash
# What: Aim files the values of a metric under a hash of the step. metric.values.sparse_list() and
#   sparse_numpy() give those hashes in place of steps, and values in the order of the hashes;
#   values.last() is the last by hash. metric.dataframe() is in step order.
# Version: aim 3.29.1
# Why it matters: curves read this way look plausible but are shuffled: the last value is not the
#   last epoch's, the running minimum is another, and every stopping rule stops elsewhere.
# Wrong guess: (steps, values) in the order of the steps.
# Seen: tracked 1.0 0.9 0.8 0.7 0.6 0.5; values 1.0 0.6 0.9 0.7 0.5 0.8, last 0.8
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    aim==3.29.1 pandas==2.3.3 || exit 2
mkdir repo
venv/bin/python -W ignore - <<'EOF'
import sys
from importlib.metadata import version

import aim

tracked = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]
repo = aim.Repo("repo", init=True)
run = aim.Run(repo=repo, system_tracking_interval=None, capture_terminal_logs=False)
for step, value in enumerate(tracked):
    run.track(value, name="val_loss", step=step)
metric = next(each for each in run.metrics() if each.name == "val_loss")
steps, values = metric.values.sparse_numpy()
last = metric.values.last()[1]
table = metric.dataframe()
run.close()

print("aim", version("aim"))
print("tracked       ", tracked)
print("sparse_numpy()", values.tolist(), "at 'steps'", steps.tolist())
print("values.last() ", last)
print("dataframe()   ", table["value"].tolist(), "at steps", table["step"].tolist())
print("guess: sparse_numpy() is in step order, and last() is 0.5")

shuffled = values.tolist() != tracked and sorted(values.tolist(), reverse=True) == tracked
sound = table["value"].tolist() == tracked and table["step"].tolist() == list(range(6))
still = shuffled and last != tracked[-1] and sorted(steps.tolist()) != list(range(6)) and sound
if not still:
    sys.exit("NO LONGER SO: Aim's order of a metric's values has changed")
print("as recorded")
EOF
