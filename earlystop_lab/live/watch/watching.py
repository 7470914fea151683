"""What a server does with posts and log files: keep, evaluate and save them; no HTTP here."""

import asyncio
import contextlib
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from earlystop_lab._common.names import file_in
from earlystop_lab.curves import Curve
from earlystop_lab.live.watch.journal import Journal
from earlystop_lab.live.watch.posts import Asked, Channels, Post, PostError
from earlystop_lab.live.watch.runs import Board, Event, Run, name_of
from earlystop_lab.live.watch.saving import load, save, saved, snapshot
from earlystop_lab.sources.logs import read_logs

#: seconds between two reads of log files, and the minimum pause as a multiple of the reading time
_LOOKS = 1.0
_REST_OF_LOOKS = 10
#: seconds between two savings, and the minimum pause as a multiple of the saving time
_BETWEEN = 2.0
_REST = 20
#: seconds of evaluation before others get their turn, and the length of that turn
_SLICE, _TURN = 0.005, 0.003
#: the remark about runs whose posts cannot be told apart
_MIXED = (
    "Another training posts as {name} at the same time, so epochs of the two may be mixed up; "
    "give each its own name."
)


class Watching:
    """The runs of a folder while they grow.

    A post is in the journal, on disk, before it changes its run and before :meth:`take` returns; a
    rejected post changes nothing. From the journal it is saved to the run's file. If a server is
    killed, the next one reads what is left in the journal.
    """

    def __init__(self, folder: Path, criteria: Sequence[str], asked: Asked) -> None:
        self.folder = folder
        self.board = Board(criteria, asked)
        #: runs with changes that their files do not have yet
        self._unsaved: dict[str, Run] = {}
        #: posts that wait for their turn, by the name they were posted to
        self._posts: dict[str, list[tuple[Post, asyncio.Future[Run]]]] = {}
        self._journal = Journal(folder)
        self._read()

    def _read(self) -> None:
        """Load the runs: their files, and later events of the journal."""
        board = self.board
        #: the last event in the file of each run
        held: dict[str, int] = {}
        for number, event in self._journal.events():
            name = name_of(event["called"], event["number"])
            if name not in held:
                run, held[name] = Run(event["called"], event["number"], board.criteria), 0
                if (file := file_in(self.folder, name)).exists():
                    run, held[name] = load(file, board.criteria)
                board.runs[name] = self._unsaved[name] = run
            if number > held[name]:
                board.runs[name].apply(event)
        files = {file_in(self.folder, name) for name in held}
        for path in (path for path in saved(self.folder) if path not in files):
            run, last = load(path, board.criteria)
            if not board.has_room(run):
                break
            board.runs[run.name], held[run.name] = run, last
        # otherwise a new event might count as one that a file has
        self._journal.last = max([self._journal.last, *held.values()])

    async def start(self, *others: Coroutine[Any, Any, None]) -> None:
        """Accept posts from now on, and let others change the runs, too."""
        self._ending, self._more = asyncio.Event(), asyncio.Event()
        #: held by whoever changes runs or the journal
        self._turn = asyncio.Lock()
        self._saving = asyncio.Lock()
        self._more.set()
        self._tasks = [
            asyncio.create_task(each) for each in (self._save(), self._evaluate(), *others)
        ]

    async def stop(self) -> None:
        """Save everything and release the folder."""
        self._ending.set()
        saver, *others = self._tasks
        for task in others:
            task.cancel()
        try:
            await asyncio.gather(*others, return_exceptions=True)
            await saver
            await self.save()
        finally:
            async with self._turn:
                self._journal.close()

    async def take(self, name: str, post: Post) -> Run:
        """Process a run's post; it is on disk when this returns.

        Raises :class:`PostError` if it is invalid, there is no room for it, it cannot be written,
        or the task that saves the runs has failed.
        """
        for task in self._tasks:
            if task.done():
                raise PostError(f"the server has failed ({task.exception()!r}); restart it", 500)
        answer: asyncio.Future[Run] = asyncio.get_running_loop().create_future()
        self._posts.setdefault(name, []).append((post, answer))
        # a client that disconnects must not stop anything half-way
        await asyncio.shield(self._take(answer))
        run = answer.result()
        run.evaluate(_SLICE)
        if run.waiting:
            self._more.set()
        return run

    async def _take(self, answer: asyncio.Future[Run]) -> None:
        """Process all waiting posts, unless another's turn has answered this one already.

        They wait for the disk together, so that many clients cost little more than one: one post
        per name, since what the next post of that name means depends on it.
        """
        async with self._turn:
            if answer.done():
                return
            taken: list[tuple[Run, Event, Post, list[Run], asyncio.Future[Run]]] = []
            for name, waiting in self._posts.items():
                post, each = waiting.pop(0)
                try:
                    run, event, mixed = self._meaning(name, post, len(taken))
                    taken.append((run, event, post, mixed, each))
                except Exception as error:
                    each.set_exception(error)
            self._posts = {name: waiting for name, waiting in self._posts.items() if waiting}
            try:
                await asyncio.to_thread(self._journal.append, [e for _, e, *_ in taken if e])
            except Exception as error:
                reason = getattr(error, "strerror", None) or error
                for run, *_, each in taken:
                    if run.channels is None:
                        del self.board.runs[run.name]
                    each.set_exception(PostError(f"cannot be written: {reason}", 507))
                return
            for run, event, post, mixed, each in taken:
                run.has_taken(post)
                for other in mixed:
                    other.note(_MIXED.format(name=run.called))
                if event:
                    run.apply(event)
                    self._unsaved[run.name] = run
                each.set_result(run)

    def _meaning(self, name: str, post: Post, others: int) -> tuple[Run, Event, list[Run]]:
        """The run of a post, if new without any checks; its event, if any; and runs it may mix up.

        Raises :class:`PostError` if the post is invalid, or too much with this many other posts.
        """
        board = self.board
        if name in board.followed:
            raise PostError(f"run {name} is read from a log file; choose another name", 409)
        run, mixed = board.going_on(name, post)
        if new := run is None:
            run = board.another(name, self._is_taken)
        event = run.event(post, board.asked)
        board.require_room(1 + others)
        if new:
            board.add(run)
        return run, event and {"called": run.called, "number": run.number, **event}, mixed

    async def follow(self, name: str, curve: Curve, channels: Channels, notes: list[str]) -> None:
        """Make a run the curve of a log file; if it starts again, it is another run."""
        board = self.board
        async with self._turn:
            board.followed.add(name)
            run = board.current(name)
            if run is None or (len(run) and not run.agrees(curve)):
                run = board.another(name, self._is_taken)
                board.add(run)
            board.require_room(int(curve.measured("val").sum()) - len(run))
            run.follow(curve, channels, notes)
            self._unsaved[run.name] = run
            self._more.set()

    def _is_taken(self, name: str) -> bool:
        """Whether a run has the name, possibly one that is not shown."""
        return name in self._unsaved or file_in(self.folder, name).exists()

    async def save(self) -> None:
        """Write the files of all changed runs, and drop the journal up to here."""
        # one at a time, or an older state might overwrite a newer one
        async with self._saving:
            # at one moment: everything in the journal up to here, and nothing else
            async with self._turn:
                last, changed = self._journal.last, self._unsaved
                runs = [snapshot(run) for run in changed.values()]
                self._unsaved = {}
            try:
                for run in runs:
                    await asyncio.to_thread(save, run, self.folder, last)
                async with self._turn:
                    await asyncio.to_thread(self._journal.drop, last)
            except Exception as error:
                # they stay in the journal; saving is tried again
                self._unsaved = changed | self._unsaved
                self.board.trouble = f"runs cannot be saved: {error}"
                if not isinstance(error, OSError):
                    raise
            else:
                self.board.trouble = ""

    async def _save(self) -> None:
        """Save again and again, using at most a small share of the time."""
        while not self._ending.is_set():
            began = time.monotonic()
            await self.save()
            rest = max(_BETWEEN, _REST * (time.monotonic() - began))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), rest)

    async def _evaluate(self) -> None:
        """Evaluate waiting checks, a little at a time, since a run may have a million checks."""
        while True:
            await self._more.wait()
            self._more.clear()
            while waiting := [run for run in self.board.runs.values() if run.waiting]:
                for run in waiting:
                    run.evaluate(_SLICE)
                    await asyncio.sleep(_TURN)


async def follow(paths: Sequence[Path], watching: Watching) -> None:
    """Keep the runs of log files, and of folders of them, up to date."""
    seen: dict[Path, Any] = {}
    while True:
        began = time.monotonic()
        for path in paths:
            try:
                state = await asyncio.to_thread(_state, path, watching.folder)
                if state != seen.get(path):
                    seen[path] = state
                    await _look(path, watching)
            except Exception as error:  # of one path; the others continue
                watching.board.unread[str(path)] = [f"{path}: {error!r}"]
        await asyncio.sleep(max(_LOOKS, _REST_OF_LOOKS * (time.monotonic() - began)))


async def _look(path: Path, watching: Watching) -> None:
    found, reasons = await asyncio.to_thread(_read, path, watching)
    folder = path if path.is_dir() else path.parent
    for curve, channels, notes in found:
        try:
            await watching.follow(str(folder / curve.run), curve, channels, notes)
        except PostError as error:
            reasons.append(str(error))
    watching.board.unread[str(path)] = reasons


def _is_in(file: Path, folder: Path) -> bool:
    """Whether a file is in a folder."""
    return file.resolve().is_relative_to(folder.resolve())


def _state(path: Path, own: Path) -> list[tuple[str, int, int]]:
    """What shows that files have changed: names, sizes and times, except for our own files."""
    state = []
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if _is_in(file, own):
            continue
        # it may not exist yet, or may just be being replaced
        with contextlib.suppress(OSError):
            stat = file.stat()
            state.append((str(file), stat.st_size, stat.st_mtime_ns))
    return state


def _read(
    path: Path, watching: Watching
) -> tuple[list[tuple[Curve, Channels, list[str]]], list[str]]:
    """The runs at a path, and why other things there are not runs; ignores our own files."""
    asked, watched = watching.board.asked, watching.board.watched
    folder = path if path.is_dir() else path.parent
    logs = read_logs(path, val=asked.val, train=asked.train, mode=asked.mode)
    runs, reasons = (
        [],
        [
            f"{skipped.file}: {skipped.reason}"
            for skipped in logs.skipped
            if not _is_in(folder / skipped.file, watching.folder)
        ],
    )
    for curve, row in zip(logs.curves, logs.curves.meta.to_dict("records"), strict=True):
        if _is_in(folder / row["file"], watching.folder):
            continue
        notes = [note.text for note in logs.notes if note.file == row["file"]]
        if "val" not in curve.channels:
            reasons.append(f"{curve.run}: has no validation error")
            continue
        alone = curve.alone()
        names = [name for name in ("val", "train", *watched) if name in curve.channels]
        channels = {name: alone.about(name) for name in ("epoch", *names)}
        runs.append((curve, channels, notes))
    return runs, reasons
