"""The journal: what is acknowledged is there, what is damaged is named."""

import errno
import shutil
import signal
import sqlite3
import subprocess
import sys

import pytest

from earlystop_lab.live.watch.journal import Journal


@pytest.fixture
def journal(tmp_path):
    made = Journal(tmp_path)
    yield made
    made.close()


def kept(folder):
    """Every event of a journal that nobody has open, or as it would be after a power cut."""
    copy = folder.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    journal = Journal(copy)
    try:
        return [event for _, event in journal.events()]
    finally:
        journal.close()


def test_what_has_been_appended_can_be_read_before_anything_is_closed(tmp_path):
    folder = tmp_path / "runs"
    journal = Journal(folder)
    sent = [{"epoch": i} for i in range(500)]
    journal.append(sent[:1])
    journal.append(sent[1:])
    assert kept(folder) == sent
    assert journal.last == 500
    journal.close()
    assert kept(folder) == sent


def test_every_commit_waits_for_the_disk(tmp_path, journal):
    def asked(name):
        return journal._database.execute(f"PRAGMA {name}").fetchone()[0]

    # 2 is FULL: in WAL mode, the log is synced at every commit (sqlite.org/pragma.html)
    assert (asked("journal_mode"), asked("synchronous"), asked("locking_mode")) == (
        "wal",
        2,
        "exclusive",
    )
    assert not journal._database.in_transaction
    journal.append([{"epoch": 1}])
    assert not journal._database.in_transaction


def test_many_events_are_one_commit(journal):
    said = []
    journal._database.set_trace_callback(said.append)
    journal.append([{"epoch": i} for i in range(500)])
    assert [line for line in said if line.startswith(("BEGIN", "COMMIT"))] == ["BEGIN ", "COMMIT"]


def test_what_is_kept_elsewhere_can_go_and_no_number_is_given_twice(tmp_path):
    folder = tmp_path / "runs"
    journal = Journal(folder)
    journal.append([{"epoch": 1}, {"epoch": 2}])
    journal.drop(1)
    assert list(journal.events()) == [(2, {"epoch": 2})]
    journal.drop(2)
    journal.append([{"epoch": 3}])
    assert list(journal.events()) == [(3, {"epoch": 3})]
    journal.close()


def test_only_one_process_has_a_journal(tmp_path, journal):
    with pytest.raises(ValueError, match="used by another earlystop watch"):
        Journal(tmp_path)
    code = "import sys; from pathlib import Path; from earlystop_lab.live.watch import journal\n"
    code += "journal.Journal(Path(sys.argv[1]))"
    other = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False
    )
    assert "used by another earlystop watch" in other.stderr


# -- damage ---------------------------------------------------------------------------------------


def file_of(folder):
    return folder / ".watch" / "journal.sqlite"


def test_a_commit_that_was_being_written_was_never_acknowledged(tmp_path):
    folder = tmp_path / "runs"
    journal = Journal(folder)
    log = file_of(folder).with_name("journal.sqlite-wal")
    journal.append([{"epoch": 1}])
    before = log.stat().st_size
    journal.append([{"epoch": 2}])
    after = log.read_bytes()
    assert kept(folder) == [{"epoch": 1}, {"epoch": 2}]
    for end in range(before, len(after), 97):
        log.write_bytes(after[:end])
        assert kept(folder) == [{"epoch": 1}]
    log.write_bytes(after)
    journal.close()


CHANGES = {
    "cut": "UPDATE event SET what = '{\"epo' WHERE id = 7",
    "another value": "UPDATE event SET what = replace(what, '7', '8') WHERE id = 8",
    "another number": "UPDATE event SET id = 1000 WHERE id = 500",
    "lost": "DELETE FROM event WHERE id = 1",
    "another total": "UPDATE total SET events = 499",
    "no total": "DELETE FROM total",
    "version": "PRAGMA user_version = 100",
}


@pytest.mark.parametrize("damage", ["notes", "middle", "schema", *CHANGES])
def test_a_damaged_journal_is_named(tmp_path, damage):
    journal = Journal(tmp_path)
    journal.append([{"epoch": i, "text": "x" * 100} for i in range(500)])
    if damage in CHANGES:
        journal._database.execute(CHANGES[damage])
        journal._database.commit()
    journal.close()
    path = file_of(tmp_path)
    if damage == "notes":
        path.write_text("notes\n" * 1000)
    elif damage == "schema":
        content = path.read_bytes()
        assert b"PRIMARY KEY" in content
        path.write_bytes(content.replace(b"PRIMARY KEY", b"PRIM\xec\xa0 KEY"))
    elif damage == "middle":
        content = bytearray(path.read_bytes())
        content[8192:20480] = bytes(12288)
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"journal\.sqlite: damaged .* move the file"):
        list(Journal(tmp_path).events())


def test_a_damaged_journal_that_was_moved_away_is_begun_anew(tmp_path):
    journal = Journal(tmp_path)
    journal.append([{"epoch": 1}])
    # a crash leaves the log of the database behind
    shutil.copytree(tmp_path / ".watch", tmp_path / "crashed")
    journal.close()
    shutil.rmtree(tmp_path / ".watch")
    (tmp_path / "crashed").rename(tmp_path / ".watch")
    file_of(tmp_path).unlink()
    journal = Journal(tmp_path)
    assert list(journal.events()) == []
    journal.close()


def test_journals_of_earlier_versions_are_named_unless_they_are_empty(tmp_path):
    (tmp_path / ".watch").mkdir()
    old = tmp_path / ".watch" / "00000001.journal"
    old.touch()
    Journal(tmp_path).close()
    old.write_bytes(b'{"epoch":1}\n')
    with pytest.raises(ValueError, match=r"00000001\.journal: has unsaved posts .* version once"):
        Journal(tmp_path)
    assert old.read_bytes() == b'{"epoch":1}\n'
    old.unlink()
    # of this kind, of before values were as they were measured
    journal = Journal(tmp_path)
    journal._database.execute("PRAGMA user_version = 1")
    journal.close()
    journal = Journal(tmp_path)
    journal.append([{"epoch": 1}])
    journal.close()
    journal = Journal(tmp_path)
    journal._database.execute("PRAGMA user_version = 1")
    journal.close()
    with pytest.raises(ValueError, match=r"journal\.sqlite: has unsaved posts .* version once"):
        Journal(tmp_path)


# -- a full disk ----------------------------------------------------------------------------------


def fill(journal):
    """Let SQLite take no page more than it has, as on a full disk; the number of events it took."""
    database = journal._database
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages}")
    taken = 0
    with pytest.raises(OSError, match="database or disk is full") as refused:  # noqa: PT012
        for taken in range(1000):
            journal.append([{"epoch": taken, "text": "x" * 500}] * 2)
    assert refused.value.errno == errno.ENOSPC
    return 2 * taken


def test_what_a_full_disk_does_not_take_is_refused_and_leaves_nothing(tmp_path):
    folder = tmp_path / "runs"
    journal = Journal(folder)
    taken = fill(journal)
    assert (journal.last, len(kept(folder))) == (taken, taken)
    journal._database.execute("PRAGMA max_page_count = 1000000")
    journal.append([{"epoch": "later"}])
    assert [event["epoch"] for event in kept(folder)][taken - 1 :] == [taken // 2 - 1, "later"]
    journal.close()


def test_a_disk_that_fails_at_the_commit_has_none_of_it(tmp_path, monkeypatch):
    """The statement is taken, the commit is not."""

    class Failing(sqlite3.Connection):
        fails = False

        def commit(self):
            if self.fails:
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorcode = sqlite3.SQLITE_IOERR
                raise error
            super().commit()

        def __exit__(self, kind, *about):
            # as the C code does it: a failed commit is rolled back
            try:
                self.rollback() if kind else self.commit()
            except BaseException:
                self.rollback()
                raise

    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, factory=Failing, **k))
    folder = tmp_path / "runs"
    journal = Journal(folder)
    journal.append([{"epoch": 1}])
    journal._database.fails = True
    with pytest.raises(OSError, match="disk I/O error"):
        journal.append([{"epoch": 2}])
    journal._database.fails = False
    journal.append([{"epoch": 3}])
    assert kept(folder) == [{"epoch": 1}, {"epoch": 3}]
    journal.close()


# -- killed ---------------------------------------------------------------------------------------


def test_killed_at_any_moment_it_has_every_event_that_was_acknowledged(tmp_path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from earlystop_lab.live.watch.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1]))\n"
        "for i in range(10**6):\n"
        "    journal.append([{'epoch': i}])\n"
        "    print(i, flush=True)\n"
    )
    folder = tmp_path / "runs"
    acknowledged = []
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", code, folder], stdout=subprocess.PIPE, text=True
        ) as process:
            acknowledged += [int(process.stdout.readline()) for _ in range(40)]
            process.send_signal(signal.SIGKILL)
            acknowledged += map(int, process.stdout.read().split())
        journal = Journal(folder)
        found = [event["epoch"] for _, event in journal.events()]
        journal.close()
        # one more may have been written than was acknowledged
        assert found[: len(acknowledged)] == acknowledged
        assert len(found) <= len(acknowledged) + 1
        acknowledged = found
