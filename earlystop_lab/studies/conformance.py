"""The conformance kit: the requirements on every criterion, checked on curves that exercise them.

It is not in the room ``criteria`` because it uses the replay.
"""

import inspect
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from earlystop_lab._common.errors import EarlystopError
from earlystop_lab._common.wording import counted
from earlystop_lab.criteria import FAMILIES, Combination, Criterion, Family, Rule, parse
from earlystop_lab.criteria.first_passage import Trace
from earlystop_lab.curves import Channel, Curve, CurveSet, FloatArray, concatenated
from earlystop_lab.engine.replaying import each_trace, replay, traces
from earlystop_lab.engine.thresholds import sweep, watchable

T = TypeVar("T")
Positions = NDArray[np.int64]


#: maximum number of curves tried while a failing one is made shorter and simpler
_TRIES = 300
#: suffix of the names of such curves
_CUT = ", shortened"
#: a curve of at most this many checks is compared with all its prefixes
_EVERY_PREFIX = 64
#: a longer curve is compared with this many prefixes
_SOME_PREFIXES = 8
#: runs of a corpus that are compared with their prefixes
_REAL_RUNS = 8


class ConformanceError(EarlystopError, ValueError):
    """A criterion failed a conformance check; says which, on which curve and at which epoch.

    ``broken`` is a short description of the failure, such as "not causal".
    """

    def __init__(self, rule: Rule, broken: str, details: str) -> None:
        super().__init__(f"{rule}: {broken}{details}")
        self.broken = broken


def check_criterion(criterion: Family | Rule, *, seed: int = 0) -> None:
    """Check a new criterion; returns None if it passes, else raises ``ConformanceError``.

    The checks: the statistic is one number per check; it depends on nothing later (*causality*) and
    on nothing else (*determinism*); inputs are not modified (*purity*); NaN, constant,
    single-epoch and diverging curves cause no error and no warning; a higher threshold never
    stops earlier (a lower one, for ``<``); ``parse(str(c))`` is ``c``; the replay stops where
    stepping through the prefix does.

    The curve in an error message has been made as short and simple as possible.

    Parameters
    ----------
    criterion : Family or Rule
        A family, checked with its default parameters at thresholds taken from its own statistic;
        or a criterion with parameters.
    seed : int
        Seed of the random curves.

    Raises
    ------
    ConformanceError
        If a check fails.
    ValueError
        If ``criterion`` is not a criterion, or a parameter has neither a default nor a known bound.

    Examples
    --------

    >>> import numpy as np
    >>> from earlystop_lab import check_criterion, criterion
    >>> @criterion(threshold="level", passes="<")
    ... def Peeking(val):
    ...     return np.full(len(val), val.min())
    >>> check_criterion(Peeking)
    Traceback (most recent call last):
        ...
    earlystop_lab.studies.conformance.ConformanceError: Peeking(0): not causal: ...
    """
    if not isinstance(criterion, (Family, Criterion, Combination)):
        raise ValueError(
            f"{criterion!r} is not a criterion; make one with the decorator @criterion(...)"
        )
    sample = _sample(criterion) if isinstance(criterion, Family) else criterion
    families = {**FAMILIES, **{leaf.family.name: leaf.family for leaf in sample.leaves}}
    if (again := parse(str(sample), families)) != sample:
        raise ConformanceError(sample, "text form reads back as ", str(again))
    rng = np.random.default_rng(seed)
    levels: list[float] = []
    for curve in _trial_curves(sample, rng):
        statistic = _on_shortest(_checked_traces, sample, curve)[0].statistic
        levels.extend(statistic[np.isfinite(statistic)])
    for curve in _long_curves(
        sample, rng
    ):  # their levels would be thresholds that stop no short curve
        _on_shortest(_checked_traces, sample, curve)
    rules = _thresholds(sample, levels)
    for rule in rules:
        _require_stepping(rule, rng)
    if isinstance(sample, Criterion):
        _require_monotone(rules, sample.family.passes, rng)


def check_on(
    criterion: Family | Criterion, curves: CurveSet, corpus: str, *, seed: int = 0
) -> None:
    """Evaluate a rule on every run of a corpus, and check causality on a sample of them.

    This complements :func:`check_criterion`: it finds rules that look ahead, or fail, only on real
    runs.

    Parameters
    ----------
    criterion : Family or Criterion
    curves : CurveSet
        The corpus.
    corpus : str
        Its name, for messages.
    seed : int
        Seed of the sample.

    Raises
    ------
    ConformanceError
        With the run, and the epoch at which the statistic depends on later values.
    """
    sample = _sample(criterion) if isinstance(criterion, Family) else criterion
    if not watchable(sample, curves).all():
        return  # the replay raises the error
    # without a threshold each member of the sweep is another statistic
    members = [sample] if sample.family.threshold else _members(sample, curves)
    rng = np.random.default_rng(seed)
    some = set(rng.choice(len(curves), min(_REAL_RUNS, len(curves)), replace=False).tolist())
    for rule in members:
        wholes = each_trace(rule, curves)
        for i, curve in enumerate(curves):
            where = f"on the run {curve.run!r} of {corpus}"
            try:
                whole = next(wholes).statistic
                prefixes = traces(rule, _prefixes(curve)) if i in some else []
            except Exception as error:
                raise ConformanceError(rule, *_raised(error, where)) from error
            for prefix in reversed(prefixes):
                _require_causal(rule, curve, prefix.statistic, whole, where)


def _members(rule: Criterion, curves: CurveSet) -> list[Criterion]:
    """The members of a sweep of a rule without a threshold, or the rule alone."""
    try:
        return sweep(rule, curves)
    except ValueError:  # it has no number to sweep over
        return [rule]


def _raised(error: Exception, where: str) -> tuple[str, str]:
    """What a rule raised, on one line: the exception's name and the rest."""
    return type(error).__name__, f" {where}: {' '.join(str(error).split())}"


def _on_shortest(check: Callable[[Rule, Curve], T], rule: Rule, curve: Curve) -> T:
    """The result of the check; if it fails, its error on a shorter and simpler curve."""
    try:
        return check(rule, curve)
    except ConformanceError as error:
        shown = error
    if shown.broken == "not deterministic":  # any curve may or may not show it
        raise shown
    tries = 0
    for smaller in (_shorter, _simpler):
        candidates = smaller(curve)
        while tries < _TRIES and (candidate := next(candidates, None)) is not None:
            tries += 1
            try:
                check(rule, candidate)
            except ConformanceError as error:
                if error.broken == shown.broken:
                    shown, curve, candidates = error, candidate, smaller(candidate)
    raise ConformanceError(rule, str(shown).removeprefix(f"{rule}: "), _values(rule, curve))


def _shorter(curve: Curve) -> Iterator[Curve]:
    """The curve without some of its checks, many at first."""
    length = len(curve)
    block = length // 2
    while block:
        for start in range(length - block, -1, -block):
            yield _made(curve, np.delete(np.arange(length), slice(start, start + block)))
        block //= 2


def _simpler(curve: Curve) -> Iterator[Curve]:
    """The curve with one error replaced by a shorter number, so that this terminates."""
    for i, error in enumerate(curve.val.tolist()):
        for simple in (0.0, 1.0, round(error, 1)):
            if len(repr(simple)) < len(repr(error)):
                yield _made(curve, np.arange(len(curve)), {i: simple})


def _made(curve: Curve, kept: Positions, changed: Mapping[int, float] | None = None) -> Curve:
    """Some checks of the curve, renumbered, with some validation errors changed."""
    run = {name: curve[name][kept] for name in curve.channels}
    for i, value in (changed or {}).items():
        run["val"][i] = value
    name = curve.run.removesuffix(_CUT) + _CUT
    return CurveSet.from_runs([{"run": name, **run}], channels=curve.about)[0]


def _values(rule: Rule, curve: Curve) -> str:
    """The curves that the rule watches, as Python source."""
    watched = sorted({name for leaf in rule.leaves for name in leaf.channels}, reverse=True)
    values = [f"{name} = {curve[name].tolist()}" for name in watched]
    return f"; for example: {', '.join(values)}" if values else ""


def _sample(family: Family) -> Criterion:
    """A criterion of the family with small values for parameters without a default."""
    nothing = inspect.Parameter.empty
    asked = [name for name, default in family.defaults.items() if default is nothing]
    values = {name: _small(family, name) for name in asked}
    try:
        return family(**{name: value for name, value in values.items() if value is not None})
    except ValueError as error:
        raise ValueError(
            f"{error}; check a criterion with its parameters instead, such as {family.name}(...)"
        ) from error


def _small(family: Family, name: str) -> float | None:
    """A small allowed value of the threshold, or of a parameter whose lower bound is known."""
    least = family.bounds.get("at least", {}).get(name)
    if least is not None:
        return least if name == family.threshold else max(1, least)
    if name in family.bounds.get("more than", {}):
        return 1 if family.kinds.get(name) is int else 0.5
    return 0 if name == family.threshold else None


def _run(rule: Rule, name: str, val: FloatArray, train: FloatArray) -> CurveSet:
    """One run with all that the rule watches; other channels than these two fall like ``train``."""
    watched = {channel: form for leaf in rule.leaves for channel, form in leaf.watched}
    others = {channel: train for channel in watched if channel not in ("val", "train")}
    errors = {c: Channel(direction="min") for c in others if watched[c] != "recorded"}
    run = {"run": name, "val": val, "train": train, **others}
    return CurveSet.from_runs([run], channels=errors)


def _trial_curves(rule: Rule, rng: np.random.Generator) -> Iterator[Curve]:
    falling = 1 / np.arange(1.0, 41)
    noisy = falling + 0.1 * rng.random(40) + 0.01 * np.arange(40)
    holes = np.where(rng.random(40) < 0.2, np.nan, noisy)
    curves = {
        "falling": falling,
        "overfitting, noisy": noisy,
        "with ties": np.round(noisy, 1),
        "constant": np.full(40, 0.5),
        "zero": np.zeros(40),
        "negative": -1 + noisy,
        "single epoch": np.array([0.7]),
        "two epochs": np.array([0.7, 0.8]),
        "with NaN": holes,
        "NaN first": np.concatenate([[np.nan], noisy]),
        "only NaN": np.full(12, np.nan),
        "diverging": np.concatenate([noisy, [1e300, np.inf, np.inf, np.nan, 1.0]]),
    }
    for name, val in curves.items():
        train = val * (0.9 - 0.01 * np.arange(len(val)))
        yield _run(rule, name, val, train)[0]


def _long_curves(rule: Rule, rng: np.random.Generator) -> Iterator[Curve]:
    """Curves of some hundred checks, for rules that look ahead only late."""
    t = np.arange(1.0, 401)
    curves = {
        "long, falling": 1 / t[:300],
        "long, noisy": 1 / np.sqrt(t) + 0.02 * rng.random(400),
        "long, overfitting": 1 / np.sqrt(t) + 0.02 * rng.random(400) + 0.001 * t,
    }
    for name, val in curves.items():
        yield _run(rule, name, val, 0.9 * val)[0]


def _checked_traces(rule: Rule, curve: Curve) -> list[Trace]:
    """The traces of the curve's prefixes, the whole curve first, if all checks pass."""
    prefixes = _prefixes(curve)
    names = ("epoch", *curve.channels)
    before = [prefixes.channel(name).values.copy() for name in names]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # a rule that numba cannot compile is slow, but conforming
            warnings.filterwarnings("default", ".* could not be compiled ", RuntimeWarning)
            once = traces(rule, prefixes)
            again = traces(rule, prefixes)
            (alone,) = traces(rule, prefixes[-1:])
    except Exception as error:
        if isinstance(error, ValueError) and "is read-only" in str(error):
            raise _changes_input(rule, curve) from error
        where = f"on the curve {curve.run!r} or a prefix of it"
        raise ConformanceError(rule, *_raised(error, where)) from error
    after = [prefixes.channel(name).values for name in names]
    if not all(_same(a, b) for a, b in zip(before, after, strict=True)):
        raise _changes_input(rule, curve)
    if not all(_same(a.statistic, b.statistic) for a, b in zip(once, again, strict=True)):
        raise ConformanceError(rule, "not deterministic", f": two calls differ on {curve.run!r}")
    if not _same(alone.statistic, once[-1].statistic):
        raise _shares_state(rule, curve)
    for prefix in reversed(once):  # the shortest prefix that shows it
        where = f"on the curve {curve.run!r}"
        _require_causal(rule, curve, prefix.statistic, once[0].statistic, where)
    return once


def _changes_input(rule: Rule, curve: Curve) -> ConformanceError:
    return ConformanceError(rule, "not pure", f": it modifies its input on the curve {curve.run!r}")


def _shares_state(rule: Rule, curve: Curve) -> ConformanceError:
    """With other runs, a run may stop elsewhere if runs share state that they should not."""
    where = f": it differs on {curve.run!r}"
    return ConformanceError(rule, "the replay depends on other runs", where)


def _require_causal(
    rule: Rule, curve: Curve, prefix: FloatArray, whole: FloatArray, where: str
) -> None:
    full = whole[: len(prefix)]
    differs = ~((prefix == full) | (np.isnan(prefix) & np.isnan(full)))
    if differs.any():
        at, unit = int(differs.argmax()), curve.alone().about("epoch").unit or "epoch"
        raise ConformanceError(
            rule,
            "not causal",
            f": {where} the statistic at {unit} {curve.epoch[at]:g} is {float(full[at])}, but "
            f"{float(prefix[at])} if the run has only {counted(len(prefix), 'check')}: the rule "
            "uses later checks",
        )


def _require_stepping(rule: Rule, rng: np.random.Generator) -> None:
    curves = _random_set(rule, rng)
    for curve in curves:
        _on_shortest(_require_step, rule, curve)
    stops = replay(curves, [rule])
    for i, curve in enumerate(curves):
        alone = replay(curves[i : i + 1], [rule])
        if alone.stop[0, 0] != stops.stop[i, 0] or alone.fired[0, 0] != stops.fired[i, 0]:
            raise _shares_state(rule, curve)


def _require_step(rule: Rule, curve: Curve) -> None:
    holds = [prefix.holds[-1] for prefix in reversed(_checked_traces(rule, curve))]
    stops = replay(curve.alone(), [rule])
    stepped = holds.index(True) + 1 if any(holds) else None
    replayed = int(stops.stop[0, 0]) if stops.fired[0, 0] else None
    if stepped != replayed:
        raise ConformanceError(
            rule,
            "the replay and the step-by-step evaluation differ",
            f": the replay stops at {replayed}, stepping through the prefix at {stepped}",
        )


def _require_monotone(rules: Sequence[Rule], passes: str, rng: np.random.Generator) -> None:
    if len(rules) < 2:
        return
    curves = _random_set(rules[0], rng)
    for curve in curves:
        _on_shortest(_checked_traces, rules[0], curve)
    stops = replay(curves, rules)
    stop = np.where(stops.fired, stops.stop, np.inf)
    steps = stop[:, :-1] > stop[:, 1:] if ">" in passes else stop[:, :-1] < stop[:, 1:]
    if steps.any():
        run, at = np.argwhere(steps)[0]
        raise ConformanceError(
            rules[at + 1],
            "stops out of order",
            f" relative to {rules[at]} on run {stops.meta['run'][run]!r}",
        )


def _thresholds(sample: Rule, levels: list[float]) -> Sequence[Rule]:
    """The sample at several thresholds in the range of its statistic, ascending."""
    if isinstance(sample, Combination) or sample.family.threshold is None or not levels:
        return [sample]
    values = np.unique(np.quantile(levels, [0.1, 0.3, 0.5, 0.7, 0.9]))
    if sample.family.kinds.get(sample.family.threshold) is int:
        values = np.unique(np.floor(values))
    rules: set[Criterion] = {sample}
    for value in values:
        with suppress(ValueError):  # a value of the statistic that is not allowed as a threshold
            rules.add(sample.with_threshold(float(value)))
    return sorted(rules, key=lambda rule: rule.threshold)


def _random_set(rule: Rule, rng: np.random.Generator) -> CurveSet:
    runs = []
    for i in range(12):
        length = int(rng.integers(1, 30))
        val = np.round(rng.random(length) + 1 / np.arange(1, length + 1), 1 + i % 3)
        val[rng.random(length) < 0.05] = np.nan
        runs.append(_run(rule, f"random {i}", val, val * 0.9))
    return CurveSet(concatenated([run.table for run in runs]))


def _prefixes(curve: Curve) -> CurveSet:
    """Prefixes of a run as runs, the longest first: all of a short run, some of a long one."""
    length, whole = len(curve), curve.as_run()
    lengths: Sequence[int] = range(length, 0, -1)
    if length > _EVERY_PREFIX:
        even = np.linspace(length, 0, _SOME_PREFIXES, endpoint=False)
        lengths = [length, length - 1, *even[1:].astype(int).tolist()]
    del whole["run"]
    starts = ({name: values[:n] for name, values in whole.items()} for n in lengths)
    runs = ({"run": str(n), **start} for n, start in zip(lengths, starts, strict=True))
    return CurveSet.from_runs(runs, channels=curve.about)


def _same(a: FloatArray, b: FloatArray) -> bool:
    return np.array_equal(a, b, equal_nan=True)
