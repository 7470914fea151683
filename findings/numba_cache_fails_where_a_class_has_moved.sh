#!/usr/bin/env bash
# What: numba keeps compiled functions on disk (cache=True) and finds them again by the function's
#   file, time and size. What is stored names the classes of its arguments by their module. Where
#   such a class, a NamedTuple say, has moved to another module since, the function itself being
#   untouched, the call raises AttributeError: the stored code is neither passed over nor made anew.
# Version: numba 0.68.1, numpy 2.4.6
# Why it matters: a training or replay loop that takes its state as a NamedTuple works for whoever
#   installs afresh, and fails for whoever upgrades, after a change that touched no code in it.
# Wrong guess: what cannot be loaded is compiled again.
# Seen: 3.0, then AttributeError: Can't get attribute 'State' on <module 'states' ...>
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check \
    numba==0.68.1 numpy==2.4.6 || exit 2
export NUMBA_CACHE_DIR="$tmp/cache"
cat > loop.py <<'EOF'
from numba import njit


@njit(cache=True)
def total(state):
    return state.best + state.wait
EOF
cat > states.py <<'EOF'
from typing import NamedTuple


class State(NamedTuple):
    best: float
    wait: float
EOF
cat > first.py <<'EOF'
from loop import total
from states import State

print(total(State(1.0, 2.0)))
EOF
venv/bin/python first.py | tee first.txt
# the class moves, the loop stays
mv states.py moved.py
: > states.py
sed 's/from states/from moved/' first.py > second.py
venv/bin/python second.py > second.txt 2>&1 || true
tail -n 1 second.txt
echo "guess: 3.0 twice"
if [ "$(cat first.txt)" = "3.0" ] && grep -q "^AttributeError: .*'State'" second.txt; then
    echo "as recorded"
else
    echo "NO LONGER SO: numba does not fail on stored code whose classes have moved"
    exit 1
fi
