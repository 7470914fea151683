# /// script
# dependencies = ["catboost==1.2.10"]
# [tool.earlystop]
# formats = ["catboost-cv"]
# ///
"""catboost.cv's table as CSV."""

import catboost
import numpy as np
from _numbers import arguments, done, kept

folder = arguments()
rng = np.random.default_rng(0)
x = rng.normal(size=(200, 3))
table = catboost.cv(
    catboost.Pool(x, x[:, 0] + rng.normal(size=200) > 0),
    {
        "loss_function": "Logloss",
        "custom_metric": ["AUC"],
        "iterations": 15,
        "train_dir": str(folder / "catboost"),
        "logging_level": "Silent",
    },
    fold_count=3,
)
table.to_csv(folder / "cv.csv", index=False)
done(
    kept(
        "cv.csv",
        {
            "epoch": (table["iterations"] + 1).tolist(),
            "val": table["test-Logloss-mean"].tolist(),
            "train": table["train-Logloss-mean"].tolist(),
            "unit": "round",
            "direction": "min",
        },
    )
)
