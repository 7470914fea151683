"""Formatting of numbers and names for readers."""

import difflib
import math
from collections.abc import Iterable, Sequence


def visible(text: str) -> str:
    """The text with every character that is not printable written as its escape sequence.

    These are the characters that ``repr`` escapes: line ends and other control characters,
    characters without a width, those that change the direction of text, and lone surrogates.

    >>> print(visible("run\\x1b[2J\\n1"), visible("a\\u202eb"), visible("Übung"))
    run\\x1b[2J\\n1 a\\u202eb Übung
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def percent(share: float) -> str:
    """A share in percent with two digits; beyond tenfold it is only reported as such.

    >>> percent(0.0213), percent(0.42), percent(float("inf")), percent(float("nan"))
    ('2.1%', '42%', 'unbounded', 'unknown')
    >>> percent(1e9)
    'over 1000%'
    """
    if not math.isfinite(share):
        return "unknown" if math.isnan(share) else "unbounded"
    if share > 10:
        return "over 1000%"
    return f"{share:.0%}" if abs(share) >= 0.1 else f"{100 * share:.2g}%"


def signed(share: float) -> str:
    """A change in percent with its sign.

    >>> signed(0.0213), signed(-0.42), signed(0.0), signed(1e9)
    ('+2.1%', '-42%', '0%', 'over +1000%')
    """
    if share > 10:
        return percent(share).replace("1000", "+1000")
    return f"{'+' if share > 0 else ''}{percent(share)}"


def counted(n: int, unit: str) -> str:
    """A count with its unit.

    >>> counted(1, "run"), counted(12, "problem")
    ('1 run', '12 problems')
    """
    return f"{n} {unit}{'' if n == 1 else 's'}"


def spoken(column: str) -> str:
    """What a column that clusters are named by is called in a sentence.

    >>> spoken("dataset"), spoken("run")
    ('data set', 'run')
    """
    return {"dataset": "data set"}.get(column, column)


def too_few(n: int, unit: str) -> str:
    """A statement that the count is too small.

    >>> too_few(1, "run"), too_few(3, "problem")
    ('1 run is too few', '3 problems are too few')
    """
    return f"{counted(n, unit)} {'is' if n == 1 else 'are'} too few"


def word_set(text: str) -> frozenset[str]:
    """The words of a text: a compact way to write a table of names.

    >>> sorted(word_set("loss nll ce"))
    ['ce', 'loss', 'nll']
    """
    return frozenset(text.split())


def cut(text: str, most: int = 60) -> str:
    """The text, truncated if it is longer than ``most`` characters.

    >>> cut("early"), cut("early stopping", 8)
    ('early', 'early...')
    """
    return text if len(text) <= most else f"{text[: most - 3]}..."


def nearest(name: str, known: Iterable[str]) -> str:
    """A question that names what was probably meant; empty where nothing is near.

    >>> nearest("kears", ["GL", "Keras"]), nearest("gl", ["GL", "Keras"]), nearest("x", ["GL"])
    ("did you mean 'Keras'? ", "did you mean 'GL'? ", '')
    """
    plain = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), plain, n=1)
    return f"did you mean {plain[near[0]]!r}? " if near else ""


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names joined in a sentence; if there are many, only the first of them.

    >>> listed(["GL"]), listed(["GL", "PQ", "UP"]), listed(["a", "b", "c", "d"], most=2)
    ('GL', 'GL, PQ and UP', 'a, b and 2 more')
    """
    names = [*map(visible, names)]
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most} more"
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
