"""Hugging Face transformers: a callback for its ``Trainer``."""

import itertools
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Unpack
from weakref import WeakValueDictionary

from earlystop_lab.criteria import Rule
from earlystop_lab.curves import Channel
from earlystop_lab.live._adapters import (
    CurrentStopper,
    StopperOptions,
    Training,
    Weights,
    by_names,
    library,
    metric_of,
    never_checked,
    no_metric,
    told,
)

with library("transformers"):
    import torch
    from transformers.trainer_callback import ExportableState, TrainerCallback

from earlystop_lab.live.stopper import Stopper
from earlystop_lab.live.torch import copied

#: the file in a checkpoint that has the weights kept
_KEPT = "earlystop_weights.pt"

#: which of the callbacks given to Trainers came before which
_NUMBERS = itertools.count()


class StopCallback(TrainerCallback, ExportableState):
    """Stop the ``Trainer`` by any criterion, at the evaluation at which its replay stops.

    ``monitor`` is a metric of the evaluation; the training error is the ``loss`` logged last, if
    one was since the evaluation before (``logging_strategy="epoch"``). A criterion may watch
    others by their names in evaluations and logs: ``Keras(9, val="eval_accuracy")`` with
    ``channels={"eval_accuracy": Channel(direction="max")}``, or a rule of ``grad_norm`` or
    ``learning_rate``, which steps at every log. Positions are in epochs. At the end the model
    gets the weights of the selected evaluation, kept in main memory, also over
    ``load_best_model_at_end``; ``restore="last"`` keeps none. Process 0 alone records. Every
    checkpoint holds the state and the weights kept, for
    ``restore_callback_states_from_checkpoint=True``, with which the ``Trainer`` replaces the
    callback by one of the checkpoint's criterion, which has to be one that :func:`parse` knows. The
    callback given to it shows the same :attr:`stopper`; a warning says where the criteria differ.

    The other arguments are those of :class:`Stopper`, which is :attr:`stopper`. Raises
    ``ValueError`` at the first evaluation where there is no such metric, or at the first after a
    log for one that is of logs; with several data sets ``monitor`` is that of one of them, such as
    ``eval_small_loss``.

    >>> callback = StopCallback("GL(5, k=1)", monitor="eval_loss")
    >>> callback.state()["args"]["criterion"]
    'GL(5, k=1)'
    """

    stopper = CurrentStopper()
    #: the callbacks given to a Trainer, in their order
    _given: ClassVar[WeakValueDictionary[int, "StopCallback"]] = WeakValueDictionary()

    def __init__(
        self,
        criterion: Rule | str,
        *,
        monitor: str = "eval_loss",
        **options: Unpack[StopperOptions],
    ) -> None:
        self.monitor = monitor
        said = options.get("channels") or {}
        # from a checkpoint they come as JSON has them
        options["channels"] = {
            name: Channel(**each) if isinstance(each, Mapping) else each
            for name, each in said.items()
        }
        self._training = Training(criterion, by_names(monitor, "loss"), **options)
        self._in_training = False
        self._logged = 0
        #: what was measured at this step, and is not told yet
        self._row: dict[str, float] = {}
        self._of_step = True
        #: the model, where training is, and the folder of a checkpoint that is saved now
        self._model: Any = None
        self._position, self._folder = 0.0, Path()
        #: where the weights are that were kept before training was resumed
        self._kept: Path | None = None
        #: the arguments of the Trainer it was given to
        self._args: Any = None
        self._restored = False

    def on_init_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Remember the ``Trainer``, which may replace this callback."""
        self._args = args
        self._given[next(_NUMBERS)] = self

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin a run, or go on with the one that was loaded."""
        if self._restored:
            self._replace(args)
        if state.global_step == 0:
            self._training.begin()
        if not state.is_world_process_zero:
            self.stopper.record = None
        if state.global_step and self.stopper.epoch is None:
            warnings.warn(
                "resumed without this callback's state, as if nothing had been seen; train with "
                "restore_callback_states_from_checkpoint=True",
                stacklevel=2,
            )
        if self._kept is not None:
            # where it was, or where a folder that was moved is now
            places = (self._kept, Path(args.output_dir, *self._kept.parts[-2:]))
            for file in [each for each in places if each.exists()][:1]:
                self._training.weights.load_state_dict(torch.load(file, weights_only=True))
            self._kept = None
        self._in_training, self._logged = True, state.global_step
        self._row, self._model = {}, kwargs["model"]
        self._is_at(args, state)

    def _replace(self, args: Any) -> None:
        """Have the callback show this run that the ``Trainer`` took this one for."""
        self._restored = False
        for key, given in list(self._given.items()):
            if given._args is args and given is not self:
                del self._given[key]
                before, now = (str(each.stopper.criterion) for each in (given, self))
                if (before, given.monitor) != (now, self.monitor):
                    warnings.warn(
                        f"resumed with {now} on {self.monitor}, as the checkpoint says, not with "
                        f"{before} on {given.monitor}",
                        stacklevel=2,
                    )
                given._training = self._training
                return

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Nothing more comes of the step before."""
        if missing := self._missing():
            raise no_metric(missing[0], [self.monitor, *self._row])
        self._tell(state, control, kwargs["model"])

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Logs and evaluations of a step come next."""
        self._of_step = True
        self._is_at(args, state)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Logs and evaluations of the epoch come next, if there are any."""
        self._of_step = False
        self._is_at(args, state)
        if not (control.should_log or control.should_evaluate):
            self._tell(state, control, kwargs["model"])

    def _is_at(self, args: Any, state: Any) -> None:
        self._position = state.epoch or 0.0
        self._folder = Path(args.output_dir).absolute() / f"checkpoint-{state.global_step}"

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Put the weights that are kept into the checkpoint."""
        _, weights = self._now()
        # in a search for hyperparameters it is elsewhere
        if weights.epoch is not None and state.is_world_process_zero and self._folder.exists():
            torch.save(weights.state_dict(), self._folder / _KEPT)

    def _now(self) -> tuple[Stopper, Weights]:
        """Stopper and weights with what was measured at this step and is not told yet."""
        training = self._training
        if not self._row or self.stopper.epoch == self._position:
            return training.stopper, training.weights
        return training.after(lambda: copied(self._model), epoch=self._position, **self._row)

    def on_log(
        self, args: Any, state: Any, control: Any, logs: Mapping[str, Any], **kwargs: Any
    ) -> None:
        """See what was logged of training."""
        if self._in_training and "loss" in logs:
            self._row |= told(self._training.others, logs)
            if not control.should_evaluate and not self._goes_on(args, state, control):
                self._tell(state, control, kwargs["model"])

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Mapping[str, Any], **kwargs: Any
    ) -> None:
        """See the errors of an evaluation."""
        if not self._in_training:
            return
        names = [self.monitor, *self._training.others]
        there = told(names, metrics)
        # of several data sets each has its name in those of its metrics
        if "eval_runtime" in metrics:
            for name in names:
                if name not in there and not self._logs_have(name, state):
                    raise no_metric(name, metrics)
        if self.monitor in there:
            self._row["val"] = there[self.monitor]
        self._row |= {name: there[name] for name in self._training.others if name in there}
        # what is missing another data set may have
        if not self._missing() and not self._goes_on(args, state, control):
            self._tell(state, control, kwargs["model"])

    def _missing(self) -> list[str]:
        """The metrics of the evaluation that was begun, if any, which are still to come."""
        of_evaluation = [n for n in self._training.others if n.startswith("eval_")]
        begun = not self._row.keys().isdisjoint(["val", *of_evaluation])
        named = {"val": self.monitor, **{name: name for name in of_evaluation}}
        return [name for own, name in named.items() if begun and own not in self._row]

    def _logs_have(self, name: str, state: Any) -> bool:
        """Whether it is a metric of the logs, or no log has said yet which they are."""
        logs = [entry for entry in state.log_history if "loss" in entry]
        return not name.startswith("eval_") and (
            not logs or any(metric_of(name, entry) for entry in logs)
        )

    def _goes_on(self, args: Any, state: Any, control: Any) -> bool:
        """Whether the end of an epoch at this very step may bring more."""
        ends = control.should_training_stop or float(state.epoch).is_integer()
        return self._of_step and ends and "epoch" in (args.logging_strategy, args.eval_strategy)

    def _tell(self, state: Any, control: Any, model: Any) -> None:
        """Tell the stopper what was measured at this step, if anything."""
        row, self._row = self._row, {}
        stopper = self.stopper
        # what comes at the end of an epoch in which it has stopped is of a step told already
        if not row or (stopper.stopped and state.epoch == stopper.epoch):
            return
        train = self._training_error(state) if "val" in row else None
        check = {**row, "train": train}
        if self._training.update(lambda: copied(model), epoch=state.epoch, **check):
            control.should_training_stop = True

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Put back the weights of the selected evaluation, and record the run."""
        self._tell(state, control, kwargs["model"])
        self._in_training, self._model = False, None
        never_checked(self.stopper, self.monitor)
        self._training.weights.restore(self.stopper, kwargs["model"].load_state_dict)
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
            "select": stopper.select,
            "channels": {name: each._asdict() for name, each in self._training.said.items()},
            "restore": str(stopper.restore),
            "record": None if stopper.record is None else str(stopper.record),
        }
        now, weights = self._now()
        kept = {} if weights.epoch is None else {"kept": str(self._folder / _KEPT)}
        return {"args": args, "attributes": {"seen": now.state_dict(), **kept}}

    @property
    def kept(self) -> str | None:
        """The file with the weights that were kept before training was resumed."""
        return None if self._kept is None else str(self._kept)

    @kept.setter
    def kept(self, file: str) -> None:
        self._kept = Path(file)

    @property
    def seen(self) -> dict[str, Any]:
        """What the stopper has seen; setting it loads it, which is how a ``Trainer`` restores."""
        return self.stopper.state_dict()

    @seen.setter
    def seen(self, state: Mapping[str, Any]) -> None:
        self.stopper.load_state_dict(state)
        self._restored = True
