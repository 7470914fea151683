"""Tables in files: what is read is what was written, by whatever reads it, or it is refused."""

import os
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hard import damage

from earlystop_lab.curves import storing

DATA = Path(__file__).parent / "data"
TABLE = damage.sample(seed=3)
NAN, INF = float("nan"), float("inf")


@pytest.fixture(autouse=True)
def _small_groups(monkeypatch):
    monkeypatch.setattr(storing, "_ROW_GROUP", 20)
    monkeypatch.setattr(storing, "_BATCH", 4096)
    monkeypatch.setattr(storing, "_known", {})


@pytest.fixture(params=["parquet", "arrow"])
def path(request, tmp_path):
    """A file of several groups, of either kind."""
    path = tmp_path / f"curves.{request.param}"
    storing.write_table(TABLE, path)
    assert len(storing.groups(path)) > 2
    return path


def unsealed(table: pa.Table, path: Path) -> Path:
    """The table as another program writes it."""
    damage.write(table, f"foreign-{path.suffix[1:]}", path)
    return path


def test_a_file_holds_what_was_written_metadata_of_fields_included(path):
    found = storing.read_table(path)
    assert damage.same(found, TABLE)
    assert found.schema.field("low").metadata == {b"role": b"val", b"direction": b"min"}
    assert storing.read_schema(path).equals(TABLE.schema, check_metadata=True)


def test_groups_hold_every_run_once_and_in_order(path):
    groups = storing.groups(path)
    parts = [
        part
        for i, each in enumerate(groups)
        for part in storing.read_group(path, i, 0, each.runs, 7)
    ]
    assert max(map(len, parts)) == 7
    assert damage.same(pa.concat_tables(parts), TABLE)


def test_a_batch_has_a_bounded_size_unless_a_single_run_has_more(tmp_path):
    lengths = [1, 2000, 1, 1, 300, 300, 1]
    table = pa.table({"run": list("abcdefg"), "val": [[1.0] * length for length in lengths]})
    storing.write_table(table, tmp_path / "x.arrow")
    batches = pa.ipc.open_file(str(tmp_path / "x.arrow"))
    found = [batches.get_batch(i) for i in range(batches.num_record_batches)]
    assert all(batch.nbytes <= 4096 or batch.num_rows == 1 for batch in found)
    assert [run for batch in found for run in batch["run"].to_pylist()] == list("abcdefg")


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_a_table_without_runs_is_read(tmp_path, suffix):
    path = tmp_path / f"none.{suffix}"
    storing.write_table(TABLE[:0], path)
    assert damage.same(storing.read_table(path), TABLE[:0])
    assert storing.groups(path) == []


def test_others_read_what_we_write(path):
    lengths = [len(cell) for cell in TABLE["val"].to_pylist()]
    arrow = path.suffix == ".arrow"
    frame = pd.read_feather(path) if arrow else pd.read_parquet(path)
    assert frame["val"].map(len).tolist() == lengths
    assert frame["run"].tolist() == TABLE["run"].to_pylist()


def test_polars_reads_what_we_write(path):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    frame = (polars.read_ipc if path.suffix == ".arrow" else polars.read_parquet)(path)
    assert frame["val"].to_list() == TABLE["val"].to_pylist()
    assert frame["problem"].cast(polars.String).to_list() == TABLE["problem"].to_pylist()


def test_duckdb_reads_what_we_write(path):
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    if path.suffix == ".arrow":  # duckdb reads no Arrow files by itself
        whole = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        found = duckdb.from_arrow(whole).project("val")
    else:
        found = duckdb.sql(f"select val from '{path}'")
    assert [val for (val,) in found.fetchall()] == TABLE["val"].to_pylist()


# -- damage --------------------------------------------------------------------------------


def test_no_byte_of_a_file_can_change(tmp_path):
    table = pa.table({"run": ["a", "b"], "val": [[3.0, 2.0, 2.5], [4.0, NAN]]})
    for suffix in ("parquet", "arrow"):
        path = tmp_path / f"small.{suffix}"
        storing.write_table(table, path)
        whole = path.read_bytes()
        found = set()
        for at in range(len(whole)):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 8]) + whole[at + 1 :])
            found.add(damage.verdict(path, table))
        assert found == {"refused"}


@pytest.mark.parametrize("seed", range(150))
def test_damage_is_refused_and_the_file_named(path, seed):
    path.write_bytes(damage.damaged(path.read_bytes(), seed))
    assert damage.verdict(path, TABLE) == "refused"


def test_the_harness_finds_nothing_in_files_with_and_without_a_seal():
    # in processes of its own: what has no seal could crash its reader
    cells = list(damage.attempts(60, seed=6000))
    assert [cell.what for cell in cells] == [*damage.KINDS]
    assert {cell.attempts for cell in cells} == {60}
    assert not any(cell.failures for cell in cells), [cell.note for cell in cells]


def test_no_damage_hides_the_seal_and_leaves_other_data(path):
    whole = path.read_bytes()
    with path.open("rb") as file:
        footer = storing._footer(file, storing._magic(path))
    last = int(storing._read_seal(path)["end"][-2])
    for fill in (b"\0", b"\xff"):
        for begin in (last, last + 50, footer - 40, footer - 16):
            path.write_bytes(whole[:begin] + fill * (footer - begin) + whole[footer:])
            assert damage.verdict(path, TABLE) == "refused"
    # the mark alone, behind a footer that is read
    end = len(whole) - 4 - len(storing._magic(path))
    path.write_bytes(whole[: end - 16] + b"\0" * 16 + whole[end:])
    assert damage.verdict(path, TABLE) == "refused"


def test_what_is_damaged_is_said(path):
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"damage" + whole[106:])
    first = storing.groups(path)[0].runs
    with pytest.raises(ValueError, match=rf"damaged: a run from 0 to {first - 1} is not what was"):
        storing.read_table(path)
    at = len(whole) - 60
    path.write_bytes(whole[:at] + b"damage" + whole[at + 6 :])
    with pytest.raises(ValueError, match="damaged: its footer is not what was written; restore"):
        storing.read_table(path)


def test_a_group_is_read_where_another_is_damaged(path):
    whole = path.read_bytes()
    second = int(storing._read_seal(path)["end"][1])
    path.write_bytes(whole[: second - 20] + b"damage" + whole[second - 14 :])
    (first,) = storing.read_group(path, 0, 0, 5, 100) if path.suffix == ".arrow" else (None,)
    assert first is None or first["run"].to_pylist() == TABLE["run"].to_pylist()[:5]
    with pytest.raises(ValueError, match="damaged"):
        list(storing.read_group(path, 1, 0, 5, 100))


def test_a_file_is_checked_once_and_again_when_it_changed(path, monkeypatch):
    whole, settled = path.read_bytes(), 0.15
    time.sleep(settled)
    digested = []
    crc = storing._crc
    monkeypatch.setattr(storing, "_crc", lambda file, *at: digested.append(at) or crc(file, *at))
    groups = storing.groups(path)
    assert len(digested) == 1, "the footer alone"
    storing.read_table(path)
    assert len(digested) == 1 + len(groups)
    storing.read_table(path)
    list(storing.read_group(path, 1, 0, 5, 2))
    assert len(digested) == 1 + len(groups)
    # in place and with the old time of change: the file system keeps another time
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_bytes(whole[:100] + b"damage" + whole[106:])
    os.utime(path, ns=times)
    with pytest.raises(ValueError, match="damaged"):
        storing.read_table(path)


def test_the_pages_of_a_parquet_file_have_checksums_that_others_verify(tmp_path):
    path = tmp_path / "pages.parquet"
    storing.write_table(TABLE, path)
    column = pq.read_metadata(path).row_group(0).column(2)
    end = column.data_page_offset + column.total_compressed_size
    whole = path.read_bytes()
    path.write_bytes(whole[: end - 9] + bytes([whole[end - 9] ^ 1]) + whole[end - 8 :])
    with pytest.raises(OSError, match="CRC"):
        pq.read_table(path, page_checksum_verification=True)


def test_an_arrow_file_of_another_program_is_validated_before_it_is_used(tmp_path):
    path = unsealed(TABLE, tmp_path / "other.arrow")
    assert damage.same(storing.read_table(path), TABLE)
    # where the lists of a channel begin and end
    offsets = TABLE["val"].chunk(0)[:20].offsets.to_numpy().tobytes()
    whole = path.read_bytes()
    at = whole.index(offsets) + 4
    path.write_bytes(whole[:at] + (2**31 - 1).to_bytes(4, "little") + whole[at + 4 :])
    assert damage.verdict(path, TABLE) == "refused"


@pytest.mark.parametrize("foreign", [False, True])
def test_what_was_copied_stays_when_the_file_is_truncated(tmp_path, foreign):
    """As another program may do it; a mapped file would end the process."""
    path = tmp_path / "curves.arrow"
    storing.write_table(TABLE, path)
    if foreign:
        unsealed(TABLE, path)
    copied = storing.read_table(path, mapped=False)
    with path.open("rb+") as file:
        file.truncate(10)
    assert damage.same(copied, TABLE)
    with pytest.raises(ValueError, match=r"curves\.arrow: "):
        storing.read_table(path, mapped=False)


def test_what_changed_between_the_check_and_the_copy_is_validated(tmp_path, monkeypatch):
    path = tmp_path / "curves.arrow"
    storing.write_table(TABLE, path)
    whole = path.read_bytes()
    # where the lists of a channel begin and end
    at = whole.index(TABLE["val"].chunk(0)[:5].offsets.to_numpy().tobytes()) + 4
    changed = whole[:at] + (2**31 - 1).to_bytes(4, "little") + whole[at + 4 :]
    monkeypatch.setattr(Path, "read_bytes", lambda self: changed)
    with pytest.raises(ValueError, match=r"curves\.arrow: .*offset"):
        storing.read_table(path, mapped=False)


# -- versions ------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_files_of_version_1_are_read(suffix):
    path = DATA / f"version1.{suffix}"
    rows = storing.read_table(path).to_pylist()
    assert repr(rows[0]["train"]) == repr([0.5, 0.125, NAN])
    del rows[0]["train"]
    a = {"run": "a", "epoch": [5, 10, 15], "val": [0.5, 0.25, 0.375], "problem": "toy", "seed": 1}
    b = {"run": "b", "epoch": [1, 2], "val": [2.0, INF], "train": None, "problem": "toy", "seed": 2}
    assert rows == [a, b]
    assert [group.runs for group in storing.groups(path)] == [2]


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_a_newer_version_is_refused_by_name(tmp_path, suffix, monkeypatch):
    other = unsealed(
        TABLE.replace_schema_metadata({"earlystop_lab.format": "3"}), tmp_path / f"other.{suffix}"
    )
    sealed = tmp_path / f"sealed.{suffix}"
    with monkeypatch.context() as future:
        future.setattr(storing, "FORMAT", 3)
        storing.write_table(TABLE, sealed)
    for path in (other, sealed):
        message = (
            rf"{path.name}: written by a newer earlystop_lab in format 3; this version reads 1"
        )
        for read in (storing.read_table, storing.read_schema, storing.groups):
            with pytest.raises(ValueError, match=message):
                read(path)


def test_the_version_is_of_files_alone(path):
    assert pa.types.is_string(storing.read_schema(path).field("run").type)
    stored = (
        pq.read_schema(path) if path.suffix == ".parquet" else pa.ipc.open_file(str(path)).schema
    )
    assert stored.metadata == {b"earlystop_lab.format": b"2"}
    assert not storing.read_table(path).schema.metadata
