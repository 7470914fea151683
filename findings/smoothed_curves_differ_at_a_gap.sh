#!/usr/bin/env bash
# What: an exponentially weighted mean goes on at a check that was not measured in pandas: the smoothed
#   curve repeats its last value there, to the end of the run if need be. In polars it is null there.
#   At NaN polars gives NaN from there on, where pandas, to which NaN is missing, repeats again.
# Version: pandas 3.1.1, polars 2.1.0
# Why it matters: in pandas a run that diverged has a flat smoothed curve that ends at its last good
#   value, and passes for one that levelled off; the same lines in polars show it as NaN.
# Wrong guess: the two agree, and there is no smoothed value where there is no value.
# Seen: of 1, missing, 3: pandas 1, 1, 2.6, polars 1, null, 2.6; of 3, 2, NaN, NaN: pandas 3, 2.33,
#   2.33, 2.33, polars 3, 2.33, NaN, NaN
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    pandas==3.1.1 numpy==2.4.6 polars==2.1.0 || exit 2
venv/bin/python -W ignore - <<'EOF'
import math
import sys

import pandas as pd
import polars as pl

nan = math.nan


def rounded(values):
    return [value if value is None or math.isnan(value) else round(value, 2) for value in values]


gap = [1.0, None, 3.0]
diverged = [3.0, 2.0, nan, nan]
by_pandas = [rounded(pd.Series(c, dtype=float).ewm(alpha=0.5).mean()) for c in (gap, diverged)]
by_polars = [rounded(pl.Series(c).ewm_mean(alpha=0.5)) for c in (gap, diverged)]
print("pandas", pd.__version__, "polars", pl.__version__)
for curve, a, b in zip((gap, diverged), by_pandas, by_polars, strict=True):
    print(curve, "pandas", a, "polars", b)
print("guess: equal, with nothing where nothing was measured")

still = (
    by_pandas == [[1.0, 1.0, 2.6], [3.0, 2.33, 2.33, 2.33]]
    and by_polars[0] == [1.0, None, 2.6]
    and by_polars[1][:2] == [3.0, 2.33]
    and all(math.isnan(value) for value in by_polars[1][2:])
)
if not still:
    sys.exit("NO LONGER SO: pandas and polars smooth a curve with a gap in another way")
print("as recorded")
EOF
