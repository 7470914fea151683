"""GL, P_k, PQ and UP: worked tables, the paper's formulas as slow loops, and what must not matter.

In the tables one line is one check; the margin has the values a reader needs to check it by eye.
"""

import math

import numpy as np
import pytest
from hypothesis import example, given, strategies as st
from strategies import curves, errors, finite_errors

from earlystop_lab import GL, PQ, UP, CurveSet, Progress, replay, trace
from earlystop_lab.criteria.rules.prechelt import loss_bound, loss_cannot_pass, loss_step

NAN, INF = math.nan, math.inf


def curve(val, train=None):
    run = {"run": "r", "val": val} if train is None else {"run": "r", "val": val, "train": train}
    return CurveSet.from_runs([run])


def statistic(criterion, val, train=None):
    return trace(criterion, curve(val, train)[0]).statistic


def same(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def columns(table):
    return [list(column) for column in zip(*table, strict=True)]


# -- worked tables -------------------------------------------------------------------------


def test_gl_at_every_check():
    val, loss = columns(
        [  # E_va   GL            E_opt
            (4.00, 0.0),  #        4
            (2.00, 0.0),  #        2
            (3.00, 50.0),  #       2     100 (3/2 - 1)
            (2.50, 25.0),  #       2
            (1.00, 0.0),  #        1
            (1.02, 2.0),  #        1
            (1.50, 50.0),  #       1
            (1.00, 0.0),  #        1     a tie with the best loses nothing
        ]
    )
    same(statistic(GL(2, k=1), val), loss)


def test_gl_at_the_ends_of_strips_of_three():
    val, loss = columns(
        [  # E_va  GL            E_opt
            (1.0, NAN),  #       -     lower than all strip ends, and never seen
            (9.0, NAN),
            (4.0, 0.0),  #       4
            (4.5, NAN),
            (4.5, NAN),
            (5.0, 25.0),  #      4     100 (5/4 - 1)
            (2.0, NAN),
            (2.0, NAN),
            (2.0, 0.0),  #       2
            (9.0, NAN),  #             a last strip that is not whole
        ]
    )
    same(statistic(GL(2, k=3), val), loss)


def test_progress_in_strips_of_two():
    train, progress = columns(
        [  # E_tr  P_2            sum   min   1000 (sum / (2 min) - 1)
            (6.0, NAN),
            (4.0, 250.0),  #       10    4     10/8 = 1.25
            (3.0, NAN),
            (2.0, 250.0),  #       5     2     5/4 = 1.25
            (2.0, NAN),
            (2.0, 0.0),  #         4     2     4/4 = 1
            (1.0, NAN),
            (2.0, 500.0),  #       3     1     3/2, the minimum need not be the last
            (1.0, NAN),  #                     a last strip that is not whole
        ]
    )
    same(statistic(Progress(0.1, k=2), [1.0] * len(train), train), progress)


def test_progress_in_strips_of_five():
    train = [5.0, 4.0, 3.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    # first strip: sum 16, min 2, 16 / 10 = 1.6; second: sum 5, min 1, 5 / 5 = 1
    expected = [NAN] * 4 + [600.0] + [NAN] * 4 + [0.0]
    same(statistic(Progress(0.1), [1.0] * 10, train), expected)


def test_pq_in_strips_of_two():
    val, train, quotient = columns(
        [  # E_va  E_tr  PQ              E_opt  GL    sum  min  P_2
            (9.0, 6.0, NAN),
            (4.0, 4.0, 0.0),  #           4      0    10   4    250
            (9.0, 3.0, NAN),
            (5.0, 2.0, 0.1),  #           4      25   5    2    250
            (9.0, 3.0, NAN),
            (8.0, 2.5, 1.0),  #           4      100  5.5  2.5  100
            (9.0, 2.0, NAN),
            (2.0, 1.0, 0.0),  #           2      0    3    1    500
            (9.0, 1.1, NAN),
            (3.0, 0.9, 0.45),  #          2      50   2.0  0.9  1000/9
        ]
    )
    same(statistic(PQ(0.5, k=2), val, train), quotient)


def test_up_at_every_check():
    val, ups = columns(
        [  # E_va ups
            (3.0, 0),  #  nothing before it
            (1.0, 0),
            (1.5, 1),
            (1.6, 2),
            (1.6, 0),  #  a tie ends the succession
            (1.7, 1),
            (0.5, 0),
            (0.6, 1),
            (0.7, 2),
            (0.8, 3),  #  still above nothing but the strip before
        ]
    )
    same(statistic(UP(2, k=1), val), ups)


def test_up_in_strips_of_two():
    val, ups = columns(
        [  # E_va  ups          E_va(t - 2)
            (7.0, NAN),
            (3.0, 0),  #        -
            (1.0, NAN),
            (4.0, 1),  #        3
            (9.0, NAN),
            (5.0, 2),  #        4
            (9.0, NAN),
            (5.0, 0),  #        5
            (9.0, NAN),
        ]
    )
    same(statistic(UP(2, k=2), val), ups)


@pytest.mark.parametrize(
    ("criterion", "stop"),
    [
        ("GL(24, k=1)", 4),
        ("GL(25, k=1)", 5),  # GL is exactly 25 at check 4, and must be above
        ("GL(50, k=1)", None),
        ("UP(1, k=1)", 4),
        ("UP(2, k=1)", 5),
        ("UP(3, k=1)", None),
        ("PQ(0.1, k=1)", 4),  # strips of one check have P_1 = 0
        ("Progress(1, k=1)", 1),
    ],
)
def test_stops_of_a_short_run(criterion, stop):
    # GL: 0 0 0 25 50
    stops = replay(curve([8.0, 5.0, 4.0, 5.0, 6.0], [5.0, 4.0, 3.0, 2.0, 1.0]), [criterion])
    assert (stops.stop[0, 0], stops.fired[0, 0]) == (stop or 5, stop is not None)


# -- decided edge cases --------------------------------------------------------------------


def test_without_progress_any_loss_is_infinitely_larger():
    # P_2 = 0 in all three strips; GL = 0, 50, 0
    found = statistic(PQ(3, k=2), [2.0, 2.0, 2.0, 3.0, 2.0, 2.0], [1.0] * 6)
    same(found, [NAN, 0.0, NAN, INF, NAN, 0.0])


@given(st.floats(0.001, 1000), st.integers(1, 12))
def test_constant_training_errors_are_no_progress(error, k):
    # whatever their floating-point sum
    val, train = [1.0] * k + [2.0] * k, [error] * (2 * k)
    assert statistic(Progress(0.1, k=k), val, train)[-1] == 0
    assert statistic(PQ(3, k=k), val, train)[-1] == INF


def test_progress_from_zero_training_error_is_infinite():
    val, train = [1.0, 1.0, 2.0, 2.0], [1.0, 0.0, 0.0, 3.0]
    same(statistic(Progress(0.1, k=2), val, train), [NAN, INF, NAN, INF])
    same(statistic(PQ(0.5, k=2), val, train), [NAN, 0.0, NAN, 0.0])


def test_a_strip_of_zero_training_errors_is_no_progress():
    val, train = [1.0, 1.0, 2.0, 2.0], [0.0] * 4
    same(statistic(Progress(0.1, k=2), val, train), [NAN, 0.0, NAN, 0.0])
    same(statistic(PQ(0.5, k=2), val, train), [NAN, 0.0, NAN, INF])


def test_nan_training_error_undoes_its_own_strip_only():
    val, train = [1.0, 1.0, 2.0, 2.0, 2.0, 2.0], [NAN, 1.0, 3.0, 1.0, 3.0, NAN]
    # P_2 of the second strip: 1000 (4/2 - 1) = 1000; GL = 100
    same(statistic(Progress(0.1, k=2), val, train), [NAN, NAN, NAN, 1000.0, NAN, NAN])
    same(statistic(PQ(0.5, k=2), val, train), [NAN, NAN, NAN, 0.1, NAN, NAN])


def test_gl_over_a_best_of_zero():
    same(statistic(GL(2, k=1), [1.0, 0.0, 0.0, 0.5, 0.0]), [0.0, 0.0, 0.0, INF, 0.0])


def test_gl_over_a_negative_best_is_relative_to_its_absolute_value():
    # E_opt = 1, -2, -2, -2, -4; (E_va - E_opt) / abs(E_opt) = 0, 0, 1/2, 3/2, 0
    same(statistic(GL(2, k=1), [1.0, -2.0, -1.0, 1.0, -4.0]), [0.0, 0.0, 50.0, 150.0, 0.0])


def test_gl_with_nan_errors():
    found = statistic(GL(2, k=1), [NAN, 2.0, NAN, 3.0, NAN, 1.0])
    same(found, [NAN, 0.0, NAN, 50.0, NAN, 0.0])


def test_gl_with_infinite_errors():
    found = statistic(GL(2, k=1), [2.0, INF, 3.0, INF])
    same(found, [0.0, INF, 50.0, INF])


def test_diverging_to_infinity_fires_every_gl():
    stops = replay(curve([2.0, 1.0, INF, INF]), [GL(1e6, k=1)])
    assert stops.stop[0, 0] == 3
    assert stops.selected[0, 0] == 2


def test_up_with_nan_errors():
    # after the NaN, 5 has nothing to be compared with
    found = statistic(UP(1, k=1), [1.0, 2.0, 3.0, NAN, 5.0, 6.0])
    same(found, [0, 1, 2, NAN, 0, 1])


def test_up_with_infinite_errors():
    found = statistic(UP(1, k=1), [1.0, INF, INF, 2.0, INF])
    same(found, [0, 1, 0, 0, 1])


def test_up_needs_a_strip_before_the_first_increase():
    assert replay(curve([1.0, 2.0]), [UP(1, k=1)]).stop[0, 0] == 2
    assert not replay(curve([2.0]), [UP(1, k=1)]).fired[0, 0]


@pytest.mark.parametrize("criterion", [GL(0), PQ(0), UP(1), Progress(1e9)])
def test_a_run_shorter_than_a_strip_never_stops(criterion):
    val, train = [1.0, 9.0, 9.0, 9.0], [9.0, 1.0, 1.0, 9.0]
    assert np.isnan(statistic(criterion, val, train)).all()
    stops = replay(curve(val, train), [criterion])
    assert not stops.fired[0, 0]
    # no strip end was seen, so no weights but the last can be kept
    assert stops.selected[0, 0] == 4


@given(curves(), st.sampled_from([2, 3, 5]), errors)
def test_validation_is_looked_at_only_at_strip_ends(pair, k, anything):
    val, train = pair
    elsewhere = [v if (t + 1) % k == 0 else anything for t, v in enumerate(val)]
    rules = [GL(2, k=k), GL(50, k=k), PQ(0.5, k=k), UP(1, k=k), UP(2, k=k)]
    before, changed = replay(curve(val, train), rules), replay(curve(elsewhere, train), rules)
    assert before.stop.tobytes() == changed.stop.tobytes()
    assert before.fired.tobytes() == changed.fired.tobytes()
    if len(val) >= k:
        assert before.selected.tobytes() == changed.selected.tobytes()
    for rule in rules:
        np.testing.assert_array_equal(
            statistic(rule, val, train), statistic(rule, elsewhere, train)
        )


# -- the paper's formulas as slow loops ------------------------------------------------------
# Each looks at a whole prefix again at every check, as the formulas are written.


def ends(k, t):
    """Strip ends up to t, counted from 1."""
    return range(k, t + 1, k)


def paper_gl(val, k):
    found = []
    for t in range(1, len(val) + 1):
        seen = [val[end - 1] for end in ends(k, t) if not math.isnan(val[end - 1])]
        if t % k or not seen or math.isnan(val[t - 1]):
            found.append(NAN)
        elif min(seen) == 0:
            found.append(0.0 if val[t - 1] == 0 else INF)
        elif min(seen) == INF:
            found.append(NAN)
        else:
            found.append(100 * (val[t - 1] / min(seen) - 1))
    return found


def paper_progress(train, k):
    found = []
    for t in range(1, len(train) + 1):
        strip = train[max(0, t - k) : t]
        if t % k or any(map(math.isnan, strip)) or min(strip) == INF:
            found.append(NAN)
        elif min(strip) == 0:
            found.append(0.0 if max(strip) == 0 else INF)
        elif min(strip) == max(strip):
            found.append(0.0)
        else:
            found.append(1000 * (sum(strip) / (k * min(strip)) - 1))
    return found


def paper_pq(val, train, k):
    found = []
    for loss, progress in zip(paper_gl(val, k), paper_progress(train, k), strict=True):
        if math.isnan(loss) or math.isnan(progress) or loss == progress == INF:
            found.append(NAN)
        elif progress == 0:
            found.append(INF if loss > 0 else 0.0)
        else:
            found.append(loss / progress)
    return found


def paper_up_holds(s, val, t, k):
    """UP_s at t by its recursion."""
    if t - k < k or not val[t - 1] > val[t - k - 1]:
        return False
    return s == 1 or paper_up_holds(s - 1, val, t - k, k)


def paper_up(val, k):
    found = []
    for t in range(1, len(val) + 1):
        held = [s for s in range(1, len(val)) if t % k == 0 and paper_up_holds(s, val, t, k)]
        found.append(NAN if t % k or math.isnan(val[t - 1]) else max(held, default=0))
    return found


def first_above(values, threshold):
    return next((t for t, value in enumerate(values, 1) if value > threshold), None)


@given(curves(), st.integers(1, 7))
def test_gl_is_the_papers(pair, k):
    same(statistic(GL(2, k=k), pair[0]), paper_gl(pair[0], k))


@given(curves(), st.integers(1, 7))
def test_progress_is_the_papers(pair, k):
    val, train = pair
    # thousandths of a relative difference of rounding size
    np.testing.assert_allclose(
        statistic(Progress(0.1, k=k), val, train), paper_progress(train, k), rtol=1e-9, atol=1e-8
    )


@given(curves(), st.sampled_from([1, 2, 3, 4, 5, 8]))
def test_pq_is_the_papers(pair, k):
    val, train = pair
    # on a coarse grid, since differences of rounding size have no stable quotient
    train = [round(x * 4) / 4 if math.isfinite(x) else x for x in train]
    same(statistic(PQ(0.5, k=k), val, train), paper_pq(val, train, k))


@given(curves(), st.integers(1, 7))
def test_up_is_the_papers(pair, k):
    same(statistic(UP(1, k=k), pair[0]), paper_up(pair[0], k))


@given(curves(), st.integers(1, 6), st.sampled_from([0, 1, 2, 5, 20, 50, 100]))
def test_gl_stops_where_the_paper_does(pair, k, alpha):
    val = [round(v * 4) / 4 if math.isfinite(v) else v for v in pair[0]]
    stop = first_above(paper_gl(val, k), alpha)
    stops = replay(curve(val), [GL(alpha, k=k)])
    assert (stops.stop[0, 0], stops.fired[0, 0]) == (stop or len(val), stop is not None)


@given(curves(), st.integers(1, 6), st.integers(1, 5))
def test_up_stops_where_the_paper_does(pair, k, s):
    val = pair[0]
    stop = first_above(paper_up(val, k), s - 0.5)
    stops = replay(curve(val), [UP(s, k=k)])
    assert (stops.stop[0, 0], stops.fired[0, 0]) == (stop or len(val), stop is not None)


# -- properties ----------------------------------------------------------------------------

ALL = [GL(2, k=1), GL(2, k=3), PQ(0.5, k=2), UP(2, k=1), UP(2, k=2), Progress(10, k=2)]


@given(curves(), st.integers(-20, 20), st.sampled_from(ALL))
def test_errors_in_another_unit_change_nothing(pair, power, criterion):
    # exactly so for powers of two, which only move the exponent
    val, train = (np.array(x) for x in pair)
    scaled = statistic(criterion, val * 2.0**power, train * 2.0**power)
    np.testing.assert_array_equal(scaled, statistic(criterion, val, train))


@given(curves(finite_errors), st.floats(0.01, 100), st.sampled_from([GL(2, k=2), UP(1, k=2)]))
def test_any_other_unit_changes_rounding_only(pair, factor, criterion):
    val = np.round(np.array(pair[0]), 3)
    found, scaled = statistic(criterion, val), statistic(criterion, val * factor)
    np.testing.assert_allclose(scaled, found, rtol=1e-9, atol=1e-9)


@given(curves(), st.data())
def test_nothing_later_matters(pair, data):
    val, train = pair
    length = data.draw(st.integers(1, len(val)))
    criterion = data.draw(st.sampled_from(ALL))
    whole = statistic(criterion, val, train)
    np.testing.assert_array_equal(
        statistic(criterion, val[:length], train[:length]), whole[:length]
    )


@pytest.mark.parametrize("criterion", ALL, ids=str)
def test_inputs_stay_as_they_are(criterion):
    val, train = np.array([3.0, NAN, 2.0, 4.0]), np.array([4.0, 3.0, INF, 1.0])
    before = val.tobytes(), train.tobytes()
    replay(curve(val, train), [criterion])
    statistic(criterion, val, train)
    assert (val.tobytes(), train.tobytes()) == before


@pytest.mark.parametrize("value", [1.0, 0.0, -1.0, NAN])
def test_a_single_epoch_never_stops(value):
    stops = replay(curve([value], [value]), [GL(0, k=1), PQ(0, k=1), UP(1, k=1)])
    assert not stops.fired.any()
    assert (stops.stop == 1).all()
    assert (stops.selected == 1).all()


@pytest.mark.parametrize("value", [0.1, 0.7, 0.0, -0.3, 1e300, 5e-324])
def test_a_constant_curve_never_stops_for_want_of_loss(value):
    val = [value] * 30
    stops = replay(curve(val, val), [GL(0, k=1), GL(0), PQ(0), PQ(0, k=1), UP(1), UP(1, k=1)])
    assert not stops.fired.any()


def test_a_constant_curve_has_no_progress():
    stops = replay(curve([0.7] * 12, [0.7] * 12), [Progress(0.1), Progress(0.1, k=6)])
    assert stops.stop.tolist() == [[5.0, 6.0]]


@given(
    st.one_of(errors, st.floats(-1e300, 1e300), st.floats(0, 1e-300)),
    st.sampled_from([0, 0.1, 1, 2, 5, 1e9, INF]),
    st.integers(-40, 40),
)
# where a bound without its margin, or below once, passes over too much
@example(1.57, 2, -1)
@example(-5.0, 0, 5)
def test_what_gl_passes_over_is_no_loss_above_the_limit(best, limit, ulps):
    # errors within some roundings of the one that loses exactly limit percent
    with np.errstate(all="ignore"):
        edge = np.float64(best) * (1 + np.float64(limit) / 100)
        val = float(edge + ulps * np.spacing(abs(edge)))
    for error in (val, best, math.nextafter(best, -INF), math.nextafter(best, INF)):
        if loss_cannot_pass(best, loss_bound(limit), error):
            assert not loss_step(best, 1.0, error)[1] > limit


def test_gl_passes_over_nearly_all_that_loses_less():
    bound = loss_bound(5)
    assert all(loss_cannot_pass(0.4, bound, 0.42 * (1 - 1e-14 * i)) for i in range(1, 100))
    assert not loss_cannot_pass(0.4, bound, 0.42)
