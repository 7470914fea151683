"""The Keras callback, in a process whose Keras can train: the other tests' backend cannot."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_trainings_with_keras():
    pytest.importorskip("keras")
    pytest.importorskip("jax")
    tests = Path(__file__).with_name("keras_training.py")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", str(tests)],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        cwd=tests.parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
