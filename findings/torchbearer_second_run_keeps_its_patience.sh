#!/usr/bin/env bash
# What: torchbearer's EarlyStopping keeps count and best value when its trial is run again: after a stop
#   each further run ends after its first epoch without a new best. min_delta is signed: below zero it
#   lets worse errors count as improvements. Keras, whose form it has, begins anew and takes the size.
# Version: torchbearer 0.5.5, torch 2.13.0 (any build of torch)
# Why it matters: trial.run(20) is how one goes on with a model, say with a lower learning rate. The
#   second run has no patience left, and compares with the best of the first.
# Wrong guess: as Keras' callback: every run starts with full patience, and min_delta has no sign.
# Seen: val_loss 1, 1, 1 stops after 3 epochs; the next run, 0.5 above, after 1; of 1, 1.1, 1.2, 1.3
#   with min_delta=-0.5 no stop
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    torchbearer==0.5.5 torch==2.13.0 numpy==2.4.6 tqdm==4.70.1 six==1.17.0 \
    packaging==26.4 || exit 2
venv/bin/python -W ignore - <<'EOF'
import sys
from importlib.metadata import version

import torch
import torchbearer
from torchbearer import Trial
from torchbearer.callbacks import Callback, EarlyStopping


class Scripted(Callback):
    """Puts the next value of a script where the validation loss would be."""

    def __init__(self, values):
        super().__init__()
        self.values = iter(values)
        self.epochs = 0

    def on_end_epoch(self, state):
        self.epochs += 1
        state[torchbearer.METRICS]["val_loss"] = next(self.values)


def epochs_of(values, runs, **options):
    """How many epochs each run of one trial lasts, at most 4."""
    script = Scripted(values)
    stopper = EarlyStopping(monitor="val_loss", mode="min", patience=2, **options)
    model = torch.nn.Linear(1, 1)
    x = torch.ones(2, 1)
    trial = Trial(
        model,
        torch.optim.SGD(model.parameters(), 0.0),
        torch.nn.functional.mse_loss,
        metrics=["loss"],
        callbacks=[script, stopper],
        verbose=0,
    ).with_train_data(x, x, batch_size=2)
    lasted = []
    for run in range(1, runs + 1):
        before = script.epochs
        trial.run(epochs=4 * run)  # the number counts from the first run
        lasted.append(script.epochs - before)
    return lasted


again = epochs_of([1.0, 1.0, 1.0, 1.5, 1.5, 1.5, 1.5, 1.5], runs=2)
signed = epochs_of([1.0, 1.1, 1.2, 1.3], runs=1, min_delta=-0.5)
print("torchbearer", version("torchbearer"), "torch", torch.__version__)
print("epochs of two runs of one trial:", again, "with min_delta=-0.5:", signed)
print("guess: [3, 3], and [2]")

still = again == [3, 1] and signed == [4]
if not still:
    sys.exit("NO LONGER SO: torchbearer's EarlyStopping begins anew or takes the size of min_delta")
print("as recorded")
EOF
