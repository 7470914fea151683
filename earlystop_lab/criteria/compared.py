"""What rules that were added lately do beside the known ones, as ``bench`` found it.

``python -m experiments.compare_rules`` makes the table ``data/studies/compared.csv``, of which
these rows are a copy: pages are built without the corpora. docs/criteria.md shows them.
"""

from typing import NamedTuple

import pandas as pd


class Compared(NamedTuple):
    """The verdicts of ``bench`` on one rule: numbers of known rules, and some by name."""

    rule: str
    better: int
    worse: int
    equivalent: int
    same: int
    not_shown: int
    #: ranks differ significantly, means do not
    ranks: int
    #: the verdict beside Keras' patience, empty if they were not compared
    beside_keras: str
    better_than: str
    worse_than: str
    #: rules that stop and select alike in every run
    equal_to: str


#: in the order of the rules
COMPARED: tuple[Compared, ...] = (
    Compared(
        "EarlyStoppingPyTorch",
        1,
        0,
        26,
        15,
        20,
        3,
        "the same",
        "Progress",
        "",
        "CatBoostIter DL4J Fastai Flax HuggingFace Ignite Keras Keras2 LightGBM Lightning "
        "Paddle StableBaselines3 TorchTuples Ultralytics XGBoost",
    ),
    Compared("Catalyst", 1, 0, 41, 1, 19, 3, "equivalent", "Progress", "", "Pymoo"),
    Compared("Cornac", 1, 0, 39, 2, 20, 3, "equivalent", "Progress", "", "NGBoost OptunaPatient"),
    Compared(
        "TorchTuples",
        1,
        0,
        26,
        15,
        19,
        4,
        "the same",
        "Progress",
        "",
        "CatBoostIter DL4J EarlyStoppingPyTorch Fastai Flax HuggingFace Ignite Keras "
        "Keras2 LightGBM Lightning Paddle StableBaselines3 Ultralytics XGBoost",
    ),
    Compared(
        "Paddle",
        1,
        0,
        26,
        15,
        19,
        4,
        "the same",
        "Progress",
        "",
        "CatBoostIter DL4J EarlyStoppingPyTorch Fastai Flax HuggingFace Ignite Keras "
        "Keras2 LightGBM Lightning StableBaselines3 TorchTuples Ultralytics XGBoost",
    ),
    Compared(
        "StableBaselines3",
        1,
        0,
        26,
        15,
        20,
        3,
        "the same",
        "Progress",
        "",
        "CatBoostIter DL4J EarlyStoppingPyTorch Fastai Flax HuggingFace Ignite Keras "
        "Keras2 LightGBM Lightning Paddle TorchTuples Ultralytics XGBoost",
    ),
    Compared("AdaptivePatience", 1, 0, 41, 0, 18, 1, "equivalent", "Progress", "", ""),
    Compared("RealMLP", 0, 0, 13, 0, 42, 3, "not shown", "", "", ""),
    Compared("OpenNMTScorer", 1, 0, 41, 0, 19, 4, "equivalent", "Progress", "", ""),
    Compared("Flair", 1, 0, 15, 0, 46, 2, "equivalent", "Progress", "", ""),
    Compared("YDF", 1, 0, 41, 0, 22, 1, "equivalent", "Progress", "", ""),
    Compared("NGBoost", 1, 0, 39, 2, 20, 3, "equivalent", "Progress", "", "Cornac OptunaPatient"),
    Compared("EBM", 1, 0, 39, 0, 19, 3, "equivalent", "Progress", "", ""),
    Compared("Hyperopt", 1, 0, 41, 0, 20, 3, "equivalent", "Progress", "", ""),
    Compared("TPOT", 2, 0, 1, 1, 55, 6, "not shown", "Progress MMEngine", "", "SklearnSGD"),
    Compared("Pymoo", 1, 0, 41, 1, 19, 3, "equivalent", "Progress", "", "Catalyst"),
    Compared("BoTorch", 0, 0, 0, 0, 63, 2, "not shown", "", "", ""),
    Compared("SkoptDeltaY", 0, 1, 0, 0, 63, 1, "not shown", "", "HMMLearn", ""),
    Compared("PyGAD", 0, 0, 4, 0, 0, 0, "", "", "", ""),
    Compared(
        "HMMLearn", 3, 0, 0, 0, 59, 3, "not shown", "RayPlateau SkoptDeltaY Discrepancy", "", ""
    ),
    Compared("SyneTunePlateau", 1, 0, 1, 0, 56, 7, "not shown", "Progress", "", ""),
)


def compared_table() -> pd.DataFrame:
    """One row per rule, with heads in words.

    >>> compared_table().set_index("rule").loc["AdaptivePatience", "beside Keras"]
    'equivalent'
    """
    rows = pd.DataFrame(COMPARED).drop(columns="ranks")
    return rows.rename(columns=lambda name: name.replace("_", " ").replace("keras", "Keras"))
