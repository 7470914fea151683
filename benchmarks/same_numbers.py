"""The answers of this working tree beside those of an older commit: the same, or which differ.

    python benchmarks/same_numbers.py [--base 4fa5c29] [--out DIR]

Both trees read their own committed corpora with this interpreter's libraries, and know the rules
of the older commit only. Compared are

- the tables of ``reproduce`` and ``survey``;
- ``sweeps.csv``: every rule's thresholds on every corpus, with digests of what they do;
- ``answers.csv``: every replay that ``bench``, ``recommend`` and ``calibrate`` of 4fa5c29 ask for,
  with digests of stops, of the errors there, and of regrets and times. The statistics of that
  commit make the same tables of the same replays; those of today are others on purpose, see
  README.md here, so the tables of these commands are not compared;
- ``pairs.csv``: what the tests of ``bench`` are given, times and losses of the new rule and a known
  one where they take equally long, with the units and the kept weights of 4fa5c29.

Of tables that are not the same byte for byte, the cells are compared that both have, and it is told
which columns and rows only one has. Exit code 1 where anything differs by more than the rounding
of its last digits, but for new tables, columns and rows, and what is in ``EXPLAINED``. What the
older commit wrote stays in DIR/base, and is used again. Takes some ten minutes a tree.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import importlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
CORPORA = ("boosting", "modern-nets", "prechelt1997", "prechelt1997-init005")
#: tables, columns and rows of 4fa5c29 that are others today; README.md says why
EXPLAINED = {
    "study/rules.csv",
    "study/trend_test.csv",
    "study/equal_time.csv overfitting_group",
    "study/spans.csv kind",
    "answers.csv boosting best 40ad6d3a PowerLaw(0.16176195063555773)",
}
#: the environment variable with the names of the rules that a tree may know
RULES = "EARLYSTOP_SAME_RULES"
#: the command line, with those rules only
MAIN = f"""
import os
from earlystop_lab.criteria import FAMILIES
for name in set(FAMILIES) - set(os.environ[{RULES!r}].split()):
    del FAMILIES[name]
from earlystop_lab.cli import main
main()
"""
NAMES = "from earlystop_lab.criteria import FAMILIES; print(*FAMILIES)"
#: of a rule's sweep, as many as `bench` takes
MEMBERS = 40
#: of replays: digests of stops, of errors there, of regrets and times
DIGESTS = ("stops", "errors", "gains")
PAIR = ("time_new", "time_known", "loss_new", "loss_known")
NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
#: how far two numbers may be apart that are one but for rounding, also of sums over a million
ROUNDING = 1e-11
SAME = "the same but for rounding"


# -- in a tree: what is imported from the package is that tree's ---------------------------


def is_older() -> bool:
    """Whether the package has the modules of 4fa5c29."""
    return find_spec("earlystop_lab.bench") is not None


def write(out: Path, asked: Path) -> None:
    """Write the tables that no command writes.

    The older commit leaves what its commands ask for in ``asked``, where this tree finds it.
    """
    from earlystop_lab import read_curves
    from earlystop_lab.criteria import FAMILIES

    for name in set(FAMILIES) - set(os.environ[RULES].split()):
        del FAMILIES[name]
    first = not asked.is_file()
    questions = {} if first else json.loads(asked.read_text())
    tables: dict[str, list[list[Any]]] = {
        "sweeps": [["corpus", "rule", "criterion", *DIGESTS]],
        "answers": [["corpus", "question", "criterion", *DIGESTS]],
        "pairs": [["corpus", "rule", "time", "problem", "at", "default", *PAIR]],
    }
    for corpus in CORPORA:
        print(f"{out.name}: {corpus}", file=sys.stderr)
        curves = read_curves(f"data/curves/{corpus}")
        tables["sweeps"] += ([corpus, *row] for row in swept(curves))
        if first:
            questions[corpus] = listened(curves)
        tables["pairs"] += ([corpus, *row] for row in paired(curves))
        for question, (runs, restore, rows) in questions[corpus].items():
            found = rows if first else answered(curves, runs, restore, rows)
            tables["answers"] += ([corpus, question, *named] for named in found)
    for name, rows in tables.items():
        with (out / f"{name}.csv").open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
    asked.write_text(json.dumps(questions))


def digests(found: Any, curves: Any) -> Iterator[list[str]]:
    """Each criterion that was replayed, with what it does on these curves, for short."""
    if is_older():
        from earlystop_lab.regret import regrets
    else:
        from earlystop_lab.measures.hindsight import regrets
    stops, errors = (found.stop, found.selected, found.fired), (found.val, found.test)
    parts = (stops, errors, tuple(regrets(found, curves)))
    for j, criterion in enumerate(found.criteria):
        columns = (b"".join(array[:, j].tobytes() for array in part) for part in parts)
        yield [criterion, *(hashlib.sha256(each).hexdigest()[:16] for each in columns)]


def swept(curves: Any) -> Iterator[list[str]]:
    """The sweep of every rule that these curves allow."""
    from earlystop_lab import replay
    from earlystop_lab.criteria import FAMILIES

    if is_older():
        from earlystop_lab.sweep import sweep
    else:
        from earlystop_lab.engine.thresholds import sweep
    for name, family in FAMILIES.items():
        with suppress(ValueError):  # a rule that cannot be swept
            for row in digests(replay(curves, sweep(family, curves, MEMBERS)), curves):
                yield [name, *row]


def listened(curves: Any) -> dict[str, list[Any]]:
    """What commands of 4fa5c29 replay, by runs and kept weights: these, and digests of criteria.

    What ``recommend`` and ``calibrate`` do, while ``bench`` adds its own when it is called. Later
    commits have other modules, and are not listened to.
    """
    from earlystop_lab import GL, UP, Keras, RefusedError, calibrate, recommend, replay

    questions: dict[str, list[Any]] = {}
    place = {run: i for i, run in enumerate(curves.runs)}

    def listening(some: Any, criteria: Any, *, restore: Any = "best", n_jobs: int = 1) -> Any:
        found = replay(some, criteria, restore=restore, n_jobs=n_jobs)
        runs = [place[run] for run in some.runs]
        name = f"{restore} {hashlib.sha256(str(runs).encode()).hexdigest()[:8]}"
        rows = questions.setdefault(name, [runs, str(restore), []])[2]
        rows += [row for row in digests(found, some) if row not in rows]
        return found

    if not is_older():
        return questions
    for name in ("bench", "calibration", "recommend"):
        vars(importlib.import_module(f"earlystop_lab.{name}"))["replay"] = listening
    recommend(curves, max_loss=0.01, max_epochs=300, rate=50)
    for family in (Keras, UP(1, k=1), GL(1, k=1)):
        for options in ({}, {"exceed": 0.05}, {"confidence": 0.9}):
            with suppress(RefusedError):
                calibrate(curves, family, 0.02, unit="run", **options)
    return questions


def answered(
    curves: Any, runs: list[int], restore: str, rows: list[list[str]]
) -> Iterator[list[str]]:
    """What this tree answers to one of these questions."""
    from earlystop_lab import replay
    from earlystop_lab.criteria import FAMILIES
    from earlystop_lab.criteria.checkpoint import ModelCheckpoint
    from earlystop_lab.criteria.text import parse

    families = {**FAMILIES, "Stale": stale(), "ModelCheckpoint": ModelCheckpoint}
    some = curves.select(np.isin(np.arange(len(curves)), runs))
    kept = parse(restore, families) if "(" in restore else restore
    found = replay(some, [parse(text, families) for text, *_ in rows], restore=kept)
    for (text, *_), (_, *row) in zip(rows, digests(found, some), strict=True):
        yield [text, *row]


def stale() -> Any:
    """A new rule."""
    from earlystop_lab import criterion

    @criterion(threshold="checks", passes=">=", whole=True, at_least={"checks": 1})
    def Stale(val: Any, *, tol: float = 0.001) -> Any:
        best = np.fmin.accumulate(val)
        gains = np.concatenate([[True], best[1:] < best[:-1] * (1 - tol)])
        at = np.maximum.accumulate(np.where(gains, np.arange(len(val)), 0))
        return np.arange(len(val)) - at

    return Stale


def paired(curves: Any) -> Iterator[list[Any]]:
    """The new rule and each known one of ``bench`` at the times at which they are compared."""
    from earlystop_lab import CurveSet

    if is_older():
        from earlystop_lab.bench import bench
    else:
        from earlystop_lab.studies.comparison import bench

        # problems are the units of curves whose data sets are unknown
        curves = CurveSet(curves.table.drop_columns(["dataset"]))
    (found,) = bench(stale(), {"corpus": curves}, restore="best").corpora
    problems = (found.by_problem if is_older() else found.by_cluster).index
    for rule, pair in found.pairs.items():
        for j, at in enumerate(pair.at.tolist()):
            for i, problem in enumerate(problems):
                values = (float(each[i, j]) for each in (*pair.time, *pair.loss))
                yield [rule, j, problem, at, pair.default, *values]


# -- of both -------------------------------------------------------------------------------


def run(tree: Path, out: Path, rules: str) -> None:
    """Write the tables of a tree that may know rules of some names."""
    out.mkdir(parents=True)
    print(f"{out.name}: reproduce and survey", file=sys.stderr)
    commands = [["reproduce", "--out", str(out / "study")]]
    for name in CORPORA:
        table = str(out / f"survey-{name}.csv")
        commands.append(["survey", f"data/curves/{name}", "-o", table, "--n-jobs", "1"])
    tables = [str(Path(__file__).resolve()), "--write", "--out", str(out)]
    for arguments in [*(["-c", MAIN, *each] for each in commands), tables]:
        subprocess.run(
            [sys.executable, *arguments],
            cwd=tree,
            env={**os.environ, "PYTHONPATH": str(tree), RULES: rules},
            stdout=subprocess.DEVNULL,
            check=True,
        )


def difference(name: str, old: Path, new: Path) -> str | None:
    """How two tables differ; None if they do not."""
    if not new.is_file():
        return "only in the older commit"
    if old.read_bytes() == new.read_bytes():
        return None
    return cells(name, *(list(csv.DictReader(path.open(newline=""))) for path in (old, new)))


def apart(a: float, b: float) -> float:
    """How far two numbers are apart, those above 1 in parts of the first."""
    return abs(a - b) / max(1, abs(a))


def cells(name: str, old: list[dict[str, str]], new: list[dict[str, str]]) -> str:
    """What two tables say differently in the rows and columns that both have."""
    before = [column for column in old[0] if f"{name} {column}" not in EXPLAINED]
    columns = [column for column in before if column in new[0]]
    # rows are told apart by as few of the first columns as do that
    keyed = [
        [{tuple(row[each] for each in columns[:n]): row for row in rows} for rows in (old, new)]
        for n in range(1, len(columns) + 1)
    ]
    there, here = next(
        (both for both in keyed if [*map(len, both)] == [len(old), len(new)]), keyed[-1]
    )
    shared = [key for key in there if key in here and " ".join([name, *key]) not in EXPLAINED]
    counts: Counter[str] = Counter()
    largest, other = 0.0, []
    for key in shared:
        for column in columns:
            a, b = there[key][column], here[key][column]
            moved = math.inf
            if NUMBER.fullmatch(a) and NUMBER.fullmatch(b):
                moved = apart(float(a), float(b))
            counts["equal" if a == b else "rounded" if moved <= ROUNDING else "other"] += 1
            if a != b and moved <= ROUNDING:
                largest = max(largest, moved)
            elif a != b:
                other.append(f"{' '.join(key)}, {column}: {a[:60]} -> {b[:60]}")
    gone = [f"only there: {each}" for each in (*before, *there) if each not in (*columns, *here)]
    told = (
        f"{counts['equal']} cells of {len(shared)} rows and {len(columns)} columns are equal, "
        f"{counts['rounded']} but for rounding (by at most {largest:.2g}), {counts['other']} differ"
    )
    added = [column for column in new[0] if column not in columns]
    rows = len(here.keys() - there.keys())
    more = f"only here: {rows} rows, columns {', '.join(added) or 'none'}"
    same = [] if other or gone else [SAME]
    return "\n    ".join([*same, told, more, *gone[:8], *other[:8]])


def main() -> int:
    """Run both trees and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="4fa5c29")
    parser.add_argument("--out", type=Path, default=ROOT / "results" / "same_numbers")
    parser.add_argument("--write", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    out = options.out.resolve()
    if options.write:
        write(out, out.parent / "asked.json")
        return 0
    old, new = out / "base", out / "here"
    if not (old / "done").is_file():
        shutil.rmtree(out, ignore_errors=True)
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder) / "tree"
            subprocess.run(["git", "clone", "-q", ROOT, tree], check=True)
            subprocess.run(["git", "-C", tree, "checkout", "-q", options.base], check=True)
            known = subprocess.run(
                [sys.executable, "-c", NAMES],
                env={**os.environ, "PYTHONPATH": str(tree)},
                cwd=tree,
                capture_output=True,
                text=True,
                check=True,
            )
            run(tree, old, known.stdout.strip())
        (old / "done").write_text(known.stdout)
    shutil.rmtree(new, ignore_errors=True)
    run(ROOT, new, (old / "done").read_text().strip())
    differ: dict[str, str] = {}
    names = sorted(str(path.relative_to(old)) for path in old.rglob("*.csv"))
    for name in [each for each in names if each not in EXPLAINED]:
        found = difference(name, old / name, new / name)
        rows = len((old / name).read_text().splitlines()) - 1
        print(f"{name}: {rows} rows, {found or 'the same byte for byte'}")
        if found is not None:
            differ[name] = found
    return 0 if all(found.startswith(SAME) for found in differ.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
