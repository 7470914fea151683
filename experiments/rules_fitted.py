"""A rule with three fitted numbers, chosen on some corpora and judged on another by ``bench``.

    python -m experiments.answers rules_fitted

The rule counts checks since the best one as patience does, or of these only those that are not
below the one before, as Weka does. It may divide the count by a power of the number of checks, so
that it waits the longer the later it is, and by a power of the run's own noise. The numbers are
chosen by the mean difference from patience at equal time on the other corpora; patience and Weka's
rule are among the members.
"""

from __future__ import annotations

import math
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from earlystop_lab import CurveSet, Keras
from earlystop_lab.criteria import FAMILIES, Criterion, criterion
from earlystop_lab.curves import facts_of
from earlystop_lab.engine.thresholds import sweeps
from earlystop_lab.inference.equal_time import Sweep, aligned
from earlystop_lab.measures.fronts import replay_sweeps
from earlystop_lab.studies.comparison import ALIGNED, Verdict, bench
from experiments.attainable import positive
from experiments.short_studies import TESTED, usable, with_test
from experiments.studies import Row, at, draw_estimates, row, told

#: corpora without a test error are judged by their validation error
VALIDATED = ("gluon", "lcbench-surrogate")
NETWORKS = ("prechelt1997", "modern-nets", "tabular-nets", *VALIDATED)
#: known rules that were the hardest to beat in first looks
RIVALS = (
    *("Keras", "Weka", "UP", "PQ", "GL", "SuccessiveStrips", "RelativePatience"),
    *("SyneTunePlateau", "CDSC", "EMA", "MedianGL", "SklearnMLP"),
)
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


#: patience itself is the first
TRIED: list[Criterion] = [
    Counts(1, rising=rising, power=power, noisy=noisy)
    for rising, power, noisy in product((False, True), (0.0, 0.2, 0.4), (0.0, 0.2, 0.4))
]


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
    for name, (curves, _) in corpora.items():
        mine = differences[name]
        rows += [row(name, member, mine[member], mine.index, log=True) for member in mine]
        for kind, others in (("chosen", corpora), ("chosen on networks", NETWORKS)):
            if kind == "chosen on networks" and name not in NETWORKS:
                continue
            best = chosen({each: differences[each] for each in others if each != name})
            rows.append(row(name, f"{kind} against patience", mine[best], mine.index, log=True))
            rows.append(rows[-1] | {"what": f"{kind}: {best}"})
        best = chosen({each: differences[each] for each in corpora if each != name})
        rule = TRIED[[*map(str, TRIED)].index(best)]
        rivals = [FAMILIES[each] for each in RIVALS]
        judged = bench(rule, {name: curves}, known=rivals).corpora[0]
        table = judged.comparisons
        verdicts = table.explode("rules")["verdict"]
        plain = rows[-1] | {"low": np.nan, "high": np.nan}
        for verdict in Verdict:
            count = int((verdicts == verdict).sum())
            rows.append(plain | {"what": f"known rules: {verdict}", "value": count})
        hardest = table.loc[table["difference"].idxmax()]
        ends = {
            end: np.expm1(hardest[column])
            for end, column in {"value": "difference", "low": "low", "high": "high"}.items()
        }
        rows.append(plain | {"what": f"hardest known rule: {hardest['rule']}", **ends})
    return pd.DataFrame(rows)


def chosen(differences: dict[str, pd.DataFrame]) -> str:
    """The member with the lowest mean over corpora of its mean difference from patience."""
    means = pd.DataFrame({name: each.mean() for name, each in differences.items()})
    return str(means.mean(axis=1).idxmin())


def _named(t: pd.DataFrame, where: str, kind: str) -> str:
    """What the only row of a corpus is about that begins with ``kind: ``."""
    (what,) = t[(t["where"] == where) & t["what"].str.startswith(f"{kind}: ")]["what"]
    return str(what.removeprefix(f"{kind}: "))


def answer(t: pd.DataFrame) -> str:
    names = list(dict.fromkeys(t["where"]))
    best = [
        name
        for name in names
        if at(t, name, f"known rules: {Verdict.BETTER}")["value"]
        == sum(at(t, name, f"known rules: {verdict}")["value"] for verdict in Verdict)
    ]
    shown = f"on {' and '.join(best)}" if best else "on none of them"
    changes = [f"{name} {told(t, name, 'chosen against patience', 'change')}" for name in names]
    counts = [
        f"{name} {at(t, name, f'known rules: {Verdict.BETTER}')['value']:.0f} and "
        f"{at(t, name, f'known rules: {Verdict.WORSE}')['value']:.0f} (hardest "
        f"{(rule := _named(t, name, 'hardest known rule'))}: "
        f"{told(t, name, f'hardest known rule: {rule}', 'change')})"
        for name in names
    ]
    own = "; ".join(f"{name} {_named(t, name, 'chosen')}" for name in names)
    return (
        f"Of {len(TRIED)} members of a family with three numbers, the one that is best on the "
        f"other corpora is better than each of {len(RIVALS)} known rules {shown}. At equal "
        f"time, it changes the error against patience by {'; '.join(changes)}. "
        f"Known rules that `bench` declares it better and worse than: "
        f"{'; '.join(counts)}. Chosen were: {own}."
    )


def draw(t: pd.DataFrame) -> Figure:
    shown = t.copy()
    hardest = shown["what"].str.startswith("hardest known rule: ")
    shown.loc[hardest, "what"] = "hardest"
    return draw_estimates(
        shown,
        {
            "chosen against patience": ("chosen on the other corpora, against patience", "change"),
            "chosen on networks against patience": (
                "chosen on other networks, against patience",
                "change",
            ),
            "hardest": ("against the hardest known rule", "change"),
        },
    )
