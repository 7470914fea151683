"""A criterion in training: told the errors check by check, it says when to stop, and why."""

import math
import time
import uuid
from array import array
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import numpy as np

from earlystop_lab._common.checks import as_number, require, require_mode
from earlystop_lab.criteria import Criterion, Rule
from earlystop_lab.criteria.first_passage import (
    Check,
    combined,
    restored_at,
    restores_otherwise,
    selectable,
    strides,
)
from earlystop_lab.criteria.stepping import Curves, Stepper
from earlystop_lab.curves import CurveSet, Mode, read_only
from earlystop_lab.engine.replaying import Restore, policy_of, rule_of


class Statistic(NamedTuple):
    """One criterion at the last check."""

    criterion: str
    #: NaN where it is undefined
    value: float
    #: how it passes the threshold: ">", ">=", "<" or "<="
    passes: str
    threshold: float
    #: whether it does, any warm-up being over
    holds: bool


class Stopper:
    """A criterion in training: it stops where a replay of the run's curves does.

    Told the errors of every check by :meth:`update`, it answers whether to stop. It takes the
    steps that a replay takes, so that a live run and its replay cannot disagree.

    ``criterion`` is one or its text. ``restore`` says whose weights are selected, as in
    :func:`replay`: ``"best"``, ``"own"``, ``"last"`` or a :data:`ModelCheckpoint`. With
    ``mode="max"`` higher values are better, and their negatives are the errors. ``record`` is
    where :meth:`close` writes the run: a ``.parquet`` or ``.arrow`` file, or a folder, which gets
    a file for every run, for ``earlystop recommend`` to learn from. ``run`` is its id and the
    name of that file, which another run of that id replaces; by default it is the time and some
    random digits.

    An update costs microseconds, whatever the run's length. That of an array function costs a
    call with the whole run so far.

    >>> from earlystop_lab.live import Stopper
    >>> stopper = Stopper("GL(5, k=1)")
    >>> for epoch, error in enumerate([0.9, 0.5, 0.51, 0.6, 0.4], start=1):
    ...     if stopper.update(val=error, epoch=epoch):
    ...         break
    >>> stopper.reason
    'GL 20% > 5 at epoch 4; best epoch 2'

    As a context manager it closes itself. Raises ``ValueError`` for what is no criterion, mode,
    ``restore`` or name of a file, ``OSError`` where the folder to record in cannot be made.
    """

    def __init__(
        self,
        criterion: Rule | str,
        *,
        restore: Restore = "best",
        mode: Mode = "min",
        record: str | Path | None = None,
        run: str | None = None,
    ) -> None:
        require_mode(mode)
        self.criterion = rule_of(criterion)
        self.restore = policy_of(restore)
        self.mode: Mode = mode
        self.run = _named(run)
        self.record = None if record is None else _made(Path(record))
        self._keeper = self._kept_by()
        self._strides = strides(self.criterion.strips)
        #: every criterion looked at, and where it stands in ``_steppers`` and ``_now``
        keepers = [self._keeper] if self._keeper else []
        leaves = dict.fromkeys([*self.criterion.leaves, *keepers])
        self._at = {leaf: i for i, leaf in enumerate(leaves)}
        self._begin()

    def _kept_by(self) -> Criterion | None:
        """Whose own epoch is selected; None where it is that of the lowest error, or the last."""
        if isinstance(self.restore, Criterion):
            return self.restore
        first = self.criterion.leaves[0]
        return first if self.restore == "own" and restores_otherwise(first) else None

    def _begin(self) -> None:
        """Nothing has been seen."""
        self._epoch, self._val, self._train = array("d"), array("d"), array("d")
        self._has_train = False
        self._steppers = [Stepper(leaf) for leaf in self._at]
        self._now: list[Check] = []
        self._lowest, self._best, self._selected = math.inf, math.nan, math.nan
        self._keep = False
        self._stop: tuple[float, str] | None = None

    # -- in training ---------------------------------------------------------------------------

    def update(self, *, val: Any, train: Any = None, epoch: Any = None) -> bool:
        """Tell the errors of the next check; true where training is to stop.

        Values are numbers, or what ``float`` takes, such as 0-d arrays; NaN and infinity are
        errors like others. ``epoch`` is the check's position, 1-based, by default one after the
        last. Once it has said stop it stays so: later checks are recorded and change nothing.

        Raises ``ValueError``, and has not seen the check, where a value is no number, the epoch
        does not increase, or the criterion needs training errors and there is none.

        >>> from earlystop_lab.live import Stopper
        >>> stopper = Stopper("UP(2, k=1)")
        >>> [stopper.update(val=error) for error in (3.0, 1.0, 2.0, 2.5)]
        [False, False, False, True]
        """
        last = self._epoch[-1] if self._epoch else 0.0
        position = last + 1 if epoch is None else _number("epoch", epoch)
        if not math.isfinite(position) or (self._epoch and position <= last):
            raise ValueError(f"epoch = {position:g} after {last:g}; expected a later one")
        error = _number("val", val)
        trained = math.nan if train is None else _number("train", train)
        if train is None:
            self._require_train()
        if self.mode == "max":
            error, trained = -error, -trained
        self._has_train = self._has_train or train is not None
        self._epoch.append(position)
        self._val.append(error)
        self._train.append(trained)
        now = [each(position, error, trained, self._curves) for each in self._steppers]
        self._decide(len(self._epoch) - 1, position, error, now)
        return self.stopped

    def close(self) -> None:
        """Write the run's curves where ``record`` said, once there are any; an older file goes.

        Raises ``OSError`` where the file cannot be written.
        """
        if self.record is not None and self._epoch:
            self.history.write(_file(self.record, self.run))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- what it knows -------------------------------------------------------------------------

    @property
    def stopped(self) -> bool:
        """Whether training is to stop, or was."""
        return self._stop is not None

    @property
    def epoch(self) -> float | None:
        """The epoch of the last check; None before any."""
        return _whole(self._epoch[-1]) if self._epoch else None

    @property
    def stop_epoch(self) -> float | None:
        """The epoch at which it stopped; None before."""
        return _whole(self._stop[0]) if self._stop else None

    @property
    def reason(self) -> str | None:
        """Why it stopped, in words; None before."""
        return f"{self._stop[1]}; best epoch {_short(self._selected)}" if self._stop else None

    @property
    def best_epoch(self) -> float | None:
        """The epoch whose weights are selected if training ends here; None before any check."""
        return _whole(self._selected) if self._epoch else None

    @property
    def keep(self) -> bool:
        """Whether a later stop may select the weights of the last check: keep a copy of them.

        Where training ends at another epoch than :attr:`best_epoch`, the copy made last is that
        epoch's.
        """
        return self._keep

    @property
    def statistics(self) -> list[Statistic]:
        """Statistic and threshold of each criterion at the last check; empty before any.

        >>> from earlystop_lab.live import Stopper
        >>> stopper = Stopper("any_of(GL(5, k=1), MaxEpochs(9))")
        >>> stopper.update(val=0.5)
        False
        >>> [(each.criterion, each.value) for each in stopper.statistics]
        [('GL(5, k=1)', 0.0), ('MaxEpochs(9)', 1.0)]
        """
        leaves = dict.fromkeys(self.criterion.leaves if self._now else ())
        seen_by = [(leaf, self._now[self._at[leaf]]) for leaf in leaves]
        return [
            Statistic(str(leaf), now.statistic, leaf.family.passes, leaf.threshold, now.holds)
            for leaf, now in seen_by
        ]

    @property
    def history(self) -> CurveSet:
        """The errors so far as a set of one run; ``ValueError`` before any check."""
        if not self._epoch:
            raise ValueError(f"run {self.run!r}: no check yet")
        curves = dict(self._curves())
        if not self._has_train:
            del curves["train"]
        return CurveSet.from_runs([{"run": self.run, **curves}])

    # -- saved and restored --------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """All it has seen, as texts and numbers that JSON keeps exactly.

        >>> import json
        >>> from earlystop_lab.live import Stopper
        >>> first, second = Stopper("UP(2, k=1)"), Stopper("UP(2, k=1)")
        >>> for error in (1.0, 2.0):
        ...     stops = first.update(val=error)
        >>> second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        >>> second.update(val=3.0)
        True
        """
        curves = {name: _plain(values.tolist()) for name, values in self._curves().items()}
        return {**self._settings, "run": self.run, "has_train": self._has_train, **curves}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Become as the stopper was that the state is of, by a replay of the curves in it.

        Also the run's id is taken over, so that the whole run is one record. Raises
        ``ValueError`` where it is no state, or one of other settings.
        """
        for name, value in self._settings.items():
            if name not in state or state[name] != value:
                raise ValueError(
                    f"the saved state has {name} = {state.get(name)!r}; this one is {value!r}: "
                    "go on with the settings that the run began with"
                )
        names = ("epoch", "val", "train")
        try:
            run = _named(state["run"])
            curves = {name: [float(value) for value in state[name]] for name in names}
            has_train = bool(state["has_train"])
            if curves["val"]:
                CurveSet.from_runs([{"run": run, **curves}])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not the saved state of a Stopper: {error}") from error
        self._begin()
        self.run, self._has_train = run, has_train
        self._epoch, self._val, self._train = (array("d", curves[name]) for name in names)
        seen_by = zip(*(each.all(self._curves()) for each in self._steppers), strict=True)
        for check, now in enumerate(seen_by):
            self._decide(check, self._epoch[check], self._val[check], list(now))

    @property
    def _settings(self) -> dict[str, str]:
        return {
            "criterion": str(self.criterion),
            "restore": str(self.restore),
            "mode": self.mode,
        }

    # -- inside --------------------------------------------------------------------------------

    def _curves(self) -> Curves:
        """The run so far as read-only arrays, copied: what grows must not be shared."""
        channels = {"epoch": self._epoch, "val": self._val, "train": self._train}
        return {name: read_only(np.array(values)) for name, values in channels.items()}

    def _require_train(self) -> None:
        for leaf in self._at:
            if "train" in leaf.family.watches:
                raise ValueError(f"{leaf} needs training errors; give train, too")

    def _decide(self, check: int, epoch: float, error: float, now: list[Check]) -> None:
        """What a check changes, told what each criterion sees of it."""
        before, self._now = self._now or now, now
        if self._stop is not None:
            self._keep = False
            return
        stops = self._holds(self.criterion)
        kept, candidate = self._kept(check, epoch, error, before, stops)
        self._selected = epoch if math.isnan(kept) else kept
        # where it stops at weights of before, these are not to take their place
        self._keep = candidate == epoch and not (stops and self._selected != epoch)
        if stops:
            self._stop = epoch, f"{self._words(self.criterion)} at epoch {_short(epoch)}"

    def _kept(
        self, check: int, epoch: float, error: float, before: list[Check], stops: bool
    ) -> tuple[float, float]:
        """The epoch selected if training ends here, and the one that a later check may select.

        NaN for none: then it is that of the check itself.
        """
        if self._keeper is not None:
            at = self._at[self._keeper]
            now = self._now[at]
            restored = restored_at(self._keeper, now, before[at].restored, stops)
            return restored, now.restored
        if self.restore == "last":
            return math.nan, math.nan
        # NaN is never the lowest, infinity is where nothing else is
        lower = error < self._lowest or (math.isnan(self._best) and not math.isnan(error))
        if lower and selectable(self._strides, check):
            self._lowest, self._best = error, epoch
        return self._best, self._best

    def _holds(self, rule: Rule) -> bool:
        if isinstance(rule, Criterion):
            return self._now[self._at[rule]].holds
        return bool(combined(rule.how, [self._holds(member) for member in rule.members]))

    def _words(self, rule: Rule) -> str:
        """Why the rule holds: the statistic of every criterion that makes it."""
        if not isinstance(rule, Criterion):
            return " and ".join(self._words(each) for each in rule.members if self._holds(each))
        family = rule.family
        if family.threshold is None:
            return f"{rule} holds"
        value = self._now[self._at[rule]].statistic
        return (
            f"{family.name} {_short(value)}{family.unit} {family.passes} {_short(rule.threshold)}"
        )


def _number(name: str, value: Any) -> float:
    number = as_number(value)
    if number is None:
        raise ValueError(f"{name} = {value!r}; expected a number")
    return number


def _named(run: str | None) -> str:
    """The id of a run, which can name a file."""
    if run is None:
        return f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}"
    wrong = not isinstance(run, str) or run in ("", ".", "..") or set(run) & set('/\\\0:*?"<>|')
    require("run", run, not wrong, "a name that a file can have, without folders")
    return run


def _is_file(record: Path) -> bool:
    return record.suffix in (".parquet", ".arrow")


def _made(record: Path) -> Path:
    """The same, its folder made: better that this fails now than after the training."""
    (record.parent if _is_file(record) else record).mkdir(parents=True, exist_ok=True)
    return record


def _file(record: Path, run: str) -> Path:
    return record if _is_file(record) else record / f"{run}.parquet"


def _plain(values: Iterable[float]) -> list[float | str]:
    """Numbers as JSON has them; the others, which it has not, as texts that ``float`` reads."""
    return [value if math.isfinite(value) else repr(value) for value in values]


def _whole(epoch: float) -> float:
    """A whole epoch as int."""
    return int(epoch) if epoch == math.floor(epoch) else epoch


def _short(number: float) -> str:
    return f"{number:.6g}" if abs(number) < 1e6 else f"{number:.0f}"
