"""XGBoost: a callback for ``xgboost.train``, ``cv`` and its scikit-learn estimators."""

from collections.abc import Mapping, Sequence
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
    library,
    no_metric,
)

with library("xgboost"):
    from xgboost import Booster
    from xgboost.callback import TrainingCallback


class StopCallback(TrainingCallback):
    """Stop boosting by any criterion, at the round at which its replay stops.

    The metric is ``metric_name`` on ``data_name``, by default the last of each, as in XGBoost's
    own ``EarlyStopping``; ``train_name`` is the data set whose metric is the training error. A
    criterion may watch others, named as XGBoost prints them: ``Keras(9, val="val-auc")`` with
    ``channels={"val-auc": Channel(direction="max")}``.
    At the end the model is cut to the selected round, which is also its ``best_iteration`` (from
    0); ``restore="last"`` leaves it whole. The table of ``cv`` ends with the selected round.
    ``mode="max"`` is for metrics where higher is better. The other arguments are those of
    :class:`Stopper`, which is :attr:`stopper`; every training is a run of its own.

    Raises ``ValueError`` in the first round where there is no such data or metric.

    >>> import numpy as np, xgboost
    >>> x = np.arange(20.0).reshape(-1, 1)
    >>> data = xgboost.DMatrix(x, x.ravel() % 2)
    >>> callback = StopCallback("MaxEpochs(3)")
    >>> model = xgboost.train({}, data, 9, evals=[(data, "val")], verbose_eval=False,
    ...                       callbacks=[callback])
    >>> callback.stopper.reason
    'MaxEpochs 3 >= 3 at round 3; best round 3'
    """

    stopper = CurrentStopper()

    def __init__(
        self,
        criterion: Rule | str,
        *,
        data_name: str | None = None,
        metric_name: str | None = None,
        train_name: str | None = None,
        **options: Unpack[StopperOptions],
    ) -> None:
        super().__init__()
        self.data_name, self.metric_name, self.train_name = data_name, metric_name, train_name
        self._training = Training(criterion, in_rounds, **options)
        self._before, self._begun = 0, False

    def before_training(self, model: Any) -> Any:
        """Begin a run; of a model that is trained further, after its rounds."""
        self._training.begin()
        self._begun = False
        self._before = model.num_boosted_rounds()
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: dict[str, Any]) -> bool:
        """Tell the stopper the errors of the round."""
        now = _last(evals_log)
        val = self._val(now)
        if not self._begun:
            self._training.begin(by_measures(now, val, self.train_name))
            self._begun = True
        measured = {each.name: value for each, value in now.items()}
        check = {"val": measured[val.name], **all_told(self._training.others, measured)}
        if self.train_name is not None:
            train = f"{self.train_name}-{val.metric}"
            check["train"] = all_told([train], measured)[train]
        stops = self.stopper.update(epoch=self._before + epoch + 1, **check)
        if stops:
            self._mark(model)
        return stops

    def after_training(self, model: Any) -> Any:
        """Cut the model to the selected round, and record the run."""
        best = self.stopper.best_epoch
        if isinstance(model, Booster) and best is not None and self.stopper.restore != "last":
            model = model[: int(best)]
            self._mark(model)
        self.stopper.close()
        return model

    def _val(self, now: Mapping[Measure, float]) -> Measure:
        """What is watched: by default the last metric of the last data set."""
        there = list(now)
        data = self.data_name or (there[-1].data if there else "")
        of_it = [each.metric for each in there if each.data == data]
        metric = self.metric_name or (of_it[-1] if of_it else "")
        if (val := Measure(data, metric)) not in now:
            raise no_metric(val.name, [each.name for each in there])
        return val

    def _mark(self, model: Any) -> None:
        """Tell the model its best iteration and score, as XGBoost's own early stopping does."""
        best, curve = self.stopper.best_epoch, self.stopper.history[0]
        score = curve.val[curve.epoch.tolist().index(best)]
        model.set_attr(best_iteration=str(int(best or 0) - 1), best_score=str(score))


def _last(evals_log: Mapping[str, Mapping[str, Sequence[Any]]]) -> dict[Measure, float]:
    """What was measured in the last round; of cross-validation, which gives deviations, means."""
    values = {
        Measure(data, metric): series[-1]
        for data, metrics in evals_log.items()
        for metric, series in metrics.items()
    }
    return {
        measure: float(value[0] if isinstance(value, tuple) else value)
        for measure, value in values.items()
    }
