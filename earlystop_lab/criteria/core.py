"""What a stopping criterion is: a causal statistic of a run's curves and a threshold.

A *family* is a pure function of the curves. A family with a threshold (and parameters) is a
*criterion*, and criteria are combined by :func:`any_of`, :func:`all_of` and :func:`after`. This
module only describes criteria: :mod:`first_passage` evaluates them and :mod:`text` parses them.

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
from earlystop_lab._common.wording import cut, nearest
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
    """A statistic and how it passes its threshold; call it to make a :class:`Criterion`.

    Made by the decorator :func:`criterion`, not directly. A family has one of two forms:
    ``start`` and ``step`` (a scan), or ``array`` (a function of whole arrays).
    """

    name: str
    #: the threshold's name; None for a rule whose statistic is 1 when it holds and 0 otherwise
    threshold: str | None
    passes: Passes
    #: type of the threshold and of each parameter, where annotated
    kinds: Mapping[str, Any]
    #: default of the threshold and each parameter; ``inspect.Parameter.empty`` where there is none
    defaults: Mapping[str, Any]
    #: limits of the threshold and the parameters, such as {"at least": {"k": 1}}
    bounds: Mapping[str, Mapping[str, float]]
    #: parameters that must be above 0 because 0 switches the rule off in its library
    off: tuple[str, ...]
    #: the channels that the rule watches, by the names that its function uses
    watches: tuple[str, ...]
    #: parameters that are values of the first channel's metric, on the scale it was recorded on
    recorded: tuple[str, ...] = ()
    #: whether it takes errors or scores
    takes: Form = "error"
    #: name of the parameter that holds the strip length, for rules with strips
    strip: str | None = None
    #: the step is taken only at the ends of strips; the statistic is NaN at other checks
    at_ends: bool = False
    #: the unit printed after the statistic, such as "%"
    unit: str = ""
    start: Callable[..., Any] | None = None
    step: Callable[..., Any] | None = None
    restores: Callable[..., Any] | None = None
    cannot_pass: Callable[..., Any] | None = None
    pass_bound: Callable[..., Any] | None = None
    #: the library restores an epoch only if this rule stopped the run
    restores_only_if_stopped: bool = False
    #: the library also tests between checks: if the statistic is above its threshold at a check,
    #: training ended before that check
    tests_between_checks: bool = False
    array: Callable[..., Any] | None = None
    __doc__: str | None = field(default=None)

    def __call__(self, *values: Value, **named: Value) -> Criterion:
        """The criterion of this family with the given threshold and parameters."""
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
        # importable families are pickled by name, so that workers share compiled code
        module = sys.modules.get(self.__module__)
        if self.__module__ != "__main__" and getattr(module, self.name, None) is self:
            return self.name
        return super().__reduce_ex__(protocol)

    @property
    def functions(self) -> list[Callable[..., Any]]:
        """All functions that the family consists of."""
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
        """-1 if the statistic passes by falling, else 1; times this, every statistic rises."""
        return 1.0 if self.passes in (">", ">=") else -1.0

    @property
    def slots(self) -> list[str]:
        """Parameter names in the order of the text form: first the threshold, then the others."""
        return [*self.defaults]

    @property
    def forms(self) -> tuple[Form, ...]:
        """The form of each channel: as an error (lower is better), or as recorded."""
        return tuple(self.takes if name in ERRORS else "recorded" for name in self.watches)

    def _channel(self, name: str, bound: Value) -> str:
        """The name of the channel to watch; ``ValueError`` if ``bound`` is not a channel name."""
        if not isinstance(bound, str) or not bound or bound in ("run", "epoch"):
            raise ValueError(
                f"{self.name}: {name} = {_shown(bound)}; expected the name of a channel"
            )
        return canonical(str(bound))  # the repr of a numpy string differs

    def _bound(self, values: tuple[Value, ...], named: dict[str, Value]) -> dict[str, Value]:
        slots = self.slots
        if len(values) > min(1, len(slots)):
            takes = f"one positional argument ({slots[0]})" if slots else "no arguments"
            others = "; pass the others by keyword" if len(slots) > 1 else ""
            raise ValueError(f"{self.name} takes {takes}, but {len(values)} were given{others}")
        if unknown := [name for name in named if name not in slots]:
            raise ValueError(
                f"{self.name}: unknown parameter {unknown[0]!r} = {_shown(named[unknown[0]])}; "
                + nearest(unknown[0], (*slots, *self.watches))
                + f"its parameters are {', '.join(slots) or 'none'}"
                + (f", and its channels are {', '.join(self.watches)}" if self.watches else "")
            )
        if values and slots[0] in named:
            raise ValueError(f"{self.name}: {slots[0]} was passed both by position and by keyword")
        defaults = {k: v for k, v in self.defaults.items() if v is not inspect.Parameter.empty}
        given = {**defaults, **dict(zip(slots, values, strict=False)), **named}
        if missing := [name for name in slots if name not in given]:
            raise ValueError(f"{self.name}: missing required argument {missing[0]!r}")
        return {name: given[name] for name in slots}

    def _checked(self, name: str, value: Value) -> Value:
        """The value in its declared type; ``ValueError`` naming rule, parameter and value."""
        kind = self.kinds.get(name, Value)
        if wrong := self._wrong(name, value, kind):
            raise ValueError(f"{self.name}: {name} = {_shown(value)}{wrong}")
        if typing.get_origin(kind) is Literal or isinstance(value, (bool, str)) or value is None:
            return value
        exact = float in (typing.get_args(kind) or (kind,)) and kind is not Value
        return float(value) if exact else _shortest(float(value))

    def _wrong(self, name: str, value: Value, kind: Any) -> str | None:
        """What is wrong with a parameter's value, as the end of an error message, else None."""
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
            return "; expected an integer"
        if name in self.off and number == 0:
            return " switches the rule off in its library; expected a value above 0"
        limits = ((words, each[name]) for words, each in self.bounds.items() if name in each)
        broken = (
            f"; expected {w} {limit:g}" for w, limit in limits if not _HOLDS[w](number, limit)
        )
        return next(broken, None)


@dataclass(frozen=True, repr=False)
class Criterion:
    """A family with its threshold and parameters: decides where a run stops.

    ``str`` gives the shortest text from which :func:`parse` makes this criterion: default values
    are omitted. ``warmup`` is in the units of the positions, see :func:`after`. ``channels`` are
    the watched channels, in the order of the family's ``watches``: ``GL(2, val="val_accuracy")``
    watches the channel named ``val_accuracy``.
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
        """The watched channels, each with the form in which the rule takes it."""
        return tuple(zip(self.channels, self.family.forms, strict=True))

    def with_threshold(self, threshold: float) -> Criterion:
        """A copy with another threshold; ``ValueError`` if the family does not allow it."""
        assert self.family.threshold is not None
        checked = self.family._checked(self.family.threshold, threshold)
        assert isinstance(checked, (int, float))
        return replace(self, threshold=checked)

    def strips(self, select: str = "val") -> frozenset[int]:
        """The strip lengths k such that ``restore="best"`` may select only every k-th check.

        Checks are counted where the channel ``select`` was measured. Without strip lengths, every
        check may be selected.
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
        """The step is taken at every check whose number is a multiple of this."""
        return (self._strip or 1) if self.family.at_ends else 1

    @property
    def leaves(self) -> tuple[Criterion, ...]:
        """The criteria that this one consists of: only itself."""
        return (self,)


@dataclass(frozen=True, repr=False)
class Combination:
    """Several criteria as one: ``any_of`` stops with the first one, ``all_of`` when all hold."""

    how: Literal["any_of", "all_of"]
    members: tuple[Rule, ...]

    def __str__(self) -> str:
        return f"{self.how}({', '.join(map(str, self.members))})"

    __repr__ = __str__

    def strips(self, select: str = "val") -> frozenset[int]:
        """The strip lengths of all members."""
        return frozenset().union(*(member.strips(select) for member in self.members))

    @property
    def leaves(self) -> tuple[Criterion, ...]:
        """The criteria that this one consists of, in order."""
        return tuple(leaf for member in self.members for leaf in member.leaves)


#: anything that stops a run
Rule = Criterion | Combination


def any_of(*criteria: Rule) -> Combination:
    """Stop as soon as any of the criteria stops.

    Parameters
    ----------
    *criteria : Criterion or Combination
        One or more criteria.

    Examples
    --------
    >>> from earlystop_lab import GL, MaxEpochs, any_of
    >>> any_of(GL(5), MaxEpochs(3000))
    any_of(GL(5), MaxEpochs(3000))
    """
    return Combination("any_of", _members("any_of", criteria))


def all_of(*criteria: Rule) -> Combination:
    """Stop at the first check at which all criteria hold simultaneously.

    A criterion holds at a check where its statistic passes its threshold. A rule with strips
    can hold only at the end of a strip, and a patience rule only where its library could stop.

    Parameters
    ----------
    *criteria : Criterion or Combination
        One or more criteria.

    Examples
    --------
    >>> from earlystop_lab import GL, Keras, all_of
    >>> all_of(GL(5), Keras(10))
    all_of(GL(5), Keras(10))
    """
    return Combination("all_of", _members("all_of", criteria))


def after(epochs: float, criterion: Rule) -> Rule:
    """Warm-up: the criterion cannot stop a run up to and including epoch ``epochs``.

    The warm-up is *seen but ignored*: the statistic is computed from the first check on, and
    training stops at the first check after the warm-up at which it passes the threshold. A
    statistic that passes only during the warm-up has no effect. (``start_from_epoch`` of Keras
    differs: it does not look at those epochs at all.)

    Parameters
    ----------
    epochs : float
        The last position of the warm-up, at least 0.
    criterion : Criterion or Combination
        What may stop training afterwards.

    Examples
    --------
    >>> from earlystop_lab import UP, after
    >>> after(100, UP(2))
    after(100, UP(2))
    """
    number = _number(epochs)
    if number is None or number < 0:
        raise ValueError(f"after: epochs = {_shown(epochs)}; expected a number >= 0")
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

    Parameters
    ----------
    threshold : str, optional
        Name of the threshold. None for a rule whose statistic is 1 where it holds and 0 elsewhere.
    passes : {">=", ">", "<=", "<"}
        How the statistic passes the threshold.
    whole : bool
        Whether the threshold is an integer.
    default : float, optional
        Default of the threshold. Without one, the threshold must be given.
    at_least, above, at_most, below : dict of str to float, optional
        Bounds of the threshold and the parameters, by name; ``above`` and ``below`` are exclusive.
        Types come from the annotations.
    off : tuple of str
        Parameters that cannot be 0, because 0 switches the rule off in its library.
    step : callable, optional
        The step of a scan.
    restores : callable, optional
        Function from a state to the epoch whose weights the rule's library would restore, NaN for
        none. In the array form it takes the arrays and parameters of the function and returns
        that epoch for every check.
    cannot_pass : callable, optional
        Only speeds up a replay: ``cannot_pass(state, bound, *values)`` returns True if the next
        statistic surely does not pass the limit, and costs less than the statistic. To reach a
        threshold with ``>=`` is to pass the number just below it, which is then the limit.
    pass_bound : callable, optional
        ``pass_bound(limit)`` is evaluated once and gives ``bound``, which is the limit otherwise.
    restores_only_if_stopped : bool
        Whether the library restores weights only if this rule stopped the run.
    tests_between_checks : bool
        Whether the library also tests between checks. If the statistic is above the threshold,
        the check itself is then no longer seen.
    watches : tuple of str
        The channels that a scan watches. A criterion can watch others in their place:
        ``GL(2, val="val_accuracy")``.
    recorded : tuple of str
        Parameters that are values of the first channel's metric. If that is a score, they are
        given as recorded, and the function receives their negatives.
    takes : {"error", "ratio", "score"}
        ``"ratio"``: the rule divides by an error, so a score needs a known upper bound, and its
        distance from the bound is the error. ``"score"``: the rule compares scores and receives
        them as recorded; of an error it receives 1 - error.
    strip : str, optional
        Parameter that is the length of the rule's strips.
    at_ends : bool
        Whether the step is taken only at the ends of strips, so that the statistic is NaN at all
        other checks.
    unit : str
        Written after the statistic, for example ``"%"``.

    Returns
    -------
    callable
        A decorator that makes a :class:`Family` of a function.
    """
    above = {**dict.fromkeys(off, 0.0), **(above or {})}
    at_least = {**({strip: 1} if strip else {}), **(at_least or {})}
    bounds = {"at least": at_least, "more than": above, "at most": at_most, "less than": below}
    nothing = inspect.Parameter.empty

    def made(function: Callable[..., Any]) -> Family:
        if function.__name__ in ("any_of", "all_of", "after"):
            raise ValueError(
                f"{function.__name__}: this name is reserved for a combination; choose another"
            )
        signature = inspect.signature(function).parameters.values()
        inputs = tuple(p.name for p in signature if p.kind is not p.KEYWORD_ONLY)
        if wrong := [name for name in inputs if step is not None or name == "run"]:
            allowed = (
                "parameters of a scan are keyword-only"
                if step
                else "positional parameters name channels, and 'run' is not a channel"
            )
            raise ValueError(f"{function.__name__}: positional parameter {wrong[0]!r}; {allowed}")
        hints = typing.get_type_hints(function)
        hints.pop("return", None)
        defaults = {p.name: p.default for p in signature if p.kind is p.KEYWORD_ONLY}
        if strip is not None and strip not in defaults:
            raise ValueError(f"{function.__name__}: strip = {strip!r} is not a parameter")
        if at_ends and (strip is None or step is None):
            raise ValueError(f"{function.__name__}: at_ends requires step and strip")
        if (cannot_pass or pass_bound) and step is None:
            only = "cannot_pass and pass_bound require step"
            raise ValueError(f"{function.__name__}: {only}")
        watched = watches if step else tuple(name for name in inputs if name != "epoch")
        if twice := {*watched} & {*defaults, threshold}:
            raise ValueError(
                f"{function.__name__}: {twice.pop()!r} is a channel and a parameter; rename one"
            )
        if unknown := [name for name in recorded if name not in {*defaults, threshold}]:
            raise ValueError(f"{function.__name__}: recorded = {unknown[0]!r} is not a parameter")
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
            hint = (
                f"; pass a threshold, for example {member.name}(1)"
                if isinstance(member, Family)
                else ""
            )
            raise ValueError(f"{name}: {member!r} is not a criterion{hint}")
    if not criteria:
        raise ValueError(f"{name}: expected at least one criterion")
    return criteria


def _number(value: Any) -> float | None:
    """The value as a finite number, or None; also None for an int that float64 cannot hold."""
    number = as_number(value)
    exact = not isinstance(value, int) or abs(value) <= 2**53
    return number if number is not None and math.isfinite(number) and exact else None


def _shortest(number: float) -> float | int:
    """An integer-valued float as int, so that GL(1.0) and GL(1) are the same criterion."""
    return int(number) if number == math.floor(number) and abs(number) <= 2**53 else number


def _literal(value: Value) -> str:
    return repr(_shortest(value) if isinstance(value, float) else value)


def _shown(value: Any) -> str:
    """The value for an error message, truncated if long."""
    try:
        return cut(repr(value))
    except ValueError:  # an int of more digits than Python prints
        return "an enormous number"


def _named(kinds: tuple[Any, ...]) -> str:
    words = {
        int: "an integer up to 2**53",
        float: "a finite number",
        bool: "True or False",
        str: "a string",
        type(None): "None",
    }
    named = [words[kind] for kind in kinds if kind in words]
    return " or ".join(n for n in named if not (n == words[int] and float in kinds))
