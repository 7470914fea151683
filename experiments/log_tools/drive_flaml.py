# /// script
# dependencies = ["flaml==2.8.0"]
# [tool.earlystop]
# formats = []
# ///
"""FLAML's log of a search: a row a trial."""

import numpy as np
from _numbers import arguments, done, kept
from flaml import AutoML

rng = np.random.default_rng(0)
x = rng.normal(size=(200, 3))
search = AutoML()
search.fit(
    x,
    x[:, 0] > 0,
    task="classification",
    max_iter=4,
    time_budget=60,
    estimator_list=["lgbm"],
    log_file_name=str(arguments() / "flaml.log"),
    log_type="all",
    verbose=0,
)
done(kept("flaml.log", refused="a hyperparameter search (FLAML)"))
