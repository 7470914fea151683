"""Posts of a training in Keras' ``RemoteMonitor`` protocol, read without trusting the sender."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from earlystop_lab._common.errors import EarlystopError
from earlystop_lab.curves import Channel, Mode
from earlystop_lab.sources.logs._about import channels as of_log
from earlystop_lab.sources.logs._cells import LogError, number, shown
from earlystop_lab.sources.logs._channels import choose
from earlystop_lab.sources.logs._columns import log_of_rows
from earlystop_lab.sources.logs._reading import parse_json

#: maximum size of a post in bytes, number of metrics, and length of a metric's name
LARGEST_POST = 64 * 1024
MOST_METRICS = 64
LONGEST_NAME = 100
#: a run's name, which is also a valid file name on every system
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=,@-]{0,79}")
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"


#: descriptions of the channels of a run; ``source`` is the metric as posted, and for ``epoch``
#: only the unit is known
Channels = dict[str, Channel]


def to_json(chosen: Channels) -> dict[str, dict[str, Any]]:
    """The channels as JSON has them: what is known of each."""
    known = {name: about._asdict().items() for name, about in chosen.items()}
    return {name: {k: v for k, v in facts if v is not None} for name, facts in known.items()}


def from_json(chosen: Mapping[str, Mapping[str, Any]]) -> Channels:
    """The channels of :func:`to_json`."""
    return {name: Channel(**facts) for name, facts in chosen.items()}


class PostError(EarlystopError, ValueError):
    """A rejected post, and why; ``status`` is the HTTP status."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


class Post(NamedTuple):
    """The measurements of one epoch."""

    #: counted from 1
    epoch: float
    #: by the name under which they were posted; NaN and infinity are measured values
    metrics: dict[str, float]


class Asked(NamedTuple):
    """The metrics that the user chose as curves; None is chosen by name."""

    val: str | None = None
    train: str | None = None
    mode: Mode | None = None


def named(name: str) -> str:
    """The name of a run; ``PostError`` if it is invalid."""
    if not _NAME.fullmatch(name):
        raise PostError(
            f"run {shown(name)}: expected a name of at most 80 letters, digits and ._+=,@- that "
            "begins with a letter or digit"
        )
    return name


def read_post(content_type: str, body: bytes) -> Post:
    """One epoch from the body of a post: a form with the field ``data``, or JSON.

    Either is an object with ``epoch``, counted from 0, and one number per metric; null means that
    a metric was not measured. Raises :class:`PostError` for anything else.

    >>> read_post("application/json", b'{"epoch": 0, "loss": 0.5, "val_loss": NaN}')
    Post(epoch=1.0, metrics={'loss': 0.5, 'val_loss': nan})
    """
    if len(body) > LARGEST_POST:
        raise PostError(f"more than {LARGEST_POST} bytes; expected the metrics of one epoch", 413)
    try:
        return _post(parse_json(_text(content_type.partition(";")[0].strip().lower(), body)))
    except LogError as error:
        raise PostError(str(error)) from error


def channels(metrics: Iterable[str], asked: Asked, watched: Iterable[str] = ()) -> Channels:
    """Which metrics become which channels, by the same rules as for log files.

    These are ``val``, ``train`` if there is one, and any other metrics that are watched.

    >>> found = channels(["acc", "loss", "val_acc", "val_loss"], Asked(), ["val_acc"])
    >>> {name: about.source for name, about in found.items()}
    {'epoch': None, 'val': 'val_loss', 'train': 'loss', 'val_acc': 'val_acc'}
    """
    # every metric as if measured equally often: which epochs have it is not known beforehand
    log = log_of_rows([(1, dict.fromkeys(metrics, 0.0))])
    try:
        choice = choose(log, {"val": asked.val, "train": asked.train}, asked.mode)
    except LogError as error:
        raise PostError(str(error)) from error
    assert choice.val is not None, "of one row, an error is found or none at all"
    named = of_log(log, choice)
    found = {
        name: named[name].about._replace(source=named[name].column)
        for name in dict.fromkeys(["val", "train", *watched])
        if name in named
    }
    return {"epoch": Channel(unit="epoch"), **found}


def check_of(post: Post, chosen: Channels) -> dict[str, float] | None:
    """What a post measured, by channel; None if the validation error was not measured."""
    check = {
        name: post.metrics[about.source]
        for name, about in chosen.items()
        if about.source in post.metrics
    }
    return {"epoch": post.epoch, **check} if "val" in check else None


def _text(kind: str, body: bytes) -> str:
    if kind not in (_FORM, _JSON):
        raise PostError(f"content type {shown(kind)}: expected {_FORM} or {_JSON}", 415)
    try:
        text = body.decode()
        if kind == _JSON:
            return text
        fields = parse_qs(text, max_num_fields=8, errors="strict").get("data", [])
    except ValueError as error:
        raise PostError(f"not a form or JSON in UTF-8 ({error})") from error
    if len(fields) != 1:
        raise PostError("no field 'data' in the form; expected one, with JSON in it")
    return fields[0]


def _post(document: Any) -> Post:
    if not isinstance(document, Mapping):
        raise PostError(f"{shown(document)}: expected an object with 'epoch' and metrics")
    epoch = document.get("epoch")
    if isinstance(epoch, bool) or not isinstance(epoch, (int, float)) or not 0 <= epoch < 2**53:
        raise PostError(f"epoch {shown(epoch)}: expected a number from 0 to 2**53")
    if len(document) > MOST_METRICS:
        raise PostError(f"{len(document)} metrics; expected at most {MOST_METRICS}")
    metrics = {}
    for name, cell in document.items():
        if len(name) > LONGEST_NAME or not name.isprintable():
            raise PostError(f"metric {shown(name)}: expected at most {LONGEST_NAME} characters")
        try:
            value = number(cell)
        except LogError as error:
            raise PostError(f"metric {shown(name)}: {error}") from error
        if name != "epoch" and value is not None:
            metrics[name] = value
    return Post(float(epoch) + 1, metrics)
