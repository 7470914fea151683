#!/usr/bin/env bash
# What: Keras' CSVLogger(append=True) writes the sorted metrics of the present training under the
#   header of the training before. With another set of metrics (another metric, or a learning rate
#   that ReduceLROnPlateau adds) values stand under wrong names.
# Version: keras 3.15.1, backend jax 0.10.2
# Why it matters: a resumed run is logged in one file. Its column "loss" goes on with accuracies,
#   errors or learning rates, and the best epoch and every stopping rule are taken from those.
#   Where the number of metrics differs, csv.DictReader still reads the rows without complaint.
# Wrong guess: rows are written by column name, with blanks, or the change is an error.
# Seen: after accuracy came mae: "loss" holds the mae, "accuracy" the loss;
#   after a learning rate was added: "loss" holds the learning rate 0.01
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 || exit 2
KERAS_BACKEND=jax JAX_PLATFORMS=cpu venv/bin/python - <<'EOF'
import csv
import math
import sys

import keras
import numpy as np

x = np.linspace(0, 1, 32).reshape(-1, 1)
y = (x > 0.5).astype(float)


def fit(log, epoch, metric, *callbacks):
    """Train for two epochs from ``epoch``; what Keras itself says of them."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, activation="sigmoid")])
    model.compile("sgd", "binary_crossentropy", metrics=[metric])
    return model.fit(
        x,
        y,
        validation_data=(x, y),
        initial_epoch=epoch,
        epochs=epoch + 2,
        verbose=0,
        callbacks=[*callbacks, keras.callbacks.CSVLogger(log, append=True)],
    ).history


def last_row(log):
    with open(log, newline="") as file:
        return list(csv.DictReader(file))[-1]


fit("metric.csv", 0, "accuracy")
other = fit("metric.csv", 2, "mae")
fit("rate.csv", 0, "accuracy")
slowed = fit("rate.csv", 2, "accuracy", keras.callbacks.ReduceLROnPlateau())

print("keras", keras.__version__)
for log, history in (("metric.csv", other), ("rate.csv", slowed)):
    print(f"{log}: Keras says loss {history['loss'][-1]:.4f}; the file:")
    print(open(log).read())
print("guess: the column 'loss' holds the loss, or CSVLogger refuses")

metric, rate = last_row("metric.csv"), last_row("rate.csv")


def holds(text, value):
    return math.isclose(float(text), float(value), rel_tol=1e-6)


swapped = holds(metric["loss"], other["mae"][-1]) and holds(metric["accuracy"], other["loss"][-1])
shifted = holds(rate["loss"], 0.01) and not holds(rate["loss"], slowed["loss"][-1])
still = swapped and shifted
if not still:
    sys.exit("NO LONGER SO: CSVLogger no longer shifts columns when it appends other metrics")
print("as recorded")
EOF
