"""The table of all rules by name, and the parser of their text form."""

from earlystop_lab.criteria import text as _text
from earlystop_lab.criteria.core import Family, Rule
from earlystop_lab.criteria.rules import (
    automl,
    boosting,
    channels,
    emerging,
    keras,
    limits,
    older,
    papers,
    prechelt,
    pruning,
    schedules,
    search,
    sklearn,
    smoothed,
    torch,
    training,
)

#: every built-in rule by its name; a new rule is one more line
FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        prechelt.GL,
        prechelt.PQ,
        prechelt.UP,
        prechelt.Progress,
        limits.MaxEpochs,
        keras.Keras,
        keras.Keras2,
        keras.TerminateOnNaN,
        torch.Lightning,
        torch.Ignite,
        torch.HuggingFace,
        torch.Fastai,
        torch.Skorch,
        torch.Flax,
        torch.MMEngine,
        torch.Ultralytics,
        torch.SpaCy,
        training.EarlyStoppingPyTorch,
        training.Catalyst,
        training.Cornac,
        training.TorchTuples,
        training.Paddle,
        training.StableBaselines3,
        training.AdaptivePatience,
        training.RealMLP,
        training.OpenNMT,
        training.OpenNMTScorer,
        training.DeepXDE,
        training.Flair,
        sklearn.SklearnMLP,
        sklearn.SklearnSGD,
        sklearn.SklearnHGB,
        sklearn.SklearnGB,
        boosting.XGBoost,
        boosting.LightGBM,
        boosting.CatBoostIter,
        boosting.CatBoostIncToDec,
        boosting.YDF,
        boosting.NGBoost,
        boosting.EBM,
        automl.OptunaPatient,
        automl.RayPlateau,
        automl.H2O,
        search.Hyperopt,
        search.TPOT,
        search.Pymoo,
        search.BoTorch,
        search.SkoptDeltaY,
        search.PyGAD,
        search.HMMLearn,
        search.SyneTunePlateau,
        older.DL4J,
        older.Encog,
        older.Weka,
        older.MatlabMaxFail,
        older.PyBrain,
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
        channels.GradientDisparity,
        channels.EvidenceBased,
        channels.GradES,
        channels.LabelWave,
        channels.ScoreStop,
        channels.GradStop,
        channels.NoisyEarlyStopping,
        channels.OneStandardError,
        channels.PflugDiagnostic,
        channels.DistanceDiagnostic,
        channels.LIDTurn,
        emerging.PowerLaw,
        schedules.RateDecayed,
        schedules.MultiPowerLaw,
    )
}


def parse(text: str, families: dict[str, Family] = FAMILIES) -> Rule:
    """Parse the text form of a criterion; the inverse of ``str``.

    Parameters
    ----------
    text : str
        A criterion such as ``"GL(2)"`` or ``"any_of(UP(3), MaxEpochs(500))"``.
    families : dict of str to Family
        The names that may be used.

    Returns
    -------
    Criterion or Combination

    Raises
    ------
    ValueError
        If the text cannot be parsed, or names an unknown criterion or parameter, or has a value
        that is not allowed.

    Examples
    --------
    >>> parse("any_of(PQ(0.50, k=5), MaxEpochs(3000))")
    any_of(PQ(0.5), MaxEpochs(3000))
    """
    return _text.parse(text, families, pruning.PRUNERS)
