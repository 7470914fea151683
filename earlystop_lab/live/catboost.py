"""CatBoost: a callback for ``fit``, and the cut to the selected tree that it cannot do itself."""

from collections.abc import Mapping
from typing import Any, Unpack

from earlystop_lab.criteria import Rule
from earlystop_lab.live._adapters import (
    CurrentStopper,
    Measure,
    StopperOptions,
    Training,
    all_told,
    by_measures,
    in_rounds,
    no_metric,
)


class StopCallback:
    """Stop CatBoost's ``fit`` by any criterion, at the iteration at which its replay stops.

    To be given as ``fit(..., callbacks=[callback])``, which CatBoost has on CPU. The metric is
    ``metric_name``, by default the first, on ``data_name``; that on ``learn``, where CatBoost
    computes it, is the training error. A criterion may watch others by data set and metric:
    ``Keras(9, val="validation-AUC")`` with ``channels={"validation-AUC":
    Channel(direction="max")}``. CatBoost tells callbacks of no end of training: call
    :meth:`restore` after ``fit``, which cuts the model to the selected iteration and records the
    run. It cuts by its own ``use_best_model``, too: switch that off. ``mode="max"`` is for
    metrics where higher is better. The other arguments are those of :class:`Stopper`, which is
    :attr:`stopper`; every ``fit`` is a run of its own.

    In the first iteration where there is no such data or metric ``fit`` ends in CatBoost's own
    error, which holds a ``ValueError`` with their names.

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
        **options: Unpack[StopperOptions],
    ) -> None:
        self.data_name, self.metric_name = data_name, metric_name
        self._training = Training(criterion, in_rounds, **options)

    def after_iteration(self, info: Any) -> bool:
        """Tell the stopper the errors of the iteration; false stops CatBoost."""
        now = {
            Measure(data, metric): values[-1]
            for data, metrics in (info.metrics or {}).items()
            for metric, values in metrics.items()
        }
        val = self._val(now)
        if info.iteration == 1:
            self._training.begin(by_measures(now, val, "learn"))
        measured = {each.name: value for each, value in now.items()}
        check = {"val": now[val], "train": now.get(Measure("learn", val.metric))}
        check |= all_told(self._training.others, measured)
        return not self.stopper.update(epoch=info.iteration, **check)

    def _val(self, now: Mapping[Measure, float]) -> Measure:
        """What is watched: by default the first metric of the data."""
        first = next((each.metric for each in now if each.data == self.data_name), "")
        val = Measure(self.data_name, self.metric_name or first)
        if val not in now:
            wanted = f"{self.data_name}-{val.metric or 'any metric'}"
            raise no_metric(wanted, [each.name for each in now])
        return val

    def restore(self, model: Any) -> None:
        """Cut the fitted model to the selected iteration, and record the run.

        Raises ``ValueError`` where the model has been cut before that already.
        """
        self.stopper.close()
        best = self.stopper.best_epoch
        if best is None or self.stopper.restore == "last":
            return
        if model.tree_count_ < best:
            raise ValueError(
                f"the model has {model.tree_count_} trees, the selected iteration is {best:g}; "
                "fit with use_best_model=False"
            )
        model.shrink(ntree_end=int(best))
