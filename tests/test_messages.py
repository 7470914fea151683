"""The table of messages: a sentence for everything that studies may say, and none for nothing."""

import ast
import importlib
import inspect
import re
from collections import Counter
from enum import StrEnum
from pathlib import Path

import pytest

import earlystop_lab
from earlystop_lab.report.messages import MESSAGES, WORDINGS, worded

PACKAGE = Path(earlystop_lab.__file__).parent
STUDIES = [
    importlib.import_module(f"earlystop_lab.studies.{path.stem}")
    for path in sorted((PACKAGE / "studies").glob("[!_]*.py"))
]
ENUMERATIONS = {
    thing.__qualname__: thing
    for study in STUDIES
    for thing in vars(study).values()
    if inspect.isclass(thing) and issubclass(thing, StrEnum) and thing is not StrEnum
}
MEMBERS = [member for enumeration in ENUMERATIONS.values() for member in enumeration]


@pytest.mark.parametrize("member", MEMBERS, ids=repr)
def test_every_reason_and_verdict_has_a_message(member):
    assert MESSAGES[member]


def test_no_two_of_them_are_one_key():
    # members are text: those of two enumerations with one value would be one key of the table
    assert [value for value, times in Counter(map(str, MEMBERS)).items() if times > 1] == []


def said():
    """Patterns of all texts of the report but the table: those with places match any name there."""
    for path in sorted((PACKAGE / "report").glob("*.py")):
        if path.stem != "messages":
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield re.escape(node.value)
                if isinstance(node, ast.JoinedStr) and len(node.values) == 2:
                    yield "".join(
                        re.escape(part.value) if isinstance(part, ast.Constant) else "[a-z ]+"
                        for part in node.values
                    )


def test_no_message_is_without_a_user():
    patterns = list(said())
    named = [key for key in MESSAGES if key not in MEMBERS]
    assert [key for key in named if not any(re.fullmatch(p, key) for p in patterns)] == []


def test_no_member_is_without_a_user():
    code = " ".join(inspect.getsource(study) for study in STUDIES)
    names = [f"{type(member).__name__}.{member.name}" for member in MEMBERS]
    assert [name for name in names if name not in code] == []


def test_a_wording_takes_what_it_needs_from_other_places():
    numbers = {"n": 1, "unit": "run", "value": 0.0, "low": -0.01, "high": float("inf")}
    assert worded("{n:counted {unit}} of {n:>3}", numbers) == "1 run of   1"
    assert worded("{value:difference {low} to {high}}", numbers) == "0% (-1% to unbounded)"
    assert set(WORDINGS) >= {"percent", "signed", "listed", "counted", "too_few"}
