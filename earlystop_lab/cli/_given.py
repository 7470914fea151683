"""Parsing of arguments that several commands take."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from earlystop_lab._common.files import cache_folder, written_text
from earlystop_lab._common.terminal import say
from earlystop_lab._common.wording import visible

if TYPE_CHECKING:
    from earlystop_lab.studies.kept import Kept

Jobs = Annotated[
    int,
    typer.Option(
        "--n-jobs", help="Number of parallel jobs; -1 uses all cores. Results are the same."
    ),
]

NoCache = Annotated[
    bool, typer.Option("--no-cache", help="Compute everything anew; see earlystop cache.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, with every number in full.")]
Out = Annotated[
    Path | None,
    typer.Option("-o", "--out", help="Also write the answer to a file: .txt or .json."),
]
TableOut = Annotated[
    Path | None,
    typer.Option("-o", "--out", help="Also write the table to a file: .csv, .json or .txt."),
]


def kept_results(no_cache: bool) -> Kept:
    """Where results of known rules are kept between commands."""
    from earlystop_lab.studies.kept import Kept

    return Kept(None if no_cache else cache_folder())


def show(
    text: Callable[[], str],
    data: Callable[[], str],
    *,
    json: bool,
    out: Path | None = None,
    forms: Mapping[str, Callable[[], str]] = MappingProxyType({}),
) -> None:
    """Print an answer as text or as JSON, and write it to a file in the format of its name.

    ``forms`` are further formats, by the endings of their files.
    """
    if out is not None:
        known = {".json": data, **forms}
        answer = known.get(out.suffix, lambda: _visible_lines(text()))()
        written_text(out, f"{answer.rstrip()}\n")
    say(*(data() if json else text()).split("\n"))


def _visible_lines(text: str) -> str:
    """The text as it is printed, since files are often shown in a terminal."""
    return "\n".join(map(visible, text.split("\n")))


def matching(option: str, text: str, pattern: str, expected: str) -> str:
    """The text if it matches a pattern, else ``ValueError``."""
    if not re.fullmatch(pattern, text):
        raise ValueError(f"{option} {text!r}: expected {expected}")
    return text


def ending(out: Path | None, *endings: str) -> None:
    """Raise ``ValueError`` if the name of the output, if there is one, has another ending."""
    if out is not None and out.suffix not in endings:
        raise ValueError(f"--out {out}: expected a name ending in {' or '.join(endings)}")


def names(option: str, text: str) -> list[str]:
    """The names in a list such as ``cancer1,glass2``, without duplicates."""
    found = [name.strip() for name in text.split(",")] if text else []
    if twice := {name for name in found if found.count(name) > 1}:
        raise ValueError(f"{option} {text!r}: duplicate {', '.join(sorted(twice))}")
    return found


def share(option: str, text: str) -> float:
    """Parse a share such as ``1%`` or ``0.01``."""
    percent = text.endswith("%")
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        raise ValueError(f"{option} {text!r}: expected a share such as 1% or 0.01") from None
    if 1 <= number < math.inf and not percent:
        raise ValueError(f"{option} {text!r}: expected a share such as 1% or 0.01; write {text}%")
    return number / (100 if percent else 1)


def number(option: str, text: str) -> float:
    """Parse a number such as ``0.01``."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{option} {text!r}: expected a number such as 0.01") from None


def assignment(text: str) -> tuple[str, Any]:
    """Parse ``name=value``; a value that is not a Python literal is a string."""
    matching("--param", text, r"(?s)[^\W\d]\w*=.*", "name=value, such as epochs=500")
    name, _, value = text.partition("=")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def layers(text: str) -> tuple[int, ...]:
    """Parse hidden layers: ``8+4`` is (8, 4), ``none`` is ()."""
    size = "[1-9][0-9]{0,4}"
    expected = "layer sizes such as 8+4 or 16, or none"
    matching("--hidden", text, rf"none|{size}(\+{size})*", expected)
    return () if text == "none" else tuple(map(int, text.split("+")))
