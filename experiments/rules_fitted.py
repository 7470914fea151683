"""Rules with fitted numbers, chosen on some corpora and judged on another by ``bench``.

    python -m experiments.answers rules_fitted

One family counts checks since the best one as patience does, or of these only those that are not
below the one before, as Weka does. It may divide the count by a power of the number of checks, so
that it waits the longer the later it is, and by a power of the run's own noise. The other is a
mixture of three families: patience, generalization loss over the noise, and rises since the best.
The numbers are chosen by the mean difference from patience at equal time on the other corpora, or
on the other corpora of the same kind of training; patience and Weka's rule are among the members.
"""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from earlystop_lab import CurveSet, Keras
from earlystop_lab.criteria import Criterion, criterion
from earlystop_lab.curves import facts_of
from earlystop_lab.engine.thresholds import sweeps
from earlystop_lab.inference.equal_time import Sweep, aligned
from earlystop_lab.measures.fronts import replay_sweeps
from earlystop_lab.studies.comparison import ALIGNED, Verdict, bench
from earlystop_lab.studies.kept import Kept
from experiments.attainable import positive
from experiments.short_studies import TESTED, usable, with_test
from experiments.studies import Row, at, draw_estimates, row, told

#: corpora without a test error are judged by their validation error
VALIDATED = ("gluon", "lcbench-surrogate")
NETWORKS = ("prechelt1997", "modern-nets", "tabular-nets", *VALIDATED)
#: members of each sweep, so many that their times are close to each other
MEMBERS = 150
#: the noise is a mean over about so many changes between checks
MEMORY = 50


class Counted(NamedTuple):
    """State of the rule: its three numbers, and what it has seen."""

    rising: bool
    power: float
    noisy: float
    checks: int
    best: float
    last: float
    #: mean square of the changes between checks, relative to the best error
    noise: float
    count: float


def counts_step(s: Counted, epoch: float, val: float) -> tuple[Counted, float]:
    """The count over the two powers."""
    checks = s.checks + 1
    if checks == 1:
        return Counted(s.rising, s.power, s.noisy, 1, val, val, 0.0, 0.0), 0.0
    scale = abs(s.best) if s.best != 0 else 1.0
    change = min(max((val - s.last) / scale, -1.0), 1.0)
    noise = s.noise + (change * change - s.noise) / min(checks - 1, MEMORY)
    best, count = s.best, s.count
    if val < best:
        best, count = val, 0.0
    elif not s.rising or val >= s.last:
        count += 1.0
    after = Counted(s.rising, s.power, s.noisy, checks, best, val, noise, count)
    # without any noise, a power of it would be no number
    spread = math.sqrt(noise) + 1e-4
    return after, count / (float(checks) ** s.power * spread**s.noisy)


@criterion(threshold="patience", passes=">", step=counts_step)
def Counts(*, rising: bool = False, power: float = 0.0, noisy: float = 0.0) -> Counted:
    """Checks since the best one over a power of all checks and a power of the noise."""
    return Counted(rising, power, noisy, 0, math.nan, math.nan, 0.0, 0.0)


class Mixture(NamedTuple):
    """State of the mixture: its three weights, and what it has seen."""

    wait: float
    height: float
    rise: float
    seen: Counted
    #: rises since the best check
    rises: float


def mixture_step(s: Mixture, epoch: float, val: float) -> tuple[Mixture, float]:
    """The weighted sum of logarithms."""
    last = s.seen.last
    seen, count = counts_step(s.seen, epoch, val)
    rises = 0.0
    if count > 0:
        rises = s.rises + (1.0 if val > last else 0.0)
    scale = abs(seen.best) if seen.best != 0 else 1.0
    above = (val - seen.best) / (scale * (math.sqrt(seen.noise) + 1e-4))
    total = s.wait * math.log1p(count) + s.height * math.log1p(above) + s.rise * math.log1p(rises)
    return Mixture(s.wait, s.height, s.rise, seen, rises), total


@criterion(threshold="level", passes=">", step=mixture_step)
def Mixed(*, wait: float = 1.0, height: float = 0.0, rise: float = 0.0) -> Mixture:
    """Weighted logarithms of the checks since the best, its excess over the noise, and rises."""
    seen = Counted(False, 0.0, 0.0, 0, math.nan, math.nan, 0.0, 0.0)
    return Mixture(wait, height, rise, seen, 0.0)


#: patience itself is the first
COUNTED: list[Criterion] = [
    Counts(1, rising=rising, power=power, noisy=noisy)
    for rising, power, noisy in product((False, True), (0.0, 0.2, 0.4), (0.0, 0.2, 0.4))
]
MIXED: list[Criterion] = [
    Mixed(1, wait=i / 4, height=j / 4, rise=(4 - i - j) / 4) for i in range(5) for j in range(5 - i)
]
TRIED = [*COUNTED, *MIXED]


class Attempt(NamedTuple):
    """A way to choose a rule for a corpus: from which members, on which other corpora."""

    members: list[Criterion]
    corpora: tuple[str, ...]


ATTEMPTS = {
    "one for all": Attempt(COUNTED, (*TESTED, *VALIDATED)),
    "one for networks": Attempt(COUNTED, NETWORKS),
    "mixture": Attempt(MIXED, (*TESTED, *VALIDATED)),
}


def curves_of(name: str) -> tuple[CurveSet, str]:
    """The runs of a corpus that can be judged, and the error that judges them."""
    if name in TESTED:
        return positive(with_test(name)), "test"
    curves = usable(name)
    return curves.select(facts_of(curves).lowest("val").value > 0), "val"


def against_patience(curves: CurveSet, error: str) -> pd.DataFrame:
    """The difference of every member from patience at equal time: a row a cluster."""
    rules = {str(member): member for member in TRIED}
    members = {
        name: next(iter(sweeps([rule], curves, MEMBERS).values())) for name, rule in rules.items()
    }
    patience = sweeps([Keras], curves, MEMBERS)
    assert error in ("test", "val")
    means = replay_sweeps(curves, {**members, **patience}, error=error, restore="lowest")
    known = Sweep(means.of("Keras").time, means.of("Keras").loss)
    found = {}
    for name in members:
        mine = Sweep(means.of(name).time, means.of(name).loss)
        times = np.linspace(mine.time.mean().min(), mine.time.mean().max(), ALIGNED)
        # at the end all rules are alike
        pair = aligned(mine, known, times, without=[0.0])
        assert pair is not None
        found[name] = pair.differences.mean(axis=1)
    return pd.DataFrame(found, means.loss.index)


def look() -> pd.DataFrame:
    corpora = {name: curves_of(name) for name in (*TESTED, *VALIDATED)}
    differences = {name: against_patience(*each) for name, each in corpora.items()}
    rows: list[Row] = []
    with TemporaryDirectory() as folder:
        kept = Kept(Path(folder))
        for name, (curves, _) in corpora.items():
            mine = differences[name]
            rows += [row(name, member, mine[member], mine.index, log=True) for member in mine]
            for way, attempt in ATTEMPTS.items():
                if name in attempt.corpora:
                    rows += judged(name, curves, way, attempt, differences, kept)
    return pd.DataFrame(rows)


def judged(
    name: str,
    curves: CurveSet,
    way: str,
    attempt: Attempt,
    differences: dict[str, pd.DataFrame],
    kept: Kept,
) -> list[Row]:
    """Rows of one corpus: the rule that is best on the others, and what ``bench`` says of it."""
    members = {str(each): each for each in attempt.members}
    others = {each: differences[each][[*members]] for each in attempt.corpora if each != name}
    best, mine = chosen(others), differences[name]
    found = row(name, f"{way} against patience", mine[best], mine.index, log=True)
    plain = found | {"low": np.nan, "high": np.nan}
    rows = [found, found | {"what": f"{way}: {best}"}]
    table = bench(members[best], {name: curves}, kept=kept).corpora[0].comparisons
    verdicts = table.explode("rules")["verdict"]
    for verdict in Verdict:
        count = int((verdicts == verdict).sum())
        rows.append(plain | {"what": f"{way}, known rules: {verdict}", "value": count})
    hardest = table.loc[table["difference"].idxmax()]
    ends = {
        end: np.expm1(hardest[column])
        for end, column in {"value": "difference", "low": "low", "high": "high"}.items()
    }
    return [*rows, plain | {"what": f"{way}, hardest known rule: {hardest['rule']}", **ends}]


def chosen(differences: dict[str, pd.DataFrame]) -> str:
    """The member with the lowest mean over corpora of its mean difference from patience."""
    means = pd.DataFrame({name: each.mean() for name, each in differences.items()})
    return str(means.mean(axis=1).idxmin())


def _named(t: pd.DataFrame, where: str, kind: str) -> str:
    """What the only row of a corpus is about that begins with ``kind: ``."""
    (what,) = t[(t["where"] == where) & t["what"].str.startswith(f"{kind}: ")]["what"]
    return str(what.removeprefix(f"{kind}: "))


def _verdicts(t: pd.DataFrame, where: str, way: str) -> dict[Verdict, int]:
    """How many known rules got each verdict."""
    return {
        verdict: int(at(t, where, f"{way}, known rules: {verdict}")["value"]) for verdict in Verdict
    }


def _told_of(t: pd.DataFrame, way: str) -> str:
    names = [name for name in dict.fromkeys(t["where"]) if name in ATTEMPTS[way].corpora]
    parts = []
    for name in names:
        counts = _verdicts(t, name, way)
        hardest = _named(t, name, f"{way}, hardest known rule")
        parts.append(
            f"{name} {_named(t, name, way)}, "
            f"{told(t, name, f'{way} against patience', 'change')} against patience, better than "
            f"{counts[Verdict.BETTER]} and worse than {counts[Verdict.WORSE]} of "
            f"{sum(counts.values())} (hardest {hardest}: "
            f"{told(t, name, f'{way}, hardest known rule: {hardest}', 'change')})"
        )
    return "; ".join(parts)


def answer(t: pd.DataFrame) -> str:
    every = []
    for way, attempt in ATTEMPTS.items():
        for name in attempt.corpora:
            counts = _verdicts(t, name, way)
            if counts[Verdict.BETTER] == sum(counts.values()):
                every.append(f"{way} on {name}")
    shown = (
        f"is better than every known rule: {', '.join(every)}"
        if every
        else "is better than every known rule on none of them"
    )
    return (
        f"Of {len(COUNTED)} members of a family with three numbers and {len(MIXED)} mixtures of "
        f"three families, the one that is best on the other corpora {shown}. Chosen on all other "
        "corpora, with the difference at equal time and the verdicts of bench: "
        f"{_told_of(t, 'one for all')}. Chosen on other networks alone: "
        f"{_told_of(t, 'one for networks')}. Mixtures: {_told_of(t, 'mixture')}."
    )


def draw(t: pd.DataFrame) -> Figure:
    shown = t.copy()
    panels = {}
    for way in ATTEMPTS:
        hardest = shown["what"].str.startswith(f"{way}, hardest known rule: ")
        shown.loc[hardest, "what"] = f"{way}, hardest"
        panels[f"{way} against patience"] = (f"{way}, against patience", "change")
    panels |= {f"{way}, hardest": (f"{way}, against the hardest", "change") for way in ATTEMPTS}
    return draw_estimates(shown, panels)
