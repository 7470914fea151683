"""Record the corpus ``boosting``: gradient boosting, its errors at every iteration.

XGBoost, LightGBM and scikit-learn's GradientBoosting on data sets that scikit-learn ships and on
synthetic ones of fixed seeds, by learning rate, depth, share of rows a tree sees, and seed. A seed
chooses the split into training, validation and test set and whatever the library draws.

    python -m experiments.record_boosting [--out DIR] [--jobs N]

writes one Parquet file a problem and the data card; called again after an interruption, it
trains only what is missing. Needs scikit-learn, xgboost and lightgbm: the extra ``libraries``.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earlystop_lab.sources.recording import Job, record
from experiments.recorded_problems import PROBLEMS, Part, measured, split, write_card

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = ("xgboost", "lightgbm", "scikit-learn")
#: learning rate -> iterations: the slower, the longer, so that most runs pass their minimum
ITERATIONS = {0.02: 1000, 0.1: 600, 0.3: 300}
DEPTHS = (2, 4)
#: share of the rows that each tree sees; below 1 the curves are noisy
SUBSAMPLES = (1.0, 0.7)
SEEDS = (1, 2)
#: training examples at most; more would only cost time
LARGEST = 400


def jobs(
    problems: Iterable[str] = PROBLEMS,
    libraries: Sequence[str] = LIBRARIES,
    seeds: Sequence[int] = SEEDS,
) -> list[Job]:
    """The runs of the corpus, or of a part of it."""
    settings = list(itertools.product(libraries, ITERATIONS, DEPTHS, SUBSAMPLES, seeds))
    sizes = {
        problem: len(split(PROBLEMS[problem], seeds[0], LARGEST)["train"].targets)
        for problem in problems
    }
    return [_job(problem, size, *each) for problem, size in sizes.items() for each in settings]


def _job(
    problem: str, n_train: int, library: str, rate: float, depth: int, subsample: float, seed: int
) -> Job:
    meta = {
        "run": f"{problem}-{library}-{rate}-{depth}-{subsample}-{seed}",
        "problem": problem,
        "dataset": problem.split("-noise")[0],
        "library": library,
        "version": version(library),
        "learning_rate": rate,
        "depth": depth,
        "subsample": subsample,
        "label_noise": PROBLEMS[problem].label_noise,
        "n_train": n_train,
        "seed": seed,
        **measured("round", "log loss" if PROBLEMS[problem].classes else "squared error"),
    }
    trees = ITERATIONS[rate] * max(1, PROBLEMS[problem].classes)
    cost = float(trees * (6 if library == "scikit-learn" else 1))
    return Job(meta, cost, train, (problem, library, rate, depth, subsample, seed))


# -- training --------------------------------------------------------------------------------


def train(
    problem: str, library: str, rate: float, depth: int, subsample: float, seed: int
) -> dict[str, NDArray[np.float32]]:
    """Errors of every part after every iteration, as the library itself measures them."""
    boost = {"xgboost": with_xgboost, "lightgbm": with_lightgbm, "scikit-learn": _sklearn}[library]
    parts, classes = split(PROBLEMS[problem], seed, LARGEST), PROBLEMS[problem].classes
    curves = boost(parts, classes, ITERATIONS[rate], rate, depth, subsample, seed)
    return {name: np.asarray(curve, np.float32) for name, curve in curves.items()}


def with_xgboost(
    parts: Mapping[str, Part],
    classes: int,
    iterations: int,
    rate: float,
    depth: int,
    subsample: float,
    seed: int,
    *callbacks: Any,
) -> dict[str, Any]:
    import xgboost

    objective, metric = {
        0: ("reg:squarederror", "rmse"),
        2: ("binary:logistic", "logloss"),
    }.get(classes, ("multi:softprob", "mlogloss"))
    options = {
        "objective": objective,
        "eval_metric": metric,
        "learning_rate": rate,
        "max_depth": depth,
        "subsample": subsample,
        "seed": seed,
        "nthread": 1,
        "verbosity": 0,
    }
    if classes > 2:
        options["num_class"] = classes
    matrices = [(xgboost.DMatrix(*part, nthread=1), name) for name, part in parts.items()]
    train = next(matrix for matrix, name in matrices if name == "train")
    seen: dict[str, dict[str, list[float]]] = {}
    xgboost.train(
        options,
        train,
        iterations,
        evals=matrices,
        evals_result=seen,
        verbose_eval=False,
        callbacks=callbacks,
    )
    power = 1 if classes else 2
    return {name: np.power(errors[metric], power) for name, errors in seen.items()}


def with_lightgbm(
    parts: Mapping[str, Part],
    classes: int,
    iterations: int,
    rate: float,
    depth: int,
    subsample: float,
    seed: int,
    *callbacks: Any,
) -> dict[str, Any]:
    import lightgbm

    objective, metric = {0: ("regression", "l2"), 2: ("binary", "binary_logloss")}.get(
        classes, ("multiclass", "multi_logloss")
    )
    options = {
        "objective": objective,
        "metric": metric,
        "learning_rate": rate,
        "max_depth": depth,
        "num_leaves": 2**depth,
        "bagging_fraction": subsample,
        "bagging_freq": 1,
        "seed": seed,
        # the default, 20, would leave the small data sets without a tree
        "min_data_in_leaf": 5,
        "num_threads": 1,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    if classes > 2:
        options["num_class"] = classes
    train = lightgbm.Dataset(*parts["train"])
    sets = [
        train if name == "train" else lightgbm.Dataset(*part, reference=train)
        for name, part in parts.items()
    ]
    seen: dict[str, dict[str, list[float]]] = {}
    lightgbm.train(
        options,
        train,
        iterations,
        valid_sets=sets,
        valid_names=list(parts),
        callbacks=[lightgbm.record_evaluation(seen), *callbacks],
    )
    return {name: errors[metric] for name, errors in seen.items()}


def _sklearn(
    parts: Mapping[str, Part],
    classes: int,
    iterations: int,
    rate: float,
    depth: int,
    subsample: float,
    seed: int,
) -> dict[str, Any]:
    from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor

    kind = GradientBoostingClassifier if classes else GradientBoostingRegressor
    model = kind(
        n_estimators=iterations,
        learning_rate=rate,
        max_depth=depth,
        subsample=subsample,
        random_state=seed,
    ).fit(*parts["train"])
    errors = {}
    for name, (inputs, targets) in parts.items():
        if classes:
            true = np.arange(len(targets)), targets
            likely = [shares[true] for shares in model.staged_predict_proba(inputs)]
            # a certain mistake would be infinite; the other libraries have such a bound as well
            losses = -np.log(np.maximum(likely, 1e-15))
        else:
            losses = np.square(list(model.staged_predict(inputs)) - targets)
        errors[name] = losses.mean(axis=1)
    return errors


# -- data card -------------------------------------------------------------------------------

CARD = """\
# Data card: boosting

{runs} runs of gradient boosting on {problems} problems, recorded at every iteration, for replaying
stopping criteria.

| what | value |
|---|---|
| runs | {problems} problems x 3 libraries x 3 learning rates x 2 depths x 2 subsamples x \
{seeds} seeds = {runs} |
| record | {shortest} to {longest} iterations, by learning rate: {iterations}; none ended early; \
`train`, `val` and `test` error of every iteration as float32; {checks} checks in all |
| error | classification: log loss (natural logarithm, mean over examples); regression: mean \
squared error, targets scaled to variance 1 of the training set |
| when measured | after the iteration's trees were added, on all examples of each part, without \
subsampling; by the library itself (XGBoost's RMSE squared), for scikit-learn from its staged \
predictions |
| libraries | {libraries}; on one thread, with default options except LightGBM's \
`num_leaves` = 2^depth and `min_data_in_leaf` = 5 |
| problems | from `sklearn.datasets`: breast_cancer, wine, iris, digits, diabetes; \
`synthetic-...`: \
its generators, 800 examples, random_state {data_seed}; options in `PROBLEMS` of \
`experiments/recorded_problems.py` |
| label noise | `-noise20`: each training label is replaced, with probability 0.2, by another \
class; validation and test labels are unchanged |
| split | random permutation by the seed: a quarter validation, a quarter test, the rest training, \
of which at most {largest} examples are used |
| metadata | `problem`, `dataset` (the cluster for statistics, shared by problems that differ \
only in \
label noise), `library`, `version`, `learning_rate`, `depth`, `subsample`, `label_noise`, \
`n_train`, `seed`; `val.metric` etc., `epoch.unit` |
| random numbers | split and label noise: `numpy.random.default_rng(seed)`, seeds {seed_list}; the \
library's own seed is the same number |
| command | `python -m experiments.record_boosting` |
| made with | {made_with} |
| recorded | November 2026 |
| licence | own recordings, CC0-1.0; the problems' data, not included, have their own terms |

Of the {runs} runs, {late} have their best validation error in the last tenth of the record, where
it may be censored, and {rising} end with a validation error more than 5% above their best;
{diverged} diverged (a value that is not finite).

| file | SHA-256 |
|---|---|
{files}
"""


def options_of(arguments: Sequence[str] | None, what: str, folder: Path) -> argparse.Namespace:
    """The command line of a recording."""
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--out", type=Path, default=folder, help="folder for curves and card")
    parser.add_argument("--jobs", type=int, default=1, help="number of processes")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    what = "Record the corpus of gradient boosting runs."
    options = options_of(arguments, what, ROOT / "data" / "curves" / "boosting")
    curves = record(jobs(), options.out, n_jobs=options.jobs, progress=True)
    write_card(
        options.out,
        CARD,
        curves,
        *LIBRARIES,
        seeds=len(SEEDS),
        seed_list=", ".join(map(str, SEEDS)),
        iterations=", ".join(f"{count} at {rate}" for rate, count in ITERATIONS.items()),
        libraries=", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        largest=LARGEST,
    )
    print(options.out)


if __name__ == "__main__":
    main()
