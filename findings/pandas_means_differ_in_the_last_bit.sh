#!/usr/bin/env bash
# What: two ways to average the same runs in pandas give different last bits. groupby().mean() sums
#   with compensation for rounding, a pivoted table's mean() plainly, as numpy does. Which of two
#   tied epochs is the best one depends on the way.
# Version: pandas 3.1.1, numpy 2.4.6
# Why it matters: the best epoch of a mean curve over folds or seeds. Where epochs tie (errors with
#   few digits often do) both ways break the tie, each its own way: idxmin names another epoch, and
#   patience counts a tie as an improvement or not.
# Wrong guess: the means are equal, so at least both ways name the same epoch.
# Seen: errors 0.1 0.2 0.3 and 0.3 0.2 0.1; groupby says epoch 0, the pivoted table epoch 1
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    pandas==3.1.1 numpy==2.4.6 || exit 2
venv/bin/python - <<'EOF'
import sys

import numpy as np
import pandas as pd

curves = pd.DataFrame(
    {
        "epoch": [0, 0, 0, 1, 1, 1],
        "fold": ["a", "b", "c"] * 2,
        "error": [0.1, 0.2, 0.3, 0.3, 0.2, 0.1],
    }
)
grouped = curves.groupby("epoch")["error"].mean()
wide = curves.pivot(index="fold", columns="epoch", values="error")
pivoted = wide.mean()

print("pandas", pd.__version__, "numpy", np.__version__)
print("groupby('epoch').mean()", grouped.tolist(), "best epoch", grouped.idxmin())
print("pivot().mean()         ", pivoted.tolist(), "best epoch", pivoted.idxmin())
print("numpy mean of the table", wide.to_numpy().mean(axis=0).tolist())
print("guess: the same means, the same best epoch")

close = np.allclose(grouped, pivoted, rtol=1e-15)
still = close and grouped.idxmin() == 0 and pivoted.idxmin() == 1
if not still:
    sys.exit("NO LONGER SO: groupby and pivot break this tie in the same way")
print("as recorded")
EOF
