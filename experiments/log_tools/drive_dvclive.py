# /// script
# dependencies = ["dvclive==3.49.1"]
# [tool.earlystop]
# formats = ["dvclive"]
# ///
"""DVCLive with the sets as folders, and an accuracy that is not measured at every step."""

import os

from _numbers import TRAIN, VAL, arguments, done, kept
from dvclive import Live

os.chdir(arguments())
with Live("live", save_dvc_exp=False, dvcyaml=None) as live:
    for train, val in zip(TRAIN, VAL, strict=True):
        live.log_metric("train/loss", train)
        live.log_metric("val/loss", val)
        live.log_metric("val/accuracy", 0.5 + live.step / 10)
        live.next_step()
steps = list(range(len(VAL)))
run = {"epoch": steps, "unit": "step", "train": TRAIN}
done(
    kept("live", {**run, "val": VAL, "direction": "min"}),
    kept(
        "live",
        {"epoch": steps, "unit": "step", "val": [0.5 + k / 10 for k in steps], "direction": "max"},
        val="val/accuracy",
    ),
)
