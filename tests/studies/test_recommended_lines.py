"""A recommendation from logs: the metric that was analysed is the one that the lines watch."""

import json

import numpy as np
import pytest

from earlystop_lab import Channel, CurveSet, Keras, read_curves, read_logs, recommend
from earlystop_lab.report import in_words
from earlystop_lab.report.pasting import lines

ROUNDS = np.arange(60)


def valley(k, scale=1.0):
    rng = np.random.default_rng(k)
    falls = 0.35 + 0.35 * np.exp(-ROUNDS / 7) + 0.002 * np.maximum(0, ROUNDS - 18 - k)
    return (scale * (falls + rng.uniform(-0.002, 0.002, len(ROUNDS)))).round(5).tolist()


def rising(k):
    return (0.95 - 0.35 * np.exp(-(ROUNDS + k / 10) / 12)).round(5).tolist()


def code(answer_or_lines, program):
    return next(line.code for line in answer_or_lines if line.program == program)


@pytest.mark.parametrize(
    ("sets", "metrics", "of_xgboost", "of_lightgbm"),
    [
        (("train", "valid"), ("logloss", "auc"), ("logloss", "valid"), "binary_logloss"),
        (("train", "valid"), ("auc", "logloss"), ("logloss", "valid"), "binary_logloss"),
        (("validation_0", "validation_1"), ("mlogloss", "merror"), ("mlogloss", "validation_1"),
         "multi_logloss"),
        (("training", "valid_1"), ("binary_logloss", "auc"), ("logloss", "valid_1"),
         "binary_logloss"),
        (("dtrain", "dtest"), ("rmse", "mae"), ("rmse", "dtest"), "rmse"),
    ],
)  # fmt: skip
def test_boosting_watches_what_was_analysed(tmp_path, sets, metrics, of_xgboost, of_lightgbm):
    for k in range(8):
        curves = {
            name: {m: rising(k) if m == "auc" else valley(k, 0.5 + 0.5 * i) for m in metrics}
            for i, name in enumerate(sets)
        }
        (tmp_path / f"run{k}.json").write_text(json.dumps(curves))
    text = in_words(recommend(read_logs(tmp_path).curves))
    metric, data = of_xgboost
    assert f'metric_name="{metric}", data_name="{data}")' in text
    assert f'metric=["{of_lightgbm}", ...]' in text
    assert "first_metric_only=True" in text
    assert f" on {data} (lower is better)." in text
    # nor does another program get a name that it has not
    assert f'monitor="val_{metrics[metrics[0] == "auc"]}"' in text


def test_lines_without_a_known_metric_name_none():
    for made in (lines(Keras(9)), lines(Keras(9), metric="loss"), lines(Keras(9), metric="PFound")):
        assert code(made, "LightGBM") == "lightgbm.early_stopping(stopping_rounds=9)"
        assert "metric_name" not in code(made, "XGBoost")
    assert code(lines(Keras(9), metric="auc", mode="max"), "XGBoost").endswith(
        'maximize=True, save_best=True, metric_name="auc")'
    )


@pytest.mark.parametrize("settings", [None, "task: detect\n", "task: detect\ncompile: false\n"])
def test_ultralytics_gets_a_line_for_its_fitness(tmp_path, settings):
    for k in range(8):
        folder = tmp_path / f"train{k}"
        folder.mkdir()
        if settings is not None:
            (folder / "args.yaml").write_text(settings)
        rows = ["epoch,train/box_loss,metrics/mAP50(B),metrics/mAP50-95(B),val/box_loss"]
        for i, (loss, score) in enumerate(zip(valley(k), rising(k), strict=True)):
            at = score - 0.004 * max(0, i - 25 - k)
            rows.append(f"{i + 1},{loss},{at},{0.7 * at},{loss}")
        (folder / "results.csv").write_text("\n".join(rows) + "\n")
    answer = recommend(read_logs(tmp_path).curves)
    text = in_words(answer)
    (advice,) = answer.advice
    assert f"model.train(patience={advice.criterion.threshold:g}, epochs=60)" in text
    assert "Analysed: fitness (higher is better)." in text
    assert "keras" not in text.lower().split("code to paste:")[1].split("other trade-offs")[0]
    # Ultralytics has no min_delta
    assert "min_delta" not in str(advice.criterion)


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_training_curves_in_place_of_validation_give_no_recommendation(tmp_path, suffix):
    for k in range(8):
        rows = "".join(f"{i},{value}\n" for i, value in enumerate(valley(k)))
        (tmp_path / f"run{k}.csv").write_text(f"epoch,loss\n{rows}")
    curves = read_logs(tmp_path).curves
    curves.write(tmp_path / f"curves.{suffix}")
    for each in (curves, read_curves(tmp_path / f"curves.{suffix}")):
        answer = recommend(each)
        assert answer.verdict == "declined"
        first = in_words(answer).splitlines()[0]
        assert "8 of 8 runs were excluded: they have a training curve in place" in first
    # unless the reader is told that it is none
    told = {"val": Channel(stand_in=False)}
    again = read_curves(tmp_path / f"curves.{suffix}", channels=told)
    assert recommend(again).verdict != "declined"


def test_what_is_said_of_channels_goes_over_what_runs_say():
    runs = [{"val": [1.0], "val.metric": "loss", "val.data": None}, {"val": [1.0]}]
    told = {"val": Channel(metric="rmse", data="held out")}
    meta = CurveSet.from_runs(runs, channels=told).meta
    assert meta["val.metric"].tolist() == ["rmse", "rmse"]
    assert meta["val.data"].tolist() == ["held out", "held out"]
