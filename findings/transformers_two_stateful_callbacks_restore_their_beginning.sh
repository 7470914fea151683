#!/usr/bin/env bash
# What: with two callbacks of one stateful class (two EarlyStoppingCallbacks, say) every checkpoint of
#   transformers' Trainer appends their states to a list that begins with those from before training.
#   A resumed training restores the first two of the list: the callbacks begin anew, without a word.
# Version: transformers 5.24.0, torch 2.13.0, accelerate 1.15.0 (any build of torch)
# Why it matters: a resumed training waits for its patience again from nothing, so that it stops later
#   than one that was not interrupted. With one callback of the class the state is restored rightly.
# Wrong guess: each of the two goes on from its state at the checkpoint, as a single one does.
# Seen: patience counter of one callback after resuming: 2; of each of two: 0, where the checkpoint's
#   file holds the counters 0 0 0 0 1 1 2 2
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    transformers==5.24.0 torch==2.13.0 accelerate==1.15.0 numpy==2.4.6 || exit 2
HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error venv/bin/python -W ignore - <<'EOF'
import json
import sys
from pathlib import Path

import torch
import transformers
from transformers import EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x, labels):
        return {"loss": (self.weight * x - labels).square().mean()}


class Seen(TrainerCallback):
    """The counters of the callbacks when a training begins, in the order in which they act."""

    def on_train_begin(self, args, state, control, **kwargs):
        handler = self.trainer.callback_handler
        self.counters = [
            each.early_stopping_patience_counter
            for each in handler.callbacks
            if isinstance(each, EarlyStoppingCallback)
        ]


def trained(folder, callbacks, epochs, resume=False):
    seen = Seen()
    data = [{"x": torch.ones(1), "labels": torch.zeros(1)}] * 4
    trainer = Trainer(
        Model(),
        TrainingArguments(
            folder, num_train_epochs=epochs, eval_strategy="epoch", save_strategy="epoch",
            # nothing is learned, so that every evaluation but the first is a bad one
            learning_rate=0.0, load_best_model_at_end=True, metric_for_best_model="eval_loss",
            report_to="none", use_cpu=True, disable_tqdm=True,
            restore_callback_states_from_checkpoint=True,
        ),
        train_dataset=data, eval_dataset=data,
        callbacks=[*(EarlyStoppingCallback(9) for _ in range(callbacks)), seen],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    seen.trainer = trainer
    trainer.train(resume_from_checkpoint=resume)
    return seen.counters


def held(folder):
    """The counters in the file of the last checkpoint."""
    last = max(Path(folder).glob("checkpoint-*"), key=lambda path: int(path.name[11:]))
    state = json.loads((last / "trainer_state.json").read_text())
    states = state["stateful_callbacks"]["EarlyStoppingCallback"]
    states = states if isinstance(states, list) else [states]
    return [each["attributes"]["early_stopping_patience_counter"] for each in states]


print("transformers", transformers.__version__)
counters = {}
for callbacks in (1, 2):
    folder = f"out{callbacks}"
    trained(folder, callbacks, epochs=3)
    in_file = held(folder)
    counters[callbacks] = trained(folder, callbacks, epochs=4, resume=True)
    print(f"{callbacks} of the class: checkpoint holds {in_file}, resumed with {counters[callbacks]}")
print("guess: [2] of one, [2, 2] of two")

still = counters == {1: [2], 2: [0, 0]}
if not still:
    sys.exit("NO LONGER SO: two callbacks of one class no longer restore their beginning")
print("as recorded")
EOF
