"""Kinds of logs that are easily read as something else: a case of each, and variants of it."""

import math
from pathlib import Path

import numpy as np
import pytest

from earlystop_lab import read_logs

CASES = Path(__file__).parent / "cases"
NAN, INF = math.nan, math.inf


def curve_of(path, **options):
    """The only run of a log of which nothing is left out."""
    found = read_logs(path, **options)
    assert found.skipped == (), found.skipped
    assert len(found.curves) == 1, found.plan
    return found.curves[0]


def checks(curve, name="val"):
    """Position and value wherever a channel was measured."""
    if name not in curve.channels:
        return None
    there = curve.measured(name)
    return [*zip(curve.epoch[there].tolist(), curve[name][there].tolist(), strict=True)]


def notes_of(path, **options):
    return [note.text for note in read_logs(path, **options).notes]


def refusal(path, **options):
    """Why nothing of a log is imported."""
    found = read_logs(path, **options)
    assert not len(found.curves), found.plan
    return " ".join(skipped.reason for skipped in found.skipped)


def written(folder, text, name):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def epochs(*values):
    return [*enumerate(map(float, values), start=1)]


#: case -> options, val, train
RIGHT = {
    "evaluation_prefix.log": ({}, epochs(2.1, 1.8, 1.95, 2.05), epochs(2.3, 1.9, 1.5, 1.1)),
    "mmengine_scalars.json": (
        {"val": "accuracy/top1", "mode": "max"},
        epochs(43.1, 71.0, 76.9, 81.7, 80.9, 80.2),
        epochs(1.26, 0.882, 0.6174, 0.4322, 0.3025, 0.2118),
    ),
    "mmengine_min.json": ({}, epochs(19.4, 10.7, 6.0), epochs(35.4, 23.8, 12.4)),
    "detectron2_metrics.json": (
        {"val": "bbox/AP", "mode": "max"},
        [(499, 21.3), (999, 18.8), (1499, 27.7), (1999, 27.1)],
        None,
    ),
    "marian_valid.log": ({}, [(16000, 1.62), (18000, 1.57), (20000, 1.58)], None),
    "dvclive": (
        {},
        [*enumerate([2.4, 1.9, 1.7, 1.8, 2.0])],
        [*enumerate([2.3, 1.6, 1.1, 0.8, 0.5])],
    ),
    "comma_loss_train.log": ({}, epochs(0.659, 0.370), epochs(0.771, 0.333)),
    "mlflow_isnan_min.csv": ({}, [(0, 3.0), (1, 2.0), (2, NAN), (3, 1.5)], None),
    "clearml_oneline.jsonl": (
        {},
        [*enumerate([3.0, 2.0, 2.5, 3.5])],
        [*enumerate([3.5, 2.2, 1.0, 0.5])],
    ),
    "keras_initial_epoch.csv": ({}, [(4, 2.1), (5, 1.9)], [(4, 2.0), (5, 1.5)]),
    "quoted_newline.csv": ({}, epochs(3.0, 2.0, 2.5), None),
    "swanlab_1000.log": ({"val": "data"}, [(0, 3.0), (100, 3.1), (200, 3.2)], None),
}


@pytest.mark.parametrize("name", RIGHT)
def test_the_right_values(name):
    options, val, train = RIGHT[name]
    curve = curve_of(CASES / name, **options)
    np.testing.assert_equal(checks(curve), val)
    assert curve.epoch.tolist() == [at for at, _ in val]
    np.testing.assert_equal(checks(curve, "train"), train)


def test_runs_that_were_appended():
    found = read_logs(CASES / "appended_runs.jsonl")
    assert [checks(curve) for curve in found.curves] == [
        epochs(5.6, 5.3, 5.4), epochs(5.5, 5.0, 5.1), epochs(3.9)
    ]  # fmt: skip
    assert sum("starts again at 0 on line 4 and 1 more: 3 runs" in n.text for n in found.notes) == 1
    curve = curve_of(CASES / "appended_runs.jsonl", restart="continue")
    assert checks(curve) == epochs(5.6, 5.3, 5.4, 5.5, 5.0, 5.1, 3.9)


def test_equal_rows_of_two_writers_are_read_once():
    curve = curve_of(CASES / "llamafactory_two_writers.jsonl")
    assert curve.val.tolist() == [0.85, 0.8, 0.75, 0.7, 0.65, 0.6]
    assert notes_of(CASES / "llamafactory_two_writers.jsonl")[1:] == [
        "6 rows repeat others: read once"
    ]


@pytest.mark.parametrize(
    ("name", "metric"),
    [("mmengine_scalars.json", "accuracy/top1"), ("detectron2_metrics.json", "bbox/AP")],
)
def test_a_score_that_was_evaluated_is_a_choice(name, metric):
    assert f"--val {metric} --mode max" in refusal(CASES / name)


def test_the_metric_beside_is_offered():
    curve = curve_of(CASES / "marian_valid.log", val="valid/bleu", mode="max")
    assert checks(curve) == [(16000, 45.3), (18000, 46.9), (20000, 48.1)]


def test_a_log_and_its_twin_are_one_run():
    found = read_logs(CASES / "mmengine_folder")
    assert len(found.curves) == 1
    assert sum("read once" in note.text for note in found.notes) == 1
    curve = curve_of(CASES / "mmengine_every1_scalars.json")
    np.testing.assert_array_equal(found.curves[0].val, curve.val)
    assert curve.epoch.tolist() == [1, 2, 3, 4]
    assert not np.isnan(curve.train).any()


def test_a_search_is_refused_by_name():
    assert "a hyperparameter search (FLAML)" in refusal(CASES / "flaml_min.log")
