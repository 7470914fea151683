"""The Keras callback against replay, among Keras' own callbacks, with the weights it restores.

Run by ``test_live_keras.py`` in a process of its own.
"""

import importlib
import itertools
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
from earlystop_lab.live.keras import RecordChannels, StopCallback

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


def test_what_keras_writes_is_imported(tmp_path):
    (x, y), model = noisy(seed=0), network(metrics=["mae"])
    fitting = {"epochs": 4, "validation_split": 0.5, "verbose": 0}
    log = keras.callbacks.CSVLogger(tmp_path / "log.csv")
    dense = model.fit(x, y, callbacks=[log], **fitting).history
    sparse = model.fit(x, y, validation_freq=2, **fitting).history
    for name, history, epochs in (
        ("log.csv", dense, [1, 2, 3, 4]),
        ("history.json", dense, [1, 2, 3, 4]),
        ("sparse.json", sparse, [1, 2, 4]),
    ):
        if name.endswith("json"):
            (tmp_path / name).write_text(json.dumps(history))
        found = read_logs(tmp_path / name)
        assert found.skipped == ()
        (curve,) = found.curves
        assert curve.epoch.tolist() == epochs
        assert curve.train.tolist() == [history["loss"][epoch - 1] for epoch in epochs]
        assert curve.val[curve.measured("val")].tolist() == history["val_loss"]
    assert curve.measured("val").tolist() == [False, True, True]


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


@pytest.mark.trained("Keras", "several metrics")
@pytest.mark.parametrize(
    ("monitor", "mode"), [("val_accuracy", "max"), ("val_loss", "min"), ("val_auc", "max")]
)
def test_it_knows_which_values_are_better_as_keras_does(tmp_path, monitor, mode):
    (x, y), (x_val, y_val) = (
        (x, (y > 0).astype("float32")) for x, y in (noisy(80, seed=0), noisy(80, seed=1))
    )

    def trained(callback):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [keras.Input((8,)), keras.layers.Dense(64, "tanh"), keras.layers.Dense(1, "sigmoid")]
        )
        metrics = ["accuracy", keras.metrics.AUC(name="auc")]
        model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=metrics)
        data = {"validation_data": (x_val, y_val), "epochs": 60, "batch_size": 80, "verbose": 0}
        history = model.fit(x, y, callbacks=[callback], **data).history
        return history[monitor], model.evaluate(x_val, y_val, 80, verbose=0, return_dict=True)

    stop = StopCallback("Keras(5)", monitor=monitor, record=tmp_path)
    values, kept = trained(stop)
    curve = require_replayed(stop.stopper, tmp_path)
    assert stop.stopper.mode == mode
    assert curve.val.tolist() == values
    best = at(curve, "val", stop.stopper.best_epoch)
    assert kept[monitor.removeprefix("val_")] == pytest.approx(best, rel=1e-5)
    own = keras.callbacks.EarlyStopping(monitor, patience=5, restore_best_weights=True)
    assert trained(own) == (values, kept)


def test_it_asks_which_values_are_better_where_keras_does_not_know():
    def bias(true, predicted):
        return keras.ops.mean(predicted - true)

    with pytest.raises(ValueError, match=r"mode: .* whether higher values of val_bias are better"):
        fit(network(metrics=[bias]), StopCallback("Keras(5)", monitor="val_bias"), epochs=2)
    stop = StopCallback("Keras(5)", monitor="val_bias", mode="max")
    fit(network(metrics=[bias]), stop, epochs=2)
    assert stop.stopper.mode == "max"


@pytest.mark.trained("Keras", "checking less often")
def test_it_checks_at_epochs_with_validation(tmp_path):
    model, stop = network(), StopCallback("Keras(2)", record=tmp_path)
    values = fit(model, stop, validation_freq=3).history["val_loss"]
    curve = require_replayed(stop.stopper, tmp_path)
    assert curve.epoch.tolist() == [3 * i for i in range(1, len(values) + 1)]
    assert patience_stop(values, 2, lambda value, best: value < best) == len(values)
    best = at(curve, "val", stop.stopper.best_epoch)
    assert error(model) == pytest.approx(best, rel=1e-5)


class Interrupts(keras.callbacks.Callback):
    def __init__(self, at, error=KeyboardInterrupt):
        super().__init__()
        self.at, self.error = at, error

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self.at:
            raise self.error


@pytest.mark.trained("Keras", "interrupted")
@pytest.mark.parametrize("kind", [KeyboardInterrupt, FloatingPointError])
def test_the_record_survives_an_interruption(tmp_path, kind):
    stop = StopCallback("Keras(99)", record=tmp_path)
    with pytest.raises(kind):
        fit(network(), stop, Interrupts(4, kind))
    assert read_curves(tmp_path)[0].epoch.tolist() == [1, 2, 3, 4]


@pytest.mark.trained("Keras", "resumed")
@pytest.mark.parametrize("own_first", [True, False])
@pytest.mark.parametrize("anew", [True, False])
def test_it_goes_on_with_a_run_that_keras_backs_up(tmp_path, anew, own_first):
    whole, straight = StopCallback("Keras(5)"), network()
    fit(straight, whole)
    best = whole.stopper.best_epoch
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    model = network()
    stop = StopCallback("Keras(5)", record=tmp_path / "runs", run="mine")
    both = [stop, backup] if own_first else [backup, stop]
    # the best epoch comes after the interruption
    with pytest.raises(KeyboardInterrupt):
        fit(model, *both, Interrupts(best - 2))
    if anew:
        model = network()
        stop = StopCallback("Keras(5)", record=tmp_path / "runs", run="mine")
        both = [stop, keras.callbacks.BackupAndRestore(tmp_path / "backup")]
    fit(model, *both)
    curve = require_replayed(stop.stopper, tmp_path / "runs")
    assert stop.stopper.reason == whole.stopper.reason
    assert curve.val == pytest.approx(whole.stopper.history[0].val, rel=1e-6)
    assert curve.epoch.tolist() == whole.stopper.history[0].epoch.tolist()
    assert error(model) == pytest.approx(error(straight), rel=1e-5)


def test_checks_after_the_backup_are_forgotten(tmp_path):
    class Fails(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 4:
                raise KeyboardInterrupt

    model, stop = network(), StopCallback("Keras(5)", record=tmp_path / "runs")
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(KeyboardInterrupt):
        fit(model, stop, Fails(), backup)
    assert stop.stopper.epoch == 5
    fit(model, stop, backup)
    curve = require_replayed(stop.stopper, tmp_path / "runs")
    assert curve.epoch.tolist() == list(range(1, len(curve) + 1))


def test_a_fit_that_begins_later_without_its_run_says_so(tmp_path):
    stop = StopCallback("Keras(5)", record=tmp_path)
    with pytest.warns(UserWarning, match=r"begins at epoch 4 of an unknown run"):
        fit(network(), stop, initial_epoch=3, epochs=5)
    assert read_curves(tmp_path)[0].epoch.tolist() == [4, 5]


@pytest.mark.trained("Keras", "continued training")
def test_another_fit_of_the_model_is_a_run_of_its_own(tmp_path):
    model, stop = network(), StopCallback("Keras(3)", record=tmp_path / "a")
    fit(model, stop, epochs=3)
    stop = StopCallback("Keras(3)", record=tmp_path / "b")
    fit(model, stop)
    curve = require_replayed(stop.stopper, tmp_path / "b")
    assert curve.epoch[0] == 1
    best = at(curve, "val", stop.stopper.best_epoch)
    assert error(model) == pytest.approx(best, rel=1e-5)


@pytest.mark.trained("Keras", "averaged weights")
@pytest.mark.parametrize("own_first", [True, False])
@pytest.mark.parametrize("swap", ["at validation", "at epochs", None])
def test_the_weights_kept_are_those_that_were_validated(tmp_path, swap, own_first):
    keras.utils.set_random_seed(0)
    model = network()
    averaging = keras.optimizers.Adam(0.02, use_ema=True, ema_momentum=0.9)
    model.compile(loss="mse", optimizer=averaging)
    stop = StopCallback("Keras(5)", record=tmp_path)
    swaps = keras.callbacks.SwapEMAWeights(swap_on_epoch=swap == "at epochs")
    callbacks = [stop] if swap is None else [stop, swaps]
    fit(model, *(callbacks if own_first else callbacks[::-1]))
    curve = require_replayed(stop.stopper, tmp_path)
    best = at(curve, "val", stop.stopper.best_epoch)
    assert error(model) == pytest.approx(best, rel=1e-5)


def test_recorded_channels_stop_as_their_replay(tmp_path):
    x = noisy(seed=0)[0]
    rule = "any_of(LabelWave(2, window=2), DistanceDiagnostic(-9))"
    # a rule without the monitored error selects by it all the same
    stop, model = StopCallback(rule, record=tmp_path), network()
    labels = [model.predict(x, verbose=0) > 0.5]
    seen = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: labels.append(model.predict(x, verbose=0) > 0.5)
    )
    history = fit(model, RecordChannels(x), seen, stop, epochs=40).history
    curve = require_replayed(stop.stopper, tmp_path)
    changes = [int((a != b).sum()) for a, b in itertools.pairwise(labels)]
    assert curve["changed_predictions"].tolist() == changes
    assert curve["distance"].tolist() == history["distance"]
    assert history["distance"][0] > 0


def test_it_names_what_is_there():
    with pytest.raises(ValueError, match="val_los"):
        fit(network(), StopCallback("GL(5)", monitor="val_los"), epochs=1)
    with pytest.raises(ValueError, match=r"'lr': no such metric; available are loss, val_loss"):
        fit(network(), StopCallback(LowRate(1)), epochs=1)


def test_the_patience_is_that_of_this_backend_where_float32_is_exact(monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "criteria")
    importlib.import_module("test_patience").agree_where_float32_is_exact()


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
    # a training that its options end before the callback does
    monkeypatch.setattr(sys, "argv", [str(MOONS), str(tmp_path / "short"), "--epochs", "3"])
    runpy.run_path(str(MOONS), run_name="__main__")
    assert "did not stop by epoch 3, as its replay" in capsys.readouterr().out
