"""Files damaged in every way that we can think of, from a seed, and what reading them gives.

Curve files of each format, journals of ``watch``, saved states of stoppers and kept results, many
of each in processes of their own, since a damaged file may crash its reader.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from earlystop_lab.curves import storing
from earlystop_lab.live import Stopper
from earlystop_lab.live.watch.journal import Journal
from earlystop_lab.studies.kept import Kept
from hard.cells import Cell

#: files with a seal; and files of other programs, which have none
SEALED, FOREIGN = ("parquet", "arrow"), ("foreign-parquet", "foreign-arrow")
KINDS = (*SEALED, *FOREIGN, "journal", "state", "cache")
#: what reading a damaged file may give
VERDICTS = ("refused", "same", "different", "unnamed", "crashed")
#: every so many files are damaged in place, with their old times, after they were read
_IN_PLACE = 50


def sample(seed: int) -> pa.Table:
    """A small table of runs with what such tables may have: nulls, NaN, text, a dictionary."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 80))
    lengths = rng.integers(1, 30, size=count)
    cells = [rng.normal(size=n).round(3).tolist() for n in lengths]
    sparse = [[None if rng.random() < 0.3 else float("nan") for _ in cell] for cell in cells]
    columns = {
        "run": pa.array([f"run {i}" for i in range(count)]),
        "epoch": pa.array([list(range(1, n + 1)) for n in lengths], _listed(pa.int64())),
        "val": pa.array(cells, _listed(pa.float64())),
        "low": pa.array([cells[i] if i % 7 else None for i in range(count)], _listed(pa.float32())),
        "sparse": pa.array(sparse, _listed(pa.float64())),
        "problem": pa.array(rng.choice(["iris", "wine"], count)).dictionary_encode(),
        "val.stand_in": pa.array(rng.choice([None, True, False], count), pa.bool_()),
    }
    told = {"low": {"role": "val", "direction": "min"}}
    fields = [
        pa.field(name, column.type, metadata=told.get(name)) for name, column in columns.items()
    ]
    return pa.table(list(columns.values()), pa.schema(fields))


def _listed(kind: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", kind))


def write(table: pa.Table, kind: str, path: Path) -> None:
    """The table as one kind of file, with several groups."""
    if kind == "foreign-arrow":
        with pa.ipc.new_file(str(path), table.schema) as writer:
            writer.write_table(table, max_chunksize=20)
    elif kind == "foreign-parquet":
        pq.write_table(table, path, row_group_size=20, write_page_checksum=True)
    else:
        storing.write_table(table, path)


def path_of(kind: str, folder: Path) -> Path:
    return folder / f"curves.{kind.rpartition('-')[2]}"


def damaged(data: bytes, seed: int) -> bytes:
    """Other bytes than these: bits turned, bytes lost, added, overwritten or at another place."""
    rng = np.random.default_rng(seed)
    broken = data
    while broken == data:
        broken = _damaged(data, rng)
    return broken


def _damaged(data: bytes, rng: np.random.Generator) -> bytes:
    size = len(data)
    tail = int(rng.integers(1, 1500))
    # half of the damage near the end, where it is said how to read the rest
    begin = max(0, size - tail) if rng.random() < 0.5 else 0
    at = int(rng.integers(begin, size))
    length = int(min(size - at, rng.choice([1, 4, 8, 64, 512, 4096])))
    other = int(rng.integers(0, size - length + 1))
    match rng.integers(0, 10):
        case 0 | 1 | 2:
            return _with_bits_turned(data, [at * 8 + int(rng.integers(8))])
        case 3:
            bits = rng.integers(begin * 8, size * 8, size=int(rng.integers(2, 17)))
            return _with_bits_turned(data, bits.tolist())
        case 4:
            return data[:at]
        case 5:
            return data[:at] + data[at + length :]
        case 6:
            return data[:at] + rng.bytes(length) + data[at:]
        case 7:
            return data[:at] + data[other : other + length] + data[at + length :]
        case 8:
            word = int(rng.choice([0, 1, -1, 2**31 - 1, -(2**31), 2**62])).to_bytes(
                8, "little", signed=True
            )
            word = word[: int(rng.choice([1, 2, 4, 8]))]
            return data[:at] + word[: size - at] + data[at + len(word) :]
        case _:
            fill = bytes([0]) * length if rng.random() < 0.5 else rng.bytes(length)
            return data[:at] + fill + data[at + length :]


def _with_bits_turned(data: bytes, bits: list[int]) -> bytes:
    changed = bytearray(data)
    for bit in bits:
        changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def verdict(path: Path, whole: pa.Table) -> str:
    """What reading the file gives, at once and group by group; one of ``VERDICTS``."""
    found = set()
    for read in (storing.read_table, _read_in_groups):
        try:
            found.add("same" if same(read(path), whole) else "different")
        except ValueError as error:
            found.add("refused" if str(error).startswith(f"{path}: ") else "unnamed")
        except Exception as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            found.add("unnamed")
    return next(each for each in reversed(VERDICTS) if each in found)


def _read_in_groups(path: Path) -> pa.Table:
    parts = [
        part
        for i, group in enumerate(storing.groups(path))
        for part in storing.read_group(path, i, 0, group.runs, 7)
    ]
    return pa.concat_tables(parts) if parts else storing.read_schema(path).empty_table()


def same(one: pa.Table, other: pa.Table) -> bool:
    """Whether two tables hold the same of the same kind, NaN included."""
    return one.schema.equals(other.schema, check_metadata=True) and (
        repr(one.to_pylist()) == repr(other.to_pylist())
    )


def small_groups() -> None:
    """Make files of a few runs have several groups."""
    storing._ROW_GROUP, storing._BATCH = 20, 4096


# -- journals ------------------------------------------------------------------------------


def write_journal(folder: Path, seed: int) -> list[dict[str, object]]:
    """A journal that a server left behind; its events."""
    shutil.rmtree(folder / ".watch", ignore_errors=True)
    rng = np.random.default_rng(seed)
    events: list[dict[str, object]] = [
        {"called": "a", "number": 1, "check": {"epoch": i, "val": round(float(rng.normal()), 3)}}
        for i in range(int(rng.integers(1, 60)))
    ]
    journal = Journal(folder)
    journal.append(events)
    journal.drop(int(rng.integers(0, len(events))))
    kept = [event for _, event in journal.events()]
    journal.close()
    return kept


def verdict_of_journal(folder: Path, whole: list[dict[str, object]]) -> str:
    """What a server reads from a journal; one of ``VERDICTS``."""
    path = folder / ".watch" / "journal.sqlite"
    try:
        journal = Journal(folder)
        try:
            return "same" if [event for _, event in journal.events()] == whole else "different"
        finally:
            journal.close()
    except ValueError as error:
        return "refused" if str(error).startswith(f"{path}: ") else "unnamed"
    except OSError as error:
        return "refused" if error.filename == str(path) else "unnamed"
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return "unnamed"


# -- states and kept results ---------------------------------------------------------------


def write_state(path: Path, seed: int) -> Stopper:
    """The saved state of a stopper in a JSON file; the stopper."""
    rng = np.random.default_rng(seed)
    stopper = Stopper("any_of(GL(5, k=1), Keras(3))")
    for _ in range(int(rng.integers(1, 20))):
        stopper.update(val=round(float(rng.normal()), 3), lr=0.1)
    path.write_text(json.dumps(stopper.state_dict()))
    return stopper


def verdict_of_state(path: Path, whole: Stopper) -> str:
    """What a stopper takes from a state; one of ``VERDICTS``."""
    try:
        state = json.loads(path.read_bytes())
    except ValueError:
        return "refused"
    stopper = Stopper("any_of(GL(5, k=1), Keras(3))")
    try:
        stopper.load_state_dict(state)
    except ValueError:
        return "refused"
    except Exception as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return "unnamed"
    return "same" if stopper.state_dict() == whole.state_dict() else "different"


def verdict_of_kept(kept: Kept, seed: int) -> str:
    """What is read of results, which are computed again where they are damaged."""
    whole = np.random.default_rng(seed).normal(size=(7, 30))
    found = kept.arrays(["seed", seed], lambda: {"whole": whole})
    return "same" if np.array_equal(found["whole"], whole) else "different"


# -- many of them --------------------------------------------------------------------------


def work(kind: str, first: int, count: int) -> None:
    """Damage and read files, a line of standard output each."""
    import resource  # these are not everywhere
    import signal

    resource.setrlimit(resource.RLIMIT_AS, (16 * 2**30,) * 2)
    small_groups()
    with tempfile.TemporaryDirectory() as folder:
        look = {"journal": _journals, "state": _states, "cache": _kept}.get(kind, _tables)
        for found in look(kind, Path(folder), first, count):
            print(found, flush=True)
            signal.alarm(20)  # what hangs is ended, and counts as crashed


def _tables(kind: str, folder: Path, first: int, count: int) -> Iterator[str]:
    path = path_of(kind, folder)
    for seed in range(first, first + count):
        table = sample(seed // 20)
        write(table, kind, path)
        whole = path.read_bytes()
        if seed % _IN_PLACE == 0:
            time.sleep(0.15)  # else nothing is remembered of it
            assert verdict(path, table) == "same"
            stat = path.stat()
        path.write_bytes(damaged(whole, seed))
        if seed % _IN_PLACE == 0:
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        yield verdict(path, table)


def _journals(kind: str, folder: Path, first: int, count: int) -> Iterator[str]:
    path = folder / ".watch" / "journal.sqlite"
    for seed in range(first, first + count):
        if seed == first or seed % 20 == 0:
            events = write_journal(folder, seed // 20)
            whole = path.read_bytes()
        for file in path.parent.iterdir():
            file.unlink()
        path.write_bytes(damaged(whole, seed))
        yield verdict_of_journal(folder, events)


def _states(kind: str, folder: Path, first: int, count: int) -> Iterator[str]:
    path = folder / "state.json"
    for seed in range(first, first + count):
        if seed == first or seed % 20 == 0:
            stopper = write_state(path, seed // 20)
            whole = path.read_bytes()
        path.write_bytes(damaged(whole, seed))
        yield verdict_of_state(path, stopper)


def _kept(kind: str, folder: Path, first: int, count: int) -> Iterator[str]:
    kept = Kept(folder)
    for seed in range(first, first + count):
        assert verdict_of_kept(kept, seed // 20) == "same"
        ((path, _),) = kept.files()
        path.write_bytes(damaged(path.read_bytes(), seed))
        yield verdict_of_kept(kept, seed // 20)
        path.unlink()


def attempts(count: int, seed: int) -> Iterator[Cell]:
    """Damage so many files of each kind; what has no digests can be read as other data."""
    for kind in KINDS:
        verdicts = dict.fromkeys(VERDICTS, 0)
        cell = Cell("damage", kind)
        while cell.attempts < count:
            first = seed + cell.attempts
            code = "import sys; sys.path.insert(0, sys.argv[1]); from hard.damage import work; "
            code += "work(sys.argv[2], *map(int, sys.argv[3:]))"
            words = [str(Path(__file__).parents[1]), kind, str(first), str(count - cell.attempts)]
            worker = subprocess.run([sys.executable, "-c", code, *words], stdout=-1, text=True)
            found = worker.stdout.split()
            if worker.returncode > 0:
                raise SystemExit(f"the harness itself failed on seed {first + len(found)}")
            for i, each in enumerate([*found, *["crashed"] * (worker.returncode < 0)], first):
                verdicts[each] += 1
                fine = ("refused", "same", *(["different"] if kind in FOREIGN else []))
                cell.attempt(f"seed {i}", "" if each in fine else each)
        cell.note = ", ".join(f"{number} {each}" for each, number in verdicts.items() if number)
        yield cell
