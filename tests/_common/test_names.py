"""Names of files: valid on every system, distinct, and found again."""

import re

import pytest
from hypothesis import given, strategies as st

from earlystop_lab import CurveSet, read_curves
from earlystop_lab._common.names import file_in, file_name
from earlystop_lab.live import Stopper

#: what Windows refuses, or takes for a device; see its documentation of file names
_DEVICES = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE
)
_AWKWARD = ["CON", "con.x", "nul ", "COM1", "lpt9.parquet", "COM²", ".", "..", " a", "a ", "a."]
_AWKWARD += ["a/b", "%41", "A", "a", "é", "..\\..\\x"]
_AWKWARD += ["a\0b", "\ud800", "e\u0301", "x" * 400, "実" * 90, "a\u200b"]
_NAMES = st.text(max_size=40) | st.sampled_from(_AWKWARD)


def is_valid(text):
    return not (
        set(text) & set('/\\:*?"<>|')
        or any(ord(char) < 32 or 0xD800 <= ord(char) < 0xE000 for char in text)
        or text[-1] in ". "
        or text[0] in ". "
        or _DEVICES.fullmatch(text)
        or len(text.encode()) > 255
    )


@given(_NAMES)
def test_a_file_name_is_valid_everywhere(name):
    for text in (file_name(name), f"{file_name(name)}.parquet"):
        assert is_valid(text), text


@given(st.lists(_NAMES, min_size=2, max_size=2, unique=True))
def test_other_names_have_other_files(names):
    first, second = map(file_name, names)
    assert first != second
    if first.casefold() == second.casefold():
        assert names[0].casefold() == names[1].casefold()


def test_names_of_devices_are_not_devices():
    for name in ("CON", "nul", "Com1", "lpt9.log", "AUX .x", "conin$"):
        assert _DEVICES.fullmatch(name)
        assert not _DEVICES.fullmatch(file_name(name)), name
    assert file_name("console") == "console"
    assert file_name("run-1.5 (2)") == "run-1.5 (2)"


def test_twins_in_case_have_files_of_their_own(tmp_path):
    files = []
    for name in ("Run", "run", "RUN", "other"):
        file = file_in(tmp_path, name)
        file.write_text(name)
        files.append(file)
    assert len({file.name.casefold() for file in files}) == 4
    assert files[0].name == "Run.parquet"
    assert [file_in(tmp_path, name) for name in ("Run", "run", "RUN", "other")] == files
    files[0].unlink()
    assert file_in(tmp_path, "run") == files[1]


def test_files_of_an_earlier_version_are_found(tmp_path):
    (tmp_path / "a'b.parquet").write_text("")
    assert file_in(tmp_path, "a'b").name == "a'b.parquet"
    assert file_in(tmp_path, "c'd").name == "c%27d.parquet"


@pytest.mark.parametrize("run", ["CON", "nul.x", "trailing. ", "é", "a\u200bb", "x" * 300])
def test_a_stopper_records_a_run_of_any_name(tmp_path, run):
    for _ in range(2):
        with Stopper("GL(5)", record=tmp_path, run=run) as stopper:
            stopper.update(val=1.0)
    (file,) = tmp_path.iterdir()
    assert is_valid(file.name)
    assert read_curves(tmp_path).runs == [run]
    assert Stopper("GL(5)", record=tmp_path, run=run).recorded().runs == [run]


def test_problems_in_a_folder_have_files_of_their_own(tmp_path):
    problems = ["CON", "toy", "Toy", "a/b", "a_b", "x" * 300, "nul"]
    runs = [{"run": str(i), "val": [1.0], "problem": p} for i, p in enumerate(problems)]
    CurveSet.from_runs(runs).write(tmp_path / "set")
    names = [path.name for path in (tmp_path / "set").iterdir()]
    assert all(map(is_valid, names))
    assert len({name.casefold() for name in names}) == len(names) == 5
    assert sorted(read_curves(tmp_path / "set").meta["problem"]) == sorted(problems)
