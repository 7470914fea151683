"""kill -9 at any moment of a command: the same command then gives what it would have given."""

import time
from collections.abc import Iterator
from pathlib import Path

from hard.cells import Cell, rng_of
from hard.commands import (
    MAKING,
    REMOVING,
    Command,
    at_operation,
    contents,
    different,
    operations,
    ran,
    reference,
    renew,
    start,
)


def attempts(
    commands: dict[str, list[Command]], folder: Path, count: int, seed: int
) -> Iterator[Cell]:
    """Kill each kind of command so many times, once or twice in a row."""
    for kind, variants in commands.items():
        cell = Cell("kills", kind)
        for which, command in enumerate(variants):
            work = folder / f"{kind}-{which}"
            argv = command.argv()
            expected, seconds = reference(argv, work)
            most = operations(argv, work, MAKING + REMOVING)
            for i in range(which, count, len(variants)):
                renew(work)
                cell.attempt(
                    i, _attempt(argv, work, rng_of(seed, kind, i), seconds, most, expected)
                )
        yield cell


def _attempt(argv, work, rng, seconds, most, expected):
    told = []
    for _ in range(rng.choice([1, 1, 2])):
        if rng.random() < 0.4:
            number = rng.randint(1, most)
            told.append(f"before operation {number}")
            ended = ran(
                argv, work, lambda n=number: at_operation(n, work, MAKING + REMOVING, "kill")
            )
            if ended.code not in (-9, 0):
                return f"killed {told}: exit code {ended.code}: {ended.stderr[-500:]}"
            continue
        # also of the last part, where files are renamed and removed
        after = seconds * (rng.uniform(0, 1.1) if rng.random() < 0.5 else rng.uniform(0.7, 1.05))
        told.append(f"after {after:.4f} s")
        process = start(argv, work)
        time.sleep(max(0, process.began + after - time.monotonic()))
        process.kill()
        ended = process.wait()
        if ended.code not in (-9, 0):
            return f"killed {told}: exit code {ended.code}: {ended.stderr[-500:]}"
    ended = ran(argv, work)
    # a corpus that was built is not built again
    if ended.code and "exists already" not in ended.stderr:
        return f"killed {told}, then exit code {ended.code}: {ended.stderr[-500:]}"
    wrong = different(contents(work), expected)
    return wrong and f"killed {told}, then {wrong}"
