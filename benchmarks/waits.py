"""What a user waits for, side by side with the build of an older commit, as ratios.

    python benchmarks/waits.py [--base 4fa5c29] [--quick]

Both trees run the same commands as whole processes, with this interpreter's libraries and with
compiled code of their own, after the steps with which `make reproduce` sets up a checkout. The two
take turns, and medians are compared. The older commit runs `bench` only once, since it takes
minutes and keeps no results: it takes the same time for the next rule. The tables go to README.md
here. If EARLYSTOP_CORPORA names a folder with AlgoPerf's published curves, the survey of these is
measured, too. `--quick` runs `bench` on one corpus and not in the older commit, takes fewer
turns and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
ROOT = HERE.parent
#: the corpora that both trees have
FOUR = ("boosting", "modern-nets", "prechelt1997", "prechelt1997-init005")
MAIN = "from earlystop_lab.cli import main; main()"
#: a rule of numpy, whose name is filled in
RULE = """
import numpy as np
from earlystop_lab import criterion

@criterion(threshold="checks", passes=">=", whole=True, at_least={"checks": 1})
def NAME(val, *, tol: float = 0.01):
    best = np.fmin.accumulate(val)
    better = np.concatenate([[True], val[1:] < best[:-1] * (1 - tol)])
    at = np.maximum.accumulate(np.where(better, np.arange(len(val)), 0))
    return np.arange(len(val)) - at
"""
#: what the kernels need; the same lines for both trees
MADE = """
import json, os, re, statistics, sys, tempfile, time
import numba, numpy as np, pyarrow as pa
from earlystop_lab import GL, PQ, UP, CurveSet, Keras, replay

def made(errors):
    runs, epochs = errors["val"].shape
    offsets = pa.array(np.arange(0, runs * epochs + 1, epochs), pa.int32())
    lists = {name: pa.ListArray.from_arrays(offsets, pa.array(each.ravel()))
             for name, each in errors.items()}
    return CurveSet(pa.table({"run": [str(i) for i in range(runs)], **lists}))

def noisy(runs, t, rng):
    return np.exp(-t / 200) + 0.2 + 0.01 * rng.standard_normal((runs, len(t)))

def once(call):
    began = time.perf_counter()
    call()
    return time.perf_counter() - began

def seconds(call):
    call()
    found = []
    while len(found) < 5 or sum(found) < 1:
        found.append(once(call))
    return statistics.median(found)

def times(call, of):
    # in turns, since the machine itself is faster at some times than at others
    call(), of()
    found = []
    while len(found) < 9 or sum(map(sum, found)) < 5:
        found.append((once(call), once(of)))
    return statistics.median(a / b for a, b in found)
"""
#: ratios of times
KERNELS = """
@numba.njit
def add_up(values):
    total = 0.0
    for i in range(values.size):
        total += values[i]
    return total

def smooth(runs, t, rng):
    rise = 1e-4 * t * rng.random((runs, 1))
    return 1 / np.sqrt(t) + 0.2 + 0.002 * rng.standard_normal((runs, len(t))) + rise

prechelt = [*(GL(a) for a in (1, 2, 3, 5)), *(PQ(a) for a in (0.5, 0.75, 1, 2, 3)),
            *(UP(s) for s in (2, 3, 4, 6, 8))]
ratios = {}
for name, kind in (("noisy", noisy), ("smooth", smooth)):
    rng, t = np.random.default_rng(0), np.arange(1.0, 1001)
    errors = {channel: kind(RUNS, t, rng) for channel in ("val", "train")}
    curves = made(errors)
    flat = [each.ravel() for each in errors.values()]
    ratios[f"14 criteria / one read, {name}"] = times(
        lambda: replay(curves, prechelt), lambda: [add_up(each) for each in flat])
    for what, k in (("strips of 5", 5), ("every check", 1)):
        five = [GL(a, k=k) for a in (1, 2, 3, 5, 10)]
        many = [GL(a, k=k) for a in np.geomspace(0.1, 1000, 1000)]
        ratios[f"GL 1000 thresholds / 5, {what}, {name}"] = times(
            lambda: replay(curves, many), lambda: replay(curves, five))
print(json.dumps(ratios))
"""
#: exponents of time
GROWTH = """
def exponent(sizes, asked):
    times = [seconds(lambda: replay(*each)) for each in asked]
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])

rng = np.random.default_rng(0)

def curves(runs, checks, channels=1):
    t = np.arange(1.0, checks + 1)
    names = ["val", *(f"x{i}" for i in range(1, channels))]
    return made({name: noisy(runs, t, rng) for name in names})

# no threshold is passed, so that every check is looked at
never = [GL(10.0**9 + i, k=1) for i in range(5)]
counts = [1, 4, 16, 64]
many = [[Keras(10**6, min_delta=1e-9 * i) for i in range(n)] for n in counts]
few, runs, checks = curves(1_000, 1_000), [1_000, 10_000, 100_000], [1_000, 6_000, 36_000]
print(json.dumps({
    "runs, 10^3 to 10^5": exponent(runs, [(curves(n, 300), never) for n in runs]),
    "checks, 10^3 to 3.6 x 10^4": exponent(checks, [(curves(300, n), never) for n in checks]),
    "rules, 1 to 64": exponent(counts, [(few, rules) for rules in many]),
    "channels that no rule watches, 1 to 64": exponent(
        counts, [(curves(1_000, 1_000, n), never) for n in counts]),
}))
"""
#: the peak of this process alone, in bytes, before and after a replay of a file of RUNS runs
MEMORY = """
from earlystop_lab.engine.into_files import replay_to_file

def peak():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])

folder = tempfile.mkdtemp()
replay(made({"val": noisy(10, np.arange(1.0, 301), np.random.default_rng(0))}), ["GL(2)"])
rng, t = np.random.default_rng(0), np.arange(1.0, 301)
if not os.path.exists(FILE):  # by a process of its own, whose peak is not measured
    made({"val": noisy(RUNS, t, rng)}).write(FILE)
    sys.exit()
before = peak()
replay_to_file(FILE, ["GL(2)", "Keras(10)"], folder + "/stops.parquet")
print(json.dumps(peak() - before))
"""


class Took(NamedTuple):
    """What a process took, with what it waited for."""

    wall: float
    cpu: float
    said: str


class Tree:
    """A checkout, with compiled code and kept results of its own."""

    def __init__(self, place: Path, folder: Path) -> None:
        self.place = place
        self.folder = folder
        folder.mkdir()
        subprocess.run([sys.executable, "-m", "compileall", "-q", place / "earlystop_lab"])

    def run(self, *arguments: str, code: str = MAIN, compiled: str = "set up", **more: str) -> Took:
        """Run a command of the tree, with the compiled code of that name."""
        environment = {
            **os.environ,
            **more,
            "PYTHONPATH": str(self.place),
            "NUMBA_CACHE_DIR": str(self.folder / compiled),
            "EARLYSTOP_CACHE": str(self.folder / "kept"),
        }
        began = time.perf_counter()
        with tempfile.TemporaryFile("w+") as said:
            process = subprocess.Popen(
                [sys.executable, "-c", code, *arguments],
                cwd=self.place,
                env=environment,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
            # of this process alone, and of those that it waited for
            _, status, usage = os.wait4(process.pid, 0)
            wall = time.perf_counter() - began
            process.returncode = os.waitstatus_to_exitcode(status)
            said.seek(0)
            text = said.read()
        if process.returncode:
            raise SystemExit(f"{self.folder.name}: {' '.join(arguments)} failed:\n{text}")
        return Took(wall, usage.ru_utime + usage.ru_stime, text)

    def set_up(self) -> None:
        """What `make reproduce` runs first, so that rules are compiled."""
        makefile = (self.place / "Makefile").read_text()
        compiling = {"EARLYSTOP_COMPILE": "1"} if "EARLYSTOP_COMPILE" in makefile else {}
        rules = "any_of(GL(2), PQ(1), UP(2), Progress(0.1), MaxEpochs(3000))"
        first = "data/curves/prechelt1997/cancer.parquet"
        self.run("replay", first, "-o", str(self.folder / "first.csv"), "-c", rules, **compiling)
        if " survey " in makefile:
            for each in (first, "data/curves/modern-nets/digits.parquet"):
                self.run("survey", each, "-o", str(self.folder / "survey.csv"), **compiling)


def row(what: str, unit: str, base: float | None, ours: float, target: str) -> str:
    """A row of the table."""
    before, ratio = ("-", "-") if base is None else (f"{base:.1f}", f"{base / ours:.1f}")
    line = f"| {what} | {before} | {ours:.1f} {unit} | {ratio} | {target} |"
    print(line, flush=True)
    return line


def in_turns(trees: list[Tree], turns: int, *arguments: str, cpu: bool = True) -> list[float]:
    """Medians of what a command takes in each tree, once rules are compiled."""
    found: list[list[float]] = [[] for _ in trees]
    for _ in range(turns):
        for tree, each in zip(trees, found, strict=True):
            took = tree.run(*(a.replace("TREE", str(tree.folder)) for a in arguments))
            each.append(took.cpu if cpu else took.wall)
    return [statistics.median(each) for each in found]


def asked_again(
    base: Tree, here: Tree, turns: int, what: str, target: str, *asked: str
) -> list[str]:
    """The rows of a command whose replays are kept here: all anew, and asked once more."""
    in_turns([base, here], 1, *asked)  # compiles, and keeps
    anew = in_turns([here], turns, *asked, "--no-cache")
    before, again = in_turns([base, here], turns, *asked)
    return [
        row(f"{what}, nothing kept", "s of CPU", before, *anew, "-"),
        row(f"{what}, the same runs again", "s of CPU", before, again, target),
    ]


def compared(base: Tree, here: Tree, *, quick: bool) -> list[str]:
    """The rows of `bench` of a new rule on the four committed corpora."""
    for tree in (base, here):
        for name in ("Mine", "Second"):
            (tree.folder / f"{name}.py").write_text(RULE.replace("NAME", name))

    def asked(tree: Tree, name: str, *more: str) -> list[str]:
        rule = f"{tree.folder / name}.py:{name}"
        names = FOUR[1:2] if quick else FOUR
        some = [word for name in names for word in ("--corpus", f"data/curves/{name}")]
        return ["bench", rule, "-o", str(tree.folder / f"report-{name}"), *some, *more]

    count = "from earlystop_lab.criteria import FAMILIES; print(len(FAMILIES))"
    rules = [tree.run(code=count).said.strip() for tree in (base, here)]
    one = here.run(*asked(here, "Mine"))
    second = here.run(*asked(here, "Second"))
    lines = [f"| known rules | {rules[0]} | {rules[1]} | - | - |"]
    before = None if quick else base.run(*asked(base, "Mine")).wall
    lines.append(row("`bench` of a numpy rule, first time", "s", before, one.wall, "8"))
    lines.append(row("the same for the next rule", "s", before, second.wall, "40"))
    # compiled code is there, kept results are not
    times = []
    for jobs in ("1", "2"):
        shutil.rmtree(here.folder / "kept", ignore_errors=True)
        times.append(here.run(*asked(here, "Mine", "--n-jobs", jobs)).wall)
    start = here.run("bench", "--help").wall
    ratio = (times[0] - start) / (times[1] - start)
    line = f"`bench` after start-up, nothing kept: one job / two | - | - | {ratio:.2f} | 1.6 |"
    print(f"| {line}", flush=True)
    return [*lines, f"| {line}"]


def surveyed(base: Tree, here: Tree, turns: int) -> list[str]:
    """The row of the survey of AlgoPerf."""
    place = Path(os.environ.get("EARLYSTOP_CORPORA", "")) / "algoperf"
    if "EARLYSTOP_CORPORA" not in os.environ or not place.is_dir():
        return ["| `survey` of all rules over AlgoPerf | - | - | - | 6 |"]
    for tree in (base, here):
        tree.run("corpus", "build", "algoperf", str(place), "-o", f"{tree.folder}/algoperf")
    asked = ("survey", "TREE/algoperf", "-o", "TREE/survey.csv", "--n-jobs", "1")
    return asked_again(base, here, turns, "`survey` of all rules over AlgoPerf", "6", *asked)


def first_replays(base: Tree, here: Tree, turns: int) -> list[str]:
    """The rows of the first and second replay after the set-up, and of one from a wheel."""
    curves = "data/curves/prechelt1997/cancer.parquet"
    asked = ("replay", curves, "-o", "TREE/stops.csv", "-c", "GL(2)", "-c", "PQ(1)", "-c", "UP(3)")
    first = [
        tree.run(*(a.replace("TREE", str(tree.folder)) for a in asked)) for tree in (base, here)
    ]
    second = in_turns([base, here], turns, *asked, cpu=False)
    wheel: list[list[float]] = [[], []]
    for turn in range(turns):
        for tree, found in zip((base, here), wheel, strict=True):
            said = tuple(a.replace("TREE", str(tree.folder)) for a in asked)
            found.append(tree.run(*said, compiled=f"wheel {turn}").wall)
    return [
        row("first `replay` after `make`'s set-up", "s", first[0].wall, first[1].wall, "1.5 s"),
        row("second `replay`", "s", *second, "1.5 s"),
        row("first `replay` from a wheel", "s", *map(statistics.median, wheel), "2.5 s"),
    ]


def kernels(base: Tree, here: Tree, runs: int) -> list[str]:
    """The rows of kernels, each a ratio of times within one process."""
    code = f"{MADE}\nRUNS = {runs}\n{KERNELS}"
    found = [
        json.loads(tree.run(code=code, EARLYSTOP_COMPILE="1").said.splitlines()[-1])
        for tree in (base, here)
    ]
    lines = ["", "| within one process | commit | here | at most |", "|---|---|---|---|"]
    for name, ours in found[1].items():
        most = "2.5" if name.startswith("14") else "3.0"
        lines.append(f"| {name} | {found[0][name]:.2f} | {ours:.2f} | {most} |")
        print(lines[-1], flush=True)
    return lines


def growth(here: Tree, *, quick: bool) -> list[str]:
    """The rows of how time and memory grow."""
    said = here.run(code=f"{MADE}\n{GROWTH}", EARLYSTOP_COMPILE="1").said
    found = {f"time in {name}": each for name, each in json.loads(said.splitlines()[-1]).items()}
    peaks, sizes = [], [20_000, 80_000] if quick else [20_000, 80_000, 320_000]
    for runs in sizes:
        file = here.folder / "memory.arrow"
        code = f"{MADE}\nRUNS, FILE = {runs}, {str(file)!r}\n{MEMORY}"
        here.run(code=code)
        peaks.append(json.loads(here.run(code=code).said.splitlines()[-1]))
        size = file.stat().st_size
        file.unlink()
    slope = (peaks[-1] - peaks[-2]) / (sizes[-1] - sizes[-2])
    found["additional peak memory, bytes a run of 300 checks"] = slope
    found["the same as a share of the file's bytes"] = slope / (size / sizes[-1])
    lines = ["", "| growth here | exponent |", "|---|---|"]
    for name, value in found.items():
        lines.append(f"| {name} | {value:.2f} |")
        print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default=os.environ.get("BASE", "4fa5c29"))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    turns, runs = (1, 2_000) if options.quick else (3, 30_000)
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "tree"
        subprocess.run(["git", "clone", "-q", ROOT, tree], check=True)
        subprocess.run(["git", "-C", tree, "checkout", "-q", options.base], check=True)
        base, here = Tree(tree, Path(name) / "base"), Tree(ROOT, Path(name) / "here")
        for each in (base, here):
            each.set_up()
        lines = [
            f"| whole processes | commit {options.base} | here | times less | target |",
            "|---|---|---|---|---|",
        ]
        lines += first_replays(base, here, turns)
        goals = ["--max-loss", "1%", "--max-epochs", "300", "--rate", "50"]
        asked = ("recommend", "data/curves/boosting", *goals)
        lines += asked_again(base, here, turns + 2, "`recommend` on boosting", "3", *asked)
        lines += surveyed(base, here, turns)
        lines += compared(base, here, quick=options.quick)
        lines += kernels(base, here, runs)
        lines += growth(here, quick=options.quick)
    if options.quick:
        return
    text = (HERE / "README.md").read_text(encoding="utf-8")
    begin, end = "<!-- waits -->\n", "<!-- end of waits -->\n"
    head, rest = text.split(begin)
    tail = rest.split(end)[1]
    body = "\n".join(lines)
    (HERE / "README.md").write_text(f"{head}{begin}{body}\n{end}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
