"""What rules remember of the last errors, at constant (amortised) work a check.

States hold arrays that are written in place: a state that has been stepped on from is no longer
of use, and a run may begin with what another one left in them, so nothing is read before it was
written. They are made once, at their full length: where a step may replace an array by a longer
one, compiled code counts references at every check, which takes more time than the rule itself.
"""

import math
from typing import NamedTuple

import numpy as np

from earlystop_lab.curves import FloatArray

#: larger numbers are not multiplied with twice the precision
LARGE = 1e280


class Window(NamedTuple):
    """The newest ``length`` values of a run."""

    length: int
    #: a ring, twice over, so that the values of a full window are one slice: the value of check i,
    #: counted from 0, is at i modulo the length, and a length further
    ring: FloatArray
    #: number of checks so far
    seen: int
    #: that number modulo the length (counted, since dividing takes longer)
    place: int


class Highest(NamedTuple):
    """The highest of the newest ``length`` values, NaN aside, as a monotonic queue.

    Kept are the values that are higher than all after them: the first is the highest.
    """

    length: int
    #: the values, and the check of each, in a ring
    ring: FloatArray
    first: int
    kept: int
    seen: int


class Sum(NamedTuple):
    """A sum of twice the precision, so that adding and taking off again leaves no rounding."""

    high: float
    low: float


class Rolling(NamedTuple):
    """The newest values and their sums, kept up at constant work."""

    last: Window
    sum: Sum
    #: each value times its place, the oldest's being 0
    moment: Sum
    #: checks since a value was not finite, or too large for sums of twice the precision
    tame: int


def new_window(length: int) -> Window:
    """A window that has seen nothing."""
    return Window(length, np.empty(2 * length), 0, 0)


def shifted(w: Window, value: float, new: bool = True) -> Window:
    """The window with one more value, or as it was if there is no new one.

    (A choice between two windows would be one between arrays, whose references are counted.)
    """
    if new:
        w.ring[w.place] = w.ring[w.place + w.length] = value
    return Window(w.length, w.ring, w.seen + new, around(w.place + new, w.length))


def full(w: Window) -> bool:
    """Whether there have been as many values as it holds."""
    return w.seen >= w.length


def oldest(w: Window) -> float:
    """The oldest value of a full window."""
    return float(w.ring[w.place])


def values(w: Window) -> FloatArray:
    """The values of a full window, the oldest first, until it is shifted."""
    return w.ring[w.place : w.place + w.length]


def highest(length: int) -> Highest:
    """The highest of the last ``length`` values, of which there are none yet."""
    return Highest(length, np.empty((2, length)), 0, 0, 0)


def raised(h: Highest, value: float, new: bool = True) -> Highest:
    """The same with one more value, or as it was if there is no new one."""
    ring, first, kept, size = h.ring, h.first, h.kept, h.length
    if new and kept and ring[1, first] <= h.seen - size:
        first, kept = around(first + 1, size), kept - 1
    if new and not math.isnan(value):
        while kept and ring[0, around(first + kept - 1, size)] <= value:
            kept -= 1
        end = around(first + kept, size)
        ring[0, end], ring[1, end] = value, h.seen
        kept += 1
    return Highest(size, ring, first, kept, h.seen + new)


def around(place: int, size: int) -> int:
    """A place in a ring, modulo its size, of which it is below the double (division is slow)."""
    return place - size if place >= size else place


def top(h: Highest) -> float:
    """The highest value; NaN where all were NaN, or there were none."""
    return float(h.ring[0, h.first]) if h.kept else math.nan


def rolling(length: int) -> Rolling:
    """The sums of the last ``length`` values, of which there are none yet."""
    return Rolling(new_window(length), Sum(0.0, 0.0), Sum(0.0, 0.0), length)


def rolled(r: Rolling, value: float, new: bool = True) -> Rolling:
    """The same with one more value, or as it was if there is no new one.

    A value that is not finite counts as 0 in the sums.
    """
    last, sums, moment, tame = r.last, r.sum, r.moment, r.tame
    if new:
        kept = value if abs(value) < LARGE else 0.0
        if full(last):
            leaving = oldest(last)
            sums = added(sums, -leaving if abs(leaving) < LARGE else 0.0)
            # every other value moves one place down
            moment = added(added(moment, -sums.high), -sums.low)
            moment = multiplied(moment, kept, last.length - 1.0)
        else:
            moment = multiplied(moment, kept, float(last.seen))
        sums = added(sums, kept)
        tame = tame + 1 if abs(value) < LARGE else 0
    return Rolling(shifted(last, value, new), sums, moment, tame)


def total(r: Rolling) -> float:
    """The sum of a full window; infinite or NaN where a value is."""
    return r.sum.high if r.tame >= r.last.length else summed(values(r.last))


def added(s: Sum, value: float) -> Sum:
    """The sum and one more number: Knuth's exact sum of two, what is lost kept in ``low``."""
    high = s.high + value
    part = high - s.high
    lost = (s.high - (high - part)) + (value - part)
    low = s.low + lost
    return Sum(high + low, low - ((high + low) - high))


def multiplied(s: Sum, value: float, factor: float) -> Sum:
    """The sum and ``factor`` times a number: Dekker's exact product of two."""
    product = value * factor
    split = 134217729.0 * value
    head = split - (split - value)
    split = 134217729.0 * factor
    front = split - (split - factor)
    tail, back = value - head, factor - front
    lost = ((head * front - product) + head * back + tail * front) + tail * back
    return added(added(s, product), lost)


def summed(numbers: FloatArray) -> float:
    """Their sum in the order of ``numpy.sum``, up to 128 of them to the last bit."""
    total, rest = 0.0, 0
    if numbers.size >= 8:
        n = rest = numbers.size - numbers.size % 8
        left = every_eighth(numbers, 0, n) + every_eighth(numbers, 1, n)
        left += every_eighth(numbers, 2, n) + every_eighth(numbers, 3, n)
        right = every_eighth(numbers, 4, n) + every_eighth(numbers, 5, n)
        right += every_eighth(numbers, 6, n) + every_eighth(numbers, 7, n)
        total = left + right
    for i in range(rest, numbers.size):
        total += float(numbers[i])
    return total


def every_eighth(numbers: FloatArray, first: int, last: int) -> float:
    """The sum of every eighth of them."""
    total = float(numbers[first])
    for i in range(first + 8, last, 8):
        total += float(numbers[i])
    return total


def mean(numbers: FloatArray) -> float:
    """Their mean."""
    return summed(numbers) / numbers.size


def deviation(numbers: FloatArray, centre: float, room: FloatArray) -> float:
    """Their population standard deviation, given their mean, as in ``numpy.std``.

    Overwrites ``room``, which has the size of the numbers.
    """
    for i in range(numbers.size):
        off = float(numbers[i]) - centre
        room[i] = off * off
    return math.sqrt(mean(room))


def truth(holds: bool) -> float:
    """The statistic of a rule that holds or does not."""
    return 1.0 if holds else 0.0
