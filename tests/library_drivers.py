"""Real libraries' own early-stopping code, made to decide on a given list of errors.

Each function returns two 0-based indices: the check at which the library itself stops, None if
it never does on these values, and the check whose weights it would restore, None where it
restores nothing. It imports its library itself and builds fresh objects on every call. The last
three, in lower case, say what they return.

The real fits (scikit-learn, CatBoost) get one value more than was asked for, which can be no
improvement, so that a stop on the last asked value differs from running out.
"""

import warnings
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace


def Lightning(
    values,
    patience,
    min_delta=0.0,
    check_finite=True,
    stopping_threshold=None,
    divergence_threshold=None,
    mode="min",
):
    import torch
    from lightning.pytorch.callbacks import EarlyStopping

    cb = EarlyStopping(
        "v",
        patience=patience,
        min_delta=min_delta,
        mode=mode,
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


@cache
def _definition(package, path, name):
    import ast

    spec = find_spec(package)
    if spec is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
    file = Path(spec.submodule_search_locations[0], path)
    found = next(
        node
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name
    )
    # annotations may name what is not needed here: leave them unevaluated
    future = ast.parse("from __future__ import annotations").body
    return compile(ast.Module([*future, found], []), str(file), "exec")


def _lifted(package, path, name, **needs):
    """A class or function taken out of an installed package's source, not imported: where the
    import fails (PyBrain3 with a recent SciPy) or does too much (Ultralytics writes a settings
    file and replaces torch.save)."""
    exec(_definition(package, path, name), needs)
    return needs[name]


def _catboost(values, **detector):
    """The detector is in C++: a metric hands it the values. Which value comes after the last does
    not matter to a stop, only that it is asked for; as no new best it is never restored."""
    import numpy as np
    from catboost import CatBoostRegressor, Pool

    script, seen = [*values, max(values)], []

    class Scripted:
        def is_max_optimal(self):
            return False

        def evaluate(self, approxes, target, weight):
            if len(target) != 4:  # the training rows
                return 0.0, 1.0
            seen.append(script[len(seen)])
            return seen[-1], 1.0

        def get_final_error(self, error, weight):
            return error

    x, y = np.arange(8.0).reshape(8, 1), np.arange(8.0) % 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # with numba: that it cannot compile the metric
        model = CatBoostRegressor(
            iterations=len(script),
            depth=1,
            eval_metric=Scripted(),
            thread_count=1,
            random_seed=0,
            logging_level="Silent",
            allow_writing_files=False,
            **detector,
        )
        model.fit(Pool(x, y), eval_set=Pool(x[:4], y[:4]))
    stop = len(seen) - 1 if len(seen) <= len(values) else None
    return stop, model.tree_count_ - 1  # use_best_model, on by default, cuts to the best


def CatBoostIter(values, od_wait=20):
    """Finite values only: the library's log writer fails on the others."""
    return _catboost(values, od_type="Iter", od_wait=od_wait)


def CatBoostIncToDec(values, od_pval, od_wait=20):
    """Finite values only: the library's log writer fails on the others."""
    return _catboost(values, od_type="IncToDec", od_pval=od_pval, od_wait=od_wait)


def Fastai(values, patience=1, min_delta=0.0):
    import contextlib
    import io

    from fastai.callback.core import CancelFitException
    from fastai.callback.tracker import EarlyStoppingCallback

    cb = EarlyStoppingCallback("valid_loss", min_delta=min_delta, patience=patience)
    recorder = SimpleNamespace(metric_names=["epoch", "valid_loss"], values=[])
    cb.learn = SimpleNamespace(recorder=recorder, epoch=0)
    cb.before_fit()
    for i, v in enumerate(values):
        recorder.values.append([v])
        cb.learn.epoch = i
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # it prints that it stops
                cb.after_epoch()
        except CancelFitException:
            return i, None
    return None, None


def Ultralytics(values, patience=50, mode="min"):
    """fitness = 1 - value, of a score the value itself, epochs from 1 as its trainer counts them.
    Restored is what best.pt holds: save_model writes it at every epoch whose fitness equals the
    trainer's best."""
    import logging

    import torch

    stopper = _lifted(
        "ultralytics",
        "utils/torch_utils.py",
        "EarlyStopping",
        LOGGER=logging.getLogger("lifted"),
        colorstr=str,
    )(patience=patience)
    validate = _lifted("ultralytics", "engine/trainer.py", "validate")
    trainer = SimpleNamespace(ema=None, world_size=1, best_fitness=None, loss=torch.zeros(()))
    restored = None
    for i, v in enumerate(values):
        trainer.validator = lambda self, v=v: {"fitness": 1 - v if mode == "min" else v}
        _, fitness = validate(trainer)
        if trainer.best_fitness == fitness:
            restored = i
        if stopper(i + 1, fitness):
            return i, restored
    return None, restored


def Flax(values, patience=0, min_delta=0.0):
    from flax.training.early_stopping import EarlyStopping

    state = EarlyStopping(min_delta=min_delta, patience=patience)
    for i, v in enumerate(values):
        state = state.update(v)
        if state.should_stop:
            return i, None
    return None, None


def MMEngine(values, patience=5, min_delta=0.1):
    from mmengine.hooks import EarlyStoppingHook

    hook = EarlyStoppingHook("v", rule="less", min_delta=min_delta, patience=patience)
    runner = SimpleNamespace(
        train_loop=SimpleNamespace(stop_training=False),
        logger=SimpleNamespace(info=lambda message: None),
    )
    hook.before_run(runner)
    for i, v in enumerate(values):
        hook.after_val_epoch(runner, {"v": v})
        if runner.train_loop.stop_training:
            return i, None
    return None, None


def RayPlateau(values, std=0.01, num_results=4, grace_period=4, metric_threshold=None):
    import numpy as np
    from ray.tune.stopper import TrialPlateauStopper

    stopper = TrialPlateauStopper(
        "v",
        std=std,
        num_results=num_results,
        grace_period=grace_period,
        metric_threshold=metric_threshold,
        mode="min",
    )
    for i, v in enumerate(values):
        with np.errstate(invalid="ignore"):  # the deviation of infinities
            if stopper("trial", {"v": v}):
                return i, None
    return None, None


def SpaCy(values, patience=1600, epochs=None):
    """`epochs` are the steps of the evaluations, evenly spaced (1 apart if not given). It stops
    between evaluations too: returned is the first evaluation that is not before the stop."""
    from spacy.training.loop import train_while_improving

    every = int(epochs[1] - epochs[0]) if epochs is not None and len(epochs) > 1 else 1
    # one value and one step more, so that a stop at the last value differs from running out
    script, last = iter([*values, float("inf")]), (len(values) - 1) * every
    steps = train_while_improving(
        SimpleNamespace(pipeline=[]),
        SimpleNamespace(averages=None, step_schedules=lambda: None),
        ((0, []) for _ in range(last + 2)),
        lambda: (-next(script), None),
        dropout=0.0,
        eval_frequency=every,
        accumulate_gradient=1,
        patience=patience,
        max_steps=0,
        exclude=[],
        annotating_components=[],
        before_update=None,
    )
    restored = None
    for _, info, is_best in steps:
        step = info["step"]
        if is_best and step <= last:  # where its caller writes model-best
            restored = step // every
    return (-(-step // every) if step <= last else None), restored


def PyBrain(values, continue_epochs=10):
    """values[0] is the error before training."""
    import numpy as np

    train = _lifted(
        "pybrain3", "supervised/trainers/backprop.py", "trainUntilConvergence", fListToString=str
    )
    if len(values) < 2:
        return None, None
    # the last epoch allowed ends training before the test for a stop: one more, never the best
    script, module = iter([*values, np.nan]), SimpleNamespace(params=np.array([0]))

    def epoch():
        module.params[:] += 1
        return 0.0

    errors = train(
        SimpleNamespace(
            module=module, train=epoch, testOnData=lambda data: next(script, 0.0), verbose=False
        ),
        SimpleNamespace(splitWithProportion=lambda share: ([0], [0])),
        maxEpochs=len(values) - 1,
        continueEpochs=continue_epochs,
    )[1]
    return (len(errors) - 1 if len(errors) <= len(values) else None), int(module.params[0])


def EVE(values, patience=1000, smoothing=0.75, min_delta=0.0, baseline=0.0):
    from evestop.generic import EVEEarlyStopping

    eve = EVEEarlyStopping(
        baseline=baseline, patience=patience, smoothing=smoothing, min_delta=min_delta, mode="min"
    )
    for i, v in enumerate(values):
        eve.register(v, i)
        if not eve.proceed:
            return i, eve.best_measuree
    return None, eve.best_measuree


def Slope(values, window):
    """The library has no threshold: it stops at a slope of 0 or more."""
    from early_stopping import EarlyStopping

    stopper = EarlyStopping(depth=window, ignore=window - 1, method="slope")
    for i, v in enumerate(values):
        if stopper.check(v):
            return i, None
    return None, None


def keras_reduce_lr(values, lr, factor=0.1, patience=10, min_delta=1e-4, cooldown=0, min_lr=0.0):
    """The learning rate after each epoch, in float32 as the optimizer holds it."""
    import keras

    optimizer = keras.optimizers.SGD(lr)
    cb = keras.callbacks.ReduceLROnPlateau(
        "val_loss",
        factor=factor,
        patience=patience,
        mode="min",
        min_delta=min_delta,
        cooldown=cooldown,
        min_lr=min_lr,
    )
    cb.set_model(SimpleNamespace(optimizer=optimizer))
    cb.on_train_begin()
    rates = []
    for i, v in enumerate(values):
        cb.on_epoch_end(i, {"val_loss": v})
        rates.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))
    return rates


def torch_reduce_lr(
    values,
    lr,
    factor=0.1,
    patience=10,
    threshold=1e-4,
    threshold_mode="rel",
    cooldown=0,
    min_lr=0.0,
    eps=1e-8,
):
    """The learning rate after each epoch."""
    import torch

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode="min",
        factor=factor,
        patience=patience,
        threshold=threshold,
        threshold_mode=threshold_mode,
        cooldown=cooldown,
        min_lr=min_lr,
        eps=eps,
    )
    rates = []
    for v in values:
        scheduler.step(v)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def keras_checkpoint(values, initial_value_threshold=None):
    """The last epoch that it saves, None if it saves none."""
    import keras

    cb = keras.callbacks.ModelCheckpoint(
        "model.keras",
        monitor="val_loss",
        mode="min",
        save_best_only=True,
        initial_value_threshold=initial_value_threshold,
    )
    now, saved = {"epoch": None}, []
    cb.set_model(SimpleNamespace(save=lambda path, overwrite: saved.append(now["epoch"])))
    cb.on_train_begin()
    for i, v in enumerate(values):
        now["epoch"] = i
        cb.on_epoch_begin(i)
        cb.on_epoch_end(i, {"val_loss": v})
    return saved[-1] if saved else None
