"""From recorded columns to the curves of one run: positions, resumed pieces, sparse validation."""

from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earlystop_lab.curves import FloatArray
from earlystop_lab.sources.logs._cells import LogError, shown
from earlystop_lab.sources.logs._channels import Choice, is_epoch
from earlystop_lab.sources.logs._columns import IntArray, Log, Role

_ROLES: tuple[Role, ...] = ("val", "train", "test")


class Points(NamedTuple):
    """The rows in which something was measured."""

    at: FloatArray
    #: a value a row, by channel
    values: dict[Role, FloatArray]
    #: the rows of each channel
    there: dict[Role, NDArray[np.bool_]]

    def take(self, rows: IntArray | NDArray[np.bool_]) -> "Points":
        return Points(
            self.at[rows],
            {role: values[rows] for role, values in self.values.items()},
            {role: there[rows] for role, there in self.there.items()},
        )

    def any(self, roles: Sequence[Role]) -> NDArray[np.bool_]:
        """Where one of the channels was measured."""
        found = np.zeros(len(self.at), bool)
        for role in roles:
            found |= self.there.get(role, False)
        return found


class Measured(NamedTuple):
    """One run's curves and what it took to get them."""

    run: dict[str, Any]
    notes: list[str]
    skipped: list[LogError]


def measure(log: Log, choice: Choice) -> Measured:
    """The curves of a run: the checks at which ``val`` was measured, in order.

    ``train`` and ``test`` are their values at the same position or, where they were measured
    less often, the last ones before it. Raises :class:`LogError` where no check is left.
    """
    notes, skipped = list(log.notes), list(log.skipped)
    points = _without_gaps(_points(log, choice, skipped), choice.val, notes)
    if choice.stands_in and _is_doubled(points):
        raise LogError(
            f"every position has two values of {shown(choice.val)}, and nothing says which of them "
            f"is of validation; where both are of training name it: val={choice.val!r}"
        )
    if choice.epoch is not None and (log.rounds or is_epoch(choice.epoch)):
        points = _from_one(points, choice.epoch, notes)
    clocks = [_ROLES] if log.shared else [(role,) for role in _ROLES]
    series: dict[Role, tuple[FloatArray, FloatArray]] = {}
    for roles in clocks:
        own = points.take(points.any(roles))
        own = own.take(_in_order(own, roles, notes))
        for role in roles:
            if (there := own.there.get(role)) is not None and there.any():
                at = own.at[there]
                # a later value at the same position is the one that counts
                last = np.append(at[1:] != at[:-1], True)
                series[role] = at[last], own.values[role][there][last]
    if "val" not in series:
        why = f"; line {skipped[0].line}: {skipped[0]}" if skipped else ""
        raise LogError(f"no value of {shown(choice.val)} could be read{why}")
    epoch, val = series["val"]
    run: dict[str, Any] = {"val": val}
    for role in ("train", "test"):
        if role in series:
            run[role] = _at_checks(*series[role], epoch, role, notes)
    return Measured({**run, "epoch": epoch}, notes, skipped)


def _points(log: Log, choice: Choice, skipped: list[LogError]) -> Points:
    """What was measured, row by row; rows that cannot be read go to ``skipped``."""
    names: dict[Role, str | None] = {"val": choice.val, "train": choice.train, "test": choice.test}
    columns = {role: log.numbers(name) for role, name in names.items() if name is not None}
    values, there = {}, {}
    measured = np.zeros(len(log), bool)
    wrong: dict[int, LogError] = {}
    for role, numbers in columns.items():
        values[role], there[role] = numbers.in_rows(len(log))
        if names[role] in choice.higher:
            values[role] = -values[role]
        measured |= there[role]
        wrong = {**numbers.wrong, **wrong}
    measured[list(wrong)] = True
    at, misplaced = _positions(log, choice.epoch, measured)
    wrong = {**misplaced, **wrong}
    for row in sorted(wrong):
        skipped.append(LogError(str(wrong[row]), int(log.lines[row])))
    measured[list(wrong)] = False
    return Points(at, values, there).take(measured)


def _positions(
    log: Log, name: str | None, measured: NDArray[np.bool_]
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
        wrong[row] = LogError(f"column {shown(name)}: no position in a row with measurements")
    # beyond 2**53 neighbouring integers are one and the same float
    misplaced = np.flatnonzero(measured & ~((at >= 0) & (at < 2**53))).tolist()
    beyond = [row for row in misplaced if row not in wrong]
    cells = log.cells(name) if beyond else []
    for row in beyond:
        wrong[row] = LogError(
            f"column {shown(name)}: {shown(cells[row])} is no position; "
            "expected an epoch or step from 0 to 2**53"
        )
    return at, wrong


def _without_gaps(points: Points, name: str, notes: list[str]) -> Points:
    """The points without the NaN that say "not measured": between any two values there is one."""
    there = points.there["val"]
    nan = np.isnan(points.values["val"][there])
    if (~nan).sum() < 2 or not (nan[1:] | nan[:-1]).all():
        return points
    notes.append(f"{shown(name)} is NaN between any two of its values: read as not measured")
    kept = there & ~np.isnan(points.values["val"])
    points = points._replace(there={**points.there, "val": kept})
    return points.take(points.any(_ROLES))


def _is_doubled(points: Points) -> bool:
    """Whether two sets without names may be mixed: every position has exactly two values."""
    there = points.there["val"]
    pairs = np.unique(np.stack([points.at[there], points.values["val"][there]]), axis=1)
    times = np.unique(pairs[0], return_counts=True)[1]
    return len(times) > 1 and bool((times == 2).all())


def _from_one(points: Points, name: str, notes: list[str]) -> Points:
    """Epochs or rounds counted from 0 counted from 1 instead."""
    at = points.at
    if not len(at) or at.min() != 0 or (at % 1).any():
        return points
    notes.append(f"{shown(name)} counts from 0: recorded + 1")
    return points._replace(at=at + 1)


def _in_order(points: Points, roles: Sequence[Role], notes: list[str]) -> IntArray:
    """The points by position, a resumed piece in place of what it repeats.

    Training that resumes goes back to a position that was there before; all from there on was
    abandoned, whether or not the later piece gets as far. A position that was not there before
    is a row out of its place, and only sorted. A final test leaves the order alone, and so does a
    last row that says again what was measured: both may be of the best weights.
    """
    at = points.at
    if (at[1:] > at[:-1]).all():
        return np.arange(len(at))
    own = [role for role in roles if role in points.there]
    keys = sum(np.int64(1 << k) * points.there[role] for k, role in enumerate(own))
    test = np.int64(1 << own.index("test")) if "test" in own and len(roles) > 1 else -1
    kept: list[tuple[float, int]] = []
    seen: set[float] = set()
    strays = again = 0
    tests = []
    places, has = at.tolist(), np.asarray(keys).tolist()
    for i, place in enumerate(places):
        if has[i] == test:
            tests.append((place, i))
            continue
        if i == len(places) - 1 and _is_said(points):
            again += 1
            continue
        if kept and place < kept[-1][0]:
            if place in seen:
                cut = bisect_left(kept, (place, -1))
                notes.append(
                    f"{' '.join(roles) + ': ' if len(roles) == 1 else ''}resumed at {place:g} "
                    f"after {kept[-1][0]:g}: the later values replace the {len(kept) - cut} from "
                    "there on"
                )
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
    if strays:
        notes.append(f"{strays} rows out of order: sorted by position")
    if again:
        notes.append(f"{again} positions recorded more than once: the last value of each is kept")
    return np.array([i for _, i in sorted(kept + tests)], np.int64)


def _is_said(points: Points) -> bool:
    """Whether the last point says what was said, and training went on from there."""
    at, there = points.at, points.there.get("val", np.zeros(len(points.at), bool))
    if not there[-1] or at.max() <= at[-1]:
        return False
    said = (points.values["val"] == points.values["val"][-1]) & there & (at == at[-1])
    return bool(said[:-1].any())


def _at_checks(
    at: FloatArray, values: FloatArray, epoch: FloatArray, role: Role, notes: list[str]
) -> FloatArray:
    """The value at each check or the last before it; NaN, and a note, where there is none."""
    latest = np.searchsorted(at, epoch, side="right") - 1
    if missing := int((latest < 0).sum()):
        notes.append(f"{role} was not measured up to the first {missing} checks: NaN there")
    return np.where(latest >= 0, values[latest], np.nan)
