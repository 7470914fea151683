"""Stopping criteria, and the one table of their names."""

from earlystop_lab.criteria import (
    catboost,
    checkpoint,
    emerging,
    libraries,
    papers,
    patience,
    prechelt,
    smoothed,
    windows,
)
from earlystop_lab.criteria import text as _text
from earlystop_lab.criteria.catboost import *
from earlystop_lab.criteria.checkpoint import *
from earlystop_lab.criteria.core import Combination as Combination
from earlystop_lab.criteria.core import Criterion as Criterion
from earlystop_lab.criteria.core import Family as Family
from earlystop_lab.criteria.core import Rule as Rule
from earlystop_lab.criteria.core import after, all_of, any_of, criterion
from earlystop_lab.criteria.emerging import *
from earlystop_lab.criteria.libraries import *
from earlystop_lab.criteria.papers import *
from earlystop_lab.criteria.patience import *
from earlystop_lab.criteria.prechelt import *
from earlystop_lab.criteria.smoothed import *
from earlystop_lab.criteria.windows import *

#: every rule of the toolkit by its name; a new one is one more line
FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        prechelt.GL,
        prechelt.PQ,
        prechelt.UP,
        prechelt.Progress,
        patience.MaxEpochs,
        patience.Keras,
        patience.Keras2,
        patience.TerminateOnNaN,
        libraries.Lightning,
        libraries.Ignite,
        libraries.HuggingFace,
        libraries.Fastai,
        libraries.Skorch,
        libraries.Flax,
        libraries.MMEngine,
        libraries.Ultralytics,
        libraries.SpaCy,
        libraries.SklearnMLP,
        libraries.SklearnSGD,
        windows.SklearnHGB,
        windows.SklearnGB,
        libraries.XGBoost,
        libraries.LightGBM,
        catboost.CatBoostIter,
        catboost.CatBoostIncToDec,
        windows.OptunaPatient,
        windows.RayPlateau,
        windows.H2O,
        libraries.DL4J,
        libraries.Encog,
        libraries.Weka,
        libraries.MatlabMaxFail,
        windows.PyBrain,
        papers.CDSC,
        papers.EVE,
        papers.Slope,
        papers.PlateauStd,
        papers.Discrepancy,
        papers.RelativePatience,
        papers.SuccessiveStrips,
        smoothed.EMA,
        smoothed.Median,
        smoothed.EMAGL,
        smoothed.MedianGL,
        emerging.PowerLaw,
    )
}

__all__ = ["after", "all_of", "any_of", "criterion", "parse"]
__all__ += prechelt.__all__
__all__ += patience.__all__
__all__ += libraries.__all__
__all__ += windows.__all__
__all__ += catboost.__all__
__all__ += papers.__all__
__all__ += smoothed.__all__
__all__ += emerging.__all__
__all__ += checkpoint.__all__


def parse(text: str, families: dict[str, Family] = FAMILIES) -> Rule:
    """The criterion that a text says; the inverse of ``str``.

    ``families`` are the names that may be used. Raises ``ValueError`` where the text cannot be
    read, or names an unknown criterion or parameter or a value that is not allowed.

    >>> parse("any_of(PQ(0.50, k=5), MaxEpochs(3000))")
    any_of(PQ(0.5), MaxEpochs(3000))
    """
    return _text.parse(text, families)
