#!/usr/bin/env bash
# What: trainer.evaluate() in a callback's on_epoch_end, on the training set say, cancels the Trainer's
#   own evaluation of that epoch: the handler of the inner one sets control.should_evaluate to False.
# Version: transformers 5.24.0, torch 2.13.0, accelerate 1.15.0 (any build of torch)
# Why it matters: the usual way to log the training error beside the validation error leaves a log
#   without any validation error, and early stopping or a rule on eval_loss never sees one.
# Wrong guess: the inner evaluation is one more; those of eval_strategy="epoch" happen as before.
# Seen: of 3 epochs, 3 evaluations with prefix "train" and none with "eval"; both where the callback
#   sets control.should_evaluate = True after its own
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    transformers==5.24.0 torch==2.13.0 accelerate==1.15.0 numpy==2.4.6 || exit 2
HF_HUB_OFFLINE=1 TRANSFORMERS_VERBOSITY=error venv/bin/python -W ignore - <<'EOF'
import sys

import torch
import transformers
from transformers import Trainer, TrainerCallback, TrainingArguments


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x, labels):
        return {"loss": (self.weight * x - labels).square().mean()}


class OfTraining(TrainerCallback):
    """Evaluates the training set, too."""

    def __init__(self, again):
        self.again = again

    def on_epoch_end(self, args, state, control, **kwargs):
        self.trainer.evaluate(self.trainer.train_dataset, metric_key_prefix="train")
        if self.again:
            control.should_evaluate = True


def evaluated(*callbacks):
    """How many evaluations of each kind a training of three epochs logs."""
    data = [{"x": torch.ones(1), "labels": torch.zeros(1)}] * 4
    trainer = Trainer(
        Model(),
        TrainingArguments(
            "out", num_train_epochs=3, eval_strategy="epoch", save_strategy="no",
            report_to="none", use_cpu=True, disable_tqdm=True,
        ),
        train_dataset=data, eval_dataset=data, callbacks=[*callbacks],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    for callback in callbacks:
        callback.trainer = trainer
    trainer.train()
    log = trainer.state.log_history
    # what a training logs at its end is called train_loss, too
    own = [entry for entry in log if "train_loss" in entry and "total_flos" not in entry]
    return {"eval": sum("eval_loss" in entry for entry in log), "train": len(own)}


print("transformers", transformers.__version__)
alone, inside, again = evaluated(), evaluated(OfTraining(False)), evaluated(OfTraining(True))
print("no callback:", alone)
print("one that evaluates the training set:", inside)
print("one that then asks for the evaluation again:", again)
print("guess: {'eval': 3, 'train': 3} in either case")

still = (alone["eval"], inside, again["eval"]) == (3, {"eval": 0, "train": 3}, 3)
if not still:
    sys.exit("NO LONGER SO: an evaluation in a callback no longer cancels the Trainer's own")
print("as recorded")
EOF
