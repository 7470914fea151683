"""TensorBoard's event files: records, checksums and protobuf read with numpy."""

import struct
import tracemalloc
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from log_samples import event_file, genuine_folder, masked_crc, record, scalar

from earlystop_lab.sources.logs import _event_file, read_logs, tensorboard
from earlystop_lab.sources.logs._event_file import read_scalars
from earlystop_lab.sources.logs._reading import Source

FINITE32 = st.floats(width=32, allow_nan=False)
NUMBERS = {
    1: (np.float32, FINITE32, "float_val"),
    2: (np.float64, st.floats(allow_nan=False), "double_val"),
    3: (np.int32, st.integers(-(2**31), 2**31 - 1), "int_val"),
    4: (np.uint8, st.integers(0, 255), "int_val"),
    5: (np.int16, st.integers(-(2**15), 2**15 - 1), "int_val"),
    6: (np.int8, st.integers(-128, 127), "int_val"),
    9: (np.int64, st.integers(-(2**63), 2**63 - 1), "int64_val"),
    17: (np.uint16, st.integers(0, 2**16 - 1), "int_val"),
    19: (np.float16, st.floats(width=16, allow_nan=False), "half_val"),
}


def rows_of(data):
    """What was read as tuples; NaN as text, since it equals nothing."""
    found = read_scalars(data)
    named = [
        (found.tags[tag], step, time, "nan" if value != value else value)
        for tag, step, time, value in found.rows.tolist()
    ]
    return named, found


# -- checksums -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        # RFC 3720, B.4, and the check value in the catalogues of CRCs
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_checksums_that_others_published(data, crc):
    masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    raw = np.frombuffer(b"before" + data + b"after", np.uint8)
    assert _event_file._checksums(raw, np.array([[6, 6 + len(data)]])).tolist() == [masked]
    assert masked_crc(data) == struct.pack("<I", masked)


@pytest.mark.parametrize(("lane", "lanes"), [(6, 2**13), (3, 4), (0, 1), (2, 8)])
def test_checksums_bit_by_bit(lane, lanes):
    """Spans of every length, wherever the lanes and blocks end."""
    rng = np.random.default_rng(0)
    edges = np.cumsum([0, *rng.permutation(150)])
    raw = rng.integers(0, 256, edges[-1], np.uint8)
    spans = np.stack([edges[:-1], edges[1:]], axis=1)
    expected = [masked_crc(raw[a:b].tobytes()) for a, b in spans]
    with patch.multiple(_event_file, _LANE=lane, _LANES=lanes):
        found = _event_file._checksums(raw, spans)
    assert [struct.pack("<I", crc) for crc in found.tolist()] == expected


def test_no_flipped_bit_and_no_cut_gives_another_number():
    whole = event_file()
    rows, _ = rows_of(whole)
    for at in range(0, 8 * len(whole), 11):
        flipped = bytearray(whole)
        flipped[at // 8] ^= 1 << at % 8
        found, scalars = rows_of(bytes(flipped))
        assert found == rows[: len(found)]
        assert len(found) < len(rows)
        assert "is damaged or cut off; it and everything after it is lost" in str(scalars.error)
    ends = set()
    for cut in range(1, len(whole)):
        found, scalars = rows_of(whole[:cut])
        assert found == rows[: len(found)]
        if scalars.error is None:
            ends.add(cut)
    # between two records nothing is missing; the first is without a scalar
    assert len(ends) == len(rows)


def test_the_error_names_the_record():
    head, first = record(b"\x1a\x0dbrain.Event:2"), record(b"\x10\x01")
    assert str(read_scalars(head + first[:-1]).error).startswith("record 2 is damaged")
    assert str(read_scalars(head + first + b"x").error).startswith("record 3 is damaged")
    assert str(read_scalars(b"no event file").error).startswith("record 1 is damaged")


# -- protobuf ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        b"\x11",  # a step of 8 bytes that are not there
        b"\x10" + b"\xff" * 10 + b"\x01",  # a number of 11 bytes
        b"\x10\x80",  # one that goes on
        b"\x2a\x05\x0a",  # a summary longer than its event
        b"\x2a\xff\xff\xff\xff\xff\xff\xff\xff\x7f",  # a length of 2**63 - 1
        b"\x2a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # and of -1
        b"\x2a\x02\x0a\x01",  # a value longer than its summary
        b"\x2b\x2c",  # a group
        b"\x2e",  # an encoding that there is not
        b"\x2a\x09\x0a\x07\x42\x05\x08\x01\x22\x01\x00",  # a float of one byte
    ],
)
def test_a_record_that_is_no_event_ends_the_reading(event):
    whole = event_file()
    rows, _ = rows_of(whole)
    found, scalars = rows_of(whole + record(event) + whole)
    assert found == rows
    number = len(rows) + 2
    assert str(scalars.error).startswith(f"record {number} is not a valid event although")


@st.composite
def tensors(draw, pb):
    """A tensor of any kind; one that TensorBoard's reader takes for a number half the time."""
    kind = draw(st.sampled_from([*NUMBERS, 7, 10]))
    shape = draw(st.sampled_from([(), (), (1,), (2,), (1, 1), (0,)]))
    tensor = pb.TensorProto(dtype=kind)
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    count = int(np.prod(shape))
    if kind == 7:
        tensor.string_val.extend([b"text"] * count)
    elif kind == 10:
        tensor.bool_val.extend([True] * count)
    else:
        dtype, values, field = NUMBERS[kind]
        array = np.array(draw(st.lists(values, min_size=count, max_size=count)), dtype)
        if draw(st.booleans()):
            tensor.tensor_content = array.tobytes()
        elif kind == 19:
            tensor.half_val.extend(array.view(np.uint16).tolist())
        else:
            getattr(tensor, field).extend(array.tolist())
    return tensor


@st.composite
def events(draw, event_pb, tensor_pb):
    event = event_pb.Event(wall_time=draw(st.floats(0, 2e9)))
    event.step = draw(st.sampled_from([0, 1, 127, 128, 2**40, -1]))
    what = draw(
        st.sampled_from(["summary", "summary", "summary", "graph", "version", "log", "start"])
    )
    if what == "graph":
        event.graph_def = draw(st.binary(max_size=300))
    elif what == "version":
        event.file_version = "brain.Event:2"
    elif what == "log":
        event.log_message.message = "written"
    elif what == "start":
        event.session_log.status = draw(st.sampled_from([0, 1, 2]))
    for _ in range(draw(st.integers(0, 3)) if what == "summary" else 0):
        value = event.summary.value.add(
            tag=draw(st.sampled_from(["loss", "val/loss", "é", "", "_hparams_/x"]))
        )
        kind = draw(st.sampled_from(["simple", "simple", "tensor", "tensor", "histo", "nothing"]))
        if kind == "simple":
            value.simple_value = draw(FINITE32 | st.just(np.nan))
        elif kind == "tensor":
            value.tensor.CopyFrom(draw(tensors(tensor_pb)))
        elif kind == "histo":
            value.histo.bucket.extend([1.0, 2.0])
        if draw(st.booleans()):
            value.metadata.plugin_data.plugin_name = "scalars"
            value.node_name = "node"
    return event


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_as_tensorboard_reads_it(data):
    event_pb = pytest.importorskip("tensorboard.compat.proto.event_pb2")
    tensor_pb = pytest.importorskip("tensorboard.compat.proto.tensor_pb2")
    from tensorboard.util.tensor_util import make_ndarray

    written = data.draw(st.lists(events(event_pb, tensor_pb), min_size=1, max_size=8))
    expected, starts = [], []
    for event in written:
        if event.session_log.status == 1:
            starts.append((len(expected), event.step))
        for value in event.summary.value:
            number = None
            if value.tag.startswith("_hparams_/"):
                number = np.nan
            elif value.WhichOneof("value") == "simple_value":
                number = value.simple_value
            elif value.HasField("tensor") and len(value.tensor.tensor_shape.dim) < 2:
                array = make_ndarray(value.tensor)
                if array.size == 1 and array.dtype.kind in "fiu":
                    number = float(array.reshape(()))
            if number is not None:
                shown = "nan" if number != number else number
                expected.append((value.tag, event.step, event.wall_time, shown))
    whole = b"".join(record(event.SerializeToString()) for event in written)
    at_once = data.draw(st.sampled_from([1, 40, 2**19]))
    with patch.object(_event_file, "_AT_ONCE", at_once):
        found, scalars = rows_of(whole)
    assert found == expected
    assert (scalars.starts, scalars.error) == (starts, None)
    assert scalars.began == written[0].wall_time


def test_a_tensor_s_value_in_every_spelling():
    """Packed, one by one and as bytes; unsigned kinds, which TensorBoard's reader refuses."""

    def value(*parts):
        tensor = b"".join(parts)
        one = b"\x0a\x01a\x42" + bytes([len(tensor)]) + tensor
        summary = b"\x0a" + bytes([len(one)]) + one
        return record(b"\x2a" + bytes([len(summary)]) + summary)

    half = struct.pack("<f", 0.5)
    spellings = [
        (value(b"\x08\x01\x2a\x04", half), 0.5),
        (value(b"\x08\x01\x2d", half), 0.5),
        (value(b"\x08\x01\x22\x04", half), 0.5),
        (value(b"\x08\x01"), 0.0),
        (value(b"\x08\x16\x82\x01\x02\xac\x02"), 300),
        (value(b"\x08\x16\x80\x01\xac\x02"), 300),
        (value(b"\x08\x17\x8a\x01\x0a" + b"\xff" * 9 + b"\x01"), float(2**64 - 1)),
    ]
    rows, scalars = rows_of(b"".join(data for data, _ in spellings))
    assert scalars.error is None
    assert rows == [("a", 0, 0.0, number) for _, number in spellings]


# -- logs ----------------------------------------------------------------------------------


def test_a_graph_is_no_damaged_record(tmp_path):
    """Keras, Ultralytics and add_graph write one; TensorBoard's loader makes two events of it."""
    whole = event_file()
    first = 12 + int.from_bytes(whole[:8], "little") + 4
    graph = record(b"\x09" + struct.pack("<d", 1.0) + b"\x22\x04\x0a\x02\x0a\x00")
    path = tmp_path / "events.out.tfevents.1.host"
    path.write_bytes(whole)
    plain = read_logs(path)
    path.write_bytes(whole[:first] + graph + whole[first:])
    found = read_logs(path)
    assert (found.skipped, found.notes) == ((), ())
    assert found.curves.table.equals(plain.curves.table)


def log_of(path, *files):
    (log,) = tensorboard.read(Source(path, files))
    return log


def test_the_columns_of_a_log(tmp_path):
    """Loss at steps 1 and 2, a validation in the folder below it; all by hand."""
    (tmp_path / "validation").mkdir()
    files = [tmp_path / "validation" / "a.tfevents", tmp_path / "b.tfevents"]
    files[0].write_bytes(record(scalar(b"loss", 2, 0.5, 104.0)))
    files[1].write_bytes(
        record(b"\x09" + struct.pack("<d", 100.0) + b"\x1a\x0dbrain.Event:2")
        + record(scalar(b"loss", 1, 1.0, 102.5))
        + record(scalar(b"loss", 2, 0.25, 103.0))
        + record(scalar(b"step", 2, 7.0, 103.0))
    )
    log = log_of(tmp_path, *files)
    assert log.lines.tolist() == [1, 2, 3, 4]
    assert {name: (c.rows.tolist(), c.cells.to_pylist()) for name, c in log.columns.items()} == {
        "step": ([0, 1, 2, 3], [2, 1, 2, 2]),
        "validation/loss": ([0], [0.5]),
        "loss": ([1, 2], [1.0, 0.25]),
        "step ": ([3], [7.0]),
        # since the file was begun
        "seconds": ([0, 1, 2, 3], [4.0, 2.5, 3.0, 3.0]),
    }


def test_a_run_s_seconds_are_those_of_its_checks(tmp_path):
    """Training at steps 1 to 4 every second, validation at 2 and 4 half a second later."""
    for part, steps in (("train", (1, 2, 3, 4)), ("validation", (2, 4))):
        (tmp_path / part).mkdir()
        late = 0.5 if part == "validation" else 0.0
        events = (scalar(b"loss", i, 1 / i, 100.0 + i + late) for i in steps)
        (tmp_path / part / f"{part}.tfevents").write_bytes(b"".join(map(record, events)))
    found = read_logs(tmp_path)
    assert found.notes == ()
    curve = found.curves[0]
    assert curve.measured("val").tolist() == [False, True, True]
    assert curve["seconds"].tolist() == [0, 1.5, 3.5]
    assert found.curves.channels.loc["seconds", "unit"] == "s"


def test_a_session_that_starts_in_a_file_makes_later_steps_before_it_void(tmp_path):
    start = b"\x10\x03\x3a\x02\x08\x01"
    files = [tmp_path / name for name in ("1.tfevents", "2.tfevents")]
    files[0].write_bytes(b"".join(record(scalar(b"loss", i, 9.0, 0.0)) for i in range(6)))
    files[1].write_bytes(
        b"".join(record(scalar(b"loss", i, 5.0, 0.0)) for i in range(4, 7))
        + record(start)
        + b"".join(record(scalar(b"loss", i, 1.0, 0.0)) for i in range(3, 5))
    )
    log = log_of(tmp_path, *files)
    assert log.columns["step"].cells.to_pylist() == [0, 1, 2, 3, 4]
    assert log.columns["loss"].cells.to_pylist() == [9.0, 9.0, 9.0, 1.0, 1.0]
    assert log.notes == [
        "2.tfevents restarts at step 3; values recorded earlier from that step on are left out"
    ]


@pytest.mark.parametrize("time", [np.nan, np.inf])
def test_times_and_values_that_are_none(tmp_path, time):
    """Also a NaN of the kind that signals, whose first bit after the exponent is 0."""
    files = [tmp_path / name for name in ("1.tfevents", "2.tfevents", "3.tfevents")]
    files[0].write_bytes(b"no event file")
    files[1].write_bytes(record(scalar(b"loss", 1, np.inf, time)))
    last = scalar(b"loss", 2, 1.0, 3.0).replace(struct.pack("<f", 1.0), b"\x01\x00\xa0\x7f")
    files[2].write_bytes(record(last))
    log = log_of(tmp_path, *files)
    np.testing.assert_equal(log.numbers("loss").values, [np.inf, np.nan])
    np.testing.assert_equal(log.numbers("seconds").values, [time, 0.0])


def test_memory_is_bounded_by_the_size(tmp_path):
    whole = event_file() * 10_000
    path = tmp_path / "a.tfevents"
    path.write_bytes(whole)
    tracemalloc.start()
    try:
        log = log_of(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(log) == 120_000
    assert peak < 4 * len(whole)


def test_files_without_a_scalar(tmp_path):
    path = tmp_path / "a.tfevents"
    path.write_bytes(b"")
    assert "the file is empty" in read_logs(path).skipped[0].reason
    path.write_bytes(record(b"\x1a\x0dbrain.Event:2"))
    assert "the event files contain no scalars" in read_logs(path).skipped[0].reason


def test_genuine_scalars_are_those_of_tensorboard():
    folder = genuine_folder() / "tensorboard"
    module = "tensorboard.backend.event_processing.event_accumulator"
    accumulator = pytest.importorskip(module).EventAccumulator(
        str(folder), size_guidance={"tensors": 0}
    )
    accumulator.Reload()
    from tensorboard.util.tensor_util import make_ndarray

    (path,) = folder.iterdir()
    found = read_scalars(path.read_bytes())
    assert found.error is None
    for i, tag in enumerate(found.tags):
        rows = found.rows[found.rows["tag"] == i]
        told = [
            (event.step, event.wall_time, float(make_ndarray(event.tensor_proto)))
            for event in accumulator.Tensors(tag)
        ]
        assert rows[["step", "time", "value"]].tolist() == told
