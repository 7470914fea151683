"""Two processes that write one output: the result is exactly that of one of them."""

import time
from collections.abc import Iterator
from pathlib import Path

from hard.cells import Cell, rng_of
from hard.commands import Command, contents, different, reference, renew, start

#: what the process may say that does not write
REFUSALS = (
    "another process is writing this output",
    "exists already",
    "was recorded with seed",
)


def attempts(
    commands: dict[str, list[Command]], folder: Path, count: int, seed: int
) -> Iterator[Cell]:
    """So many pairs of each kind, of the same or of different requests."""
    for kind, variants in commands.items():
        cell = Cell("races", kind)
        for which, command in enumerate(variants):
            work = folder / f"race-{kind}-{which}"
            results = [reference(command.argv(other=other), work) for other in (False, True)]
            for i in range(which, count, len(variants)):
                renew(work)
                cell.attempt(i, _pair(command, work, rng_of(seed, kind, i), results))
        yield cell


def _pair(command, work, rng, results):
    others = [rng.random() < 0.5, rng.random() < 0.7]
    pause = rng.random() * results[0][1] * rng.choice([0.1, 1])
    processes = []
    for other in others:
        processes.append(start(command.argv(other=other), work))
        time.sleep(pause)
    ended = [process.wait() for process in processes]
    about = f"{['same', 'other'][others[0] != others[1]]} request after {pause:.3f} s"
    for each in ended:
        refused = each.code == 2 and any(text in each.stderr for text in REFUSALS)
        if each.code and not refused:
            return f"{about}: exit code {each.code}: {each.stderr[-500:]}"
    winners = [results[other][0] for other, end in zip(others, ended, strict=True) if not end.code]
    if not winners:
        return f"{about}: both were refused"
    found = contents(work)
    wrong = [different(found, winner) for winner in winners]
    return "" if "" in wrong else f"{about}: {wrong}"
