"""LightGBM: a callback for ``lightgbm.train``, ``cv`` and its scikit-learn estimators."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from earlystop_lab.criteria import Rule
from earlystop_lab.curves import Channel, Mode
from earlystop_lab.engine.replaying import Restore
from earlystop_lab.live._adapters import (
    CurrentStopper,
    Measure,
    Training,
    all_told,
    by_measures,
    in_rounds,
    library,
    no_metric,
)

with library("lightgbm"):
    from lightgbm import Booster
    from lightgbm.callback import CallbackEnv, EarlyStopException


class StopCallback:
    """Stop boosting by any criterion, at the iteration at which its replay stops.

    LightGBM itself says whether higher values of a metric are better. A criterion may watch other
    metrics by data set and name: ``Keras(9, val="valid_0-auc")``. The selected iteration becomes
    ``best_iteration``, up to which LightGBM predicts; with ``restore="last"``, a model that was not
    stopped has none. Every training is a new run. If something else ends training,
    ``callback.stopper.close()`` completes the record.

    Parameters
    ----------
    criterion : criterion or str
    metric_name, data_name : str, optional
        The metric and data set to watch, by default the first result that is not of the training
        data.
    train_name : str, optional
        The data set whose metric is the training error.
    restore, select, channels, record, run
        As in :class:`Stopper`, which is the attribute :attr:`stopper`.

    Raises
    ------
    ValueError
        In the first iteration, if there is no such data set or metric, or for
        ``boosting="dart"``, which changes early trees later, unless ``restore="last"``.

    Examples
    --------

    >>> import lightgbm, numpy as np
    >>> x = np.arange(60.0).reshape(-1, 1)
    >>> data = lightgbm.Dataset(x, x.ravel() % 7)
    >>> callback = StopCallback("MaxEpochs(3)")
    >>> model = lightgbm.train({"verbosity": -1, "metric": "l2"}, data, 9,
    ...                        valid_sets=[data.create_valid(x, x.ravel() % 7)],
    ...                        callbacks=[callback])
    >>> model.current_iteration(), callback.stopper.stop_epoch
    (3, 3)
    """

    stopper = CurrentStopper()

    def __init__(
        self,
        criterion: Rule | str,
        *,
        data_name: str | None = None,
        metric_name: str | None = None,
        train_name: str | None = None,
        restore: Restore = "best",
        select: str | None = None,
        channels: Mapping[str, Channel] | None = None,
        record: str | Path | None = None,
        run: str | None = None,
    ) -> None:
        # on the instance, so that LightGBM calls it after its own callbacks that log and record
        self.order, self.before_iteration = 30, False
        self.data_name, self.metric_name, self.train_name = data_name, metric_name, train_name
        self._training = Training(
            criterion,
            _until_told,
            restore=restore,
            select=select,
            channels=channels,
            record=record,
            run=run,
        )

    def __call__(self, env: CallbackEnv) -> None:
        """Pass the errors of the iteration to the stopper; stop by LightGBM's exception."""
        results = env.evaluation_result_list or []
        val = self._val(env, results)
        measured = {_measure(each).name: each.metric_value for each in results}
        check = {"val": val.metric_value, **all_told(self._training.others, measured)}
        if self.train_name is not None:
            check["train"] = _result(results, self.train_name, val.metric_name).metric_value
        if env.iteration == env.begin_iteration:
            self._begin(env, results, val)
        stopper = self.stopper
        # the kept copy consists of all results of the iteration whose trees may be selected
        stops = self._training.update(lambda: results, epoch=env.iteration + 1, **check)
        at_end = env.iteration == env.end_iteration - 1
        if stops or at_end:
            stopper.close()
        if stops or (at_end and stopper.restore != "last"):
            best = int(stopper.best_epoch or 0) - 1
            kept = self._training.weights.copy
            raise EarlyStopException(best, results if best == env.iteration else kept)

    def _begin(self, env: CallbackEnv, results: Sequence[Any], val: Any) -> None:
        known = by_measures(map(_measure, results), _measure(val), self.train_name)
        self._training.begin(known, mode="max" if val.maximize else "min")
        boosting = {env.params.get(name) for name in ("boosting", "boosting_type", "boost")}
        if "dart" in boosting and self.stopper.restore != "last":
            raise ValueError(
                f"boosting = 'dart' with restore = {self.stopper.restore!r}: dart changes early "
                "trees later, so an earlier iteration cannot be restored; pass restore='last'"
            )

    def _val(self, env: CallbackEnv, results: Sequence[Any]) -> Any:
        """The watched result; by default the first that is not of the training data."""
        # the model of cv() has every attribute, so it cannot be asked for a name
        of_cv = not isinstance(env.model, Booster)
        training = "train" if of_cv else env.model._train_data_name
        for each in results:
            named = self.data_name or (each.dataset_name if each.dataset_name != training else None)
            if each.dataset_name == named and self.metric_name in (None, each.metric_name):
                return each
        return _result(results, self.data_name or "validation", self.metric_name or "any metric")


def _until_told(name: str) -> Channel:
    """A placeholder until LightGBM says in the first iteration which direction is better."""
    return in_rounds(name) if name in ("epoch", "val", "train") else Channel(direction="min")


def _measure(result: Any) -> Measure:
    direction: Mode = "max" if result.maximize else "min"
    return Measure(result.dataset_name, result.metric_name, direction)


def _result(results: Sequence[Any], data: str, metric: str) -> Any:
    for each in results:
        if (each.dataset_name, each.metric_name) == (data, metric):
            return each
    raise no_metric(f"{data}-{metric}", [f"{r.dataset_name}-{r.metric_name}" for r in results])
