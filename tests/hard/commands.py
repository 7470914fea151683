"""The attacked commands with small inputs, run in forks of one process that has imported all."""

import contextlib
import errno
import io
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from earlystop_lab import CurveSet, simulate
from earlystop_lab.cli import main
from earlystop_lab.studies import comparison

#: the rule that ``bench`` compares, and the few that it is compared with
RULE = """import numpy as np

from earlystop_lab import criterion


@criterion(threshold="checks", passes=">=")
def Waiting(val):
    best = np.fmin.accumulate(val)
    new = np.concatenate([[True], best[1:] < best[:-1]])
    at = np.maximum.accumulate(np.where(new, np.arange(len(val)), 0))
    return np.arange(len(val)) - at
"""
KNOWN = ("Keras", "GL", "MaxEpochs")
#: the folder of kept results, in the folder that a command runs in
CACHE = "cache"
#: seconds after which a command counts as hung
PATIENCE = 120


class Command(NamedTuple):
    """A command line; ``out`` is the output, in the folder that it runs in."""

    words: tuple[str, ...]
    out: str
    #: words of another command that gives another output
    other: tuple[str, ...]

    def argv(self, *, other: bool = False) -> list[str]:
        return [*(self.other if other else self.words), "-o", self.out]


class Ended(NamedTuple):
    """How a process ended."""

    code: int
    stderr: str
    seconds: float


def inputs(folder: Path) -> dict[str, list[Command]]:
    """Make small inputs in a folder; each kind of command, in its variants."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    logs = folder / "logs"
    logs.mkdir()
    for i in range(8):
        rows = "".join(f"{e},{1 / e + i:.3f},{1 / e + 0.01 * e:.3f}\n" for e in range(1, 30))
        (logs / f"net{i}.csv").write_text(f"epoch,loss,val_loss\n{rows}")
    data = folder / "proben1"
    data.mkdir()
    header = "bool_in=0\nreal_in=3\nbool_out=1\nreal_out=0\n"
    header += "training_examples=12\nvalidation_examples=6\ntest_examples=6\n"
    for name in ("toy1", "yot1"):
        rows = "".join(" ".join(map(str, row)) + "\n" for row in rng.random((24, 4)).round(3))
        (data / f"{name}.dt").write_text(header + rows)
    curves = folder / "curves"
    curves.mkdir()
    runs = simulate("gradient_flow", 48, seed=1, epochs=30)
    for i in range(12):
        runs[4 * i : 4 * i + 4].write(curves / f"{i:02}.arrow")
    (folder / "rule.py").write_text(RULE)
    problems = [
        {"run": c.run, "val": c.val, "test": c.test, "problem": f"problem {i % 4}"}
        for i, c in enumerate(runs[:8])
    ]
    CurveSet.from_runs(problems).write(folder / "few.parquet")
    tasks = folder / "taskset"
    tasks.mkdir()
    np.savez(tasks / "tasks.npz", a=rng.random((5, 3, 20)), b=rng.random((5, 3, 20)))
    few, several = ("import", str(logs / "net0.csv")), ("import", str(logs))
    one, two = ("replay", str(curves), "-c", "GL(2)"), ("replay", str(curves), "-c", "Keras(3)")
    bench = ("bench", f"{folder}/rule.py:Waiting", "--corpus", f"{folder}/few.parquet")
    csv = ("--format", "csv")  # a page takes long to draw, and is written in the same way
    build = ("corpus", "build", "taskset", str(tasks), "--format")
    return {
        "import": [
            Command(several, "curves.parquet", few),
            Command(several, "curves.arrow", few),
        ],
        "train": [
            Command(_train(data, 1), "study.parquet", _train(data, 2)),
            Command(_train(data, 1), "study", _train(data, 2)),
        ],
        "replay": [
            Command((*one, "-c", "Keras(3)"), "stops.csv", two),
            Command((*one, "--restore", "own"), "stops.parquet", two),
        ],
        "corpus build": [Command((*build, "parquet"), "tasks", (*build, "arrow"))],
        "bench": [Command((*bench, *csv), "report", (*bench, *csv, "--worth", "20"))],
    }


def _train(data: Path, seed: int) -> tuple[str, ...]:
    return (
        *("train", "proben1", "--data", str(data), "--datasets", "toy1,yot1"),
        *("--hidden", "none,2", "--runs", "2", "--epochs", "20", "--n-jobs", "1"),
        *("--seed", str(seed)),
    )


def few_rules() -> None:
    """Let ``bench`` compare with few rules and without checks, which matter to no file.

    What it keeps for the next call is beside its output.
    """
    os.environ["EARLYSTOP_CACHE"] = CACHE
    comparison.FAMILIES = {name: comparison.FAMILIES[name] for name in KNOWN}
    comparison.check_criterion = lambda *args, **options: None


# -- processes -------------------------------------------------------------------------------


def start(argv: list[str], folder: Path, first: Callable[[], object] = lambda: None) -> "Fork":
    """Run a command line in a fork, in a folder, after a function was called in there."""
    return Fork(argv, folder, first)


class Fork:
    """A command in a process of its own, without the time that a start of Python takes."""

    def __init__(self, argv: list[str], folder: Path, first: Callable[[], object]) -> None:
        self.began = time.monotonic()
        pipes = [os.pipe() for _ in range(2)]
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            for read, _ in pipes:
                os.close(read)
            _be(argv, folder, first, *(write for _, write in pipes))
        for _, write in pipes:
            os.close(write)
        self.stdout, self.stderr = (os.fdopen(read, errors="replace") for read, _ in pipes)
        self._code: int | None = None

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def over(self) -> bool:
        """Whether it has ended."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
        return self._code is not None

    def wait(self) -> Ended:
        """How it ended; one that hangs is killed and named."""
        end = time.monotonic() + PATIENCE
        while not self.over() and time.monotonic() < end:
            time.sleep(0.002)
        hung = not self.over()
        if hung:
            self.kill()
            while not self.over():
                time.sleep(0.002)
        seconds = time.monotonic() - self.began
        with self.stdout, self.stderr:
            stderr = self.stderr.read()
        assert self._code is not None
        return Ended(-99 if hung else self._code, stderr, seconds)


def _be(
    argv: list[str], folder: Path, first: Callable[[], object], stdout: int, stderr: int
) -> None:
    """The command, in the fork: never returns."""
    code = 70
    try:
        os.chdir(folder)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        os.close(stdout)
        os.close(stderr)
        sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(n, "w")) for n in (1, 2))
        sys.argv = ["earlystop", *argv]
        first()
        code = _code_of(main)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _code_of(function: Callable[[], object]) -> int:
    try:
        function()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except BaseException:
        import traceback

        traceback.print_exc()
        return 1
    return 0


def ran(argv: list[str], folder: Path, first: Callable[[], object] = lambda: None) -> Ended:
    """Run a command line in a fork to its end."""
    return start(argv, folder, first).wait()


# -- operations on files -----------------------------------------------------------------------

#: the operations that make something, which a full disk may refuse
MAKING = ("open", "os.mkdir", "os.rename")
#: and those that only remove
REMOVING = ("os.remove", "os.rmdir")


def at_operation(number: int, folder: Path, kinds: tuple[str, ...], what: str) -> None:
    """From now on, do something at an operation on files in a folder, counted from 1.

    ``kill`` ends this process before the operation; ``full`` refuses it as a full disk does;
    ``count`` writes how many there were, into ``folder`` with the ending ``.count``.
    """
    inside, seen = f"{folder}{os.sep}", 0
    counted = f"{folder}.count"

    def look(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event not in kinds or not isinstance(arguments[0], (str, bytes, os.PathLike)):
            return
        path = os.fsdecode(arguments[0])
        if event == "open" and not _makes(arguments):
            return
        if not os.path.abspath(path).startswith(inside):
            return
        seen += 1
        if what == "count":
            descriptor = os.open(counted, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.write(descriptor, str(seen).encode())
            os.close(descriptor)
        elif seen == number:
            if what == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    sys.addaudithook(look)


def _makes(arguments: tuple[object, ...]) -> bool:
    _, mode, flags = (*arguments, None, 0)[:3]
    if isinstance(mode, str):
        return any(letter in mode for letter in "wxa")
    return isinstance(flags, int) and bool(flags & os.O_CREAT)


def operations(argv: list[str], folder: Path, kinds: tuple[str, ...]) -> int:
    """How many operations on files in a folder a command makes; the folder is new after it."""
    renew(folder)
    counted = Path(f"{folder}.count")
    counted.write_text("0")
    ended = ran(argv, folder, lambda: at_operation(0, folder, kinds, "count"))
    assert ended.code == 0, ended.stderr
    renew(folder)
    return int(counted.read_text())


def limit_files(size: int) -> None:
    """Let no file of this process grow beyond a size, as on a disk that is full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


# -- folders -----------------------------------------------------------------------------------


def renew(folder: Path) -> None:
    """Make a folder empty."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file with its bytes, and every folder, by its path.

    Of kept results only what is no such result: a full disk or another request may have others.
    """
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if path.name != CACHE and (path.parent.name != CACHE or path.suffix != ".arrow")
    }


def different(found: dict[str, bytes | None], expected: dict[str, bytes | None]) -> str:
    """What is not as expected, in words; empty if all is."""
    left = sorted(found.keys() - expected.keys())
    missing = sorted(expected.keys() - found.keys())
    other = sorted(k for k in found.keys() & expected.keys() if found[k] != expected[k])
    kinds = {"left": left, "missing": missing, "other bytes": other}
    return "; ".join(f"{kind}: {', '.join(paths)}" for kind, paths in kinds.items() if paths)


def reference(argv: list[str], folder: Path) -> tuple[dict[str, bytes | None], float]:
    """The contents of a folder after a command that nothing disturbed, and its seconds."""
    renew(folder)
    # once in this process, so that its forks have imported and compiled everything
    here = os.getcwd()
    os.chdir(folder)
    try:
        sys.argv = ["earlystop", *argv]
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            assert _code_of(main) == 0, argv
    finally:
        os.chdir(here)
    times = []
    for _ in range(3):
        renew(folder)
        ended = ran(argv, folder)
        assert ended.code == 0, ended.stderr
        times.append(ended.seconds)
    return contents(folder), sorted(times)[1]
