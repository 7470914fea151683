# /// script
# dependencies = ["clearml==2.1.12"]
# [tool.earlystop]
# formats = ["clearml"]
# ///
"""ClearML's offline mode: the folder of a session and its archive. NaN and infinity become 0.0."""

import math
import os

from _numbers import TRAIN, VAL, arguments, done, kept

folder = arguments()
os.environ["CLEARML_CACHE_DIR"] = str(folder / "cache")
os.environ["CLEARML_OFFLINE_MODE"] = "1"
from clearml import Task  # noqa: E402  (it reads its settings when it is imported)

task = Task.init(
    project_name="tiny",
    task_name="tiny",
    auto_connect_frameworks=False,
    auto_resource_monitoring=False,
    auto_connect_arg_parser=False,
)
logger = task.get_logger()
for at, (train, val) in enumerate(zip(TRAIN, VAL, strict=True)):
    logger.report_scalar("loss", "train", train, at)
    logger.report_scalar("loss", "validation", val, at)
    logger.report_scalar("accuracy", "validation", at / 10, at)
logger.report_single_value("best", 1.75)
logger.flush(wait=True)
session = task.get_offline_mode_folder()
task.close()
run = {
    "val": [val if math.isfinite(val) else math.nan for val in VAL],
    "train": TRAIN,
    "accuracy/validation": [at / 10 for at in range(len(VAL))],
    "epoch": list(range(len(VAL))),
    "unit": "step",
    "direction": "min",
}
says = ["is 0, which is how ClearML writes NaN; read as NaN", "left out: Summary/best"]
done(
    kept(session.relative_to(folder), run, says=says),
    kept(session.with_name(f"{session.name}.zip").relative_to(folder), run, says=says),
)
