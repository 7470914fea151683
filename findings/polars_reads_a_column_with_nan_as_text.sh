#!/usr/bin/env bash
# What: polars.read_csv does not take "nan" and "inf" for numbers when it infers the type of a column.
#   One diverged epoch makes the whole column text; where it comes after the rows that are looked at
#   (infer_schema_length, 100), reading fails. With a type given, schema_overrides, all are numbers.
# Version: polars 2.1.0
# Why it matters: Python, numpy and torch print nan and inf just so. Text is ordered by its letters:
#   the smallest of "9.5" and "10.2" is "10.2", so the best epoch of the column is another one.
# Wrong guess: the column is of floats, as in pandas.
# Seen: val is String, its minimum "10.2" at epoch 2; with a type Float64, minimum 9.5 at epoch 3
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    polars==2.1.0 || exit 2
venv/bin/python -W ignore - <<'EOF'
import io
import sys

import polars as pl

log = b"epoch,val\n1,11.0\n2,10.2\n3,9.5\n4,nan\n5,inf\n"


def best(curve):
    return curve.filter(pl.col("val") == pl.col("val").min()).row(0)


read = pl.read_csv(io.BytesIO(log))
typed = pl.read_csv(io.BytesIO(log), schema_overrides={"val": pl.Float64})
print("polars", pl.__version__)
print("inferred:", read.schema["val"], "lowest", best(read))
print("type given:", typed.schema["val"], "lowest", best(typed))
print("guess: Float64 twice, lowest (3, 9.5)")

still = (
    read.schema["val"] == pl.String
    and best(read) == (2, "10.2")
    and typed.schema["val"] == pl.Float64
    and best(typed) == (3, 9.5)
)
if not still:
    sys.exit("NO LONGER SO: polars.read_csv no longer reads a column with nan as text")
print("as recorded")
EOF
