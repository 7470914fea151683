"""Hugging Face transformers: a callback for its ``Trainer``."""

import itertools
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Unpack
from weakref import WeakValueDictionary

from earlystop_lab.criteria import Rule
from earlystop_lab.curves import Channel, Mode
from earlystop_lab.live._adapters import (
    CurrentStopper,
    RunOptions,
    Training,
    Weights,
    by_names,
    library,
    metric_of,
    mode_of,
    never_checked,
    no_metric,
    told,
)

with library("transformers"):
    import torch
    from transformers.trainer_callback import ExportableState, TrainerCallback

from earlystop_lab.live.stopper import Stopper
from earlystop_lab.live.torch import copied

#: the file in a checkpoint that holds the kept weights
_KEPT = "earlystop_weights.pt"

#: the order in which callbacks were passed to Trainers
_NUMBERS = itertools.count()


class StopCallback(TrainerCallback, ExportableState):
    """Stop the ``Trainer`` by any criterion, at the evaluation at which its replay stops.

    The training error is the last logged ``loss``, if one was logged since the previous evaluation
    (``logging_strategy="epoch"``). A criterion may watch other metrics of evaluations and logs by
    name: ``Keras(9, val="eval_accuracy")`` with ``channels={"eval_accuracy":
    Channel(direction="max")}``, or a rule on ``grad_norm`` or ``learning_rate``, which steps at
    every log. Positions are epochs. At the end, the model gets the weights of the selected
    evaluation, which are kept in main memory, overriding ``load_best_model_at_end``;
    ``restore="last"`` keeps no copy. Only process 0 records. Every checkpoint has the state and the
    kept weights, for ``restore_callback_states_from_checkpoint=True``. The ``Trainer`` then
    replaces the callback by one with the checkpoint's criterion, which :func:`parse` must be able
    to read; the callback that you passed shows the same :attr:`stopper`, and a warning says if the
    criteria differ.

    Parameters
    ----------
    criterion : criterion or str
    monitor : str
        A metric of the evaluation. With several data sets, that of one of them, such as
        ``eval_small_loss``.
    mode : {"min", "max"}, optional
        Whether higher values are better, by default as the name of the metric says: for an
        accuracy, an F1 score and the like they are.
    **options
        Other arguments of :class:`Stopper`, which is the attribute :attr:`stopper`.

    Raises
    ------
    ValueError
        At the first evaluation if there is no such metric; for a metric of logs, at the first
        evaluation after a log.

    Examples
    --------

    >>> callback = StopCallback("GL(5, k=1)", monitor="eval_loss")
    >>> callback.state()["args"]["criterion"]
    'GL(5, k=1)'
    """

    stopper = CurrentStopper()
    #: the callbacks passed to a Trainer, in order
    _given: ClassVar[WeakValueDictionary[int, "StopCallback"]] = WeakValueDictionary()

    def __init__(
        self,
        criterion: Rule | str,
        *,
        monitor: str = "eval_loss",
        mode: Mode | None = None,
        **options: Unpack[RunOptions],
    ) -> None:
        self.monitor = monitor
        said = options.get("channels") or {}
        # values from a checkpoint have the types of JSON
        options["channels"] = {
            name: Channel(**each) if isinstance(each, Mapping) else each
            for name, each in said.items()
        }
        known = by_names(monitor, "loss")
        self._training = Training(criterion, known, mode=mode or mode_of(monitor), **options)
        self._in_training = False
        self._logged = 0
        #: what was measured at this step, and has not been passed on yet
        self._row: dict[str, float] = {}
        self._of_step = True
        #: the model, the position of training, and the folder of the checkpoint being saved
        self._model: Any = None
        self._position, self._folder = 0.0, Path()
        #: where the weights kept before training was resumed are
        self._kept: Path | None = None
        #: the arguments of the Trainer that it was passed to
        self._args: Any = None
        self._restored = False

    def on_init_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Remember the ``Trainer``, which may replace this callback."""
        self._args = args
        self._given[next(_NUMBERS)] = self

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Begin a run, or continue the one that was loaded."""
        if self._restored:
            self._replace(args)
        if state.global_step == 0:
            self._training.begin()
        if not state.is_world_process_zero:
            self.stopper.record = None
        if state.global_step and self.stopper.epoch is None:
            warnings.warn(
                "training was resumed without this callback's state, so the criterion starts "
                "again; train with restore_callback_states_from_checkpoint=True",
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
        """Show this run in the callback that the ``Trainer`` replaced by this one."""
        self._restored = False
        for key, given in list(self._given.items()):
            if given._args is args and given is not self:
                del self._given[key]
                before, now = (str(each.stopper.criterion) for each in (given, self))
                if (before, given.monitor) != (now, self.monitor):
                    warnings.warn(
                        f"resumed with {now} on {self.monitor} from the checkpoint, not with "
                        f"{before} on {given.monitor}",
                        stacklevel=2,
                    )
                given._training = self._training
                return

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Nothing more is measured at the previous step."""
        if missing := self._missing():
            raise no_metric(missing[0], [self.monitor, *self._row])
        self._tell(state, control, kwargs["model"])

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Logs and evaluations of a step follow."""
        self._of_step = True
        self._is_at(args, state)

    def on_epoch_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Logs and evaluations of the epoch follow, if there are any."""
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
        """Take what was logged during training."""
        if self._in_training and "loss" in logs:
            self._row |= told(self._training.others, logs)
            if not control.should_evaluate and not self._goes_on(args, state, control):
                self._tell(state, control, kwargs["model"])

    def on_evaluate(
        self, args: Any, state: Any, control: Any, metrics: Mapping[str, Any], **kwargs: Any
    ) -> None:
        """Take the errors of an evaluation."""
        if not self._in_training:
            return
        names = [self.monitor, *self._training.others]
        there = told(names, metrics)
        # with several data sets, the names of metrics contain that of the data set
        if "eval_runtime" in metrics:
            for name in names:
                if name not in there and not self._logs_have(name, state):
                    raise no_metric(name, metrics)
        if self.monitor in there:
            self._row["val"] = there[self.monitor]
        self._row |= {name: there[name] for name in self._training.others if name in there}
        # a missing metric may belong to another data set
        if not self._missing() and not self._goes_on(args, state, control):
            self._tell(state, control, kwargs["model"])

    def _missing(self) -> list[str]:
        """The metrics of the current evaluation, if any, that are still missing."""
        of_evaluation = [n for n in self._training.others if n.startswith("eval_")]
        begun = not self._row.keys().isdisjoint(["val", *of_evaluation])
        named = {"val": self.monitor, **{name: name for name in of_evaluation}}
        return [name for own, name in named.items() if begun and own not in self._row]

    def _logs_have(self, name: str, state: Any) -> bool:
        """Whether it is a metric of the logs, or there was no log yet."""
        logs = [entry for entry in state.log_history if "loss" in entry]
        return not name.startswith("eval_") and (
            not logs or any(metric_of(name, entry) for entry in logs)
        )

    def _goes_on(self, args: Any, state: Any, control: Any) -> bool:
        """Whether the end of an epoch at this very step may add more."""
        ends = control.should_training_stop or float(state.epoch).is_integer()
        return self._of_step and ends and "epoch" in (args.logging_strategy, args.eval_strategy)

    def _tell(self, state: Any, control: Any, model: Any) -> None:
        """Pass on to the stopper what was measured at this step, if anything."""
        row, self._row = self._row, {}
        stopper = self.stopper
        # at the end of an epoch in which training stopped, the step has already been passed on
        if not row or (stopper.stopped and state.epoch == stopper.epoch):
            return
        train = self._training_error(state) if "val" in row else None
        check = {**row, "train": train}
        if self._training.update(lambda: copied(model), epoch=state.epoch, **check):
            control.should_training_stop = True

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Restore the weights of the selected evaluation, and record the run."""
        self._tell(state, control, kwargs["model"])
        self._in_training, self._model = False, None
        never_checked(self.stopper, self.monitor)
        self._training.weights.restore(self.stopper, kwargs["model"].load_state_dict)
        self.stopper.close()

    def _training_error(self, state: Any) -> float | None:
        """The last logged loss, if there was one since the previous check."""
        since, self._logged = self._logged, state.global_step
        for entry in reversed(state.log_history):
            if entry["step"] <= since:
                break
            if "loss" in entry:
                return float(entry["loss"])
        return None

    def state(self) -> dict[str, Any]:
        """The arguments for making this callback again, and what it has seen."""
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
