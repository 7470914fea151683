"""Mutated logs, by the test that tries some of them in the suite."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from hard.cells import Cell

TEST = Path(__file__).parents[1] / "sources" / "test_logs_fuzz.py"


def attempts(count: int, seed: int) -> Iterator[Cell]:
    """So many mutated logs; the first that is misread ends the test."""
    cell = Cell("logs", "mutated")
    environment = {**os.environ, "EARLYSTOP_FUZZ": str(count), "EARLYSTOP_FUZZ_SEED": str(seed)}
    words = ["-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-k", "mutated", str(TEST)]
    ended = subprocess.run(
        [sys.executable, *words],
        env=environment,
        capture_output=True,
        text=True,
        cwd=TEST.parents[2],
    )
    said = ended.stdout + ended.stderr
    counts = re.search(r"\{'imported': (\d+), 'refused': (\d+)\}", said)
    for i in range(sum(map(int, counts.groups())) if counts else 0):
        cell.attempt(i, "")
    if ended.returncode:
        cell.attempt("the test", said[-3000:])
    cell.note = counts[0] if counts else ""
    yield cell
