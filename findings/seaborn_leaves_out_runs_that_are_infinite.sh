#!/usr/bin/env bash
# What: seaborn leaves out infinite values as it does NaN, without a warning: of five runs of which
#   three diverged to infinity, pointplot, boxplot and lineplot draw the median and the interval of
#   the two others, and ecdfplot reaches 1 at the larger of these.
# Version: seaborn 0.13.2
# Why it matters: runs that diverged are what one compares learning rates or stopping rules for. A
#   setting that diverges more often looks no worse, or better, and no number on the figure tells.
# Wrong guess: NaN is left out as missing, but infinity is a value: the median of the five is
#   infinite, and an empirical distribution function ends at 0.4.
# Seen: medians 1.5, 1.5, 1.5; the distribution function at 2 is 1.0
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    seaborn==0.13.2 matplotlib==3.11.2 pandas==3.1.1 numpy==2.4.6 || exit 2
MPLBACKEND=agg venv/bin/python - <<'EOF'
import sys
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

losses = [1.0, 2.0, np.inf, np.inf, np.inf]
runs = pd.DataFrame({"rate": ["0.1"] * 5, "epoch": [7] * 5, "loss": losses})

_, (points, boxes, lines, steps) = plt.subplots(1, 4)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    sns.pointplot(runs, x="rate", y="loss", estimator="median", errorbar=("pi", 90), ax=points)
    sns.boxplot(runs, x="rate", y="loss", ax=boxes)
    sns.lineplot(runs, x="epoch", y="loss", estimator="median", errorbar=None, ax=lines)
    sns.ecdfplot(runs, x="loss", ax=steps)
about = [str(each.message) for each in said if "inf" in str(each.message).lower()]

# the median of a box is its fifth line
medians = [
    float(points.lines[0].get_ydata()[0]),
    float(boxes.lines[4].get_ydata()[0]),
    float(lines.lines[0].get_ydata()[0]),
]
share = float(steps.lines[0].get_ydata()[-1])
print("seaborn", sns.__version__)
print("medians of pointplot, boxplot, lineplot:", medians)
print("the distribution function at its largest value:", share)
print("warnings that name infinity:", about)
print("guess: medians of", np.median(losses), "and a distribution function that ends at 0.4")
if not (medians == [1.5, 1.5, 1.5] and share == 1.0 and not about):
    sys.exit("NO LONGER SO: seaborn draws, or names, runs that are infinite")
print("as recorded")
EOF
