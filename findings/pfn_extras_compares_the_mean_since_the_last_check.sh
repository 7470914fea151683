#!/usr/bin/env bash
# What: EarlyStoppingTrigger of pytorch-pfn-extras does not compare the value at its check, but the mean
#   of all that was reported since the check before; mode="auto" minimises every name without
#   "accuracy" in it, so an AUC or an F score is stopped while it rises.
# Version: pytorch-pfn-extras 0.9.0, torch 2.13.0 (any build of torch)
# Why it matters: where a loss is reported at every iteration, the mean lags behind it by half an epoch;
#   a replay of the logged epoch values with the same patience stops at another epoch.
# Wrong guess: at each check, the last value reported is compared with the best.
# Seen: of the last values 4, 3, 3.5, 3.4 patience 2 stops after epoch 4; the trigger goes on through
#   epoch 5, as the means 6, 4, 3.5, 3.2, 3.1 still fall; a rising val/auc is stopped after epoch 3
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    pytorch-pfn-extras==0.9.0 torch==2.13.0 numpy==2.4.6 tqdm==4.70.1 || exit 2
venv/bin/python -W ignore - <<'EOF'
import sys
from importlib.metadata import version

import pytorch_pfn_extras as ppe
import torch
from pytorch_pfn_extras.training.triggers import EarlyStoppingTrigger


def epochs_of(name, epochs):
    """How many epochs a training lasts that reports these values, two an epoch."""
    manager = ppe.training.ExtensionsManager(
        {},
        [torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.0)],
        5,
        iters_per_epoch=2,
        stop_trigger=EarlyStoppingTrigger(monitor=name, patience=2, max_trigger=(5, "epoch")),
    )
    values = [value for epoch in epochs for value in epoch]
    while not manager.stop_trigger:
        with manager.run_iteration():
            ppe.reporting.report({name: values[manager.iteration]})
    return manager.epoch


losses = [(8.0, 4.0), (5.0, 3.0), (3.5, 3.5), (3.0, 3.4), (3.0, 3.2)]
lasted = epochs_of("val/loss", losses)
since = best = 0
for epoch, (_, last) in enumerate(losses, start=1):
    best = epoch if last < losses[best - 1][1] or epoch == 1 else best
    if epoch - best == 2:
        since = epoch
        break
rising = epochs_of("val/auc", [(0.6, 0.6), (0.7, 0.7), (0.8, 0.8), (0.9, 0.9), (0.95, 0.95)])
print("pytorch-pfn-extras", version("pytorch-pfn-extras"), "torch", torch.__version__)
print(f"epochs: {lasted}; by the last values {since}; of a rising val/auc {rising}")
print("guess: 4, 4 and 5")

still = (lasted, since, rising) == (5, 4, 3)
if not still:
    sys.exit("NO LONGER SO: EarlyStoppingTrigger compares the value at the check")
print("as recorded")
EOF
