"""From recorded rows to the curves of one run: positions, resumed pieces, sparse validation."""

import math
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from earlystop_lab.sources.logs._channels import Choice, is_epoch
from earlystop_lab.sources.logs._reading import Log, LogError, Role, shown

_ROLES: tuple[Role, ...] = ("val", "train", "test")


class Point(NamedTuple):
    """What was measured at one position, by channel."""

    at: float
    values: dict[Role, float]


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
    series: dict[Role, dict[float, float]] = {role: {} for role in _ROLES}
    for roles in clocks:
        for point in _in_order([p for p in points if p.values.keys() & {*roles}], roles, notes):
            for role in point.values.keys() & {*roles}:
                # a later value at the same position is the one that counts
                series[role].pop(point.at, None)
                series[role][point.at] = point.values[role]
    if not series["val"]:
        why = f"; line {skipped[0].line}: {skipped[0]}" if skipped else ""
        raise LogError(f"no value of {shown(choice.val)} could be read{why}")
    epoch = sorted(series["val"])
    run: dict[str, Any] = {"val": [series["val"][at] for at in epoch]}
    for role in ("train", "test"):
        if series[role]:
            run[role] = _at_checks(series[role], epoch, role, notes)
    return Measured({**run, "epoch": epoch}, notes, skipped)


def _points(log: Log, choice: Choice, skipped: list[LogError]) -> list[Point]:
    """What was measured, row by row; rows that cannot be read go to ``skipped``."""
    names: dict[Role, str | None] = {"val": choice.val, "train": choice.train, "test": choice.test}
    columns = {role: log.numbers(name) for role, name in names.items() if name is not None}
    negated = {role for role, name in names.items() if name in choice.higher}
    places = _positions(log, choice.epoch)
    points = []
    for i, (line, _) in enumerate(log.rows):
        row = {role: column[i] for role, column in columns.items() if column[i] is not None}
        wrong = [each for each in (*row.values(), places[i]) if isinstance(each, LogError)]
        if row and wrong:
            skipped.append(LogError(str(wrong[0]), line))
        elif row:
            values = {role: -value if role in negated else value for role, value in row.items()}
            points.append(Point(places[i], values))
    return points


def _positions(log: Log, name: str | None) -> list[Any]:
    """The position of each row, which is its number where no column has it; or what is wrong."""
    if name is None:
        # lines that were left out count too: the checks after them keep their place
        lines = sorted({line for line, _ in log.rows} | {e.line for e in log.skipped if e.line})
        counted = {line: float(k) for k, line in enumerate(lines, start=1)}
        return [counted[line] for line, _ in log.rows]
    places: list[Any] = []
    for (_, cells), at in zip(log.rows, log.numbers(name), strict=True):
        if at is None:
            at = LogError(f"column {shown(name)}: no position in a row with measurements")
        # beyond 2**53 neighbouring integers are one and the same float
        elif isinstance(at, float) and not 0 <= at < 2**53:
            at = LogError(
                f"column {shown(name)}: {shown(cells.get(name))} is no position; "
                "expected an epoch or step from 0 to 2**53"
            )
        places.append(at)
    return places


def _without_gaps(points: list[Point], name: str, notes: list[str]) -> list[Point]:
    """The points without the NaN that say "not measured": between any two values there is one."""
    nan = [math.isnan(p.values["val"]) for p in points if "val" in p.values]
    if nan.count(False) < 2 or (False, False) in pairwise(nan):
        return points
    notes.append(f"{shown(name)} is NaN between any two of its values: read as not measured")
    left = [
        Point(p.at, {r: v for r, v in p.values.items() if r != "val" or not math.isnan(v)})
        for p in points
    ]
    return [point for point in left if point.values]


def _is_doubled(points: list[Point]) -> bool:
    """Whether two sets without names may be mixed: every position has exactly two values."""
    values = {(p.at, p.values["val"]) for p in points if "val" in p.values}
    times = Counter(at for at, _ in values)
    return len(times) > 1 and {*times.values()} == {2}


def _from_one(points: list[Point], name: str, notes: list[str]) -> list[Point]:
    """Epochs or rounds counted from 0 counted from 1 instead."""
    places = [point.at for point in points]
    if min(places, default=1) != 0 or not all(map(float.is_integer, places)):
        return points
    notes.append(f"{shown(name)} counts from 0: recorded + 1")
    return [Point(at + 1, values) for at, values in points]


def _in_order(points: list[Point], roles: Sequence[Role], notes: list[str]) -> list[Point]:
    """The points by position, a resumed piece in place of what it repeats.

    Training that resumes goes back to a position that was there before; all from there on was
    abandoned, whether or not the later piece gets as far. A position that was not there before
    is a row out of its place, and only sorted. A final test leaves the order alone, and so does a
    last row that says again what was measured: both may be of the best weights.
    """
    kept: list[tuple[float, int]] = []
    seen: set[float] = set()
    strays = again = 0
    tests = []
    for i, point in enumerate(points):
        if point.values.keys() <= {"test"} and len(roles) > 1:
            tests.append((point.at, i))
            continue
        if i == len(points) - 1 and _is_said(point, points[:i]):
            again += 1
            continue
        at = point.at
        if kept and at < kept[-1][0]:
            if at in seen:
                cut = bisect_left(kept, (at, -1))
                notes.append(
                    f"{' '.join(roles) + ': ' if len(roles) == 1 else ''}resumed at {at:g} after "
                    f"{kept[-1][0]:g}: the later values replace the {len(kept) - cut} from there on"
                )
                seen.difference_update(p for p, _ in kept[cut:])
                del kept[cut:]
            else:
                strays += 1
            insort(kept, (at, i))
        else:
            if kept and at == kept[-1][0]:
                again += bool(points[kept[-1][1]].values.keys() & point.values.keys())
            kept.append((at, i))
        seen.add(at)
    if strays:
        notes.append(f"{strays} rows out of order: sorted by position")
    if again:
        notes.append(f"{again} positions recorded more than once: the last value of each is kept")
    return [points[i] for _, i in sorted(kept + tests)]


def _is_said(last: Point, points: list[Point]) -> bool:
    """Whether the same was measured at the same position, and training went on from there."""
    there = [p.values["val"] for p in points if p.at == last.at and "val" in p.values]
    said = [value for value in there if value == last.values.get("val")]
    return bool(said) and max([point.at for point in points]) > last.at


def _at_checks(
    series: dict[float, float], epoch: list[float], role: Role, notes: list[str]
) -> list[float]:
    """The value at each check or the last before it; NaN, and a note, where there is none."""
    at = sorted(series)
    latest = [bisect_right(at, check) - 1 for check in epoch]
    if missing := latest.count(-1):
        notes.append(f"{role} was not measured up to the first {missing} checks: NaN there")
    return [series[at[k]] if k >= 0 else math.nan for k in latest]
