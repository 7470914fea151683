"""What a stopping criterion is: a causal statistic of a run's curves and a threshold.

A *family* is a pure function of the curves; naming a threshold (and parameters) makes it a
*criterion*; criteria combine by :func:`any_of`, :func:`all_of` and :func:`after`. Everything
here is data: :mod:`first_passage` computes, :mod:`text` reads the text form.

A NaN statistic means "undefined at this check" and never passes.
"""

from __future__ import annotations

import inspect
import math
import operator
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from earlystop_lab._common.checks import as_number
from earlystop_lab._common.wording import cut
from earlystop_lab.curves import ERRORS, Form, canonical

#: how a statistic passes its threshold
Passes = Literal[">", ">=", "<", "<="]
#: a parameter's value
Value = float | int | bool | str | None

_HOLDS = {
    "at least": operator.ge,
    "more than": operator.gt,
    "at most": operator.le,
    "less than": operator.lt,
}


@dataclass(frozen=True, eq=False, repr=False)
class Family:
    """A statistic and how it passes its threshold; calling it makes a :class:`Criterion`.

    Made by the decorator :func:`criterion`, not directly. A family has one of two forms:
    ``start`` and ``step`` (a scan), or ``array`` (a function of whole arrays).
    """

    name: str
    #: the threshold's name; None for a rule that holds (statistic 1) or does not (0)
    threshold: str | None
    passes: Passes
    #: type of the threshold and of each parameter, where annotated
    kinds: Mapping[str, Any]
    #: default of the threshold and each parameter; ``inspect.Parameter.empty`` where there is none
    defaults: Mapping[str, Any]
    #: limits of the threshold and the parameters, such as {"at least": {"k": 1}}
    bounds: Mapping[str, Mapping[str, float]]
    #: those for which 0 means "off" in the rule's library, and which are therefore above 0
    off: tuple[str, ...]
    #: the channels that the rule looks at, as its function calls them
    watches: tuple[str, ...]
    #: parameters that are values of the first channel's metric, given as that is recorded
    recorded: tuple[str, ...] = ()
    #: how it takes errors and scores
    takes: Form = "error"
    #: name of the parameter that is the length of its strips, for rules with strips
    strip: str | None = None
    #: the step is taken at the ends of strips alone, the statistic NaN at other checks
    at_ends: bool = False
    #: what is written behind the statistic, such as "%"
    unit: str = ""
    start: Callable[..., Any] | None = None
    step: Callable[..., Any] | None = None
    restores: Callable[..., Any] | None = None
    cannot_pass: Callable[..., Any] | None = None
    pass_bound: Callable[..., Any] | None = None
    #: the library restores an epoch only where it was this rule that stopped the run
    restores_only_if_stopped: bool = False
    #: the library also tests between checks: one that passes by more than just is never made
    tests_between_checks: bool = False
    array: Callable[..., Any] | None = None
    __doc__: str | None = field(default=None)

    def __call__(self, *values: Value, **named: Value) -> Criterion:
        """The criterion of this family with that threshold and those parameters."""
        bound = {name: named.pop(name) for name in self.watches if name in named}
        channels = tuple(self._channel(name, bound.get(name, name)) for name in self.watches)
        given = self._bound(values, named)
        checked = {name: self._checked(name, value) for name, value in given.items()}
        threshold = checked.pop(self.threshold) if self.threshold else 1
        assert isinstance(threshold, (int, float))
        return Criterion(self, threshold, tuple(checked.items()), channels=channels)

    def __repr__(self) -> str:
        return f"<criterion family {self.name}({', '.join(self.slots)})>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        # families that can be imported travel by name, so that workers share what is compiled
        module = sys.modules.get(self.__module__)
        if self.__module__ != "__main__" and getattr(module, self.name, None) is self:
            return self.name
        return super().__reduce_ex__(protocol)

    @property
    def functions(self) -> list[Callable[..., Any]]:
        """All functions that it is made of."""
        parts = (
            self.start,
            self.step,
            self.restores,
            self.cannot_pass,
            self.pass_bound,
            self.array,
        )
        return [each for each in parts if each is not None]

    @property
    def sign(self) -> float:
        """-1 for a statistic that passes by falling: turned by it, every statistic rises."""
        return 1.0 if self.passes in (">", ">=") else -1.0

    @property
    def slots(self) -> list[str]:
        """Names in the order of the text form: the threshold, then the parameters."""
        return [*self.defaults]

    @property
    def forms(self) -> tuple[Form, ...]:
        """How the rule takes its channels: errors with lower better, others as recorded."""
        return tuple(self.takes if name in ERRORS else "recorded" for name in self.watches)

    def _channel(self, name: str, bound: Value) -> str:
        """The channel that the rule is to watch, or ``ValueError`` where that names none."""
        if not isinstance(bound, str) or not bound or bound in ("run", "epoch"):
            raise ValueError(
                f"{self.name}: {name} = {_shown(bound)}; expected the name of a channel"
            )
        return canonical(str(bound))  # numpy's texts are written otherwise

    def _bound(self, values: tuple[Value, ...], named: dict[str, Value]) -> dict[str, Value]:
        slots = self.slots
        if len(values) > min(1, len(slots)):
            raise ValueError(
                f"{self.name}: {len(values)} values by position; it takes "
                + (f"{slots[0]}; name the others" if slots else "no parameters")
            )
        if unknown := [name for name in named if name not in slots]:
            raise ValueError(
                f"{self.name}: unknown parameter {unknown[0]!r} = {_shown(named[unknown[0]])}; "
                f"it takes {', '.join(slots) or 'none'}"
                + (f", and the channels {', '.join(self.watches)}" if self.watches else "")
            )
        if values and slots[0] in named:
            raise ValueError(f"{self.name}: {slots[0]} is given twice")
        defaults = {k: v for k, v in self.defaults.items() if v is not inspect.Parameter.empty}
        given = {**defaults, **dict(zip(slots, values, strict=False)), **named}
        if missing := [name for name in slots if name not in given]:
            raise ValueError(f"{self.name}: {missing[0]} is missing")
        return {name: given[name] for name in slots}

    def _checked(self, name: str, value: Value) -> Value:
        """The value in its declared type, or ``ValueError`` naming rule, parameter and value."""
        kind = self.kinds.get(name, Value)
        if wrong := self._wrong(name, value, kind):
            raise ValueError(f"{self.name}: {name} = {_shown(value)}{wrong}")
        if typing.get_origin(kind) is Literal or isinstance(value, (bool, str)) or value is None:
            return value
        exact = float in (typing.get_args(kind) or (kind,)) and kind is not Value
        return float(value) if exact else _shortest(float(value))

    def _wrong(self, name: str, value: Value, kind: Any) -> str | None:
        """What is wrong with the value of a parameter, as the end of a message."""
        choices = typing.get_args(kind) or (kind,)
        if typing.get_origin(kind) is Literal:
            return (
                None if value in choices else f"; expected one of {', '.join(map(repr, choices))}"
            )
        if isinstance(value, (bool, str)) or value is None:
            return None if type(value) in choices else f"; expected {_named(choices)}"
        number = _number(value)
        if number is None or not {int, float} & set(choices):
            return f"; expected {_named(choices)}"
        if float not in choices and number != math.floor(number):
            return "; expected a whole number"
        if name in self.off and number == 0:
            return " switches the rule off in its library; expected more than 0"
        limits = ((words, each[name]) for words, each in self.bounds.items() if name in each)
        broken = (
            f"; expected {w} {limit:g}" for w, limit in limits if not _HOLDS[w](number, limit)
        )
        return next(broken, None)


@dataclass(frozen=True, repr=False)
class Criterion:
    """A family with its threshold and parameters: what stops a run.

    ``str`` gives the shortest text that :func:`parse` reads as this criterion: defaults are
    left out. ``warmup`` is in the units of the positions, see :func:`after`. ``channels`` are
    those that it watches, in the order of the family's ``watches``: ``GL(2, val="val_accuracy")``
    watches the channel of that name.
    """

    family: Family
    threshold: float
    params: tuple[tuple[str, Value], ...]
    warmup: float = 0
    channels: tuple[str, ...] = ()

    def __str__(self) -> str:
        family = self.family
        parts = [_literal(self.threshold)] if family.threshold else []
        for name, value in self.params:
            if value != family.defaults[name]:
                leading = not family.threshold and name == family.slots[0]
                parts.append(_literal(value) if leading else f"{name}={_literal(value)}")
        for name, bound in zip(family.watches, self.channels, strict=True):
            if bound != canonical(name):
                parts.append(f"{name}={bound!r}")
        text = f"{family.name}({', '.join(parts)})"
        return f"after({_literal(self.warmup)}, {text})" if self.warmup else text

    __repr__ = __str__

    @property
    def watched(self) -> tuple[tuple[str, Form], ...]:
        """The channels that it watches, and how it takes them."""
        return tuple(zip(self.channels, self.family.forms, strict=True))

    def with_threshold(self, threshold: float) -> Criterion:
        """The same with another threshold; ``ValueError`` where the family does not allow it."""
        assert self.family.threshold is not None
        checked = self.family._checked(self.family.threshold, threshold)
        assert isinstance(checked, (int, float))
        return replace(self, threshold=checked)

    def strips(self, select: str = "val") -> frozenset[int]:
        """Which checks of a channel ``restore="best"`` sees: every k-th for each k here.

        Counted are those at which that channel was measured; all are seen where no k is here.
        """
        if self._strip is not None:
            return frozenset([self._strip])
        return frozenset([1] if select in self.channels else [])

    @property
    def _strip(self) -> int | None:
        strip = self.family.strip
        return None if strip is None else int(typing.cast(int, dict(self.params)[strip]))

    @property
    def stride(self) -> int:
        """The step is taken at every check that this number divides."""
        return (self._strip or 1) if self.family.at_ends else 1

    @property
    def leaves(self) -> tuple[Criterion, ...]:
        """The criteria this one is made of: itself."""
        return (self,)


@dataclass(frozen=True, repr=False)
class Combination:
    """Several criteria as one: ``any_of`` stops with the first, ``all_of`` when all hold."""

    how: Literal["any_of", "all_of"]
    members: tuple[Rule, ...]

    def __str__(self) -> str:
        return f"{self.how}({', '.join(map(str, self.members))})"

    __repr__ = __str__

    def strips(self, select: str = "val") -> frozenset[int]:
        """The checks that any member's own ``strips`` let through."""
        return frozenset().union(*(member.strips(select) for member in self.members))

    @property
    def leaves(self) -> tuple[Criterion, ...]:
        """The criteria this one is made of, in order."""
        return tuple(leaf for member in self.members for leaf in member.leaves)


#: anything that stops a run
Rule = Criterion | Combination


def any_of(*criteria: Rule) -> Combination:
    """Stop as soon as one of the criteria does.

    >>> from earlystop_lab import GL, MaxEpochs, any_of
    >>> any_of(GL(5), MaxEpochs(3000))
    any_of(GL(5), MaxEpochs(3000))
    """
    return Combination("any_of", _members("any_of", criteria))


def all_of(*criteria: Rule) -> Combination:
    """Stop at the first check at which all criteria hold at once.

    A criterion holds at a check where its statistic passes its threshold; a rule with strips
    can hold only at their ends, a patience rule only where the library could fire.

    >>> from earlystop_lab import GL, Keras, all_of
    >>> all_of(GL(5), Keras(10))
    all_of(GL(5), Keras(10))
    """
    return Combination("all_of", _members("all_of", criteria))


def after(epochs: float, criterion: Rule) -> Rule:
    """Warm-up: the criterion cannot stop a run up to and including this epoch.

    The history is *seen but gated*: the statistic runs from the first check on, and training
    stops at the first later check at which it passes. A threshold passed during the warm-up
    alone is forgotten. (Keras' ``start_from_epoch`` differs: there history is not seen.)

    >>> from earlystop_lab import UP, after
    >>> after(100, UP(2))
    after(100, UP(2))
    """
    number = _number(epochs)
    if number is None or number < 0:
        raise ValueError(f"after: epochs = {_shown(epochs)}; expected a number, at least 0")
    _members("after", (criterion,))
    if isinstance(criterion, Combination):
        return replace(criterion, members=tuple(after(number, m) for m in criterion.members))
    return replace(criterion, warmup=_shortest(max(number, criterion.warmup)))


def criterion(
    *,
    threshold: str | None = None,
    passes: Passes = ">=",
    whole: bool = False,
    default: float | None = None,
    at_least: Mapping[str, float] | None = None,
    above: Mapping[str, float] | None = None,
    at_most: Mapping[str, float] | None = None,
    below: Mapping[str, float] | None = None,
    off: tuple[str, ...] = (),
    step: Callable[..., Any] | None = None,
    restores: Callable[..., Any] | None = None,
    cannot_pass: Callable[..., Any] | None = None,
    pass_bound: Callable[..., Any] | None = None,
    restores_only_if_stopped: bool = False,
    tests_between_checks: bool = False,
    watches: tuple[str, ...] = ("val",),
    recorded: tuple[str, ...] = (),
    takes: Form = "error",
    strip: str | None = None,
    at_ends: bool = False,
    unit: str = "",
) -> Callable[[Callable[..., Any]], Family]:
    """Make a family of stopping criteria from one pure function.

    *Array form.* The function gets the channels it names (1-D arrays of one run, one value a
    check; ``epoch`` is the position) and its parameters by keyword; it returns one value a
    check, which at t must depend on nothing after t. ``val``, ``train`` and ``test`` are errors,
    lower is better, also where a score was recorded; any other channel, such as ``lr``, comes as
    recorded. A check is a row at which all of them were measured:

    >>> import numpy as np
    >>> from earlystop_lab import criterion
    >>> @criterion(threshold="level", passes="<")
    ... def Below(val, *, scale=1.0):
    ...     '''Validation error below a level, which cannot be missed later.'''
    ...     return np.minimum.accumulate(val) / scale
    >>> Below(0.1)
    Below(0.1)

    *Scan form*, which runs compiled: with ``step=``, the function takes the parameters and
    returns the first state, a tuple of numbers; ``step(state, epoch, *values)``, told a value of
    each channel in the order of ``watches``, returns the next state and the statistic at this
    check. State and statistic keep their types.
    ``restores`` gives, from a state, the epoch whose weights the rule's library would restore
    (NaN: none), ``restores_only_if_stopped`` says that it does so only where this rule stopped the
    run, ``tests_between_checks`` that the library tests between checks, too, so that where the
    statistic is above its threshold the check itself is not seen any more.

    ``cannot_pass(state, bound, *values)``, which only makes a replay faster, is true where the
    next statistic surely does not pass the limit and this costs less to tell than the statistic.
    ``bound`` is what ``pass_bound(limit)`` makes of the limit once, without it the limit itself;
    to be at least a threshold is to pass the number before it, which then is the limit.

    In the array form ``restores`` takes the same arrays and parameters as the function and gives
    that epoch for every check.

    ``threshold`` names the threshold, None for a rule whose statistic is 1 where it holds and
    0 elsewhere; ``default`` is its default, ``whole`` says that it is a whole number.
    ``at_least``, ``above``, ``at_most`` and ``below`` bound it and the parameters, whose types
    come from their annotations; those in ``off`` cannot be 0, which switches the library's rule
    off. ``watches`` names the channels a scan looks at; a criterion may bind others in their
    place, ``GL(2, val="val_accuracy")``. ``recorded`` names parameters that are values of the first
    channel's metric: of a score they are given as that is recorded, and the function is told their
    negatives. ``takes="ratio"`` says that the rule divides by an error: a score then needs a known
    upper bound, its distance from which is the error; ``takes="score"`` that it compares scores: it
    is told those as recorded, of an error 1 - error. ``strip`` names the parameter that is the
    length of its strips, ``at_ends`` says that the step is taken at their ends alone and the
    statistic is NaN at other checks. ``unit`` is what is written behind the statistic.
    """
    above = {**dict.fromkeys(off, 0.0), **(above or {})}
    at_least = {**({strip: 1} if strip else {}), **(at_least or {})}
    bounds = {"at least": at_least, "more than": above, "at most": at_most, "less than": below}
    nothing = inspect.Parameter.empty

    def made(function: Callable[..., Any]) -> Family:
        if function.__name__ in ("any_of", "all_of", "after"):
            raise ValueError(f"{function.__name__}: the name of a combination; choose another")
        signature = inspect.signature(function).parameters.values()
        inputs = tuple(p.name for p in signature if p.kind is not p.KEYWORD_ONLY)
        if wrong := [name for name in inputs if step is not None or name == "run"]:
            allowed = "a scan has only keyword ones" if step else "expected the name of a channel"
            raise ValueError(f"{function.__name__}: positional parameter {wrong[0]!r}; {allowed}")
        hints = typing.get_type_hints(function)
        hints.pop("return", None)
        defaults = {p.name: p.default for p in signature if p.kind is p.KEYWORD_ONLY}
        if strip is not None and strip not in defaults:
            raise ValueError(f"{function.__name__}: strip = {strip!r} names no parameter")
        if at_ends and (strip is None or step is None):
            raise ValueError(f"{function.__name__}: at_ends needs step and strip")
        if (cannot_pass or pass_bound) and step is None:
            only = "cannot_pass and pass_bound are of a scan; give step, too"
            raise ValueError(f"{function.__name__}: {only}")
        watched = watches if step else tuple(name for name in inputs if name != "epoch")
        if twice := {*watched} & {*defaults, threshold}:
            raise ValueError(
                f"{function.__name__}: {twice.pop()!r} names a channel and a parameter; rename one"
            )
        if unknown := [name for name in recorded if name not in {*defaults, threshold}]:
            raise ValueError(f"{function.__name__}: recorded = {unknown[0]!r} names no parameter")
        if threshold:
            defaults = {threshold: nothing if default is None else default, **defaults}
        family = Family(
            name=function.__name__,
            threshold=threshold,
            passes=passes if threshold else ">=",
            kinds={**hints, **({threshold: int if whole else float} if threshold else {})},
            defaults=defaults,
            bounds={words: limits for words, limits in bounds.items() if limits},
            off=off,
            watches=watched,
            recorded=recorded,
            takes=takes,
            strip=strip,
            at_ends=at_ends,
            unit=unit,
            start=function if step else None,
            step=step,
            restores=restores,
            cannot_pass=cannot_pass,
            pass_bound=pass_bound,
            restores_only_if_stopped=restores_only_if_stopped,
            tests_between_checks=tests_between_checks,
            array=None if step else function,
            __doc__=inspect.getdoc(function),
        )
        object.__setattr__(family, "__module__", function.__module__)
        return family

    return made


def _members(name: str, criteria: tuple[Rule, ...]) -> tuple[Rule, ...]:
    for member in criteria:
        if not isinstance(member, (Criterion, Combination)):
            hint = "; give it a threshold" if isinstance(member, Family) else ""
            raise ValueError(f"{name}: {member!r} is not a criterion{hint}")
    if not criteria:
        raise ValueError(f"{name}: expected at least one criterion")
    return criteria


def _number(value: Any) -> float | None:
    """The value as a finite number that float64 holds exactly where it is whole, else None."""
    number = as_number(value)
    exact = not isinstance(value, int) or abs(value) <= 2**53
    return number if number is not None and math.isfinite(number) and exact else None


def _shortest(number: float) -> float | int:
    """A whole number as int, so that GL(1.0) and GL(1) are one criterion."""
    return int(number) if number == math.floor(number) and abs(number) <= 2**53 else number


def _literal(value: Value) -> str:
    return repr(_shortest(value) if isinstance(value, float) else value)


def _shown(value: Any) -> str:
    """The value for an error message, cut where it is long."""
    try:
        return cut(repr(value))
    except ValueError:  # an int of more digits than Python prints
        return "an enormous number"


def _named(kinds: tuple[Any, ...]) -> str:
    words = {
        int: "a whole number up to 2**53",
        float: "a finite number",
        bool: "True or False",
        str: "a text",
        type(None): "None",
    }
    named = [words[kind] for kind in kinds if kind in words]
    return " or ".join(n for n in named if not (n == words[int] and float in kinds))
