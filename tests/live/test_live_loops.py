"""The scikit-learn loop, the Optuna pruner and the Ignite handler against replay."""

import copy

import numpy as np
import pytest
from adapters import (
    assert_ranks_agree,
    at,
    noisy,
    patience_stop,
    require_replayed,
    run_examples,
    run_page,
)
from ranks import run_in_ranks

from earlystop_lab import Channel, CurveSet, Keras, any_of, read_curves, replay
from earlystop_lab.live import Stopper

X, Y = noisy(40)
X_VAL, Y_VAL = noisy(40, seed=1)
Y, Y_VAL = Y.ravel(), Y_VAL.ravel()


# -- scikit-learn -------------------------------------------------------------------------------


@pytest.fixture
def network():
    pytest.importorskip("sklearn")
    from sklearn.neural_network import MLPRegressor

    return MLPRegressor(hidden_layer_sizes=32, learning_rate_init=0.02, random_state=0)


def sklearn_trained(stopper, estimator, **kwargs):
    from earlystop_lab.live.sklearn import fit_until

    settings = {
        "validation_data": (X_VAL, Y_VAL),
        "max_iter": 300,
        "scoring": "neg_mean_squared_error",
    }
    return fit_until(stopper, estimator, X, Y, **{**settings, **kwargs})


@pytest.mark.parametrize("rule", ["GL(5, k=1)", "PQ(0.5)", "Keras(8)"])
def test_sklearn_stops_where_its_replay_does(network, tmp_path, rule):
    negated = Channel(upper=0)
    channels = {"val": negated, "train": negated}
    stopper = Stopper(rule, mode="max", channels=channels, record=tmp_path)
    model = sklearn_trained(stopper, network)
    curve = require_replayed(stopper, tmp_path)
    errors = [np.mean((model.predict(x) - y) ** 2) for x, y in ((X_VAL, Y_VAL), (X, Y))]
    # t_ counts the samples seen
    assert model.t_ / len(X) == stopper.best_epoch < stopper.stop_epoch == network.t_ / len(X)
    assert errors[0] == pytest.approx(-at(curve, "val", stopper.best_epoch), rel=1e-6)
    assert errors[1] == pytest.approx(-at(curve, "train", stopper.best_epoch), rel=1e-6)


@pytest.mark.trained("scikit-learn", "several metrics", "several sets")
def test_sklearn_rules_of_other_channels(network, tmp_path):
    error = {"largest": Channel(direction="min")}
    rule = any_of(Keras(99), Keras(5, val="largest"))
    stopper = Stopper(rule, mode="max", channels=error, record=tmp_path)
    largest = {"largest": lambda model: np.abs(model.predict(X_VAL) - Y_VAL).max()}
    model = sklearn_trained(stopper, network, functions=largest)
    curve = require_replayed(stopper, tmp_path)
    squared = np.mean((model.predict(X_VAL) - Y_VAL) ** 2)
    assert squared == pytest.approx(-at(curve, "val", stopper.best_epoch), rel=1e-6)
    stop = patience_stop(curve["largest"], 5, lambda value, best: value < best)
    assert stop == stopper.stop_epoch < 300
    with pytest.raises(ValueError, match="'largest': no such metric; available are none"):
        sklearn_trained(Stopper(rule, mode="max", channels=error), network)


@pytest.mark.trained("scikit-learn", "continued training")
def test_sklearn_trains_an_estimator_further(network, tmp_path):
    network.partial_fit(X, Y)
    stopper = Stopper("Keras(3)", mode="max", record=tmp_path)
    model = sklearn_trained(stopper, network)
    curve = require_replayed(stopper, tmp_path)
    error = np.mean((model.predict(X_VAL) - Y_VAL) ** 2)
    assert error == pytest.approx(-at(curve, "val", stopper.best_epoch), rel=1e-6)
    assert model.t_ / len(X) == stopper.best_epoch + 1


@pytest.mark.trained("scikit-learn", "interrupted")
def test_sklearn_records_what_was_interrupted(network, tmp_path, monkeypatch):
    partial_fit, seen = network.partial_fit, []

    def interrupted(x, y):
        seen.append(partial_fit(x, y))
        if len(seen) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(network, "partial_fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sklearn_trained(Stopper("MaxEpochs(9)", mode="max", record=tmp_path), network)
    assert read_curves(tmp_path)[0].epoch.tolist() == [1, 2, 3]


def test_sklearn_without_a_stop_ends_after_max_iter(network):
    stopper = Stopper("Keras(99)", mode="max", restore="last")
    assert sklearn_trained(stopper, network, max_iter=3) is network
    assert (network.t_ / len(X), stopper.epoch, stopper.stopped) == (3, 3, False)


def test_sklearn_refuses_what_cannot_be(network):
    with pytest.raises(ValueError, match="mode 'min', no run seen; expected a new stopper"):
        sklearn_trained(Stopper("Keras(2)"), network)
    stopper = Stopper("Keras(2)", mode="max")
    with pytest.raises(ValueError, match="max_iter = 0; expected at least 1"):
        sklearn_trained(stopper, network, max_iter=0)
    stopper.update(val=1)
    with pytest.raises(ValueError, match="mode 'max', a run seen; expected a new stopper"):
        sklearn_trained(stopper, network)


# -- Optuna -------------------------------------------------------------------------------------


@pytest.fixture
def optuna():
    optuna = pytest.importorskip("optuna")
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield optuna
    optuna.logging.set_verbosity(level)


def pruner(*args, **kwargs):
    from earlystop_lab.live.optuna import StopPruner

    return StopPruner(*args, **kwargs)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("rule", ["GL(5, k=1)", "UP(2, k=2)", "any_of(Keras(3), MaxEpochs(15))"])
def test_optuna_prunes_where_the_replay_stops(optuna, tmp_path, rule, direction):
    sign = 1 if direction == "minimize" else -1
    errors = np.random.default_rng(1).normal(size=(8, 20)).cumsum(axis=1) + 30

    def objective(trial):
        for step, error in enumerate(errors[trial.number]):
            trial.report(sign * error, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return sign * error

    chosen = pruner(rule, upper=0, record=tmp_path)
    study = optuna.create_study(direction=direction, pruner=chosen, study_name="a study/1")
    study.optimize(objective, n_trials=8, callbacks=[chosen.record_trial])
    stops = replay(CurveSet.from_runs([{"val": row} for row in errors]), [rule])
    for i, trial in enumerate(study.trials):
        assert (trial.state == optuna.trial.TrialState.PRUNED) == stops.fired[i, 0]
        assert trial.last_step + 1 == stops.stop[i, 0]
    recorded = read_curves(tmp_path)
    told = sign * errors[3][: int(stops.stop[3, 0])]
    assert recorded["a study/1-3"].val.tolist() == told.tolist()


@pytest.mark.trained("Optuna", "interrupted")
def test_optuna_trials_that_were_interrupted_are_recorded_from_the_study(optuna, tmp_path):
    def objective(trial):
        for step in range(9):
            trial.report(float(step), step)
            if (trial.number, step) == (1, 4):
                raise KeyboardInterrupt
        return 0.0

    chosen = pruner("Keras(99)", record=tmp_path)
    study = optuna.create_study(pruner=chosen, study_name="s")
    with pytest.raises(KeyboardInterrupt):
        study.optimize(objective, n_trials=3, callbacks=[chosen.record_trial])
    assert read_curves(tmp_path).runs == ["s-0"]
    for trial in study.trials:
        chosen.record_trial(study, trial)
    curves = read_curves(tmp_path)
    assert {run: len(curves[run]) for run in curves.runs} == {"s-0": 9, "s-1": 5}


@pytest.mark.trained("Optuna", "checking less often")
def test_optuna_prunes_where_a_trial_reports(optuna, tmp_path):
    errors = [3.0, 1.0, 2.0, 2.0, 2.0, 2.0]

    def objective(trial):
        for i, error in enumerate(errors):
            trial.report(error, 10 * i)
            if trial.should_prune():
                raise optuna.TrialPruned
        return error

    chosen = pruner("Keras(2)", record=tmp_path)
    study = optuna.create_study(pruner=chosen)
    study.optimize(objective, n_trials=1, callbacks=[chosen.record_trial])
    (curve,) = curves = read_curves(tmp_path)
    assert curve.epoch.tolist() == [1, 11, 21, 31]
    assert replay(curves, ["Keras(2)"]).stop[0, 0] == 31


OPTUNA_PROCESS = """
import sys
import optuna
from earlystop_lab.live.optuna import StopPruner
optuna.logging.set_verbosity(optuna.logging.ERROR)
pruner = StopPruner("Keras(2)", record=sys.argv[2])
study = optuna.create_study(
    storage=f"sqlite:///{sys.argv[1]}", study_name="s", pruner=pruner, load_if_exists=True)

def objective(trial):
    worst = 3 + trial.number
    for step in range(12):
        trial.report(float(abs(worst - step)), step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return 0.0

study.optimize(objective, n_trials=2, callbacks=[pruner.record_trial])
"""


@pytest.mark.trained("Optuna", "distributed")
def test_optuna_processes_that_share_a_study_prune_alike(optuna, tmp_path):
    storage, record = tmp_path / "study.db", tmp_path / "runs"
    optuna.create_study(storage=f"sqlite:///{storage}", study_name="s")
    run_in_ranks(OPTUNA_PROCESS, tmp_path, storage, record)
    curves = read_curves(record)
    assert sorted(curves.runs) == ["s-0", "s-1", "s-2", "s-3"]
    # the lowest error is at step 3 + number, epoch 4 + number
    ends = {run: curves[run].epoch[-1] for run in curves.runs}
    assert ends == {f"s-{number}": 6 + number for number in range(4)}
    stops = replay(curves, ["Keras(2)"])
    assert stops.stop[:, 0].tolist() == [ends[run] for run in curves.runs]


def test_optuna_refuses_what_a_trial_cannot_report(optuna):
    with pytest.raises(ValueError, match=r"PQ\(2\) needs training errors"):
        pruner("any_of(GL(2), PQ(2))")
    study = optuna.create_study(pruner=pruner("GL(2)"))
    assert not study.ask().should_prune()


# -- Ignite -------------------------------------------------------------------------------------


UPPER = Channel(upper=0)


class IgniteTraining:
    """A network trained full-batch by an engine, evaluated after every epoch by another."""

    def __init__(self, rule="Keras(5)", evaluated_every=1, **kwargs):
        torch, engine = pytest.importorskip("torch"), pytest.importorskip("ignite.engine")
        from earlystop_lab.live.ignite import StopHandler

        torch.manual_seed(0)
        self.model = torch.nn.Sequential(
            torch.nn.Linear(8, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1)
        )
        optimizer = torch.optim.Adam(self.model.parameters(), lr=0.02)
        x, y, x_val, y_val = (
            torch.tensor(part) for seed in (0, 1) for part in noisy(24, seed=seed)
        )
        self.error = torch.nn.functional.mse_loss
        self.validate = lambda: self.error(self.model(x_val), y_val).item()

        # what is validated may be an average of what is trained
        trained = self.model

        def step(engine, batch):
            loss = self.error(trained(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.item()

        self.trainer, evaluator = engine.Engine(step), engine.Engine(lambda e, batch: None)
        self.val_data, self.train_data = [0], [1]

        @evaluator.on(engine.Events.COMPLETED)
        def measure(e):
            # of the data that it is run on
            on_train = e.state.dataloader is self.train_data
            e.state.metrics["loss"] = (
                self.error(self.model(x), y).item() if on_train else self.validate()
            )

        if rule is not None:
            self.handler = StopHandler(
                rule,
                lambda e: -e.state.metrics["loss"],
                self.trainer,
                train_function=lambda e: -e.state.output,
                model=self.model,
                channels={"val": UPPER, "train": UPPER, "loss": Channel(direction="min")},
                **kwargs,
            )
            evaluator.add_event_handler(engine.Events.COMPLETED, self.handler)
        self.evaluator = evaluator
        every = engine.Events.EPOCH_COMPLETED(every=evaluated_every)
        self.trainer.add_event_handler(every, lambda e: evaluator.run(self.val_data))

    def run(self, epochs=300):
        self.trainer.run([0, 1], max_epochs=epochs)
        return self


@pytest.mark.parametrize("rule", ["GL(5, k=1)", "PQ(0.05, k=2)", "Ignite(5)"])
def test_ignite_stops_where_its_replay_does(tmp_path, rule):
    training = IgniteTraining(rule, record=tmp_path).run()
    stopper = training.handler.stopper
    curve = require_replayed(stopper, tmp_path)
    assert training.trainer.state.epoch == stopper.stop_epoch
    assert training.validate() == -at(curve, "val", stopper.best_epoch)
    # another training is another run
    training.trainer.state.max_epochs = None
    training.run(1)
    assert training.handler.stopper.run != stopper.run


@pytest.mark.trained("Ignite", "continued training")
def test_ignite_trains_a_model_further(tmp_path):
    training = IgniteTraining("Keras(3)", record=tmp_path / "a").run(3)
    training.trainer.state.max_epochs = None
    training.run()
    stopper = training.handler.stopper
    curve = require_replayed(stopper, tmp_path / "a" / f"{stopper.run}.parquet")
    assert curve.epoch[0] == 1
    assert training.validate() == -at(curve, "val", stopper.best_epoch)


@pytest.mark.trained("Ignite", "several metrics")
def test_ignite_rules_of_other_channels(tmp_path):
    rule = any_of(Keras(99), Keras(4, val="loss"))
    loss = {"loss": lambda e: e.state.metrics["loss"]}
    training = IgniteTraining(rule, functions=loss, record=tmp_path).run()
    stopper = training.handler.stopper
    curve = require_replayed(stopper, tmp_path)
    assert curve["loss"].tolist() == (-curve.val).tolist()
    assert training.validate() == -at(curve, "val", stopper.best_epoch)
    stop = patience_stop(curve["loss"], 4, lambda value, best: value < best)
    assert stop == stopper.stop_epoch
    with pytest.raises(ValueError, match="monitor = 'loss': no such metric; available are none"):
        IgniteTraining(rule)


@pytest.mark.trained("Ignite", "resumed")
def test_ignite_saved_and_restored():
    expected = IgniteTraining("UP(2, k=1)").run()
    stop = expected.handler.stopper.stop_epoch
    first = IgniteTraining("UP(2, k=1)", restore="last").run(int(stop) - 1)
    state = copy.deepcopy(first.handler.state_dict())
    # as after a restart, when a checkpoint fills a new handler
    settings = {"mode": "max", "restore": "last", "channels": {"val": UPPER}}
    first.handler.stopper = Stopper("UP(2, k=1)", **settings)
    first.handler.load_state_dict(state)
    first.run()
    assert first.trainer.state.epoch == first.handler.stopper.stop_epoch == stop
    history = expected.handler.stopper.history[0]
    assert first.handler.stopper.history[0].val.tolist() == history.val.tolist()
    assert first.validate() == -history.val[-1]


@pytest.mark.trained("Ignite", "averaged weights")
def test_ignite_keeps_an_average_that_is_validated(tmp_path):
    training = IgniteTraining("Keras(6)", record=tmp_path)
    average = pytest.importorskip("ignite.handlers").EMAHandler(training.model, momentum=0.2)
    engine = pytest.importorskip("ignite.engine")
    average.attach(training.trainer, event=engine.Events.ITERATION_COMPLETED)
    training.model = training.handler.model = average.ema_model
    training.run()
    stopper = training.handler.stopper
    curve = require_replayed(stopper, tmp_path)
    best = at(curve, "val", stopper.best_epoch)
    assert training.validate() == -best
    assert best > curve.val[-1]


@pytest.mark.trained("Ignite", "checking less often")
def test_ignite_evaluates_less_often(tmp_path):
    training = IgniteTraining("Keras(2)", evaluated_every=3, record=tmp_path).run()
    curve = require_replayed(training.handler.stopper, tmp_path)
    assert curve.epoch.tolist() == [3 * i for i in range(1, len(curve) + 1)]
    assert training.validate() == -at(curve, "val", training.handler.stopper.best_epoch)


@pytest.mark.trained("Ignite", "several sets")
def test_ignite_checks_one_of_several_sets(tmp_path):
    engine = pytest.importorskip("ignite.engine")
    training = IgniteTraining("Keras(4)", record=tmp_path)
    training.trainer.add_event_handler(
        engine.Events.EPOCH_COMPLETED, lambda e: training.evaluator.run(training.train_data)
    )
    training.trainer.logger.setLevel("CRITICAL")
    training.evaluator.logger.setLevel("CRITICAL")
    with pytest.raises(ValueError, match=r"a second evaluation at epoch 1: .* data="):
        training.run()
    training.handler.data = training.val_data
    training.trainer.state.max_epochs = None
    training.run()
    curve = require_replayed(
        training.handler.stopper, tmp_path / f"{training.handler.stopper.run}.parquet"
    )
    assert training.validate() == -at(curve, "val", training.handler.stopper.best_epoch)


IGNITE_RANKS = """
import sys
import ignite.distributed as idist, torch
from ignite.engine import Engine, Events
from earlystop_lab.live.ignite import StopHandler

def train(rank, record):
    model = torch.nn.Linear(1, 1)
    seen = {}

    def step(engine, batch):
        with torch.no_grad():
            model.weight += 1
        seen[engine.state.epoch] = model.weight.item()

    trainer, evaluator = Engine(step), Engine(lambda engine, batch: None)
    # rank 1 alone would go on
    errors = [3.0, 2.0, 2.5, 1.0] if rank == 0 else [4.0, 3.0, 2.0, 1.0]
    handler = StopHandler("UP(1, k=1)", lambda engine: errors[trainer.state.epoch - 1], trainer,
                          mode="min", model=model, record=record)
    evaluator.add_event_handler(Events.COMPLETED, handler)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: evaluator.run([0]))
    trainer.run([0], max_epochs=4)
    print(f"{handler.stopper.reason}; {model.weight.item() == seen[2]}")

with idist.Parallel("gloo") as parallel:
    parallel.run(train, sys.argv[1])
"""


@pytest.mark.trained("Ignite", "distributed")
def test_ignite_ranks_stop_together_and_one_records(tmp_path):
    pytest.importorskip("ignite")
    assert_ranks_agree(IGNITE_RANKS, tmp_path)


@pytest.mark.trained("Ignite", "interrupted")
def test_ignite_records_where_training_fails(tmp_path):
    training = IgniteTraining("Keras(99)", record=tmp_path)
    engine = pytest.importorskip("ignite.engine")

    @training.trainer.on(engine.Events.EPOCH_STARTED(once=4))
    def fail(e):
        raise FloatingPointError

    training.trainer.logger.setLevel("CRITICAL")
    with pytest.raises(FloatingPointError):
        training.run()
    assert len(read_curves(tmp_path)[0].val) == 3


# -- what the pages and docstrings say ----------------------------------------------------------


@pytest.mark.parametrize("name", ["sklearn", "optuna", "ignite"])
def test_examples(name):
    pytest.importorskip(name)
    run_examples(name)


def test_page_of_sklearn(tmp_path, monkeypatch, network):
    monkeypatch.chdir(tmp_path)
    names = run_page("sklearn", {"x": X, "y": Y > 0, "x_val": X_VAL, "y_val": Y_VAL > 0})
    require_replayed(names["stopper"], "runs")


def test_page_of_optuna(tmp_path, monkeypatch, optuna):
    monkeypatch.chdir(tmp_path)
    errors = np.random.default_rng(1).normal(size=(10, 99)).cumsum(axis=1) + 30
    run_page("optuna", {"train_and_validate": lambda trial, epoch: errors[trial.number, epoch]})
    assert len(read_curves("runs")) == 10


def test_page_of_ignite(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    training = IgniteTraining(None)
    names = {each: getattr(training, each) for each in ("model", "trainer", "evaluator")}
    handler = run_page("ignite", {**names, "batches": [0, 1]})["handler"]
    curve = require_replayed(handler.stopper, "runs")
    assert training.validate() == at(curve, "val", handler.stopper.best_epoch)
