"""Small .dt files for the tests that train."""

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def write_dt(tmp_path):
    """Write a data set of random examples to ``tmp_path/data`` and return its path."""

    def write(name: str, inputs: int = 3, outputs: int = 1, parts=(12, 6, 6), seed=0) -> Path:
        rng = np.random.default_rng([seed, *name.encode()])
        header = (
            f"bool_in=0\nreal_in={inputs}\nbool_out={outputs}\nreal_out=0\n"
            f"training_examples={parts[0]}\nvalidation_examples={parts[1]}\n"
            f"test_examples={parts[2]}\n"
        )
        rows = rng.random((sum(parts), inputs + outputs)).round(3)
        path = tmp_path / "data" / f"{name}.dt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(header + "".join(" ".join(map(str, row)) + "\n" for row in rows.tolist()))
        return path

    return write
