#!/usr/bin/env bash
# What: Ray Tune's stop={"val_loss": 0.5} ends a trial once the loss is at least 0.5, also with
#   mode="min": a trial ends at its first report above the goal, and one below it goes on.
# Version: ray 2.60.0
# Why it matters: every trial ends at its first report, and the best one is that of the luckiest
#   start. A run log of one row, or of a search of such trials, has no curve.
# Wrong guess: with metric="val_loss" and mode="min" a trial ends when its loss has fallen to 0.5.
# Seen: losses 0.9 0.7 0.5 0.3 0.1: one report, val_loss 0.9; with a function that compares <=: three
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check 'ray[tune]==2.60.0' || exit 2
RAY_AIR_NEW_OUTPUT=0 RAY_USAGE_STATS_ENABLED=0 venv/bin/python - 2>errors.txt <<'EOF' || { tail -5 errors.txt; exit 1; }
import os
import sys

import ray
from ray import tune

LOSSES = [0.9, 0.7, 0.5, 0.3, 0.1]


def training(config):
    for loss in LOSSES:
        tune.report({"val_loss": loss})


def reports(stop):
    """The losses that a trial reports before it is stopped."""
    tuner = tune.Tuner(
        training,
        tune_config=tune.TuneConfig(metric="val_loss", mode="min"),
        run_config=tune.RunConfig(stop=stop, storage_path=os.getcwd(), verbose=0),
    )
    return list(tuner.fit()[0].metrics_dataframe["val_loss"])


ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error")
print("ray", ray.__version__)
by_name = reports({"val_loss": 0.5})
by_function = reports(lambda trial, result: result["val_loss"] <= 0.5)
ray.shutdown()
print(f'stop={{"val_loss": 0.5}}: {by_name}')
print(f"a function that compares <= 0.5: {by_function}")
print(f"guess: {LOSSES[:3]} in both")

still = by_name == LOSSES[:1] and by_function == LOSSES[:3]
if not still:
    print("NO LONGER SO: stop= of a loss no longer ends a trial at its first report")
    sys.exit(1)
print("as recorded")
EOF
