"""What a server does with posts and log files: keep, evaluate, save them; nothing here is HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from earlystop_lab.curves import Curve
from earlystop_lab.live.watch.journal import Journal, recorded, segments
from earlystop_lab.live.watch.posts import Asked, Channels, Post, PostError
from earlystop_lab.live.watch.runs import Board, Run, name_of
from earlystop_lab.live.watch.saving import file_of, load, save, saved, snapshot
from earlystop_lab.sources.logs import read_logs

#: folder of the journal, in that of the runs
HIDDEN = ".watch"
#: seconds between two looks at log files, and how many times longer than a reading they are at
#: least apart
_LOOKS = 1.0
_REST_OF_LOOKS = 10
#: seconds between two savings, and how many times longer than a saving they are at least apart
_BETWEEN = 2.0
_REST = 20
#: seconds for which what waits is evaluated before others get their turn, and how long that is
_SLICE, _TURN = 0.005, 0.003


class Watching:
    """The runs of a folder while they grow.

    A post is in the journal, on disk, before :meth:`take` returns; from there it comes into the
    run's file. What a killed server leaves in the journal is read when the next one begins.
    """

    def __init__(self, folder: Path, criteria: Sequence[str], asked: Asked) -> None:
        self.folder = folder
        self.board = Board(criteria, asked)
        #: runs with something that their files do not have yet
        self._unsaved: dict[str, Run] = {}
        hidden = folder / HIDDEN
        hidden.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(hidden / "lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise ValueError(
                f"{folder}: another earlystop watch saves its runs there; choose another --out"
            ) from error
        try:
            self._read(hidden)
        except BaseException:
            self._lock.release()
            raise

    def _read(self, hidden: Path) -> None:
        """The runs as they were: their files, and what the journal knows beyond them."""
        board = self.board
        events = list(recorded(hidden))
        known: dict[str, int] = {}
        for called, number in dict.fromkeys((e["called"], e["number"]) for _, e in events):
            run, segment = Run(called, number, board.criteria), 0
            if (file := file_of(self.folder, run.name)).exists():
                run, segment = load(file, board.criteria)
            board.add(run)
            self._unsaved[run.name] = run
            known[run.name] = segment
        files = {file_of(self.folder, name) for name in known}
        for path in (path for path in saved(self.folder) if path not in files):
            run, segment = load(path, board.criteria)
            if not board.has_room(run):
                break
            board.add(run)
            known[run.name] = segment
        for segment, event in events:
            name = name_of(event["called"], event["number"])
            if segment > known[name]:
                board.runs[name].apply(event)
        numbers = [number for number, _ in segments(hidden)]
        self._last = max([*known.values(), *numbers], default=0)

    async def start(self) -> None:
        """Take posts from now on."""
        self._journal = Journal(self.folder / HIDDEN, self._last + 1)
        self._ending, self._more = asyncio.Event(), asyncio.Event()
        self._saving = asyncio.Lock()
        self._more.set()
        self._tasks = [asyncio.create_task(each) for each in (self._evaluate(), self._save())]

    async def stop(self) -> None:
        """Save everything and let go of the folder."""
        self._ending.set()
        self._more.set()
        await asyncio.gather(*self._tasks)
        await self.save()
        await self._journal.close()
        self._lock.release()

    async def take(self, name: str, post: Post) -> Run:
        """Let a run's post happen; it is on disk when this returns.

        Raises :class:`PostError` where it means nothing or there is no room for it.
        """
        board = self.board
        if name in board.followed:
            raise PostError(f"run {name} is read from a log file; choose another name", 409)
        run = board.current(name)
        if new := run is None or run.begins_anew(post):
            run = board.another(name, lambda text: file_of(self.folder, text).exists())
        event = run.event(post, board.asked)
        board.require_room(1)
        if new:
            board.add(run)
        if event:
            run.apply(event)
            self._changed(run)
            about = {"called": run.called, "number": run.number}
            written = self._journal.append({**about, **event})
            run.evaluate(_SLICE)
            try:
                await written
            except OSError as error:
                raise PostError(f"it cannot be written: {error.strerror}", 507) from error
        return run

    def follow(self, name: str, curve: Curve, channels: Channels, notes: list[str]) -> None:
        """Have a run become the curve of a log file; begun again it is another run."""
        board = self.board
        board.followed.add(name)
        run = board.current(name)
        if run is None or (len(run) and not run.agrees(curve)):
            run = board.another(name, lambda text: file_of(self.folder, text).exists())
            board.add(run)
        board.require_room(len(curve.val) - len(run))
        run.follow(curve, channels, notes)
        self._changed(run)

    def _changed(self, run: Run) -> None:
        self._unsaved[run.name] = run
        if run.waiting:
            self._more.set()

    async def save(self) -> None:
        """Write the files of all runs that have changed, and drop the journal up to here."""
        # one after the other, or an older state might be written over a newer one
        async with self._saving:
            await self._save_changed()

    async def _save_changed(self) -> None:
        if not self._unsaved:
            return
        # at one moment: all that is in the journal up to here, and nothing else
        last, complete = self._journal.rotate()
        runs = [snapshot(run) for run in self._unsaved.values()]
        changed, self._unsaved = self._unsaved, {}
        try:
            await complete
            for run in runs:
                await asyncio.to_thread(save, run, self.folder, last)
            self._journal.remove(last)
        except OSError as error:  # they stay in the journal, and are tried again
            self._unsaved = changed | self._unsaved
            self.board.trouble = f"runs cannot be saved: {error}"
            return
        self.board.trouble = ""

    async def _save(self) -> None:
        """Save again and again, with at most a small share of the time."""
        while not self._ending.is_set():
            began = time.monotonic()
            await self.save()
            rest = max(_BETWEEN, _REST * (time.monotonic() - began))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), rest)

    async def _evaluate(self) -> None:
        """Evaluate what waits, a little at a time: a run of a million checks may be read again."""
        while not self._ending.is_set():
            await self._more.wait()
            self._more.clear()
            while not self._ending.is_set() and (waiting := self._waiting()):
                for run in waiting:
                    run.evaluate(_SLICE)
                    await asyncio.sleep(_TURN)

    def _waiting(self) -> list[Run]:
        return [run for run in self.board.runs.values() if run.waiting]


def about(run: Run) -> dict[str, Any]:
    """What a post is answered with."""
    return {"run": run.name, "checks": len(run)}


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
            await asyncio.sleep(max(_LOOKS, _REST_OF_LOOKS * (time.monotonic() - began)))

    async def _look(self, path: Path) -> None:
        now = await asyncio.to_thread(_state, path)
        if now == self._seen.get(path):
            return
        self._seen[path] = now
        runs, reasons = await asyncio.to_thread(_read, path, self._watching.board.asked)
        folder = path if path.is_dir() else path.parent
        for curve, channels, notes in runs:
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
    logs = read_logs(path, val=asked.val, train=asked.train, mode=asked.mode)
    runs = []
    for curve, row in zip(logs.curves, logs.curves.meta.to_dict("records"), strict=True):
        notes = [note.text for note in logs.notes if note.file == row["file"]]
        # the curves are errors already: nothing is negated here
        train = row["train_channel"] if curve.train is not None else None
        runs.append((curve, Channels(row["val_channel"], train, row["mode"]), notes))
    return runs, [f"{skipped.file}: {skipped.reason}" for skipped in logs.skipped]
