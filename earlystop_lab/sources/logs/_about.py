"""What the columns of a log are as channels of a run: their names, roles, directions, units."""

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from earlystop_lab._common.wording import word_set
from earlystop_lab.curves import Channel, Mode, Role, canonical
from earlystop_lab.sources.logs._cells import BLANK, is_number
from earlystop_lab.sources.logs._channels import (
    Choice,
    is_epoch,
    is_position,
    is_run,
    meaning,
    words,
)
from earlystop_lab.sources.logs._columns import Column, Log
from earlystop_lab.sources.logs._finding import clean

#: cells looked at to see whether a column has numbers
_LOOK = 50
#: a number with its unit behind it
_WITH_UNIT = re.compile(r"[+-]?\d[\d.,]*\s?(?P<unit>[^\W\d_]{1,5}(?:/[^\W\d_]{1,5})?|%)")
#: what a channel of a log cannot be called: ids, positions, errors, metadata
_TAKEN = frozenset({"run", "epoch", "val", "train", "test", "format", "file", "problem", "dataset"})
_FACT = re.compile(r".*\.(?:metric|data|source|stand_in|unit)")
#: LightGBM's name for a metric of a set
_POSSESSIVE = re.compile(r"(.+)'s (.+)", re.DOTALL)
_SET = "training|train|validation|valid|val|evaluation|eval|dev|testing|test"
_BEFORE = re.compile(
    rf"(?:metrics/)?(?:(?:{_SET})(?:_\d+)?(?:[_/.\- ]+|(?=[A-Z])))?", re.IGNORECASE
)
_AFTER = re.compile(rf"[_/.\- ](?:{_SET})$", re.IGNORECASE)
_ROUNDS = frozenset({"round", "boosting_round", "tree", "trees", "number_of_trees"})
_SECONDS = re.compile(
    r"(?:.*[^a-z])?(?:seconds|secs|sec|runtime|elapsed|elapsed_time|time_elapsed)", re.IGNORECASE
)
#: scores that are shares of something, by the words of their names
_BOUNDED = word_set(
    """
    accuracy acc auc auroc auprc aucpr prauc rocauc ap map f precision recall iou miou dice
    sensitivity specificity
    """
)


#: the errors of a run, in this order
ERRORS: tuple[Role, ...] = ("val", "train", "test")


class Named(NamedTuple):
    """A channel of a run: the column that it is, and what is known of it."""

    column: str
    about: Channel


def channels(log: Log, choice: Choice) -> dict[str, Named]:
    """Every channel of a run by name: the errors that were chosen, then all other numbers.

    A name that is taken gets " (logged)" behind it.
    """
    chosen: dict[Role, str | None] = {"val": choice.val, "train": choice.train, "test": choice.test}
    validated = {meaning(name).metric for name in log.columns if meaning(name).role == "val"}
    found: dict[str, Named] = {
        role: Named(column, _of_role(log, choice, role, column, validated))
        for role, column in chosen.items()
        if column is not None
    }
    used = {*chosen.values(), choice.epoch}
    # where steps may become epochs, they are kept as that
    taken = _TAKEN if choice.epochs is None else _TAKEN | {"step"}
    for column in _numeric(log):
        if column in used or is_run(column):
            continue
        name = clean(_as_live(canonical(column)))
        if name in taken or name in found or _FACT.fullmatch(name):
            name = f"{name} (logged)"
        about = _of_column(log, column, validated)
        known = about._replace(source=column if name != column else None)
        found.setdefault(name, Named(column, known))
    return found


def _as_live(column: str) -> str:
    """The name that a metric of LightGBM has in a live record: ``valid_0's auc`` is valid_0-auc."""
    of_set = _POSSESSIVE.fullmatch(column)
    return f"{of_set[1]}-{of_set[2]}" if of_set else column


def unit(log: Log, choice: Choice) -> str:
    """The unit of the positions: "epoch", "round", "step", or "check" where they are counted."""
    if log.unit is not None:
        return log.unit
    if choice.epoch is None:
        return "check"
    if is_epoch(choice.epoch):
        return "epoch"
    return "round" if log.rounds or "_".join(words(choice.epoch)) in _ROUNDS else "step"


def _of_role(
    log: Log, choice: Choice, role: Role, column: str, validated: set[tuple[str, ...]]
) -> Channel:
    """What is known of an error that was chosen; without a name that says so, lower is better."""
    about = _of_column(log, column, validated)
    direction: Mode = "max" if column in choice.higher else "min"
    return about._replace(
        role=role,
        direction=direction,
        source=column,
        stand_in=choice.stands_in if role == "val" else None,
    )


def _of_column(log: Log, column: str, validated: set[tuple[str, ...]]) -> Channel:
    """What is known of a column; ``validated`` are the metrics measured on a validation set."""
    said = meaning(column)
    by_name: dict[str, Mode] = {"loss": "min", "error": "min", "higher": "max"}
    direction = log.modes.get(column, by_name.get(said.kind))
    if direction is None and (said.kind == "aside" or is_position(column)):
        return Channel(unit=log.units.get(column, _unit_of(column)))
    known = log.sets.get(column, said.role)
    if known is None and direction and said.metric in validated:
        known = "train"
    role = next((role for role in ERRORS if role == known), None)
    if direction is None and role is None:
        return Channel(unit=log.units.get(column, _unit_of(column)))
    data, metric = log.measures.get(column) or _of_set(column)
    return Channel(role=role, direction=direction, metric=metric, data=data)


@lru_cache(4096)
def _of_set(column: str) -> tuple[str | None, str]:
    """The data set, where the name has one, and the metric: the name without the words of a set.

    >>> _of_set("val_loss"), _of_set("valid_0's auc"), _of_set("test")
    ((None, 'loss'), ('valid_0', 'auc'), (None, 'loss'))
    """
    if of_set := _POSSESSIVE.fullmatch(column):
        return of_set[1], of_set[2]
    bare = _AFTER.sub("", _BEFORE.sub("", column, 1))
    if bare == column and meaning(column).role:
        bare = "_".join(meaning(column).metric)
    return None, bare or "loss"


@lru_cache(4096)
def _unit_of(column: str) -> str | None:
    if is_position(column):
        return "epoch" if is_epoch(column) else "step"
    return "s" if _SECONDS.fullmatch(column) and "per" not in words(column) else None


def _numeric(log: Log) -> Iterator[str]:
    """The columns that mostly hold numbers; one without a name is the rows of a data frame."""
    for name, column in log.columns.items():
        if not name or not _may_be_numeric(column):
            continue
        if log.numbers(name).prevail:
            yield name


def _may_be_numeric(column: Column) -> bool:
    if column.numeric is not None:
        return True
    filled = (cell for cell in column.each() if not _is_blank(cell))
    return any(map(is_number, islice(filled, _LOOK)))


def with_units(log: Log) -> list[tuple[str, str]]:
    """Columns of numbers that all have the same unit behind them, and the first cell of each.

    What does not change is a setting, such as the size of the model, and no curve.
    """
    found = []
    for name, column in log.columns.items():
        if column.numeric is not None or is_run(name):
            continue
        filled = (cell for cell in column.each() if not _is_blank(cell))
        cells = [str(cell).strip() for cell in islice(filled, _LOOK)]
        parts = [_WITH_UNIT.fullmatch(cell) for cell in cells]
        units = {part["unit"] for part in parts if part}
        if all(parts) and len(units) == 1 and len({*cells}) > 1:
            found.append((name, cells[0]))
    return found


def _is_blank(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and cell.strip().lower() in BLANK)


def upper_bound(metric: str, highest: float) -> float | None:
    """The most that a score of that metric can be: 1, or 100 for percentages; None: not known.

    >>> upper_bound("accuracy", 0.93), upper_bound("top1_acc", 71.2), upper_bound("psnr", 31.0)
    (1.0, 100.0, None)
    """
    told = {word.rstrip("0123456789") for word in words(metric)}
    if (told.isdisjoint(_BOUNDED) and told != {"fitness"}) or not highest <= 100:
        return None
    return 1.0 if highest <= 1 else 100.0
