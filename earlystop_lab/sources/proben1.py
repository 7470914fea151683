"""PROBEN1 data sets: the ``.dt`` files of Prechelt's benchmark collection.

A ``.dt`` file has seven header lines (``bool_in=0`` ... ``test_examples=174``) and then one
example per line, inputs before targets. The partition into training, validation and test set is
the order of the file. Only the sums ``bool + real`` are used, because the bool and real counts of
several files do not describe their columns (hearta declares a boolean output that is analog). No
range is enforced, because inputs of building, gene, soybean, card and glass exceed 0..1.

Source: L. Prechelt, "PROBEN1: a set of neural network benchmark problems and benchmarking
rules", Technical Report 21/94, Universitaet Karlsruhe, 1994.
"""

import math
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: the problems of the 1997 study; each has three permutations, ``cancer1`` to ``cancer3``
PROBLEMS = (
    "building",
    "cancer",
    "card",
    "diabetes",
    "flare",
    "gene",
    "glass",
    "heart",
    "hearta",
    "horse",
    "soybean",
    "thyroid",
)
#: the 36 data sets of the study
DATASETS = tuple(f"{problem}{permutation}" for problem in PROBLEMS for permutation in (1, 2, 3))

_HEADER = (
    "bool_in",
    "real_in",
    "bool_out",
    "real_out",
    "training_examples",
    "validation_examples",
    "test_examples",
)


class Examples(NamedTuple):
    """Inputs and targets of one part of a data set, one example per row."""

    inputs: NDArray[np.float64]
    targets: NDArray[np.float64]


class DataSet(NamedTuple):
    """One PROBEN1 data set in its three parts."""

    name: str
    train: Examples
    val: Examples
    test: Examples

    @property
    def problem(self) -> str:
        """The data set's name without its permutation: ``cancer`` for ``cancer1``."""
        return self.name.rstrip("0123456789")

    @property
    def permutation(self) -> int:
        """The number of the permutation of the problem; 0 if the name has no number."""
        return int(self.name[len(self.problem) :] or 0)


def read_dt(path: str | Path) -> DataSet:
    """Read one ``.dt`` file.

    Raises ``OSError`` if the file cannot be read, and ``ValueError`` naming file and line if its
    header does not consist of the seven counts, a row has too few or too many values, a value is
    not a finite number, or the number of rows differs from the header.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a PROBEN1 .dt file: not a plain text file") from error
    counts = _header(path, lines)
    inputs = counts["bool_in"] + counts["real_in"]
    outputs = counts["bool_out"] + counts["real_out"]
    parts = [counts[name] for name in _HEADER[4:]]
    if min(inputs, outputs, *parts) < 1:
        raise ValueError(
            f"{path}: the header counts {inputs} inputs, {outputs} outputs and "
            f"{parts[0]}, {parts[1]}, {parts[2]} examples; each must be at least 1"
        )
    rows = [
        _row(f"{path}, line {number}", line, inputs, outputs)
        for number, line in enumerate(lines[7:], start=8)
        if line.strip()
    ]
    if len(rows) != sum(parts):
        raise ValueError(
            f"{path}: {len(rows)} examples, but the header counts {parts[0]} training + "
            f"{parts[1]} validation + {parts[2]} test = {sum(parts)}; "
            + ("the file looks truncated" if len(rows) < sum(parts) else "correct the header")
        )
    values = np.array(rows)
    pieces = [
        Examples(part[:, :inputs], part[:, inputs:])
        for part in np.split(values, np.cumsum(parts)[:-1])
    ]
    return DataSet(path.stem, *pieces)


def _header(path: Path, lines: list[str]) -> dict[str, int]:
    counts = {}
    for number, name in enumerate(_HEADER, start=1):
        line = lines[number - 1].strip() if number <= len(lines) else ""
        match = re.fullmatch(rf"{name}\s*=\s*(\d{{1,9}})", line)
        if match is None:
            raise ValueError(f"{path}, line {number}: expected '{name}=<count>', found {line!r}")
        counts[name] = int(match[1])
    return counts


def _row(where: str, line: str, inputs: int, outputs: int) -> NDArray[np.float64]:
    words = line.split()
    if len(words) != inputs + outputs:
        raise ValueError(
            f"{where}: {len(words)} values, expected {inputs} inputs + {outputs} outputs "
            f"= {inputs + outputs}"
        )
    for column, word in enumerate(words, start=1):
        if not _is_number(word):
            raise ValueError(f"{where}, value {column}: {word!r} is not a finite number")
    return np.array(words, dtype=np.float64)


def _is_number(word: str) -> bool:
    try:
        return "_" not in word and math.isfinite(float(word))
    except ValueError:
        return False
