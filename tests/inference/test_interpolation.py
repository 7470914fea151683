"""The one interpolation against a plain loop and np.interp."""

import math

import numpy as np
from hypothesis import given, strategies as st

from earlystop_lab.inference.interpolation import interpolated

NAN, INF = math.nan, math.inf
numbers = st.sampled_from([-2.0, -1.5, -1.0, -0.3, 0.0, 0.1, 1.0, 3.0])
values_or_inf = st.one_of(numbers, st.sampled_from([INF, -INF]))


@st.composite
def rows(draw, values=values_or_inf):
    """Some rows of times and as many values, and times to look at, knots among them."""
    shape = draw(st.integers(1, 4)), draw(st.integers(1, 5))
    times, given_values = (
        np.array(draw(st.lists(kind, min_size=math.prod(shape), max_size=math.prod(shape))))
        for kind in (numbers, values)
    )
    return times.reshape(shape), given_values.reshape(shape), draw(st.lists(numbers, max_size=4))


@given(rows())
def test_every_row_is_as_of_np_interp(case):
    times, values, at = case
    for extended, outside in ((True, None), (False, NAN)):
        found = interpolated(times, values, at, extended=extended)
        for x, y, row in zip(times, values, found, strict=True):
            order = np.argsort(x, kind="stable")
            expected = np.interp(at, x[order], y[order], left=outside, right=outside)
            np.testing.assert_array_equal(row, expected)


@given(rows(numbers))
def test_every_value_is_on_the_line_between_two_neighbours(case):
    times, values, at = case
    found = interpolated(times, values, at)
    for x, y, row in zip(times, values, found, strict=True):
        for moment, value in zip(at, row, strict=True):
            before = [i for i in range(len(x)) if x[i] <= moment]
            after = [i for i in range(len(x)) if x[i] >= moment]
            if not before or not after:
                assert math.isnan(value)
                continue
            # of equal times the later
            i = max(before, key=lambda i: (x[i], i))
            j = min(after, key=lambda j: (x[j], j))
            if x[i] == moment:
                assert value == y[i]
            else:
                share = (moment - x[i]) / (x[j] - x[i])
                assert math.isclose(value, (1 - share) * y[i] + share * y[j], abs_tol=1e-12)


def test_one_row_of_times_for_many_values_and_rows_without_any():
    times, values = np.array([[0.0, 2.0]]), np.array([[[1.0, 3.0]], [[INF, INF]]])
    assert interpolated(times, values, [1.0]).tolist() == [[[2.0]], [[INF]]]
    assert np.isnan(interpolated(np.empty((2, 0)), np.empty((2, 0)), [1.0])).all()
