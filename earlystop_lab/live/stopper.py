"""A criterion during training: given the errors of each check, it says when to stop, and why."""

import hashlib
import json
import math
import time
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from earlystop_lab._common.checks import as_number, require, require_mode
from earlystop_lab._common.names import file_in
from earlystop_lab.criteria import Criterion, Rule
from earlystop_lab.criteria.first_passage import (
    Check,
    combined,
    restored_at,
    restores_otherwise,
    selectable,
    strides,
)
from earlystop_lab.criteria.stepping import Row, Stepper
from earlystop_lab.criteria.text import passed, short_number
from earlystop_lab.curves import (
    ERRORS,
    Channel,
    CurveSet,
    Mode,
    canonical,
    checked,
    read_curves,
    taken,
)
from earlystop_lab.engine.replaying import Restore, policy_of, rule_of
from earlystop_lab.live.growing import Growing


class Statistic(NamedTuple):
    """One criterion at the last check."""

    criterion: str
    #: NaN if it is undefined
    value: float
    #: how it passes the threshold: ">", ">=", "<" or "<="
    passes: str
    threshold: float
    #: whether it passes, and any warm-up is over
    holds: bool


#: a run is written at this many first checks; at later ones, writing may have taken this many
#: seconds, plus this share of the training time
_FIRST, _SECONDS, _SHARE = 100, 1.0, 0.05


class Stopper:
    """A criterion during training: it stops where a replay of the run's curves would stop.

    Pass the errors of every check to :meth:`update`, which returns whether to stop. It takes the
    same steps as a replay, so a live run and its replay cannot disagree. As a context manager, it
    closes itself.

    Parameters
    ----------
    criterion : criterion or str
    mode : {"min", "max"}
        With ``"max"``, higher values of ``val``, ``train`` and ``test`` are better.
    restore : {"best", "lowest", "own", "last"} or ModelCheckpoint
        Which weights are selected, as in :func:`replay`.
    select : str, optional
        The channel that ``restore="best"`` and ``"lowest"`` look at, by default ``val``.
    channels : dict of str to Channel, optional
        Descriptions of channels, such as ``{"accuracy": Channel(direction="max")}``, and the unit
        of the positions if they are not epochs: ``{"epoch": Channel(unit="step")}``. Values are
        passed and recorded unchanged.
    record : str or Path, optional
        Where to write the run: a ``.parquet`` or ``.arrow`` file, or a folder, which gets one file
        per run, for ``earlystop recommend``. The file is also written during training, so that the
        record survives an interruption: at each of the first 100 checks, at later checks as long as
        writing has taken less than a second plus 5% of the time since the first check, and
        completely by :meth:`close`.
    run : str, optional
        The run id, and the name of the file in a folder; it replaces a run with the same id. By
        default, the time and some random digits.

    Raises
    ------
    ValueError
        If the criterion, mode, ``restore`` or file name is invalid, or a criterion needs to know
        more about a channel.
    OSError
        If the folder for the record cannot be made.

    Notes
    -----
    Besides writing, an update takes microseconds, whatever the run's length. For an array function,
    it calls the function with the whole run so far.

    Examples
    --------
    >>> from earlystop_lab.live import Stopper
    >>> stopper = Stopper("GL(5, k=1)")
    >>> for epoch, error in enumerate([0.9, 0.5, 0.51, 0.6, 0.4], start=1):
    ...     if stopper.update(val=error, epoch=epoch):
    ...         break
    >>> stopper.reason
    'GL 20% > 5 at epoch 4; best epoch 2'
    """

    def __init__(
        self,
        criterion: Rule | str,
        *,
        restore: Restore = "best",
        select: str | None = None,
        mode: Mode = "min",
        channels: Mapping[str, Channel] | None = None,
        record: str | Path | None = None,
        run: str | None = None,
    ) -> None:
        require_mode(mode)
        self.criterion = rule_of(criterion)
        self.restore = policy_of(restore)
        self.mode: Mode = mode
        self.select = canonical(select or "val")
        said = (channels or {}).items()
        self._said = {canonical(name): checked(name, channel) for name, channel in said}
        self._unit = self._said.pop("epoch", Channel()).unit
        self.run = _named(run)
        self.record = None if record is None else _made(Path(record))
        self._keeper = kept_by(self.criterion, self.restore)
        seen = frozenset() if self.restore == "lowest" else self.criterion.strips(self.select)
        self._strides = strides(seen)
        #: every criterion that is evaluated, and its index in ``_steppers`` and ``_now``
        self._at = {leaf: i for i, leaf in enumerate(looked_at(self.criterion, self.restore))}
        self._watched = watched_by(self.criterion, self.restore, self.select)
        #: descriptions of the watched channels
        self._about = {name: self._channel(name) for name in self._watched}
        for leaf in self._at:
            for name, form in leaf.watched:
                taken(0.0, self._about[name], form, name)
        #: when the first row was passed, and how long writing the run has taken since
        self._started, self._writing = math.nan, 0.0
        #: the channels that were measured at all, or are expected
        self._known: set[str] = set()
        self._begin()

    def _channel(self, name: str) -> Channel:
        """The description of a channel, as far as known."""
        by_name = next((Channel(each, self.mode) for each in ERRORS if each == name), Channel())
        return self._said.get(name, Channel()).over(by_name)

    def _begin(self) -> None:
        """Reset: nothing has been seen."""
        #: the values by channel, including ``epoch``, one value per row
        self._columns = {"epoch": Growing()}
        #: the position of the last row
        self._position: float | None = None
        self._steppers = [Stepper(leaf, self._about) for leaf in self._at]
        self._now: list[Check] = []
        self._lowest, self._best, self._selected = math.inf, math.nan, math.nan
        #: number of checks of the selecting channel; position of the last one, NaN if it was NaN
        self._checks, self._last = 0, math.nan
        self._keep = False
        self._stop: tuple[float, str] | None = None

    # -- in training ---------------------------------------------------------------------------

    def update(
        self, *, val: Any = None, train: Any = None, epoch: Any = None, **channels: Any
    ) -> bool:
        """Pass what was measured at the next row; returns True if training should stop.

        Once it has stopped, it stays stopped: later rows are recorded and change nothing.

        Parameters
        ----------
        val, train : float, optional
            Validation and training error: numbers, or anything that ``float`` accepts, such as 0-d
            arrays. NaN and infinity are values like others; None means not measured.
        epoch : float, optional
            The position, by default one after the last.
        **channels
            Values of any other channels, by name.

        Returns
        -------
        bool

        Raises
        ------
        ValueError
            If a value is not a number, the position does not increase, nothing was measured, or a
            channel that the criterion needs has not been measured so far, unless :meth:`expect`
            announced it. The row is then ignored.

        Examples
        --------
        >>> from earlystop_lab.live import Stopper
        >>> stopper = Stopper("UP(2, k=1)")
        >>> [stopper.update(val=error) for error in (3.0, 1.0, 2.0, 2.5)]
        [False, False, False, True]
        >>> watching = Stopper("any_of(Keras(1), Keras(1, val='val_loss'))", channels={
        ...     "val_loss": Channel(direction="min")})
        >>> [watching.update(val=a, val_loss=b) for a, b in ((3, 1), (2, 1.5))]
        [False, True]
        """
        last = self._position
        position = (last or 0.0) + 1 if epoch is None else _number("epoch", epoch)
        if not math.isfinite(position) or (last is not None and position <= last):
            raise ValueError(
                f"{self._named_unit} = {position:g} after {last or 0:g}; expected a larger value"
            )
        told = {"val": val, "train": train, **channels}
        row = {
            canonical(name): _number(name, value)
            for name, value in told.items()
            if value is not None
        }
        self._require(row)
        self._see({"epoch": position, **row})
        self._write_along()
        return self.stopped

    def _write_along(self) -> None:
        """Write the run so far, since training may end without notice."""
        if self.record is None:
            return
        now = time.monotonic()
        if math.isnan(self._started):
            self._started = now
        allowed = _SECONDS + _SHARE * (now - self._started)
        if self._count <= _FIRST or self._writing < allowed:
            # training must not fail because of it; closing raises the error at the end
            with suppress(OSError):
                self.close()
            self._writing += time.monotonic() - now

    def expect(self, *channels: str) -> None:
        """Announce channels that come later than others, so that their absence is not an error.

        >>> from earlystop_lab.live import Stopper
        >>> stopper = Stopper("any_of(PQ(2, k=1), MaxEpochs(2))")
        >>> stopper.expect("train")
        >>> stopper.update(val=0.5)
        False
        """
        self._known.update(map(canonical, channels))

    def _require(self, row: Row) -> None:
        """Raise ``ValueError`` if nothing was measured, or a criterion lacks what it needs.

        It lacks a channel that was never measured up to a row at which another of its channels, or
        the validation error, was.
        """
        if not row:
            raise ValueError("update: nothing was measured; pass val or another channel")
        if "run" in row:
            raise ValueError("update: 'run' is reserved for the run id; rename the channel")
        if self._known.issuperset(self._watched):
            return
        known = self._known.union(row)
        for leaf in self._at:
            missing = [name for name in leaf.channels if name not in known]
            if missing and ("val" in row or leaf.channels[0] in row):
                name = missing[0]
                what = "training errors" if name == "train" else f"the channel {name!r}"
                raise ValueError(f"{leaf} needs {what}; pass {name} as well")
        self._known = known

    def _see(self, row: Row) -> None:
        for name in row:
            if name not in self._columns:
                self._columns[name] = Growing(self._count)
        for name, column in self._columns.items():
            column.append(row.get(name))
        now = [each(row, self._rows) for each in self._steppers]
        self._decide(row, now)

    @property
    def _count(self) -> int:
        return len(self._columns["epoch"])

    def _rows(self) -> list[Row]:
        """Every row as it was passed."""
        names, columns = [*self._columns], (each.tolist() for each in self._columns.values())
        return [
            {name: value for name, value in zip(names, row, strict=True) if value is not None}
            for row in zip(*columns, strict=True)
        ]

    def close(self) -> None:
        """Write the run's curves to ``record``, if there are any, replacing an older file.

        Raises ``OSError`` if the file cannot be written.
        """
        if self.record is not None and self._count:
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

    def recorded(self) -> CurveSet | None:
        """The contents of the record: a set with one run; None if there is no file.

        Raises ``OSError`` or ``ValueError`` if the file cannot be read.

        >>> from earlystop_lab.live import Stopper
        >>> Stopper("UP(2, k=1)").recorded() is None
        True
        """
        file = None if self.record is None else _file(self.record, self.run)
        return read_curves(file) if file is not None and file.exists() else None

    def go_on(self, curves: CurveSet, until: float) -> None:
        """Return to the state at a position of its run, given the recorded ``curves``.

        Raises ``ValueError`` for curves of another run, or of several.

        >>> from earlystop_lab.live import Stopper
        >>> stopper = Stopper("UP(2, k=1)")
        >>> for error in (1.0, 2.0, 3.0):
        ...     stops = stopper.update(val=error)
        >>> stopper.go_on(stopper.history, 1)
        >>> stopper.update(val=2.5), stopper.epoch
        (False, 2)
        """
        if curves.runs != [self.run]:
            raise ValueError(f"curves: has runs {curves.runs}; expected only {self.run!r}")
        (curve,) = curves
        seen = curve.epoch <= until
        lists = {"epoch": _plain(curve.epoch[seen].tolist())}
        for name in curve.channels:
            measured = zip(curve[name][seen], curve.measured(name)[seen], strict=True)
            lists[name] = _plain(float(value) if there else None for value, there in measured)
        state = {**self.state_dict(), "channels": lists if seen.any() else {}}
        del state["checksum"]  # of other channels
        self.load_state_dict(state)

    # -- state ---------------------------------------------------------------------------------

    @property
    def watched(self) -> list[str]:
        """The channels that the criterion watches, and the selecting one.

        >>> from earlystop_lab.live import Stopper
        >>> Stopper("any_of(PQ(2), Keras(9, val='train'))").watched
        ['val', 'train']
        """
        return [*self._watched]

    @property
    def stopped(self) -> bool:
        """Whether training should stop, or was stopped."""
        return self._stop is not None

    @property
    def epoch(self) -> float | None:
        """The position of the last row; None before the first."""
        return None if self._position is None else _whole(self._position)

    @property
    def stop_epoch(self) -> float | None:
        """The epoch at which it stopped; None before."""
        return _whole(self._stop[0]) if self._stop else None

    @property
    def reason(self) -> str | None:
        """Why it stopped, in words; None before."""
        if self._stop is None:
            return None
        at, words = self._stop
        unit = self._named_unit
        return f"{words} at {unit} {short_number(at)}; best {unit} {short_number(self._selected)}"

    @property
    def best_epoch(self) -> float | None:
        """The epoch whose weights are selected if training ends here; None before any check."""
        return _whole(self._selected) if self._count else None

    @property
    def keep(self) -> bool:
        """Whether a later stop may select the weights of the last check: keep a copy of them.

        If training ends at another epoch than :attr:`best_epoch`, the last copy is that of
        :attr:`best_epoch`.
        """
        return self._keep

    @property
    def statistics(self) -> list[Statistic]:
        """Statistic and threshold of each criterion at the last check; empty before the first.

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
        """All values so far as a set with one run; ``ValueError`` before any check.

        It has every watched channel, with missing values if it was never measured.
        """
        if not self._count:
            raise ValueError(f"run {self.run!r}: there is no check yet")
        looked_at = dict.fromkeys(name for leaf in self._at for name in leaf.channels)
        missing = {n: Growing(self._count) for n in looked_at if n not in self._columns}
        columns = {**self._columns, **missing}
        about = {name: self._channel(name) for name in columns if name != "epoch"}
        about["epoch"] = Channel(unit=self._unit)
        curves = {name: column.masked() for name, column in columns.items()}
        return CurveSet.from_runs([{"run": self.run, **curves}], channels=about)

    # -- saving and restoring ------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Everything it has seen, as strings and numbers that JSON stores exactly.

        >>> import json
        >>> from earlystop_lab.live import Stopper
        >>> first, second = Stopper("UP(2, k=1)"), Stopper("UP(2, k=1)")
        >>> for error in (1.0, 2.0):
        ...     stops = first.update(val=error)
        >>> second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        >>> second.update(val=3.0)
        True
        """
        columns = self._columns.items() if self._count else ()
        lists = {name: _plain(column.tolist()) for name, column in columns}
        state = {**self._settings, "run": self.run, "unit": self._unit, "channels": lists}
        return {**state, "checksum": _checksum(state)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the saved state of a stopper, by replaying the curves in it.

        The run id and the unit of the positions are restored as well, so that the whole run is one
        record. Raises ``ValueError`` if it is not a state, is damaged, or has other settings;
        nothing changes then. A state of an earlier version has no checksum.
        """
        if not isinstance(state, Mapping):
            raise ValueError(f"{state!r} is not the saved state of a Stopper")
        for name, value in self._settings.items():
            if name not in state or state[name] != value:
                raise ValueError(
                    f"the saved state has {name} = {state.get(name)!r}, but this stopper has "
                    f"{value!r}; use the settings that the run began with"
                )
        try:
            run, unit = _named(state["run"], saved=True), state["unit"]
            checked("epoch", Channel(unit=unit))
            lists = {name: [*map(_saved, values)] for name, values in state["channels"].items()}
            if lists:
                if "run" in lists or not all(map(_is_position, lists["epoch"])):
                    raise ValueError("expected a finite position in every row")
                CurveSet.from_runs([{"run": run, **lists}])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not the saved state of a Stopper: {error}") from error
        own = {**self._settings, **{name: state[name] for name in ("run", "unit", "channels")}}
        if "checksum" in state and state["checksum"] != _checksum(own):
            raise ValueError(
                "the saved state is damaged: its checksum differs; load the state of another "
                "checkpoint"
            )
        self._begin()
        self.run, self._unit = run, unit
        for name, values in lists.items():
            self._columns[name] = Growing.of(values)
        self._known.update(lists)
        rows = self._rows()
        seen_by = zip(*(each.all(rows) for each in self._steppers), strict=True)
        for row, now in zip(rows, seen_by, strict=True):
            self._decide(row, list(now))

    @property
    def _settings(self) -> dict[str, Any]:
        about = {
            name: {"direction": channel.direction, "upper": channel.upper}
            for name, channel in self._about.items()
        }
        return {
            "criterion": str(self.criterion),
            "restore": str(self.restore),
            "select": self.select,
            "mode": self.mode,
            "about": about,
        }

    # -- internal ------------------------------------------------------------------------------

    @property
    def _named_unit(self) -> str:
        return self._unit or "epoch"

    def _decide(self, row: Row, now: list[Check]) -> None:
        """Update the decision with a row, given what each criterion sees of it."""
        before, self._now = self._now or now, now
        self._position = epoch = row["epoch"]
        if self._stop is not None:
            self._keep = False
            return
        stops = self._holds(self.criterion)
        kept, candidate = self._kept(row, before, stops)
        self._selected = epoch if math.isnan(kept) else kept
        # if it stops with earlier weights, the current ones must not replace them
        self._keep = candidate == epoch and not (stops and self._selected != epoch)
        if stops:
            self._stop = epoch, self._words(self.criterion)

    def _kept(self, row: Row, before: list[Check], stops: bool) -> tuple[float, float]:
        """The epoch selected if training ends here, and the one that a later check may select.

        NaN means that of the check itself.
        """
        if self._keeper is not None:
            at = self._at[self._keeper]
            now = self._now[at]
            restored = restored_at(self._keeper, now, before[at].restored, stops)
            return restored, now.restored
        if self.restore == "last":
            return math.nan, math.nan
        if self.select in row:
            error = float(taken(row[self.select], self._about[self.select], "error", self.select))
            self._last = math.nan if math.isnan(error) else row["epoch"]
            # NaN is never the lowest; infinity is if there is nothing else
            lower = error < self._lowest or (math.isnan(self._best) and not math.isnan(error))
            if lower and selectable(self._strides, self._checks):
                self._lowest, self._best = error, row["epoch"]
            self._checks += 1
        kept = self._last if math.isnan(self._best) else self._best
        return kept, kept

    def _holds(self, rule: Rule) -> bool:
        if isinstance(rule, Criterion):
            return self._now[self._at[rule]].holds
        return bool(combined(rule.how, [self._holds(member) for member in rule.members]))

    def _words(self, rule: Rule) -> str:
        """Why the rule holds: the statistic of every criterion that contributes."""
        if not isinstance(rule, Criterion):
            return " and ".join(self._words(each) for each in rule.members if self._holds(each))
        return passed(rule, self._now[self._at[rule]].statistic)


def kept_by(rule: Rule, restore: Restore) -> Criterion | None:
    """The rule whose own epoch is selected; None for the lowest error or the last epoch."""
    if isinstance(restore, Criterion):
        return restore
    first = rule.leaves[0]
    return first if restore == "own" and restores_otherwise(first) else None


def looked_at(rule: Rule, restore: Restore) -> list[Criterion]:
    """The criteria that decide, and the one whose epoch is selected."""
    keeper = kept_by(rule, restore)
    return [*dict.fromkeys([*rule.leaves, *([keeper] if keeper else [])])]


def watched_by(rule: Rule, restore: Restore, select: str) -> list[str]:
    """The channels that these criteria watch, and the selecting one."""
    watched = [name for leaf in looked_at(rule, restore) for name in leaf.channels]
    return [*dict.fromkeys([*watched, select])]


def _number(name: str, value: Any) -> float:
    number = as_number(value)
    if number is None:
        raise ValueError(f"{name} = {value!r}; expected a number")
    return number


def _checksum(state: Mapping[str, Any]) -> str:
    """A digest of a state, which is the same after it was stored as JSON."""
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _saved(value: object) -> float | None:
    """A value of a saved state: a number, or the text of one that JSON lacks."""
    if isinstance(value, str) and value in ("nan", "inf", "-inf"):
        return float(value)
    if value is None:
        return None
    if (number := as_number(value)) is None:
        raise ValueError(f"expected a number, found {type(value).__name__}")
    return number


def _is_position(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _named(run: str | None, *, saved: bool = False) -> str:
    """The run id, checked to be usable as a file name."""
    if run is None and not saved:
        return f"{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}"
    odd = set('/\\\0:*?"<>|')
    fine = isinstance(run, str) and run not in ("", ".", "..") and odd.isdisjoint(run)
    # half of a character, which no file can store
    fine = fine and not any("\ud800" <= char <= "\udfff" for char in str(run))
    require("run", run, fine, "a name that a file can have, without folders")
    return str(run)


def _is_file(record: Path) -> bool:
    return record.suffix in (".parquet", ".arrow")


def _made(record: Path) -> Path:
    """The path, after making its folder, so that an error occurs before the training."""
    (record.parent if _is_file(record) else record).mkdir(parents=True, exist_ok=True)
    return record


def _file(record: Path, run: str) -> Path:
    return record if _is_file(record) else file_in(record, run)


def _plain(values: Iterable[float | None]) -> list[float | str | None]:
    """Numbers for JSON; those that it lacks as strings that ``float`` reads."""
    return [v if v is None or math.isfinite(v) else repr(v) for v in values]


def _whole(epoch: float) -> float:
    """An integral epoch as int."""
    return int(epoch) if epoch == math.floor(epoch) else epoch
