#!/usr/bin/env bash
# What: of equal lowest values torch.cummin gives the index of the last, and goes on moving it with every
#   further tie, while torch.min and torch.argmin of the same curve give the first. After a NaN the
#   running minimum stays NaN, at the index of the last NaN so far.
# Version: torch 2.13.0 (any build)
# Why it matters: "the best epoch so far" from cummin moves at every tie, so a patience counted from it
#   does not end on a plateau at the best, and it is another epoch than argmin keeps.
# Wrong guess: the first of the lowest, as in argmin.
# Seen: of 3, 1, 1, 2, 1: indices 0 1 2 2 4; argmin 1. Since the best: at most 1 check, from argmin 3
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    torch==2.13.0 numpy==2.4.6 || exit 2
venv/bin/python -W ignore - <<'EOF'
import sys

import torch

val = torch.tensor([3.0, 1.0, 1.0, 2.0, 1.0])
best = val.cummin(0).indices.tolist()
since = max(now - at for now, at in enumerate(best))
first = val.argmin().item()
broken = torch.tensor([3.0, float("nan"), 1.0, float("nan")]).cummin(0).indices.tolist()
print("torch", torch.__version__)
print("cummin", best, "argmin", first, "min", val.min(0).indices.item())
print(f"checks since the best: at most {since} by cummin, {len(val) - 1 - first} by argmin")
print("with NaN at 1 and 3:", broken)
print("guess: [0, 1, 1, 1, 1]")

still = best == [0, 1, 2, 2, 4] and first == 1 and since == 1 and broken == [0, 1, 1, 3]
if not still:
    sys.exit("NO LONGER SO: torch.cummin no longer gives the last of equal lowest values")
print("as recorded")
EOF
