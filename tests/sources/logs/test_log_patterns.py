"""Every pattern of the log readers takes steps in proportion to the text that it looks at."""

import ast
import importlib
import inspect
import pkgutil
import re
import sys
import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from regex_steps import Counting, attacks, longest, tree_of

from earlystop_lab.live.watch import posts
from earlystop_lab.sources import logs

#: methods that try a match at one place, the other ones at every place
_ANCHORED = {"match", "fullmatch"}


def _written() -> Iterator[tuple[str, re.Pattern[str], set[str]]]:
    """Every pattern in the readers, with the methods that are called on it."""
    names = [each.name for each in pkgutil.walk_packages(logs.__path__, f"{logs.__name__}.")]
    for module in [logs, posts, *map(importlib.import_module, names)]:
        tree = ast.parse(inspect.getsource(module))
        used: dict[str, set[str]] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                used.setdefault(node.value.id, set()).add(node.attr)
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            inline = isinstance(node.func.value, ast.Name) and node.func.value.id == "re"
            if inline and node.func.attr != "compile" and isinstance(node.args[0], ast.Constant):
                flags = re.MULTILINE if "MULTILINE" in ast.unparse(node) else 0
                pattern = re.compile(node.args[0].value, flags)
                yield f"{module.__name__}:{node.lineno}", _of_text(pattern), {node.func.attr}
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                yield f"{module.__name__}.{name}", _of_text(value), used[name]


def _of_text(pattern: re.Pattern) -> re.Pattern[str]:
    if isinstance(pattern.pattern, str):
        return pattern
    return re.compile(pattern.pattern.decode(), pattern.flags | re.ASCII)


PATTERNS = {name: rest for name, *rest in _written()}


def _steps(pattern: re.Pattern[str], methods: set[str], text: str) -> int:
    """How many steps a pattern takes over a text; what it finds has to be what Python finds."""
    counting = Counting(pattern)
    if methods <= _ANCHORED:
        full = methods == {"fullmatch"}
        known = pattern.fullmatch(text) if full else pattern.match(text)
        assert counting.match(text, full=full) == (known and known.end())
    else:
        assert [*counting.findall(text)] == [match.span() for match in pattern.finditer(text)]
    return counting.steps


def _faults(pattern: re.Pattern[str], methods: set[str], seed: int) -> list[str]:
    """Repetitions of which twice as many take much more than twice the steps."""
    found, size = [], max(40, 2 * longest(list(tree_of(pattern))))
    for begin, repeated in attacks(pattern, np.random.default_rng(seed)):
        for end in ("", "\0\n"):
            short, long = (
                _steps(pattern, methods, begin + repeated * n + end)
                for n in (size // len(repeated), 2 * (size // len(repeated)))
            )
            if long > 2.4 * short + 50:
                found.append(f"{begin!r} + {repeated!r} * n + {end!r}: {short} and {long} steps")
    return found


@pytest.fixture(autouse=True)
def _deep():
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(50_000)  # a frame of Python for every repetition
    yield
    sys.setrecursionlimit(before)


@pytest.mark.parametrize("name", PATTERNS)
def test_twice_the_text_takes_twice_the_steps(name):
    pattern, methods = PATTERNS[name]
    assert not _faults(pattern, methods, seed=zlib.crc32(pattern.pattern.encode()))
