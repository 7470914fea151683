"""Nobody ever sees half a file."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from filelock import FileLock

from earlystop_lab import EarlystopError
from earlystop_lab._common import files
from earlystop_lab._common.files import BusyError, cache_folder, held, written_whole


class BrokenError(Exception):
    """What goes wrong in a body."""


def everything(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*"))


def test_a_file_appears_when_the_body_is_done(tmp_path):
    path = tmp_path / "table.csv"
    with written_whole(path) as temporary:
        temporary.write_text("a,b")
        assert not path.exists()
    assert path.read_text() == "a,b"
    assert everything(tmp_path) == ["table.csv"]


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with written_whole(str(path)) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [BrokenError, KeyboardInterrupt])
@pytest.mark.parametrize("written", ["", "half"])
def test_a_body_that_fails_leaves_the_old_file_and_no_temporary(tmp_path, error, written):
    path = tmp_path / "table.csv"
    path.write_text("old")

    def fail():
        with written_whole(path) as temporary:
            if written:
                temporary.write_text(written)
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_text() == "old"
    assert everything(tmp_path) == ["table.csv"]


def test_a_body_that_fails_makes_no_file(tmp_path):
    def fail():
        with written_whole(tmp_path / "table.csv") as temporary:
            temporary.write_text("half")
            raise BrokenError

    with pytest.raises(BrokenError):
        fail()
    assert everything(tmp_path) == []


def test_a_body_that_writes_nothing_is_an_error(tmp_path):
    def forget():
        with written_whole(tmp_path / "table.csv"):
            pass

    with pytest.raises(FileNotFoundError):
        forget()
    assert everything(tmp_path) == []


def test_a_folder_appears_when_the_body_is_done(tmp_path):
    path = tmp_path / "curves"
    with written_whole(path) as temporary:
        temporary.mkdir()
        (temporary / "one.txt").write_text("1")
        assert not path.exists()
    assert everything(tmp_path) == ["curves", "curves/one.txt"]


def test_a_folder_that_is_there_is_not_replaced(tmp_path):
    path = tmp_path / "curves"
    path.mkdir()
    (path / "old.txt").write_text("old")

    def replace():
        with written_whole(path) as temporary:
            temporary.mkdir()
            (temporary / "new.txt").write_text("new")

    with pytest.raises(OSError, match="curves"):
        replace()
    assert everything(tmp_path) == ["curves", "curves/old.txt"]


def test_parent_folders_are_made(tmp_path):
    with written_whole(tmp_path / "a" / "b" / "table.csv") as temporary:
        temporary.write_text("")
    assert everything(tmp_path) == ["a", "a/b", "a/b/table.csv"]


def test_the_temporary_keeps_the_suffix_and_stays_on_the_same_disk(tmp_path):
    with written_whole(tmp_path / "table.parquet") as temporary:
        # writers choose their format by the suffix; a rename works only within a disk
        assert temporary.suffix == ".parquet"
        assert tmp_path in temporary.parents
        temporary.touch()


def test_two_writers_at_once_do_not_meet(tmp_path):
    path = tmp_path / "table.csv"
    with written_whole(path) as one, written_whole(path) as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    # the last one to finish
    assert path.read_text() == "one"
    assert everything(tmp_path) == ["table.csv"]


# -- killed ------------------------------------------------------------------------------------

DIE = """
import os, sys
from earlystop_lab._common.files import written_whole
with written_whole(sys.argv[1]) as temporary:
    temporary.mkdir()
    (temporary / "part").write_text("half")
    if sys.argv[2:]:
        with written_whole(sys.argv[1]):
            os._exit(9)
    os._exit(9)
"""


@pytest.mark.parametrize("nested", [[], ["nested"]])
@pytest.mark.parametrize("next_start", [written_whole, held])
def test_what_a_killed_process_leaves_is_removed_at_the_next_start(tmp_path, nested, next_start):
    path = tmp_path / "table.csv"
    assert subprocess.run([sys.executable, "-c", DIE, path, *nested]).returncode == 9
    left = [".table.csv.1.tmp", ".table.csv.2.tmp"][: 1 + len(nested)]
    assert [name for name in everything(tmp_path) if "/" not in name] == left
    # what only looks alike is somebody's own
    (tmp_path / ".table.csv.tmp").mkdir()
    (tmp_path / ".other.csv.1.tmp").mkdir()
    with next_start(path) as temporary:
        if temporary is not None:
            temporary.write_text("new")
    kept = [".other.csv.1.tmp", ".table.csv.tmp"]
    assert everything(tmp_path) == [*kept, *(["table.csv"] if temporary is not None else [])]


def test_the_temporary_of_a_process_that_lives_is_left_alone(tmp_path):
    path = tmp_path / "table.csv"
    with written_whole(path) as one:
        one.write_text("one")
        with written_whole(path) as other:
            other.write_text("other")
        with held(path):
            pass
        assert one.read_text() == "one"
    assert path.read_text() == "one"


@pytest.mark.skipif(os.name != "posix", reason="folders cannot be synced elsewhere")
def test_the_contents_are_on_disk_before_the_name_and_then_the_name(tmp_path, monkeypatch):
    said = []
    real = {"fsync": os.fsync, "replace": os.replace}

    def fsync(descriptor):
        said.append(("fsync", os.fstat(descriptor).st_ino))
        real["fsync"](descriptor)

    def replace(source, target):
        said.append(("replace", os.stat(source).st_ino))
        real["replace"](source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    new, parent = tmp_path / "new", tmp_path.stat().st_ino
    with written_whole(new / "table.csv") as temporary:
        temporary.write_text("a,b")
    file, folder = (new / "table.csv").stat().st_ino, new.stat().st_ino
    assert said == [("fsync", parent), ("fsync", file), ("replace", file), ("fsync", folder)]
    said.clear()
    with written_whole(new / "curves") as temporary:
        temporary.mkdir()
        (temporary / "a").write_text("a")
    inside, made = (new / "curves" / "a").stat().st_ino, (new / "curves").stat().st_ino
    expected = [("fsync", inside), ("fsync", made), ("replace", made), ("fsync", folder)]
    assert said == expected
    said.clear()
    with written_whole(new / "unit.parquet", durable=False) as temporary:
        temporary.write_text("a")
    assert [kind for kind, _ in said] == ["replace"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_temporary_of_another_user_is_no_obstacle(tmp_path):
    (tmp_path / ".table.csv.1.tmp").mkdir()
    (tmp_path / ".table.csv.1.tmp").chmod(0o500)
    with written_whole(tmp_path / "table.csv") as temporary:
        temporary.write_text("new")
    assert everything(tmp_path) == [".table.csv.1.tmp", "table.csv"]


def test_a_full_disk_is_said_of_the_file_and_leaves_nothing(tmp_path, monkeypatch):
    """At any of the operations that a full disk refuses."""
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def refuse(*args, **options):
        raise full

    for owner, name in [(os, "replace"), (os, "fsync"), (Path, "mkdir"), (Path, "write_text")]:
        for start in (written_whole, held):
            if (start, name) in [(held, "replace"), (held, "fsync"), (held, "mkdir")]:
                continue
            with monkeypatch.context() as patch:
                patch.setattr(owner, name, refuse)
                with pytest.raises(OSError, match="No space") as e, start(tmp_path / "a") as new:
                    new.write_text("new")
            assert e.value.filename == str(tmp_path / "a")
            assert everything(tmp_path) == []


# -- one process at a time -------------------------------------------------------------------

HOLD = """
import sys
from earlystop_lab._common.files import held
with held(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_second_process_is_told_who_writes_the_output(tmp_path):
    out = tmp_path / "new" / "stops.csv"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", HOLD, out], **pipes) as other:
        assert other.stdout.readline() == "held\n"
        for _ in range(2):  # to be refused changes nothing
            with pytest.raises(BusyError) as refused, held(out):
                pass
            said = rf"^{re.escape(str(out))}: another process .*\(process {other.pid} on .* since "
            assert re.match(said, str(refused.value))
        assert isinstance(refused.value, EarlystopError)
        with held(tmp_path / "new" / "other.csv"):
            pass
        other.kill()
        other.wait()
    with held(out), pytest.raises(BusyError, match="process"), held(out):
        pass
    assert everything(tmp_path) == ["new"]


def test_where_open_files_stay_the_lock_is_removed_once_it_is_released(tmp_path, monkeypatch):
    """As on Windows, where a file that a process has open cannot be removed."""
    remove, locked = Path.unlink, []

    def refuses(path, **options):
        if path.name.endswith(".lock") and locked:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        remove(path, **options)

    class Lock(FileLock):
        def _acquire(self):
            super()._acquire()
            locked.append(self)

        def _release(self):
            locked.remove(self)
            super()._release()

    monkeypatch.setattr("filelock.FileLock", Lock)
    monkeypatch.setattr(files, "_OPEN_FILES_STAY", True)
    monkeypatch.setattr(Path, "unlink", refuses)
    with held(tmp_path / "stops.csv"):
        assert len(locked) == 1
        with written_whole(tmp_path / "stops.csv") as new:
            new.write_text("new")
    assert everything(tmp_path) == ["stops.csv"]


def test_what_cannot_be_held_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match="file"), held(tmp_path / "file" / "stops.csv"):
        pass
    assert everything(tmp_path) == ["file"]


def test_where_results_and_data_are_kept(monkeypatch, tmp_path):
    monkeypatch.setenv("EARLYSTOP_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("EARLYSTOP_CACHE")
    assert cache_folder().name == "earlystop_lab"
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        assert cache_folder() == tmp_path / "xdg" / "earlystop_lab"
