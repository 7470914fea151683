"""First passage: where a statistic passes its thresholds, for every rule by one driver.

The drivers below are plain functions over a rule's ``step`` (and ``own``). They are bound to a
rule by giving a copy of the function its step as a global, compiled by numba where the step
allows it, and left plain otherwise: the same lines run in both cases. (``float()`` makes numpy
scalars plain floats, so that the arithmetic is the same in both; compiled, it does nothing.)

Thresholds of one family and parameters are answered together: sorted in the order in which a
rising statistic passes them, they need one look at each check, and a run is left as soon as
all have passed.
"""

from __future__ import annotations

import hashlib
import pickle
import sys
import types
from collections.abc import Callable
from functools import cache
from inspect import signature
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earlystop_lab._compile import compiled
from earlystop_lab.criteria.core import Criterion, Family, Value
from earlystop_lab.curves import CurveSet, FloatArray, read_only

Indices = NDArray[np.int32]
#: index of a check that never comes
NEVER = -1


class Runs(NamedTuple):
    """The channels of some runs, laid out flat; see :class:`curves.Channel`.

    All arrays are read-only, so that numba sees one type and compiles once.
    """

    names: list[str]
    epoch: FloatArray
    val: FloatArray
    #: NaN throughout a run without training errors
    train: FloatArray
    offsets: NDArray[np.int64]
    has_train: NDArray[np.bool_]


class Trace(NamedTuple):
    """What a criterion saw of one run, one value a check."""

    #: the statistic; NaN where it is undefined
    statistic: FloatArray
    #: where it passes its threshold (and the warm-up is over)
    holds: NDArray[np.bool_]
    #: epoch whose weights the rule's own library would restore, had training ended here
    own: FloatArray


# -- the drivers, bound to a rule's step and own ---------------------------------------------


def step(state: Any, epoch: float, val: float, train: float) -> tuple[Any, float]:
    """Stand-in for the rule's step; as it is, the statistic is what comes as ``train``."""
    return state, train


def own(state: Any) -> float:
    """Stand-in for the epoch that the rule's library would restore: it keeps none."""
    return np.nan


def first_passages(start, thresholds, sign, strict, warmup, epoch, val, train, offsets, stop):  # type: ignore[no-untyped-def]
    """Fill ``stop`` (runs, thresholds) with the first check past each threshold, or NEVER.

    ``thresholds`` are ascending and already multiplied by ``sign``, which is -1 for a
    statistic that passes by falling.
    """
    count = thresholds.size
    for run in range(offsets.size - 1):
        state = start
        passed = 0
        for check in range(offsets[run], offsets[run + 1]):
            state, statistic = step(
                state, float(epoch[check]), float(val[check]), float(train[check])
            )
            if epoch[check] > warmup:
                value = sign * statistic
                while passed < count and (
                    value > thresholds[passed] or (not strict and value == thresholds[passed])
                ):
                    stop[run, passed] = check - offsets[run]
                    passed += 1
                if passed == count:
                    break
        for later in range(passed, count):
            stop[run, later] = NEVER


def scan(start, epoch, val, train, statistic, kept):  # type: ignore[no-untyped-def]
    """Fill the statistic and the own epoch of every check of one run."""
    state = start
    for check in range(val.size):
        state, statistic[check] = step(
            state, float(epoch[check]), float(val[check]), float(train[check])
        )
        kept[check] = own(state)


def best_so_far(val, offsets, strips, best):  # type: ignore[no-untyped-def]
    """Fill ``best`` with the check of the lowest error seen so far, or NEVER.

    Only every k-th check is seen, for any k in ``strips``; the earliest of ties is kept.
    """
    for run in range(offsets.size - 1):
        found = NEVER
        for check in range(offsets[run], offsets[run + 1]):
            for k in strips:
                if (check - offsets[run] + 1) % k == 0:
                    lower = found == NEVER or val[check] < val[offsets[run] + found]
                    if lower and not np.isnan(val[check]):
                        found = check - offsets[run]
                    break
            best[check] = found


# -- what the rest of the package calls ------------------------------------------------------


def stops(
    family: Family,
    params: tuple[tuple[str, Value], ...],
    warmup: float,
    thresholds: list[float],
    runs: Runs,
) -> Indices:
    """Check at which each threshold is first passed: (runs, thresholds), NEVER where it is not.

    One pass over the runs, whatever the number of thresholds. Raises ``ValueError`` where a run
    lacks a curve that the rule watches, or an array rule returns something else than asked.
    """
    _require_train(family, runs, slice(None))
    sign = 1.0 if family.passes in (">", ">=") else -1.0
    signed = sign * np.asarray(thresholds, dtype=np.float64)
    order = np.argsort(signed, kind="stable")
    strict = family.passes in (">", "<")
    train = runs.train
    if family.step is None:
        # the stand-in step passes on what comes as train: the statistic itself
        statistics = [_array_statistic(family, params, runs, i) for i in range(len(runs.names))]
        train = read_only(np.concatenate(statistics))
    found = np.empty((len(runs.names), len(thresholds)), np.int32)
    _call(
        (first_passages, family.step or step, own),
        *(_start(family, params), signed[order], sign, strict, float(warmup)),
        *(runs.epoch, runs.val, train, runs.offsets, found),
    )
    result = np.empty_like(found)
    result[:, order] = found
    return result


def trace(criterion: Criterion, runs: Runs, index: int) -> Trace:
    """What the criterion sees of run ``index``: its statistic, where it passes, its own epoch."""
    family = criterion.family
    _require_train(family, runs, slice(index, index + 1))
    part = slice(runs.offsets[index], runs.offsets[index + 1])
    epoch = runs.epoch[part]
    statistic, kept = np.empty(len(epoch)), np.full(len(epoch), np.nan)
    if family.step is None:
        statistic[:] = _array_statistic(family, criterion.params, runs, index)
    else:
        _call(
            (scan, family.step, family.own or own),
            *(_start(family, criterion.params), epoch, runs.val[part], runs.train[part]),
            *(statistic, kept),
        )
    compare = {">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal}
    holds = compare[family.passes](statistic, criterion.threshold) & (epoch > criterion.warmup)
    return Trace(statistic, holds, kept)


def best_checks(runs: Runs, strips: frozenset[int]) -> Indices:
    """For every check, the check of the lowest validation error seen up to it, or NEVER.

    ``strips`` says which checks are seen (:attr:`Criterion.strips`); all where it is empty.
    """
    best = np.empty(len(runs.val), np.int32)
    lengths = np.array(sorted(strips or {1}), np.int64)
    _call((best_so_far, step, own), runs.val, runs.offsets, lengths, best)
    return best


def laid_out(curves: CurveSet) -> Runs:
    """The channels of a curve set as the drivers take them."""
    val, train = curves.channel("val"), curves.channel("train")
    has_train = np.diff(train.offsets) > 0
    values = train.values
    if not has_train.all():
        values = np.full(len(val.values), np.nan)
        values[np.repeat(has_train, np.diff(val.offsets))] = train.values
    epoch = curves.channel("epoch").values
    return Runs(
        *(curves.runs, read_only(epoch), read_only(val.values), read_only(values)),
        *(read_only(val.offsets), has_train),
    )


# -- inside --------------------------------------------------------------------------------


def _require_train(family: Family, runs: Runs, part: slice) -> None:
    if "train" in family.watches and not runs.has_train[part].all():
        run = runs.names[part][int(np.argmin(runs.has_train[part]))]
        raise ValueError(
            f"{family.name} needs training errors; run {run!r} has none (column 'train')"
        )


def _start(family: Family, params: tuple[tuple[str, Value], ...]) -> Any:
    return family.start(**dict(params)) if family.start else (0,)


def _array_statistic(
    family: Family, params: tuple[tuple[str, Value], ...], runs: Runs, index: int
) -> FloatArray:
    assert family.array is not None
    part = slice(runs.offsets[index], runs.offsets[index + 1])
    asked = [p.name for p in signature(family.array).parameters.values()]
    inputs = {name: getattr(runs, name)[part] for name in asked if name not in family.defaults}
    result = np.asarray(family.array(**inputs, **dict(params)))
    expected = part.stop - part.start
    if result.shape != (expected,) or result.dtype.kind not in "fiub":
        raise ValueError(
            f"{family.name}: returned {result.dtype} of shape {result.shape} for run "
            f"{runs.names[index]!r}; expected {expected} numbers, one a check"
        )
    return result.astype(np.float64)


#: a driver with the step and the own to bind it to
Binding = tuple[Callable[..., None], Callable[..., Any], Callable[..., Any]]
#: bindings that numba could not compile
_plain: set[Binding] = set()


def _call(binding: Binding, *arguments: Any) -> None:
    """Call a driver bound to a rule: compiled where numba can, plain otherwise."""
    if binding not in _plain:
        try:
            _compiled(binding)(*arguments)
            return
        except Exception:  # numba refuses in many ways; what is the rule's own fault recurs below
            pass
    driver, rule_step, rule_own = binding
    _rebound(driver, step=rule_step, own=rule_own)(*arguments)
    _plain.add(binding)


@cache
def _compiled(binding: Binding) -> Callable[..., None]:
    """The bound driver, compiled, under a name that holds a digest of the rule's code.

    numba's disk cache knows a function by its file, line and name, and would not notice an
    edited step; under the digest it does, and finds every unchanged rule again. What it stores
    refers to the rule's modules by name, so only rules of imported modules are stored.
    """
    driver, rule_step, rule_own = binding
    functions = [*_with_helpers(rule_step), *_with_helpers(rule_own)]
    bound = _rebound(driver, step=_jitted(rule_step), own=_jitted(rule_own))
    digest = hashlib.sha256(repr([_code(f) for f in functions]).encode()).hexdigest()[:16]
    bound.__name__ = bound.__qualname__ = f"{driver.__name__}_{digest}"
    known = all(f.__globals__ is vars(sys.modules.get(f.__module__, sys)) for f in functions)
    return compiled(bound, cache=known)


def _jitted(function: Callable[..., Any], inside: tuple[Any, ...] = ()) -> Any:
    """The function compiled, and with it every plain function that it calls by name."""
    helpers = {
        name: _jitted(helper, (*inside, function))
        for name, helper in _helpers(function).items()
        if helper not in (*inside, function)
    }
    return compiled(_rebound(function, **helpers), cache=False)


def _with_helpers(function: Callable[..., Any]) -> list[Callable[..., Any]]:
    """The function and every plain function that it calls by name, directly or not."""
    found = [function]
    for each in found:
        found.extend(helper for helper in _helpers(each).values() if helper not in found)
    return found


def _helpers(function: Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    used = {name: function.__globals__.get(name) for name in _names(function.__code__)}
    return {name: f for name, f in used.items() if isinstance(f, types.FunctionType)}


def _names(code: types.CodeType) -> list[str]:
    """Every global and attribute name in the code, that of inner functions included."""
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return [*code.co_names, *(name for each in inner for name in _names(each))]


def _code(function: Callable[..., Any]) -> tuple[Any, ...]:
    """Everything that decides what one function computes, its helpers' code aside."""
    code, names = function.__code__, _names(function.__code__)
    scope = function.__globals__
    constants = [(name, _constant(scope[name], names)) for name in names if name in scope]
    cells = [_constant(cell.cell_contents, names) for cell in function.__closure__ or ()]
    defaults = _constant((function.__defaults__, function.__kwdefaults__), names)
    return function.__module__, _bytecode(code), constants, cells, defaults


def _bytecode(code: types.CodeType) -> tuple[Any, ...]:
    inner = [_bytecode(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts]
    return code.co_code, code.co_names, code.co_varnames, inner


def _constant(value: Any, names: list[str]) -> Any:
    """What a global contributes to the digest; of a module, the attributes that are used."""
    if isinstance(value, types.ModuleType):
        used = [name for name in names if hasattr(value, name)]
        return [(name, _constant(getattr(value, name), [])) for name in used]
    try:
        return pickle.dumps(value), getattr(value, "_fields", ())
    except Exception:  # what cannot be pickled cannot be a compiled constant either
        return repr(value)


def _rebound(function: Callable[..., Any], **names: Any) -> types.FunctionType:
    """A copy of the function that sees these names among its globals."""
    copy = types.FunctionType(
        function.__code__,
        {**function.__globals__, **names},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy
