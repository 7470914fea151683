"""The boosting callbacks against replay, and the models they leave against an evaluation."""

import importlib
import json
import socket
import subprocess
import sys

import numpy as np
import pytest
from adapters import (
    at,
    noisy,
    patience_stop,
    require_imported,
    require_replayed,
    run_examples,
    run_page,
)

from earlystop_lab import Channel, Keras, any_of, read_curves, replay

RULES = ["GL(2, k=1)", "PQ(0.1, k=2)", "Keras(4)", "UP(2, k=1)"]
X, Y = (part.astype(float) for part in noisy(120))
X_VAL, Y_VAL = (part.astype(float) for part in noisy(120, seed=1))
Y, Y_VAL = Y.ravel(), Y_VAL.ravel()


def rmse(predicted):
    return float(np.sqrt(np.mean((predicted - Y_VAL) ** 2)))


# -- XGBoost ------------------------------------------------------------------------------------


@pytest.fixture
def xgboost():
    return pytest.importorskip("xgboost")


def xgboost_callback(*args, **kwargs):
    from earlystop_lab.live.xgboost import StopCallback

    return StopCallback(*args, **kwargs)


def xgboost_trained(xgboost, *callbacks, rounds=200, params=None, **kwargs):
    data, val = xgboost.DMatrix(X, Y), xgboost.DMatrix(X_VAL, Y_VAL)
    params = {"objective": "reg:squarederror", "eta": 0.2, "nthread": 1, **(params or {})}
    return xgboost.train(
        params,
        data,
        rounds,
        evals=[(data, "train"), (val, "val")],
        verbose_eval=False,
        callbacks=[*callbacks],
        **kwargs,
    ), val


@pytest.mark.parametrize("rule", RULES)
def test_xgboost_stops_where_its_replay_does(xgboost, tmp_path, rule):
    callback = xgboost_callback(rule, train_name="train", record=tmp_path)
    model, val = xgboost_trained(xgboost, callback)
    curve, best = require_replayed(callback.stopper, tmp_path), callback.stopper.best_epoch
    assert curve.train is not None
    assert model.num_boosted_rounds() == best < curve.epoch[-1]
    assert rmse(model.predict(val)) == pytest.approx(at(curve, "val", best), rel=1e-5)
    # it would also hold of a model that is trained further
    assert model.attributes() == {}


def test_xgboost_keeps_the_last_round_where_asked_to(xgboost, tmp_path):
    callback = xgboost_callback("Keras(4)", restore="last", record=tmp_path)
    model, val = xgboost_trained(xgboost, callback)
    curve = require_replayed(callback.stopper, tmp_path)
    assert model.num_boosted_rounds() == curve.epoch[-1]
    assert rmse(model.predict(val)) == pytest.approx(curve.val[-1], rel=1e-5)


def test_xgboost_higher_is_better_in_its_estimators(xgboost, tmp_path):
    callback = xgboost_callback("Keras(3)", metric_name="auc", record=tmp_path)
    model = xgboost.XGBClassifier(
        n_estimators=100, eval_metric=["logloss", "auc"], n_jobs=1, callbacks=[callback]
    )
    model.fit(X, Y > 0, eval_set=[(X_VAL, Y_VAL > 0)], verbose=False)
    require_replayed(callback.stopper, tmp_path)
    scores = model.evals_result()["validation_0"]["auc"]
    assert callback.stopper.mode == "max"
    best = int(np.argmax(scores)) + 1
    assert model.get_booster().num_boosted_rounds() == best == callback.stopper.best_epoch
    right = pytest.importorskip("sklearn.metrics").roc_auc_score
    probable = model.predict_proba(X_VAL)[:, 1]
    assert right(Y_VAL > 0, probable) == pytest.approx(max(scores), rel=1e-6)


SCORE = Channel(direction="max")


def higher(value, best):
    return value > best


def test_xgboost_rules_of_two_metrics(xgboost, tmp_path):
    rule = any_of(Keras(40), Keras(3, val="validation_1-auc"))
    with pytest.raises(ValueError, match=r"channels=\{'validation_1-auc': Channel\(direction="):
        xgboost_callback(rule)
    callback = xgboost_callback(
        rule,
        metric_name="logloss",
        train_name="validation_0",
        channels={"validation_1-auc": SCORE},
        record=tmp_path,
    )
    model = xgboost.XGBClassifier(
        n_estimators=100, eval_metric=["auc", "logloss"], n_jobs=1, callbacks=[callback]
    )
    data = [(X, Y > 0), (X_VAL, Y_VAL > 0)]
    model.fit(X, Y > 0, eval_set=data, verbose=False)
    curve = require_replayed(callback.stopper, tmp_path)
    seen = model.evals_result()
    (tmp_path / "evals.json").write_text(json.dumps(seen))
    require_imported(callback.stopper, tmp_path / "evals.json")
    scores = seen["validation_1"]["auc"]
    assert curve["validation_1-auc"].tolist() == scores
    assert curve.val.tolist() == seen["validation_1"]["logloss"]
    assert patience_stop(scores, 3, higher) == callback.stopper.stop_epoch == len(scores)
    assert "Keras 3 >= 3 at round" in callback.stopper.reason
    about = read_curves(tmp_path).about
    named = {"metric": "logloss", "data": "validation_1", "source": "validation_1-logloss"}
    assert about("val") == Channel("val", "min", stand_in=False, **named)
    named = {"metric": "logloss", "data": "validation_0", "source": "validation_0-logloss"}
    assert about("train") == Channel("train", "min", **named)
    expected = Channel("val", "max", metric="auc", data="validation_1")
    assert about("validation_1-auc") == expected
    assert about("epoch").unit == "round"


def test_xgboost_selects_by_another_metric(xgboost, tmp_path):
    callback = xgboost_callback(
        "Keras(9)",
        metric_name="logloss",
        select="validation_0-auc",
        channels={"validation_0-auc": SCORE},
    )
    model = xgboost.XGBClassifier(
        n_estimators=60, eval_metric=["logloss", "auc"], n_jobs=1, callbacks=[callback]
    )
    model.fit(X, Y > 0, eval_set=[(X_VAL, Y_VAL > 0)], verbose=False)
    best = int(np.argmax(model.evals_result()["validation_0"]["auc"]))
    assert model.get_booster().num_boosted_rounds() == best + 1


def test_xgboost_training_data_that_are_watched_stand_in(xgboost):
    for names in ({"data_name": "train"}, {"data_name": "val", "train_name": "val"}):
        callback = xgboost_callback("Keras(9)", **names)
        xgboost_trained(xgboost, callback, rounds=2)
        assert callback.stopper.history.about("val").stand_in


def test_xgboost_cross_validates(xgboost):
    callback = xgboost_callback("Keras(3)", data_name="test")
    data = xgboost.DMatrix(X, Y)
    frame = xgboost.cv({"nthread": 1}, data, 100, nfold=3, seed=0, callbacks=[callback])
    assert callback.stopper.stopped
    # XGBoost cuts its table to the best round
    assert len(frame) == callback.stopper.best_epoch == callback.stopper.stop_epoch - 3
    errors = callback.stopper.history[0].val.tolist()
    assert errors[:-3] == frame["test-rmse-mean"].tolist()


@pytest.mark.trained("XGBoost", "continued training")
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("booster", ["gbtree", "dart", "gblinear"])
def test_xgboost_goes_on_after_a_model_s_rounds(xgboost, tmp_path, booster, own):
    params = {"booster": booster, "eta": 0.05}
    stops = xgboost.callback.EarlyStopping(rounds=2) if own else xgboost_callback("MaxEpochs(5)")
    model, _ = xgboost_trained(xgboost, stops, rounds=5, params=params)
    before = model.num_boosted_rounds()
    callback = xgboost_callback("Keras(3)", record=tmp_path)
    model, val = xgboost_trained(xgboost, callback, params=params, xgb_model=model)
    curve, best = require_replayed(callback.stopper, tmp_path), callback.stopper.best_epoch
    assert curve.epoch[0] == before + 1
    assert model.num_boosted_rounds() == best
    # also where the model before had a best iteration of its own
    assert rmse(model.predict(val)) == pytest.approx(at(curve, "val", best), rel=1e-6)
    # another training with this callback is another run
    first = callback.stopper.run
    xgboost_trained(xgboost, callback, rounds=2)
    assert callback.stopper.run != first
    assert callback.stopper.history[0].epoch.tolist() == [1, 2]


def test_xgboost_predicts_with_all_rounds_of_a_model_that_was_cut(xgboost):
    callback = xgboost_callback("Keras(3)")
    first = xgboost.XGBRegressor(n_estimators=100, n_jobs=1, callbacks=[callback])
    first.fit(X, Y, eval_set=[(X_VAL, Y_VAL)], verbose=False)
    best = int(callback.stopper.best_epoch)
    more = xgboost.XGBRegressor(n_estimators=30, n_jobs=1)
    more.fit(X, Y, xgb_model=first.get_booster())
    whole = more.get_booster().predict(xgboost.DMatrix(X_VAL), iteration_range=(0, best + 30))
    assert more.predict(X_VAL).tolist() == whole.tolist()


@pytest.mark.trained("XGBoost", "booster='dart'", "booster='gblinear'")
@pytest.mark.parametrize("rule", ["Keras(4)", "UP(2, k=1)"])
@pytest.mark.parametrize("booster", ["dart", "gblinear"])
def test_xgboost_models_whose_rounds_change_later(xgboost, tmp_path, booster, rule):
    callback = xgboost_callback(rule, record=tmp_path)
    params = {"booster": booster, "seed": 1}
    params |= {"rate_drop": 0.3} if booster == "dart" else {"eta": 0.5, "lambda": 0, "alpha": 0}
    model, val = xgboost_trained(xgboost, callback, params=params)
    curve, best = require_replayed(callback.stopper, tmp_path), callback.stopper.best_epoch
    assert best < curve.epoch[-1]
    assert model.num_boosted_rounds() == best
    assert rmse(model.predict(val)) == pytest.approx(at(curve, "val", best), rel=1e-6)


@pytest.mark.trained("XGBoost", "several metrics", "several sets")
@pytest.mark.parametrize(
    ("metric", "mode"), [("auc", "max"), ("map", "max"), ("logloss", "min"), ("mape", "min")]
)
def test_xgboost_knows_which_values_are_better(xgboost, tmp_path, metric, mode):
    own = xgboost.callback.EarlyStopping(rounds=4, metric_name=metric, data_name="validation_1")
    settings = {"n_estimators": 60, "eval_metric": ["error", metric], "n_jobs": 1}
    data = {"eval_set": [(X, Y > 0), (X_VAL, Y_VAL > 0)], "verbose": False}
    stopped = xgboost.XGBClassifier(**settings, callbacks=[own]).fit(X, Y > 0, **data)
    callback = xgboost_callback(
        "Keras(4)", metric_name=metric, data_name="validation_1", record=tmp_path
    )
    model = xgboost.XGBClassifier(**settings, callbacks=[callback]).fit(X, Y > 0, **data)
    curve = require_replayed(callback.stopper, tmp_path)
    assert callback.stopper.mode == mode
    assert curve.val.tolist() == stopped.evals_result()["validation_1"][metric]
    assert model.get_booster().num_boosted_rounds() == stopped.best_iteration + 1


def test_xgboost_takes_an_accuracy_for_a_score(xgboost):
    scores = iter([0.5, 0.7, 0.6, 0.65, 0.4])
    callback = xgboost_callback("Keras(2)")
    data = xgboost.DMatrix(X, Y)
    model = xgboost.train(
        {"nthread": 1, "disable_default_eval_metric": True},
        data,
        5,
        evals=[(data, "val")],
        custom_metric=lambda predicted, of: ("accuracy", next(scores)),
        verbose_eval=False,
        callbacks=[callback],
    )
    assert (callback.stopper.mode, callback.stopper.stop_epoch) == ("max", 4)
    assert model.num_boosted_rounds() == 2


def test_xgboost_without_evals_says_what_is_missing(xgboost):
    with pytest.raises(ValueError, match="'any data set-any metric': no such metric"):
        xgboost.train(
            {"nthread": 1}, xgboost.DMatrix(X, Y), 2, callbacks=[xgboost_callback("UP(3)")]
        )


@pytest.mark.trained("XGBoost", "interrupted")
def test_xgboost_records_what_was_interrupted(xgboost, tmp_path):
    class Interrupts(xgboost.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            if epoch == 6:
                raise KeyboardInterrupt

    callback = xgboost_callback("Keras(99)", record=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        xgboost_trained(xgboost, callback, Interrupts())
    (curve,) = read_curves(tmp_path)
    assert curve.epoch.tolist() == [1, 2, 3, 4, 5, 6, 7]
    xgboost_trained(xgboost, callback, rounds=2)
    assert sorted(len(curve) for curve in read_curves(tmp_path)) == [2, 7]


def test_xgboost_records_every_fit_of_a_search(xgboost, tmp_path):
    search = pytest.importorskip("sklearn.model_selection").GridSearchCV
    callback = xgboost_callback("Keras(4)", record=tmp_path)
    model = xgboost.XGBRegressor(n_estimators=60, n_jobs=1, callbacks=[callback])
    searched = search(model, {"max_depth": [2]}, cv=5, refit=False)
    searched.fit(X, Y, eval_set=[(X_VAL, Y_VAL)], verbose=False)
    curves = read_curves(tmp_path)
    assert len(curves) == 5
    stops = replay(curves, ["Keras(4)"])
    assert stops.stop[:, 0].tolist() == [curve.epoch[-1] for curve in curves]


XGBOOST_RANKS = """
import sys, threading
import numpy as np, xgboost
from xgboost import collective
from earlystop_lab.live.xgboost import StopCallback

def train(rank, tracker, record, x, y, x_val, y_val):
    with collective.CommunicatorContext(dmlc_communicator="rabit", **tracker):
        here = slice(rank, None, 2)
        data = xgboost.DMatrix(x[here], y[here])
        val = xgboost.DMatrix(x_val[here], y_val[here])
        callback = StopCallback("Keras(4)", record=record)
        model = xgboost.train({"eta": 0.2, "nthread": 1}, data, 100, evals=[(val, "val")],
                              verbose_eval=False, callbacks=[callback])
        # one text, since what two ranks print in pieces may be mixed
        words = f"{callback.stopper.reason} {model.num_boosted_rounds()}"
        error = model.eval(val).split(":")[1]
        print(f"\\n{words} {error}\\n", end="", flush=True)

if __name__ == "__main__":
    import multiprocessing
    from xgboost.tracker import RabitTracker
    record, file = sys.argv[1:]
    data = np.load(file)
    data = [data[name] for name in ("x", "y", "x_val", "y_val")]
    tracker = RabitTracker(n_workers=2, host_ip="127.0.0.1")
    tracker.start()
    spawn = multiprocessing.get_context("spawn")
    args = tracker.worker_args()
    ranks = [spawn.Process(target=train, args=(i, args, record, *data)) for i in (0, 1)]
    for each in ranks:
        each.start()
    for each in ranks:
        each.join(120)
    tracker.wait_for(30)
"""


@pytest.mark.trained("XGBoost", "distributed")
def test_xgboost_ranks_stop_together_and_one_records(xgboost, tmp_path):
    script, file = tmp_path / "ranks.py", tmp_path / "data.npz"
    script.write_text(XGBOOST_RANKS)
    np.savez(file, x=X, y=Y, x_val=X_VAL, y_val=Y_VAL)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "runs"), str(file)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    said = [line for line in done.stdout.splitlines() if "best round" in line]
    assert len(said) == 2, done.stderr[-3000:]
    assert said[0] == said[1]
    curves = read_curves(tmp_path / "runs")
    stops = replay(curves, ["Keras(4)"])
    assert len(curves) == 1
    expected = f"at round {stops.stop[0, 0]:g}; best round {stops.selected[0, 0]:g} "
    assert f"{expected}{stops.selected[0, 0]:g} " in said[0]
    best = at(curves[0], "val", stops.selected[0, 0])
    assert float(said[0].split()[-1]) == pytest.approx(best, rel=1e-5)


def test_xgboost_names_what_is_there(xgboost):
    with pytest.raises(ValueError, match=r"monitor = 'test-rmse'.* are train-rmse, val-rmse"):
        xgboost_trained(xgboost, xgboost_callback("GL(2)", data_name="test", metric_name="rmse"))
    other = xgboost_callback(Keras(2, val="val-auc"), channels={"val-auc": SCORE})
    with pytest.raises(ValueError, match=r"monitor = 'val-auc'.* are train-rmse, val-rmse"):
        xgboost_trained(xgboost, other)


# -- LightGBM -----------------------------------------------------------------------------------


@pytest.fixture
def lightgbm():
    return pytest.importorskip("lightgbm")


def lightgbm_callback(*args, **kwargs):
    from earlystop_lab.live.lightgbm import StopCallback

    return StopCallback(*args, **kwargs)


def lightgbm_trained(lightgbm, callback, rounds=300, also=(), init_model=None, **params):
    params = {
        "metric": "l2",
        "verbosity": -1,
        "num_threads": 1,
        "min_data_in_leaf": 3,
        "deterministic": True,
        **params,
    }
    data = lightgbm.Dataset(X, Y)
    val = data.create_valid(X_VAL, Y_VAL)
    return lightgbm.train(
        params,
        data,
        rounds,
        valid_sets=[data, val],
        valid_names=["train", "val"],
        callbacks=[callback, *also],
        init_model=init_model,
    )


@pytest.mark.parametrize("rule", RULES)
def test_lightgbm_stops_where_its_replay_does(lightgbm, tmp_path, rule):
    callback = lightgbm_callback(rule, train_name="train", record=tmp_path)
    seen = {}
    model = lightgbm_trained(lightgbm, callback, also=[lightgbm.record_evaluation(seen)])
    curve, best = require_replayed(callback.stopper, tmp_path), callback.stopper.best_epoch
    assert curve.val.tolist() == seen["val"]["l2"]
    assert curve.train.tolist() == seen["train"]["l2"]
    assert model.best_iteration == best < curve.epoch[-1]
    assert rmse(model.predict(X_VAL)) ** 2 == pytest.approx(at(curve, "val", best), rel=1e-6)
    assert model.best_score["val"]["l2"] == at(curve, "val", best)


def test_lightgbm_at_the_end_without_a_stop(lightgbm, tmp_path):
    callback = lightgbm_callback("Keras(999)", record=tmp_path)
    model = lightgbm_trained(lightgbm, callback, 40)
    curve = read_curves(tmp_path)[0]
    assert not callback.stopper.stopped
    assert model.best_iteration == 1 + int(np.argmin(curve.val))
    model = lightgbm_trained(lightgbm, lightgbm_callback("Keras(999)", restore="last"), 40)
    assert model.best_iteration == 0
    assert model.current_iteration() == 40


def test_lightgbm_knows_where_higher_is_better(lightgbm, tmp_path):
    callback = lightgbm_callback("Keras(5)", metric_name="auc", record=tmp_path)
    model = lightgbm.LGBMClassifier(n_estimators=200, verbosity=-1, n_jobs=1, min_child_samples=3)
    model.fit(
        X, Y > 0, eval_X=(X_VAL,), eval_y=(Y_VAL > 0,), eval_metric="auc", callbacks=[callback]
    )
    require_replayed(callback.stopper, tmp_path)
    scores = model.evals_result_["valid_0"]["auc"]
    assert callback.stopper.mode == "max"
    assert model.best_iteration_ == int(np.argmax(scores)) + 1


def test_lightgbm_rules_of_two_metrics(lightgbm, tmp_path):
    rule = any_of(Keras(40), Keras(4, val="val-auc"))
    callback = lightgbm_callback(rule, metric_name="binary_logloss", record=tmp_path)
    seen = {}
    data = lightgbm.Dataset(X, Y > 0)
    params = {"metric": ["binary_logloss", "auc"], "objective": "binary", "verbosity": -1}
    model = lightgbm.train(
        {**params, "num_threads": 1, "min_data_in_leaf": 3},
        data,
        300,
        valid_sets=[data.create_valid(X_VAL, Y_VAL > 0)],
        valid_names=["val"],
        callbacks=[callback, lightgbm.record_evaluation(seen)],
    )
    curve = require_replayed(callback.stopper, tmp_path)
    (tmp_path / "evals.json").write_text(json.dumps(seen))
    require_imported(callback.stopper, tmp_path / "evals.json")
    scores = seen["val"]["auc"]
    assert curve["val-auc"].tolist() == scores
    assert patience_stop(scores, 4, higher) == callback.stopper.stop_epoch
    assert model.best_iteration == callback.stopper.best_epoch
    about = read_curves(tmp_path).about
    # LightGBM itself says what is better
    assert about("val-auc") == Channel("val", "max", metric="auc", data="val")
    assert about("val").direction == "min"
    assert about("val").source == "val-binary_logloss"
    assert about("epoch").unit == "round"
    with pytest.raises(ValueError, match=r"monitor = 'val-map'.*available are train-l2, val-l2"):
        lightgbm_trained(lightgbm, lightgbm_callback(Keras(2, val="val-map")))


def test_lightgbm_cross_validates(lightgbm):
    callback = lightgbm_callback("Keras(3)")
    data = lightgbm.Dataset(X, Y)
    params = {"metric": "l2", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 3}
    found = lightgbm.cv(params, data, 200, nfold=3, stratified=False, callbacks=[callback])
    assert callback.stopper.stopped
    best = callback.stopper.best_epoch
    assert found["valid l2-mean"] == callback.stopper.history[0].val.tolist()[: int(best)]


def test_lightgbm_cross_validates_on_the_validation_data(lightgbm, tmp_path):
    """Also where the training data are evaluated, before them."""
    callback = lightgbm_callback("LightGBM(5)", record=tmp_path)
    params = {"metric": "l2", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 3}
    folds = {"nfold": 3, "stratified": False, "eval_train_metric": True, "seed": 0}
    data = lightgbm.Dataset(X, Y)
    found = lightgbm.cv(params, data, 200, callbacks=[callback], **folds)
    curve, best = require_replayed(callback.stopper, tmp_path), callback.stopper.best_epoch
    assert curve.val[: int(best)].tolist() == found["valid l2-mean"]
    assert not callback.stopper.history.about("val").stand_in
    own = lightgbm.early_stopping(5, verbose=False)
    expected = lightgbm.cv(params, data, 200, callbacks=[own], **folds)
    assert len(expected["valid l2-mean"]) == best


@pytest.mark.trained("LightGBM", "several metrics", "several sets")
def test_lightgbm_watches_the_metric_and_the_set_asked_for(lightgbm, tmp_path):
    callback = lightgbm_callback(
        "Keras(6)", data_name="second", metric_name="l1", train_name="train", record=tmp_path
    )
    seen, data = {}, lightgbm.Dataset(X, Y)
    sets = [data, data.create_valid(X[:60], Y[:60]), data.create_valid(X_VAL, Y_VAL)]
    model = lightgbm.train(
        {"metric": ["l2", "l1"], "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 3},
        data,
        300,
        valid_sets=sets,
        valid_names=["train", "first", "second"],
        callbacks=[callback, lightgbm.record_evaluation(seen)],
    )
    curve, best = require_replayed(callback.stopper, tmp_path), callback.stopper.best_epoch
    assert curve.val.tolist() == seen["second"]["l1"]
    assert curve.train.tolist() == seen["train"]["l1"]
    error = np.abs(model.predict(X_VAL) - Y_VAL).mean()
    assert error == pytest.approx(at(curve, "val", best), rel=1e-6)


@pytest.mark.trained("LightGBM", "continued training")
def test_lightgbm_goes_on_after_a_model_s_rounds(lightgbm, tmp_path):
    slow = {"learning_rate": 0.02}
    first = lightgbm_trained(lightgbm, lightgbm_callback("MaxEpochs(5)"), **slow)
    callback = lightgbm_callback("Keras(4)", record=tmp_path)
    model = lightgbm_trained(lightgbm, callback, init_model=first, **slow)
    curve, best = require_replayed(callback.stopper, tmp_path), callback.stopper.best_epoch
    assert curve.epoch[0] == 6
    assert model.best_iteration == best
    assert rmse(model.predict(X_VAL)) ** 2 == pytest.approx(at(curve, "val", best), rel=1e-6)


LIGHTGBM_MACHINE = """
import sys
import lightgbm, numpy as np
from earlystop_lab.live.lightgbm import StopCallback
rank, file, record, *ports = sys.argv[1:]
rank, data = int(rank), np.load(file)
here = slice(rank, None, 2)
train = lightgbm.Dataset(data["x"][here], data["y"][here])
# every machine measures on its own data: to decide alike they need the same
val = train.create_valid(data["x_val"], data["y_val"])
callback = StopCallback("Keras(4)", record=record if rank == 0 else None)
machines = ",".join(f"127.0.0.1:{port}" for port in ports)
model = lightgbm.train(
    {"metric": "l2", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 3,
     "tree_learner": "data", "pre_partition": True, "num_machines": 2, "machines": machines,
     "local_listen_port": int(ports[rank]), "time_out": 1},
    train, 300, valid_sets=[val], valid_names=["val"], callbacks=[callback])
error = ((model.predict(data["x_val"]) - data["y_val"]) ** 2).mean()
print(f"\\nsaid {callback.stopper.reason}; {model.best_iteration} {error!r}", flush=True)
"""


@pytest.mark.trained("LightGBM", "distributed")
def test_lightgbm_machines_with_the_same_validation_data_stop_together(lightgbm, tmp_path):
    file, record = tmp_path / "data.npz", tmp_path / "runs"
    np.savez(file, x=X, y=Y, x_val=X_VAL, y_val=Y_VAL)
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        ports = [str(each.getsockname()[1]) for each in (one, other)]
    started = [
        subprocess.Popen(
            [
                *(sys.executable, "-c", LIGHTGBM_MACHINE),
                *(str(rank), str(file), str(record), *ports),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in started]
    said = [line for output in outputs for line in output.splitlines() if "said" in line]
    assert len(said) == 2
    assert said[0] == said[1]
    curves = read_curves(record)
    stops = replay(curves, ["Keras(4)"])
    (curve,), best = curves, stops.selected[0, 0]
    assert f"at round {stops.stop[0, 0]:g}; best round {best:g}; {best:g} " in said[0]
    error = float(said[0].split()[-1].removeprefix("np.float64(").removesuffix(")"))
    assert error == pytest.approx(at(curve, "val", best), rel=1e-6)


@pytest.mark.trained("LightGBM", "interrupted")
def test_lightgbm_records_what_was_interrupted(lightgbm, tmp_path):
    def interrupts(env):
        if env.iteration == 6:
            raise KeyboardInterrupt

    interrupts.order = 40
    callback = lightgbm_callback("Keras(99)", record=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        lightgbm_trained(lightgbm, callback, also=[interrupts])
    assert read_curves(tmp_path)[0].epoch.tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_lightgbm_records_every_fit_of_a_search(lightgbm, tmp_path):
    search = pytest.importorskip("sklearn.model_selection").GridSearchCV
    callback = lightgbm_callback("Keras(4)", record=tmp_path)
    model = lightgbm.LGBMRegressor(n_estimators=60, n_jobs=1, verbosity=-1)
    searched = search(model, {"num_leaves": [4]}, cv=5, refit=False)
    searched.fit(X, Y, eval_X=(X_VAL,), eval_y=(Y_VAL,), callbacks=[callback])
    curves = read_curves(tmp_path)
    assert len(curves) == 5
    stops = replay(curves, ["Keras(4)"])
    assert stops.stop[:, 0].tolist() == [curve.epoch[-1] for curve in curves]


def test_lightgbm_refuses_what_cannot_be(lightgbm):
    with pytest.raises(ValueError, match="boosting = 'dart' with restore = 'best'"):
        lightgbm_trained(lightgbm, lightgbm_callback("GL(2)"), 3, boosting="dart")
    lightgbm_trained(lightgbm, lightgbm_callback("GL(2)", restore="last"), 3, boosting="dart")
    with pytest.raises(
        ValueError, match=r"'test-any metric': no such metric; available are train-l2, val-l2"
    ):
        lightgbm_trained(lightgbm, lightgbm_callback("GL(2)", data_name="test"), 3)


# -- CatBoost -----------------------------------------------------------------------------------


@pytest.fixture
def catboost():
    return pytest.importorskip("catboost")


CATBOOST = {
    "iterations": 300,
    "learning_rate": 0.3,
    "depth": 4,
    "thread_count": 1,
    "use_best_model": False,
    "verbose": False,
    "allow_writing_files": False,
}


def catboost_trained(catboost, *callbacks, init_model=None, **settings):
    model = catboost.CatBoostRegressor(**{**CATBOOST, **settings})
    return model.fit(X, Y, eval_set=(X_VAL, Y_VAL), callbacks=[*callbacks], init_model=init_model)


class Interrupts:
    """A callback that ends the training at an iteration by an error."""

    def __init__(self, at):
        self.at = at

    def after_iteration(self, info):
        if info.iteration == self.at:
            raise FloatingPointError
        return True


def catboost_callback(*args, **kwargs):
    from earlystop_lab.live.catboost import StopCallback

    return StopCallback(*args, **kwargs)


@pytest.mark.parametrize("rule", RULES)
def test_catboost_stops_where_its_replay_does(catboost, tmp_path, rule):
    callback = catboost_callback(rule, record=tmp_path)
    model = catboost_trained(catboost, callback)
    assert model.tree_count_ == callback.stopper.stop_epoch
    callback.restore(model)
    curve, best = require_replayed(callback.stopper, tmp_path), callback.stopper.best_epoch
    assert curve.train is not None
    assert model.tree_count_ == best < curve.epoch[-1]
    assert rmse(model.predict(X_VAL)) == pytest.approx(at(curve, "val", best), rel=1e-9)


def test_catboost_rules_of_two_metrics(catboost, tmp_path):
    error = Channel(direction="min")
    rule = any_of(Keras(60), Keras(3, val="validation-MAE"))
    callback = catboost_callback(
        rule, metric_name="RMSE", channels={"validation-MAE": error}, record=tmp_path
    )
    model = catboost_trained(catboost, callback, custom_metric=["MAE"])
    errors = model.get_evals_result()["validation"]["MAE"]
    callback.restore(model)
    curve = require_replayed(callback.stopper, tmp_path)
    assert curve["validation-MAE"].tolist() == errors
    stop = patience_stop(errors, 3, lambda value, best: value < best)
    assert stop == callback.stopper.stop_epoch
    assert "at round" in callback.stopper.reason
    about = read_curves(tmp_path).about
    assert about("val") == Channel(
        "val",
        "min",
        metric="RMSE",
        data="validation",
        source="validation-RMSE",
        stand_in=False,
    )
    assert about("train").data == "learn"


def test_catboost_keeps_the_last_tree_where_asked_to(catboost):
    callback = catboost_callback("Keras(4)", restore="last")
    model = catboost_trained(catboost, callback)
    callback.restore(model)
    assert model.tree_count_ == callback.stopper.stop_epoch


@pytest.mark.trained("CatBoost", "several metrics")
@pytest.mark.parametrize("metric", ["AUC", "AUC:hints=skip_train~false", "Accuracy", None])
def test_catboost_watches_its_eval_metric(
    catboost, tmp_path, tmp_path_factory, monkeypatch, metric
):
    # eval_metrics() writes where it is
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))
    settings = {**CATBOOST, "eval_metric": metric, "custom_metric": ["F1", "Precision"]}
    data = {"X": X, "y": Y > 0, "eval_set": (X_VAL, Y_VAL > 0)}
    callback = catboost_callback("CatBoostIter(8)", record=tmp_path)
    model = catboost.CatBoostClassifier(**settings).fit(**data, callbacks=[callback])
    values = model.evals_result_["validation"]
    callback.restore(model)
    curve = require_replayed(callback.stopper, tmp_path)
    name = (metric or "Logloss").partition(":")[0]
    assert curve.val.tolist() == values[name]
    assert callback.stopper.mode == ("min" if metric is None else "max")
    own = {**settings, "od_type": "Iter", "od_wait": 8, "use_best_model": True}
    assert model.tree_count_ == catboost.CatBoostClassifier(**own).fit(**data).tree_count_
    assert model.eval_metrics(catboost.Pool(X_VAL, Y_VAL > 0), name)[name][-1] == pytest.approx(
        at(curve, "val", callback.stopper.best_epoch), rel=1e-9
    )


@pytest.mark.filterwarnings("ignore:Can't optimze method")
def test_catboost_asks_where_it_cannot_know(catboost):
    class Own:
        def is_max_optimal(self):
            return True

        def evaluate(self, approximated, target, weight):
            return -float(np.abs(np.subtract(approximated[0], target)).sum()), len(target)

        def get_final_error(self, error, weight):
            return error / weight

    with pytest.raises(catboost.CatBoostError, match=r"mode: .* higher values of Own are better"):
        catboost_trained(catboost, catboost_callback("Keras(2)"), eval_metric=Own())
    callback = catboost_callback("Keras(2)", mode="max")
    catboost_trained(catboost, callback, eval_metric=Own())
    assert callback.stopper.history.about("val").metric == "Own"
    # the loss cannot be told from the metrics that are computed beside it
    with pytest.raises(catboost.CatBoostError, match="metric_name: CatBoost computes MAE, RMSE; "):
        catboost_trained(catboost, catboost_callback("Keras(2)"), custom_metric=["MAE", "RMSE"])


@pytest.mark.trained("CatBoost", "several sets")
def test_catboost_watches_one_of_several_sets(catboost, tmp_path):
    callback = catboost_callback("Keras(5)", data_name="validation_1", record=tmp_path)
    model = catboost.CatBoostRegressor(**CATBOOST)
    model.fit(X, Y, eval_set=[(X, Y), (X_VAL, Y_VAL)], callbacks=[callback])
    callback.restore(model)
    curve = require_replayed(callback.stopper, tmp_path)
    best = at(curve, "val", callback.stopper.best_epoch)
    assert rmse(model.predict(X_VAL)) == pytest.approx(best, rel=1e-9)


@pytest.mark.trained("CatBoost", "checking less often")
@pytest.mark.parametrize("period", [2, 5])
def test_catboost_checks_where_it_computes_metrics(catboost, tmp_path, period):
    callback = catboost_callback("Keras(3)", record=tmp_path)
    model = catboost_trained(catboost, callback, metric_period=period)
    values = model.evals_result_["validation"]["RMSE"]
    callback.restore(model)
    curve = require_replayed(callback.stopper, tmp_path)
    assert curve.val.tolist() == values
    assert curve.epoch.tolist() == [1 + period * i for i in range(len(values))]
    assert patience_stop(values, 3, lambda value, best: value < best) == len(values)
    best = at(curve, "val", callback.stopper.best_epoch)
    assert rmse(model.predict(X_VAL)) == pytest.approx(best, rel=1e-9)


@pytest.mark.trained("CatBoost", "continued training")
@pytest.mark.parametrize("cut", [False, True])
def test_catboost_goes_on_after_a_model_s_trees(catboost, tmp_path, cut):
    first = catboost_trained(catboost, iterations=10, learning_rate=0.05)
    callback = catboost_callback("Keras(4)", record=tmp_path)
    model = catboost_trained(
        catboost, callback, init_model=first, learning_rate=0.05, use_best_model=cut
    )
    callback.restore(model)
    curve, best = require_replayed(callback.stopper, tmp_path), callback.stopper.best_epoch
    assert model.tree_count_ == 10 + best
    assert rmse(model.predict(X_VAL)) == pytest.approx(at(curve, "val", best), rel=1e-9)


@pytest.mark.trained("CatBoost", "resumed", "interrupted")
@pytest.mark.parametrize("period", [1, 3])
@pytest.mark.parametrize("anew", [False, True])
def test_catboost_goes_on_from_a_snapshot(catboost, tmp_path, period, anew):
    whole = catboost_callback("Keras(4)")
    expected = catboost_trained(catboost, whole, metric_period=period)
    whole.restore(expected)
    snapshots = {
        "metric_period": period,
        "allow_writing_files": True,
        "save_snapshot": True,
        "snapshot_file": "snapshot",
        "snapshot_interval": 0,
        "train_dir": str(tmp_path / "train"),
    }
    at_iteration = int(whole.stopper.best_epoch) + 1
    callback = catboost_callback("Keras(4)", record=tmp_path / "runs", run="mine")
    with pytest.raises(catboost.CatBoostError, match="FloatingPointError"):
        catboost_trained(catboost, callback, Interrupts(at_iteration), **snapshots)
    # the record is there, although nobody was told of the end
    seen = [epoch for epoch in whole.stopper.history[0].epoch if epoch <= at_iteration]
    assert read_curves(tmp_path / "runs")[0].epoch.tolist() == seen
    if anew:
        callback = catboost_callback("Keras(4)", record=tmp_path / "runs", run="mine")
    model = catboost_trained(catboost, callback, **snapshots)
    callback.restore(model)
    curve = require_replayed(callback.stopper, tmp_path / "runs")
    assert curve.val.tolist() == whole.stopper.history[0].val.tolist()
    assert curve.epoch.tolist() == whole.stopper.history[0].epoch.tolist()
    assert callback.stopper.reason == whole.stopper.reason
    assert rmse(model.predict(X_VAL)) == rmse(expected.predict(X_VAL))


def test_catboost_records_every_fit_of_a_search(catboost, tmp_path):
    search = pytest.importorskip("sklearn.model_selection").GridSearchCV
    callback = catboost_callback("Keras(4)", record=tmp_path)
    settings = {**CATBOOST, "iterations": 40}
    searched = search(catboost.CatBoostRegressor(**settings), {"depth": [2]}, cv=5, refit=False)
    searched.fit(X, Y, eval_set=(X_VAL, Y_VAL), callbacks=[callback])
    curves = read_curves(tmp_path)
    assert len(curves) == len(set(curves.runs)) == 5
    stops = replay(curves, ["Keras(4)"])
    assert stops.stop[:, 0].tolist() == [curve.epoch[-1] for curve in curves]


def test_catboost_refuses_what_cannot_be(catboost):
    # keeps the last one, which use_best_model has cut off
    callback = catboost_callback("Keras(9)", restore="ModelCheckpoint()")
    model = catboost_trained(catboost, callback, iterations=40, use_best_model=True)
    with pytest.raises(ValueError, match=r"trees, but the selected .* with use_best_model=False"):
        callback.restore(model)
    words = r"'test-any metric': no such metric; available are learn-RMSE, validation-RMSE"
    with pytest.raises(catboost.CatBoostError, match=words):
        catboost_trained(catboost, catboost_callback("GL(2)", data_name="test"))


# -- arguments that go on to the stopper ---------------------------------------------------------


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "catboost"])
@pytest.mark.parametrize("wrong", ["patience", "metric", "mode"])
def test_arguments_that_are_none_are_named(name, wrong):
    pytest.importorskip(name)
    callback = importlib.import_module(f"earlystop_lab.live.{name}").StopCallback
    if wrong == "mode" and name != "lightgbm":  # which says itself what is better
        assert callback("UP(2)", mode="max").stopper.mode == "max"
        return
    with pytest.raises(TypeError, match=f"'{wrong}'"):
        callback("GL(2)", **{wrong: "max"})


# -- what the pages and docstrings say ----------------------------------------------------------


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "catboost"])
def test_examples(name):
    pytest.importorskip(name)
    run_examples(name)


@pytest.mark.parametrize("name", ["xgboost", "lightgbm", "catboost"])
def test_page(name, tmp_path, monkeypatch):
    pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    data = {"x": X, "y": Y, "x_val": X_VAL, "y_val": Y_VAL}
    require_replayed(run_page(name, data)["callback"].stopper, "runs")
