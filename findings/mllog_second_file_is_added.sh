#!/usr/bin/env bash
# What: mllog.config(filename=...) of MLPerf's logging package adds a file to those that are written.
#   A process that trains twice, with a file for each training, writes the second training into
#   both files.
# Version: mlperf-logging 4.1.68
# Why it matters: the first result file holds two curves; read as one, its positions go back and a
#   later value replaces an earlier one, or the second training's best is taken for the first's.
# Wrong guess: the file name is a setting, so that the second one takes the place of the first.
# Seen: one evaluation in each training: first.log holds 2, second.log 1
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    --no-deps mlperf-logging==4.1.68 || exit 2
venv/bin/python -W ignore - <<'EOF'
import sys
from importlib.metadata import version
from pathlib import Path

from mlperf_logging import mllog

counts = {}
for name, score in (("first", 0.5), ("second", 0.9)):
    mllog.config(filename=f"{name}.log")
    mllog.get_mllogger().event("eval_accuracy", score, metadata={"epoch_num": 1})
for name in ("first", "second"):
    counts[name] = Path(f"{name}.log").read_text().count('"eval_accuracy"')
print("mlperf-logging", version("mlperf-logging"))
print(f"evaluations in first.log {counts['first']}, in second.log {counts['second']}")
print("guess: 1 in each")

still = counts == {"first": 2, "second": 1}
if not still:
    sys.exit("NO LONGER SO: a second file takes the place of the first")
print("as recorded")
EOF
