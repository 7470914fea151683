"""The text form of criteria: ``GL(2)``, ``PQ(0.5, k=10)``, ``any_of(UP(3), MaxEpochs(500))``."""

import ast
from collections.abc import Collection, Mapping

from earlystop_lab._common.wording import cut, nearest
from earlystop_lab.criteria.core import Criterion, Family, Rule, Value, after, all_of, any_of

_COMBINE = {"any_of": any_of, "all_of": all_of}


def parse(text: str, families: Mapping[str, Family], others: Collection[str] = ()) -> Rule:
    """Parse ``text`` as a criterion; ``ValueError`` if it is none.

    ``others`` are names of rules that see other runs, for the message if one is not expected.
    """
    if not isinstance(text, str):
        raise ValueError(f"criterion {text!r}: expected a string such as 'GL(2)'")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = f" ({error.msg})" if isinstance(error, SyntaxError) and text.strip() else ""
        raise ValueError(
            f"criterion {_short(text)}: cannot be parsed{why}; expected a criterion such as GL(2)"
        ) from error
    try:
        return _rule(_short(text), tree, families, others)
    except RecursionError as error:
        raise ValueError(f"criterion {_short(text)}: nested too deeply") from error


def passed(rule: Criterion, statistic: float) -> str:
    """Why a criterion holds: its statistic, and the threshold that it passes.

    >>> from earlystop_lab import GL, TerminateOnNaN
    >>> passed(GL(5), 5.3099999), passed(TerminateOnNaN(), 1.0)
    ('GL 5.31% > 5', 'TerminateOnNaN() holds')
    """
    family = rule.family
    if family.threshold is None:
        return f"{rule} holds"
    value, threshold = short_number(statistic), short_number(rule.threshold)
    return f"{family.name} {value}{family.unit} {family.passes} {threshold}"


def short_number(number: float) -> str:
    """A number with six digits; above a million, a whole one.

    >>> short_number(0.12345678), short_number(2.0), short_number(12345678.9)
    ('0.123457', '2', '12345679')
    """
    return f"{number:.6g}" if abs(number) < 1e6 else f"{number:.0f}"


def _rule(
    text: str, node: ast.expr, families: Mapping[str, Family], others: Collection[str]
) -> Rule:
    if isinstance(node, ast.BoolOp):
        combination = "any_of" if isinstance(node.op, ast.Or) else "all_of"
        raise ValueError(
            f"criterion {text}: criteria cannot be combined by operators; write {combination}(...)"
        )
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        raise ValueError(
            f"criterion {text}: expected a name with parameters in parentheses, such as GL(2), "
            f"but found {ast.unparse(node)!r}"
        )
    name = node.func.id
    if name in _COMBINE and not node.keywords:
        return _COMBINE[name](*(_rule(text, member, families, others) for member in node.args))
    if name in _COMBINE:
        raise ValueError(f"criterion {text}: {name} takes criteria and no keyword arguments")
    if name == "after":
        if len(node.args) != 2 or node.keywords:
            raise ValueError(f"criterion {text}: expected after(epochs, criterion)")
        epochs = _value(text, node.args[0])
        return after(epochs, _rule(text, node.args[1], families, others))  # type: ignore[arg-type]
    if name not in families and name in others:
        raise ValueError(
            f"criterion {text}: {name} sees other runs; only replay and prune take it, and it "
            "cannot be combined with criteria"
        )
    if name not in families:
        known = [*families, *_COMBINE, "after"]
        raise ValueError(
            f"criterion {text}: unknown criterion {name!r}; {nearest(name, known)}"
            f"Known criteria: {', '.join(known)}"
        )
    values = [_value(text, node) for node in node.args]
    named = {}
    for keyword in node.keywords:
        if keyword.arg is None:
            raise ValueError(f"criterion {text}: ** is not supported")
        if keyword.arg in named:
            raise ValueError(f"criterion {text}: {keyword.arg} is given more than once")
        named[keyword.arg] = _value(text, keyword.value)
    return families[name](*values, **named)


def _value(text: str, node: ast.expr) -> Value:
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError) as error:
        raise ValueError(
            f"criterion {text}: {ast.unparse(node)!r} is not a literal value"
        ) from error
    if value is not None and not isinstance(value, (bool, int, float, str)):
        raise ValueError(f"criterion {text}: {ast.unparse(node)!r} is not a number or a string")
    return value


def _short(text: str) -> str:
    """The text in quotes for a message, truncated if long."""
    return repr(cut(text, 80))
