"""From recorded columns to the channels of a run: positions, resumed pieces, sparse validation."""

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earlystop_lab.curves import Channel, FloatArray
from earlystop_lab.sources.logs._about import ERRORS, Named, unit, with_units
from earlystop_lab.sources.logs._cells import LogError, listed, shown
from earlystop_lab.sources.logs._channels import Choice, is_epoch
from earlystop_lab.sources.logs._columns import IntArray, Log, Numbers
from earlystop_lab.sources.logs._epochs import epochs_of

BoolArray = NDArray[np.bool_]
Cells = FloatArray | np.ma.MaskedArray[Any, Any]
#: what a check keeps of a training curve that is logged more often than the validation error
Between = Literal["last", "mean"]


class Series(NamedTuple):
    """A channel: where it was measured, increasing, and what."""

    at: FloatArray
    values: FloatArray


class Points(NamedTuple):
    """The rows of a log in which something was measured, and where they are."""

    rows: IntArray
    at: FloatArray
    #: the numbers of each channel; those of other rows do not count
    numbers: Mapping[str, Numbers]

    def within(self, name: str) -> tuple[IntArray, FloatArray]:
        """The points, by number, at which a channel was measured, and its values there."""
        rows, values, _ = self.numbers[name]
        if rows is self.rows:
            return np.arange(len(rows)), values
        there = np.searchsorted(self.rows, rows)
        there[there == len(self.rows)] = 0
        known = self.rows[there] == rows if len(self.rows) else np.zeros(len(rows), bool)
        return (there, values) if known.all() else (there[known], values[known])

    def where(self, name: str) -> BoolArray:
        """Whether a channel was measured, point by point."""
        found = np.zeros(len(self.rows), bool)
        if name in self.numbers:
            found[self.within(name)[0]] = True
        return found

    def take(self, kept: BoolArray) -> "Points":
        return self._replace(rows=self.rows[kept], at=self.at[kept])


class Measured(NamedTuple):
    """One run's channels and what it took to get them."""

    run: dict[str, Any]
    #: what is known of each channel of the run
    about: dict[str, Channel]
    notes: list[str]
    skipped: list[LogError]


class Rows(NamedTuple):
    """The positions that a run keeps: its checks, and where training began and ended."""

    at: FloatArray
    #: the position after which a row takes what was measured up to its own: the check before
    since: FloatArray


def measure(
    log: Log, choice: Choice, channels: Mapping[str, Named], between: Between = "last"
) -> Measured:
    """The channels of a run at its checks, the positions at which ``val`` was measured, in order.

    Of what was measured more often, a check keeps the last value since the check before, of a
    training curve the mean of all values since then where ``between`` is "mean"; what was not
    measured since then is masked. The first and the last position of the training curves are kept,
    too, with ``val`` masked: they say when training began and ended. Without ``val``, all
    positions are kept. Raises :class:`LogError` where none is left.
    """
    notes, skipped = list(log.notes), list(log.skipped)
    points = _points(log, choice, channels, notes, skipped)
    if "val" in channels:
        points = _without_gaps(points, channels["val"].column, notes)
        if choice.of_no_set and _is_doubled(points):
            raise LogError(
                f"every position has two values of {shown(choice.val)}, and it is unclear which of "
                "them is the validation value; if both are training values, pass "
                f"val={choice.val!r}"
            )
    if choice.epoch is not None and (log.rounds or is_epoch(choice.epoch)):
        points = _from_one(points, choice.epoch, log.from_zero, notes)
    series = _series(log, channels, points, notes)
    if "val" in channels and "val" not in series:
        why = f"; line {skipped[0].line}: {skipped[0]}" if skipped else ""
        raise LogError(f"no value of {shown(choice.val)} could be read{why}")
    about = {name: each.about for name, each in channels.items()}
    of_training = [name for name in series if _is_of_training(about[name])]
    rows = _rows(series, of_training)
    run: dict[str, Any] = {"epoch": rows.at, "epoch.unit": unit(log, choice)}
    for name, each in series.items():
        if name in ERRORS and (early := int(np.searchsorted(series["val"].at, each.at[0]))):
            notes.append(f"{name} was not measured at the first {early} checks")
        if between == "mean" and name in of_training and len(each.at) > len(rows.at):
            run[name] = _means(each, rows)
            about[name] = about[name]._replace(metric=f"{about[name].metric} ({_MEAN})")
            notes.append(f"{name} is the {_MEAN}")
        else:
            run[name] = _last_values(each, rows)
    if nowhere := [name for name in series if run[name] is None]:
        were, are = ("was", "is") if len(nowhere) == 1 else ("were", "are")
        notes.append(f"{listed(nowhere)} {were} not measured at any check and {are} left out")
    used = {*(each.column for each in channels.values()), choice.epoch}
    for name, cell in with_units(log):
        if name not in used:
            notes.append(
                f"{shown(name)} has a unit behind every number, such as {shown(cell)}, and is left "
                "out; write the numbers alone to keep it"
            )
    if (epochs := _as_epochs(log, choice, rows.at)) is not None:
        assert choice.epoch is not None, "there are no steps without a column of them"
        run |= {"epoch": epochs, "epoch.unit": "epoch", "step": rows.at}
        about["step"] = Channel(unit="step", source=choice.epoch)
        run |= {name: None for name, each in channels.items() if each.column == choice.epochs}
    run = {name: cells for name, cells in run.items() if cells is not None}
    return Measured(run, {name: about[name] for name in about if name in run}, notes, skipped)


# -- which rows count --------------------------------------------------------------------------


def _points(
    log: Log,
    choice: Choice,
    channels: Mapping[str, Named],
    notes: list[str],
    skipped: list[LogError],
) -> Points:
    """What was measured; rows whose errors cannot be read go to ``skipped``.

    Of the other channels what cannot be read is left out, with a note.
    """
    numbers = {name: log.numbers(each.column) for name, each in channels.items()}
    errors, others = np.zeros(len(log), bool), np.zeros(len(log), bool)
    wrong: dict[int, LogError] = {}
    for name, found in numbers.items():
        if name in ERRORS:
            errors[found.rows] = True
            wrong = {**found.wrong, **wrong}
        else:
            others[found.rows] = True
            notes += _left_out(log, channels[name].column, found.wrong)
    errors[list(wrong)] = True
    at, misplaced = _positions(log, choice.epoch, errors)
    wrong = {**misplaced, **wrong}
    for row in sorted(wrong):
        skipped.append(LogError(str(wrong[row]), int(log.lines[row])))
    placed = (at >= 0) & (at < 2**53)
    if nowhere := int((others & ~errors & ~placed).sum()):
        notes.append(f"{nowhere} rows have neither a position nor an error and are left out")
    measured = (errors | others) & placed
    measured[list(wrong)] = False
    rows = np.flatnonzero(measured)
    if len(rows) == len(log):  # the very array of columns with a cell in each row
        rows = next((n.rows for n in numbers.values() if len(n.rows) == len(log)), rows)
        return Points(rows, at, numbers)
    return Points(rows, at[measured], numbers)


def _left_out(log: Log, column: str, wrong: Mapping[int, LogError]) -> list[str]:
    if not wrong:
        return []
    row = min(wrong)
    more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
    return [f"line {log.lines[row]}{more}: {wrong[row]}; left out"]


def _positions(
    log: Log, name: str | None, measured: BoolArray
) -> tuple[FloatArray, dict[int, LogError]]:
    """The position of each row, which is its number where no column has it; and what is wrong."""
    if name is None:
        # lines that were left out count too: the checks after them keep their place
        lines = np.unique([*log.lines.tolist(), *(e.line for e in log.skipped if e.line)])
        return np.searchsorted(lines, log.lines).astype(np.float64) + 1, {}
    numbers = log.numbers(name)
    at, there = numbers.in_rows(len(log))
    wrong = {row: error for row, error in numbers.wrong.items() if measured[row]}
    there[list(wrong)] = True
    for row in np.flatnonzero(measured & ~there).tolist():
        wrong[row] = LogError(f"column {shown(name)}: the row has measurements but no position")
    # beyond 2**53 neighbouring integers are one and the same float
    misplaced = np.flatnonzero(measured & ~((at >= 0) & (at < 2**53))).tolist()
    beyond = [row for row in misplaced if row not in wrong]
    cells = log.cells(name) if beyond else []
    for row in beyond:
        wrong[row] = LogError(
            f"column {shown(name)}: {shown(cells[row])} is not a valid position; "
            "expected an epoch or step from 0 to 2**53"
        )
    return at, wrong


def _without_gaps(points: Points, column: str, notes: list[str]) -> Points:
    """The points without the NaN that say "not measured": between any two values there is one."""
    there, values = points.within("val")
    nan = np.isnan(values)
    if (~nan).sum() < 3 or not (nan[1:] | nan[:-1]).all():
        return points
    notes.append(
        f"{shown(column)} is NaN between any two of its values, which is read as not measured"
    )
    val = Numbers(points.rows[there[~nan]], values[~nan], {})
    points = points._replace(numbers={**points.numbers, "val": val})
    measured = np.zeros(len(points.rows), bool)
    for name in points.numbers:
        measured |= points.where(name)
    return points.take(measured)


def _is_doubled(points: Points) -> bool:
    """Whether two sets without names may be mixed: every position has exactly two values."""
    there, values = points.within("val")
    pairs = np.unique(np.stack([points.at[there], values]), axis=1)
    times = np.unique(pairs[0], return_counts=True)[1]
    return len(times) > 1 and bool((times == 2).all())


def _from_one(points: Points, name: str, from_zero: bool, notes: list[str]) -> Points:
    """Epochs or rounds counted from 0 counted from 1 instead, as in every format.

    A log counts from 0 where its first position is 0, and where it is of a program that does and
    names each epoch from a later one on; 1 is where programs begin that count from 1.
    """
    at = points.at
    if not len(at) or (at % 1).any():
        return points
    later = from_zero and at.min() > 1 and bool((np.diff(np.unique(at)) == 1).all())
    if at.min() != 0 and not later:
        return points
    notes.append(f"{shown(name)} counts from 0; 1 was added")
    return points._replace(at=at + 1)


# -- in which order ----------------------------------------------------------------------------


def _series(
    log: Log, channels: Mapping[str, Named], points: Points, notes: list[str]
) -> dict[str, Series]:
    """Every channel in order; a later value at the same position is the one that counts."""
    rising = bool((points.at[1:] > points.at[:-1]).all())
    ranks = _ranks(channels, points, notes) if log.shared and not rising else None
    series = {}
    for name in channels:
        if rising and points.numbers[name].rows is points.rows:
            series[name] = Series(points.at, points.numbers[name].values)
            continue
        there, values = points.within(name)
        at = points.at[there]
        if rising:
            order = np.arange(len(there))
        elif ranks is None:
            # each column keeps its own steps
            last = name == "val" and _is_said(at, values)
            one = np.ones(len(at), np.int64)
            said = notes if name in ERRORS else []
            order = _in_order(at, one, one == 0, last, f"{name}: ", said)
        else:
            order = np.argsort(ranks[there], kind="stable")[np.count_nonzero(ranks[there] < 0) :]
        if len(order) < len(at) or (order[1:] < order[:-1]).any():
            at, values = at[order], values[order]
        if len(at):
            last_there = np.append(at[1:] != at[:-1], True)
            if not last_there.all():
                at, values = at[last_there], values[last_there]
            series[name] = Series(at, values)
    return series


def _ranks(channels: Mapping[str, Named], points: Points, notes: list[str]) -> IntArray:
    """The place of each point in the order, -1 of those that do not count."""
    test, other = np.zeros(len(points.rows), bool), np.zeros(len(points.rows), bool)
    for name, (_, about) in channels.items():
        if about.direction is not None:
            of = test if about.role == "test" else other
            of |= points.where(name)
    keys = np.zeros(len(points.rows), np.int64)
    for k, name in enumerate(ERRORS):
        keys |= np.int64(1 << k) * points.where(name)
    last = False
    if "val" in points.numbers:
        there, values = points.within("val")
        ends = len(there) > 0 and there[-1] == len(points.rows) - 1
        last = ends and points.at.max() > points.at[-1] and _is_said(points.at[there], values)
    order = _in_order(points.at, keys, test & ~other, last, "", notes)
    ranks = np.full(len(points.rows), -1)
    ranks[order] = np.arange(len(order))
    return ranks


def _in_order(
    at: FloatArray, keys: IntArray, tests: BoolArray, last_is_said: bool, of: str, notes: list[str]
) -> IntArray:
    """The points by position, a resumed piece in place of what it repeats.

    Training that resumes goes back to a position that was there before; all from there on was
    abandoned, whether or not the later piece gets as far. A position that was not there before
    is a row out of its place, and only sorted. A final test leaves the order alone, and so does a
    last row that says again what was measured: both may be of the best weights. ``keys`` are the
    errors of each point, a bit each.
    """
    if (at[1:] >= at[:-1]).all() and not tests.any():
        again = int(((at[1:] == at[:-1]) & ((keys[1:] & keys[:-1]) != 0)).sum())
        _note_again(again, notes)
        return np.arange(len(at))
    kept: list[tuple[float, int]] = []
    seen: set[float] = set()
    strays = again = 0
    resumed: list[tuple[float, float, int]] = []
    final = []
    places, has, is_test = at.tolist(), keys.tolist(), tests.tolist()
    for i, place in enumerate(places):
        if is_test[i]:
            final.append((place, i))
            continue
        if i == len(places) - 1 and last_is_said:
            again += 1
            continue
        if kept and place < kept[-1][0]:
            if place in seen:
                cut = bisect_left(kept, (place, -1))
                resumed.append((place, kept[-1][0], len(kept) - cut))
                seen.difference_update(p for p, _ in kept[cut:])
                del kept[cut:]
            else:
                strays += 1
            insort(kept, (place, i))
        else:
            if kept and place == kept[-1][0]:
                again += bool(has[kept[-1][1]] & has[i])
            kept.append((place, i))
        seen.add(place)
    if resumed:
        place, after, _ = resumed[0]
        replaced = sum(count for *_, count in resumed)
        more = f" and {len(resumed) - 1} more times" if len(resumed) > 1 else ""
        notes.append(
            f"{of}training resumed at {place:g} after {after:g}{more}; the new values replace the "
            f"{replaced} recorded before from there on"
        )
    if strays:
        notes.append(f"{strays} rows were out of order; the rows are sorted by position")
    _note_again(again, notes)
    return np.array([i for _, i in sorted(kept + final)], np.int64)


def _note_again(again: int, notes: list[str]) -> None:
    if again:
        notes.append(
            f"{again} positions were recorded more than once; the last value of each is kept"
        )


def _is_said(at: FloatArray, values: FloatArray) -> bool:
    """Whether the last value was there before at its position, and training went on from there."""
    if not len(at) or at.max() <= at[-1]:
        return False
    return bool(((values == values[-1]) & (at == at[-1]))[:-1].any())


# -- at the checks -----------------------------------------------------------------------------

_MEAN = "mean since the previous check"


def _is_of_training(about: Channel) -> bool:
    """Whether a channel is an error or a score that was measured while training."""
    return about.direction is not None and about.role == "train"


def _rows(series: Mapping[str, Series], of_training: Sequence[str]) -> Rows:
    """The positions to keep; those of training before the first check and after the last one."""
    if not series:
        raise LogError("the log contains no number with a position")
    if "val" not in series:
        at = np.unique(np.concatenate([each.at for each in series.values()]))
        return Rows(at, np.append(-np.inf, at[:-1]))
    at = series["val"].at
    since = np.append(-np.inf, at[:-1])
    ends = [series[name].at for name in of_training]
    if (first := min((each[0] for each in ends), default=np.inf)) < at[0]:
        at, since = np.append(first, at), np.append(-np.inf, since)
    if (last := max((each[-1] for each in ends), default=-np.inf)) > at[-1]:
        at, since = np.append(at, last), np.append(since, at[-1])
    return Rows(at, since)


def _last_values(series: Series, rows: Rows) -> Cells | None:
    """The last value of each row, masked where there is none; None where there is none in any."""
    if series.at is rows.at or np.array_equal(series.at, rows.at):
        return series.values
    latest = np.searchsorted(series.at, rows.at, side="right") - 1
    missing = (latest < 0) | (series.at[latest] <= rows.since)
    if missing.all():
        return None
    values = series.values[latest]
    return np.ma.array(values, mask=missing) if missing.any() else values


def _means(series: Series, rows: Rows) -> Cells | None:
    """The mean of the values of each row, NaN where one of them is, masked where there is none."""
    first = np.searchsorted(series.at, rows.since, side="right")
    count = np.searchsorted(series.at, rows.at, side="right") - first
    if not count.any():
        return None
    some = count > 0
    means = np.full(len(rows.at), np.nan)
    ends = np.stack([first, first + count], axis=1)[some].ravel()
    with np.errstate(invalid="ignore", over="ignore"):  # as of inf and -inf
        means[some] = np.add.reduceat(np.append(series.values, 0.0), ends)[::2] / count[some]
    return means if some.all() else np.ma.array(means, mask=~some)


def _as_epochs(log: Log, choice: Choice, at: FloatArray) -> FloatArray | None:
    """The checks in epochs, where they are steps and the log says which epoch those are in."""
    if choice.epochs is None or choice.epoch is None or unit(log, choice) != "step":
        return None
    steps, epochs = log.numbers(choice.epoch), log.numbers(choice.epochs)
    if log.shared and choice.val is not None:
        # rows of validation that say no epoch may count something else
        checks = log.numbers(choice.val).rows
        if np.isin(checks, epochs.rows, assume_unique=True).sum() <= len(checks) / 2:
            return None
    rows = np.intersect1d(steps.rows, epochs.rows, assume_unique=True)
    # a row from before training, as H2O writes it, would say that epochs are counted from 0
    curves = [log.numbers(name).rows for name in (choice.val, choice.train) if name is not None]
    rows = rows[rows >= min((measured[0] for measured in curves if len(measured)), default=0)]
    return epochs_of(
        at,
        steps.values[np.searchsorted(steps.rows, rows)],
        epochs.values[np.searchsorted(epochs.rows, rows)],
        log.epoch_steps,
    )
