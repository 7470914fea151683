"""CatBoost: a callback for ``fit``, and the cut to the selected tree that it cannot do itself."""

from typing import Any, Unpack

from earlystop_lab.criteria import Rule
from earlystop_lab.live._adapters import CurrentStopper, StopperOptions, Training, no_metric


class StopCallback:
    """Stop CatBoost's ``fit`` by any criterion, at the iteration at which its replay stops.

    To be given as ``fit(..., callbacks=[callback])``, which CatBoost has on CPU. The metric is
    ``metric_name``, by default the first, on ``data_name``; that on ``learn``, where CatBoost
    computes it, is the training error. CatBoost tells callbacks of no end of training: call
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
        self._training = Training(criterion, **options)

    def after_iteration(self, info: Any) -> bool:
        """Tell the stopper the errors of the iteration; false stops CatBoost."""
        if info.iteration == 1:
            self._training.begin()
        metrics = info.metrics or {}
        values = metrics.get(self.data_name, {})
        metric = self.metric_name or next(iter(values), "")
        if metric not in values:
            names = [f"{data}-{name}" for data, each in metrics.items() for name in each]
            raise no_metric(f"{self.data_name}-{metric or 'any metric'}", names)
        learn = metrics.get("learn", {}).get(metric)
        return not self.stopper.update(
            val=values[metric][-1], train=learn[-1] if learn else None, epoch=info.iteration
        )

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
