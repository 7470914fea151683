"""Time and memory of reading logs against pandas and TensorBoard, whole processes, as ratios.

`python benchmarks/logs.py` rewrites the table of logs in README.md here; of the extra `bench` it
needs TensorBoard. The two processes of a pair take turns, and the medians of their processor times
and peaks are compared. They run from bytecode, as installed packages do.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

HERE = Path(__file__).parent
TURNS = 3
OURS = "from earlystop_lab import read_logs; assert len(read_logs({path!r}).curves)"
PANDAS = "import pandas; pandas.read_csv({path!r})"
PANDAS_FOLDER = """
import pandas, pathlib
for path in sorted(pathlib.Path({path!r}).iterdir()):
    pandas.read_csv(path)
"""
PANDAS_LINES = "import pandas; pandas.read_json({path!r}, lines=True)"
TENSORBOARD = """
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
found = EventAccumulator({path!r}, size_guidance={{"scalars": 0}}).Reload()
assert all(len(found.Scalars(tag)) for tag in ("train/loss", "val/loss"))
"""
NAMES = ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr"]


class Case(NamedTuple):
    """A log, and the code of the peer that reads it."""

    name: str
    size: int
    #: writes a log of some size into a folder
    write: Callable[[int], Callable[[Path], Path]]
    #: None where no other program reads such a log
    peer: str | None = None


def lines(rows: int, seed: int = 0) -> Iterator[list[str]]:
    """Rows of a log of six columns, every number with all its digits."""
    rng = np.random.default_rng(seed)
    for epoch, values in enumerate(rng.random((rows, 4)).tolist()):
        yield [str(epoch), *map(repr, values), "0.001"]


def csv(rows: int) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / f"{rows}.csv"
        with path.open("w") as file:
            file.writelines(",".join(row) + "\n" for row in [NAMES, *lines(rows)])
        return path

    return write


def json_lines(rows: int) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / f"{rows}.jsonl"
        with path.open("w") as file:
            for row in lines(rows):
                cells = zip(NAMES, row, strict=True)
                file.write("{" + ", ".join(f'"{name}": {cell}' for name, cell in cells) + "}\n")
        return path

    return write


def keras(files: int) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        inner = folder / "keras"
        inner.mkdir()
        for k in range(files):
            rows = [NAMES[:5], *(row[:5] for row in lines(100, k))]
            (inner / f"{k:03}.csv").write_text("".join(",".join(row) + "\n" for row in rows))
        return inner

    return write


def events(steps: int) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        writer = EventFileWriter(str(folder))
        for step, values in enumerate(np.random.default_rng(0).random((steps, 2)).tolist()):
            for tag, value in zip(("train/loss", "val/loss"), values, strict=True):
                event = Event(wall_time=1e9 + step, step=step)
                event.summary.value.add(tag=tag, simple_value=value)
                writer.add_event(event)
        writer.close()
        return folder

    return write


def text(name: str, head: str, row: str, tail: str = "") -> Callable[[int], Callable[[Path], Path]]:
    """A file of a head, a row of five numbers at a time, and a tail."""

    def of_size(rows: int) -> Callable[[Path], Path]:
        def write(folder: Path) -> Path:
            path = folder / name
            with path.open("w") as file:
                file.write(head)
                file.writelines(row.format(*cells) for cells in lines(rows))
                file.write(tail)
            return path

        return write

    return of_size


def records(rows: int) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        cells = (zip(NAMES, map(float, row), strict=True) for row in lines(rows))
        path = folder / "records.json"
        path.write_text(json.dumps([dict(row) for row in cells]))
        return path

    return write


def trainer_state(rows: int) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        history: list[dict[str, float]] = []
        for at, loss, grad_norm, eval_loss, *_ in (map(float, row) for row in lines(rows)):
            history.append({"loss": loss, "grad_norm": grad_norm, "step": at})
            history.append({"eval_loss": eval_loss, "step": at})
        path = folder / "trainer_state.json"
        path.write_text(json.dumps({"log_history": history}, indent=2))
        return path

    return write


QUOTED = ",".join(f'"{name}"' for name in NAMES) + "\n"
PRINTED = "Epoch {}: loss: {} - accuracy: {} - val_loss: {} - val_accuracy: {}\n"
CASES = (
    Case("one CSV of 200,000 rows x 6", 200_000, csv, PANDAS),
    Case("one CSV of 800,000 rows x 6", 800_000, csv, PANDAS),
    Case("a folder of 500 Keras CSVs of 100 epochs", 500, keras, PANDAS_FOLDER),
    Case("JSON lines of 200,000 rows x 6", 200_000, json_lines, PANDAS_LINES),
    Case("an event file of 50,000 steps x 2", 50_000, events, TENSORBOARD),
    Case("an event file of 200,000 steps x 2", 200_000, events, TENSORBOARD),
    Case(
        "a quoted CSV of 200,000 rows x 6",
        200_000,
        text("log.csv", QUOTED, '"{}","{}","{}","{}","{}","{}"\n'),
        PANDAS,
    ),
    Case(
        "train and val on separate rows, 400,000 rows",
        200_000,
        text("log.csv", "epoch,phase,loss,acc\n", "{0},train,{1},{2}\n{0},val,{3},{4}\n"),
    ),
    Case(
        "one number per row, 400,000 rows",
        200_000,
        text("log.csv", "step,metric,value\n", "{0},train_loss,{1}\n{0},val_loss,{2}\n"),
    ),
    Case("a JSON list of 200,000 rows x 6", 200_000, records),
    Case("a trainer_state.json of 200,000 entries", 100_000, trainer_state),
    Case("50,000 printed lines", 50_000, text("train.log", "", PRINTED)),
)


#: what a process says of itself at its end; usage as its parent sees it holds that parent's memory
PEAK = """
import re
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


def process(code: str) -> tuple[float, float]:
    """Processor seconds, and peak resident memory in bytes, of a Python process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code + PEAK],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": ""},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, int(done.stdout.split()[-1]) * 1024


def side_by_side(codes: list[str]) -> list[tuple[float, float]]:
    """Medians of seconds and of peak memory of each, which take turns."""
    found: list[list[tuple[float, float]]] = [[] for _ in codes]
    for _ in range(TURNS):
        for code, measured in zip(codes, found, strict=True):
            measured.append(process(code))
    return [
        (statistics.median(s for s, _ in each), statistics.median(m for _, m in each))
        for each in found
    ]


def memory(case: Case, size: int) -> tuple[float, float]:
    """The peak memory of a process that reads a log of that size, and the bytes of the log."""
    with tempfile.TemporaryDirectory() as name:
        path = case.write(size)(Path(name))
        return process(OURS.format(path=str(path)))[1], bytes_of(path)


def bytes_of(path: Path) -> int:
    files = [path] if path.is_file() else list(path.iterdir())
    return sum(file.stat().st_size for file in files)


def row(case: Case) -> str:
    """What is measured of one log."""
    ratios = "- | -"
    if case.peer is not None:
        with tempfile.TemporaryDirectory() as name:
            path = case.write(case.size)(Path(name))
            codes = [code.format(path=str(path)) for code in (OURS, case.peer)]
            ours, peer = side_by_side(codes)
            ratios = f"{ours[0] / peer[0]:.2f} | {ours[1] / peer[1]:.2f}"
    (few, small), (more, large) = memory(case, case.size), memory(case, 2 * case.size)
    return f"| {case.name} | {ratios} | {(more - few) / (large - small):.1f} |"


def report() -> str:
    table = [
        "| whole processes | processor time, ours / peer's | peak memory, ours / peer's "
        "| bytes of memory per byte of text |",
        "|---|---|---|---|",
    ]
    for case in CASES:
        table.append(row(case))
        print(table[-1], flush=True)
    return "\n".join(table)


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    body = report()
    text = (HERE / "README.md").read_text(encoding="utf-8")
    begin, end = "<!-- logs -->\n", "<!-- end of logs -->\n"
    head, rest = text.split(begin)
    tail = rest.split(end)[1]
    (HERE / "README.md").write_text(f"{head}{begin}{body}\n{end}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
