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
from earlystop_lab.studies import comparison, prechelt1997

PACKAGE = Path(earlystop_lab.__file__).parent
STUDIES = [
    importlib.import_module(f"earlystop_lab.studies.{path.stem}")
    for path in sorted((PACKAGE / "studies").glob("[!_]*.py"))
]
#: each once: some studies import those of another
ENUMERATIONS = dict.fromkeys(
    thing
    for study in STUDIES
    for thing in vars(study).values()
    if inspect.isclass(thing) and issubclass(thing, StrEnum)
)
MEMBERS = [member for enumeration in ENUMERATIONS for member in enumeration]
#: a verdict is the word that tables have; sentences on it are named after what they are on, too
WORDS = {
    comparison.Verdict: ("bench.",),
    prechelt1997.Verdict: None,
}


def of(member):
    """The messages of a member."""
    scopes = WORDS.get(type(member), ("",))
    return [f"{scope}{member}" for scope in scopes or ()]


@pytest.mark.parametrize("member", MEMBERS, ids=repr)
def test_every_reason_and_verdict_has_a_message(member):
    assert all(MESSAGES[name] for name in of(member))


def test_no_two_of_them_are_one_key():
    # members are text: those of two enumerations with one value would be one key of the table
    times = Counter(name for member in MEMBERS for name in of(member))
    assert [name for name, n in times.items() if n > 1] == []


def texts():
    """Patterns of all texts of the report but the table: those with places match any name there."""
    for path in sorted((PACKAGE / "report").glob("*.py")):
        if path.stem == "messages":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield re.escape(node.value)
            if isinstance(node, ast.JoinedStr):
                parts = [p.value if isinstance(p, ast.Constant) else None for p in node.values]
                # one that is hardly more than its places would match all names
                if max(len(part or "") for part in parts) > 5:
                    yield "".join("[a-z0-9_. ]+" if p is None else re.escape(p) for p in parts)


def test_no_message_is_without_a_user():
    said = set(texts())
    scopes = ("bench", "bench.pooled")
    on_verdicts = {f"{scope}.{verdict}" for scope in scopes for verdict in comparison.Verdict}
    on_verdicts |= {f"{scope}.{comparison.Verdict.NOT_SHOWN}.few" for scope in scopes}
    named = set(MESSAGES) - on_verdicts - {name for member in MEMBERS for name in of(member)}
    assert [name for name in named if not any(re.fullmatch(text, name) for text in said)] == []


def test_no_member_is_without_a_user():
    code = " ".join(inspect.getsource(study) for study in STUDIES)
    names = [f"{type(member).__name__}.{member.name}" for member in MEMBERS]
    assert [name for name in names if name not in code] == []


def test_a_wording_takes_what_it_needs_from_other_places():
    numbers = {"n": 1, "unit": "run", "value": 0.0, "low": -0.01, "high": float("inf")}
    assert worded("{n:counted {unit}} of {n:>3}", numbers) == "1 run of   1"
    assert worded("{value:difference {low} to {high}}", numbers) == "0% (-1% to unbounded)"
    assert set(WORDINGS) >= {"percent", "signed", "listed", "counted", "too_few"}
