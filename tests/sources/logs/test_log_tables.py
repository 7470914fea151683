"""Tables of logs: the fast reader says what the careful one says, or nothing."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, strategies as st

from earlystop_lab.sources.logs import read_logs
from earlystop_lab.sources.logs._cells import LogError
from earlystop_lab.sources.logs._columns import Column, Growing
from earlystop_lab.sources.logs._reading import Source
from earlystop_lab.sources.logs.tables import _read_carefully, _read_fast, is_table

CELLS = st.one_of(
    st.integers(-5, 10**20).map(str),
    st.floats().map(str),
    st.floats(0, 1).map("{:.3f}".format),
    st.sampled_from(
        [
            "-",
            "NA",
            "na",
            "nA",
            "None",
            "nan",
            "-NaN",
            "inf",
            "Infinity",
            "1e999",
            "1_0",
            "0x1",
            "+1.5",
            "1.",
            ".5",
            "1e",
            "5%",
            "0,5",
            "True",
        ]
    ),
    st.sampled_from(["train", "---", "epoch", "loss", "tensor(0.5)", "[0.5]", '"3"', "{'a':1}"]),
    st.sampled_from(["", " ", " null", " 2", "2 ", "9" * 401, "\x0c1", "\uff11"]),
)
NAMES = st.sampled_from(["epoch", "loss", "val_loss", "", "-", "phase", "lr", "größe", "mAP50(B)"])


@st.composite
def tables(draw):
    delimiter = draw(st.sampled_from(",,,;\t"))
    width = draw(st.integers(1, 4))
    header = draw(st.lists(NAMES, min_size=width, max_size=width))
    # mostly numbers, so that the fast reader reads some of them
    cells = draw(st.sampled_from([st.integers(0, 99).map(str), st.floats(0, 1).map(str), CELLS]))
    rows = draw(st.lists(st.lists(cells, min_size=width, max_size=width), max_size=30))
    if rows and draw(st.booleans()):
        rows[draw(st.integers(0, len(rows) - 1))][draw(st.integers(0, width - 1))] = draw(CELLS)
    lines = [delimiter.join(row) for row in [header, *rows]]
    if draw(st.integers(0, 3)) == 0:
        misfit = draw(st.sampled_from(["1", "1,2,3,4,5", "---", "----,-", "epoch,loss,", "loss"]))
        lines.insert(draw(st.integers(1, len(lines))), misfit)
    end = draw(st.sampled_from(["\n", "\n", "\n", "\r\n", "\r"]))
    text = end.join(lines) + draw(st.sampled_from([end, end, "", end + end, " "]))
    return draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"])) + text.encode()


def source_of(data, suffix=".csv"):
    """A file that was read already."""
    source = Source.__new__(Source)
    source.data, source.suffix, source.notes = data, suffix, []
    return source


def said(log):
    """All that a log says, every bit of it."""
    columns = {}
    for name in log.columns:
        rows, values, wrong = log.numbers(name)
        columns[name] = (
            rows.tolist(),
            [value.hex() for value in values.tolist()],
            {row: str(error) for row, error in wrong.items()},
            [str(cell) for cell in log.cells(name)],
            log.columns[name].filled,
        )
    skipped = [(str(error), error.line) for error in log.skipped]
    return log.lines.tolist(), columns, log.notes, skipped


@given(tables(), st.booleans())
@example(b"epoch,loss\n1,0.5\n2,nan\n", True)
@example(b"a,b\n1,2\n1e999,3\n", True)
@example(b"run,epoch,loss\nx,1,2\ny,1,3", False)
@example(b"a,b\n1,2\n3\n4,5,6\n7,8\n9", True)
@example(b"a,b\n1,2\na,c\n3,4\n", True)
def test_the_fast_reader_says_what_the_careful_one_says_or_nothing(data, large):
    source = source_of(data)
    if source.first_lines is None or not is_table(source):
        return
    # as of a large file too
    with pytest.MonkeyPatch.context() as patched:
        if large:
            patched.setattr("earlystop_lab.sources.logs.tables._SMALL", 0)
        fast = _read_fast(source)
    # the careful one reads a file that nobody looked at
    again = source_of(data)
    again.first_lines = None
    if fast is not None:
        assert said(fast) == said(_read_carefully(again))


@given(tables())
def test_a_plain_file_is_no_json_and_begins_alike(data):
    source, careful = source_of(data), source_of(data)
    careful.first_lines = None
    if source.first_lines is None:
        return
    assert careful.records is None
    assert careful.document is None
    assert source.first_lines == careful.lines[: len(source.first_lines)]
    assert is_table(source) == is_table(careful)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_the_fast_reader_reads(end):
    lines = ["epoch,phase,loss,val_loss", "0,train,0.5,", "1,val,nan,0.25", "2,train,-1e-3,NA", ""]
    log = _read_fast(source_of(end.join(lines).encode()))
    assert log.lines.tolist() == [2, 3, 4]
    assert log.cells("phase") == ["train", "val", "train"]
    assert log.cells("val_loss") == ["", "0.25", "NA"]
    assert log.columns["loss"].numeric.type == pa.float64()
    np.testing.assert_equal(log.numbers("loss").values, [0.5, np.nan, -1e-3])
    assert log.numbers("val_loss").rows.tolist() == [1]


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\na,b\n3,4\n",  # the header again
        "a,b\n1,2\n\n3,4\n",  # a blank line
        "a;b\n1,5;2\n",  # decimal commas
        "# a comment\na,b\n1,2\n",
        'a,b\n"1",2\n',
        "a,b\n1,2\r3,4\n",
    ],
)
def test_what_wants_care(text):
    source = source_of(text.encode())
    assert source.first_lines is None or _read_fast(source) is None


def test_errors_name_line_and_value_of_a_large_table(tmp_path):
    rows = [f"{i},{1 / (i + 1)!r},{2 / (i + 1)!r}\n" for i in range(50_000)]
    rows[40_000] = "40000,0.5,oops\n"
    rows[45_000] = "-3,0.5,0.5\n"
    path = tmp_path / "log.csv"
    path.write_text("epoch,loss,val_loss\n" + "".join(rows))
    found = read_logs(path)
    assert [tuple(skipped) for skipped in found.skipped] == [
        ("log.csv", 40_002, "column 'val_loss': 'oops' is not a number"),
        ("log.csv", 45_002, "column 'epoch': '-3' is not a valid position; expected an epoch or "
         "step from 0 to 2**53"),
    ]  # fmt: skip
    assert len(found.curves[0].val) == 49_998


def test_runs_of_a_large_table_keep_the_names_that_are_written(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text(
        "seed,epoch,val_loss\n" + "".join(f"{s},{e},0.5\n" for s in ("07", "8") for e in range(9))
    )
    assert read_logs(path).curves.runs == ["log.csv:07", "log.csv:8"]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 2),
            st.one_of(CELLS, st.floats(0, 1).map(str), st.integers(0, 9), st.floats(), st.none()),
        ),
        max_size=40,
    )
)
@example([(0, "0.5"), (0, "0.25"), (0, "1.5"), (0, "7"), (0, "0.50"), (0, "x"), (0, "nan")])
@example([(0, "1"), (0, "2"), (0, 3.0), (0, 4.0), (0, None), (1, 2**70)])
def test_cells_that_are_packed_are_those_that_were_added(gaps_and_cells):
    rows, cells = [], [cell for _, cell in gaps_and_cells]
    for gap, _ in gaps_and_cells:
        rows.append((rows[-1] + 1 if rows else 0) + gap)
    growing = Growing()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("earlystop_lab.sources.logs._columns._PIECE", 2)
        for row, cell in zip(rows, cells, strict=True):
            growing.add(row, cell)
        column = growing.column(np.arange(max(rows, default=-1) + 1))
    assert column.rows.tolist() == rows
    assert [*map(repr, column.objects)] == [*map(repr, cells)]
    found, plain = column.numbers("x"), Column(cells, np.array(rows, np.int64)).numbers("x")
    assert found.rows.tolist() == plain.rows.tolist()
    assert [v.hex() for v in found.values.tolist()] == [v.hex() for v in plain.values.tolist()]
    assert found.wrong.keys() == plain.wrong.keys()


def test_an_empty_table_is_refused():
    with pytest.raises(LogError, match="a header but no rows"):
        _read_carefully(source_of(b"a,b\n"))
