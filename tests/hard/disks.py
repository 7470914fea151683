"""A full disk at every size and at every operation: named, nothing half-written, and no trouble."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from hard.cells import Cell, rng_of
from hard.commands import (
    MAKING,
    Command,
    Ended,
    at_operation,
    contents,
    different,
    limit_files,
    operations,
    ran,
    reference,
    renew,
)

#: every so many refused writes, the same command is tried with space
_AGAIN = 5


def attempts(
    commands: dict[str, list[Command]], folder: Path, count: int, seed: int
) -> Iterator[Cell]:
    """Let no file grow beyond each of so many sizes, then refuse each operation on files."""
    for kind, variants in commands.items():
        for which, command in enumerate(variants):
            work = folder / f"full-{kind}-{which}"
            argv = command.argv()
            expected, _ = reference(argv, work)
            largest = max(len(data) for data in expected.values() if data is not None)
            cell = Cell("full disk", f"{kind} {Path(command.out).suffix} by size")
            rng = rng_of(seed, kind, which)
            # a report takes long, and is large
            tried = count // 5 if kind == "bench" else count
            sizes = sorted({0, 1, largest - 1, *_spread(largest, tried, rng.randrange(largest))})
            for i, size in enumerate(sizes):
                renew(work)
                ended = ran(argv, work, partial(limit_files, size))
                wrong = _wrong(ended, work, command, expected, i)
                cell.attempt(f"{size} of {largest} bytes", wrong)
            yield cell
            cell = Cell("full disk", f"{kind} {Path(command.out).suffix} by operation")
            for number in range(1, 1 + min(count, operations(argv, work, MAKING))):
                renew(work)
                ended = ran(argv, work, partial(at_operation, number, work, MAKING, "full"))
                cell.attempt(f"operation {number}", _wrong(ended, work, command, expected, 0))
            yield cell


def _spread(largest: int, count: int, first: int) -> list[int]:
    """So many of the sizes below the largest, or all of them."""
    step = max(1, largest // count)
    return [(first + i * step) % largest for i in range(min(count, largest))]


def _wrong(
    ended: Ended, work: Path, command: Command, expected: dict[str, bytes | None], i: int
) -> str:
    """What is wrong after a command met a full disk; empty if all is as promised."""
    said = ended.stderr[-500:]
    if ended.code == 0:
        # the refused operation was not needed
        return different(contents(work), expected)
    if ended.code != 2 or "Traceback" in said:
        return f"exit code {ended.code}: {said}"
    if f"earlystop: {command.out}" not in said:
        return f"{command.out} is not named: {said}"
    for path, data in contents(work).items():
        if f"{command.out}.partial" not in path and data != expected.get(path, b""):
            return f"left {path}: {said}"
    if i % _AGAIN:
        return ""
    again = ran(command.argv(), work)
    if again.code:
        return f"with space again, exit code {again.code}: {again.stderr[-500:]}"
    return different(contents(work), expected)
