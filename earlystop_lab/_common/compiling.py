"""Compilation with numba, in one place: plain functions in, the same functions compiled out."""

import hashlib
import os
import pickle
import re
import sys
import time
import types
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from earlystop_lab._common.progress import noted

Function = Callable[..., Any]

#: the environment variable with which everything is compiled at its first use
VARIABLE = "EARLYSTOP_COMPILE"
#: seconds in which a rule is compiled, and in which numba is imported and reads what was compiled;
#: negative: at once
COMPILING, LOADING = (-1.0, -1.0) if os.environ.get(VARIABLE) else (1.5, 0.8)
#: seconds that plain Python is expected to take for a unit of work, until it has been measured
GUESS = 5e-6

#: drivers with the parts that numba could not compile
_plain: set[tuple[Any, ...]] = set()
#: those that are compiled
_ready: set[tuple[Any, ...]] = set()
#: work that was done without compiling, and the seconds that it took
_work: Counter[tuple[Any, ...]] = Counter()
_seconds: defaultdict[tuple[Any, ...], float] = defaultdict(float)
#: steps of rules for which a warning has been issued
_warned: set[Function | None] = set()


def compiled(function: Function, *, cache: bool = True, inner: bool = False) -> Function:
    """The function compiled without the GIL and, if a cache folder is writable, cached.

    One that only compiled functions call (``inner``) is compiled faster. No option here lets the
    compiler reorder sums: the results do not depend on the processor.
    """
    from numba import njit  # importing numba takes longer than importing this package

    from earlystop_lab._common import numba_constants  # noqa: F401  (registers them with numba)

    options: Any = {
        "nogil": True,
        "no_cfunc_wrapper": True,
        "no_cpython_wrapper": inner,
        "forceinline": inner,
    }
    try:
        made: Function = njit(cache=cache, **options)(function)
    except RuntimeError:  # there is no writable folder for the cache
        made = njit(**options)(function)
    return made


def call_bound(
    driver: Function,
    parts: Mapping[str, Function | None],
    *arguments: Any,
    rule: str,
    work: int,
) -> None:
    """Call a driver with a rule's parts in place of the functions that it calls by those names.

    It is compiled if that is worth it and numba can compile it, and plain Python otherwise; the
    result is the same. ``work`` is the number of times around its inner loop. How long plain Python
    takes for it is measured: to split much work, a little at first, finds out early. What numba
    could not compile once stays plain; a ``RuntimeWarning`` says so once, since it is many times
    slower. If a part is None, the driver's own function of that name is used.
    """
    binding = (driver, *((name, part) for name, part in parts.items() if part is not None))
    refusal = None
    if binding not in _plain and _worth_compiling(binding, work):
        try:
            _compiled(*binding)(*arguments)
            return
        except Exception as error:  # numba raises many kinds of errors
            refusal = error
    began = time.perf_counter()
    # if the fault is in the rule itself, the plain call raises it again
    call_plain(driver, parts, *arguments, rule=rule, work=work)
    _seconds[binding] += time.perf_counter() - began
    _work[binding] += work
    if refusal is not None:
        _plain.add(binding)
        if (step := parts.get("step")) not in _warned:
            _warned.add(step)
            text = f"{rule} could not be compiled and runs many times slower: {_reason(refusal)}"
            warnings.warn(text, RuntimeWarning, stacklevel=2)


def _worth_compiling(binding: tuple[Any, ...], work: int) -> bool:
    """Whether the work, with what was done before, takes plain Python longer than compiling.

    Compiled code that is on disk only needs numba.
    """
    if binding in _ready:
        return True
    spent = _seconds[binding]
    more = work * (spent / _work[binding] if _work[binding] else GUESS)
    if "numba" not in sys.modules and sum(_seconds.values()) + more <= LOADING:
        return False
    if not _on_disk(_compiled(*binding)):
        if spent + more <= COMPILING:
            return False
        noted("compiling rules, once for each on this machine")
    _ready.add(binding)
    return True


def _on_disk(driver: Any) -> bool:
    """Whether numba has stored compiled code of the driver."""
    if not hasattr(driver, "stats"):  # NUMBA_DISABLE_JIT: nothing is ever compiled
        return True
    place, name = driver.stats.cache_path, driver.py_func.__name__
    return place is not None and any(Path(place).glob(f"*.{name}-*.nbi"))


def _reason(refusal: Exception) -> str:
    """The first statement of a numba error on one line, without where in the compiler it was."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", str(refusal))
    lines = [line.strip(" >") for line in plain.splitlines()]
    said = [line for line in lines if line and not line.startswith("Failed in nopython mode")]
    # a line that ends in a colon is continued on the next one
    first = " ".join(said[: 2 if said and said[0].endswith(":") else 1])
    return f"{type(refusal).__name__}: {first}"


def call_plain(
    driver: Function,
    parts: Mapping[str, Function | None],
    *arguments: Any,
    rule: str,
    work: int,
) -> None:
    """Like :func:`call_bound`, without compiling: the same lines as plain Python."""
    _rebound(driver, **{name: part for name, part in parts.items() if part is not None})(*arguments)


def digest(functions: Iterable[Function], *others: Any) -> str:
    """A digest of the code of the functions and of every plain function that they call."""
    code = [_code(each) for part in functions for each in _with_helpers(part)]
    return hashlib.sha256(repr((code, *others)).encode()).hexdigest()[:16]


def _types(driver: Function) -> list[Any]:
    """The classes of its arguments as far as annotated: the cache finds them by name."""
    said = driver.__annotations__.values()
    return [
        (t.__module__, t.__qualname__, getattr(t, "_fields", ()))
        for t in said
        if isinstance(t, type)
    ]


@cache
def _compiled(driver: Function, *parts: tuple[str, Function]) -> Function:
    """The bound driver, compiled, under a name that contains a digest of the rule's code.

    numba's disk cache identifies a function by file, line and name, and would not notice an edited
    step. With the digest it does, and it still finds every unchanged rule. The cache refers to the
    rule's modules by name, so only rules of importable modules are stored.
    """
    called = {**_helpers(driver), **dict(parts)}
    bound = _rebound(driver, **{name: _jitted(part) for name, part in called.items()})
    mark = digest(called.values(), _types(driver))
    bound.__name__ = bound.__qualname__ = f"{driver.__name__}_{mark}"
    functions = [each for part in called.values() for each in _with_helpers(part)]
    known = all(f.__globals__ is vars(sys.modules.get(f.__module__, sys)) for f in functions)
    return compiled(bound, cache=known)


@cache
def _jitted(function: Function, inside: tuple[Any, ...] = ()) -> Any:
    """The function compiled, together with every plain function that it calls by name."""
    helpers = {
        name: _jitted(helper, (*inside, function))
        for name, helper in _helpers(function).items()
        if helper not in (*inside, function)
    }
    return compiled(_rebound(function, **helpers), cache=False, inner=True)


def _with_helpers(function: Function) -> list[Function]:
    """The function and every plain function that it calls by name, directly or indirectly."""
    functions = [function]
    for each in functions:
        functions.extend(helper for helper in _helpers(each).values() if helper not in functions)
    return functions


def _helpers(function: Function) -> dict[str, Function]:
    used = {name: function.__globals__.get(name) for name in _names(function.__code__)}
    return {name: f for name, f in used.items() if isinstance(f, types.FunctionType)}


def _names(code: types.CodeType) -> list[str]:
    """Every global and attribute name in the code, including that of inner functions."""
    inner = [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return [*code.co_names, *(name for each in inner for name in _names(each))]


def _code(function: Function) -> tuple[Any, ...]:
    """Everything that determines what one function computes, except the code of its helpers."""
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
    """The contribution of a global to the digest; for a module, the attributes that are used."""
    if isinstance(value, types.ModuleType):
        used = [name for name in names if hasattr(value, name)]
        return [(name, _constant(getattr(value, name), [])) for name in used]
    try:
        return pickle.dumps(value), getattr(value, "_fields", ())
    except Exception:  # what cannot be pickled cannot be a compiled constant either
        return repr(value)


def _rebound(function: Function, **names: Any) -> types.FunctionType:
    """A copy of the function with these names among its globals."""
    copy = types.FunctionType(
        function.__code__,
        {**function.__globals__, **names},
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy
