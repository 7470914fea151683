"""Log files that grow, read again whenever they have changed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from earlystop_lab.curves import Curve
from earlystop_lab.live.watch.posts import Asked, Channels, PostError
from earlystop_lab.live.watch.watching import Watching
from earlystop_lab.sources.logs import read_logs

#: seconds between two looks, and how many times longer than a reading they are at least apart
_BETWEEN = 1.0
_REST = 10


class Following:
    """Log files and folders of them, whose runs appear among the others."""

    def __init__(self, paths: Sequence[Path], watching: Watching) -> None:
        self._paths = paths
        self._watching = watching
        self._seen: dict[Path, Any] = {}

    async def go_on(self) -> None:
        """Look at the files for ever."""
        while True:
            began = time.monotonic()
            for path in self._paths:
                await self._look(path)
            await asyncio.sleep(max(_BETWEEN, _REST * (time.monotonic() - began)))

    async def _look(self, path: Path) -> None:
        now = await asyncio.to_thread(_state, path)
        if now == self._seen.get(path):
            return
        self._seen[path] = now
        found, reasons = await asyncio.to_thread(_read, path, self._watching.board.asked)
        folder = path if path.is_dir() else path.parent
        for curve, channels, notes in found:
            try:
                self._watching.follow(str(folder / curve.run), curve, channels, notes)
            except PostError as error:
                reasons = [*reasons, str(error)]
        self._watching.board.unread[str(path)] = reasons


def _state(path: Path) -> list[tuple[str, int, int]]:
    """What tells that files have changed: their names, sizes and times."""
    files = [path] if not path.is_dir() else [file for file in path.rglob("*") if file.is_file()]
    state = []
    for file in sorted(files):
        try:
            stat = file.stat()
        except OSError:  # not there yet, or just replaced
            continue
        state.append((str(file), stat.st_size, stat.st_mtime_ns))
    return state


def _read(path: Path, asked: Asked) -> tuple[list[tuple[Curve, Channels, list[str]]], list[str]]:
    """The runs at a path, and why other things there are none."""
    found = read_logs(path, val=asked.val, train=asked.train, mode=asked.mode)
    runs = []
    for curve, row in zip(found.curves, found.curves.meta.to_dict("records"), strict=True):
        notes = [note.text for note in found.notes if note.file == row["file"]]
        # the curves are errors already: nothing is negated here
        train = row["train_channel"] if curve.train is not None else None
        runs.append((curve, Channels(row["val_channel"], train, row["mode"]), notes))
    return runs, [f"{skipped.file}: {skipped.reason}" for skipped in found.skipped]
