"""A backtracking matcher that counts its steps: what a regular expression costs, without a clock.

It walks the parse tree of Python's own parser, tries alternatives in the order of Python's matcher,
and has none of its shortcuts, so it never counts fewer steps than that one takes, up to a factor.
"""

import re
import re._constants as op
import re._parser as parser
import sys
from collections.abc import Callable, Iterator

import numpy as np

#: goes on behind a place in the text; the end of the match, or None
Then = Callable[[int], int | None]
Matcher = Callable[[int, Then], int | None]

_BLANK, _DIGIT, _WORD = (re.compile(each) for each in (r"\s", r"\d", r"\w"))
_CLASSES = {
    op.CATEGORY_SPACE: (_BLANK, True),
    op.CATEGORY_NOT_SPACE: (_BLANK, False),
    op.CATEGORY_DIGIT: (_DIGIT, True),
    op.CATEGORY_NOT_DIGIT: (_DIGIT, False),
    op.CATEGORY_WORD: (_WORD, True),
    op.CATEGORY_NOT_WORD: (_WORD, False),
}
_REPEATS = (op.MAX_REPEAT, op.MIN_REPEAT, op.POSSESSIVE_REPEAT)
_ONE = (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN)


def tree_of(pattern: re.Pattern[str]) -> parser.SubPattern:
    """The parse tree of a pattern."""
    return parser.parse(pattern.pattern, pattern.flags & ~re.DEBUG)


def fits(node: tuple, char: str, flags: int) -> bool:
    """Whether a node of one character matches it."""
    kind, value = node
    if flags & re.IGNORECASE:
        return any(_fits(kind, value, each, flags) for each in {char, char.lower(), char.upper()})
    return _fits(kind, value, char, flags)


def _fits(kind: object, value: object, char: str, flags: int) -> bool:
    if len(char) != 1:
        return False
    if kind is op.LITERAL:
        return ord(char) == value
    if kind is op.NOT_LITERAL:
        return ord(char) != value
    if kind is op.ANY:
        return char != "\n" or bool(flags & re.DOTALL)
    inside, negated = False, False
    for what, how in value:
        if what is op.NEGATE:
            negated = True
        elif what is op.LITERAL:
            inside |= ord(char) == how
        elif what is op.RANGE:
            inside |= how[0] <= ord(char) <= how[1]
        else:
            found, positive = _CLASSES[how]
            inside |= (found.fullmatch(char) is not None) is positive
    return inside is not negated


class Counting:
    """A pattern whose steps are counted in ``steps``."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        tree = tree_of(pattern)
        self.steps, self._text = 0, ""
        self._match = self._sequence(list(tree), tree.state.flags)

    def match(self, text: str, at: int = 0, *, full: bool = False) -> int | None:
        """The end of the match that begins there."""
        self._text = text
        return self._match(at, lambda i: i if not full or i == len(text) else None)

    def findall(self, text: str) -> Iterator[tuple[int, int]]:
        """Begin and end of every match, as for ``search``, ``sub`` and ``split``."""
        at = 0
        while at <= len(text):
            end = self.match(text, at)
            if end is not None:
                yield at, end
            at = at + 1 if end is None or end == at else end

    def _sequence(self, nodes: list, flags: int) -> Matcher:
        parts = [self._node(node, flags) for node in nodes]

        def run(i: int, then: Then, k: int = 0) -> int | None:
            if k == len(parts):
                return then(i)
            return parts[k](i, lambda j: run(j, then, k + 1))

        return run

    def _node(self, node: tuple, flags: int) -> Matcher:
        kind, value = node
        if kind in _ONE:
            return self._one(node, flags)
        if kind is op.SUBPATTERN:
            _, add, remove, inner = value
            return self._sequence(list(inner), (flags | add) & ~remove)
        if kind is op.BRANCH:
            ways = [self._sequence(list(way), flags) for way in value[1]]

            def branch(i: int, then: Then) -> int | None:
                for way in ways:
                    if (end := way(i, then)) is not None:
                        return end
                return None

            return branch
        if kind in _REPEATS:
            return self._repeat(kind, *value, flags)
        if kind is op.ATOMIC_GROUP:
            inner = self._sequence(list(value), flags)
            return lambda i, then: None if (end := inner(i, lambda j: j)) is None else then(end)
        if kind in (op.ASSERT, op.ASSERT_NOT):
            return self._look(kind is op.ASSERT, *value, flags)
        assert kind is op.AT, f"{kind} is not counted here yet"
        return self._at(value, bool(flags & re.MULTILINE))

    def _one(self, node: tuple, flags: int) -> Matcher:
        known: dict[str, bool] = {}

        def run(i: int, then: Then) -> int | None:
            self.steps += 1
            char = self._text[i : i + 1]
            if char not in known:
                known[char] = fits(node, char, flags)
            return then(i + 1) if known[char] else None

        return run

    def _repeat(self, kind: object, least: int, most: int, inner: list, flags: int) -> Matcher:
        body = self._sequence(list(inner), flags)
        most = sys.maxsize if most is op.MAXREPEAT else int(most)
        single = len(inner) == 1 and inner[0][0] in _ONE

        def possessive(i: int, then: Then) -> int | None:
            count = 0
            while count < most and (end := body(i, lambda j: j)) is not None:
                count, before, i = count + 1, i, end
                if end == before:
                    break
            return then(i) if count >= least else None

        def greedy_of_one(i: int, then: Then) -> int | None:
            count = 0
            while count < most and body(i + count, lambda j: j) is not None:
                count += 1
            for k in range(count, least - 1, -1):
                self.steps += 1
                if (end := then(i + k)) is not None:
                    return end
            return None

        def lazy_of_one(i: int, then: Then) -> int | None:
            count = 0
            while True:
                if count >= least and (end := then(i + count)) is not None:
                    return end
                if count >= most or body(i + count, lambda j: j) is None:
                    return None
                count += 1

        def greedy(i: int, then: Then, count: int = 0) -> int | None:
            def again(j: int) -> int | None:
                return None if j == i and count >= least else greedy(j, then, count + 1)

            if count < most and (end := body(i, again)) is not None:
                return end
            return then(i) if count >= least else None

        def lazy(i: int, then: Then, count: int = 0) -> int | None:
            if count >= least and (end := then(i)) is not None:
                return end
            return body(i, lambda j: lazy(j, then, count + 1)) if count < most else None

        if kind is op.POSSESSIVE_REPEAT:
            return possessive
        if kind is op.MAX_REPEAT:
            return greedy_of_one if single else greedy
        return lazy_of_one if single else lazy

    def _look(self, wanted: bool, direction: int, inner: list, flags: int) -> Matcher:
        body, width = self._sequence(list(inner), flags), inner.getwidth()[0]

        def run(i: int, then: Then) -> int | None:
            start = i if direction > 0 else i - width
            there = start >= 0 and body(start, lambda j: j) is not None
            return then(i) if there is wanted else None

        return run

    def _at(self, where: object, lines: bool) -> Matcher:
        def holds(i: int) -> bool:
            before, after = self._text[i - 1 : i] if i else "", self._text[i : i + 1]
            if where is op.AT_BOUNDARY:
                return bool(_WORD.match(before)) is not bool(_WORD.match(after))
            if where is op.AT_BEGINNING:
                return i == 0 or (lines and before == "\n")
            assert where in (op.AT_END, op.AT_END_STRING)
            return not after or (where is op.AT_END and after == "\n" and lines)

        def run(i: int, then: Then) -> int | None:
            self.steps += 1
            return then(i) if holds(i) else None

        return run


#: what samples and repetitions are made of
_ALPHABET = "a1 .,'\"-=:(|[{\\_/\té+e)]}\n\x00"
#: what fits many a pattern and fails late
_AWKWARD = ("\\'", '\\"', " - ", "'s ", "a\n", "a-", "1_", "[ ")
_LETTERS = _ALPHABET + "".join(map(chr, range(32, 127)))


def attacks(pattern: re.Pattern[str], rng: np.random.Generator) -> list[tuple[str, str]]:
    """Beginnings and repetitions that fit the parts of a pattern: ``begin + n * repeated``."""
    tree = tree_of(pattern)
    flags, found = tree.state.flags, list[tuple[str, str]]()

    def sample(nodes: list) -> str:
        text = ""
        for kind, value in nodes:
            if kind in _ONE:
                fitting = [c for c in _LETTERS if fits((kind, value), c, flags)] or [""]
                text += fitting[int(rng.integers(len(fitting)))]
            elif kind is op.SUBPATTERN:
                text += sample(value[3])
            elif kind is op.BRANCH:
                text += sample(value[1][int(rng.integers(len(value[1])))])
            elif kind in _REPEATS:
                least, most, inner = value
                for _ in range(int(rng.integers(least, min(int(most), least + 2) + 1))):
                    text += sample(inner)
            elif kind is op.ATOMIC_GROUP:
                text += sample(value)
        return text

    def walk(nodes: list, begin: str) -> None:
        for kind, value in nodes:
            if kind in _REPEATS:
                inner = value[2]
                if int(value[1]) > 20:
                    fitting = _ALPHABET if _single(inner) else ""
                    one = [c for c in fitting if fits(inner[0], c, flags)]
                    found.extend((begin, c) for c in one or [sample(inner) for _ in range(3)])
                walk(inner, begin)
            elif kind in (op.SUBPATTERN, op.ATOMIC_GROUP):
                walk(value[3] if kind is op.SUBPATTERN else value, begin)
            elif kind is op.BRANCH:
                for way in value[1]:
                    walk(way, begin)
            elif kind in (op.ASSERT, op.ASSERT_NOT):
                walk(value[1], begin)
            begin += sample([(kind, value)])

    walk(list(tree), "")
    found += [(begin, each) for begin in ("", "'") for each in _AWKWARD]
    # matches that are begun again and again
    for _ in range(2):
        whole = sample(list(tree))
        found += [("", whole[:k]) for k in range(1, min(len(whole), 12) + 1)]
    return [*dict.fromkeys(found)]


def longest(nodes: list) -> int:
    """The largest bound of a repetition that is bounded, which below it looks like a long one."""
    most = 0
    for kind, value in nodes:
        inner: list = []
        if kind in _REPEATS:
            inner = [value[2]]
            if value[1] is not op.MAXREPEAT:
                most = max(most, int(value[1]))
        elif kind in (op.SUBPATTERN, op.ATOMIC_GROUP):
            inner = [value[3] if kind is op.SUBPATTERN else value]
        elif kind is op.BRANCH:
            inner = value[1]
        elif kind in (op.ASSERT, op.ASSERT_NOT):
            inner = [value[1]]
        most = max([most, *map(longest, inner)])
    return most


def _single(nodes: list) -> bool:
    return len(nodes) == 1 and nodes[0][0] in _ONE
