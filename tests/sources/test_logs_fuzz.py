"""Damaged logs: imported or refused by name, never a traceback, a hang or an invented number.

1,000 mutants in the suite, 20,000 in ``make hard``; set ``EARLYSTOP_FUZZ`` to another number, and
``EARLYSTOP_FUZZ_SEED`` for other mutants.
"""

import json
import math
import os
import re
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from log_samples import GENUINE, TEXTS, TRAIN, VAL, event_file, genuine_folder
from test_logs_wild import WILD

from earlystop_lab.sources.logs import read_logs

CASES = Path(__file__).parent / "logs" / "cases"
MUTANTS = int(os.environ.get("EARLYSTOP_FUZZ", "1000"))
SEED = int(os.environ.get("EARLYSTOP_FUZZ_SEED", "0"))
SLOWEST = 10.0
#: what every import took, in seconds
TIMES: list[float] = []
NUMBER = re.compile(rb"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
WEIRD = [
    b"1e999",
    b"-1e400",
    b"1_000",
    b"nan",
    b"inf",
    b"-",
    b"",
    b"9007199254740993",
    b"NaN",
    b"1" * 400,
    b"0x1F",
    b"None",
    b'"',
    b"null",
    b"true",
    b"[]",
    b"\xef\xbc\x91",
]


def flip(rng, data):
    """Some bytes replaced by any others."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        if out:
            out[int(rng.integers(len(out)))] = int(rng.integers(256))
    return bytes(out)


def truncate(rng, data):
    return data[: int(rng.integers(len(data) + 1))]


def swap_lines(rng, data):
    lines = data.splitlines(keepends=True)
    i, j = rng.integers(len(lines), size=2)
    lines[i], lines[j] = lines[j], lines[i]
    return b"".join(lines)


def repeat_lines(rng, data):
    lines = data.splitlines(keepends=True)
    i, j = sorted(rng.integers(len(lines) + 1, size=2))
    return b"".join(lines[:j] + lines[i:])


def drop_lines(rng, data):
    lines = data.splitlines(keepends=True)
    i, j = sorted(rng.integers(len(lines) + 1, size=2))
    return b"".join(lines[:i] + lines[j:])


def drop_column(rng, data):
    separator = [b",", b";", b"\t", b" "][int(rng.integers(4))]
    rows = [line.split(separator) for line in data.split(b"\n")]
    k = int(rng.integers(len(rows[0])))
    return b"\n".join(separator.join(row[:k] + row[k + 1 :]) for row in rows)


def weird_number(rng, data):
    spans = [match.span() for match in NUMBER.finditer(data)]
    if not spans:
        return data
    a, b = spans[int(rng.integers(len(spans)))]
    return data[:a] + WEIRD[int(rng.integers(len(WEIRD)))] + data[b:]


def other_encoding(rng, data):
    kind = int(rng.integers(5))
    if kind == 0:
        return b"\xef\xbb\xbf" + data
    if kind == 1:
        return data.replace(b"\n", b"\r\n")
    if kind == 2:
        return data.replace(b"loss", "l\xf6ss".encode("latin-1"), 1)
    if kind == 3:
        return data.decode("latin-1").encode("utf-16")
    return data.replace(b"\n", b"\n\n")


def splice(rng, data):
    """A piece of the file over another one."""
    i, j, k = (int(x) for x in rng.integers(len(data) + 1, size=3))
    return data[:i] + data[min(j, k) : max(j, k)] + data[i:]


#: mutations that leave every number as it is, but for one at a cut
WHOLE = (swap_lines, repeat_lines, drop_lines)
MUTATIONS = (*WHOLE, flip, truncate, drop_column, weird_number, other_encoding, splice)


def samples():
    """Name and bytes of every log that is mutated."""
    found = {name: text.encode() for name, (_, text, _) in TEXTS.items()}
    # but decimal commas, whose numbers are spelled otherwise
    found |= {name: entry[0].encode() for name, entry in WILD.items() if name != "comma.csv"}
    # cases of logs that are easily read as something else
    found |= {path.name: path.read_bytes() for path in sorted(CASES.iterdir()) if path.is_file()}
    found["mlp.json"] = json.dumps({"loss_curve_": TRAIN, "validation_scores_": VAL}).encode()
    try:
        folder = genuine_folder()
    except pytest.skip.Exception:
        folder = Path(os.devnull)
    largest = math.inf if MUTANTS > 2000 else 20_000
    for name in GENUINE:
        path = folder / name
        if "tensorboard" not in name and path.is_file() and path.stat().st_size < largest:
            found[path.name] = path.read_bytes()
    return found


def curves_of(path):
    """The import of one file, within its time."""
    # the time of this process: others on the machine do not count
    before = time.process_time()
    found = read_logs(path)
    TIMES.append(time.process_time() - before)
    assert TIMES[-1] < SLOWEST, "too slow"
    assert len(found.curves) or found.skipped, "neither imported nor refused"
    assert all(entry.file and entry.reason for entry in found.skipped)
    return found


def numbers_in(data):
    """Every number spelled in a file, in whichever encoding."""
    text = data
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = data.decode("utf-16", "replace").encode("latin-1", "replace")
    # as a terminal shows it: a colour ends no number
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", text)
    values = {float(match) for match in NUMBER.findall(text)}
    # a number may follow a digit of a name or of another number: "5-1" holds 5 and -1 and 1
    return values | {-v for v in values}


def check_honest(found, data, name, original, mutation):
    """Every imported number is in the file, and none moved to another check unsaid."""
    spelled = None
    for curve in found.curves:
        columns = found.plan.set_index("run").loc[curve.run]
        if pd.isna(columns["val"]) or "+" in columns["val"] or "fitness" in columns["val"]:
            continue  # no error, or a sum, which is not spelled in the file
        spelled = numbers_in(data) if spelled is None else spelled
        values = curve.val[np.isfinite(curve.val)]
        assert {*values.tolist()} <= spelled, (name, mutation.__name__)
        # lines left out of a JSON document can leave another valid one
        lines = mutation in WHOLE and not name.endswith(".json") and len(found.curves) == 1
        if lines and original is not None and columns["val"] == original[1]:
            # without the row of epoch 0 nothing says that epochs count from 0
            allowed = original[0] | {(at - 1, v) for at, v in original[0]}
            new = {*zip(curve.epoch.tolist(), curve.val.tolist(), strict=True)} - allowed
            new = {(at, v) for at, v in new if not math.isnan(v)}
            assert not new, (name, mutation.__name__, new)


def test_mutated_logs_are_imported_or_refused_by_name(tmp_path):
    rng = np.random.default_rng([20241124, SEED])
    logs = samples()
    originals = {}
    for name, data in logs.items():
        (tmp_path / name).write_bytes(data)
        found = curves_of(tmp_path / name)
        if len(found.curves) != 1:
            continue
        (curve,), plan = found.curves, found.plan.iloc[0]
        # where a position has a line of its own, lines that are swapped move it unseen
        if pd.notna(plan["epoch"]) and name not in WILD and not (CASES / name).exists():
            pairs = {*zip(curve.epoch.tolist(), curve.val.tolist(), strict=True)}
            originals[name] = (pairs, plan["val"])
    counts = {"imported": 0, "refused": 0}
    names = [*logs]
    for _ in range(MUTANTS):
        name = names[int(rng.integers(len(names)))]
        mutation = MUTATIONS[int(rng.integers(len(MUTATIONS)))]
        data = mutation(rng, logs[name])
        if rng.random() < 0.2:
            mutation = MUTATIONS[int(rng.integers(3, len(MUTATIONS)))]
            data = mutation(rng, data) if data else data
        (tmp_path / name).write_bytes(data)
        try:
            found = curves_of(tmp_path / name)
            check_honest(found, data, name, originals.get(name), mutation)
        except BaseException:
            (tmp_path / "failed").write_bytes(data)
            print(f"{name}, {mutation.__name__}: {tmp_path / 'failed'}")
            raise
        counts["imported" if len(found.curves) else "refused"] += 1
    print(counts, f"slowest {max(TIMES):.3f} s")
    assert min(counts.values()) > MUTANTS / 20, counts


def test_mutated_event_files(tmp_path):
    rng = np.random.default_rng([7, SEED])
    whole = event_file()
    told = {*np.float32(VAL).astype(float).tolist(), *np.float32(TRAIN).astype(float).tolist()}
    path = tmp_path / "events.out.tfevents.1.host"
    for _ in range(max(100, MUTANTS // 20)):
        mutation = (flip, truncate, splice)[int(rng.integers(3))]
        data = mutation(rng, whole)
        path.write_bytes(data)
        found = curves_of(path)
        for curve in found.curves:
            read = curve.val[curve.measured("val")]
            assert {*read.tolist()} <= told, "a record that fails its checksum was read"
        if data != whole and mutation is not splice:
            cut_between_records = any(map(whole[: len(data)].__eq__, [data]))
            assert found.skipped or cut_between_records


def test_mutated_parquet(tmp_path):
    rng = np.random.default_rng([8, SEED])
    frame = pd.DataFrame({"epoch": range(1, 7), "train_loss": TRAIN, "val_loss": VAL})
    path = tmp_path / "log.parquet"
    frame.to_parquet(path, index=False)
    whole = path.read_bytes()
    for _ in range(max(100, MUTANTS // 20)):
        path.write_bytes((flip, truncate, splice)[int(rng.integers(3))](rng, whole))
        curves_of(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("letters.log", "Epoch 1\n" + ("a" * 3900 + "\n") * 100),
        ("slashes.log", "Epoch 1\n" + ("a/" * 1950 + "\n") * 100),
        ("digits.log", "step 1: val loss 0.5\n" + ("step " + "1" * 3900 + "x\n") * 100),
        ("keys.json", json.dumps({f"k{i}": 1 for i in range(40_000)})[:-1] + ', "k39999": 2}'),
        ("header.csv", ",".join(f"c{i}" for i in range(15_000)) + ",val,val\n1,2\n"),
    ],
)
def test_text_that_repeats_itself_takes_no_longer(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    curves_of(tmp_path / name)
