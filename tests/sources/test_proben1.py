import os
import re
from pathlib import Path

import numpy as np
import pytest

from earlystop_lab.sources.proben1 import DATASETS, PROBLEMS, read_dt

HEADER = """\
bool_in=1
real_in=1
bool_out=0
real_out=1
training_examples=3
validation_examples=2
test_examples=1
"""
ROWS = """\
0 0.5 1
1 -0.25 0
0 1.00112 0.5
1 1e-3 0.1
1 .5 +0.9
0 0 0
"""


@pytest.fixture
def dt(tmp_path):
    def write(text: str, name: str = "toy1.dt") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


# -- good files ----------------------------------------------------------------------------


def test_parts_are_the_rows_in_the_order_of_the_file(dt):
    data = read_dt(dt(HEADER + ROWS))
    # inputs outside 0..1 occur in the real files and must survive as they are
    assert data.train.inputs.tolist() == [[0, 0.5], [1, -0.25], [0, 1.00112]]
    assert data.train.targets.tolist() == [[1], [0], [0.5]]
    assert data.val.inputs.tolist() == [[1, 0.001], [1, 0.5]]
    assert data.val.targets.tolist() == [[0.1], [0.9]]
    assert data.test.inputs.tolist() == [[0, 0]]
    assert data.test.targets.tolist() == [[0]]


@pytest.mark.parametrize(
    ("name", "problem", "permutation"), [("heartac3", "heartac", 3), ("own", "own", 0)]
)
def test_name_problem_and_permutation_come_from_the_file_name(dt, name, problem, permutation):
    data = read_dt(str(dt(HEADER + ROWS, f"{name}.dt")))
    assert (data.name, data.problem, data.permutation) == (name, problem, permutation)


def test_only_the_sums_of_bool_and_real_counts_matter(dt):
    # hearta declares bool_out=1 though its target is analog
    swapped = HEADER.replace("bool_out=0\nreal_out=1", "bool_out=1\nreal_out=0")
    assert read_dt(dt(swapped + ROWS)).train.targets[2, 0] == 0.5


@pytest.mark.parametrize(
    "text",
    [
        pytest.param((HEADER + ROWS).replace("\n", "\r\n"), id="windows line ends"),
        pytest.param((HEADER + ROWS).rstrip("\n"), id="no newline at the end"),
        pytest.param(HEADER + ROWS + "\n  \n", id="blank lines at the end"),
        pytest.param((HEADER + ROWS).replace(" ", "\t  "), id="tabs and many spaces"),
    ],
)
def test_layout_that_does_not_matter(dt, text):
    read, expected = read_dt(dt(text, "a1.dt")), read_dt(dt(HEADER + ROWS, "b1.dt"))
    for part, same in zip(read[1:], expected[1:], strict=True):
        np.testing.assert_array_equal(part.inputs, same.inputs)
        np.testing.assert_array_equal(part.targets, same.targets)


# -- bad files: the message says which file, which line, what was expected ---------------------

THREE = "expected 2 inputs [+] 1 outputs = 3"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            HEADER + ROWS.replace("1 -0.25 0\n", "1 -0.25\n"),
            f"line 9: 2 values, {THREE}",
            id="short",
        ),
        pytest.param(
            HEADER + ROWS.replace("-0.25 0", "-0.25 0 7"), f"line 9: 4 values, {THREE}", id="long"
        ),
        # a blank line is no example, but it counts as a line of the file
        pytest.param(
            HEADER + "\n" + ROWS.replace("-0.25 0", "0"), f"line 10: 2 values, {THREE}", id="blank"
        ),
        pytest.param(
            (HEADER + ROWS)[: -len("5 +0.9\n0 0 0\n")] + "\n",
            "line 12: 2 values",
            id="cut in a row",
        ),
        pytest.param(
            HEADER + ROWS[: ROWS.index("1 1e-3")],
            r"3 examples.*3 training \+ 2 validation \+ 1 test = 6.*truncated",
            id="cut after a row",
        ),
        pytest.param(HEADER, "0 examples.*= 6", id="cut after the header"),
        pytest.param(HEADER + ROWS + "1 1 1\n", "7 examples.*= 6; correct", id="too many rows"),
        pytest.param(
            HEADER.replace("test_examples=1", "test_examples=2") + ROWS,
            r"6 examples.*3 training \+ 2 validation \+ 2 test = 7",
            id="header promises more",
        ),
        pytest.param(
            re.sub(r"examples=\d", "examples=999999999", HEADER) + ROWS,
            "6 examples.*= 2999999997",
            id="header promises more than memory holds",
        ),
        pytest.param(
            HEADER.replace("real_in=1", "real_in=999999999") + ROWS,
            "line 8: 3 values, expected 1000000000 inputs",
            id="header promises longer rows than memory holds",
        ),
        pytest.param(
            HEADER.replace("real_in=1", "real_in=2") + ROWS,
            "line 8: 3 values, expected 3 inputs",
            id="header promises more inputs",
        ),
    ],
)
def test_rows_that_the_header_does_not_announce(dt, text, message):
    path = dt(text)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}.*{message}"):
        read_dt(path)


@pytest.mark.parametrize(
    "word", ["high", "?", "0,5", "0x1", "--1", "1_0", "nan", "inf", "-inf", "1e999"]
)
def test_a_value_that_is_no_finite_number(dt, word):
    path = dt(HEADER + ROWS.replace("1 1e-3 0.1", f"1 {word} 0.1"))
    expected = f"{path}, line 11, value 2: '{word}' is not a finite number"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}"):
        read_dt(path)


@pytest.mark.parametrize("number", range(1, 8))
@pytest.mark.parametrize(
    "found", ["", "0.5 1 0", "{}=", "{}=x", "{}=-1", "{}=1.5", "other=1", "{}"]
)
def test_a_header_line_that_is_not_the_count_expected_there(dt, number, found):
    lines = HEADER.splitlines()
    name = lines[number - 1].split("=")[0]
    lines[number - 1] = found.format(name)
    path = dt("\n".join(lines) + "\n" + ROWS)
    expected = f"{path}, line {number}: expected '{name}=<count>', found '{found.format(name)}'"
    with pytest.raises(ValueError, match=f"^{re.escape(expected)}"):
        read_dt(path)


@pytest.mark.parametrize("number", range(1, 8))
def test_a_missing_header_line(dt, number):
    lines = HEADER.splitlines()
    name = lines.pop(number - 1).split("=")[0]
    path = dt("\n".join(lines) + "\n" + ROWS)
    with pytest.raises(ValueError, match=rf"toy1\.dt, line {number}: expected '{name}=<count>'"):
        read_dt(path)


@pytest.mark.parametrize(
    ("count", "zero"),
    [
        ("training_examples=3", "training_examples=0"),
        ("validation_examples=2", "validation_examples=0"),
        ("test_examples=1", "test_examples=0"),
        ("real_out=1", "real_out=0"),
        ("bool_in=1\nreal_in=1", "bool_in=0\nreal_in=0"),
    ],
)
def test_a_part_without_examples_or_columns(dt, count, zero):
    path = dt(HEADER.replace(count, zero) + ROWS)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}.*at least 1"):
        read_dt(path)


def test_an_empty_file(dt):
    path = dt("")
    with pytest.raises(ValueError, match=rf"{re.escape(str(path))}, line 1: expected 'bool_in="):
        read_dt(path)


@pytest.mark.parametrize(
    "content", [b"PAR1\x15\x04\xff\xfe\x80", b"\x00" * 64, HEADER.encode("utf-16")]
)
def test_a_binary_file(tmp_path, content):
    path = tmp_path / "toy1.dt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}.*(not a plain text|line 1)"):
        read_dt(path)


def test_a_missing_file_and_a_folder_are_os_errors_with_the_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path / "toy1.dt"))):
        read_dt(tmp_path / "toy1.dt")
    with pytest.raises(OSError, match=re.escape(str(tmp_path))):
        read_dt(tmp_path)


# -- the real files ------------------------------------------------------------------------

#: examples, inputs, outputs, as the report describes its problems
SIZES = {
    "building": (4208, 14, 3),
    "cancer": (699, 9, 2),
    "card": (690, 51, 2),
    "diabetes": (768, 8, 2),
    "flare": (1066, 24, 3),
    "gene": (3175, 120, 3),
    "glass": (214, 9, 6),
    "heart": (920, 35, 2),
    "hearta": (920, 35, 1),
    "horse": (364, 58, 3),
    "soybean": (683, 82, 19),
    "thyroid": (7200, 21, 3),
}


@pytest.fixture(scope="module")
def real():
    root = Path(__file__).parents[2]
    folder = Path(os.environ.get("PROBEN1_DIR", root / ".." / "shared" / "proben1"))
    if not folder.is_dir():
        pytest.skip("no PROBEN1 data here: set PROBEN1_DIR to the folder with its .dt files")
    return folder


def test_the_study_has_36_data_sets():
    assert set(PROBLEMS) == set(SIZES)
    assert sorted(DATASETS) == sorted(f"{problem}{i}" for problem in SIZES for i in (1, 2, 3))


@pytest.mark.parametrize("problem", PROBLEMS)
def test_sizes_of_the_real_data_sets(real, problem):
    sums = []
    for permutation in (1, 2, 3):
        data = read_dt(real / f"{problem}{permutation}.dt")
        assert (data.problem, data.permutation) == (problem, permutation)
        lengths = [len(part.inputs) for part in data[1:]]
        shapes = {(part.inputs.shape[1], part.targets.shape[1]) for part in data[1:]}
        assert [len(part.targets) for part in data[1:]] == lengths
        assert (sum(lengths), *shapes.pop()) == SIZES[problem]
        assert not shapes
        # 50%, 25%, 25%
        assert abs(lengths[0] - 2 * lengths[1]) <= 2
        assert abs(lengths[1] - lengths[2]) <= 1
        sums.append(np.concatenate([part.inputs for part in data[1:]]).sum(axis=0))
    # the three permutations hold the same examples
    np.testing.assert_allclose(sums[1:], [sums[0]] * 2, rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "lengths"),
    [
        ("building1", [2104, 1052, 1052]),
        ("cancer1", [350, 175, 174]),
        ("hearta1", [460, 230, 230]),
        ("thyroid1", [3600, 1800, 1800]),
    ],
)
def test_partition_of_the_real_data_sets(real, name, lengths):
    assert [len(part.inputs) for part in read_dt(real / f"{name}.dt")[1:]] == lengths


def test_first_and_last_value_of_the_real_cancer1(real):
    data = read_dt(real / "cancer1.dt")
    lines = (real / "cancer1.dt").read_text().split()
    assert data.train.inputs[0, 0] == float(lines[7])
    assert data.test.targets[-1, -1] == float(lines[-1])


# the report's best linear networks have 4.25 and 3.82: RPROP comes close to the exact optimum
@pytest.mark.parametrize(("name", "expected"), [("cancer1", 4.24), ("hearta1", 3.815)])
def test_exact_least_squares_gives_the_published_training_error(real, name, expected):
    inputs, targets = read_dt(real / f"{name}.dt").train
    design = np.column_stack([np.ones(len(inputs)), inputs])
    weights = np.linalg.lstsq(design, targets)[0]
    error = 100 * np.mean((design @ weights - targets) ** 2)
    assert error == pytest.approx(expected, abs=0.005)
