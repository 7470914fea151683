"""Record pairs of trainings: one with a hold-out that is watched, one on all data.

    python -m experiments.record_refits

For each table of :mod:`experiments.record_tabular_nets` that is named here, a quarter is the test
set. The rest is the data that a user has: of each pair, the first run trains on four fifths of it
and watches the last fifth, the second trains on all of it, for longer, and watches nothing; both
record the test error. Two models, boosting by LightGBM and a network, and two seeds, which choose
the split and the weights. Runs go to ``data/studies/refits.parquet``. Takes some five minutes;
needs the extra ``libraries``.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from earlystop_lab import CurveSet
from experiments.record_boosting import with_lightgbm
from experiments.record_modern_nets import Recipe, fitted, squared_error
from experiments.record_tabular_nets import TABLES, examples, scaled
from experiments.recorded_problems import Part, measured
from experiments.studies import STUDIES

OUT = STUDIES / "refits.parquet"
SETS = (*TABLES,)[::3] + (*TABLES,)[1::3]
SEEDS = (1, 2)
#: share of the data that is held out, as in five folds
HELD = 0.2
#: the most examples that a user has, and those of a test set at most
MOST, TESTED = 400, 500
#: epochs or rounds of the first and of the second run of a pair
EPOCHS, LONGER = 160, 260
NET = Recipe("adam", 0.003, 0.0, "constant")
RATE, DEPTH, SUBSAMPLE = 0.05, 4, 0.7


def parts_of(problem: str, seed: int) -> tuple[dict[str, Part], dict[str, Part]]:
    """The examples of both runs of a pair; the second has no ``val``."""
    whole, rng = examples(problem), np.random.default_rng(seed)
    order = rng.permutation(len(whole.targets))
    n = min(len(order) // 4, TESTED)
    test, mine = order[:n], order[n:][:MOST]
    held = int(len(mine) * HELD)
    targets = whole.targets
    if not TABLES[problem].classes:
        targets = (targets - targets[mine].mean()) / targets[mine].std()

    def part(rows: NDArray[np.intp]) -> Part:
        return Part(whole.inputs[rows], targets[rows])

    first = {"train": part(mine[held:]), "val": part(mine[:held]), "test": part(test)}
    return first, {"train": part(mine), "test": part(test)}


def train(model: str, parts: dict[str, Part], classes: int, length: int, seed: int) -> Any:
    """Errors of every part at every epoch or round."""
    if model == "lightgbm":
        return with_lightgbm(parts, classes, length, RATE, DEPTH, SUBSAMPLE, seed)
    import torch

    loss = torch.nn.functional.cross_entropy if classes else squared_error
    return fitted(scaled(parts, classes), max(classes, 1), loss, "mlp-32", NET, length, 64, seed)


def recorded() -> CurveSet:
    """All runs."""
    runs = []
    for problem in SETS:
        classes = TABLES[problem].classes
        for model in ("lightgbm", "mlp-32"):
            for seed in SEEDS:
                pair = f"{problem}-{model}-{seed}"
                for share, parts, length in zip(
                    (1 - HELD, 1.0), parts_of(problem, seed), (EPOCHS, LONGER), strict=True
                ):
                    errors = train(model, parts, classes, length, seed)
                    unit = "round" if model == "lightgbm" else "epoch"
                    run = {
                        "run": f"{pair}-{share:g}",
                        "pair": pair,
                        "share": share,
                        "problem": problem,
                        "dataset": problem,
                        "model": model,
                        "seed": seed,
                        **measured(unit, "log loss" if classes else "squared error"),
                    }
                    names = ("val", "test") if "val" in parts else ("test",)
                    values = {name: np.asarray(errors[name], np.float32) for name in names}
                    runs.append(run | values)
    return CurveSet.from_runs(runs)


def main() -> None:
    recorded().write(OUT)


if __name__ == "__main__":
    main()
