"""The conformance kit: it accepts what keeps the promises and names what was broken."""

import itertools

import numpy as np
import pytest

from earlystop_lab import (
    GL,
    UP,
    CurveSet,
    Keras,
    Progress,
    TerminateOnNaN,
    after,
    all_of,
    any_of,
    check_criterion,
    criterion,
)
from earlystop_lab.criteria import FAMILIES
from earlystop_lab.studies.conformance import ConformanceError, check_on

# -- what keeps the promises ---------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_keeps_the_promises(name):
    assert check_criterion(FAMILIES[name]) is None


@pytest.mark.parametrize(
    "rule",
    [
        Keras(3, min_delta=0.1, baseline=0.6, start_from_epoch=4),
        any_of(all_of(UP(2, k=2), GL(5)), after(5, TerminateOnNaN()), Progress(1)),
    ],
    ids=str,
)
def test_criteria_and_combinations_keep_the_promises(rule):
    check_criterion(rule)


@criterion(threshold="level", passes="<")
def Lowest(val, train, epoch, *, scale: float = 1.0):
    """An array function of all three curves that keeps every promise."""
    return np.fmin.accumulate(np.where(epoch > 2, val + train, np.nan)) / scale


@criterion(threshold="rises", whole=True)
def Rises(val):
    """Whole numbers are numbers too."""
    return np.concatenate([[0], np.cumsum(val[1:] > val[:-1])])


@criterion()
def Both(val, *, low: float = 0.2, high: float = 0.9):
    """A rule without a threshold: bools."""
    return (val > low) & (val < high)


@pytest.mark.parametrize("rule", [Lowest, Rises, Both(0.1, high=0.5)], ids=repr)
def test_a_good_newcomer_keeps_the_promises(rule):
    check_criterion(rule)


# -- offenders -----------------------------------------------------------------------------


def offender(function, **options):
    """A family, named Bad, of an array function."""
    function.__name__ = "Bad"
    return criterion(threshold="level", passes=">", **options)(function)


def assert_refused(rule, *expected):
    with pytest.raises(ConformanceError) as error:
        check_criterion(rule)
    for part in ("Bad(", *expected):
        assert part in str(error.value)
    return str(error.value)


def test_a_look_at_the_minimum_of_the_whole_run_is_refused():
    assert_refused(offender(lambda val: np.full(len(val), val.min())), "not causal", "epoch 1 ")


@pytest.mark.parametrize("check", [1, 6, 20])
def test_a_look_at_the_last_value_at_one_epoch_is_refused(check):
    def peek(val):
        return np.where(np.arange(len(val)) == check - 1, val[-1], val)

    # noticed on a run that ends there, where it would have seen its own value
    assert_refused(offender(peek), "not causal", f"epoch {check} ", f"only {check} check")


def test_a_look_one_epoch_ahead_is_refused():
    assert_refused(offender(lambda val: np.append(val[1:], 0)), "not causal", "epoch 1 ")


def test_a_look_at_the_length_of_the_run_is_refused():
    # harmless in a replay, unknown in a live run
    def share(epoch):
        return epoch / len(epoch)

    assert_refused(offender(share), "not causal")


def late(val):
    """Distance to the lowest error of the whole run, from check 51 on."""
    lowest = np.nanmin(val) if np.isfinite(val).any() else np.nan
    return np.where(np.arange(len(val)) >= 50, val - lowest, np.nan)


def centred(val):
    """Slope of the centred moving average."""
    found = np.full(len(val), np.nan)
    if len(val) >= 51 and np.isfinite(val).all():
        means = np.convolve(val, np.ones(51) / 51, mode="valid")
        found[26 : len(val) - 25] = np.diff(means)
    return found


@pytest.mark.parametrize(("function", "epoch"), [(late, 51), (centred, 27)])
def test_a_look_ahead_that_begins_late_is_refused(function, epoch):
    assert "np.float64" not in assert_refused(offender(function), "not causal", f"epoch {epoch} ")


def test_an_error_on_long_runs_alone_is_refused_in_one_line():
    def short(val):
        if len(val) > 100:
            raise RuntimeError("boom\non long")
        return val - np.fmin.accumulate(val)

    assert "\n" not in assert_refused(offender(short), "RuntimeError", "'long", "boom on long")


# -- on real runs --------------------------------------------------------------------------


def real(length):
    """Runs of a corpus, the last of them longer than any curve of the kit."""
    rng = np.random.default_rng(0)
    return CurveSet.from_runs(
        {"run": f"r{i}", "val": 1 + rng.random(n)} for i, n in enumerate([30, 80, length])
    )


def later(start):
    def peek(val):
        # what it sees too early is nothing before the start
        return np.where(np.arange(len(val)) >= start, val - val[start:].min(initial=9), 0)

    return offender(peek)


def test_a_look_ahead_on_real_runs_alone_is_refused_with_run_and_epoch():
    with pytest.raises(ConformanceError, match=r"not causal: on the run 'r2' of mine .*epoch 601 "):
        check_on(later(600), real(1000), "mine")
    assert check_on(later(1000), real(1000), "mine") is None
    # training errors are missing here, which the replay says
    assert check_on(offender(lambda train: train), real(100), "mine") is None


def test_an_error_on_a_real_run_names_it():
    def short(val):
        if len(val) > 900:
            raise RuntimeError("boom\non long")
        return val

    with pytest.raises(ConformanceError) as error:
        check_on(offender(short), real(1000), "mine")
    assert str(error.value).endswith("RuntimeError on the run 'r2' of mine: boom on long")


def test_every_member_of_a_rule_without_a_threshold_is_tried():
    @criterion()
    def Bad(val, *, width: int = 1):
        if width > 10:
            raise ArithmeticError("too wide")
        return val > width

    with pytest.raises(ConformanceError, match=r"Bad\(\d\d.*too wide"):
        check_on(Bad, real(100), "mine")


def test_a_look_ahead_at_training_errors_is_refused():
    assert_refused(offender(lambda train: train - train[-1]), "not causal", "epoch 1 ")


def test_a_look_ahead_that_only_nan_provokes_is_refused():
    def gaps(val):
        return np.where(np.isnan(val).any(), 1.0, 0.0) * np.ones(len(val))

    assert_refused(offender(gaps), "not causal", "NaN")


def test_a_look_ahead_inside_a_combination_is_refused():
    bad = offender(lambda val: np.full(len(val), val[-1]))
    assert_refused(any_of(GL(1e9), bad(0.2)), "not causal")


def sort(a):
    a.sort()


def add(a):
    a += 1


def write(a):
    a[0] = 1


def accumulate(a):
    np.minimum.accumulate(a, out=a)


@pytest.mark.parametrize("change", [sort, add, write, accumulate])
def test_a_changed_input_is_refused(change):
    def val_changed(val):
        change(val)
        return val

    def train_changed(train):
        change(train)
        return train

    def epoch_changed(epoch):
        change(epoch)
        return epoch

    for function in (val_changed, train_changed, epoch_changed):
        assert_refused(offender(function), "not pure", "modifies its input")


def test_randomness_is_refused():
    rng = np.random.default_rng(0)
    assert_refused(offender(lambda val: rng.random(len(val))), "not deterministic")


def test_an_array_function_that_remembers_its_calls_is_refused():
    calls = itertools.count()
    assert_refused(offender(lambda val: val + next(calls)), "not deterministic")


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda val: val[1:], "(0,)"),
        (lambda val: np.append(val, 0), "(2,)"),
        (lambda val: val[:, None], "(1, 1)"),
        (lambda val: val.min(), "shape ()"),
        (lambda val: ["high"] * len(val), "<U4"),
        (lambda val: val + 0j, "complex128"),
        (lambda val: None, "object"),
    ],
    ids=["too short", "too long", "2-D", "one number", "texts", "complex", "nothing"],
)
def test_something_else_than_one_number_a_check_is_refused(function, expected):
    # shown on a run of one check, which is enough
    assert_refused(offender(function), expected, "expected 1 numbers", "val = [1.0]")


def test_an_error_on_nan_is_refused():
    def strict(val):
        if np.isnan(val).any():
            raise ArithmeticError("cannot digest NaN")
        return val

    assert_refused(offender(strict), "ArithmeticError", "cannot digest NaN", "'with NaN")


def test_an_error_on_a_single_epoch_is_refused():
    assert_refused(offender(lambda val: val - 0 * val[1]), "IndexError", "or a prefix of it")


def test_an_error_on_infinity_is_refused():
    def whole(val):
        return np.array([0.0 if v != v else float(int(v)) for v in val])

    assert_refused(offender(whole), "OverflowError", "'diverging")


@pytest.mark.parametrize(
    ("function", "curve"),
    [(np.log, "'zero"), (lambda val: 1 / val, "'zero"), (np.sqrt, "'negative")],
    ids=["log", "reciprocal", "sqrt"],
)
def test_a_warning_is_refused(function, curve):
    assert_refused(offender(lambda val: function(val)), "RuntimeWarning", curve)


def scanned(start, step):
    """A scan family named Bad, whose statistic grows with the checks."""

    def begin():
        return start()

    begin.__name__ = "Bad"
    return criterion(threshold="level", passes=">=", step=step)(begin)


def test_a_step_that_remembers_between_calls_is_refused():
    seen = []

    def step(state, epoch, val):
        seen.append(val)
        return state, float(len(seen))

    # numba has no empty lists of the outside
    with pytest.warns(RuntimeWarning, match="Bad could not be compiled"):
        assert_refused(scanned(lambda: (0,), step), "not deterministic")


def test_a_state_that_is_changed_in_place_is_refused():
    # one run after the other starts from the state that the one before left
    def step(state, epoch, val):
        state[0][0] += 1
        return state, state[0][0]

    assert_refused(scanned(lambda: (np.zeros(1),), step), "replay depends on other runs")


def test_a_state_shared_by_all_runs_is_refused():
    shared = (np.zeros(1),)

    def step(state, epoch, val):
        state[0][0] += 1
        return state, state[0][0]

    assert_refused(scanned(lambda: shared, step), "not deterministic")


# -- how to ask ----------------------------------------------------------------------------


def test_a_family_that_needs_a_parameter_is_asked_for_a_criterion():
    @criterion(threshold="level", passes=">")
    def Window(val, *, width: int):
        return np.where(np.arange(len(val)) < width, np.nan, val)

    with pytest.raises(ValueError, match="missing required argument 'width'") as error:
        check_criterion(Window)
    assert "check a criterion with its parameters instead, such as Window(...)" in str(error.value)
    # the family is at no fault
    assert not isinstance(error.value, ConformanceError)
    check_criterion(Window(0.5, width=3))


def test_a_conformance_error_is_a_value_error():
    assert issubclass(ConformanceError, ValueError)


@pytest.mark.parametrize("given", [lambda val: val, "GL(2", 3], ids=["function", "text", "number"])
def test_what_is_no_criterion_is_a_value_error(given):
    # a forgotten decorator is the likeliest mistake of all
    with pytest.raises(ValueError, match="criterion"):
        check_criterion(given)
