# /// script
# dependencies = ["ngboost==0.6.0"]
# [tool.earlystop]
# formats = ["ngboost"]
# ///
"""NGBoost's record of both of its scoring rules, dumped as JSON."""

import json

import numpy as np
from _numbers import arguments, done, kept
from ngboost import NGBRegressor
from ngboost.scores import CRPScore, LogScore

folder = arguments()
rng = np.random.default_rng(0)
x, x_val = rng.normal(size=(100, 3)), rng.normal(size=(50, 3))
imports = []
for score in (LogScore, CRPScore):
    model = NGBRegressor(Score=score, n_estimators=12, verbose=False)
    model.fit(x, x[:, 0], X_val=x_val, Y_val=x_val[:, 0])
    record = model.evals_result
    name = f"{score.__name__}.json"
    (folder / name).write_text(json.dumps(record))
    run = {of: [*map(float, next(iter(scores.values())))] for of, scores in record.items()}
    rounds = list(range(1, len(run["val"]) + 1))
    imports.append(kept(name, {**run, "epoch": rounds, "unit": "round", "direction": "min"}))
done(*imports)
