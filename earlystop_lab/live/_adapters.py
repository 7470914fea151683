"""What adapters have in common: a run and the weights kept of it, and what is missing."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypedDict, Unpack

from earlystop_lab.criteria import Rule
from earlystop_lab.curves import Channel, Mode
from earlystop_lab.engine.replaying import Restore
from earlystop_lab.live.stopper import Stopper


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
    """The run that an adapter is in: its stopper, and the weights that may be selected."""

    def __init__(self, criterion: Rule | str, **options: Unpack[StopperOptions]) -> None:
        self._made = partial(Stopper, criterion, **options)
        self.stopper, self.weights = self._made(), Weights()
        #: a state was loaded: the next training goes on with its run
        self.resumed = False

    def begin(self, **options: Unpack[StopperOptions]) -> None:
        """Training begins: with a run of its own, unless it goes on with the one loaded."""
        if (options or self.stopper.epoch is not None) and not self.resumed:
            self.stopper, self.weights = self._made(**options), Weights()
        self.resumed = False

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
