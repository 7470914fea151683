#!/usr/bin/env bash
# What: a frame that holds a curve in every cell, as an array or a list, loses its NaN on the way
#   through Arrow: Table.from_pandas, to_parquet and polars.from_pandas write null in their place,
#   inside the lists, too. pyarrow.array of the same cells, and polars from the same lists, keep
#   NaN. On the way back pandas turns null into NaN, so that its own round trip shows nothing.
# Version: pandas 3.1.1, pyarrow 26.0.1, polars 2.1.0
# Why it matters: NaN is a loss that diverged, null a value that was not measured. Whoever reads the
#   file with anything but pandas counts a diverged run as one with gaps.
# Wrong guess: a missing value is what stands alone in a cell; arrays in cells are kept as they are.
# Seen: 1 NaN and no null before; no NaN and 1 null in Arrow, in Parquet and in polars
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    pandas==3.1.1 pyarrow==26.0.1 polars==2.1.0 || exit 2
venv/bin/python - <<'EOF'
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

cells = [np.array([0.9, 0.5]), np.array([0.9, np.nan])]
frame = pd.DataFrame({"run": ["fine", "diverged"], "val": cells})
frame.to_parquet("curves.parquet")


def counted(column):
    """How many NaN and how many null the lists of a column hold."""
    values = [value for curve in column.to_pylist() for value in curve]
    return sum(value != value for value in values), sum(value is None for value in values)


found = {
    "pyarrow.array of the cells": counted(pa.array(cells)),
    "polars of the same lists": counted(pl.Series([c.tolist() for c in cells]).to_arrow()),
    "Table.from_pandas": counted(pa.Table.from_pandas(frame)["val"]),
    "frame.to_parquet": counted(pq.read_table("curves.parquet")["val"]),
    "polars.from_pandas": counted(pl.from_pandas(frame)["val"].to_arrow()),
}
again = pd.read_parquet("curves.parquet")["val"]
print("pandas", pd.__version__, "pyarrow", pa.__version__, "polars", pl.__version__)
for what, (nan, null) in found.items():
    print(f"{what:28} {nan} NaN, {null} null")
print("pandas reads it again as   ", [values.tolist() for values in again])
print("guess: 1 NaN, 0 null everywhere")

kept, lost = list(found.values())[:2], list(found.values())[2:]
still = kept == [(1, 0)] * 2 and lost == [(0, 1)] * 3 and np.isnan(again[1][1])
if not still:
    sys.exit("NO LONGER SO: NaN in list cells of a frame reaches Arrow otherwise")
print("as recorded")
EOF
