"""What the documentation promises is held by tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/promises.md").read_text(encoding="utf-8")


@cache
def _names_in(file):
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_promise_names_tests_that_exist():
    promises = re.findall(r"^- .*(?:\n  .*)*", PAGE, re.MULTILINE)
    assert len(promises) > 15
    for promise in promises:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", promise)
        assert named, promise
        for file, test in named:
            assert test in _names_in(file), (file, test)


def test_numbers_of_memory_are_those_of_the_benchmarks():
    page = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    table = page.partition("<!-- logs -->")[2].partition("<!-- end of logs -->")[0]
    rows = [row.split("|")[-2] for row in table.splitlines() if row.endswith(" |")]
    measured = [float(cell) for cell in rows[1:]]
    assert f"took {min(measured)} to {max(measured)} bytes per byte of text" in PAGE
