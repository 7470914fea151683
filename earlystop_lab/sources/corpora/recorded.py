"""The corpora that this project recorded itself; :mod:`.fetching` says where they are."""

from typing import NamedTuple

from earlystop_lab.sources.corpora.reading import Size


class Recorded(NamedTuple):
    """A recorded corpus; its data card tells the rest."""

    description: str
    licence: str
    size: Size
    citation: str = "recorded by earlystop_lab, 2026"


_PRECHELT = Size(
    runs=1296,
    checks=3888000,
    problems=12,
    datasets=11,
    channels="val, train, test",
    positions="epoch",
)

#: every recorded corpus by its name
RECORDED = {
    "boosting": Recorded(
        "Gradient boosting by XGBoost, LightGBM and scikit-learn on data that scikit-learn ships "
        "and on synthetic data",
        "CC0-1.0",
        Size(
            runs=1152,
            checks=729600,
            problems=16,
            datasets=13,
            channels="val, train, test",
            positions="round",
        ),
    ),
    "modern-nets": Recorded(
        "Small MLPs and convolutional networks trained by mini-batches, with noisy labels and "
        "epoch-wise double descent",
        "CC0-1.0",
        Size(
            runs=418,
            checks=118200,
            problems=13,
            datasets=8,
            channels="val, train, test, lr",
            positions="epoch",
        ),
    ),
    "prechelt1997": Recorded(
        "Prechelt's study: small networks trained by RPROP on the problems of PROBEN1",
        "BSD-3-Clause",
        _PRECHELT,
    ),
    "prechelt1997-init005": Recorded(
        "The same with smaller initial weights", "BSD-3-Clause", _PRECHELT
    ),
    "prechelt1997-small": Recorded(
        "Of prechelt1997, one run of each of the 36 data sets: the corpus inside the package",
        "BSD-3-Clause",
        _PRECHELT._replace(runs=36, checks=108000),
    ),
    "tabular-nets": Recorded(
        "Small networks, with several learning-rate schedules, and gradient boosting on "
        "independent tables",
        "CC0-1.0",
        Size(
            runs=640,
            checks=124800,
            problems=32,
            datasets=32,
            channels="val, train, test, lr, seconds",
            positions="epoch, round",
        ),
    ),
}
