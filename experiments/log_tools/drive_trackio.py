# /// script
# dependencies = ["trackio==0.43.0"]
# [tool.earlystop]
# formats = ["trackio", "trackio-metric"]
# ///
"""trackio: two runs of a project, one with steps of its own, and a metric that it printed."""

import os
import subprocess
import sys
from pathlib import Path

from _numbers import TRAIN, VAL, arguments, done, kept

folder = arguments()
os.environ["TRACKIO_DIR"] = str(folder / "trackio")
import trackio  # noqa: E402  (it reads where to write when it is imported)

steps = [5 * k for k in range(len(VAL))]
for name in ("counted", "own"):
    run = trackio.init(project="tiny", name=name, auto_log_gpu=False, auto_log_cpu=False)
    for step, train, val in zip(steps, TRAIN, VAL, strict=True):
        own = {"step": step} if name == "own" else {}
        trackio.log({"train/loss": train, "val/loss": val}, **own)
    trackio.finish()
command = [Path(sys.executable).with_name("trackio"), "get", "metric", "--project", "tiny"]
printed = subprocess.run(
    [*command, "--run", "own", "--metric", "val/loss", "--json"],
    check=True,
    capture_output=True,
    text=True,
)
(folder / "metric.json").write_text(printed.stdout)
known = {"val": VAL, "unit": "step", "direction": "min"}
done(
    kept(
        "trackio",
        {**known, "train": TRAIN, "epoch": list(range(len(VAL))), "run": "tiny.db:counted"},
        {**known, "train": TRAIN, "epoch": steps, "run": "tiny.db:own"},
    ),
    kept("metric.json", {**known, "epoch": steps}),
)
