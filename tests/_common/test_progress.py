"""Progress: on stderr after a second, in a terminal only, one bar at a time."""

import itertools
import time

import pytest

from earlystop_lab._common.progress import followed, progress_shown


@pytest.fixture
def slow(monkeypatch):
    """A clock on which two seconds pass between any two looks at it."""
    clock = itertools.count(step=2)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))


def test_nothing_is_shown_in_the_first_second_or_where_it_was_not_asked_for(capsys, monkeypatch):
    with progress_shown():
        assert list(followed("abc", "spelling", 3, "letters")) == ["a", "b", "c"]
    clock = itertools.count(step=2)
    monkeypatch.setattr(time, "monotonic", lambda: float(next(clock)))
    assert list(followed("abc", "spelling", 3, "letters")) == ["a", "b", "c"]
    with progress_shown(False):
        assert list(followed("abc", "spelling", 3, "letters")) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("slow")
def test_what_is_done_is_counted_on_stderr_by_size(capsys):
    with progress_shown():
        list(followed([2, 3], "reading [all]", 5, "runs", size=lambda n: n))
    said, told = capsys.readouterr()
    assert said == ""
    assert "reading [all]" in told
    assert "5 of 5 runs" in told


@pytest.mark.usefixtures("slow")
def test_inner_progress_is_not_shown_and_ends_with_the_outer(capsys):
    with progress_shown():
        for _ in followed([1, 2], "outer", 2, "parts"):
            assert list(followed([1, 2], "inner", 2, "parts")) == [1, 2]
        list(followed([1], "after", 1, "parts"))
    told = capsys.readouterr().err
    assert "outer" in told
    assert "inner" not in told
    assert "after" in told


@pytest.mark.usefixtures("slow")
def test_an_error_ends_it_at_once(capsys):
    def broken():
        yield 1
        yield 2
        raise ValueError("boom")

    with pytest.raises(ValueError, match="boom"), progress_shown():
        list(followed(broken(), "first", 3, "parts"))
    given = None
    with pytest.raises(ValueError, match="bang"), progress_shown():  # noqa: PT012
        given = followed([1, 2, 3], "second", 3, "parts")
        for number in given:
            if number == 3:
                raise ValueError("bang")
    assert given is not None  # still alive, as in a traceback, and yet over
    with progress_shown():
        list(followed([1], "third", 1, "parts"))
    told = capsys.readouterr().err
    assert all(word in told for word in ("first", "second", "third"))
