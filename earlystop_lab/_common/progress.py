"""Progress with the time left, in one line on stderr, of everything that takes over a second."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, TypeVar

from earlystop_lab._common.terminal import say

T = TypeVar("T")

#: seconds before anything is shown
DELAY = 1.0


class _Shown:
    """Whether progress is shown without being asked for, and whether it is being shown."""

    always = False
    bar: Any = None
    noted: ClassVar[set[str]] = set()


@contextmanager
def progress_shown(always: bool = True) -> Iterator[None]:
    """Show the progress of everything inside, as the command line does in a terminal."""
    before, _Shown.always = _Shown.always, always
    try:
        yield
    finally:
        _Shown.always = before
        _stop()


def noted(text: str) -> None:
    """A line on stderr, only once, of what takes long; where progress is shown without asking."""
    if not _Shown.always or text in _Shown.noted:
        return
    _Shown.noted.add(text)
    if _Shown.bar is not None:
        _Shown.bar.console.print(f"earlystop: {text}", markup=False)
    else:
        say(f"earlystop: {text}", to=sys.stderr)


def followed(
    items: Iterable[T],
    what: str,
    total: float,
    unit: str,
    *,
    size: Callable[[T], float] = lambda item: 1,
    shown: bool = False,
) -> Iterator[T]:
    """The items as they come, with their progress on stderr once a second has passed.

    Nothing is shown outside of :func:`progress_shown` unless ``shown``, nor while other progress is
    being shown.

    Parameters
    ----------
    items : iterable
        The items, each of which is done when the next one is asked for.
    what : str
        What is going on, for the beginning of the line.
    total : float
        The sum of the sizes of all items.
    unit : str
        The unit of the sizes, in the plural.
    size : callable
        The size of an item.
    shown : bool
        Whether to show it in any case.

    Yields
    ------
    The items.

    Examples
    --------
    >>> list(followed(range(3), "counting", 3, "numbers"))
    [0, 1, 2]
    """
    if _Shown.bar is not None or not (shown or _Shown.always):
        yield from items
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns: list[Any] = [
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn(f"{{task.completed:.0f}} of {total:.0f} {unit}"),
        TimeRemainingColumn(elapsed_when_finished=True),
    ]
    _Shown.bar = bar = Progress(*columns, console=Console(stderr=True))
    task = bar.add_task(escape(what), total=total)
    began = time.monotonic()
    try:
        for item in items:
            yield item
            bar.update(task, advance=size(item))
            if _Shown.bar is bar and time.monotonic() - began > DELAY:
                bar.start()
    finally:
        if _Shown.bar is bar:
            _stop()


def _stop() -> None:
    """Stop what is being shown."""
    bar, _Shown.bar = _Shown.bar, None
    if bar is not None and bar.live.is_started:
        bar.stop()
