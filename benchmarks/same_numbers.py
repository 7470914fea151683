"""The numbers of this working tree beside those of an older commit: the same, or which differ.

    python benchmarks/same_numbers.py [--base 4fa5c29] [--out DIR]

Both trees run the same commands on the committed corpora with this interpreter's libraries:
``reproduce``, ``recommend``, ``survey``, ``bench`` (whose page holds every replayed stop that it
shows). They also print the rules that ``calibrate`` finds, and every rule's sweep on two corpora,
with a digest of its stops. This tree knows the rules of the older commit only, since a test among
more rules gives other p values. Every file and every printed text is compared byte by byte. Of
tables that differ, the cells are compared that both have, and it is told which columns and rows
only one has; of texts, the first difference. Exit code 1 where anything differs by more than the
rounding of its last digits, columns and rows that are new set aside.
What the older commit wrote stays in DIR/base, and is used again. Takes some ten minutes a tree.
"""

from __future__ import annotations

import argparse
import csv
import difflib
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CORPORA = ("prechelt1997", "prechelt1997-init005", "boosting", "modern-nets")
RULE = """
import numpy as np
from earlystop_lab import criterion

@criterion(threshold="checks", passes=">=", whole=True, at_least={"checks": 1})
def Stale(val, *, tol: float = 0.001):
    best = np.fmin.accumulate(val)
    gains = np.concatenate([[True], best[1:] < best[:-1] * (1 - tol)])
    at = np.maximum.accumulate(np.where(gains, np.arange(len(val)), 0))
    return np.arange(len(val)) - at
"""
CALIBRATE = """
from earlystop_lab import GL, UP, Keras, RefusedError, calibrate, read_curves
for corpus in {corpora!r}:
    curves = read_curves("data/curves/" + corpus)
    for family in (Keras, UP(1, k=1), GL(1, k=1)):
        for options in ({{}}, {{"exceed": 0.05}}, {{"confidence": 0.9}}):
            try:
                found = calibrate(curves, family, 0.02, unit="run", **options).criterion
            except RefusedError:
                found = "none"
            print(corpus, options, found)
"""
SWEEPS = """
import hashlib
from earlystop_lab import read_curves, replay
from earlystop_lab.criteria import FAMILIES
try:
    from earlystop_lab.engine.thresholds import sweep
except ImportError:
    from earlystop_lab.sweep import sweep
print("corpus,rule,members,stops")
for corpus in {corpora!r}:
    curves = read_curves("data/curves/" + corpus)
    for name in os.environ[{rules!r}].split():
        try:
            members = sweep(FAMILIES[name], curves)
        except ValueError:
            continue
        found = replay(curves, members)
        stops = b"".join(each.tobytes() for each in (found.stop, found.selected, found.fired))
        named = " ".join(map(str, members)).replace(",", ";")
        print(corpus, name, named, hashlib.sha256(stops).hexdigest(), sep=",")
"""
#: the environment variable with the names of the rules that a tree knows
RULES = "EARLYSTOP_SAME_RULES"
#: what every program begins with: no rules but those
ONLY = f"""
import os
from earlystop_lab.criteria import FAMILIES
for name in set(FAMILIES) - set(os.environ[{RULES!r}].split()):
    del FAMILIES[name]
"""
#: a number in a text, and how far two may be apart that are one but for rounding
NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
ROUNDING = 1e-12
SAME = "the same but for rounding"
MAIN = f"{ONLY}from earlystop_lab.cli import main; main()"


def commands(out: Path) -> dict[str, list[str]]:
    """What is run, by name: arguments of Python. Files go to ``out``."""
    (out / "stale.py").write_text(RULE)
    curves = {name: f"data/curves/{name}" for name in CORPORA}
    found = {"reproduce": ["-c", MAIN, "reproduce", "--out", str(out / "study")]}
    found["calibrate"] = ["-c", CALIBRATE.format(corpora=CORPORA)]
    found["sweeps"] = ["-c", ONLY + SWEEPS.format(corpora=CORPORA[2:], rules=RULES)]
    for name, path in curves.items():
        goals = ["--max-loss", "1%", "--max-epochs", "300", "--rate", "50"]
        found[f"recommend {name}"] = ["-c", MAIN, "recommend", path, *goals]
        table = str(out / f"survey-{name}.csv")
        found[f"survey {name}"] = ["-c", MAIN, "survey", path, "-o", table, "--n-jobs", "1"]
    for name, some in (("two", CORPORA[2:]), ("all", CORPORA)):
        report = str(out / f"bench-{name}")
        formats = [word for each in ("html", "md", "tex", "csv") for word in ("--format", each)]
        sets = [word for each in some for word in ("--corpus", curves[each])]
        rule = f"{out / 'stale.py'}:Stale"
        found[f"bench {name}"] = ["-c", MAIN, "bench", rule, *sets, "-o", report, *formats]
    return found


def run(tree: Path, out: Path, rules: str) -> None:
    """Run all of it in a tree with rules of some names; what is printed goes to ``out``, too."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    environment = {**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "200", RULES: rules}
    for name, arguments in commands(out).items():
        print(f"{out.name}: {name}", file=sys.stderr)
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tree, env=environment, capture_output=True, text=True
        )
        said = f"{done.stdout}\nexit code {done.returncode}\n".replace(str(out), "OUT")
        if name == "sweeps":
            (out / "sweeps.csv").write_text(done.stdout)
        else:
            (out / f"{name}.txt").write_text(said)
        if done.returncode:
            print(done.stderr, file=sys.stderr)


def difference(old: Path, new: Path) -> str | None:
    """How two files differ: in the rounding of their numbers, or in which lines; None if not."""
    if not old.is_file() or not new.is_file():
        return "only in one of both"
    if old.read_bytes() == new.read_bytes():
        return None
    if new.suffix == ".csv":
        return cells(*(list(csv.DictReader(path.open(newline=""))) for path in (old, new)))
    try:
        texts = [path.read_text() for path in (old, new)]
    except UnicodeDecodeError:
        return "other bytes"
    if NUMBER.sub("", texts[0]) == NUMBER.sub("", texts[1]):
        pairs = zip(*(map(float, NUMBER.findall(text)) for text in texts), strict=True)
        largest = max(apart(a, b) for a, b in pairs)
        if largest <= ROUNDING:
            return f"{SAME} (numbers move by at most {largest:.2g})"
    lines = difflib.unified_diff(*(text.splitlines() for text in texts), lineterm="", n=0)
    return "\n    ".join(each[:160] for each in list(lines)[2:8])


def apart(a: float, b: float) -> float:
    """How far two numbers are apart, those above 1 in parts of the first."""
    return abs(a - b) / max(1, abs(a))


def cells(old: list[dict[str, str]], new: list[dict[str, str]]) -> str:
    """What two tables say differently in the rows and columns that both have."""
    columns = [name for name in old[0] if name in new[0]]
    # rows are told apart by as few of the first columns as do that
    keyed = [
        [{tuple(row[name] for name in columns[:n]): row for row in rows} for rows in (old, new)]
        for n in range(1, len(columns) + 1)
    ]
    before, after = next(
        (both for both in keyed if [*map(len, both)] == [len(old), len(new)]), keyed[-1]
    )
    shared = [key for key in before if key in after]
    counts: Counter[str] = Counter()
    largest, other = 0.0, []
    for key in shared:
        for name in columns:
            a, b = before[key][name], after[key][name]
            moved = math.inf
            if NUMBER.fullmatch(a) and NUMBER.fullmatch(b):
                moved = apart(float(a), float(b))
            counts["equal" if a == b else "rounded" if moved <= ROUNDING else "other"] += 1
            if a != b and moved <= ROUNDING:
                largest = max(largest, moved)
            elif a != b:
                other.append(f"{' '.join(key)}, {name}: {a[:60]} -> {b[:60]}")
    gone = [f"only there: {each}" for each in (*old[0], *before) if each not in (*columns, *after)]
    told = (
        f"{counts['equal']} cells of {len(shared)} rows and {len(columns)} columns are equal, "
        f"{counts['rounded']} but for rounding (by at most {largest:.2g}), {counts['other']} differ"
    )
    added = [name for name in new[0] if name not in columns]
    more = f"only here: {len(after) - len(shared)} rows, columns {', '.join(added) or 'none'}"
    same = [] if other or gone else [SAME]
    return "\n    ".join([*same, told, more, *gone[:8], *other[:8]])


def main() -> int:
    """Run both trees and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="4fa5c29")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "same_numbers")
    options = parser.parse_args()
    old, new = options.out.resolve() / "base", options.out.resolve() / "here"
    if not (old / "done").is_file():
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder) / "tree"
            subprocess.run(["git", "clone", "-q", ROOT, tree], check=True)
            subprocess.run(["git", "-C", tree, "checkout", "-q", options.base], check=True)
            names = "from earlystop_lab.criteria import FAMILIES; print(*FAMILIES)"
            known = subprocess.run(
                [sys.executable, "-c", names],
                env={**os.environ, "PYTHONPATH": str(tree)},
                cwd=tree,
                capture_output=True,
                text=True,
                check=True,
            )
            run(tree, old, known.stdout.strip())
        (old / "done").write_text(known.stdout)
    run(ROOT, new, (old / "done").read_text().strip())
    files = {p.relative_to(f) for f in (old, new) for p in f.rglob("*") if p.is_file()}
    kept = sorted(
        path for path in files if path.name != "done" and path.suffix not in (".png", ".pdf")
    )
    differ = {path: found for path in kept if (found := difference(old / path, new / path))}
    for path, found in differ.items():
        print(f"{path}:\n    {found}")
    print(f"{len(kept) - len(differ)} of {len(kept)} files are the same byte for byte")
    return 0 if all(found.startswith(SAME) for found in differ.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
