"""JSON Lines: the fast reader says what the careful one says, or nothing."""

import json

import pytest
from hypothesis import example, given, strategies as st
from test_log_tables import said, source_of

from earlystop_lab.sources.logs import read_logs

KEYS = st.sampled_from(["step", "loss", "val/loss", "val", "note", "a"])
NUMBERS = st.one_of(st.integers(-(10**6), 10**6), st.floats(), st.floats(0, 1))
VALUES = st.recursive(
    st.one_of(NUMBERS, st.none(), st.booleans(), st.sampled_from(["x", "1.5", "2024-01-02", "ä"])),
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from(["loss", "b"]), inner, max_size=2),
        st.lists(inner, max_size=2),
    ),
    max_leaves=3,
)
#: of what a column holds there is one kind in most logs
COLUMNS = st.sampled_from([NUMBERS, st.floats(0, 1), st.integers(0, 9), VALUES, st.none()])


@st.composite
def json_lines(draw):
    keys = draw(st.lists(KEYS, unique=True, min_size=1, max_size=4))
    kinds = {key: draw(COLUMNS) for key in keys}
    rows = [
        {key: draw(kind) for key, kind in kinds.items() if draw(st.integers(0, 4))}
        for _ in range(draw(st.integers(1, 8)))
    ]
    end = draw(st.sampled_from(["\n", "\n", "\n", "\r\n"]))
    lines = [json.dumps(row, ensure_ascii=draw(st.booleans())) for row in rows]
    lines[draw(st.integers(0, len(lines) - 1))] += draw(
        st.sampled_from([""] * 8 + [" ", "x", "{}", end, "}", '{"a": 1}', "\x1b[0m"])
    )
    text = end.join(lines) + draw(st.sampled_from([end, end, ""]))
    return text.replace("Infinity", draw(st.sampled_from(["Infinity", "Inf"]))).encode()


@given(json_lines())
@example(b'{"a": 1}{"a": 2}\n{"a":\n3}\n')
@example(b'{"a": 1}\n{"a": 2, "a": 3}\n')
@example(b'{"a": 0.5}\n{"a": %s}\n' % (b"1" * 400))
@example(b'{"val": {"loss": 1}, "val/loss": 2}\n{"val": {"loss": 3}}\n')
def test_the_fast_reader_says_what_the_careful_one_says_or_nothing(data):
    source, careful = source_of(data, ".jsonl"), source_of(data, ".jsonl")
    careful.plain_records = None
    if source.plain_records is None:
        return
    (lines, fast, *rest), (careful_lines, slow, *careful_rest) = map(
        said, (source.records, careful.records)
    )
    assert (lines, rest) == (careful_lines, careful_rest)
    # a column where nothing was ever measured is there or not
    assert {name for name in fast if fast[name][-1]} == {name for name in slow if slow[name][-1]}
    for name in fast.keys() & slow.keys():
        (*numbers, wrong, cells, filled), (*slow_numbers, slow_wrong, slow_cells, slow_filled) = (
            fast[name], slow[name]
        )  # fmt: skip
        assert (numbers, filled) == (slow_numbers, slow_filled)
        assert wrong.keys() == slow_wrong.keys()
        # beside a fraction, 1 is 1.0 to Arrow
        assert [c.replace(".0", "") for c in cells] == [c.replace(".0", "") for c in slow_cells]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('{"step": 1, "loss": NaN}\n{"step": 2, "loss": 1}\n', ["step", "loss"]),
        ('{"at": "2024-01-02"}\n{"at": "2024-01-03", "n": {"m": {"at": "2024-01-02"}}}\n',
         ["at", "n/m/at"]),
    ],
)  # fmt: skip
def test_what_the_fast_reader_reads(text, names):
    log = source_of(text.encode(), ".log").plain_records
    assert list(log.columns) == names
    assert log.cells("at", "2024-01-02")[0] == "2024-01-02"


def test_the_line_of_a_damaged_record_is_named(tmp_path):
    lines = [json.dumps({"step": i, "val_loss": 1 / (i + 1)}) for i in range(1000)]
    lines[500] = '{"step": 500, "val_'
    path = tmp_path / "log.jsonl"
    path.write_text("\n".join(lines) + "\n")
    found = read_logs(path)
    assert [skipped.line for skipped in found.skipped] == [501]
    assert len(found.curves[0].val) == 999
