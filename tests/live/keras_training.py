"""The Keras callback against replay, among Keras' own callbacks, with the weights it restores.

Run by ``test_live_keras.py`` in a process of its own.
"""

import json
import runpy
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from adapters import (
    LowRate,
    at,
    noisy,
    patience_stop,
    require_imported,
    require_replayed,
    run_examples,
    run_page,
)

from earlystop_lab import Channel, Keras, TerminateOnNaN, any_of, read_curves, read_logs, replay
from earlystop_lab.live.keras import StopCallback

# Keras' variables and numpy 2
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

MOONS = Path(__file__).parents[2] / "examples" / "keras_moons.py"


def network(**compiled):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((8,)), keras.layers.Dense(64, "tanh"), keras.layers.Dense(1)]
    )
    model.compile(loss="mse", optimizer=keras.optimizers.Adam(0.02), **compiled)
    return model


def fit(model, *callbacks, epochs=150, **options):
    (x, y), validation = noisy(seed=0), noisy(seed=1)
    return model.fit(
        x,
        y,
        validation_data=validation,
        epochs=epochs,
        batch_size=24,
        verbose=0,
        callbacks=list(callbacks),
        **options,
    )


def error(model):
    return model.evaluate(*noisy(seed=1), verbose=0, batch_size=24)


@pytest.mark.parametrize("rule", ["GL(5, k=1)", "UP(2)", "Keras(5, min_delta=0.05)"])
@pytest.mark.parametrize("restore", ["best", "own"])
def test_it_stops_where_its_replay_does_and_has_those_weights(tmp_path, rule, restore):
    model, stop = network(), StopCallback(rule, restore=restore, record=tmp_path)
    fit(model, stop)
    curve = require_replayed(stop.stopper, tmp_path)
    # a rule that restores nothing of its own keeps the last weights
    kept = stop.stopper.best_epoch
    assert error(model) == pytest.approx(at(curve, "val", kept), rel=1e-5)


def test_rules_of_other_metrics_stop_where_their_replay_does(tmp_path):
    rule = any_of(Keras(99), Keras(6, val="val_mae"), LowRate(1e-9))
    channels = {"val_mae": Channel(direction="min")}
    with pytest.raises(ValueError, match=r"channels=\{'val_mae': Channel\(direction="):
        StopCallback(rule)
    stop = StopCallback(rule, channels=channels, record=tmp_path / "runs")
    slower = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.99)
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    history = fit(network(metrics=["mae"]), slower, stop, log).history
    require_imported(stop.stopper, tmp_path / "log.csv")
    curve = require_replayed(stop.stopper, tmp_path / "runs")
    stopped = patience_stop(history["val_mae"], 6, lambda value, best: value < best)
    assert stop.stopper.stop_epoch == stopped < 150
    assert curve["val_mae"].tolist() == history["val_mae"]
    assert curve["lr"].tolist() == history["learning_rate"]
    about = read_curves(tmp_path / "runs").about
    assert about("val") == Channel("val", "min", metric="loss", source="val_loss", stand_in=False)
    assert about("train") == Channel("train", "min", metric="loss", source="loss")
    assert about("val_mae") == Channel("val", "min", metric="mae")
    assert about("epoch").unit == "epoch"


def test_a_rule_of_the_learning_rate_steps_at_epochs_without_validation(tmp_path):
    stop = StopCallback(any_of(Keras(99), LowRate(0.0191)), record=tmp_path)
    slower = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.99)
    fit(network(), slower, stop, validation_freq=3)
    curve = require_replayed(stop.stopper, tmp_path)
    # 0.02 * 0.99**5 = 0.01902
    assert curve.epoch.tolist() == [1, 2, 3, 4, 5]
    assert curve.measured("val").tolist() == [False, False, True, False, False]
    assert stop.stopper.best_epoch == 3


def test_a_training_metric_that_is_monitored_is_a_stand_in(tmp_path):
    stop = StopCallback("Keras(5)", monitor="loss", record=tmp_path)
    fit(network(), stop, epochs=3)
    assert read_curves(tmp_path).about("val").stand_in


def test_every_log_of_the_run_says_the_same(tmp_path):
    model, stop = network(), StopCallback("Keras(5)", record=tmp_path / "runs")
    stopping = keras.callbacks.EarlyStopping(patience=5)
    seen, begun = [], []

    class Own(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            seen.append(logs["val_loss"])

    history = fit(
        model,
        Own(),
        stopping,
        stop,
        keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate * 0.99),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: begun.append(epoch)),
        keras.callbacks.TerminateOnNaN(),
    )
    curve = require_replayed(stop.stopper, tmp_path / "runs")
    assert stopping.stopped_epoch + 1 == stop.stopper.stop_epoch == len(begun)
    assert curve.val.tolist() == seen == history.history["val_loss"]
    (tmp_path / "history.json").write_text(json.dumps(history.history))
    for log in ("log.csv", "history.json"):
        again = read_logs(tmp_path / log).curves[0]
        assert again.val.tolist() == seen
        assert again.train.tolist() == curve.train.tolist()
    assert np.all(np.diff(pd.read_csv(tmp_path / "log.csv")["learning_rate"]) < 0)


def test_a_diverged_run_ends_where_terminate_on_nan_does(tmp_path):
    model = network()
    model.optimizer.learning_rate = 1e30
    stop = StopCallback(TerminateOnNaN(), record=tmp_path, restore_best_weights=False)
    fit(model, stop, epochs=20)
    curve = require_replayed(stop.stopper, tmp_path)
    assert not np.isfinite(curve.val[-1])
    assert replay(stop.stopper.history, [TerminateOnNaN()]).fired[0, 0]


def test_a_run_goes_on_from_its_saved_state(tmp_path):
    whole = StopCallback("Keras(5)", restore_best_weights=False)
    fit(network(), whole)
    model, first = network(), StopCallback("Keras(5)", restore_best_weights=False)
    fit(model, first, epochs=5)
    second = StopCallback("Keras(5)", restore_best_weights=False)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    fit(model, second, initial_epoch=5)
    assert second.stopper.stop_epoch == whole.stopper.stop_epoch


def test_it_names_what_is_there():
    with pytest.raises(ValueError, match="val_los"):
        fit(network(), StopCallback("GL(5)", monitor="val_los"), epochs=1)
    with pytest.raises(ValueError, match=r"'lr': no such metric; there are loss, val_loss"):
        fit(network(), StopCallback(LowRate(1)), epochs=1)


def test_examples():
    run_examples("keras")


def test_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x, y = noisy(seed=0)
    model = network()
    stop = run_page("keras", {"model": model, "x": x, "y": y, "validation": noisy(seed=1)})["stop"]
    curve = require_replayed(stop.stopper, "runs")
    assert error(model) == pytest.approx(at(curve, "val", stop.stopper.best_epoch), rel=1e-5)


def test_moons_agree_with_their_replay(tmp_path, monkeypatch, capsys):
    # the whole training takes a minute; a patience a tenth as long is the same code
    arguments = [str(MOONS), str(tmp_path), "--patience", "20", "--plateau", "15"]
    monkeypatch.setattr(sys, "argv", arguments)
    runpy.run_path(str(MOONS), run_name="__main__")
    said = capsys.readouterr().out
    assert "as its replay and Keras(20) live" in said
    assert "UP(3)" in said
