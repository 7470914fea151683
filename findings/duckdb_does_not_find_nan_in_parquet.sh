#!/usr/bin/env bash
# What: DuckDB orders NaN above every number, and its filters say so on a table in memory. On a
#   Parquet file that pyarrow (so pandas) wrote it skips row groups whose largest value in the
#   file's statistics is too small; those statistics leave NaN out. A query for diverged epochs,
#   even isnan(), finds nothing, and max() differs between the table and the file. A file written
#   by DuckDB itself answers as the table does.
# Version: duckdb 2.0.1, pyarrow 26.0.1
# Why it matters: curves are kept as Parquet, and "which runs diverged?" is asked in SQL. The answer
#   "none" depends on who wrote the file and on which other values are in the same row group.
# Wrong guess: the same query on the same rows gives the same answer.
# Seen: isnan 2 rows in memory, 0 in the file; val > 10 the same; max NaN in memory, 0.9 in the file
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    duckdb==2.0.1 pyarrow==26.0.1 || exit 2
venv/bin/python - <<'EOF'
import math
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

nan = math.nan
curves = pa.table(
    {"run": list("aaabbb"), "epoch": [0, 1, 2] * 2, "val": [0.9, 0.5, 0.4, 0.8, nan, nan]}
)
pq.write_table(curves, "pyarrow.parquet")
duckdb.sql("copy curves to 'duckdb.parquet'")

places = ("curves", "'pyarrow.parquet'", "'duckdb.parquet'")


def ask(what, where="true"):
    return [duckdb.sql(f"select {what} from {p} where {where}").fetchall()[0][0] for p in places]


diverged = ask("count(*)", "isnan(val)")
high = ask("count(*)", "val > 10")
# the statistics of the row group allow a match: now its NaN are found
mixed = ask("count(*)", "val > 0.85")
top = ask("max(val)")
print("duckdb", duckdb.__version__, "pyarrow", pa.__version__)
print("                 in memory, by pyarrow, by duckdb")
for what, found in (
    ("rows isnan(val) ", diverged),
    ("rows val > 10   ", high),
    ("rows val > 0.85 ", mixed),
    ("max(val)        ", top),
):
    print(what, found)
print("guess: each line has the same answer three times")

tops = math.isnan(top[0]) and top[1] == 0.9 and math.isnan(top[2])
still = diverged == [2, 0, 2] and high == [2, 0, 2] and mixed == [3, 3, 3] and tops
if not still:
    sys.exit("NO LONGER SO: DuckDB's answers about NaN in Parquet files have changed")
print("as recorded")
EOF
