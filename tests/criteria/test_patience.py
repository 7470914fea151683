"""Patience as the libraries have it: the real Keras callback, Keras 2.2 restated, and goldens."""

import importlib.util
import math
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st
from strategies import errors, random_errors, random_values

from earlystop_lab import Channel, CurveSet, Keras, Keras2, MaxEpochs, TerminateOnNaN, replay

NAN, INF = math.nan, math.inf


def stops_of(val, criteria, restore="own", **columns):
    curves = CurveSet.from_runs([{"run": "r", "val": val, **columns}])
    stops = replay(curves, criteria, restore=restore)
    return [
        (int(stop), int(selected), bool(fired))
        for stop, selected, fired in zip(
            stops.stop[0], stops.selected[0], stops.fired[0], strict=True
        )
    ]


def outcome(val, criterion, restore="own"):
    """Stop, selected, fired of one criterion on one run."""
    return stops_of(val, [criterion], restore)[0]


# -- Keras 3 against itself ------------------------------------------------------------------


class StubModel:
    """As much of a model as the callback touches; its weights are the epochs done so far."""

    metrics = ()
    stop_training = False
    epochs = 0

    def get_weights(self):
        return self.epochs

    def set_weights(self, weights):
        self.epochs = weights


def real_keras(val, patience, *, exact=False, **options):
    """Stop, restored epoch and whether the callback stopped training.

    ``exact``: float32 holds these values exactly, so any backend will do.
    """
    keras = pytest.importorskip("keras", reason="the callback itself is the reference")
    if keras.backend.backend() != "numpy" and not exact:
        pytest.skip("needs Keras' numpy backend, others compare in float32")
    callback = keras.callbacks.EarlyStopping(
        patience=patience, restore_best_weights=True, **options
    )
    model = StubModel()
    callback.set_model(model)
    callback.on_train_begin()
    stop = 0
    for epoch, value in enumerate(val):
        model.epochs = stop = epoch + 1
        callback.on_epoch_end(epoch, {"val_loss": value})
        if model.stop_training:
            break
    callback.on_train_end()
    return stop, model.epochs, model.stop_training


def random_lists(seed, count):
    rng = np.random.default_rng(seed)
    for i in range(count):
        val = random_values(rng, int(rng.integers(1, 30)))
        if i % 3 == 0:
            val = np.round(val * 4) / 4  # many ties and plateaus
        if i % 7 == 0:
            val[0] = np.nan
        yield rng, val.tolist()


def test_keras_is_the_real_callback_on_random_lists(record_property):
    tried = 250
    for rng, val in random_lists(seed=3, count=tried):
        options = {
            "min_delta": float(rng.choice([0, 0, 0.01, 0.25, 1, -0.25])),
            "baseline": None if rng.random() < 0.6 else float(rng.choice([0.25, 0.5, 1, 2])),
            "start_from_epoch": int(rng.choice([0, 0, 1, 2, 5, 40])),
        }
        patience = range(6)
        found = stops_of(val, [Keras(p, **options) for p in patience])
        assert found == [real_keras(val, p, **options) for p in patience], (val, options)
    record_property("verified", ("keras", version("keras"), "Keras", tried, 0))


def agree_where_float32_is_exact():
    """Run in processes of other backends, since Keras takes its when it is first imported.

    That of jax is the one of ``tests/live/keras_training.py``.
    """
    for rng, val in random_lists(seed=5, count=60):
        coarse = [round(v * 64) / 64 if math.isfinite(v) else v for v in val]
        options = {"min_delta": float(rng.choice([0, 0.25])), "exact": True}
        rules = [Keras(p, min_delta=options["min_delta"]) for p in (1, 2, 4)]
        expected = [real_keras(coarse, p, **options) for p in (1, 2, 4)]
        assert stops_of(coarse, rules) == expected, (coarse, options)


def test_the_torch_backend_agrees_where_float32_is_exact():
    for module in ("keras", "torch"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    code = "import test_patience; test_patience.agree_where_float32_is_exact()"
    folder = Path(__file__).parent
    paths = os.pathsep.join([str(folder.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@given(st.lists(errors, min_size=1, max_size=12), st.integers(0, 4), st.sampled_from([0.0, 0.5]))
def test_keras_is_the_real_callback_on_short_lists(val, patience, min_delta):
    expected = real_keras(val, patience, min_delta=min_delta)
    assert outcome(val, Keras(patience, min_delta=min_delta)) == expected


@given(st.lists(errors, min_size=1, max_size=12), st.integers(0, 4))
def test_negated_metrics_stop_where_keras_mode_max_does(val, patience):
    metric = [1 - v for v in val]
    curves = CurveSet.from_runs([{"val": metric}], channels={"val": Channel(direction="max")})
    stops = replay(curves, [Keras(patience)], restore="own")
    expected = real_keras(metric, patience, mode="max")
    assert (stops.stop[0, 0], stops.selected[0, 0], stops.fired[0, 0]) == expected


# -- Keras 3 by hand -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("val", "criterion", "expected"),
    [
        # wait          0    0    1    2
        ([3.0, 2.0, 2.0, 2.5], Keras(2), (4, 2, True)),
        # ties are no improvement, the first of them is kept
        ([1.0, 1.0, 1.0], Keras(2), (3, 1, True)),
        # the second drop resets the wait: 0 1 0 1 2
        ([3.0, 4.0, 2.0, 4.0, 4.0], Keras(2), (5, 3, True)),
        # gains are measured against the best, 3: two are too small, the last is 0.75
        ([3.0, 2.75, 2.6, 2.25], Keras(3, min_delta=0.5), (4, 4, False)),
        # a gain of exactly min_delta is none
        ([3.0, 2.5, 2.5], Keras(2, min_delta=0.5), (3, 1, True)),
        # its sign does not matter
        ([3.0, 2.5, 2.5], Keras(2, min_delta=-0.5), (3, 1, True)),
        # patience 0 and 1 are alike, and the first epoch never stops
        ([1.0, 0.5, 0.5], Keras(0), (3, 2, True)),
        ([1.0, 0.5, 0.5], Keras(1), (3, 2, True)),
        ([1.0], Keras(0), (1, 1, False)),
        # as first value NaN is the best, and nothing is below it: wait 0 1 2
        ([NAN, 1.0, 0.5, 0.25], Keras(2), (3, 1, True)),
        # later it is no improvement
        ([2.0, NAN, NAN, 1.0], Keras(2), (3, 1, True)),
        ([2.0, NAN, 1.0, NAN], Keras(2), (4, 3, False)),
        # above its baseline an improving curve uses up patience, but cannot stop
        ([4.0, 3.0, 2.0, 1.5], Keras(1, baseline=1.0), (4, 4, False)),
        # until an epoch does not improve: wait 1 2 3
        ([4.0, 3.0, 3.0, 0.5], Keras(3, baseline=1.0), (3, 2, True)),
        # epochs 0 and 1 are not seen: best 3 at the third, wait 1 2
        ([1.0, 1.0, 3.0, 4.0, 4.0], Keras(2, start_from_epoch=2), (5, 3, True)),
        # nothing at all was seen, the last weights stay
        ([1.0, 2.0], Keras(0, start_from_epoch=2), (2, 2, False)),
    ],
)
def test_keras_by_hand(val, criterion, expected):
    assert outcome(val, criterion) == expected


@pytest.mark.parametrize("epoch", [[0, 1, 2], [0.25, 0.5, 0.75], [10, 20, 30]])
def test_without_start_from_epoch_every_check_is_seen(epoch):
    # wait 0 1 2, wherever the first check was
    curves = CurveSet.from_runs([{"val": [1.0, 2.0, 2.0], "epoch": epoch}])
    stops = replay(curves, [Keras(2)], restore="own")
    assert (stops.stop[0, 0], stops.selected[0, 0]) == (epoch[2], epoch[0])
    assert stops.fired[0, 0]


def test_own_weights_differ_from_the_best_where_min_delta_ignores_small_gains():
    val, criterion = [3.0, 2.0, 1.95, 2.5], Keras(2, min_delta=0.1)
    assert [outcome(val, criterion, restore)[1] for restore in ("own", "best", "last")] == [2, 3, 4]


TRAP = [10, 9.55, 9.6, 9.47, 9.6, 9.6, 9.6]


def test_a_larger_min_delta_can_stop_later():
    # min_delta 0.1: best 10, 9.55, then 9.47 is not below 9.45: wait 1 2 3 at index 4
    # min_delta 0.5: 9.55 is not below 9.5, 9.47 is: wait 1 2 0 1 2 3 at index 6
    found = stops_of(TRAP, [Keras(3, min_delta=0.1), Keras(3, min_delta=0.5)])
    assert [stop - 1 for stop, _, _ in found] == [4, 6]
    assert [selected - 1 for _, selected, _ in found] == [1, 3]


@given(
    st.lists(errors, min_size=1, max_size=25),
    st.sampled_from([0.0, 0.25, 1.0]),
    st.sampled_from([None, 1.0]),
)
def test_more_patience_never_stops_earlier(val, min_delta, baseline):
    for family in (Keras, Keras2):
        rules = [family(p, min_delta=min_delta, baseline=baseline) for p in range(8)]
        found = [(not fired, stop) for stop, _, fired in stops_of(val, rules)]
        assert found == sorted(found)


# -- Keras 2.2 -------------------------------------------------------------------------------


def keras22(val, patience, min_delta=0.0, baseline=None):
    """Keras 2.2's callback in min mode: stop, restored epoch (the stop where none), stopped."""
    best = INF if baseline is None else baseline
    wait, restored = 0, None
    for epoch, current in enumerate(val):
        if current + min_delta < best:
            best = current
            wait = 0
            restored = epoch + 1
        else:
            wait += 1
            if wait >= patience:
                return epoch + 1, restored or epoch + 1, True
    # weights are restored only where the callback itself stopped training
    return len(val), len(val), False


def test_keras2_is_its_published_algorithm_on_random_lists():
    for rng, val in random_lists(seed=5, count=200):
        options = {
            "min_delta": float(rng.choice([0, 0, 0.01, 0.25, -0.25])),
            "baseline": None if rng.random() < 0.5 else float(rng.choice([0.25, 0.5, 1, 2])),
        }
        rules = [Keras2(p, **options) for p in range(6)]
        for patience, found in enumerate(stops_of(val, rules)):
            expected = keras22(val, patience, **options)
            if found[2] and expected[2]:
                assert found == expected, (val, patience, options)
            else:
                # what is kept of a run that was not stopped has a test of its own below
                assert found[::2] == expected[::2], (val, patience, options)


@pytest.mark.parametrize(
    ("val", "criterion", "expected"),
    [
        # wait 0 0 1 2
        ([3.0, 2.0, 2.0, 2.5], Keras2(2), (4, 2, True)),
        # a NaN is no improvement, first or not: wait 1 0 1 2
        ([NAN, 1.0, NAN, 1.0], Keras2(2), (4, 2, True)),
        # the first epoch can stop, and nothing was kept
        ([NAN, 1.0], Keras2(1), (1, 1, True)),
        ([3.0, 2.0], Keras2(0, baseline=1.0), (1, 1, True)),
        # baseline is the first best: improving above it uses up patience
        ([4.0, 3.0, 2.0, 1.5], Keras2(2, baseline=1.0), (2, 2, True)),
        ([4.0, 0.5, 0.6, 0.7], Keras2(2, baseline=1.0), (4, 2, True)),
        # patience 0 stops at the first epoch that does not improve
        ([3.0, 2.0, 2.0], Keras2(0), (3, 2, True)),
        # a negative min_delta accepts worse values: best 1, 1.25, 1.5, then 2 - 0.5 is a tie
        ([1.0, 1.25, 1.5, 2.0], Keras2(1, min_delta=-0.5), (4, 3, True)),
        # a positive one asks for more, and exactly 0.5 is not: wait 0 1 0 1 2
        ([3.0, 2.5, 2.25, 9.0, 9.0], Keras2(2, min_delta=0.5), (5, 3, True)),
    ],
)
def test_keras2_by_hand(val, criterion, expected):
    assert outcome(val, criterion) == expected


def test_keras2_restores_nothing_where_training_ran_out():
    assert keras22([1.0, 2.0], 5) == (2, 2, False)
    assert outcome([1.0, 2.0], Keras2(5)) == (2, 2, False)


# -- limits ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "expected"), [(1, (1, True)), (3, (3, True)), (4, (4, True)), (5, (4, False))]
)
def test_max_epochs(n, expected):
    stop, _, fired = outcome([4.0, 3.0, 2.0, 1.0], MaxEpochs(n))
    assert (stop, fired) == expected


def test_max_epochs_counts_epochs_not_checks():
    found = stops_of([3.0, 2.0, 1.0], [MaxEpochs(10), MaxEpochs(11)], epoch=[5, 10, 15])
    assert [stop for stop, _, _ in found] == [10, 15]


@pytest.mark.parametrize("special", [NAN, INF, -INF])
def test_terminate_on_nan_watches_training_only(special):
    val = [NAN, INF, 1.0, 1.0]
    assert stops_of(val, [TerminateOnNaN()], train=[1.0, 1.0, special, 1.0])[0][::2] == (3, True)
    assert stops_of(val, [TerminateOnNaN()], train=[1.0] * 4)[0][::2] == (4, False)


def test_terminate_on_nan_is_the_real_callback(record_property):
    keras = pytest.importorskip("keras", reason="the callback itself is the reference")
    tried = 240
    rng = np.random.default_rng(8)
    for _ in range(tried):
        errors, stop = random_errors(rng), None
        callback, model = keras.callbacks.TerminateOnNaN(), StubModel()
        callback.set_model(model)
        for i, error in enumerate(errors, start=1):
            callback.on_batch_end(0, {"loss": error})
            if model.stop_training:
                stop = i
                break
        found, _, fired = stops_of([1.0] * len(errors), [TerminateOnNaN()], train=errors)[0]
        assert (found if fired else None) == stop, errors
    record_property("verified", ("keras", version("keras"), "TerminateOnNaN", tried, 0))
