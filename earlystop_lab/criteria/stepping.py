"""A criterion on a run that is still going on, check by check: the replay of its start.

A scan keeps its state and takes one step a check, the same lines that a replay runs compiled. An
array function is called with the whole run so far, which at the n-th check costs n.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from earlystop_lab.criteria.core import Criterion
from earlystop_lab.criteria.first_passage import Check, array_trace, holds, start
from earlystop_lab.curves import FloatArray

#: the curves of one run so far by name: epoch, val, train
Curves = Mapping[str, FloatArray]


class Stepper:
    """What one criterion sees of a run, as :func:`first_passage.trace` does, one check at a time.

    >>> from earlystop_lab import GL
    >>> stepper = Stepper(GL(10, k=1))
    >>> [stepper(epoch, val, 0.0, dict).holds for epoch, val in ((1.0, 2.0), (2.0, 2.5))]
    [False, True]
    """

    def __init__(self, criterion: Criterion) -> None:
        self.criterion = criterion
        self._state: Any = start(criterion.family, criterion.params)
        self._step = criterion.family.step
        self._watches_train = "train" in criterion.family.watches
        self._stride = criterion.stride
        self._checks = 0
        self._restores = criterion.family.restores

    def __call__(
        self, epoch: float, val: float, train: float, curves: Callable[[], Curves]
    ) -> Check:
        """The next check; ``curves`` gives the run up to it, where that is needed."""
        if self._step is None:
            return next(self._last(curves(), 1))
        self._checks += 1
        statistic = math.nan
        if self._checks % self._stride == 0:
            told = train if self._watches_train else math.nan
            self._state, statistic = self._step(self._state, epoch, val, told)
        restored = math.nan if self._restores is None else self._restores(self._state)
        return Check(statistic, holds(self.criterion, epoch, statistic), restored)

    def all(self, curves: Curves) -> Iterator[Check]:
        """Every check of a recorded run, from the first; an array function is called once."""
        if self._step is None:
            return self._last(curves, len(curves["val"]))
        lists = (curves[name].tolist() for name in ("epoch", "val", "train"))
        checks = zip(*lists, strict=True)
        return (self(epoch, val, train, dict) for epoch, val, train in checks)

    def _last(self, curves: Curves, count: int) -> Iterator[Check]:
        trace = array_trace(self.criterion, curves, "now in training")
        columns = (column[-count:].tolist() for column in trace)
        return (Check(*check) for check in zip(*columns, strict=True))
