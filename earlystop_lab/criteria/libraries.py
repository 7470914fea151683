"""Which rule is that of a library: its own spelling, our text form of it, and what differs.

``earlystop criteria --library NAME`` and the last part of docs/criteria.md show this table. A row
is one rule of one library: the setting as its users write it, at values that show which parameter
is which, and the criterion that stops at the same checks. *verified* means that the library's own
code decided the same on random curves, apart from what ``differs`` says; *read*, that the row was
taken from its source or documentation. A version is ``-`` where the source names none.
"""

from typing import Literal, NamedTuple

import pandas as pd

from earlystop_lab._common.wording import nearest


class Library(NamedTuple):
    """A library's own early stopping, and the criterion that is the same or the closest."""

    library: str
    version: str
    #: as its users write it
    setting: str
    #: the text form of the criterion; None where no rule is close
    rule: str | None
    #: the weights that it leaves its user with after such a stop
    keeps: str
    #: from the criterion, or what is easily overlooked; empty if nothing
    differs: str
    how: Literal["verified", "verified on finite values", "read"]


_FIRST, _LAST, _NONE = "the first of the lowest", "the last of the lowest", "the last check"
_NAN_FIRST = "a NaN as the first value stays the best"
_FINITE: Literal["verified on finite values"] = "verified on finite values"

#: in the order of their names
LIBRARIES: tuple[Library, ...] = (
    Library(
        "allennlp", "2.10.1", "patience=10", "DL4J(10)", _FIRST,
        "patience counts validations; " + _NAN_FIRST, "verified",
    ),
    Library(
        "autogluon.core", "1.6.3", "SimpleES(patience=10)", "Fastai(10)",
        "what the model saves: the lowest", "", "verified",
    ),
    Library(
        "autogluon.core", "1.6.3", "AdaptiveES(adaptive_rate=0.3, adaptive_offset=10)",
        "AdaptivePatience()", "what the model saves: the lowest",
        "rounds are counted as the caller counts them: from 0 or from 1, the stop moves by one",
        "verified",
    ),
    Library(
        "botorch", "0.18.1", "ExpMAStoppingCriterion(n_window=10, rel_tol=1e-5)", "BoTorch(1e-05)",
        _NONE, "stops at any rise of the weighted mean; or after maxiter=10000", _FINITE,
    ),
    Library(
        "catalyst", "22.4", "EarlyStoppingCallback(patience=3, min_delta=1e-6)", "Catalyst(3)",
        _NONE, "a gain of exactly min_delta counts, so ties count at 0; " + _NAN_FIRST, "verified",
    ),
    Library(
        "catboost", "1.2.10", "early_stopping_rounds=20", "CatBoostIter(20)", _FIRST,
        "no min_delta; stops only where the p-value is below 1", _FINITE,
    ),
    Library(
        "catboost", "1.2.10", "od_type='IncToDec', od_pval=0.001, od_wait=20",
        "CatBoostIncToDec(0.001)", _FIRST, "the default od_pval=0 switches it off", _FINITE,
    ),
    Library(
        "cornac", "3.0.1", "early_stop(patience=3, min_delta=0.001)", "Cornac(3, min_delta=0.001)",
        _NONE, "ties improve at the default min_delta=0; NaN is bad", "verified",
    ),
    Library(
        "deepctr-torch", "0.3.0", "EarlyStopping(patience=10, min_delta=0.01)",
        "Skorch(10, threshold=0.01, threshold_mode='abs')",
        "the last check; restore_best_weights: the first gain that counted, if it stopped itself",
        "min_delta is made positive", "verified",
    ),
    Library(
        "deepxde", "1.15.0", "EarlyStopping(min_delta=0, patience=5000)", "DeepXDE(5000)", _NONE,
        "counts iterations, while the loss is computed every display_every (1000) of them: a "
        "patience below that stops although the loss falls; min_delta is signed", "verified",
    ),
    Library(
        "delu", "0.0.26", "delu.tools.EarlyStopping(10, mode='min', min_delta=0.01)",
        "Keras(10, min_delta=0.01)", _NONE, "", "verified",
    ),
    Library(
        "dgllife", "0.3.2", "EarlyStopping(mode='lower', patience=10)", "LightGBM(10)", _FIRST,
        "once it has said stop, it says so at every further step; " + _NAN_FIRST, "verified",
    ),
    Library(
        "dl4j", "1.0", "ScoreImprovementEpochTerminationCondition(10, 0.01)",
        "DL4J(10, min_improvement=0.01)", _FIRST, "", "read",
    ),
    Library(
        "early-stopping", "0.1.3", "EarlyStopping(depth=5, ignore=4, method='slope')", "Slope(5)",
        _NONE, "stops at a slope of 0 or more", "verified",
    ),
    Library(
        "early-stopping-pytorch", "1.0.10", "EarlyStopping(patience=7, delta=0.01)",
        "EarlyStoppingPyTorch(7, delta=0.01)", "the first gain that counted",
        "a NaN is no check: it neither counts nor resets", "verified",
    ),
    Library(
        "earlystopping.jl", "-", "NumberSinceBest(6)", "DL4J(6)", _NONE,
        "its Patience(n) is n successive increases over the value before: UP(n, k=1)", "read",
    ),
    Library(
        "earlystopping.jl", "-", "PQ(alpha=0.5, k=5)", "PQ(0.5)", _NONE,
        "decided at every check, not at the end of a strip; also stops where the training progress "
        "is next to 0; GL divides by the size of the lowest error, so negative losses are allowed",
        "read",
    ),
    Library(
        "encog", "3", "EarlyStoppingStrategy(validation, training, 5, 50)", "Encog(50)", _NONE,
        "minimumImprovement has no effect", "read",
    ),
    Library(
        "eole", "0.6.4", "early_stopping: 4, early_stopping_criteria: [ppl]", "OpenNMTScorer(4)",
        _FIRST,
        "with one scorer; worse and tied values count apart, each up to the tolerance. Without "
        "early_stopping_criteria there are two scorers, perplexity and accuracy: OpenNMT(4)",
        "verified",
    ),
    Library(
        "evestop", "0.1", "EVEEarlyStopping(mode='min', patience=1000, baseline=-10)",
        "EVE(1000, baseline=-10)", "the best smoothed value",
        "with the default baseline=0 no positive error is a record", "verified",
    ),
    Library(
        "fann", "-", "fann_train_on_data(ann, data, max_epochs=500, desired_error=0.01)", None,
        _NONE, "stops where the training error is at most desired_error",
        "read",
    ),
    Library(
        "fastai", "2.8.12", "EarlyStoppingCallback('valid_loss', patience=3, min_delta=0.01)",
        "Fastai(3, min_delta=0.01)", "the last check; SaveModelCallback: the first of the lowest",
        "min_delta is signed; comp=None maximises every monitor without 'loss' or 'error' in its "
        "name", "verified",
    ),
    Library(
        "flair", "0.15.1", "AnnealOnPlateau, patience=3, min_learning_rate=1e-4", "Flair(0.0001)",
        _FIRST,
        "the learning rate is cut at bad check p + 1, and training stops once it is below "
        "min_learning_rate", "verified",
    ),
    Library(
        "flax", "0.12.8", "EarlyStopping(min_delta=0.01, patience=10)", "Flax(10, min_delta=0.01)",
        _NONE, "one check later than Keras; " + _NAN_FIRST, "verified",
    ),
    Library(
        "gpboost", "1.8.0", "early_stopping_rounds=10", "LightGBM(10)", _FIRST, _NAN_FIRST,
        "verified",
    ),
    Library(
        "h2o", "3.46.0.12", "stopping_rounds=5, stopping_tolerance=0.001", "H2O(5)", _NONE,
        "counts scoring events and compares moving averages of k of them; the first is dropped",
        "verified",
    ),
    Library(
        "hmmlearn", "0.3.3", "tol=0.01", "HMMLearn(0.01)", _NONE,
        "watches the negated log-likelihood of the training data; any fall of the likelihood stops",
        "verified",
    ),
    Library(
        "hyperopt", "0.3.0", "no_progress_loss(10, percent_increase=1)",
        "Hyperopt(10, percent_increase=1)", _FIRST,
        "the first trial counts as one without progress, so a first loss that is never beaten "
        "stops one trial earlier", "verified",
    ),
    Library(
        "interpret-core", "0.7.8", "early_stopping_rounds=100, early_stopping_tolerance=1e-5",
        "EBM()", "the best of the bag",
        "EBM(terms=...) is the number of terms: the window is rounds x terms boosting steps, "
        "looked at after every step", "verified",
    ),
    Library(
        "keras", "3.15.1", "EarlyStopping(patience=10, min_delta=0.01)",
        "Keras(10, min_delta=0.01)",
        "the last check; restore_best_weights: the first gain that counted",
        "patience 0 is as 1; min_delta is made positive; compares in float32 on other backends "
        "than numpy; " + _NAN_FIRST, "verified",
    ),
    Library(
        "keras", "2.3.1", "EarlyStopping(patience=10, min_delta=0.01, baseline=1)",
        "Keras2(10, min_delta=0.01, baseline=1)",
        "the last check; restore_best_weights: the first gain that counted, if it stopped itself",
        "if nothing improved, a stop that restores fails; 2.6 to 2.11 can stop on an improving "
        "epoch; 2.12 to 2.15 are as tf-keras", "verified",
    ),
    Library(
        "keras", "1.2.2", "EarlyStopping(patience=10)", "Flax(10)", _NONE,
        "one check later than later versions; a NaN as the first value is just bad, and minus "
        "infinity stays the best", "verified",
    ),
    Library(
        "lightgbm", "4.7.0", "early_stopping(10, min_delta=0.01)", "LightGBM(10, min_delta=0.01)",
        "the first gain that counted",
        "stops on whichever metric of a validation set stalls first; 0 switches it off; "
        + _NAN_FIRST, "verified",
    ),
    Library(
        "lightning", "2.6.6", "EarlyStopping('val_loss', patience=3, min_delta=0.01)",
        "Lightning(3, min_delta=0.01)", "the last check; ModelCheckpoint: the lowest",
        "min_delta is signed; NaN and infinity stop at once unless check_finite=False", "verified",
    ),
    Library(
        "mace-torch", "0.3.16", "--patience 50 --distributed", "Ignite(50)",
        "the lowest, as its checkpoints say",
        "without --distributed it logs that it stops, and goes on; NaN counts as an improvement, "
        "infinity as the first value is bad", "verified",
    ),
    Library(
        "matlab", "-", "net.trainParam.max_fail = 6", "MatlabMaxFail(6)", _FIRST,
        "its documentation has two wordings; the rule is that of Octave's clone", "read",
    ),
    Library(
        "mealpy", "3.0.3", "termination={'max_early_stop': 10}", "Fastai(10)", "the lowest so far",
        "counts generations whose best differs by at most 1e-10 from that of the one before",
        _FINITE,
    ),
    Library(
        "mmengine", "0.10.7", "EarlyStoppingHook('loss', rule='less', patience=5, min_delta=0.1)",
        "MMEngine(5)", "the last check; CheckpointHook(save_best): the first of the lowest",
        "the default of min_delta is 0.1; a gain of exactly min_delta counts; NaN and infinity "
        "stop at once", "verified",
    ),
    Library(
        "monai", "1.6.1", "EarlyStopHandler(patience=3, min_delta=0.01)",
        "Ignite(3, threshold=0.01)", _NONE,
        "it is Ignite's: gains below min_delta do not add up unless cumulative_delta; NaN counts "
        "as an improvement", "verified",
    ),
    Library(
        "mosaicml", "0.32.1", "EarlyStopper(monitor, patience='10ep', min_delta=0.01)",
        "DL4J(11, min_improvement=0.01)", _NONE,
        "counts epochs since the best, so evaluations in between count more than once; "
        + _NAN_FIRST, "verified",
    ),
    Library(
        "n2d2", "-", "-stop-valid 10", "Fastai(10)", _FIRST, "0 switches it off", "read",
    ),
    Library(
        "neuroph", "-", "setMinErrorChangeIterationsLimit(10)", "MaxEpochs(10)", _NONE,
        "the default minErrorChange is infinite, so that setting only the limit stops after it",
        "read",
    ),
    Library(
        "nevergrad", "1.0.12", "EarlyStopping.no_improvement_stopper(10)", "Flax(10)", _FIRST, "",
        _FINITE,
    ),
    Library(
        "ngboost", "0.6.0", "early_stopping_rounds=10", "NGBoost(10)",
        "all stages; predict at best_val_loss_itr",
        "a plateau at the best never stops; predict(max_iter=best_val_loss_itr) is one stage "
        "short, and 0 means all", _FINITE,
    ),
    Library(
        "opennmt-py", "3.5.1", "-early_stopping 4 -early_stopping_criteria ppl", "OpenNMTScorer(4)",
        _FIRST,
        "with one scorer; worse and tied values count apart, each up to the tolerance. Without "
        "early_stopping_criteria there are two scorers, perplexity and accuracy: OpenNMT(4)",
        "verified",
    ),
    Library(
        "optuna", "5.0.0", "PatientPruner(None, patience=10, min_delta=0.01)",
        "OptunaPatient(10, min_delta=0.01)", _NONE,
        "min_delta allows for values that are worse by so much; a plateau never stops", "verified",
    ),
    Library(
        "paddlepaddle", "3.3.1", "paddle.callbacks.EarlyStopping(patience=3, min_delta=0.01)",
        "Paddle(3, min_delta=0.01)", "save_best_model: the first gain that counted",
        "min_delta is made positive; patience 0 stops at the first check although it improves",
        "verified",
    ),
    Library(
        "poutyne", "1.19.0", "EarlyStopping(patience=3, min_delta=0.01)",
        "Fastai(3, min_delta=0.01)", _NONE, "min_delta is signed", "verified",
    ),
    Library(
        "pybrain3", "3.0.4", "trainUntilConvergence(continueEpochs=10)", "PyBrain()",
        "the lowest since training began", "the first value is the error before training",
        "verified",
    ),
    Library(
        "pygad", "3.9.2", "stop_criteria='saturate_10'", "PyGAD(10)", "best_solution: the lowest",
        "only a fitness that equals that of the generation before counts: a falling or oscillating "
        "one never stops", _FINITE,
    ),
    Library(
        "pykeen", "1.11.1", "EarlyStopper(patience=2, relative_delta=0.01, larger_is_better=False)",
        "RelativePatience(2)", "the first gain that counted",
        "relative_delta is of the larger of the two values: for scores RelativePatience(p, "
        "min_delta=d / (1 - d)); evaluated every `frequency` epochs; after a run without a stop "
        "the last weights stay", "verified",
    ),
    Library(
        "pymoo", "0.6.2", "RobustTermination(SingleObjectiveSpaceTermination(tol=0.001), period=3)",
        "Pymoo(3, tol=0.001)", "the lowest so far",
        "watches the best so far; n_skip generations after a gain are not judged", _FINITE,
    ),
    Library(
        "pypots", "1.5", "patience=10", "Fastai(10)", _FIRST,
        "a training without a finite value ends with an error", "verified",
    ),
    Library(
        "pyswarms", "1.3.0", "GlobalBestPSO(ftol=1e-4, ftol_iter=10)", None, "the lowest so far",
        "stops when ftol_iter iterations in a row moved the best by less than "
        "ftol (1 + abs(best)), so at ftol=0 never", "read",
    ),
    Library(
        "pytabkit", "1.8.0", "RealMLP: early_stopping_additive_patience=20, "
        "early_stopping_multiplicative_patience=2", "RealMLP()", _LAST,
        "tested before the best is updated, so also a check that improves can stop", "verified",
    ),
    Library(
        "pytorch-argus", "1.1.0", "EarlyStopping(monitor='val_loss', patience=10, better='min')",
        "Fastai(10)", _NONE, "", "verified",
    ),
    Library(
        "pytorch-ignite", "0.5.5", "EarlyStopping(patience=3, threshold=0.01)",
        "Ignite(3, threshold=0.01)", _NONE,
        "gains below the threshold do not add up unless cumulative=True; NaN counts as an "
        "improvement, so a run that diverged never stops", "verified",
    ),
    Library(
        "pytorch-pfn-extras", "0.9.0", "EarlyStoppingTrigger(monitor='val/loss', patience=10)",
        "Fastai(10)", _NONE,
        "compares the mean of what was reported since the last check; maximises only what has "
        "`accuracy` in its name; patience 0 stops at the first check", "verified",
    ),
    Library(
        "pytorch-tabnet", "4.1.0", "fit(patience=10); callbacks.EarlyStopping(tol=0.01)",
        "Keras(10, min_delta=0.01)", "the first gain that counted",
        "a NaN as the first value is just bad, and as long as no value was finite, it waits one "
        "check more", "verified",
    ),
    Library(
        "pytorch-widedeep", "1.7.0", "EarlyStopping(patience=10, min_delta=0.01)",
        "Keras(10, min_delta=0.01)",
        "the last check; restore_best_weights: the first gain that counted",
        "min_delta is signed; a NaN or infinity as the first value is just bad; a baseline is the "
        "first best", "verified",
    ),
    Library(
        "ray", "2.60.0", "TrialPlateauStopper('loss', std=0.01, num_results=4, mode='min')",
        "RayPlateau(0.01)", _NONE, "metric_threshold without mode is ignored", "verified",
    ),
    Library(
        "recbole", "1.2.1", "stopping_step: 10", "Cornac(11)", _LAST,
        "ties reset the count and are kept, NaN is bad, and it stops at bad check p + 1; infinity "
        "ties with infinity",
        "verified",
    ),
    Library(
        "sbi", "0.27.0", "NPE.train(stop_after_epochs=20)", "Fastai(20)", _FIRST,
        "max_num_epochs=N runs N + 1 epochs", "verified",
    ),
    Library(
        "scikit-learn", "1.9.1", "MLPRegressor(early_stopping=True, n_iter_no_change=10, tol=1e-4)",
        "SklearnMLP(10)", _FIRST,
        "one check later than Keras; ties count as improvements at tol=0; NaN resets the count. "
        "With early_stopping=False, the default, the same rule watches the training loss and keeps "
        "the last weights", "verified",
    ),
    Library(
        "scikit-learn", "1.9.1", "SGDClassifier(early_stopping=True, n_iter_no_change=5, tol=1e-3)",
        "SklearnSGD(5)", _NONE, "ties count as improvements at tol=0; NaN resets the count",
        "verified",
    ),
    Library(
        "scikit-learn", "1.9.1", "HistGradientBoostingRegressor(n_iter_no_change=10, tol=1e-7)",
        "SklearnHGB()", _NONE,
        "compares with the score n iterations ago; the first score is that before the first tree",
        "verified",
    ),
    Library(
        "scikit-learn", "1.9.1", "GradientBoostingRegressor(n_iter_no_change=10, tol=1e-4)",
        "SklearnGB(10)", _NONE,
        "compares with the worst of the last n losses; NaN stops at once", "verified",
    ),
    Library(
        "scikit-optimize", "0.10.2", "HollowIterationsStopper(10, threshold=0.01)",
        "SklearnHGB(tol=0.01)", "the lowest so far", "a NaN disables it", _FINITE,
    ),
    Library(
        "scikit-optimize", "0.10.2", "DeltaYStopper(delta=0.01, n_best=5)", "SkoptDeltaY(0.01)",
        "the lowest so far",
        "the n_best lowest values of the whole run, whenever they came; a NaN among them never "
        "stops", _FINITE,
    ),
    Library(
        "skorch", "1.4.0", "EarlyStopping(patience=5, threshold=1e-4)", "Skorch(5)",
        "the last check; load_best: the first gain that counted",
        "relative: it loosens for negative errors", "verified",
    ),
    Library(
        "sockeye", "3.1.34", "--max-num-checkpoint-not-improved 8", "SklearnHGB(8, tol=0)", _FIRST,
        "a window of checkpoints", _FINITE,
    ),
    Library(
        "spacy", "3.8.18", "patience = 1600", "SpaCy(1600)", _LAST,
        "counts steps since the first of the best, and is also tested between evaluations",
        "verified",
    ),
    Library(
        "stable-baselines3", "2.9.2", "StopTrainingOnNoModelImprovement(3, min_evals=5)",
        "StableBaselines3(3, min_evals=5)", "EvalCallback: the first of the best",
        "one evaluation later than Keras; bad evaluations before min_evals do not count, while the "
        "best of them does", "verified",
    ),
    Library(
        "syne-tune", "0.16.0", "PlateauStopper('loss', std=0.001, num_trials=10, patience=3)",
        "SyneTunePlateau(3)", "the lowest so far",
        "the standard deviation of the best so far, over the last num_trials", _FINITE,
    ),
    Library(
        "tabpfn", "9.2.0", "FinetunedTabPFNClassifier(early_stopping_patience=8)",
        "EarlyStoppingPyTorch(8)", "the first of the lowest; the weights from before, if nothing "
        "improved", "the first value is that before training, and if it is NaN, nothing improves "
        "on it; any other NaN is no check: it neither counts nor resets", "verified",
    ),
    Library(
        "tensorflow-estimator", "2.15.0", "stop_if_no_decrease_hook(est, 'loss', 1000)",
        "SpaCy(1000)", _NONE,
        "counts global steps since the lowest, recomputed from event files; " + _NAN_FIRST,
        "verified",
    ),
    Library(
        "tf-keras", "2.21.0", "EarlyStopping(patience=10, min_delta=0.01)",
        "Keras(10, min_delta=0.01)",
        "the last check; restore_best_weights: the first gain that counted",
        "a NaN or infinity as the first value is just bad; compares in float64", "verified",
    ),
    Library(
        "torchbearer", "0.5.5", "EarlyStopping(monitor='val_loss', patience=10, min_delta=0.01)",
        "Fastai(10, min_delta=0.01)", _NONE,
        "min_delta is signed; a second run of the same trial goes on with count and best",
        "verified",
    ),
    Library(
        "torchrl", "0.14.1", "EarlyStopping(monitor, patience=1000, min_delta=0)",
        "Lightning(10)", _NONE,
        "patience is in frames, here at 100 frames a check; NaN stops, but not before wait_for; "
        "with check_finite=False a NaN as the first value stays the best",
        "verified",
    ),
    Library(
        "torchtuples", "0.2.2", "EarlyStopping(patience=10, min_delta=0.01)",
        "TorchTuples(10, min_delta=0.01)", "the last tie with the best",
        "a tie overwrites the weights that are kept without resetting the count; a run that is all "
        "NaN restores the untrained weights", "verified",
    ),
    Library(
        "tpot", "1.1.0", "early_stop=10, early_stop_tol=0.001", "TPOT(10)", "the lowest so far",
        "for one objective; several count each for itself, and all have to be exhausted",
        "verified",
    ),
    Library(
        "transformers", "5.24.0", "EarlyStoppingCallback(early_stopping_patience=3, "
        "early_stopping_threshold=0.01)", "HuggingFace(3, threshold=0.01)",
        "the last check; load_best_model_at_end: the first of the lowest",
        "gains below the threshold move the best but do not reset the count; patience 0 stops at "
        "the first evaluation", "verified",
    ),
    Library(
        "ultralytics", "8.4.190", "patience=100", "Ultralytics(100)", _LAST,
        "watches its fitness, not a loss; a fitness that stays at 0 never stops; 0 switches it off",
        "verified",
    ),
    Library(
        "weka", "3.8", "MultilayerPerceptron -V 20 -E 20", "Weka(20)", _FIRST,
        "counts errors that are no lower than the one before; only a new best resets", "read",
    ),
    Library(
        "xgboost", "3.2.0", "EarlyStopping(rounds=10, min_delta=0.01)",
        "XGBoost(10, min_delta=0.01)", "the last check; save_best: the first gain that counted",
        "the last metric of the last data set; `accuracy`, `f1` and `r2` are minimised; rounds=0 "
        "stops at the first round; " + _NAN_FIRST, "verified",
    ),
    Library(
        "ydf", "0.16.1", "early_stopping_num_trees_look_ahead=30, "
        "early_stopping_initial_iteration=10", "YDF(30)", _FIRST,
        "YDF(classes=K) with K classes above 2: look-ahead counts trees, of which an iteration "
        "then has K; compares in float32; " + _NAN_FIRST, _FINITE,
    ),
)  # fmt: skip

#: other names by which people know them
ALSO = {
    "huggingface": "transformers",
    "sklearn": "scikit-learn",
    "skopt": "scikit-optimize",
    "argus": "pytorch-argus",
    "ppe": "pytorch-pfn-extras",
    "widedeep": "pytorch-widedeep",
    "deepctr": "deepctr-torch",
    "dgl-lifesci": "dgllife",
    "ignite": "pytorch-ignite",
    "pytorch-lightning": "lightning",
    "paddle": "paddlepaddle",
    "sb3": "stable-baselines3",
    "deeplearning4j": "dl4j",
    "interpret": "interpret-core",
    "ebm": "interpret-core",
    "autogluon": "autogluon.core",
    "opennmt": "opennmt-py",
    "tensorflow": "tf-keras",
    "composer": "mosaicml",
    "pycox": "torchtuples",
    "pybrain": "pybrain3",
    "yolo": "ultralytics",
    "tabnet": "pytorch-tabnet",
    "mace": "mace-torch",
}


def library_table(name: str | None = None) -> pd.DataFrame:
    """One row per rule of a library, or of that library alone, by any of its names.

    Columns: library, version, setting, rule (None where no rule is close), keeps, differs, how.
    Case and the characters between words do not matter. Raises ``ValueError`` for a library that is
    not in the table, with the names that are near.

    >>> from earlystop_lab.criteria.libraries import library_table
    >>> library_table("PyTorch_PFN extras").loc[0, ["library", "rule"]].tolist()
    ['pytorch-pfn-extras', 'Fastai(10)']
    """
    rows = LIBRARIES if name is None else _of(name)
    return pd.DataFrame(rows, columns=Library._fields)


def _of(name: str) -> list[Library]:
    known = {row.library: row.library for row in LIBRARIES}
    found = {_plain(each): library for each, library in (known | ALSO).items()}
    asked = _plain(name)
    if asked not in found:
        names = ", ".join(known)
        near = nearest(name, [*known, *ALSO])
        raise ValueError(f"library {name!r}: {near}expected one of {names}")
    library = found[asked]
    return [row for row in LIBRARIES if row.library == library]


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isalnum())
