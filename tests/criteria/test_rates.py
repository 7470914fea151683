"""Learning-rate rules: against the real Keras and PyTorch where they are, and by hand."""

import math

import library_drivers
import numpy as np
import pytest
from strategies import random_errors

from earlystop_lab import reduce_lr_on_plateau, step_decay

NAN = math.nan


def random_cases(seed, count, **grid):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield (
            random_errors(rng),
            {name: some[rng.integers(len(some))] for name, some in grid.items()},
        )


@pytest.mark.filterwarnings("ignore")  # a library's own warnings are not ours to fix
def test_keras_own_rates():
    pytest.importorskip("keras")
    for errors, options in random_cases(
        1,
        240,
        factor=[0.1, 0.5],
        patience=[0, 1, 2, 3],
        min_delta=[0.0, 1e-4, 0.1],
        cooldown=[0, 1, 3],
        min_lr=[0.0, 0.01, 0.1],
    ):
        after = library_drivers.keras_reduce_lr(errors, lr=0.5, **options)
        found = reduce_lr_on_plateau(errors, lr=0.5, **options)
        assert found[1:].tolist() == pytest.approx(after[:-1]), (errors, options)


@pytest.mark.filterwarnings("ignore")
def test_pytorch_own_rates():
    pytest.importorskip("torch")
    for errors, options in random_cases(
        2,
        240,
        factor=[0.1, 0.5, 0.999],
        patience=[0, 1, 2, 3],
        threshold=[0.0, 1e-4, 0.1],
        threshold_mode=["rel", "abs"],
        cooldown=[0, 1, 3],
        min_lr=[0.0, 0.1],
        eps=[1e-8, 0.01],
    ):
        after = library_drivers.torch_reduce_lr(errors, lr=0.5, **options)
        ours = {name: options[name] for name in ("factor", "patience", "cooldown", "min_lr", "eps")}
        found = reduce_lr_on_plateau(
            errors,
            lr=0.5,
            library="torch",
            min_delta=options["threshold"],
            relative=options["threshold_mode"] == "rel",
            **ours,
        )
        assert found[1:].tolist() == after[:-1], (errors, options)


@pytest.mark.parametrize(
    ("options", "val", "rates"),
    [
        # Keras: cut with the p-th bad epoch, the rate shows in the epoch after it
        ({"patience": 2}, [3, 2, 2, 2, 1], [1, 1, 1, 1, 0.1]),
        # PyTorch: one later
        ({"patience": 2, "library": "torch"}, [3, 2, 2, 2, 2, 1], [1, 1, 1, 1, 1, 0.1]),
        # patience 0 is 1 to Keras; to PyTorch it is a cut at every bad epoch
        ({"patience": 0}, [2, 2, 2], [1, 1, 0.1]),
        ({"patience": 0, "library": "torch"}, [2, 2, 2], [1, 1, 0.1]),
        # a NaN first is the best to Keras for good
        ({"patience": 1}, [NAN, 2, 1], [1, 1, 0.1]),
        ({"patience": 1, "library": "torch"}, [NAN, 2, 1], [1, 1, 1]),
        # two epochs of cooldown: to Keras the second counts towards the next cut, as a bad epoch
        ({"patience": 1, "cooldown": 2}, [2, 2, 2, 2, 2, 2], [1, 1, 0.1, 0.1, 0.01, 0.01]),
        ({"patience": 1, "min_lr": 0.5}, [2, 2, 2, 2], [1, 1, 0.5, 0.5]),
    ],
)
def test_by_hand(options, val, rates):
    found = reduce_lr_on_plateau([float(v) for v in val], lr=1.0, **options)
    assert found.tolist() == pytest.approx(rates)


def test_an_empty_curve_has_no_rates():
    assert reduce_lr_on_plateau([], lr=1.0).tolist() == []


def test_step_decay_by_hand():
    assert step_decay(6, lr=8.0, factor=0.5, every=2).tolist() == [8, 8, 4, 4, 2, 2]
    assert step_decay(0, lr=1.0).tolist() == []


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: reduce_lr_on_plateau([1.0], lr=0.0), "lr = 0.0; expected a number above 0"),
        (
            lambda: reduce_lr_on_plateau([1.0], lr=1.0, factor=1.0),
            r"factor = 1.0; expected a number in",
        ),
        (
            lambda: reduce_lr_on_plateau([1.0], lr=1.0, patience=-1),
            "patience = -1; expected an integer >= 0",
        ),
        (lambda: reduce_lr_on_plateau([1.0], lr=1.0, min_delta=NAN), "min_delta = nan"),
        (lambda: reduce_lr_on_plateau([1.0], lr="a"), "lr = 'a'; expected a number"),
        (lambda: reduce_lr_on_plateau([1.0], lr=1.0, patience=2.5), "patience = 2.5"),
        (lambda: reduce_lr_on_plateau([1.0], lr=1.0, cooldown=None), "cooldown = None"),
        (lambda: reduce_lr_on_plateau([[1.0]], lr=1.0), r"shape \(1, 1\)"),
        (lambda: reduce_lr_on_plateau([1.0], lr=1.0, library="jax"), "'jax'; expected 'keras'"),
        (lambda: reduce_lr_on_plateau([1.0], lr=1.0, relative=True), "always absolute in Keras"),
        (lambda: step_decay(3, lr=1.0, every=0), "every = 0; expected an integer >= 1"),
    ],
)
def test_a_mistake_is_named(make, words):
    with pytest.raises(ValueError, match=words):
        make()
