"""All attacks, and a table of what they found: ``python tests/hard [--only kills] [--count 200]``.

Every attempt depends on ``--seed`` alone, but for kills and races at a time. Exits with 1 if
anything failed.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hard import damage, disks, kills, logs, races, same, watching
from hard.cells import Cell
from hard.commands import Command, few_rules, inputs

#: the parts, and how often each attack is made in full
PARTS = {
    "kills": 200,
    "disks": 500,
    "races": 200,
    "same": 12,
    "posts": 10_000,
    "damage": 10_000,
    "logs": 20_000,
}


def cells_of(
    part: str, commands: dict[str, list[Command]], folder: Path, count: int, seed: int
) -> Iterator[Cell]:
    """The rows of the table that a part gives."""
    watch = commands.pop("watch", None) is not None
    match part:
        case "kills":
            yield from kills.attempts(commands, folder, count, seed)
            if watch:
                yield from watching.kills(folder, count, seed)
        case "disks":
            yield from disks.attempts(commands, folder, count, seed)
            if watch:
                yield from watching.disks(folder, count, seed)
        case "races":
            yield from races.attempts(commands, folder, count, seed)
        case "damage":
            yield from damage.attempts(count, seed)
        case "logs":
            yield from logs.attempts(count, seed)
        case "same":
            yield from same.attempts(commands, folder, count, seed)
        case "posts":
            if watch:
                yield from watching.posts(folder, count, seed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas between them")
    parser.add_argument("--commands", default="", help="commands, with commas between them")
    parser.add_argument("--count", type=int, help="attempts of each attack, instead of all")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    few_rules()
    cells: list[Cell] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place).resolve()
        commands = {**inputs(folder / "inputs"), "watch": []}
        if given.commands:
            commands = {name: commands[name] for name in given.commands.split(",")}
        for part in given.only.split(","):
            count = given.count or PARTS[part]
            for cell in cells_of(part, dict(commands), folder, count, given.seed):
                cells.append(cell)
                print(_row(cell), flush=True)
    print("\n".join(["", *map(_row, cells)]))
    failed = sum(len(cell.failures) for cell in cells)
    print(f"{sum(cell.attempts for cell in cells)} attempts, {failed} failures, seed {given.seed}")
    sys.exit(failed > 0)


def _row(cell: Cell) -> str:
    return (
        f"{cell.part:<10} {cell.what:<28} {cell.attempts:>6} attempts {len(cell.failures):>4} "
        f"failures {cell.seconds:>6.0f} s  {cell.note}".rstrip()
    )


if __name__ == "__main__":
    main()
