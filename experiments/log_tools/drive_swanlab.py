# /// script
# dependencies = ["swanlab==0.10.3"]
# [tool.earlystop]
# formats = ["swanlab"]
# ///
"""SwanLab in its offline and its local mode; 6000 steps fill several of its blocks."""

import os

from _numbers import TRAIN, VAL, arguments, done, kept

folder = arguments()
os.chdir(folder)
import swanlab  # noqa: E402  (it looks for its settings when it is imported)

imports = []
for mode in ("offline", "local"):
    for repeats in (1, 1000):
        name = f"{mode}{repeats}"
        swanlab.init(project="tiny", mode=mode, logdir=name)
        vals, trains = VAL * repeats, TRAIN * repeats
        for step, (train, val) in enumerate(zip(trains, vals, strict=True)):
            swanlab.log({"train/loss": train, "val/loss": val}, step=step)
        swanlab.finish()
        run = {"val": vals, "train": trains, "epoch": list(range(len(vals))), "unit": "step"}
        imports.append(kept(name, {**run, "direction": "min"}))
done(*imports)
