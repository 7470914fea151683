"""Real libraries' own early-stopping code, made to decide on a given list of errors.

Each function returns two 0-based indices: the check at which the library itself stops, None if
it never does on these values, and the check whose weights it would restore, None where it
restores nothing. It imports its library itself and builds fresh objects on every call.

The real fits (scikit-learn) get one value more than was asked for, which can be no
improvement, so that a stop on the last asked value differs from running out.
"""

import warnings
from types import SimpleNamespace


def Lightning(
    values,
    patience,
    min_delta=0.0,
    check_finite=True,
    stopping_threshold=None,
    divergence_threshold=None,
):
    import torch
    from lightning.pytorch.callbacks import EarlyStopping

    cb = EarlyStopping(
        "v",
        patience=patience,
        min_delta=min_delta,
        mode="min",
        check_finite=check_finite,
        stopping_threshold=stopping_threshold,
        divergence_threshold=divergence_threshold,
    )
    trainer = SimpleNamespace(
        callback_metrics={},
        fast_dev_run=False,
        should_stop=False,
        current_epoch=0,
        strategy=SimpleNamespace(reduce_boolean_decision=lambda x, all=True: x),
    )
    for i, v in enumerate(values):
        trainer.callback_metrics["v"] = torch.tensor(v, dtype=torch.float64)
        trainer.current_epoch = i
        cb._run_early_stopping_check(trainer)
        if trainer.should_stop:
            return i, None
    return None, None


def Ignite(values, patience, threshold=0.0, threshold_mode="abs", cumulative=False):
    import logging

    from ignite.engine import Engine
    from ignite.handlers import EarlyStopping

    engine, now = Engine(lambda e, b: None), {}
    cb = EarlyStopping(
        patience,
        lambda e: now["score"],
        engine,
        threshold=threshold,
        cumulative=cumulative,
        threshold_mode=threshold_mode,
    )
    cb.logger.setLevel(logging.WARNING)
    for i, v in enumerate(values):
        now["score"] = -v
        cb(engine)
        if engine.should_terminate:
            return i, None
    return None, None


def HuggingFace(values, patience, threshold=0.0):
    from transformers import EarlyStoppingCallback, Trainer, TrainerControl, TrainerState
    from transformers.trainer_utils import SaveStrategy

    cb, state, control = (
        EarlyStoppingCallback(patience, threshold),
        TrainerState(),
        TrainerControl(),
    )
    args = SimpleNamespace(
        metric_for_best_model="loss", greater_is_better=False, save_strategy=SaveStrategy.STEPS
    )
    stop = None
    for i, v in enumerate(values):
        state.global_step, metrics = i + 1, {"eval_loss": v}
        cb.on_evaluate(args, state, control, metrics)  # sees the old best_metric ...
        Trainer._determine_best_metric(
            SimpleNamespace(args=args, state=state), metrics, None
        )  # ... which moves only now
        if control.should_training_stop:
            stop = i
            break
    best = state.best_global_step  # the checkpoint that load_best_model_at_end=True loads
    return stop, (best - 1 if best else None)


def Skorch(values, patience, threshold=1e-4, threshold_mode="rel"):
    from skorch.callbacks import EarlyStopping
    from skorch.history import History

    module = SimpleNamespace(epoch=None, loaded=None)
    module.state_dict = lambda: {"epoch": module.epoch}
    module.load_state_dict = lambda d: setattr(module, "loaded", d["epoch"])
    net = SimpleNamespace(history=History(), verbose=0, module_=module)
    cb = EarlyStopping(
        patience=patience, threshold=threshold, threshold_mode=threshold_mode, load_best=True
    )
    cb.on_train_begin(net)
    stop = None
    for i, v in enumerate(values):
        net.history.new_epoch()
        net.history.record("epoch", i + 1)
        net.history.record("valid_loss", v)
        module.epoch = i
        try:
            cb.on_epoch_end(net)
        except KeyboardInterrupt:  # skorch's way of stopping
            stop = i
            break
    cb.on_train_end(net)
    if module.loaded is None and cb.best_epoch_:  # best epoch is the last one: nothing to load
        module.loaded = cb.best_epoch_ - 1
    return stop, module.loaded


def SklearnMLP(values, n_iter_no_change, tol):
    """early_stopping=True, score = -value. What is restored is found from a stamp in the weights;
    None also where no score was ever accepted: the library then restores the untrained weights."""
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor

    script = [*values, np.inf]

    class Scripted(MLPRegressor):
        def _score(self, *_, **__):
            i = len(self.validation_scores_)
            self.coefs_[0].flat[0] = 1000 + i
            return -script[i]

    est = Scripted(
        hidden_layer_sizes=(1,),
        early_stopping=True,
        n_iter_no_change=n_iter_no_change,
        tol=tol,
        max_iter=len(script),
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        est.fit(np.arange(20.0).reshape(20, 1) / 20, np.arange(20.0) / 20)
    stamp = est.coefs_[0].flat[0] - 1000
    return (est.n_iter_ - 1 if est.n_iter_ <= len(values) else None), (
        int(stamp) if stamp >= 0 else None
    )


def SklearnSGD(values, n_iter_no_change, tol):
    """early_stopping=True, validation score = -value; restores nothing. tol=None: never stops."""
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import SGDRegressor

    script = iter([*values, np.inf])

    class Scripted(SGDRegressor):
        def _make_validation_score_cb(self, *args, **kwargs):
            return lambda coef, intercept: -next(script)

    est = Scripted(
        early_stopping=True,
        n_iter_no_change=n_iter_no_change,
        tol=tol,
        max_iter=len(values) + 1,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        est.fit(np.arange(20.0).reshape(20, 1) / 20, np.arange(20.0) / 20)
    return (est.n_iter_ - 1 if est.n_iter_ <= len(values) else None), None


def XGBoost(values, rounds, min_delta=0.0):
    """Restored is best_iteration: what save_best=True cuts the model to."""
    from xgboost.callback import EarlyStopping

    attrs, log = {}, []
    model = SimpleNamespace(num_boosted_rounds=lambda: 0, set_attr=lambda **kw: attrs.update(kw))
    cb = EarlyStopping(rounds=rounds, min_delta=min_delta, maximize=False)
    cb.before_training(model)
    stop = None
    for i, v in enumerate(values):
        log.append(v)
        if cb.after_iteration(model, i, {"valid": {"m": log}}):
            stop = i
            break
    return stop, (int(attrs["best_iteration"]) if attrs else None)


def LightGBM(values, stopping_rounds, min_delta=0.0):
    """At its last iteration the callback always raises, so a first pass claims one more to come."""
    from lightgbm.callback import CallbackEnv, EarlyStopException, EvalResult, early_stopping

    for end in (len(values) + 1, len(values)):
        cb = early_stopping(stopping_rounds, verbose=False, min_delta=min_delta)
        for i, v in enumerate(values):
            result = EvalResult(
                dataset_name="valid",
                metric_name="m",
                metric_value=v,
                maximize=False,
                metric_std_dev=None,
            )
            try:
                cb(
                    CallbackEnv(
                        model=None,
                        params={},
                        iteration=i,
                        begin_iteration=0,
                        end_iteration=end,
                        evaluation_result_list=[result],
                    )
                )
            except EarlyStopException as e:
                return (i if end > len(values) else None), e.best_iteration
    return None, None  # stopping_rounds <= 0: switched off


def SklearnHGB(values, n_iter_no_change, tol):
    """values[0] is the score that the library takes before the first tree."""
    import numpy as np
    from sklearn.ensemble import HistGradientBoostingRegressor

    script = iter([*values, np.inf])
    est = HistGradientBoostingRegressor(
        early_stopping=True,
        validation_fraction=None,
        scoring=lambda *_: -next(script),
        max_leaf_nodes=2,
        n_iter_no_change=n_iter_no_change,
        tol=tol,
        max_iter=len(values),
        min_samples_leaf=1,
    )
    est.fit(np.array([[0.0], [1.0]]), np.array([0.0, 1.0]))
    return (est.n_iter_ if est.n_iter_ < len(values) else None), None


def SklearnGB(values, n_iter_no_change, tol):
    import numpy as np
    from sklearn._loss.loss import HalfSquaredError
    from sklearn.ensemble import GradientBoostingRegressor

    script = iter([*values, np.nan])

    class ScriptedError(HalfSquaredError):  # the library doubles it; of 10 rows 3 validate
        def __call__(self, y_true, *args, **kwargs):
            return next(script) / 2 if len(y_true) == 3 else 0.0

    class Scripted(GradientBoostingRegressor):
        def _get_loss(self, sample_weight):
            return ScriptedError(sample_weight=sample_weight)

    est = Scripted(
        n_estimators=len(values) + 1,
        max_depth=1,
        n_iter_no_change=n_iter_no_change,
        tol=tol,
        validation_fraction=0.3,
        random_state=0,
    )
    est.fit(np.arange(10.0).reshape(10, 1), np.arange(10.0))
    return (est.n_estimators_ - 1 if est.n_estimators_ <= len(values) else None), None


def OptunaPatient(values, patience, min_delta=0.0):
    import optuna

    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            pruner = optuna.pruners.PatientPruner(None, patience, min_delta)
        study = optuna.create_study(direction="minimize", pruner=pruner)
        trial = study.ask()
        for i, v in enumerate(values):
            trial.report(v, i)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "All-NaN", RuntimeWarning)  # numpy's nanmin
                if trial.should_prune():
                    return i, None
    finally:
        optuna.logging.set_verbosity(level)
    return None, None
