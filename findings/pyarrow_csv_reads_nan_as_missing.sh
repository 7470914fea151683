#!/usr/bin/env bash
# What: pyarrow.csv reads "nan" and "NaN" as null, since both are in its default list of spellings of a
#   missing value; "inf" and "-Infinity" are numbers. What pyarrow.csv itself writes for NaN is nan: a
#   table written and read again has lost its NaN.
# Version: pyarrow 26.0.1
# Why it matters: a check whose error was NaN becomes a check at which nothing was measured. A run that
#   diverged looks like one that was seldom evaluated, and a patience that counts checks counts fewer.
# Wrong guess: nan is the float NaN, as inf is the float infinity; writing and reading gives the same.
# Seen: 0.5, nan, NaN, inf is read as 0.5, null, null, inf; NaN written and read again: 1 null, 0 NaN
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    pyarrow==26.0.1 || exit 2
venv/bin/python -W ignore - <<'EOF'
import io
import math
import sys

import pyarrow as pa
import pyarrow.csv

read = pa.csv.read_csv(io.BytesIO(b"val\n0.5\nnan\nNaN\ninf\n"))["val"].to_pylist()
file = io.BytesIO()
pa.csv.write_csv(pa.table({"val": [0.5, math.nan]}), file)
again = pa.csv.read_csv(io.BytesIO(file.getvalue()))["val"]
kept = pa.csv.ConvertOptions(null_values=[""])
asked = pa.csv.read_csv(io.BytesIO(file.getvalue()), convert_options=kept)["val"].to_pylist()
print("pyarrow", pa.__version__)
print("read:", read)
print("written:", file.getvalue(), "and read again:", again.to_pylist())
print("with null_values=['']:", asked)
print("guess: [0.5, nan, nan, inf], and NaN again")

still = read == [0.5, None, None, math.inf] and again.null_count == 1 and math.isnan(asked[1])
if not still:
    sys.exit("NO LONGER SO: pyarrow.csv no longer reads nan as missing")
print("as recorded")
EOF
