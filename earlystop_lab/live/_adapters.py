"""What adapters have in common: a run and the weights kept of it, and what is missing."""

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

#: what an adapter knows of a channel by its name; of ``epoch``, the unit of the positions
Known = Callable[[str], Channel]


class RunOptions(TypedDict, total=False):
    """What every adapter hands on to its :class:`Stopper`."""

    restore: Restore
    select: str | None
    channels: Mapping[str, Channel] | None
    record: str | Path | None
    run: str | None


class StopperOptions(RunOptions, total=False):
    """The same with the mode, where no default of the library's stands against it."""

    mode: Mode


class _StopperItself(TypedDict, total=False):
    """What a stopper gets as it is."""

    record: str | Path | None
    run: str | None
    mode: Mode


@contextmanager
def library(package: str) -> Iterator[None]:
    """Say what to install where the imports inside find no library."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"this adapter needs {package}: pip install {package} ({error})", name=error.name
        ) from error


class Weights:
    """A copy of a model's weights: those of the epoch that is selected."""

    def __init__(self) -> None:
        self.epoch: float | None = None
        self.copy: Any = None

    def keep(self, stopper: Stopper, take: Callable[[], Any]) -> None:
        """After an update: copy the weights where a later stop may select them."""
        if stopper.keep:
            self.epoch, self.copy = stopper.epoch, take()

    def restore(self, stopper: Stopper, put: Callable[[Any], Any]) -> Any:
        """At the end: put back the weights of the selected epoch, and let the copy go.

        Returns what ``put`` does; None where the weights are the last ones.
        """
        best, kept, copied = stopper.best_epoch, self.epoch, self.copy
        self.epoch = self.copy = None
        if best is not None and best == kept:
            return put(copied)
        if best != stopper.epoch:
            warnings.warn(
                f"the weights of the best epoch {best:g} were not seen since training was "
                "resumed: the model keeps its last ones; load a checkpoint of that epoch",
                stacklevel=3,
            )
        return None

    def state_dict(self) -> dict[str, Any]:
        """The copy and its epoch, for a file that can hold weights."""
        return {"kept_epoch": self.epoch, "kept": self.copy}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a copy."""
        self.epoch, self.copy = state["kept_epoch"], state["kept"]


class Training:
    """The run that an adapter is in: its stopper, and the weights that may be selected.

    ``known`` says what the adapter knows of the channels; what the user says of them goes over it.
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
        #: what the user says of channels
        self.said = {canonical(name): each for name, each in (channels or {}).items()}
        watched = watched_by(rule, policy, canonical(select or "val"))
        #: the channels that are watched and have metrics of their own
        self.others = [name for name in watched if name not in ("val", "train")]
        self._make = partial(Stopper, rule, restore=policy, select=select, **options)
        self._known = known
        self.stopper, self.weights = self._made(), Weights()
        #: a state was loaded: the next training goes on with its run
        self.resumed = False

    def _made(self, **options: Unpack[_StopperItself]) -> Stopper:
        names = dict.fromkeys(["epoch", "val", "train", *self.others, *self.said])
        about = {n: self.said.get(n, Channel()).over(self._known(n)) for n in names}
        stopper = self._make(channels=about, **options)
        # what is missing the adapter names as its library does
        stopper.expect(*self.others)
        return stopper

    def begin(self, known: Known | None = None, **options: Unpack[_StopperItself]) -> None:
        """Training begins: with a run of its own, unless it goes on with the one loaded.

        ``known`` is what the adapter knows now that it begins.
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
        """Tell the stopper a check, and keep what ``take`` copies where it may be selected."""
        stops = self.stopper.update(**check)
        if take is not None:
            self.weights.keep(self.stopper, take)
        return stops


class CurrentStopper:
    """The attribute of an adapter that is the stopper of the run it is in."""

    def __get__(self, adapter: Any, kind: type) -> Stopper:
        training: Training = adapter._training
        return training.stopper

    def __set__(self, adapter: Any, stopper: Stopper) -> None:
        adapter._training.stopper = stopper


def by_names(val: str, train: str | None, unit: str = "epoch", *, stand_in: bool = False) -> Known:
    """What is known of metrics that one table holds: what their names say.

    ``stand_in`` says that ``val`` is a training metric, as its name may do, too.

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


class Measure(NamedTuple):
    """A metric on one of the data sets of a boosting library."""

    data: str
    metric: str
    direction: Mode | None = None

    @property
    def name(self) -> str:
        """What criteria call its channel."""
        return f"{self.data}-{self.metric}"


def in_rounds(name: str) -> Channel:
    """What is known before the first round."""
    return Channel(unit="round") if name == "epoch" else Channel()


def by_measures(measures: Iterable[Measure], val: Measure, train: str | None) -> Known:
    """What is known of boosting rounds: data set and metric of every channel.

    ``val`` is what is watched, ``train`` the name of the training data.
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
    """What the library calls the metric of a channel; None where it is not there."""
    return next((each for each in metrics if canonical(each) == name), None)


def told(names: Iterable[str], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the channels whose metrics are there."""
    found = {name: metric_of(name, metrics) for name in names}
    return {name: metrics[own] for name, own in found.items() if own is not None}


def all_told(names: Iterable[str], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the channels; ``ValueError`` where a metric is not there."""
    for name in names:
        if metric_of(name, metrics) is None:
            raise no_metric(name, metrics)
    return told(names, metrics)


def no_metric(monitor: str, available: Iterable[str]) -> ValueError:
    """The error for a metric that is not there."""
    names = ", ".join(sorted(available)) or "none"
    return ValueError(f"monitor = {monitor!r}: no such metric; there are {names}")


def never_checked(stopper: Stopper, monitor: str) -> None:
    """Warn at the end of a training in which the metric was never there."""
    if stopper.epoch is None:
        warnings.warn(
            f"monitor = {monitor!r}: training ended without that metric; nothing was checked",
            stacklevel=3,
        )
