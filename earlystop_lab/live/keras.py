"""Keras 3: a callback for ``model.fit``."""

from collections.abc import Mapping
from typing import Any, Unpack

from earlystop_lab.criteria import Rule
from earlystop_lab.live._adapters import (
    CurrentStopper,
    StopperOptions,
    Training,
    library,
    never_checked,
    no_metric,
)

with library("keras"):
    from keras.callbacks import Callback


class StopCallback(Callback):
    """Stop ``model.fit`` by any criterion, at the epoch at which its replay stops.

    ``monitor`` is the validation metric; the metric of that name without ``val_`` is the training
    error. ``restore_best_weights`` puts back the weights of the selected epoch when training
    ends, stopped or not; ``restore`` says which epoch that is. The other arguments are those of
    :class:`Stopper`, which is :attr:`stopper`. Every ``fit`` is a run of its own, unless a state
    was loaded before it. With ``validation_freq`` above 1 epochs without validation are no checks.

    Raises ``ValueError`` in the first epoch with validation where there is no such metric.

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
        self._training = Training(criterion, **options)

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Begin a run, or go on with the one that was loaded."""
        self._training.begin()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Tell the stopper the errors of the epoch."""
        logs = logs or {}
        if self.monitor not in logs:
            self._require_no_validation(logs)
            return
        train = logs.get(self.monitor.removeprefix("val_"))
        take = self.model.get_weights if self.restore_best_weights else None
        if self._training.update(take, val=logs[self.monitor], train=train, epoch=epoch + 1):
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

    def _require_no_validation(self, logs: Mapping[str, Any]) -> None:
        validated = any(name.startswith("val_") for name in logs)
        if validated or not self.monitor.startswith("val_"):
            raise no_metric(self.monitor, logs)
