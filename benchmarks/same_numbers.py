"""The numbers of this working tree beside those of an older commit: the same, or which differ.

    python benchmarks/same_numbers.py [--base 4fa5c29] [--out DIR]

Both trees run the same commands on the committed corpora with this interpreter's libraries:
``reproduce``, ``recommend``, ``survey``, ``bench`` (whose page holds every replayed stop that it
shows) and ``calibrate``. Every file that they write and every text that they print is compared
byte by byte; what differs is listed with its first difference. Exit code 1 where anything does by
more than the rounding of its last digits.
What the older commit wrote stays in DIR/base, and is used again. Takes some ten minutes a tree.
"""

from __future__ import annotations

import argparse
import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile
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
try:
    from earlystop_lab.report import in_words
except ImportError:
    in_words = str
for corpus in {corpora!r}:
    curves = read_curves("data/curves/" + corpus)
    for family in (Keras, UP(1, k=1), GL(1, k=1)):
        for options in ({{}}, {{"exceed": 0.05}}, {{"confidence": 0.9}}, {{"unit": "problem"}}):
            try:
                found = in_words(calibrate(curves, family, 0.02, **options))
            except RefusedError as error:
                found = error
            print(corpus, options, found)
"""
#: a number in a text, and how far two may be apart that are one but for rounding
NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
ROUNDING = 1e-12
SAME = "the same but for rounding"
MAIN = "from earlystop_lab.cli import main; main()"


def commands(out: Path) -> dict[str, list[str]]:
    """What is run, by name: arguments of Python. Files go to ``out``."""
    (out / "stale.py").write_text(RULE)
    curves = {name: f"data/curves/{name}" for name in CORPORA}
    found = {"reproduce": ["-c", MAIN, "reproduce", "--out", str(out / "study")]}
    found["calibrate"] = ["-c", CALIBRATE.format(corpora=CORPORA)]
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


def run(tree: Path, out: Path) -> None:
    """Run all of it in a tree; what is printed goes to ``out``, too."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    environment = {**os.environ, "PYTHONPATH": str(tree), "COLUMNS": "200"}
    for name, arguments in commands(out).items():
        print(f"{out.name}: {name}", file=sys.stderr)
        done = subprocess.run(
            [sys.executable, *arguments], cwd=tree, env=environment, capture_output=True, text=True
        )
        said = f"{done.stdout}\nexit code {done.returncode}\n".replace(str(out), "OUT")
        (out / f"{name}.txt").write_text(said)
        if done.returncode:
            print(done.stderr, file=sys.stderr)


def difference(old: Path, new: Path) -> str | None:
    """How two files differ: in the rounding of their numbers, or in which lines; None if not."""
    if not old.is_file() or not new.is_file():
        return "only in one of both"
    if old.read_bytes() == new.read_bytes():
        return None
    try:
        texts = [path.read_text() for path in (old, new)]
    except UnicodeDecodeError:
        return "other bytes"
    if NUMBER.sub("", texts[0]) == NUMBER.sub("", texts[1]):
        pairs = zip(*(map(float, NUMBER.findall(text)) for text in texts), strict=True)
        largest = max(abs(a - b) / max(1, abs(a)) for a, b in pairs)
        if largest <= ROUNDING:
            return f"{SAME} (numbers move by at most {largest:.2g})"
    lines = difflib.unified_diff(*(text.splitlines() for text in texts), lineterm="", n=0)
    return "\n    ".join(each[:160] for each in list(lines)[2:8])


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
            run(tree, old)
        (old / "done").write_text(options.base)
    run(ROOT, new)
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
