"""What readers do with much: sizes that are refused, and work that grows with the size alone."""

import gzip
import json
from unittest.mock import patch

import pytest

from earlystop_lab.sources.logs import read_logs

HEADER, ROW = "epoch,loss,val_loss\n", "{i},0.5,0.25\n"


def text(rows):
    return HEADER + "".join(ROW.format(i=i) for i in range(rows))


def test_a_file_that_is_too_large_is_refused_with_what_allows_it(tmp_path):
    (tmp_path / "log.csv").write_text(text(100))
    assert len(read_logs(tmp_path, largest=10_000).curves) == 1
    found = read_logs(tmp_path, largest=1000)
    assert not len(found.curves)
    size = (tmp_path / "log.csv").stat().st_size
    assert found.skipped[0].reason == (
        f"the file has {size} bytes, more than the limit of 1000 bytes; to allow it, pass largest= "
        "to read_logs or --largest to earlystop import"
    )
    # the limit is that of the call
    assert len(read_logs(tmp_path).curves) == 1
    for wrong in (0, -1, 2.5):
        with pytest.raises(ValueError, match="largest"):
            read_logs(tmp_path, largest=wrong)


def test_what_was_packed_is_not_unpacked_beyond_the_limit(tmp_path):
    packed = gzip.compress(text(100_000).encode())
    (tmp_path / "log.csv.gz").write_bytes(packed)
    read = []
    whole = gzip.GzipFile.read

    def counted(self, size=-1):
        read.append(size)
        return whole(self, size)

    with patch.object(gzip.GzipFile, "read", counted):
        found = read_logs(tmp_path, largest=300_000)
    assert {*read} == {300_001}
    assert "unpacks to more than the limit of 300000 bytes" in found.skipped[0].reason
    assert len(read_logs(tmp_path).curves) == 1
    # by default less comes out of a packed file than a file may have
    with patch("earlystop_lab.sources.logs._reading.LARGEST_UNPACKED", 1000):
        assert (
            "unpacks to more than the limit of 1000 bytes" in read_logs(tmp_path).skipped[0].reason
        )


def test_a_table_with_hardly_a_value_is_refused(tmp_path):
    lines = [{"epoch": i, "val_loss": 0.5, f"k{i}": 1} for i in range(3200)]
    (tmp_path / "x.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    found = read_logs(tmp_path / "x.jsonl")
    assert not len(found.curves)
    assert found.skipped[0].reason == (
        "only 6400 of 10243200 cells are filled (3201 columns, 3200 checks); expected the same "
        "metrics at most checks"
    )
