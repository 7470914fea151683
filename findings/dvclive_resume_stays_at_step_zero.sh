#!/usr/bin/env bash
# What: Live(resume=True) goes on after the last recorded step, unless that step is 0: then it
#   starts at 0 again. A job that is launched anew for every epoch never gets past step 0.
# Version: dvclive 3.49.1
# Why it matters: training that runs in short slices (preemptible machines, a queue with a time
#   limit) is resumed after its first epoch. That epoch is then twice in the curve, and with one
#   epoch a launch the whole curve stands at step 0: a reader that keeps one value a step is left
#   with one point.
# Wrong guess: each launch goes on at the next step.
# Seen: four launches of one epoch: steps 0 0 0 0; launches of two epochs: 0 1 2 3
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check dvclive==3.49.1 || exit 2
DVC_NO_ANALYTICS=1 venv/bin/python -W ignore - <<'EOF'
import csv
import logging
import sys
from importlib.metadata import version

from dvclive import Live

logging.disable(logging.CRITICAL)


def steps(folder, launches, epochs):
    """The recorded steps after some launches of some epochs each."""
    for _ in range(launches):
        with Live(folder, resume=True, report=None, save_dvc_exp=False, dvcyaml=None) as live:
            for _ in range(epochs):
                live.log_metric("val_loss", 0.5)
                live.next_step()
    with open(f"{folder}/plots/metrics/val_loss.tsv", newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file, delimiter="\t")]


ones, twos = steps("ones", 4, 1), steps("twos", 2, 2)
print("dvclive", version("dvclive"))
print("four launches of one epoch: steps", ones)
print("two launches of two epochs: steps", twos)
print("guess: 0 1 2 3 both times")

still = ones == [0, 0, 0, 0] and twos == [0, 1, 2, 3]
if not still:
    sys.exit("NO LONGER SO: dvclive resumes elsewhere after step 0")
print("as recorded")
EOF
