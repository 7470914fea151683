# /// script
# dependencies = ["sacred==0.8.7"]
# [tool.earlystop]
# formats = ["sacred"]
# ///
"""Sacred's file storage observer: training counts more steps than validation."""

import math

from _numbers import TRAIN, VAL, arguments, done, kept
from sacred import SETTINGS, Experiment
from sacred.observers import FileStorageObserver

SETTINGS.CAPTURE_MODE = "no"
experiment = Experiment("tiny", save_git_info=False)
experiment.observers.append(FileStorageObserver(arguments() / "runs", copy_sources=False))


@experiment.main
def main(_run):
    for at, (train, val) in enumerate(zip(TRAIN, VAL, strict=True)):
        _run.log_scalar("train.loss", train + 1, 10 * at + 5)
        _run.log_scalar("train.loss", train, 10 * at + 10)
        _run.log_scalar("val.loss", val, 10 * at + 10)


experiment.run(options={"--loglevel": "ERROR"})
# a run begins where its training curve does: there validation was not measured
steps = [5, *(10 * k + 10 for k in range(len(VAL)))]
run = {
    "val": [math.nan, *VAL],
    "train": [TRAIN[0] + 1, *TRAIN],
    "epoch": steps,
    "unit": "step",
    "direction": "min",
}
done(kept("runs", run), kept("runs/1/metrics.json", run))
