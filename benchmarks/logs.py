"""Time and memory of reading logs against pandas and TensorBoard, whole processes, as ratios.

`python benchmarks/logs.py` rewrites the table of logs in README.md here; of the extra `bench` it
needs TensorBoard. The two processes of a pair take turns, and the medians of their times and peaks
are compared.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

HERE = Path(__file__).parent
TURNS = 7
OURS = "from earlystop_lab import read_logs; assert len(read_logs({path!r}).curves)"
NOTHING = "from earlystop_lab import read_logs"
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
    write: Callable[[Path], Path]
    peer: str


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


CASES = (
    Case("one CSV of 200,000 rows x 6", csv(200_000), PANDAS),
    Case("one CSV of 800,000 rows x 6", csv(800_000), PANDAS),
    Case("a folder of 500 Keras CSVs of 100 epochs", keras(500), PANDAS_FOLDER),
    Case("JSON lines of 200,000 rows x 6", json_lines(200_000), PANDAS_LINES),
    Case("an event file of 50,000 steps x 2", events(50_000), TENSORBOARD),
    Case("an event file of 200,000 steps x 2", events(200_000), TENSORBOARD),
)


#: what a process says of itself at its end; usage as its parent sees it holds that parent's memory
PEAK = """
import re
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


def process(code: str) -> tuple[float, float]:
    """Seconds, and peak resident memory in bytes, of a Python process of its own."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", code + PEAK], stdout=subprocess.PIPE, text=True, check=True
    )
    return time.perf_counter() - began, int(done.stdout.split()[-1]) * 1024


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


def report() -> str:
    table = [
        "| whole processes | time, ours / peer's | peak memory, ours / peer's "
        "| bytes of memory a byte of text |",
        "|---|---|---|---|",
    ]
    for case in CASES:
        with tempfile.TemporaryDirectory() as name:
            path = case.write(Path(name))
            files = [path] if path.is_file() else list(path.iterdir())
            size = sum(file.stat().st_size for file in files)
            codes = [code.format(path=str(path)) for code in (OURS, case.peer, NOTHING)]
            ours, peer, nothing = side_by_side(codes)
        ratios = f"{ours[0] / peer[0]:.2f} | {ours[1] / peer[1]:.2f}"
        table.append(f"| {case.name} | {ratios} | {(ours[1] - nothing[1]) / size:.1f} |")
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
