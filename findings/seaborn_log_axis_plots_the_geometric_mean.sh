#!/usr/bin/env bash
# What: seaborn's lineplot averages runs on the scale that the axis has at that moment. Where the
#   y axis is already logarithmic, the line is the geometric mean of the runs; where it is made
#   logarithmic after the call, the arithmetic one. seaborn.objects' Agg with scale(y="log") is
#   geometric too.
# Version: seaborn 0.13.2
# Why it matters: a mean loss curve over seeds is mostly drawn on a logarithmic axis. Two figures of
#   the same runs show different curves, with the lowest point at different epochs, by the order of
#   two lines of code; and one bad run out of many nearly vanishes from the geometric mean.
# Wrong guess: the axis is only a view; the line is the arithmetic mean at each epoch in all cases.
# Seen: axis first [10, 0.1, 0.2], axis last [50.5, 0.505, 0.2], objects [10, 0.1, 0.2]
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    seaborn==0.13.2 matplotlib==3.11.2 pandas==2.3.3 numpy==2.4.6 || exit 2
MPLBACKEND=agg venv/bin/python - <<'EOF'
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import seaborn.objects as so

runs = pd.DataFrame(
    {"epoch": [0, 0, 1, 1, 2, 2], "run": list("ababab"), "loss": [1, 100, 0.01, 1, 0.2, 0.2]}
)
arithmetic = runs.groupby("epoch")["loss"].mean()
geometric = np.exp(np.log(runs["loss"]).groupby(runs["epoch"]).mean())

_, (first, last) = plt.subplots(1, 2)
first.set_yscale("log")
sns.lineplot(runs, x="epoch", y="loss", errorbar=None, ax=first)
sns.lineplot(runs, x="epoch", y="loss", errorbar=None, ax=last)
last.set_yscale("log")
figure = plt.figure()
so.Plot(runs, x="epoch", y="loss").add(so.Line(), so.Agg()).scale(y="log").on(figure).plot()

axis_first, axis_last = (ax.lines[0].get_ydata() for ax in (first, last))
objects = figure.axes[0].lines[0].get_ydata()
print("seaborn", sns.__version__)
for what, line in (
    ("log axis before lineplot", axis_first),
    ("log axis after lineplot ", axis_last),
    ("seaborn.objects         ", objects),
):
    print(f"{what}: {np.round(line, 4).tolist()}, lowest at epoch {np.argmin(line)}")
print("guess: the arithmetic mean each time,", arithmetic.tolist())

before = np.allclose(axis_first, geometric) and np.allclose(objects, geometric)
after = np.allclose(axis_last, arithmetic) and np.argmin(axis_first) != np.argmin(axis_last)
still = before and after
if not still:
    sys.exit("NO LONGER SO: the mean that seaborn draws has changed on a logarithmic axis")
print("as recorded")
EOF
