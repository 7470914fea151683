"""Criteria as objects and text, their combinations, user mistakes, and rules users write."""

import dataclasses
import doctest
import inspect
import math
import os
import pickle
import string
import subprocess
import sys
import types
from typing import NamedTuple

import cloudpickle
import numba
import numpy as np
import pytest
from hypothesis import given, strategies as st
from strategies import curves, random_runs

from earlystop_lab import (
    GL,
    PQ,
    UP,
    CurveSet,
    Keras,
    Keras2,
    MaxEpochs,
    Progress,
    TerminateOnNaN,
    after,
    all_of,
    any_of,
    criterion,
    parse,
    replay,
    trace,
)
from earlystop_lab._common import compiling
from earlystop_lab._common.compiling import _plain
from earlystop_lab._common.settings import Constant
from earlystop_lab.criteria import FAMILIES
from earlystop_lab.criteria.rules.prechelt import loss_bound, loss_cannot_pass, loss_step

# -- text ----------------------------------------------------------------------------------

whole = st.integers(1, 10**6)
positive = st.floats(0, 1e12) | st.integers(0, 10**6)
number = st.floats(-1e12, 1e12)

singles = st.one_of(
    st.builds(lambda a, k: GL(a, k=k), positive, whole),
    st.builds(lambda a, k: PQ(a, k=k), positive, whole),
    st.builds(lambda s, k: UP(s, k=k), whole, whole),
    st.builds(lambda a, k: Progress(a, k=k), positive, whole),
    st.builds(MaxEpochs, whole),
    st.builds(lambda p, d, b: Keras2(p, min_delta=d, baseline=b), whole, number, number),
    st.builds(
        lambda p, d, b, e: Keras(p, min_delta=d, baseline=b, start_from_epoch=e),
        whole,
        number,
        st.none() | number,
        st.integers(0, 100),
    ),
    st.just(TerminateOnNaN()),
)
rules = st.recursive(
    singles,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda members: any_of(*members))
        | st.lists(inner, min_size=1, max_size=3).map(lambda members: all_of(*members))
        | st.builds(after, st.integers(0, 1000) | st.floats(0, 1000), inner)
    ),
    max_leaves=6,
)


@given(rules)
def test_parse_is_the_inverse_of_str(rule):
    again = parse(str(rule))
    assert again == rule
    assert hash(again) == hash(rule)
    assert str(again) == str(rule) == repr(rule)


@criterion(threshold="level", passes="<")
def Labelled(val, *, name: str = "a", flag: bool = False, free=1.5):
    """A family with parameters of every kind."""
    return val


@given(st.text(), st.booleans(), st.none() | st.booleans() | st.integers(-5, 5) | st.text())
def test_texts_and_flags_survive_the_text_form(name, flag, free):
    rule = Labelled(1, name=name, flag=flag, free=free)
    assert parse(str(rule), {"Labelled": Labelled}) == rule


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (GL(1.0), "GL(1)"),
        (GL(0.50), "GL(0.5)"),
        (GL(-0.0), "GL(0)"),
        (GL(1e-7), "GL(1e-07)"),
        (GL(1e300), "GL(1e+300)"),
        (GL(np.float64(2)), "GL(2)"),
        (GL(np.float32(0.5)), "GL(0.5)"),
        (GL(np.int64(2), k=np.int32(5)), "GL(2)"),
        (GL(alpha=2), "GL(2)"),
        (PQ(0.5, k=5), "PQ(0.5)"),
        (PQ(0.5, k=10), "PQ(0.5, k=10)"),
        (UP(3.0), "UP(3)"),
        (Keras(10, min_delta=0.0, baseline=None), "Keras(10)"),
        (Keras(10, min_delta=1.0), "Keras(10, min_delta=1)"),
        (
            Keras(10, start_from_epoch=5, min_delta=-0.001),
            "Keras(10, min_delta=-0.001, start_from_epoch=5)",
        ),
        (TerminateOnNaN(), "TerminateOnNaN()"),
        (after(100.0, UP(2)), "after(100, UP(2))"),
        (after(2.5, UP(2)), "after(2.5, UP(2))"),
        (after(0, UP(2)), "UP(2)"),
        (after(5, after(3, UP(2))), "after(5, UP(2))"),
        (any_of(GL(5.0), all_of(UP(1), Keras(2))), "any_of(GL(5), all_of(UP(1), Keras(2)))"),
    ],
)
def test_text_is_the_shortest(rule, text):
    assert str(rule) == text


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (" GL( 2 )\n", GL(2)),
        ("GL(2.0, k=5)", GL(2)),
        ("GL(alpha=2)", GL(2)),
        ("GL(+2)", GL(2)),
        ("GL(1e1)", GL(10)),
        ("Keras(10, baseline=None)", Keras(10)),
        ("any_of(\n  UP(3),\n  MaxEpochs(3000),\n)", any_of(UP(3), MaxEpochs(3000))),
        ("after(1e2, all_of(UP(1), GL(1)))", all_of(after(100, UP(1)), after(100, GL(1)))),
    ],
)
def test_parse_reads_what_a_person_may_write(text, rule):
    assert parse(text) == rule


def test_equal_criteria_are_one():
    assert len({GL(1), GL(1.0), GL(1, k=5), parse("GL(1)")}) == 1
    assert len({GL(1), GL(1, k=4), GL(2), PQ(1), after(1, GL(1)), any_of(GL(1))}) == 6


# -- combinations --------------------------------------------------------------------------

PAIRS = [
    (GL(10, k=1), UP(2, k=1)),
    (GL(0, k=2), UP(1, k=3)),
    (Keras(2), GL(5, k=1)),
    (Keras(3, min_delta=0.25), MaxEpochs(4)),
    (PQ(0.5, k=2), Progress(50, k=2)),
    (TerminateOnNaN(), UP(1, k=1)),
]


def first(flags):
    """Position, counted from 1, of the first true flag; None without one."""
    return next((t for t, flag in enumerate(flags, 1) if flag), None)


def stop_of(rule, run):
    stops = replay(run, [rule])
    return int(stops.stop[0, 0]) if stops.fired[0, 0] else None


@given(curves(), st.sampled_from(PAIRS), st.integers(0, 12))
def test_combinations_follow_from_where_their_members_hold(pair, members, epochs):
    run = CurveSet.from_runs([{"val": pair[0], "train": pair[1]}])
    a, b = (trace(member, run[0]).holds.tolist() for member in members)
    both = [x and y for x, y in zip(a, b, strict=True)]
    either = [x or y for x, y in zip(a, b, strict=True)]

    def late(flags):
        return [flag and t > epochs for t, flag in enumerate(flags, 1)]

    one, other = members
    assert stop_of(one, run) == first(a)
    assert stop_of(any_of(one, other), run) == first(either)
    assert stop_of(all_of(one, other), run) == first(both)
    assert stop_of(after(epochs, one), run) == first(late(a))
    assert stop_of(after(epochs, any_of(one, other)), run) == first(late(either))
    assert stop_of(after(epochs, all_of(one, other)), run) == first(late(both))
    nested = all_of(any_of(one, other), after(epochs, other))
    assert stop_of(nested, run) == first(late(b))
    assert stop_of(any_of(all_of(one, other), after(epochs, one)), run) == first(
        [x or y for x, y in zip(both, late(a), strict=True)]
    )


def test_any_of_and_all_of_by_hand():
    # GL > 10: no no yes no yes yes; UP_2: no no no no no yes
    run = CurveSet.from_runs([{"val": [2.0, 1.0, 1.5, 1.0, 1.2, 1.3]}])
    gl, up = GL(10, k=1), UP(2, k=1)
    found = [stop_of(rule, run) for rule in (gl, up, any_of(up, gl), all_of(up, gl))]
    assert found == [3, 6, 3, 6]


def test_members_must_hold_at_the_same_check():
    # UP_1 holds at 2, GL at 4 only
    run = CurveSet.from_runs([{"val": [1.0, 1.01, 1.0, 3.0, 2.0, 1.0]}])
    assert stop_of(all_of(UP(1, k=1), GL(10, k=1)), run) == 4
    assert stop_of(all_of(UP(2, k=1), GL(10, k=1)), run) is None


def test_warm_up_sees_the_history_and_forgets_its_stops():
    # UP_2 holds at 3 only; after(3) the rises of 2 and 3 still count towards UP_3 at 4
    run = CurveSet.from_runs([{"val": [1.0, 2.0, 3.0, 4.0, 1.0, 1.0]}])
    assert stop_of(after(3, UP(3, k=1)), run) == 4
    assert stop_of(after(4, UP(2, k=1)), run) is None


def test_warm_up_is_in_epochs():
    run = CurveSet.from_runs([{"val": [1.0, 2.0, 2.0], "epoch": [10, 20, 30]}])
    assert stop_of(after(15, GL(10, k=1)), run) == 20
    assert stop_of(after(20, GL(10, k=1)), run) == 30


# -- mistakes ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_every_parameter_of_every_rule_refuses_what_is_no_value_of_it(name):
    family = FAMILIES[name]
    asked = {
        slot: 1 if slot == "od_pval" else 2
        for slot, default in family.defaults.items()
        if default is inspect.Parameter.empty
    }
    for slot in family.slots:
        for value in (math.nan, math.inf, "a", [1], object()):
            with pytest.raises(ValueError, match=rf"^{name}: {slot} = .*; expected ") as caught:
                family(**{**asked, slot: value})
            assert len(str(caught.value)) < 200
    unknown = f"^{name}: unknown parameter 'zzz' = 3; its parameters are "
    with pytest.raises(ValueError, match=unknown):
        family(**asked, zzz=3)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: GL(), ["GL", "alpha", "missing"]),
        (lambda: GL(2, 5), ["GL takes one positional argument (alpha)", "2 were given"]),
        (lambda: GL(2, alpha=3), ["GL", "alpha", "both by position and by keyword"]),
        (lambda: GL(2, strip=3), ["GL", "'strip'", "alpha, k"]),
        (lambda: GL("2"), ["GL", "alpha", "'2'"]),
        (lambda: GL(True), ["GL", "alpha", "True"]),
        (lambda: GL(None), ["GL", "alpha", "None"]),
        (lambda: GL([1]), ["GL", "alpha", "[1]"]),
        (lambda: GL(math.nan), ["GL", "alpha", "nan"]),
        (lambda: GL(math.inf), ["GL", "alpha", "inf"]),
        (lambda: GL(-1), ["GL", "alpha", "-1", "at least 0"]),
        (lambda: GL(10**400), ["GL", "alpha"]),
        (lambda: GL(2, k=0), ["GL", "k", "0", "at least 1"]),
        (lambda: GL(2, k=2.5), ["GL", "k", "2.5", "an integer"]),
        (lambda: GL(2, k=None), ["GL", "k", "None"]),
        (lambda: UP(0), ["UP", "s", "0", "at least 1"]),
        (lambda: UP(1.5), ["UP", "s", "1.5", "an integer"]),
        (lambda: Keras(-1), ["Keras", "patience", "-1", "at least 0"]),
        (lambda: Keras(1, min_delta=None), ["Keras", "min_delta", "None"]),
        (lambda: Keras(1, min_delta=math.nan), ["Keras", "min_delta", "nan"]),
        (lambda: Keras(1, baseline="x"), ["Keras", "baseline", "'x'"]),
        (lambda: Keras2(1, start_from_epoch=3), ["Keras2", "'start_from_epoch'"]),
        (lambda: MaxEpochs(0), ["MaxEpochs", "n", "0"]),
        (lambda: TerminateOnNaN(1), ["TerminateOnNaN takes no arguments"]),
        (lambda: Labelled(1, flag="yes"), ["Labelled", "flag", "'yes'", "True or False"]),
        (lambda: Labelled(1, flag=7), ["Labelled", "flag", "7", "True or False"]),
        (lambda: Labelled(1, name=5), ["Labelled", "name", "5", "a string"]),
        (lambda: Labelled(1, name=2.5), ["Labelled", "name", "2.5", "a string"]),
        # 0 means "off" in the library
        (lambda: FAMILIES["LightGBM"](0), ["LightGBM: stopping_rounds = 0", "switches", "off"]),
        (lambda: FAMILIES["LightGBM"](-1), ["stopping_rounds = -1", "more than 0"]),
        (lambda: FAMILIES["CatBoostIncToDec"](0), ["od_pval = 0", "off in its library"]),
        (lambda: FAMILIES["CatBoostIncToDec"](1.5), ["od_pval = 1.5", "at most 1"]),
        (lambda: FAMILIES["EMA"](2, decay=1), ["EMA: decay = 1", "less than 1"]),
        (lambda: FAMILIES["CDSC"](2, mu=-2), ["CDSC: mu = -2", "at least -1"]),
        (lambda: FAMILIES["H2O"](2.5), ["H2O: k = 2.5", "an integer"]),
        (lambda: FAMILIES["H2O"](), ["H2O: missing required argument 'k'"]),
        (lambda: FAMILIES["Ultralytics"](0), ["Ultralytics: patience = 0", "off"]),
        (lambda: FAMILIES["Flax"](-1), ["Flax: patience = -1", "at least 0"]),
        (lambda: FAMILIES["Ignite"](2, threshold_mode="x"), ["Ignite", "'x'", "'abs', 'rel'"]),
        (lambda: any_of(), ["any_of", "at least one"]),
        (lambda: all_of(GL), ["all_of", "GL", "threshold"]),
        (lambda: any_of(GL(1), "UP(2)"), ["any_of", "UP(2)"]),
        (lambda: after(-1, GL(1)), ["after", "-1"]),
        (lambda: after(math.nan, GL(1)), ["after", "nan"]),
        (lambda: after(math.inf, GL(1)), ["after", "inf"]),
        (lambda: after(10**400, GL(1)), ["after", "epochs"]),
        (lambda: after("3", GL(1)), ["after", "'3'"]),
        (lambda: after(3, UP), ["after", "UP"]),
    ],
)
def test_a_mistake_is_named(make, words):
    with pytest.raises(ValueError, match=r".") as caught:
        make()
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["cannot be parsed"]),
        ("GL(2", ["GL(2", "cannot be parsed ('(' was never closed)"]),
        ("GL(2) or UP(3)", ["write any_of(...)"]),
        ("GL(2) and UP(3)", ["write all_of(...)"]),
        ("GL(2) + UP(3)", ["GL(2) + UP(3)"]),
        ("GL(2); UP(3)", ["cannot be parsed"]),
        ("GL(2)\0", ["cannot be parsed"]),
        ("GL", ["GL(2)"]),
        ("2", ["'2'"]),
        ("GL(2)(3)", ["GL(2)(3)"]),
        ("GLL(2)", ["unknown criterion 'GLL'", "did you mean 'GL'?"]),
        ("gl(2)", ["unknown criterion 'gl'", "did you mean 'GL'? Known criteria: GL"]),
        ("Keras(10, min_dleta=1)", ["'min_dleta' = 1; did you mean 'min_delta'? "]),
        ("Keras(10, vall='x')", ["'vall' = 'x'; did you mean 'val'? "]),
        ("GL()", ["alpha", "missing"]),
        ("GL(2, 5)", ["2 were given"]),
        ("GL(2, l=5)", ["'l'", "alpha, k"]),
        ("GL(2, k=5, k=6)", ["k"]),
        ("GL(x)", ["'x' is not a literal value"]),
        ("GL(nan)", ["'nan' is not a literal value"]),
        ("GL(1e999)", ["alpha", "inf"]),
        ("GL([1])", ["[1]"]),
        ("GL(1j)", ["1j"]),
        ("GL(b'2')", ["b'2'"]),
        ("GL(*[2])", ["*[2]"]),
        ("GL(**{'alpha': 2})", ["**"]),
        ("GL({[]: 2})", ["is not a literal value"]),
        ("Keras(-1)", ["patience", "-1"]),
        ("any_of()", ["any_of", "at least one"]),
        ("any_of(GL(2), 3)", ["'3'"]),
        ("any_of(GL(2), k=3)", ["any_of"]),
        ("after(GL(2))", ["after"]),
        ("after(GL(2), 3)", ["GL(2)"]),
        ("after('x', GL(2))", ["after", "'x'"]),
        ("__import__('os')", ["unknown criterion '__import__'"]),
        ("__import__('os').system('true')", ["__import__"]),
        ("GL(__import__('os').getpid())", ["is not a literal value"]),
        ("GL((lambda: 2)())", ["is not a literal value"]),
        ("GL.array(2)", ["GL.array"]),
        ("(GL := 2)", ["GL"]),
        ("GL(9 ** 9 ** 9)", ["is not a literal value"]),
        ("GL('" + "\ud800" + "')", ["cannot be parsed"]),
    ],
)
def test_an_unreadable_text_is_named(text, words):
    with pytest.raises(ValueError, match=r".") as caught:
        parse(text)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("depth", [100, 300, 1000, 3000, 30_000])
@pytest.mark.parametrize(
    "hostile",
    [
        lambda depth: "any_of(" * depth + "GL()" + ")" * depth,
        lambda depth: "GL(" + "1 + " * depth + "1)",
        lambda depth: "GL(" + "-" * depth + "1)",
        lambda depth: "GL(" + "[" * depth + "]" * depth + ")",
        lambda depth: "GL" + ".x" * depth,
        lambda depth: "GL(1" + "0" * depth + ")" * 2,
        lambda depth: "GL(1" + "0" * (depth + 300) + ")",
    ],
    ids=["calls", "sums", "signs", "lists", "dots", "digits, unbalanced", "digits"],
)
def test_a_deeply_nested_text_is_a_value_error(hostile, depth):
    with pytest.raises(ValueError, match="GL"):
        parse(hostile(depth))


@given(st.text(alphabet=string.printable, max_size=30))
def test_any_text_is_a_criterion_or_a_value_error(text):
    try:
        rule = parse(text)
    except ValueError:
        return
    assert parse(str(rule)) == rule


def test_a_family_names_channels_and_parameters_apart():
    with pytest.raises(ValueError, match=r"Loss.*'run'.*channel"):

        @criterion(threshold="level")
        def Loss(run):
            return run

    with pytest.raises(ValueError, match=r"Level.*'level' is a channel and a parameter"):

        @criterion(threshold="level")
        def Level(level):
            return level

    with pytest.raises(ValueError, match=r"Limit.*'limit' is not a parameter"):

        @criterion(threshold="level", recorded=("limit",))
        def Limit(val):
            return val

    with pytest.raises(ValueError, match=r"Scan.*'val'.*keyword"):

        @criterion(threshold="level", step=lambda s, epoch, val: (s, val))
        def Scan(val):
            return (0,)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strip": "n", "step": loss_step}, "strip = 'n' is not a parameter"),
        ({"at_ends": True, "step": loss_step}, "at_ends requires step and strip"),
        ({"at_ends": True, "strip": "k"}, "at_ends requires step and strip"),
        ({"cannot_pass": loss_cannot_pass}, "cannot_pass and pass_bound require step"),
        ({"pass_bound": loss_bound}, "cannot_pass and pass_bound require step"),
    ],
)
def test_a_family_is_refused_where_its_parts_do_not_fit(options, message):
    with pytest.raises(ValueError, match=f"Rule: {message}"):

        @criterion(threshold="level", **options)
        def Rule(*, k=5):
            return 0.0


def test_a_strip_has_at_least_one_check():
    @criterion(threshold="level", strip="k", at_ends=True, step=loss_step)
    def Rule(*, k: int = 5):
        return math.inf

    with pytest.raises(ValueError, match="k = 0; expected at least 1"):
        Rule(1, k=0)


# -- documentation and transport -------------------------------------------------------------


@pytest.mark.parametrize("name", FAMILIES)
def test_examples_in_docstrings(name):
    # families are objects, so pytest does not look into their docstrings
    examples = doctest.DocTestParser().get_doctest(FAMILIES[name].__doc__, {}, name, None, 0)
    assert examples.examples
    report = []
    doctest.DocTestRunner(verbose=False).run(examples, out=report.append)
    assert not report, "".join(report)


def test_the_library_s_default_is_the_threshold_s():
    assert str(FAMILIES["Lightning"]()) == "Lightning(3)" == str(parse("Lightning()"))
    assert str(FAMILIES["RayPlateau"]()) == "RayPlateau(0.01)"


def test_the_table_of_names_is_by_name():
    assert all(family.name == name for name, family in FAMILIES.items())
    assert all(family.__doc__ for family in FAMILIES.values())


@pytest.mark.parametrize("library", [pickle, cloudpickle])
@given(rule=rules)
def test_criteria_survive_pickling(library, rule):
    again = pickle.loads(library.dumps(rule))
    assert again == rule
    assert str(again) == str(rule)


def test_a_family_of_this_module_travels_by_name():
    assert pickle.loads(pickle.dumps(Labelled)) is Labelled


def test_a_local_family_survives_cloudpickle():
    @criterion(threshold="level", passes="<")
    def Local(val, *, scale=1.0):
        return np.minimum.accumulate(val) / scale

    run = CurveSet.from_runs([{"val": [4.0, 2.0, 1.0]}])
    again = pickle.loads(cloudpickle.dumps(Local(1.5, scale=2.0)))
    assert str(again) == "Local(1.5, scale=2)"
    assert stop_of(again, run) == stop_of(Local(1.5, scale=2.0), run) == 2


# -- rules that users write ------------------------------------------------------------------


class Ema(NamedTuple):
    """Exponential average, and the factor by which it forgets."""

    decay: float
    mean: float


def ema_step(s, epoch, val):
    mean = val if math.isnan(s.mean) else s.decay * s.mean + (1 - s.decay) * val
    return Ema(s.decay, mean), val / mean


def ema(val, decay):
    means = []
    for value in val:
        means.append(value if not means else decay * means[-1] + (1 - decay) * value)
    return means


def test_a_users_array_family_stops_where_its_formula_says():
    @criterion(threshold="ratio", passes=">")
    def Above(val, epoch, *, decay=0.5):
        return val / np.array(ema(val, decay)) + 0 * epoch

    runs = CurveSet.from_runs([{"val": [4.0, 2.0, 2.0, 3.0]}, {"val": [1.0]}])
    # means 4, 3, 2.5, 2.75: ratios 1, 0.67, 0.8, 1.09
    assert replay(runs, [Above(1.05), Above(0.5)]).stop.tolist() == [[4, 1], [1, 1]]
    assert replay(runs, [Above(1.05)]).fired.tolist() == [[True], [False]]
    with_decay = CurveSet.from_runs([{"val": [4.0, 2.0, 2.0, 3.0]}])
    expected = np.array([4.0, 2.0, 2.0, 3.0]) / ema([4.0, 2.0, 2.0, 3.0], 0.9)
    np.testing.assert_allclose(trace(Above(1, decay=0.9), with_decay[0]).statistic, expected)


def test_a_users_scan_stops_where_its_formula_says():
    @criterion(threshold="ratio", passes=">", step=ema_step)
    def Above(*, decay: float = 0.5):
        return Ema(float(decay), math.nan)

    run = CurveSet.from_runs([{"val": [4.0, 2.0, 2.0, 3.0]}])
    expected = np.array([4.0, 2.0, 2.0, 3.0]) / ema([4.0, 2.0, 2.0, 3.0], 0.9)
    np.testing.assert_allclose(trace(Above(1, decay=0.9), run[0]).statistic, expected)
    assert stop_of(Above(1.05), run) == 4


@pytest.mark.parametrize(
    ("passes", "expected"), [(">", [2, 3, None]), (">=", [1, 2, 3]), ("<", 1), ("<=", 1)]
)
def test_ways_to_pass(passes, expected):
    @criterion(threshold="level", passes=passes)
    def Level(val):
        return val

    rising = CurveSet.from_runs([{"val": [1.0, 2.0, 3.0]}])
    falling = CurveSet.from_runs([{"val": [3.0, 2.0, 1.0]}])
    if ">" in passes:
        assert [stop_of(Level(x), rising) for x in (1, 2, 3)] == expected
    else:
        mirrored = [2, 3, None] if passes == "<" else [1, 2, 3]
        assert [stop_of(Level(x), falling) for x in (3, 2, 1)] == mirrored
    assert stop_of(Level(2), CurveSet.from_runs([{"val": [math.nan]}])) is None


@pytest.mark.parametrize(
    "returned", [lambda v: v[:-1], lambda v: v[0], lambda v: v[:, None], lambda v: ["a"] * len(v)]
)
def test_an_array_family_that_returns_something_else_is_named(returned):
    @criterion(threshold="level")
    def Wrong(val):
        return returned(val)

    run = CurveSet.from_runs([{"run": "r7", "val": [1.0, 2.0]}])
    with pytest.raises(ValueError, match=r"Wrong.*'r7'.*expected 2 numbers"):
        replay(run, [Wrong(1)])


def window_tuple(s, epoch, val):
    window = (*s[1], val)[-s[0] :]
    return (s[0], window), max(window) - min(window)


def window_dict(s, epoch, val):
    held = {**s[1], epoch: val}
    held = {e: held[e] for e in sorted(held)[-s[0] :]}
    return (s[0], held), max(held.values()) - min(held.values())


class Window:
    """A Python object, of which numba knows nothing."""

    def __init__(self, values=()):
        self.values = values

    def spread(self):
        return max(self.values) - min(self.values)


def window_object(s, epoch, val):
    window = Window((*s[1].values, val)[-s[0] :])
    return (s[0], window), window.spread()


def window_list(s, epoch, val):
    window = [*s[1], val][-s[0] :]
    return (s[0], window), max(window) - min(window)


@pytest.mark.parametrize(
    ("step", "empty"),
    [(window_tuple, ()), (window_dict, {}), (window_object, Window()), (window_list, [])],
    ids=["tuple", "dict", "object", "list"],
)
def test_a_step_that_cannot_be_compiled_runs_as_plain_python(step, empty):
    @criterion(threshold="spread", passes="<", step=step)
    def Flat(*, window: int = 3):
        return (window, empty)

    runs = CurveSet.from_runs(
        {**run, "val": np.nan_to_num(run["val"], posinf=9)} for run in random_runs(1, 20)
    )
    # a warning is an error where it is not expected: after the first replay there is none
    with pytest.warns(
        RuntimeWarning, match=r"^Flat could not be compiled and runs .* slower: \S.*$"
    ) as told:
        replay(runs[:1], [Flat(0.1)])
    assert len(told) == 1
    for window in (1, 4):
        found = replay(runs, [Flat(0.05, window=window), Flat(0.2, window=window)])
        for i, run in enumerate(runs):
            spread = [np.ptp(run.val[max(0, t - window) : t]) for t in range(1, len(run.val) + 1)]
            np.testing.assert_array_equal(trace(Flat(1, window=window), run).statistic, spread)
            for j, level in enumerate((0.05, 0.2)):
                stop = first(value < level for value in spread)
                assert (found.stop[i, j], found.fired[i, j]) == (stop or len(spread), bool(stop))


def failing_step(s, epoch, val):
    return s, {1.0: val}[val]


def test_a_step_that_raises_is_not_said_to_be_slow():
    @criterion(threshold="level", step=failing_step)
    def Failing():
        return 0

    run = CurveSet.from_runs([{"val": [1.0, 2.0]}])
    for _ in range(2):
        with pytest.raises(KeyError, match=r"2\.0"):
            replay(run, [Failing(3)])
        with pytest.raises(KeyError, match=r"2\.0"):
            trace(Failing(3), run[0])


RULE = """
import math
import numpy as np
from earlystop_lab import criterion

LEVEL = 1.0
TABLE = np.arange(5000.0)
FINE = np.array([0.1234567890123])

def helper(val):
    return val * 1.0

def step(s, epoch, val, plus=1.0):
    return s, helper(val) + LEVEL + TABLE[2500] + FINE[0] + plus

@criterion(threshold="level", passes=">", step=step)
def Edited():
    return (0,)
"""
VALUE = 4 + 1 + 2500 + 0.1234567890123 + 1


def loaded(monkeypatch, path, text):
    """The family from a module of that text, imported anew."""
    path.write_text(text)
    module = types.ModuleType("edited_rule")
    monkeypatch.setitem(sys.modules, "edited_rule", module)
    # not by an import, whose own cache misses edits within a second
    exec(compile(text, str(path), "exec"), vars(module))
    return module.Edited


def value_of(family):
    return trace(family(1), CurveSet.from_runs([{"val": [4.0]}])[0]).statistic[0]


@pytest.fixture(scope="module")
def cached_rule(tmp_path_factory):
    """Path of a rule that was compiled, with the compiled code in a cache beside it."""
    path = tmp_path_factory.mktemp("rules") / "edited_rule.py"
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(numba.config, "CACHE_DIR", str(path.parent / "cache"))
        assert value_of(loaded(monkeypatch, path, RULE)) == pytest.approx(VALUE, rel=1e-15)
    return path


@pytest.mark.parametrize(
    ("old", "new", "difference"),
    [
        ("+ LEVEL +", "- LEVEL +", -2.0),
        ("LEVEL = 1.0", "LEVEL = 3.0", 2.0),
        ("return val * 1.0", "return val * 2.0", 4.0),
        ("+ plus", "+ math.floor(plus + 0.5) + 1", 1.0),
        ("val, plus=1.0", "val, plus=2.0", 1.0),
        ("np.arange(5000.0)", "np.arange(5000.0) * (np.arange(5000) != 2500)", -2500.0),
        ("0.1234567890123", "0.1234567891123", 1e-10),
    ],
    ids=["code", "constant", "helper", "callee", "default", "long table", "late digits"],
)
def test_an_edited_step_takes_effect(cached_rule, monkeypatch, old, new, difference):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(cached_rule.parent / "cache"))
    assert RULE.count(old) == 1
    edited = loaded(monkeypatch, cached_rule, RULE.replace(old, new))
    assert value_of(edited) == pytest.approx(VALUE + difference, rel=1e-14)


TRACE_BOTH = """
import runpy, sys
sys.path.insert(0, "rules")
from earlystop_lab import CurveSet, trace
families = [__import__(sys.argv[1]).Edited, runpy.run_path("executed.py")["Edited"]]
for family in families:
    try:
        print(trace(family(2), CurveSet.from_runs([{"val": [1.0, 2.0]}])[0]).statistic.tolist())
    except Exception as error:
        print(repr(error))
"""


def test_compiled_code_outlives_the_module_it_came_from(tmp_path):
    # in another process the same rule may come from a renamed module, or be executed anew
    text = RULE.replace("+ LEVEL + TABLE[2500] + FINE[0] + plus", "")
    (tmp_path / "rules").mkdir()
    (tmp_path / "executed.py").write_text(text.replace("val * 1.0", "val * 1.5"))
    found = []
    for name in ("one", "two"):
        (tmp_path / "rules" / f"{name}.py").write_text(text)
        done = subprocess.run(
            [sys.executable, "-c", TRACE_BOTH, name],
            cwd=tmp_path,
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(done.stdout.splitlines())
        (tmp_path / "rules" / f"{name}.py").unlink()
    assert found == [["[1.0, 2.0]", "[1.5, 3.0]"]] * 2


@dataclasses.dataclass(frozen=True)
class Settings(Constant):
    rising: bool
    times: int


class Seen(NamedTuple):
    settings: Settings
    last: float


def scaled_step(s, epoch, val):
    rise = val - s.last if s.settings.rising else s.last - val
    return Seen(s.settings, val), s.settings.times * rise


@pytest.mark.parametrize("rising", [True, False])
@pytest.mark.parametrize("times", [1, 3])
def test_settings_that_are_compiled_in_are_those_of_the_state(rising, times):
    @criterion(threshold="rise", passes=">", step=scaled_step)
    def Rise(*, rising: bool, times: int):
        return Seen(Settings(rising, times), 0.0)

    found = trace(Rise(0, rising=rising, times=times), CurveSet.from_runs([{"val": [2.0, 5.0]}])[0])
    sign = 1 if rising else -1
    assert found.statistic.tolist() == [sign * times * 2.0, sign * times * 3.0]
    # compiled, not fallen back to plain Python
    assert not any(scaled_step in dict(parts).values() for _, *parts in _plain)


def test_stored_code_is_found_again_only_where_its_arguments_are_of_the_same_classes():
    # what is stored finds them by module and name, and fails to load where one has moved
    def named(place):
        class Pair(NamedTuple):
            a: float

        def driver(pair: Pair):
            return pair

        Pair.__module__ = place
        return compiling._compiled(driver).__name__

    assert named("one") == named("one") != named("another")
