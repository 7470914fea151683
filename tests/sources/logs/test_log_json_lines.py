"""JSON: the fast reader of lines says what the careful one says, long documents are read alike."""

import json
import re

import pytest
from hypothesis import example, given, strategies as st
from test_log_tables import said, source_of

from earlystop_lab.sources.logs import read_logs
from earlystop_lab.sources.logs._cells import LogError
from earlystop_lab.sources.logs._reading import parse_json, parse_long

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


LONG = [{"step": k, "loss": 1 / (k + 1), "val_loss": 2 / (k + 1)} for k in range(1500)]


@pytest.mark.parametrize(
    ("name", "document", "column"),
    [
        ("rows.json", LONG, "val_loss"),
        ("rows.json", {"name": "x", "rows": LONG}, "val_loss"),
        (
            "trainer_state.json",
            {
                "log_history": [{"step": 0, "loss": 2.0, "eval_loss": 2.0}]
                + [{"step": k["step"] + 1, "eval_loss": k["loss"]} for k in LONG]
            },
            "eval_loss",
        ),
        (
            "catboost_training.json",
            {
                "meta": {"learn_metrics": [], "test_metrics": [{"name": "RMSE"}]},
                "iterations": [{"iteration": k["step"], "test": [k["loss"]]} for k in LONG],
            },
            "test-RMSE",
        ),
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_long_json_is_read_as_short_json_is(tmp_path, monkeypatch, name, document, column, indent):
    path = tmp_path / name
    path.write_text(json.dumps(document, indent=indent))
    short = read_logs(path)
    monkeypatch.setattr("earlystop_lab.sources.logs._reading._LONG", 0)
    long = read_logs(path)
    assert long.curves.meta["val.source"].tolist() == [column]
    assert long.curves[0].val.tolist() == short.curves[0].val.tolist()
    assert long[1:] == short[1:]
    assert len(long.curves[0]) >= len(LONG)


@given(st.data())
def test_long_json_is_decoded_alike_and_what_is_damaged_is_left_to_the_usual_reader(data):
    values = st.one_of(st.integers(), st.floats(allow_nan=False), st.text(max_size=3), st.none())
    rows = st.lists(st.dictionaries(st.sampled_from("abc"), values) | values, max_size=6)
    document = data.draw(st.one_of(rows, st.dictionaries(st.text(max_size=2), rows | values)))
    text = json.dumps(document, indent=data.draw(st.sampled_from([None, 2])))
    cut = data.draw(st.integers(0, len(text)))
    damaged = text[:cut] + data.draw(st.sampled_from(["", ",", "]", "}", ":", '"'])) + text[cut:]
    for each in (text, damaged, text[:cut], f" {text}\n", text + text):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("earlystop_lab.sources.logs._reading._FEW", 2)
            try:
                found = parse_long(each)
            except LogError as error:
                with pytest.raises(LogError, match=re.escape(str(error))):
                    parse_json(each)
                continue
        if found is None:
            continue
        whole = parse_json(each)
        if isinstance(found, dict):
            assert {k: [*v] if isinstance(v, list) else v for k, v in found.items()} == whole
        else:
            assert ([*found] if isinstance(found, list) else found) == whole
        if isinstance(found, list):
            assert [found[k] for k in range(len(found))] == found[:] == whole
