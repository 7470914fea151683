"""What adapters have in common: a run with its selected weights, and errors for missing metrics."""

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, Unpack

from earlystop_lab.criteria import Rule
from earlystop_lab.curves import Channel, Mode, Role, canonical
from earlystop_lab.engine.replaying import Restore, policy_of, rule_of
from earlystop_lab.live.stopper import Stopper, watched_by
from earlystop_lab.sources.logs._channels import meaning

#: returns what an adapter knows about a channel; for ``epoch``, the unit of the positions
Known = Callable[[str], Channel]


class RunOptions(TypedDict, total=False):
    """Arguments that every adapter passes on to its :class:`Stopper`."""

    restore: Restore
    select: str | None
    channels: Mapping[str, Channel] | None
    record: str | Path | None
    run: str | None


class StopperOptions(RunOptions, total=False):
    """The same with the mode, for adapters whose library has no default of its own."""

    mode: Mode


class _StopperItself(TypedDict, total=False):
    """Arguments that a stopper gets unchanged."""

    record: str | Path | None
    run: str | None
    mode: Mode


@contextmanager
def library(package: str) -> Iterator[None]:
    """Say what to install if the imports inside do not find the library."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"this adapter needs {package}: pip install {package} ({error})", name=error.name
        ) from error


class Weights:
    """A copy of a model's weights: those of the selected epoch."""

    def __init__(self) -> None:
        self.epoch: float | None = None
        self.copy: Any = None

    def keep(self, stopper: Stopper, take: Callable[[], Any]) -> None:
        """After an update: copy the weights if a later stop may select them."""
        if stopper.keep:
            self.epoch, self.copy = stopper.epoch, take()

    def restore(self, stopper: Stopper, put: Callable[[Any], Any]) -> Any:
        """At the end: restore the weights of the selected epoch, and release the copy.

        Returns the result of ``put``, or None if the last weights are selected.
        """
        best, kept, copied = stopper.best_epoch, self.epoch, self.copy
        self.epoch = self.copy = None
        if best is not None and best == kept:
            return put(copied)
        if best != stopper.epoch:
            warnings.warn(
                f"the weights of the best epoch {best:g} are not available, since training was "
                "resumed after it: the model keeps its last weights; load a checkpoint of that "
                "epoch",
                stacklevel=3,
            )
        return None

    def state_dict(self) -> dict[str, Any]:
        """The copy and its epoch, for a file that can hold weights."""
        return {"kept_epoch": self.epoch, "kept": self.copy}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved copy."""
        self.epoch, self.copy = state["kept_epoch"], state["kept"]


class Training:
    """The current run of an adapter: its stopper, and the weights that may be selected.

    ``known`` says what the adapter knows about the channels; what the user says overrides it.
    """

    def __init__(
        self,
        criterion: Rule | str,
        known: Known,
        *,
        channels: Mapping[str, Channel] | None = None,
        select: str | None = None,
        restore: Restore = "best",
        **options: Unpack[_StopperItself],
    ) -> None:
        rule, policy = rule_of(criterion), policy_of(restore)
        #: what the user says about channels
        self.said = {canonical(name): each for name, each in (channels or {}).items()}
        watched = watched_by(rule, policy, canonical(select or "val"))
        #: the watched channels that have metrics of their own
        self.others = [name for name in watched if name not in ("val", "train")]
        self._make = partial(Stopper, rule, restore=policy, select=select, **options)
        self._known = known
        self.stopper, self.weights = self._made(), Weights()
        #: a state was loaded, so the next training continues its run
        self.resumed = False

    def _made(self, **options: Unpack[_StopperItself]) -> Stopper:
        names = dict.fromkeys(["epoch", "val", "train", *self.others, *self.said])
        about = {n: self.said.get(n, Channel()).over(self._known(n)) for n in names}
        stopper = self._make(channels=about, **options)
        # what is missing the adapter names as its library does
        stopper.expect(*self.others)
        return stopper

    def begin(self, known: Known | None = None, **options: Unpack[_StopperItself]) -> None:
        """Begin a run, or continue the one that was loaded.

        ``known`` is what the adapter knows at this point.
        """
        self._known = known or self._known
        if (known or options or self.stopper.epoch is not None) and not self.resumed:
            self.stopper, self.weights = self._made(**options), Weights()
        self.resumed = False

    def after(self, take: Callable[[], Any], **check: Any) -> tuple[Stopper, Weights]:
        """Stopper and weights as they are once a check is told that is still to be."""
        stopper, weights = copy.deepcopy(self.stopper), copy.copy(self.weights)
        stopper.record = None
        stopper.update(**check)
        weights.keep(stopper, take)
        return stopper, weights

    def update(self, take: Callable[[], Any] | None = None, **check: Any) -> bool:
        """Pass a check to the stopper, and keep the result of ``take`` if it may be selected."""
        stops = self.stopper.update(**check)
        if take is not None:
            self.weights.keep(self.stopper, take)
        return stops


class CurrentStopper:
    """The attribute of an adapter that is the stopper of its current run."""

    def __get__(self, adapter: Any, kind: type) -> Stopper:
        training: Training = adapter._training
        return training.stopper

    def __set__(self, adapter: Any, stopper: Stopper) -> None:
        adapter._training.stopper = stopper


def by_names(val: str, train: str | None, unit: str = "epoch", *, stand_in: bool = False) -> Known:
    """What is known about metrics of one table from their names.

    ``stand_in`` says that ``val`` is a training metric, which its name may also say.

    >>> by_names("val_loss", "loss")("val")
    Channel(metric='loss', source='val_loss', stand_in=False)
    >>> by_names("val_loss", "loss")("val_accuracy")
    Channel(role='val', metric='accuracy')
    """

    def known(name: str) -> Channel:
        if name == "epoch":
            return Channel(unit=unit)
        source = {"val": val, "train": train}.get(name)
        said = meaning(source or name)
        if said.role is None and said.kind in ("aside", "unknown"):
            return Channel(source=source)
        metric = "_".join(said.metric) or "loss"
        if source is None:
            return Channel(role=said.role, metric=metric)
        if name == "train" or not (stand_in or said.role):
            return Channel(metric=metric, source=source)
        return Channel(metric=metric, source=source, stand_in=stand_in or said.role == "train")

    return known


def mode_of(monitor: str) -> Mode:
    """Which values of a metric are better, where nobody says it: higher ones by its name alone.

    >>> mode_of("val_loss"), mode_of("eval_accuracy"), mode_of("val_top5_error")
    ('min', 'max', 'min')
    """
    return "max" if meaning(monitor).kind == "higher" else "min"


class Measure(NamedTuple):
    """A metric on one of the data sets of a boosting library."""

    data: str
    metric: str
    direction: Mode | None = None

    @property
    def name(self) -> str:
        """The name of its channel in criteria."""
        return f"{self.data}-{self.metric}"


def in_rounds(name: str) -> Channel:
    """What is known before the first round."""
    return Channel(unit="round") if name == "epoch" else Channel()


def by_measures(measures: Iterable[Measure], val: Measure, train: str | None) -> Known:
    """What is known about channels of boosting rounds: data set and metric.

    ``val`` is the watched metric, ``train`` the name of the training data.
    """
    there = {each.name: each for each in measures}
    roles: dict[str, Role] = {val.data: "val"}
    if train is not None:
        roles[train] = "train"

    def known(name: str) -> Channel:
        own = {"val": val.name, "train": f"{train}-{val.metric}"}.get(name)
        if (measure := there.get(own or name)) is None:
            return in_rounds(name)
        data, metric, direction = measure
        if own is None:
            return Channel(roles.get(data), direction, metric=metric, data=data)
        of_training = "train" in (roles.get(data), meaning(data).role) if name == "val" else None
        return Channel(None, direction, metric=metric, data=data, source=own, stand_in=of_training)

    return known


def metric_of(name: str, metrics: Iterable[str]) -> str | None:
    """The library's name for the metric of a channel; None if it is not available."""
    return next((each for each in metrics if canonical(each) == name), None)


def told(names: Iterable[str], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the channels whose metrics are available."""
    found = {name: metric_of(name, metrics) for name in names}
    return {name: metrics[own] for name, own in found.items() if own is not None}


def all_told(names: Iterable[str], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the channels; ``ValueError`` if a metric is not available."""
    for name in names:
        if metric_of(name, metrics) is None:
            raise no_metric(name, metrics)
    return told(names, metrics)


def no_metric(monitor: str, available: Iterable[str]) -> ValueError:
    """The error for a metric that is not available."""
    names = ", ".join(sorted(available)) or "none"
    return ValueError(f"monitor = {monitor!r}: no such metric; available are {names}")


def never_checked(stopper: Stopper, monitor: str) -> None:
    """Warn at the end of a training in which the metric was never available."""
    if stopper.epoch is None:
        warnings.warn(
            f"monitor = {monitor!r}: this metric never occurred in training; nothing was checked",
            stacklevel=3,
        )
