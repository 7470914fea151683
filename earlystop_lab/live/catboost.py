"""CatBoost: a callback for ``fit``, and truncation to the selected tree."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any, Unpack

from earlystop_lab.criteria import Rule
from earlystop_lab.curves import Mode
from earlystop_lab.live._adapters import (
    CurrentStopper,
    Measure,
    RunOptions,
    Training,
    all_told,
    by_measures,
    in_rounds,
    library,
    no_metric,
)

with library("catboost"):
    from catboost import CatBoost, CatBoostError
    from catboost.core import is_maximizable_metric, is_minimizable_metric


class StopCallback:
    """Stop CatBoost's ``fit`` by any criterion, at the iteration at which its replay stops.

    Pass it as ``fit(..., callbacks=[callback])``, which CatBoost supports on CPU. CatBoost does not
    tell callbacks when training ends, so call :meth:`restore` after ``fit``; it truncates the model
    to the selected iteration. CatBoost's own ``use_best_model`` must be off. The training error is
    the watched metric on ``learn``, if CatBoost computes it. A criterion may watch other metrics by
    data set and name: ``Keras(9, val="validation-AUC")`` with ``channels={"validation-AUC":
    Channel(direction="max")}``. With ``metric_period`` above 1, iterations without metrics are not
    checks. Every ``fit`` is a new run, except that one resumed from a snapshot continues the
    interrupted run.

    Parameters
    ----------
    criterion : criterion or str
    metric_name : str, optional
        The metric to watch, by default the model's eval metric.
    data_name : str
        The data set to watch.
    mode : {"min", "max"}, optional
        Whether higher values of the metric are better, by default as CatBoost knows it.
    **options
        Other arguments of :class:`Stopper`, which is the attribute :attr:`stopper`.

    Raises
    ------
    ValueError
        Inside CatBoost's own error, at the first check: if there is no such data set or metric, if
        there are several metrics and the eval metric is unknown, or if CatBoost does not know
        which values are better.

    Examples
    --------

    >>> import catboost, numpy as np
    >>> x, y = np.arange(20.0).reshape(-1, 1), np.arange(20.0) % 7
    >>> model = catboost.CatBoostRegressor(
    ...     iterations=9, depth=2, use_best_model=False, verbose=False, allow_writing_files=False)
    >>> callback = StopCallback("MaxEpochs(3)")
    >>> model = model.fit(x, y, eval_set=(x, y), callbacks=[callback])
    >>> callback.restore(model)
    >>> model.tree_count_
    3
    """

    stopper = CurrentStopper()

    def __init__(
        self,
        criterion: Rule | str,
        *,
        data_name: str = "validation",
        metric_name: str | None = None,
        mode: Mode | None = None,
        **options: Unpack[RunOptions],
    ) -> None:
        self.data_name, self.metric_name, self.mode = data_name, metric_name, mode
        self._training = Training(criterion, in_rounds, mode=mode or "min", **options)
        #: the last iteration (0 before the first); the watched metric; how many values were seen
        self._iteration, self._val, self._seen = 0, Measure("", ""), 0

    def after_iteration(self, info: Any) -> bool:
        """Pass the errors of the iteration to the stopper; returning False stops CatBoost."""
        measured = {
            Measure(data, metric): values
            for data, metrics in (info.metrics or {}).items()
            for metric, values in metrics.items()
        }
        if info.iteration != self._iteration + 1:
            self._begin(info.iteration, measured)
        elif info.iteration == 1:
            self._begin(1, measured)
        self._iteration = info.iteration
        # at an iteration without metrics, CatBoost repeats the last values
        if len(measured[self._val]) > self._seen:
            self._seen = len(measured[self._val])
            self._check(info.iteration, measured, -1)
        return not self.stopper.stopped

    def _begin(self, iteration: int, measured: Mapping[Measure, list[float]]) -> None:
        """Begin a run; after a snapshot, with what was measured before it."""
        model = _fitted()
        params = {} if model is None else model.get_params()
        self._val = self._watched(measured, params)
        mode = self.mode or _direction(self._val.metric)
        known = by_measures(measured, self._val, "learn")
        resumed = iteration > 1 and self._iteration > 0
        name = {"run": self.stopper.run} if resumed else {}
        self._training.begin(known, mode=mode, **name)
        self._seen = 0
        if iteration > 1:
            period = params.get("metric_period") or 1
            self._seen = len(measured[self._val])
            for i in range(self._seen):
                # the last iteration of a training always has metrics
                self._check(min(1 + i * period, iteration), measured, i)

    def _check(self, iteration: int, measured: Mapping[Measure, list[float]], at: int) -> None:
        now = {each.name: values[at] for each, values in measured.items()}
        check = {"val": now[self._val.name], "train": now.get(f"learn-{self._val.metric}")}
        check |= all_told(self._training.others, now)
        self.stopper.update(epoch=iteration, **check)

    def _watched(self, there: Mapping[Measure, Any], params: Mapping[str, Any]) -> Measure:
        """What is watched: by default the eval metric, or the loss if none was given."""
        metrics = [each.metric for each in there if each.data == self.data_name]
        if self.metric_name is not None:
            found = [each for each in metrics if each == self.metric_name]
        elif (own := params.get("eval_metric")) is not None:
            own = own if isinstance(own, str) else type(own).__name__
            found = [own] if own in metrics else [m for m in metrics if _plain(m) == _plain(own)]
        else:
            # the dictionary of metrics has no defined order
            asides = params.get("custom_metric") or params.get("custom_loss") or []
            asides = {_plain(each) for each in ([asides] if isinstance(asides, str) else asides)}
            found = [each for each in metrics if _plain(each) not in asides or len(metrics) == 1]
        if len(found) == 1:
            return Measure(self.data_name, found[0])
        if metrics and self.metric_name is None:
            raise ValueError(
                f"metric_name: CatBoost computes {', '.join(sorted(metrics))}; pass the name of "
                "the one to watch"
            )
        wanted = f"{self.data_name}-{self.metric_name or 'any metric'}"
        raise no_metric(wanted, [each.name for each in there])

    def restore(self, model: Any) -> None:
        """Truncate the fitted model to the selected iteration, and complete the record of the run.

        Iterations of an ``init_model`` precede those of the run and are kept. Raises ``ValueError``
        if the model has already been truncated further.
        """
        stopper, self._iteration = self.stopper, 0
        stopper.close()
        best = stopper.best_epoch
        if best is None or stopper.restore == "last":
            return
        params = model.get_all_params()
        trained = float(stopper.epoch or 0)
        if params.get("use_best_model") and params.get("best_model_min_trees", 1) == 1:
            trained = model.best_iteration_ + 1
        before = model.tree_count_ - trained
        if before < 0 or best > trained:
            raise ValueError(
                f"the model has {model.tree_count_} trees, but the selected iteration is {best:g}; "
                "fit with use_best_model=False"
            )
        model.shrink(ntree_end=int(before + best))


def _fitted() -> CatBoost | None:
    """The model being fitted, found in the frame of ``fit`` because callbacks do not get it."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if isinstance(model := frame.f_locals.get("self"), CatBoost):
            return model
        frame = frame.f_back
    return None


def _plain(metric: Any) -> str:
    """A metric's name without parameters, some of which CatBoost omits or adds."""
    return str(metric).partition(":")[0]


def _direction(metric: str) -> Mode:
    """Whether higher values of a metric are better, as CatBoost knows it."""
    try:
        if is_maximizable_metric(metric) or is_minimizable_metric(metric):
            return "max" if is_maximizable_metric(metric) else "min"
    except CatBoostError:
        pass
    raise ValueError(
        f"mode: CatBoost does not know whether higher values of {metric} are better; pass "
        "mode='min' or mode='max'"
    )
