"""The journal: what is acknowledged is there, what is damaged is named."""

import asyncio
import errno
import os
import signal
import subprocess
import sys

import pytest

from earlystop_lab.live.watch.journal import Journal, recorded, segments


def events(folder):
    return [event for _, event in recorded(folder)]


def written(folder, steps, segment=1):
    """Run steps over a journal and close it; what they returned."""

    async def run():
        journal = Journal(folder, segment)
        try:
            return await steps(journal)
        finally:
            await journal.close()

    return asyncio.run(run())


def test_lines_are_there_in_order_and_many_wait_for_the_disk_together(tmp_path, monkeypatch):
    syncs = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (syncs.append(fd), real(fd))[1])
    sent = [{"epoch": i} for i in range(500)]

    async def steps(journal):
        syncs.clear()
        await asyncio.gather(*map(journal.append, sent))
        # what has been acknowledged can be read before anything is closed
        assert events(tmp_path) == sent

    written(tmp_path, steps)
    assert 1 <= len(syncs) < 100


def test_each_line_is_on_disk_when_its_future_is_done(tmp_path, monkeypatch):
    order = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda fd: (real(fd), order.append("synced"))[0])

    async def steps(journal):
        order.clear()
        await journal.append({"epoch": 1})
        order.append("acknowledged")

    written(tmp_path, steps)
    assert order[:2] == ["synced", "acknowledged"]


def test_a_new_segment_takes_what_comes_after_and_old_ones_can_go(tmp_path):
    async def steps(journal):
        first = journal.append({"epoch": 1})
        last, complete = journal.rotate()
        second = journal.append({"epoch": 2})
        await asyncio.gather(first, complete, second)
        assert list(recorded(tmp_path)) == [(4, {"epoch": 1}), (5, {"epoch": 2})]
        journal.remove(last)
        return last

    assert written(tmp_path, steps, segment=4) == 4
    assert list(recorded(tmp_path)) == [(5, {"epoch": 2})]


def test_a_line_that_was_being_written_was_never_acknowledged(tmp_path):
    (tmp_path / "00000001.journal").write_bytes(b'{"epoch":1}\n{"epo')
    (tmp_path / "00000002.journal").write_bytes(b'{"epoch":2}\n' + bytes(7))
    assert events(tmp_path) == [{"epoch": 1}, {"epoch": 2}]


@pytest.mark.parametrize("line", [b'{"epo\n', b"\n", b"[1]\n", b"\xff\n"])
def test_a_damaged_line_is_named(tmp_path, line):
    path = tmp_path / "00000001.journal"
    path.write_bytes(b'{"epoch":1}\n' + line + b'{"epoch":2}\n')
    with pytest.raises(ValueError, match=r"00000001\.journal, line 2: .* move the file"):
        events(tmp_path)


@pytest.mark.parametrize("fails", ["write", "fsync"])
def test_what_a_full_disk_does_not_take_is_refused_and_leaves_nothing(tmp_path, monkeypatch, fails):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def steps(journal):
        await journal.append({"epoch": 1})
        with monkeypatch.context() as patch:
            if fails == "fsync":
                patch.setattr(os, "fsync", raising(full))
            else:
                patch.setattr(journal, "_file", Full(journal._file, full))
            with pytest.raises(OSError, match="No space"):
                await journal.append({"epoch": 2})
        await journal.append({"epoch": 3})

    written(tmp_path, steps)
    assert events(tmp_path) == [{"epoch": 1}, {"epoch": 3}]


def raising(error):
    def fail(*_):
        raise error

    return fail


class Full:
    """A file on a disk that takes some bytes, then no more."""

    def __init__(self, file, error):
        self.file, self.error, self.left = file, error, 5

    def write(self, data):
        if not self.left:
            raise self.error
        taken = self.file.write(bytes(data[: self.left]))
        self.left -= taken
        return taken

    def __getattr__(self, name):
        return getattr(self.file, name)


def test_a_journal_never_writes_into_a_segment_that_is_there(tmp_path):
    (tmp_path / "00000001.journal").write_bytes(b"")

    async def begin():
        Journal(tmp_path, 1)

    with pytest.raises(FileExistsError):
        asyncio.run(begin())


def test_killed_at_any_moment_it_has_every_line_that_was_acknowledged(tmp_path):
    code = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from earlystop_lab.live.watch.journal import Journal\n"
        "async def main():\n"
        "    journal = Journal(Path(sys.argv[1]), 1)\n"
        "    for i in range(10**6):\n"
        "        if i % 7 == 6:\n"
        "            journal.rotate()\n"
        "        await journal.append({'epoch': i})\n"
        "        print(i, flush=True)\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True
    ) as process:
        acknowledged = [int(process.stdout.readline()) for _ in range(40)]
        process.send_signal(signal.SIGKILL)
        acknowledged += map(int, process.stdout.read().split())
    assert [event["epoch"] for event in events(tmp_path)][: len(acknowledged)] == acknowledged
    assert len(segments(tmp_path)) > 5
