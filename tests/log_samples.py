"""One small log of every format, as its program writes it, and where genuine ones are."""

import json
import os
import sqlite3
import struct
import zlib
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

VAL = [1.0, 0.75, 0.625, 0.65, 0.7, 0.8]
TRAIN = [0.9, 0.6, 0.4, 0.3, 0.2, 0.1]


def rows(template, start=0, header=""):
    """A line for every check from a template with {at}, {train} and {val}."""
    lines = [
        template.format(at=start + i, train=t, val=v)
        for i, (t, v) in enumerate(zip(TRAIN, VAL, strict=True))
    ]
    return "\n".join([header] * bool(header) + lines) + "\n"


def entries(**names):
    """A JSON list of one object a check; the columns named as given."""
    curves = {"at": list(range(1, 7)), "train": TRAIN, "val": VAL}
    return [{names[k]: curves[k][i] for k in names} for i in range(6)]


_CATBOOST = {
    "meta": {
        "test_metrics": [{"best_value": "Max", "name": "AUC"}, {"best_value": "Min", "name": "L"}],
        "learn_metrics": [{"best_value": "Min", "name": "L"}],
    },
    "iterations": [
        {"learn": [t], "iteration": i, "test": [0.5, v]}
        for i, (t, v) in enumerate(zip(TRAIN, VAL, strict=True))
    ],
}
_AUTOGLUON = [
    {
        "eval_metric": "acc",
        "models": {"A": {"ag_args_fit": {"use_error_for_curve_metrics": True}}},
    },
    {"A": [["train", "val"], ["f1", "acc"], [[VAL, TRAIN], [TRAIN, VAL]]]},
]
_HUGGINGFACE = {
    "log_history": [
        entry
        for e in entries(at="step", train="loss", val="eval_loss")
        for entry in (
            {"loss": e["loss"], "epoch": float(e["step"]), "step": e["step"]},
            {
                "eval_loss": e["eval_loss"],
                "eval_runtime": 3.5,
                "epoch": float(e["step"]),
                "step": e["step"],
            },
        )
    ]
    + [{"train_loss": 0.4, "step": 6}]
}
_SCALAR = "training_stats_scalar"
_CLEARML = [
    json.dumps(
        [
            {
                "type": "training_stats_scalar",
                "iter": i,
                "metric": "loss",
                "variant": of,
                "value": v,
            }
            for of, v in zip(("train", "validation"), values, strict=True)
        ]
    )
    + "\n"
    for i, values in enumerate(zip(TRAIN, VAL, strict=True), start=1)
]
_MLPERF = (
    '0: :::MLLOG {{"key": "tracked_stats", "value": {{"train_loss": {train}}}, '
    '"metadata": {{"lineno": 8, "epoch_num": {at}}}}}\n'
    ':::MLLOG {{"key": "eval_accuracy", "value": {val}, "metadata": {{"epoch_num": {at}}}}}'
)
#: name of the file -> format, text, position of the first check
TEXTS = {
    "history.csv": ("keras-csv", rows("{at},{train},{val}", 0, "epoch,loss,val_loss"), 1),
    "history.json": ("keras-history", json.dumps({"loss": TRAIN, "val_loss": VAL}), 1),
    "metrics.csv": (
        "lightning",
        rows("{at},{at},{train},\n{at},{at},,{val}", 0, "epoch,step,train_loss,val_loss"),
        1,
    ),
    "trainer_state.json": ("huggingface", json.dumps(_HUGGINGFACE), 1),
    "xgb.json": (
        "xgboost",
        json.dumps({"train": {"auc": VAL, "rmse": TRAIN}, "eval": {"auc": TRAIN, "rmse": VAL}}),
        1,
    ),
    "lgb.json": ("lightgbm", json.dumps({"training": {"l2": TRAIN}, "valid_0": {"l2": VAL}}), 1),
    "catboost_training.json": ("catboost", json.dumps(_CATBOOST), 1),
    "results.csv": (
        "ultralytics",
        rows(
            "  {at},  {train}, 0,  0.5, {val}, 0",
            1,
            "  epoch,  train/box_loss, train/cls_loss,  metrics/mAP_0.5, val/box_loss, "
            "val/cls_loss",
        ),
        1,
    ),
    "train.log": (
        "text",
        rows("step {at}: train loss {train}, val loss {val}\niter {at}: loss {train}, time 3ms"),
        0,
    ),
    "learning_curves.json": ("autogluon", json.dumps(_AUTOGLUON), 1),
    "wandb.csv": (
        "wandb",
        rows("{at},7,{train},{val}", 0, "_step,_runtime,train/loss,val/loss"),
        0,
    ),
    "wandb.jsonl": (
        "wandb",
        "".join(json.dumps(e) + "\n" for e in entries(at="_step", train="loss", val="val/loss")),
        1,
    ),
    "result_0.txt": (
        "mlperf",
        rows(_MLPERF, 1, ':::MLLOG {"key": "submission_benchmark", "value": "llama2_70b_lora"}'),
        1,
    ),
    "ngboost.json": (
        "ngboost",
        json.dumps({"train": {"LOGSCORE": TRAIN}, "val": {"LOGSCORE": VAL}}),
        1,
    ),
    "ydf.log": (
        "ydf",
        rows("Train tree {at}/6 train-loss:{train} valid-loss:{val} [total:0.01s iter:0.00s]", 1),
        1,
    ),
    "cv.csv": (
        "catboost-cv",
        rows(
            "{at},{val},0.01,{train},0.01",
            0,
            "iterations,test-Logloss-mean,test-Logloss-std,train-Logloss-mean,train-Logloss-std",
        ),
        1,
    ),
    "metrics.jsonl": ("clearml", "".join(_CLEARML), 1),
    "plain.csv": ("csv", rows("{at};{train};{val}", 1, "iter;train_error;valid_error"), 1),
    "plain.json": ("json", json.dumps(entries(at="epoch", train="trainLoss", val="valLoss")), 1),
}

#: genuine logs -> the channels that a person would choose: format, val, train, test, epoch, checks
_BOXES = ("box_loss", "obj_loss", "cls_loss")
GENUINE = {
    "autogluon/adibiasio__data__eucalyptus__0__learning_curves.json": [
        ("autogluon", "val/accuracy", "train/accuracy", "test/accuracy", None, n)
        for n in (1000, 1000, 200)
    ],
    "hf_trainer_state/NijatZeynalov__trainer_state.json": [
        ("huggingface", "eval_loss", "loss", None, "step", 70)
    ],
    "keras_csvlogger/jingr1__logs__history.csv": [
        ("keras-csv", "val_loss", "loss", None, "epoch", 5)
    ],
    "keras_csvlogger/shengchen-liu__logs__history.csv": [
        ("keras-csv", "val_loss", "loss", None, "epoch", 3)
    ],
    # a GAN's log without any validation: its first loss stands in, and a note says so
    "lightning_csvlogger/AIRI-Institute__lightning_logs__version_0__metrics.csv": [
        ("lightning", "train_disc_loss", None, None, "step", 320)
    ],
    "lightning_csvlogger/AIRI-Institute__lightning_logs__version_2__metrics.csv": [
        ("lightning", "train_disc_loss", None, None, "step", 320)
    ],
    "nanogpt/ethellight565__checkpoints__log.csv": [
        ("csv", "val_loss", "train_loss", None, "iter", 17)
    ],
    "nanogpt/modded-nanogpt__records__track_2_medium__2025-01-18__main.log": [
        ("text", "tel", None, None, "step", 241)
    ],
    "tensorboard/algoperf__ogbg_jax__events.out.tfevents.1715893552.3f8f61d58843.1498.0.v2": [
        ("tensorboard", "validation/loss", "train/loss", "test/loss", "step", 35)
    ],
    "yolo_results/AstilePeter__runs__train__exp__results.csv": [
        (
            "ultralytics",
            "fitness",
            "+".join(f"train/{part}" for part in _BOXES),
            None,
            "epoch",
            120,
        )
    ],
}


def genuine_folder():
    """The folder of genuine logs; skips the test where it is absent."""
    beside = Path(__file__).parents[1] / ".." / "shared" / "logs"
    folder = Path(os.environ.get("EARLYSTOP_LOGS", beside)).resolve()
    if not folder.is_dir():
        pytest.skip("no genuine logs here: set EARLYSTOP_LOGS to their folder")
    return folder


def write_mlflow(folder):
    """A run of an MLflow file store, by hand: training counts batches, validation epochs."""
    (folder / "metrics" / "val").mkdir(parents=True)
    (folder / "meta.yaml").write_text(
        "run_id: abc\nrun_name: calm-owl-3\nlifecycle_stage: active\n"
    )
    steps = [(i, t) for i, t in enumerate(TRAIN, start=1)]
    (folder / "metrics" / "train_loss").write_text(
        "".join(f"{100 + i} {t} {i}\n" for i, t in steps)
    )
    (folder / "metrics" / "val" / "loss").write_text(
        "".join(f"{100 + i} {v} {i}\n" for i, v in enumerate(VAL, start=1))
    )
    return folder


def write_dvclive(folder):
    """A DVCLive folder: a TSV for each metric, its set a folder, and its last values."""
    for of, values in (("train", TRAIN), ("val", VAL)):
        path = folder / "plots" / "metrics" / of / "loss.tsv"
        path.parent.mkdir(parents=True)
        lines = [f"{i}\t{value}\n" for i, value in enumerate(values, start=1)]
        path.write_text("step\tloss\n" + "".join(lines))
    (folder / "metrics.json").write_text('{"train": {"loss": 0.1}, "val": {"loss": 0.8}}')
    return folder


def write_sacred(folder):
    """A run of Sacred's file storage."""
    folder.mkdir()
    metrics = {
        name: {"steps": list(range(1, 7)), "values": values, "timestamps": ["t"] * 6}
        for name, values in (("train.loss", TRAIN), ("val.loss", VAL))
    }
    (folder / "metrics.json").write_text(json.dumps(metrics))
    (folder / "run.json").write_text('{"status": "COMPLETED"}')
    (folder / "config.json").write_text('{"seed": 1}')
    return folder


def database(path, script, **tables):
    """An SQLite database with the rows of its tables."""
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(script)
        for table, rows in tables.items():
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
    return path


MLFLOW_TABLES = """
    CREATE TABLE experiments (experiment_id INTEGER, name TEXT);
    CREATE TABLE runs (
        run_uuid TEXT, name TEXT, experiment_id INTEGER, lifecycle_stage TEXT, start_time INTEGER
    );
    CREATE TABLE metrics (
        key TEXT, value FLOAT, timestamp INTEGER, run_uuid TEXT, step INTEGER, is_nan BOOLEAN
    );
"""
TRACKIO_TABLES = """
    CREATE TABLE metrics (
        id INTEGER PRIMARY KEY, run_id TEXT, timestamp TEXT, run_name TEXT, step INTEGER,
        metrics TEXT
    );
"""


#: what tells a database of Optuna
OPTUNA_TABLES = """
    CREATE TABLE studies (study_id INTEGER, study_name TEXT);
    CREATE TABLE trials (trial_id INTEGER, study_id INTEGER);
"""


def write_mlflow_database(folder):
    """MLflow's SQLite store with one run."""
    metrics = [
        (key, value, 1000 + i, "abc", i, 0)
        for key, values in (("train_loss", TRAIN), ("val_loss", VAL))
        for i, value in enumerate(values, start=1)
    ]
    runs = [("abc", "calm-owl-3", 1, "active", 1000)]
    tables = {"experiments": [(1, "Default")], "runs": runs, "metrics": metrics}
    return database(folder / "mlflow.db", MLFLOW_TABLES, **tables)


def write_trackio(folder):
    """A project of trackio with one run; it writes JSON as bytes."""
    rows = [
        (i, "abc", "2026-01-01", "a", i, json.dumps({"train/loss": t, "val/loss": v}).encode())
        for i, (t, v) in enumerate(zip(TRAIN, VAL, strict=True), start=1)
    ]
    return database(folder / "tiny.db", TRACKIO_TABLES, metrics=rows)


def write_trackio_metric(folder):
    """What trackio prints of one metric."""
    folder.mkdir()
    values = [{"timestamp": "t", "step": i, "value": v} for i, v in enumerate(VAL, start=1)]
    metric = {"project": "tiny", "run": "a", "metric": "val/loss", "values": values}
    (folder / "metric.json").write_text(json.dumps(metric, indent=2))
    return folder / "metric.json"


def write_swanlab(folder):
    """A run of SwanLab: its record file, by hand, and the nameless values beside it."""
    run = folder / "run-20260101_120000-abc"
    (run / "logs" / "1").mkdir(parents=True)
    (run / "logs" / "1" / "1000.log").write_text('{"index": 1, "data": 0.9}\n' * 3)
    data = b":SWL\xd6\xe1\x02"
    for i, (t, v) in enumerate(zip(TRAIN, VAL, strict=True), start=1):
        for key, value in ((b"train/loss", t), (b"val/loss", v)):
            number = b"\x09" + struct.pack("<d", value)
            scalar = b"\x0a" + bytes([len(key)]) + key + b"\x10" + bytes([i])
            scalar += b"\x2a" + bytes([len(number)]) + number
            message = b"\x08" + bytes([i]) + b"\x6a" + bytes([len(scalar)]) + scalar
            data += struct.pack("<IHB", zlib.crc32(b"\x01" + message), len(message), 1) + message
    (run / "run-abc.swanlab").write_bytes(data)
    return folder


def write_evaluations(folder):
    """Stable-Baselines3's evaluations, of three episodes each."""
    folder.mkdir()
    spread = np.array(VAL)[:, None] + np.array([-0.25, 0.0, 0.25])
    np.savez(folder / "evaluations.npz", timesteps=np.arange(1, 7), results=spread)
    return folder


def write_monitor(folder):
    """A monitor of Stable-Baselines3 with episodes of one step."""
    folder.mkdir()
    lines = [f"{v},1,{i}.5\n" for i, v in enumerate(VAL)]
    head = '#{"t_start": 1000.5, "env_id": "CartPole-v1"}\nr,l,t\n'
    (folder / "monitor.csv").write_text(head + "".join(lines))
    return folder


#: what writes TRAIN and VAL at 1 to 6 into a folder, or into a file of it, by its format
FOLDERS = {
    "dvclive": write_dvclive,
    "mlflow": write_mlflow,
    "mlflow-database": write_mlflow_database,
    "sacred": write_sacred,
    "swanlab": write_swanlab,
    "trackio": write_trackio,
}


def write_scores(folder):
    """The log of scikit-learn's ScoringMonitor: a row of the whole fit, and one an iteration."""
    folder.mkdir()
    names = "task_id_path,parent_task_id_path,estimator_name,task_name,task_id,sequential_subtasks"
    lines = [f"{names},score", f'"(0,)",(),LogisticRegression,fit,0,True,{VAL[-1]}']
    lines += [
        f'"(0, {i})","(0,)",LogisticRegression,lbfgs-iter,{i},True,{v}'
        for i, v in enumerate(VAL, start=1)
    ]
    (folder / "scores.csv").write_text("\n".join(lines) + "\n")
    return folder


#: what has one curve, VAL at 1 to 6
LONE = {
    "sklearn-scores": write_scores,
    "sb3-evaluations": write_evaluations,
    "sb3-monitor": write_monitor,
    "trackio-metric": write_trackio_metric,
}


def event_file():
    """Bytes of an event file with simple values, written from the format's description."""
    version = b"\x09" + struct.pack("<d", 1.0) + b"\x1a\x0dbrain.Event:2"
    events = [version]
    for i, (t, v) in enumerate(zip(TRAIN, VAL, strict=True), start=1):
        events += [scalar(b"train/loss", i, t), scalar(b"val/loss", i, v)]
    return b"".join(map(record, events))


def scalar(tag, step, value, time=1.0):
    """An event with a simple value; its step is below 128."""
    one = b"\x0a" + bytes([len(tag)]) + tag + b"\x15" + struct.pack("<f", value)
    summary = b"\x0a" + bytes([len(one)]) + one
    event = b"\x09" + struct.pack("<d", time) + b"\x10" + bytes([step])
    return event + b"\x2a" + bytes([len(summary)]) + summary


def record(data):
    length = struct.pack("<Q", len(data))
    return length + masked_crc(length) + data + masked_crc(data)


def masked_crc(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)
