# /// script
# dependencies = ["mlflow==3.17.2"]
# [tool.earlystop]
# formats = ["mlflow", "mlflow-database"]
# ///
"""MLflow's SQLite store, its default, and its file store; two runs, one logged without steps."""

import os

import mlflow
from _numbers import TRAIN, VAL, arguments, done, kept

folder = arguments()
steps = [10 * k for k in range(len(VAL))]


def train(uri):
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("tiny")
    with mlflow.start_run(run_name="steps") as first:
        mlflow.log_param("lr", 0.1)
        for step, train, val in zip(steps, TRAIN, VAL, strict=True):
            mlflow.log_metrics({"train_loss": train, "val_loss": val}, step=step)
    with mlflow.start_run(run_name="uncounted") as second:
        for train, val in zip(TRAIN, VAL, strict=True):
            mlflow.log_metric("train_loss", train)
            mlflow.log_metric("val_loss", val)
    return [f"{run.info.experiment_id}/{run.info.run_id}" for run in (first, second)]


os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
train(f"sqlite:///{folder}/mlflow.db")
first, second = train(f"file:{folder}/mlruns")
known = {"val": VAL, "train": TRAIN, "direction": "min"}
with_steps = {**known, "epoch": steps, "unit": "step"}
without = {**known, "epoch": [k + 1 for k in range(len(VAL))], "unit": "check"}
uncounted = "logged without steps"
done(
    kept(
        "mlflow.db",
        {**with_steps, "run": "mlflow.db:steps"},
        {**without, "run": "mlflow.db:uncounted"},
        says=[uncounted],
    ),
    kept(f"mlruns/{first}", with_steps, says=["run name 'steps'"]),
    kept(f"mlruns/{second}", without, says=[uncounted]),
)
