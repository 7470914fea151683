#!/usr/bin/env bash
# What: XGBoost rounds what a custom metric returns to six decimals before it records it and before
#   early stopping looks at it; its own metrics keep all their digits.
# Version: xgboost 3.2.0 (the package xgboost-cpu, the same code without the GPU's)
# Why it matters: a gain below 0.0000005 is a tie. With a target in small units (a mean squared
#   error of 1e-8) the whole recorded curve is 0.0, training stops as soon as patience allows, and
#   best_iteration is 0. Multiplied by 1e8 the same metric on the same data trains on.
# Wrong guess: the metric is recorded as the float that the function returned.
# Seen: scale 1e-8: all records 0.0, best_iteration 0; scale 1: best_iteration 68
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    xgboost-cpu==3.2.0 numpy==2.4.6 scipy==1.17.1 || exit 2
venv/bin/python - <<'EOF'
import sys

import numpy as np
import xgboost

rng = np.random.default_rng(0)
x = rng.normal(size=(300, 5))
y = x[:, 0] + 0.1 * rng.normal(size=300)
train, val = xgboost.DMatrix(x[:200], y[:200]), xgboost.DMatrix(x[200:], y[200:])


def trained(scale):
    """Best iteration, rounds trained, recorded values, returned values."""
    returned, record = [], {}

    def mse(predicted, data):
        returned.append(float(np.mean((predicted - data.get_label()) ** 2)) * scale)
        return "mse", returned[-1]

    model = xgboost.train(
        {"max_depth": 2, "eta": 0.1, "disable_default_eval_metric": 1},
        train,
        100,
        evals=[(val, "val")],
        custom_metric=mse,
        early_stopping_rounds=10,
        evals_result=record,
        verbose_eval=False,
    )
    return model.best_iteration, model.num_boosted_rounds(), record["val"]["mse"], returned


print("xgboost", xgboost.__version__)
found = {scale: trained(scale) for scale in (1, 1e-6, 1e-8)}
for scale, (best, rounds, recorded, returned) in found.items():
    print(f"metric x {scale:g}: best_iteration {best} of {rounds} rounds")
    print(f"    returned {returned[:3]}\n    recorded {recorded[:3]}")
print("guess: recorded as returned, so the same best_iteration at each scale")

rounded = all(np.array_equal(c, np.round(r, 6)) for _, _, c, r in found.values())
small = found[1e-8]
still = rounded and found[1][0] > 50 and small[:2] == (0, 11) and set(small[2]) == {0.0}
if not still:
    sys.exit("NO LONGER SO: XGBoost no longer rounds custom metrics to six decimals")
print("as recorded")
EOF
