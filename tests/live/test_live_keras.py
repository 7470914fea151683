"""The Keras callback, in a process whose Keras can train: the other tests' backend cannot."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def test_trainings_with_keras(tmp_path):
    pytest.importorskip("keras")
    pytest.importorskip("jax")
    tests = Path(__file__).with_name("keras_training.py")
    # most trainings are of the same network: what is compiled for one does for the others
    kept = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", str(tests)],
        env={**os.environ, "KERAS_BACKEND": "jax", **kept},
        cwd=tests.parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
