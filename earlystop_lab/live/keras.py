"""Keras 3: a callback for ``model.fit``."""

from collections.abc import Mapping
from typing import Any, Unpack

from earlystop_lab.criteria import Rule
from earlystop_lab.live._adapters import (
    CurrentStopper,
    StopperOptions,
    Training,
    by_names,
    library,
    metric_of,
    never_checked,
    no_metric,
    told,
)

with library("keras"):
    from keras.callbacks import Callback


class StopCallback(Callback):
    """Stop ``model.fit`` by any criterion, at the epoch at which its replay stops.

    ``monitor`` is the validation metric; the metric of that name without ``val_`` is the training
    error. A criterion may watch others by their names in Keras' logs: ``Keras(9,
    val="val_accuracy")`` with ``channels={"val_accuracy": Channel(direction="max")}``, or a rule
    of ``learning_rate``, which is there with a callback before this one that changes it.
    ``restore_best_weights`` puts back the weights of the selected epoch when training
    ends, stopped or not; ``restore`` says which epoch that is. The other arguments are those of
    :class:`Stopper`, which is :attr:`stopper`. Every ``fit`` is a run of its own, unless a state
    was loaded before it. With ``validation_freq`` above 1 epochs without validation are no checks
    of the validation metrics.

    Raises ``ValueError`` in the first epoch, of a validation metric in the first one with
    validation, where there is no such metric.

    >>> callback = StopCallback("GL(5)", monitor="val_loss")
    >>> callback.stopper.criterion
    GL(5)
    """

    stopper = CurrentStopper()

    def __init__(
        self,
        criterion: Rule | str,
        *,
        monitor: str = "val_loss",
        restore_best_weights: bool = True,
        **options: Unpack[StopperOptions],
    ) -> None:
        super().__init__()
        self.monitor = monitor
        self.restore_best_weights = restore_best_weights
        train = monitor.removeprefix("val_")
        known = by_names(monitor, train, stand_in=train == monitor)
        self._training = Training(criterion, known, **options)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Begin a run, or go on with the one that was loaded."""
        self._training.begin()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Tell the stopper the errors of the epoch."""
        logs = logs or {}
        others = self._training.others
        for name in (self.monitor, *others):
            if metric_of(name, logs) is None and self._is_due(name, logs):
                raise no_metric(name, logs)
        check = told(others, logs)
        if self.monitor in logs:
            check["val"] = logs[self.monitor]
            check["train"] = logs.get(self.monitor.removeprefix("val_"))
        if not check:
            return
        take = self.model.get_weights if self.restore_best_weights else None
        if self._training.update(take, epoch=epoch + 1, **check):
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Put back the weights of the selected epoch, and record the run."""
        never_checked(self.stopper, self.monitor)
        if self.restore_best_weights:
            self._training.weights.restore(self.stopper, self.model.set_weights)
        self.stopper.close()

    def state_dict(self) -> dict[str, Any]:
        """What the stopper has seen, for JSON; the weights are in a checkpoint of the model."""
        return self.stopper.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with a saved run in the next ``fit(initial_epoch=...)``."""
        self.stopper.load_state_dict(state)
        self._training.resumed = True

    def _is_due(self, name: str, logs: Mapping[str, Any]) -> bool:
        """Whether a metric has to be there: one of validation only where there was any."""
        validated = any(each.startswith("val_") for each in logs)
        return validated or not name.startswith("val_")
