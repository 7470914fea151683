#!/usr/bin/env bash
# What: orbax's CheckpointManager sorts its checkpoints by best_fn. A NaN among the metrics breaks
#   the sort: the checkpoint with the NaN can be the "best" one, and the truly best checkpoint can
#   be deleted as surplus. Among ties the latest is kept, not the first.
# Version: orbax-checkpoint 0.12.8
# Why it matters: one epoch whose validation loss is NaN costs the weights of the best epoch, with
#   no error. Keras keeps the first of tied epochs, so the same curve names another epoch there.
# Wrong guess: NaN is worse than every number, and the first of tied epochs is kept.
# Seen (lower is better): [0.3, 0.5, nan, 0.4] keep 2: steps 2 and 3 are left, best is 3;
#   [0.5, 0.3, nan] keep 1: step 2, the NaN; [0.5, 0.3, 0.3] keep 1: step 2
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    orbax-checkpoint==0.12.8 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 || exit 2
JAX_PLATFORMS=cpu venv/bin/python - <<'EOF'
import logging
import math
import sys
import tempfile
from pathlib import Path
from importlib.metadata import version

import numpy as np
import orbax.checkpoint as ocp

logging.disable(logging.CRITICAL)


def left(losses, keep):
    """Steps that are left after training, and the best of them, as orbax says."""
    options = ocp.CheckpointManagerOptions(
        max_to_keep=keep,
        best_fn=lambda metrics: metrics["val_loss"],
        best_mode="min",
        enable_async_checkpointing=False,
    )
    folder = tempfile.mkdtemp(dir=".")
    with ocp.CheckpointManager(Path(folder).resolve(), options=options) as m:
        for step, loss in enumerate(losses):
            weights = ocp.args.StandardSave({"w": np.zeros(1)})
            m.save(step, args=weights, metrics={"val_loss": loss})
        m.wait_until_finished()
        return list(m.all_steps()), m.best_step()


print("orbax-checkpoint", version("orbax-checkpoint"))
nan = math.nan
found = []
for losses, keep, guess in (
    ([0.3, 0.5, nan, 0.4], 2, ([0, 3], 0)),
    ([0.5, 0.3, nan], 1, ([1], 1)),
    ([0.5, 0.3, 0.3], 1, ([1], 1)),
):
    found.append(left(losses, keep))
    print(f"val_loss {losses}, keep {keep}: steps {found[-1][0]}, best {found[-1][1]}", end="")
    print(f"; guess: steps {guess[0]}, best {guess[1]}")

still = found == [([2, 3], 3), ([2], 2), ([2], 2)]
if not still:
    sys.exit("NO LONGER SO: orbax keeps other checkpoints now where metrics are NaN or tied")
print("as recorded")
EOF
