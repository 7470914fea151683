"""Makes what a package needs of the recorded data: the small corpus and the registry.

``python -m experiments.package_data`` writes

- ``data/curves/prechelt1997-small``: of each of the study's 36 data sets one run, chosen by a table
  alone, with its data card. A wheel has it inside.
- ``earlystop_lab/sources/corpora/registry.txt``: the SHA-256 of every file in ``data/curves`` and
  of the published numbers, by which files are fetched from anywhere.
"""

from pathlib import Path

import numpy as np

from earlystop_lab import CurveSet, read_curves
from earlystop_lab._common.files import written_text
from earlystop_lab.sources.corpora.fetching import REGISTRY, SMALL
from earlystop_lab.sources.corpora.reading import sha256
from earlystop_lab.sources.training import TOPOLOGIES
from experiments.recorded_problems import write_card

DATA = Path(__file__).resolve().parents[1] / "data"
#: the runs of a data set and topology: the first of two linear ones, the second, the sigmoid one
KINDS = (("linear", 1), ("linear", 2), ("sigmoid", 1))

CARD = """\
# Data card: prechelt1997-small

{runs} of the 1296 runs of [prechelt1997](../prechelt1997/README.md), unchanged: one of each of its
36 data sets (12 problems in 3 permutations). The package has it inside, so that every command works
with nothing but the package. It is for trying commands: what all runs say about a rule, these need
not say.

No curve was looked at to choose them. Problem number i (from 0, in the study's order) and
permutation number j (from 0) have topology number i + 4 j, modulo 12, so that each topology comes
three times; and kind number i + j, modulo 3, of first linear run, second linear run, sigmoid run.

| what | value |
|---|---|
| record | {shortest} epochs each, {checks} checks in all; `train`, `val`, `test` as float32 |
| everything else | as in prechelt1997, of which these are a part |
| command | `python -m experiments.package_data` |
| made with | {made_with} |
| licence | BSD-3-Clause, like the project; the problems' data have their own terms |

Of the {runs} runs, {late} have their lowest validation error in the last tenth of the record, and
{rising} end more than 5% above it. {diverged} diverged.

| file | SHA-256 |
|---|---|
{files}
"""


def chosen(curves: CurveSet) -> list[str]:
    """The ids of the runs in the small corpus, in the order of the whole."""
    sizes = ["+".join(map(str, layers)) for layers in TOPOLOGIES]
    problems = list(dict.fromkeys(curves.meta["problem"]))
    meta = curves.meta
    ids = []
    for i, problem in enumerate(problems):
        for j in range(3):
            output, repeat = KINDS[(i + j) % len(KINDS)]
            row = meta[
                (meta["problem"] == problem)
                & (meta["permutation"] == j + 1)
                & (meta["topology"] == sizes[(i + 4 * j) % len(sizes)])
                & (meta["output"] == output)
                & (meta["repeat"] == repeat)
            ]
            (run,) = row["run"]
            ids.append(run)
    return ids


def registry() -> str:
    """A line a file: its path in the folder ``data``, and its SHA-256."""
    places = (DATA / "curves", DATA / "reference")
    files = [file for place in places for file in place.rglob("*.*") if file.is_file()]
    lines = sorted(f"{file.relative_to(DATA).as_posix()} {sha256(file)}\n" for file in files)
    return "".join(lines)


def main() -> None:
    whole = read_curves(DATA / "curves" / SMALL.removesuffix("-small"))
    folder = DATA / "curves" / SMALL
    folder.mkdir(exist_ok=True)
    small = whole.select(np.isin(whole.runs, chosen(whole)))
    small.write(folder / f"{SMALL}.parquet")
    (folder / "README.md").unlink(missing_ok=True)
    write_card(folder, CARD, small)
    written_text(REGISTRY, registry())


if __name__ == "__main__":
    main()
