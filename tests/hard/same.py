"""The same bytes for any number of jobs and size of parts, also after Control-C."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from earlystop_lab.cli import main
from earlystop_lab.engine.into_files import replay_to_file
from hard.cells import Cell, rng_of
from hard.commands import PATIENCE, Command, contents, different, few_rules, reference, renew

#: the commands that work in parallel
PARALLEL = ("train", "replay", "bench")
#: what a process of its own runs, since joblib starts more of them
_CODE = "import sys; sys.path.insert(0, sys.argv[1]); from hard.same import be; be()"


def attempts(
    commands: dict[str, list[Command]], folder: Path, count: int, seed: int
) -> Iterator[Cell]:
    """Run each command so many times with other settings, every second time interrupted."""
    for kind in filter(commands.__contains__, PARALLEL):
        cell = Cell("same bytes", kind)
        for which, command in enumerate(commands[kind]):
            work = folder / f"same-{kind}-{which}"
            argv = command.argv()
            expected, seconds = reference(argv, work)
            for i in range(which, count, len(commands[kind])):
                rng = rng_of(seed, kind, i)
                renew(work)
                chunk, jobs = rng.choice([0, 1, 2, 3, 7, 50]), rng.sample(["1", "2", "3"], 2)
                told = f"{jobs} jobs, parts of {chunk}"
                if rng.random() < 0.5:
                    # after the start of Python
                    _ran([*argv, "--n-jobs", jobs[0]], work, chunk, 1 + rng.random() * seconds)
                    told += ", interrupted"
                failed = _ran([*argv, "--n-jobs", jobs[1]], work, chunk)
                wrong = failed or different(contents(work), expected)
                cell.attempt(i, wrong and f"{told}: {wrong[-500:]}")
        yield cell


def _ran(argv: list[str], work: Path, chunk: int, interrupted: float | None = None) -> str:
    """Run a command, interrupt it after some seconds; what it said if it failed."""
    words = [sys.executable, "-c", _CODE, str(Path(__file__).parents[1]), str(chunk), *argv]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            words, cwd=work, stdout=subprocess.DEVNULL, stderr=said, start_new_session=True
        )
        if interrupted is not None:
            time.sleep(interrupted)
            process.send_signal(signal.SIGINT)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return "hung"
        said.seek(0)
        return f"exit code {process.returncode}: {said.read()}" if process.returncode else ""


def be() -> None:
    """A command, with so many runs at a time in ``replay``, which no option of it says."""
    chunk, *argv = sys.argv[2:]
    assert replay_to_file.__kwdefaults__ is not None
    replay_to_file.__kwdefaults__["chunk_size"] = int(chunk) or None
    few_rules()
    sys.argv = ["earlystop", *argv]
    main()
