"""One small log of every format, as its program writes it, and where genuine ones are."""

import json
import os
import struct
from pathlib import Path

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


#: what writes TRAIN and VAL at 1 to 6 into a folder, or into a file of it, by its format
FOLDERS = {
    "dvclive": write_dvclive,
    "mlflow": write_mlflow,
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
