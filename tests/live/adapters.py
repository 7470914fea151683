"""What the tests of the adapters share: data that is soon overfitted, pages and examples run."""

import doctest
import importlib
import re
from pathlib import Path

import numpy as np
import pytest
from ranks import run_in_ranks

from earlystop_lab import criterion, read_curves, read_logs, replay

DOCS = Path(__file__).parents[2] / "docs" / "live"


def noisy(count=24, seed=0, width=8):
    """Inputs and targets of a regression with more noise than signal."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, width)).astype(np.float32)
    y = (x[:, :1] + rng.normal(size=(count, 1))).astype(np.float32)
    return x, y


@criterion(threshold="level", passes="<")
def LowRate(lr):
    """The learning rate itself."""
    return lr


@criterion(threshold="level", passes="<", at_least={"window": 1})
def Fades(grad_norm, *, window: int = 1):
    """The largest gradient norm of the last ``window`` checks."""
    return np.array([grad_norm[max(0, t - window) : t].max() for t in range(1, len(grad_norm) + 1)])


def patience_stop(values, patience, better):
    """Where Keras' rule stops, by a loop over a column: the number of values; None for nowhere."""
    best, wait = None, 0
    for i, value in enumerate(values, start=1):
        if best is None or better(value, best):
            best, wait = value, 0
        else:
            wait += 1
            if wait >= patience:
                return i
    return None


def require_replayed(stopper, record, last=None):
    """The run's record, where its replay stops as the training did, and training ended there."""
    curves = read_curves(record)
    assert curves.runs == [stopper.run]
    stops = replay(curves, [stopper.criterion], restore=stopper.restore)
    assert stopper.stopped
    assert stops.fired[0, 0]
    assert stops.stop[0, 0] == stopper.stop_epoch == curves[0].epoch[-1]
    assert stops.selected[0, 0] == stopper.best_epoch
    return curves[0]


def require_imported(stopper, log):
    """The log that the framework itself wrote stops where the training did, and says the same."""
    (curves, skipped, _), record = read_logs(log), stopper.history
    assert not skipped
    stops = replay(curves, [stopper.criterion], restore=stopper.restore)
    assert stops.fired[0, 0]
    assert stops.stop[0, 0] == pytest.approx(stopper.stop_epoch)
    assert stops.selected[0, 0] == pytest.approx(stopper.best_epoch)
    for name in record.names:
        known = record.about(name)
        # a bound is what an import infers of the values
        assert known == curves.about(name)._replace(upper=None, source=known.source)
    assert record.about("epoch").unit == curves.about("epoch").unit


def at(curve, name, epoch):
    """A curve's value at an epoch."""
    return getattr(curve, name)[curve.epoch.tolist().index(epoch)]


def run_examples(name):
    """The examples in the docstrings of an adapter."""
    results = doctest.testmod(importlib.import_module(f"earlystop_lab.live.{name}"))
    assert results.attempted
    assert not results.failed


def run_page(name, namespace):
    """The one snippet of an adapter's page, with what the page says is there."""
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert len(text.splitlines()) <= 40
    exec(compile(snippet, f"docs/live/{name}.md", "exec"), namespace)
    return namespace


def assert_ranks_agree(source, tmp_path):
    """Run a script that trains with UP(1, k=1) on errors of 3, 2 and 2.5 in two processes.

    Each prints the reason, and whether the weights are those of the second epoch.
    """
    said = run_in_ranks(source, tmp_path, tmp_path / "runs")
    assert said == ["UP 1 >= 1 at epoch 3; best epoch 2; True\n"] * 2
    (curve,) = read_curves(tmp_path / "runs")
    assert curve.val.tolist() == [3, 2, 2.5]
