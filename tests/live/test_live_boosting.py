"""The boosting callbacks against replay, and the models they leave against an evaluation."""

import importlib
import json

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

from earlystop_lab import Channel, Keras, any_of, read_curves

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


def xgboost_trained(xgboost, callback, rounds=200, **kwargs):
    data, val = xgboost.DMatrix(X, Y), xgboost.DMatrix(X_VAL, Y_VAL)
    params = {"objective": "reg:squarederror", "eta": 0.2, "nthread": 1}
    return xgboost.train(
        params,
        data,
        rounds,
        evals=[(data, "train"), (val, "val")],
        verbose_eval=False,
        callbacks=[callback],
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
    assert model.best_iteration == best - 1
    assert float(model.best_score) == at(curve, "val", best)


def test_xgboost_keeps_the_last_round_where_asked_to(xgboost, tmp_path):
    callback = xgboost_callback("Keras(4)", restore="last", record=tmp_path)
    model, val = xgboost_trained(xgboost, callback)
    curve = require_replayed(callback.stopper, tmp_path)
    assert model.num_boosted_rounds() == curve.epoch[-1]
    assert rmse(model.predict(val)) == pytest.approx(curve.val[-1], rel=1e-5)


def test_xgboost_higher_is_better_in_its_estimators(xgboost, tmp_path):
    callback = xgboost_callback("Keras(3)", mode="max", metric_name="auc", record=tmp_path)
    model = xgboost.XGBClassifier(
        n_estimators=100, eval_metric=["logloss", "auc"], n_jobs=1, callbacks=[callback]
    )
    model.fit(X, Y > 0, eval_set=[(X_VAL, Y_VAL > 0)], verbose=False)
    require_replayed(callback.stopper, tmp_path)
    scores = model.evals_result()["validation_0"]["auc"]
    assert model.best_iteration == int(np.argmax(scores)) == callback.stopper.best_epoch - 1
    assert model.best_score == max(scores)


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
    assert model.best_iteration == int(np.argmax(model.evals_result()["validation_0"]["auc"]))


def test_xgboost_training_data_that_are_watched_stand_in(xgboost):
    for names in ({"data_name": "train"}, {"data_name": "val", "train_name": "val"}):
        callback = xgboost_callback("Keras(9)", **names)
        xgboost_trained(xgboost, callback, 2)
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


def test_xgboost_goes_on_after_a_model_s_rounds(xgboost):
    callback = xgboost_callback("MaxEpochs(5)")
    model, _ = xgboost_trained(xgboost, callback, 2)
    first = callback.stopper
    assert first.history[0].epoch.tolist() == [1, 2]
    xgboost_trained(xgboost, callback, xgb_model=model)
    assert callback.stopper.run != first.run
    assert callback.stopper.history[0].epoch.tolist() == [3, 4, 5]


def test_xgboost_names_what_is_there(xgboost):
    with pytest.raises(ValueError, match=r"monitor = 'test-rmse'.* there are train-rmse, val-rmse"):
        xgboost_trained(xgboost, xgboost_callback("GL(2)", data_name="test", metric_name="rmse"))
    other = xgboost_callback(Keras(2, val="val-auc"), channels={"val-auc": SCORE})
    with pytest.raises(ValueError, match=r"monitor = 'val-auc'.* there are train-rmse, val-rmse"):
        xgboost_trained(xgboost, other)


# -- LightGBM -----------------------------------------------------------------------------------


@pytest.fixture
def lightgbm():
    return pytest.importorskip("lightgbm")


def lightgbm_callback(*args, **kwargs):
    from earlystop_lab.live.lightgbm import StopCallback

    return StopCallback(*args, **kwargs)


def lightgbm_trained(lightgbm, callback, rounds=300, also=(), **params):
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
    with pytest.raises(ValueError, match=r"monitor = 'val-map'.*there are train-l2, val-l2"):
        lightgbm_trained(lightgbm, lightgbm_callback(Keras(2, val="val-map")))


def test_lightgbm_cross_validates(lightgbm):
    callback = lightgbm_callback("Keras(3)")
    data = lightgbm.Dataset(X, Y)
    params = {"metric": "l2", "verbosity": -1, "num_threads": 1, "min_data_in_leaf": 3}
    found = lightgbm.cv(params, data, 200, nfold=3, stratified=False, callbacks=[callback])
    assert callback.stopper.stopped
    best = callback.stopper.best_epoch
    assert found["valid l2-mean"] == callback.stopper.history[0].val.tolist()[: int(best)]


def test_lightgbm_refuses_what_cannot_be(lightgbm):
    with pytest.raises(ValueError, match="boosting = 'dart' with restore = 'best'"):
        lightgbm_trained(lightgbm, lightgbm_callback("GL(2)"), 3, boosting="dart")
    lightgbm_trained(lightgbm, lightgbm_callback("GL(2)", restore="last"), 3, boosting="dart")
    with pytest.raises(
        ValueError, match=r"'test-any metric': no such metric; there are train-l2, val-l2"
    ):
        lightgbm_trained(lightgbm, lightgbm_callback("GL(2)", data_name="test"), 3)


# -- CatBoost -----------------------------------------------------------------------------------


@pytest.fixture
def catboost():
    return pytest.importorskip("catboost")


def catboost_trained(catboost, callback, **settings):
    model = catboost.CatBoostRegressor(
        **{
            "iterations": 300,
            "learning_rate": 0.3,
            "depth": 4,
            "thread_count": 1,
            "use_best_model": False,
            "verbose": False,
            "allow_writing_files": False,
            **settings,
        }
    )
    return model.fit(X, Y, eval_set=(X_VAL, Y_VAL), callbacks=[callback])


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


def test_catboost_refuses_what_cannot_be(catboost):
    # keeps the last one, which use_best_model has cut off
    callback = catboost_callback("Keras(9)", restore="ModelCheckpoint()")
    model = catboost_trained(catboost, callback, iterations=40, use_best_model=True)
    with pytest.raises(ValueError, match=r"trees, the selected .* fit with use_best_model=False"):
        callback.restore(model)
    words = r"'test-any metric': no such metric; there are learn-RMSE, validation-RMSE"
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
