#!/usr/bin/env bash
# What: the CSV and JSON files that TensorBoard's page offers for download hold 1000 values of a
#   scalar at most, chosen at random (and the last one), as the page shows them; nothing in the file
#   says so. With --samples_per_plugin scalars=0 there are none, not all.
# Version: tensorboard 2.21.0 (its data server 0.7.2), events written by tensorboardX 2.6.5
# Why it matters: the best check may be missing, patience counts fewer checks than there were, and
#   two downloads of one curve may differ.
# Wrong guess: the file has every value that was logged.
# Seen: of 3000 values: 1000, the first steps 4, 5, 11; scalars=100000: 3000; scalars=0: none
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    tensorboard==2.21.0 tensorboard-data-server==0.7.2 tensorboardX==2.6.5 numpy==2.4.6 \
    protobuf==7.36.2 'setuptools<81' || exit 2
venv/bin/python - <<'EOF'
import csv
import io
import re
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

import tensorboard
from tensorboardX import SummaryWriter

N, BEST = 3000, 1234
with SummaryWriter("logs/run") as writer:
    for step in range(1, N + 1):
        writer.add_scalar("val/loss", abs(step - BEST) / 1000, step)
QUERY = urllib.parse.urlencode({"run": "run", "tag": "val/loss", "format": "csv"})


def downloaded(*options):
    """The steps in the file that the page's link to download leads to, once all are loaded."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", "logs", "--port", "0"]
    server = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True)
    try:
        found = (re.search(r"http://localhost:\d+/", line) for line in server.stderr)
        url = next(match[0] for match in found if match)
        steps = []
        for _ in range(20):
            time.sleep(1)
            try:
                page = urllib.request.urlopen(f"{url}data/plugin/scalars/scalars?{QUERY}")
            except urllib.error.HTTPError:  # not loaded yet
                continue
            rows = csv.DictReader(io.StringIO(page.read().decode()))
            steps = [int(row["Step"]) for row in rows]
            if steps and steps[-1] == N:
                break
        return steps
    finally:
        server.terminate()


print("tensorboard", tensorboard.__version__)
usual = downloaded()
more = downloaded("--samples_per_plugin", "scalars=100000")
none = downloaded("--samples_per_plugin", "scalars=0")
for name, steps in {"by default": usual, "scalars=100000": more, "scalars=0": none}.items():
    print(f"{name}: {len(steps)} of {N} values, the first at steps {steps[:4]}")
    print(f"    the best check, step {BEST}, is {'' if BEST in steps else 'not '}there")
print(f"guess: {N} values in each")

uneven = len({b - a for a, b in zip(usual, usual[1:])}) > 1
still = len(usual) == 1000 and uneven and more == [*range(1, N + 1)] and none == []
if not still:
    sys.exit("NO LONGER SO: TensorBoard no longer offers a random 1000 of a scalar's values")
print("as recorded")
EOF
