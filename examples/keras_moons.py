"""Two moons: one training with every Keras callback, and where each rule would have stopped it.

A network of 100 units overfits 30 noisy points. It is trained once, with the callbacks one would
use; then its own log is imported and replayed: the table shows where every rule would have ended
the training, what it would have kept, and how good that is. Keras' own callbacks are held against
their replay, to the epoch.

    pip install earlystop_lab keras jax scikit-learn
    python examples/keras_moons.py [FOLDER]

The TensorBoard callback of Keras needs TensorFlow, and is left out without it.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
from sklearn.datasets import make_moons

from earlystop_lab import Keras, ModelCheckpoint, read_logs, reduce_lr_on_plateau, replay
from earlystop_lab.criteria import FAMILIES
from earlystop_lab.criteria.catalogue import usual
from earlystop_lab.engine.thresholds import watchable
from earlystop_lab.live.keras import StopCallback

RATE = 1e-3


def moons() -> tuple[Any, Any, tuple[Any, Any]]:
    """100 samples with noise 0.2: 30 to train on, 70 to validate."""
    x, y = make_moons(n_samples=100, noise=0.2, random_state=1)
    return x[:30], y[:30], (x[30:], y[30:])


def network() -> Any:
    """100 units, compiled with Adam."""
    keras.utils.set_random_seed(1)
    layers = [keras.Input((2,)), keras.layers.Dense(100, "relu"), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential(layers)
    adam = keras.optimizers.Adam(RATE)
    model.compile(loss="binary_crossentropy", optimizer=adam, metrics=["accuracy"])
    return model


def train(folder: Path, *, epochs: int, patience: int, plateau: int) -> tuple[Any, Any, Any]:
    """The fitted model, Keras' callback that stopped it, and ours that did, too."""
    stopping = keras.callbacks.EarlyStopping(monitor="val_loss", patience=patience)
    # its record is the curve that the next `earlystop recommend` learns from
    ours = StopCallback(Keras(patience), restore_best_weights=False, record=folder / "runs")
    saved = keras.callbacks.ModelCheckpoint(
        folder / "best.keras", monitor="val_accuracy", mode="max", save_best_only=True
    )
    around = [
        stopping,
        ours,
        saved,
        keras.callbacks.ReduceLROnPlateau(monitor="val_loss", patience=plateau),
        keras.callbacks.CSVLogger(folder / "log.csv"),
        keras.callbacks.TerminateOnNaN(),
    ]
    if importlib.util.find_spec("tensorflow"):
        around.append(keras.callbacks.TensorBoard(folder / "tensorboard"))
    x, y, validation = moons()
    model = network()
    model.fit(x, y, validation_data=validation, epochs=epochs, verbose=0, callbacks=around)
    return model, stopping, ours


def table(log: Path) -> pd.DataFrame:
    """Where every rule that the log has channels for would have stopped the training."""
    curves = read_logs(log, val="val_loss", train="loss").curves
    rules = [usual(family) for family in FAMILIES.values() if watchable(family, curves).all()]
    stops = replay(curves, rules)
    found = stops.to_frame().sort_values("stop", kind="stable")
    names = ["criterion", "stop", "selected", "fired", "val", "train", "val_accuracy", "lr"]
    return found[names].reset_index(drop=True)


def check(folder: Path, stopping: Any, ours: Any, *, patience: int, plateau: int) -> list[str]:
    """Hold Keras' callbacks against their replay; what agreed, in words."""
    log = folder / "log.csv"
    loss = read_logs(log, val="val_loss", train="loss").curves
    replayed = replay(loss, [Keras(patience)])
    stop = int(replayed.stop[0, 0])
    if replayed.fired[0, 0]:
        assert stop == stopping.stopped_epoch + 1 == ours.stopper.stop_epoch
        ended = f"stopped at epoch {stop}"
    else:  # Keras leaves 0 there
        assert stopping.stopped_epoch == 0
        assert ours.stopper.stop_epoch is None
        ended = f"did not stop by epoch {stop}"
    accuracy = read_logs(log, val="val_accuracy", train="accuracy", mode="max").curves
    policy = ModelCheckpoint(save_best_only=True)
    kept = replay(accuracy, [Keras(10**6)], restore=policy)
    _, score = keras.saving.load_model(folder / "best.keras").evaluate(*moons()[2], verbose=0)
    assert np.isclose(score, kept.val[0, 0])
    rates = reduce_lr_on_plateau(loss[0].val, lr=RATE, patience=plateau)
    # Keras logs the rate that an epoch was trained with, in float32
    logged = pd.read_csv(log)["learning_rate"]
    assert np.allclose(logged, rates, rtol=1e-6)
    return [
        f"EarlyStopping {ended}, as its replay and {ours.stopper.criterion} live",
        f"ModelCheckpoint saved epoch {kept.selected[0, 0]:g}, accuracy {score:.3f}, as its replay",
        f"ReduceLROnPlateau went from {RATE:g} to {rates[-1]:g}, as its replay",
    ]


def _count(text: str) -> int:
    """A whole number, at least 1; argparse says so of any other text."""
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number, at least 1")
    return int(text)


def main() -> None:
    parser = argparse.ArgumentParser(description="Two moons, trained once and replayed.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("keras_moons"))
    parser.add_argument("--epochs", type=_count, default=4000)
    parser.add_argument("--patience", type=_count, default=200)
    parser.add_argument("--plateau", type=_count, default=150)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    settings = {"patience": asked.patience, "plateau": asked.plateau}
    _, stopping, ours = train(asked.folder, epochs=asked.epochs, **settings)
    print(table(asked.folder / "log.csv").to_string(index=False, float_format="%.3f"))
    print(*check(asked.folder, stopping, ours, **settings), sep="\n")


if __name__ == "__main__":
    main()
