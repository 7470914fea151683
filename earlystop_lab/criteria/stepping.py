"""A criterion on a run that is still in progress, row by row.

A scan keeps its state and takes one step per check, with the same code that a replay runs
compiled. An array function is called with the whole run so far, so the n-th check costs O(n).
"""

import math
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from earlystop_lab.criteria.core import Criterion
from earlystop_lab.criteria.first_passage import Check, array_trace, holds, start
from earlystop_lab.curves import Channel, FloatArray, is_recorded, read_only, taken

#: the channels measured at a row, and the position as ``epoch``; missing values are left out
Row = Mapping[str, float]


class Stepper:
    """What one criterion sees of a run, like :func:`first_passage.trace`, one row at a time.

    ``about`` describes the channels that it watches. A row at which one of them was not measured
    is not a check of the rule.

    >>> from earlystop_lab import GL
    >>> stepper = Stepper(GL(10, k=1), {"val": Channel(direction="min")})
    >>> rows = [{"epoch": 1.0, "val": 2.0}, {"epoch": 2.0}, {"epoch": 3.0, "val": 2.5}]
    >>> [stepper(row, list).holds for row in rows]
    [False, False, True]
    """

    def __init__(self, criterion: Criterion, about: Mapping[str, Channel]) -> None:
        self.criterion = criterion
        self._about = about
        self._state = start(criterion, about)
        self._stride = criterion.stride
        self._checks = 0
        self._restored = math.nan
        self._step, self._restores = criterion.family.step, criterion.family.restores
        #: the channels that the rule takes in another form than recorded
        self._others = [
            (i, name, form)
            for i, (name, form) in enumerate(criterion.watched)
            if not is_recorded(about[name], form)
        ]

    def __call__(self, row: Row, rows: Callable[[], list[Row]]) -> Check:
        """Process the next row; ``rows`` returns all rows up to it and is called only if needed."""
        told = [row.get(name) for name in self.criterion.channels]
        if None in told:
            return Check(math.nan, False, self._restored)
        if self._step is None:
            *_, check = self._array(rows())
            return check
        self._checks += 1
        statistic = math.nan
        if self._checks % self._stride == 0:
            for i, name, form in self._others:
                told[i] = float(taken(told[i], self._about[name], form, name))
            self._state, statistic = self._step(self._state, row["epoch"], *told)
        if self._restores is not None:
            self._restored = self._restores(self._state)
        return Check(statistic, holds(self.criterion, row["epoch"], statistic), self._restored)

    def all(self, rows: list[Row]) -> Iterator[Check]:
        """Process every row of a recorded run; an array function is called only once."""
        if self._step is not None:
            return (self(row, list) for row in rows)
        return self._array(rows)

    def _array(self, rows: list[Row]) -> Iterator[Check]:
        """What an array function sees at each row; it is called once, with its checks."""
        names = self.criterion.channels
        checks = [row for row in rows if all(name in row for name in names)]
        curves = {"epoch": _column(checks, "epoch")}
        watches = zip(self.criterion.family.watches, self.criterion.watched, strict=True)
        for called, (name, form) in watches:
            curves[called] = read_only(taken(_column(checks, name), self._about[name], form, name))
        trace = array_trace(self.criterion, curves, self._about, "in progress")
        columns = (column.tolist() for column in trace)
        seen = (Check(*check) for check in zip(*columns, strict=True))
        for row in rows:
            if all(name in row for name in names):
                check = next(seen)
                self._restored = check.restored
            else:
                check = Check(math.nan, False, self._restored)
            yield check


def _column(rows: list[Row], name: str) -> FloatArray:
    return read_only(np.array([row[name] for row in rows], np.float64))
