"""The conformance kit: what every criterion must keep, checked on curves that try it.

Beside ``replay`` rather than among the criteria, because it uses the replay.
"""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from earlystop_lab.criteria import FAMILIES, Combination, Criterion, Family, Rule, parse
from earlystop_lab.criteria.passage import Trace
from earlystop_lab.curves import Curve, CurveSet, FloatArray
from earlystop_lab.replay import replay, traces


class ConformanceError(ValueError):
    """A criterion broke a promise; says which, on which curve and at which epoch."""


def check_criterion(criterion: Family | Rule, *, seed: int = 0) -> None:
    """Check a new criterion; silent where it keeps every promise, else ``ConformanceError``.

    Promises: the statistic is one number a check; it depends on nothing later (*causality*) and
    on nothing else (*determinism*); inputs are not changed (*purity*); NaN, constant,
    single-epoch and diverging curves raise no error and no warning; a higher threshold never
    stops earlier (a lower one, for ``<``); ``parse(str(c))`` is ``c``; the replay stops where
    stepping through the prefix does.

    ``criterion`` is a family, checked with its default parameters at thresholds taken from its
    own statistic, or a criterion with parameters. Random curves come from ``seed``.

    >>> import numpy as np
    >>> from earlystop_lab import check_criterion, criterion
    >>> @criterion(threshold="level", passes="<")
    ... def Peeking(val):
    ...     return np.full(len(val), val.min())
    >>> check_criterion(Peeking)
    Traceback (most recent call last):
        ...
    earlystop_lab.conformance.ConformanceError: Peeking(0): not causal: ...
    """
    if not isinstance(criterion, (Family, Criterion, Combination)):
        raise ValueError(
            f"{criterion!r} is not a criterion; make one with the decorator @criterion(...)"
        )
    sample = _sample(criterion) if isinstance(criterion, Family) else criterion
    families = {**FAMILIES, **{leaf.family.name: leaf.family for leaf in sample.leaves}}
    if (again := parse(str(sample), families)) != sample:
        raise ConformanceError(f"{sample}: text form reads back as {again}")
    rng = np.random.default_rng(seed)
    levels: list[float] = []
    for curve in _trial_curves(rng):
        statistic = _checked_traces(sample, curve)[0].statistic
        levels.extend(statistic[np.isfinite(statistic)])
    rules = _thresholds(sample, levels)
    for rule in rules:
        _require_stepping(rule, rng)
    if isinstance(sample, Criterion):
        _require_monotone(rules, sample.family.passes, rng)


def _sample(family: Family) -> Criterion:
    """A criterion of the family at the smallest threshold, and small bounded parameters."""
    least = max(0, int(family.at_least.get(family.threshold or "", 0)))
    bounded = {
        name: max(1, family.at_least[name])
        for name, default in family.defaults.items()
        if default is inspect.Parameter.empty and name in family.at_least
    }
    try:
        return family(least, **bounded) if family.threshold else family(**bounded)
    except ValueError as error:
        raise ValueError(
            f"{error}; check a criterion with its parameters instead, such as {family.name}(...)"
        ) from error


def _trial_curves(rng: np.random.Generator) -> Iterator[Curve]:
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
        yield CurveSet.from_runs([{"run": name, "val": val, "train": train}])[0]


def _checked_traces(rule: Rule, curve: Curve) -> list[Trace]:
    """The traces of all prefixes of the curve, the whole first, where no promise is broken."""
    prefixes = _prefixes(curve)
    before = [prefixes.channel(name).values.copy() for name in ("val", "train", "epoch")]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = traces(rule, prefixes)
            again = traces(rule, prefixes)
    except Exception as error:
        if "read-only" in str(error):
            raise _changes_input(rule, curve) from error
        raise ConformanceError(
            f"{rule}: {type(error).__name__} on the curve {curve.run!r} or its start: {error}"
        ) from error
    after = [prefixes.channel(name).values for name in ("val", "train", "epoch")]
    if not all(_same(a, b) for a, b in zip(before, after, strict=True)):
        raise _changes_input(rule, curve)
    if not all(_same(a.statistic, b.statistic) for a, b in zip(found, again, strict=True)):
        raise ConformanceError(f"{rule}: not deterministic: two calls differ on {curve.run!r}")
    for prefix in reversed(found):  # the shortest start that shows it
        _require_causal(rule, curve, prefix.statistic, found[0].statistic)
    return found


def _changes_input(rule: Rule, curve: Curve) -> ConformanceError:
    return ConformanceError(f"{rule}: not pure: it changes its input on the curve {curve.run!r}")


def _require_causal(rule: Rule, curve: Curve, prefix: FloatArray, whole: FloatArray) -> None:
    full = whole[: len(prefix)]
    differs = ~((prefix == full) | (np.isnan(prefix) & np.isnan(full)))
    if differs.any():
        at = int(differs.argmax())
        raise ConformanceError(
            f"{rule}: not causal: on the curve {curve.run!r} the statistic at epoch "
            f"{curve.epoch[at]:g} is {full[at]:g}, but {prefix[at]:g} when the run has "
            f"only {len(prefix)} epochs: it looked ahead"
        )


def _require_stepping(rule: Rule, rng: np.random.Generator) -> None:
    curves = _random_set(rng)
    stops = replay(curves, [rule])
    for i, curve in enumerate(curves):
        holds = [prefix.holds[-1] for prefix in reversed(_checked_traces(rule, curve))]
        stepped = holds.index(True) + 1 if any(holds) else None
        replayed = int(stops.stop[i, 0]) if stops.fired[i, 0] else None
        if stepped != replayed:
            raise ConformanceError(
                f"{rule}: the replay stops at {replayed}, stepping through the prefix at "
                f"{stepped}, on val = {curve.val.tolist()}"
            )


def _require_monotone(rules: list[Rule], passes: str, rng: np.random.Generator) -> None:
    if len(rules) < 2:
        return
    stops = replay(_random_set(rng), rules)
    stop = np.where(stops.fired, stops.stop, np.inf)
    steps = stop[:, :-1] > stop[:, 1:] if ">" in passes else stop[:, :-1] < stop[:, 1:]
    if steps.any():
        run, at = np.argwhere(steps)[0]
        raise ConformanceError(
            f"{rules[at + 1]} stops out of order with {rules[at]} on run {stops.meta['run'][run]!r}"
        )


def _thresholds(sample: Rule, levels: list[float]) -> list[Rule]:
    """The sample at some thresholds in the range of its statistic, ascending."""
    if isinstance(sample, Combination) or sample.family.threshold is None or not levels:
        return [sample]
    least = sample.family.at_least.get(sample.family.threshold, -np.inf)
    values = np.unique(np.maximum(np.quantile(levels, [0.1, 0.3, 0.5, 0.7, 0.9]), least))
    if sample.family.kinds.get(sample.family.threshold) is int:
        values = np.unique(np.floor(values))
    named: dict[str, Any] = dict(sample.params)
    rules = [sample.family(float(value), **named) for value in values]
    return [type(sample)(r.family, r.threshold, r.params, sample.warmup) for r in rules]


def _random_set(rng: np.random.Generator) -> CurveSet:
    runs = []
    for i in range(12):
        length = int(rng.integers(1, 30))
        val = np.round(rng.random(length) + 1 / np.arange(1, length + 1), 1 + i % 3)
        val[rng.random(length) < 0.05] = np.nan
        runs.append({"run": f"random {i}", "val": val, "train": val * 0.9})
    return CurveSet.from_runs(runs)


def _prefixes(curve: Curve) -> CurveSet:
    """Every prefix of a run as a run, the longest first."""
    return CurveSet.from_runs(
        {"run": str(n), "epoch": curve.epoch[:n], "val": curve.val[:n], "train": curve.train[:n]}
        for n in range(len(curve.val), 0, -1)
        if curve.train is not None
    )


def _same(a: FloatArray, b: FloatArray) -> bool:
    return np.array_equal(a, b, equal_nan=True)
