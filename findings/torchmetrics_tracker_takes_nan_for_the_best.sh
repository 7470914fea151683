#!/usr/bin/env bash
# What: MetricTracker.best_metric returns NaN as the best value, and its step as the best step, if any
#   step was NaN, whether low or high is better; of ties it is the first.
# Version: torchmetrics 1.9.0, torch 2.13.0 (any build of torch)
# Why it matters: the step is what people take the checkpoint of. One diverged epoch, or one validation
#   set without positives, makes that epoch the best, without a warning.
# Wrong guess: NaN is left out, or is the worst.
# Seen: of 0.5, 0.3, NaN, 0.4: best NaN at step 2, minimised as well as maximised
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    torchmetrics==1.9.0 torch==2.13.0 numpy==2.4.6 || exit 2
venv/bin/python -W ignore - <<'EOF'
import math
import sys

import torch
import torchmetrics
from torchmetrics import MeanSquaredError, MetricTracker


def best(errors, maximize):
    """What the tracker says of epochs with these squared errors: value and step."""
    tracker = MetricTracker(MeanSquaredError(), maximize=maximize)
    for error in errors:
        tracker.increment()
        tracker.update(torch.tensor([error**0.5]), torch.tensor([0.0]))
    value, step = tracker.best_metric(return_step=True)
    return round(float(value), 3), int(step)


nan = math.nan
curve = [0.5, 0.3, nan, 0.4]
found = {maximize: best(curve, maximize) for maximize in (False, True)}
ties = best([0.5, 0.3, 0.3], False)
print("torchmetrics", torchmetrics.__version__, "torch", torch.__version__)
print("best of", curve, "minimised", found[False], "maximised", found[True], "ties", ties)
print("guess: (0.3, 1) and (0.5, 0)")

still = all(math.isnan(value) and step == 2 for value, step in found.values()) and ties == (0.3, 1)
if not still:
    sys.exit("NO LONGER SO: MetricTracker no longer takes NaN for the best")
print("as recorded")
EOF
