"""Hugging Face transformers: a callback for its ``Trainer``."""

import warnings
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

with library("transformers"):
    from transformers.trainer_callback import ExportableState, TrainerCallback

from earlystop_lab.live.torch import copied


class StopCallback(TrainerCallback, ExportableState):
    """Stop the ``Trainer`` by any criterion, at the evaluation at which its replay stops.

    ``monitor`` is a metric of the evaluation; the training error is the ``loss`` logged last, if
    one was since the evaluation before (``logging_strategy="epoch"``). Positions are in epochs.
    At the end the model gets the weights of the selected evaluation, kept in main memory, also
    over ``load_best_model_at_end``; ``restore="last"`` keeps none. Process 0 alone records. The
    state is in every checkpoint, for ``restore_callback_states_from_checkpoint=True``, which makes
    the callback anew: so the criterion is then one that :func:`parse` knows.

    The other arguments are those of :class:`Stopper`, which is :attr:`stopper`. Raises
    ``ValueError`` at the first evaluation where there is no such metric; with several data sets
    ``monitor`` is that of one of them, such as ``eval_small_loss``.

    >>> callback = StopCallback("GL(5, k=1)", monitor="eval_loss")
    >>> callback.state()["args"]["criterion"]
    'GL(5, k=1)'
    """

    stopper = CurrentStopper()

    def __init__(
        self,
        criterion: Rule | str,
        *,
        monitor: str = "eval_loss",
        **options: Unpack[StopperOptions],
    ) -> None:
        self.monitor = monitor
        self._training = Training(criterion, **options)
        self._in_training = False
        self._logged = 0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin a run, or go on with the one that was loaded."""
        if state.global_step == 0:
            self._training.begin()
        if state.global_step and self.stopper.epoch is None:
            warnings.warn(
                "resumed without this callback's state, as if nothing had been seen; train with "
                "restore_callback_states_from_checkpoint=True",
                stacklevel=2,
            )
        self._in_training, self._logged = True, state.global_step

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Mapping[str, Any], **kwargs: Any
    ) -> None:
        """Tell the stopper the errors of the evaluation."""
        if not self._in_training:
            return
        if self.monitor not in metrics:
            if not isinstance(kwargs.get("eval_dataloader"), Mapping):
                raise no_metric(self.monitor, metrics)
            return
        train = self._training_error(state)
        val, take = metrics[self.monitor], lambda: copied(kwargs["model"])
        if self._training.update(take, val=val, train=train, epoch=state.epoch):
            control.should_training_stop = True

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Put back the weights of the selected evaluation, and record the run."""
        self._in_training = False
        never_checked(self.stopper, self.monitor)
        self._training.weights.restore(self.stopper, kwargs["model"].load_state_dict)
        if state.is_world_process_zero:
            self.stopper.close()

    def _training_error(self, state: Any) -> float | None:
        """The loss logged last, if one was since the check before."""
        since, self._logged = self._logged, state.global_step
        for entry in reversed(state.log_history):
            if entry["step"] <= since:
                break
            if "loss" in entry:
                return float(entry["loss"])
        return None

    def state(self) -> dict[str, Any]:
        """How to make this callback again, and what it has seen."""
        stopper = self.stopper
        args = {
            "criterion": str(stopper.criterion),
            "monitor": self.monitor,
            "mode": stopper.mode,
            "restore": str(stopper.restore),
            "record": None if stopper.record is None else str(stopper.record),
        }
        return {"args": args, "attributes": {"seen": stopper.state_dict()}}

    @property
    def seen(self) -> dict[str, Any]:
        """What the stopper has seen; setting it loads it, which is how a ``Trainer`` restores."""
        return self.stopper.state_dict()

    @seen.setter
    def seen(self, state: Mapping[str, Any]) -> None:
        self.stopper.load_state_dict(state)
