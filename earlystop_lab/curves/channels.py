"""What a channel is: its role, direction, unit and upper bound, and the forms it is taken in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from earlystop_lab._common.checks import is_number, one_of, require
from earlystop_lab._common.wording import listed

Mode = Literal["min", "max"]
Role = Literal["val", "train", "test"]
#: the form in which a rule takes a channel: as recorded; as an error (lower is better), which for a
#: score is its negative, or its distance from the upper bound if a rule divides by it ("ratio"); as
#: a score (higher is better), which for an error is 1 - error
Form = Literal["recorded", "error", "ratio", "score"]
#: the names of the channels that are errors (or scores)
ERRORS: tuple[Role, ...] = ("val", "train", "test")
#: alternative names of channels
_ALIASES = {"learning_rate": "lr"}
#: facts that are stored in the field of a channel, and in columns of the runs
_OF_FIELD = ("role", "direction", "unit", "upper")
OF_RUNS = ("metric", "data", "source", "stand_in", "unit")
#: names that are reserved for channels
NAMED = ("epoch", *ERRORS)
_CHOICES = {"role": ERRORS, "direction": ("min", "max")}


class Channel(NamedTuple):
    """What is known about a channel; None means unknown.

    >>> Channel(role="val", direction="max", metric="accuracy", upper=1)
    Channel(role='val', direction='max', upper=1, metric='accuracy')
    """

    #: the set on which an error or score was measured: "val", "train" or "test"
    role: Role | None = None
    #: whether lower ("min") or higher ("max") values are better; None if neither is
    direction: Mode | None = None
    #: the unit of a cost or of the position: "s", "step", "epoch", "round"
    unit: str | None = None
    #: upper bound of a score, such as 1 or 100
    upper: float | None = None
    #: the name of the metric, such as "logloss"
    metric: str | None = None
    #: the data set that it was measured on, as named by its source
    data: str | None = None
    #: the column that it was read from
    source: str | None = None
    #: whether it is a training curve in place of a validation curve that was not recorded
    stand_in: bool | None = None

    def over(self, other: Channel) -> Channel:
        """These facts, with those that are unknown taken from ``other``.

        >>> Channel(direction="max").over(Channel(role="val", direction="min"))
        Channel(role='val', direction='max')
        """
        known = {name: value for name, value in self._asdict().items() if value is not None}
        return other._replace(**known)

    def __repr__(self) -> str:
        known = {k: v for k, v in self._asdict().items() if v is not None}
        return f"Channel({', '.join(f'{name}={value!r}' for name, value in known.items())})"


def canonical(name: str) -> str:
    """The canonical name of a channel that may have several names."""
    return _ALIASES.get(name, name)


def is_recorded(about: Channel, form: Form) -> bool:
    """Whether this form of a channel equals what was recorded."""
    return form == "recorded" or about.direction == ("max" if form == "score" else "min")


def taken(values: Any, about: Channel, form: Form, name: str) -> Any:
    """Recorded values in a given form; ``ValueError`` if the channel does not have that form.

    >>> taken(np.array([0.5, 0.75]), Channel(direction="max", upper=1), "ratio", "accuracy")
    array([0.5 , 0.25])
    """
    if is_recorded(about, form):
        return values
    if about.direction is None:
        raise ValueError(
            f"channel {name!r} has no known direction, so it cannot be used as an error or score; "
            f"pass it, for example channels={{{name!r}: Channel(direction='max')}}"
        )
    if isinstance(values, np.ndarray) and values.dtype.kind != "f":
        values = values.astype(np.float64)  # unsigned integers have no negatives
    if form == "score":
        return 1 - np.float64(1) * values
    if form == "error":
        return -values
    if about.upper is None:
        raise ValueError(
            f"channel {name!r} is a score with an unknown upper bound, but the rule divides by the "
            f"error; pass it, for example channels={{{name!r}: Channel(direction='max', upper=1)}}"
        )
    errors = about.upper - np.float64(1) * values
    if np.any(errors < 0):
        highest = float(np.nanmax(values))
        raise ValueError(
            f"channel {name!r} has a score of {highest:g}, above its upper bound {about.upper:g}; "
            f"pass the right one, for example channels={{{name!r}: Channel(direction='max', "
            "upper=100)}"
        )
    return errors


def is_channel(kind: pa.DataType) -> bool:
    """Whether a column of that type is a channel: lists of numbers."""
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    return is_list and (
        pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)
    )


def with_column(table: pa.Table, name: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The table with a column replaced; unlike Arrow, this keeps the metadata of the field."""
    at = table.column_names.index(name)
    metadata = table.schema.field(at).metadata
    return table.set_column(at, pa.field(name, values.type, metadata=metadata), values)


def unencoded(table: pa.Table) -> pa.Table:
    """The table with string views as strings and without run ends: Arrow supports these better."""
    for field in table.schema:
        kind = pa.string()
        if pa.types.is_run_end_encoded(field.type):
            table = with_column(table, field.name, pc.run_end_decode(table[field.name]))
            continue
        if pa.types.is_dictionary(field.type) and pa.types.is_string_view(field.type.value_type):
            kind = pa.dictionary(field.type.index_type, pa.string(), field.type.ordered)
        elif not pa.types.is_string_view(field.type):
            continue
        table = with_column(table, field.name, table[field.name].cast(kind))
    return table


def with_channels(table: pa.Table, channels: Mapping[str, Channel]) -> pa.Table:
    """The table with facts about its channels; ``val``, ``train``, ``test`` have defaults.

    ``channels`` overrides what the table says, also about single runs.
    """
    table = _by_own_names(table)
    known = channels_of(table)
    _require_facts(table, known)
    told = {canonical(name): checked(name, channel) for name, channel in channels.items()}
    if unknown := [name for name in told if name != "epoch" and name not in known]:
        raise ValueError(f"channels: no channel {unknown[0]!r}; the set has {listed([*known], 20)}")
    for name, channel in told.items():
        for fact in ("unit",) if name == "epoch" else OF_RUNS[:-1]:
            if (value := getattr(channel, fact)) is None:
                continue
            column = f"{name}.{fact}"
            said = pa.array([value] * len(table))
            if column in table.column_names:
                table = table.drop_columns([column])
            table = table.append_column(column, said)
        if name != "epoch":
            known[name] = channel.over(known[name])
    return _with_facts(table, known)


def concatenated(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of several tables of runs; missing columns are filled with null.

    Raises ``ValueError`` if a channel has another direction or unit in another table.
    """
    tables = [_by_own_names(table) for table in tables]
    facts = same_channels(channels_of(table) for table in tables)
    metadata = tables[0].schema.metadata
    bare = [_with_facts(table, {}).replace_schema_metadata(metadata) for table in tables]
    return _with_facts(one_below_the_other(bare), facts)


def one_below_the_other(tables: Sequence[pa.Table]) -> pa.Table:
    """The rows of all tables; ``ValueError`` if the types of a column are incompatible."""
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowTypeError:
        kinds: dict[str, pa.Field] = {}
        for field in (field for table in tables for field in table.schema):
            before = kinds.setdefault(field.name, field)
            try:
                kinds[field.name] = pa.unify_schemas(
                    [pa.schema([each.remove_metadata()]) for each in (before, field)],
                    promote_options="permissive",
                ).field(0)
            except pa.ArrowTypeError as error:
                raise ValueError(
                    f"column {field.name!r} has type {before.type} in one set and {field.type} in "
                    "another; convert it to one type before concatenating"
                ) from error
        raise


def same_channels(several: Iterable[Mapping[str, Channel]]) -> dict[str, Channel]:
    """The channels of all sets; ``ValueError`` if their facts are incompatible.

    They are if direction or unit differ, or if role or upper bound are known in both and differ.
    """
    known: dict[str, Channel] = {}
    for channels in several:
        for name, channel in channels.items():
            before = known.setdefault(name, channel)
            for fact in _OF_FIELD:
                one, other = getattr(before, fact), getattr(channel, fact)
                if one != other and (fact in ("direction", "unit") or None not in (one, other)):
                    raise ValueError(
                        f"channel {name!r} has {fact} {one or 'unknown'} in one set and "
                        f"{other or 'unknown'} in another, so they cannot be concatenated; correct "
                        "it with channels= when making the sets"
                    )
            known[name] = before.over(channel)
    return known


def channels_of(table: pa.Table) -> dict[str, Channel]:
    """The facts about the channels, from their fields and, for errors, from their names."""
    fields = [field for field in table.schema if is_channel(field.type)]
    return {field.name: channel_of(field) for field in fields}


def channel_of(field: pa.Field) -> Channel:
    """What is known about a channel from its field, or else from its name."""
    by_name = {"role": field.name, "direction": "min"} if field.name in ERRORS else {}
    return Channel(**{**by_name, **_field_facts(field)})


def _field_facts(field: pa.Field) -> dict[str, Any]:
    """The facts in the metadata of a column, checked."""
    own = {key.decode(): value.decode() for key, value in (field.metadata or {}).items()}
    facts: dict[str, Any] = {fact: own[fact] for fact in _OF_FIELD if fact in own}
    if "upper" in facts:
        try:
            facts["upper"] = float(facts["upper"])
        except ValueError:
            require(f"column {field.name!r}: upper", facts["upper"], False, "a number")
    checked(field.name, Channel(**facts))
    return facts


@contextmanager
def arrow_errors(what: str) -> Iterator[None]:
    """Turn what Arrow raises, of whatever type, into ``ValueError``, and say what it is about.

    >>> with arrow_errors("column 'a'"):
    ...     pa.array([1, "x"])
    Traceback (most recent call last):
    ValueError: column 'a': Could not convert 'x' with type str: tried to convert to int64
    """
    try:
        yield
    except MemoryError as error:
        raise MemoryError(f"{what}: {error}") from error
    except (pa.ArrowException, OverflowError, UnicodeEncodeError) as error:
        raise ValueError(f"{what}: {error}") from error


def checked(name: str, channel: Channel) -> Channel:
    """The channel itself; ``ValueError`` if its facts are invalid."""
    require(f"channel {name!r}", channel, isinstance(channel, Channel), "a Channel(...)")
    for fact, value in channel._asdict().items():
        said = f"channel {name!r}: {fact}"
        if value is None:
            continue
        if fact in _CHOICES:
            one_of(said, value, _CHOICES[fact])
        elif fact == "upper":
            require(said, value, is_number(value) and np.isfinite(float(value)), "a finite number")
        elif fact == "stand_in":
            require(said, value, isinstance(value, bool), "True or False")
        else:
            require(said, value, isinstance(value, str), "a string")
    return channel


def _require_facts(table: pa.Table, channels: Iterable[str]) -> None:
    """Raise ``ValueError`` if a column with facts about channels has the wrong type."""
    kinds = {field.name: field.type for field in table.schema}
    for column in (f"{name}.{fact}" for name in ("epoch", *channels) for fact in OF_RUNS):
        if column not in kinds:
            continue
        kind = kinds[column]
        of = kind.value_type if pa.types.is_dictionary(kind) else kind
        if column.endswith(".stand_in"):
            fine, expected = pa.types.is_boolean(of), "true or false"
        else:
            texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
            fine, expected = any(is_text(of) for is_text in texts), "a string"
        if not (fine or pa.types.is_null(of)):
            raise ValueError(f"column {column!r}: expected {expected} per run, found {kind}")


def _by_own_names(table: pa.Table) -> pa.Table:
    """The table with canonical channel names: ``lr``, not ``learning_rate``."""
    names = table.column_names
    for alias, own in _ALIASES.items():
        if alias not in names or not is_channel(table.schema.field(alias).type):
            continue
        facts = {f"{alias}.{fact}": f"{own}.{fact}" for fact in OF_RUNS}
        renamed = {alias: own, **facts}
        for name in names:
            if renamed.get(name, name) != name and renamed[name] in names:
                raise ValueError(f"duplicate column {renamed[name]!r}, also named {name!r}")
        names = [renamed.get(name, name) for name in names]
    return table if names == table.column_names else table.rename_columns(names)


def _with_facts(table: pa.Table, channels: Mapping[str, Channel]) -> pa.Table:
    """The table with these facts in the metadata of its fields, replacing existing ones."""
    fields = []
    for field in table.schema:
        others = {k: v for k, v in (field.metadata or {}).items() if k.decode() not in _OF_FIELD}
        channel = channels.get(field.name, Channel())
        facts = {fact: getattr(channel, fact) for fact in _OF_FIELD}
        if facts["upper"] is not None:  # exactly, and an integer without a decimal point
            facts["upper"] = repr(float(facts["upper"])).removesuffix(".0")
        texts = {k: v for k, v in facts.items() if v is not None}
        fields.append(field.with_metadata({**others, **texts}))
    return pa.Table.from_arrays(table.columns, schema=pa.schema(fields, table.schema.metadata))
