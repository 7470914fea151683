"""Nobody ever sees half a file."""

import pytest

from earlystop_lab._common.files import written_whole


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
