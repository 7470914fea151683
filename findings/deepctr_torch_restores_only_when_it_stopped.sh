#!/usr/bin/env bash
# What: EarlyStopping(restore_best_weights=True) of deepctr-torch restores the best weights only where
#   it stopped training itself. Where the epochs run out one check earlier, the last weights stay.
# Version: deepctr-torch 0.3.0, torch 2.13.0 (any build of torch)
# Why it matters: with the same curve, the model that one is left with depends on whether epochs= is
#   one more or less; scores with "the best weights" are then those of the last epoch.
# Wrong guess: as Keras' callback, whose arguments it has: restored at the end of every training.
# Seen: val_loss 3, 1, 2, 2 with patience 2: 4 epochs end with weights 2, 3 epochs with weights 3
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    deepctr-torch==0.3.0 torch==2.13.0 numpy==2.4.6 requests==2.34.2 || exit 2
venv/bin/python -W ignore - <<'EOF'
import sys
from importlib.metadata import version

import torch
from deepctr_torch.callbacks import EarlyStopping


def weights_after(losses):
    """The epoch whose weights the model has at the end; they are the number of the epoch."""
    model = torch.nn.Linear(1, 1, bias=False)
    model.stop_training = False
    stopper = EarlyStopping("val_loss", patience=2, mode="min", restore_best_weights=True)
    stopper.set_model(model)
    stopper.on_train_begin()
    for epoch, loss in enumerate(losses):
        with torch.no_grad():
            model.weight.fill_(epoch + 1)
        stopper.on_epoch_end(epoch, {"val_loss": loss})
        if model.stop_training:
            break
    stopper.on_train_end()
    return int(model.weight.item())


four, three = weights_after([3.0, 1.0, 2.0, 2.0]), weights_after([3.0, 1.0, 2.0])
print("deepctr-torch", version("deepctr-torch"), "torch", torch.__version__)
print(f"weights of epoch {four} where it stopped, of epoch {three} where the epochs ran out")
print("guess: of epoch 2 both times")

still = (four, three) == (2, 3)
if not still:
    sys.exit("NO LONGER SO: deepctr-torch also restores the best weights when epochs run out")
print("as recorded")
EOF
