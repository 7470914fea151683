# /// script
# dependencies = ["ydf==0.16.1"]
# [tool.earlystop]
# formats = ["ydf"]
# ///
"""YDF: what training prints, which is some of its iterations, with six decimals."""

import os

import numpy as np
import ydf
from _numbers import arguments, done, kept

rng = np.random.default_rng(0)
data = {name: rng.normal(size=300) for name in "abc"}
data["label"] = np.where(data["a"] + 0.3 * data["b"] > 0, "yes", "no")
learner = ydf.GradientBoostedTreesLearner(label="label", num_trees=12)
printed = arguments() / "ydf.log"
# its C++ code prints past Python's sys.stdout
before = os.dup(2)
with printed.open("w") as log:
    for stream in (1, 2):
        os.dup2(log.fileno(), stream)
    model = learner.train(data, verbose=2)
    for stream in (1, 2):
        os.dup2(before, stream)
kept_all = {entry.iteration: entry for entry in model.training_logs()}
lines = printed.read_text().splitlines()
at = [int(line.split()[2].split("/")[0]) for line in lines if line.startswith("Train tree ")]
done(
    kept(
        "ydf.log",
        {
            "epoch": at,
            "val": [round(kept_all[i].evaluation.loss, 6) for i in at],
            "train": [round(kept_all[i].training_evaluation.loss, 6) for i in at],
            "unit": "round",
            "direction": "min",
        },
        says=["YDF printed only some iterations"] if len(at) < max(at) else [],
    )
)
