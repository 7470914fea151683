"""Does what `recommend` and `calibrate` say hold on data sets that they did not see?

    python -m experiments.trust_advice [--replications 100] [--seed 1] [--corpora DIR]

draws data sets of a corpus, asks on their runs, and looks at the runs of the others. Writes
``data/studies/trust_advice.csv``: a row a corpus and a number, with its standard error and what was
promised. TaskSet and AlgoPerf are read from copies in the folder of ``--corpora`` (or of
EARLYSTOP_CORPORA), with the names that ``earlystop corpus list`` has; without, they are left out.

Half of the data sets are asked on, and at least six, below which nothing is said of others. TaskSet
has one data set, so that problems on it are drawn. Corpora named "runs of" are asked as if they had
no data sets: on 40 runs, about the others. At most :data:`RUNS` runs a problem are asked
on. The margins of `recommend` were chosen with other seeds.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from earlystop_lab import CurveSet, Keras, RefusedError, calibrate, read_curves, replay
from earlystop_lab._common.files import written_whole
from earlystop_lab.curves.facts import facts_of
from earlystop_lab.engine.thresholds import sweep
from earlystop_lab.inference.tables import cluster_means
from earlystop_lab.measures.hindsight import regret, regrets
from earlystop_lab.sources.corpora import read_corpus
from earlystop_lab.studies.calibration import chosen, measured
from earlystop_lab.studies.recommendation import Advice, advised

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "data" / "studies" / "trust_advice.csv"
OURS = ("prechelt1997", "boosting", "modern-nets")
PUBLIC = ("taskset", "algoperf")
#: a corpus with which no margin was chosen: in no sum
UNSEEN = "tabular-nets"
#: how corpora are called whose runs are the sample, and how many runs are asked on
RUNS_OF, ASKED = "runs of ", 40
GOALS = (0.005, 0.01, 0.02, 0.05)
RUNS = 30
#: runs of a problem that are looked at
JUDGED = 100
FEWEST = 6
#: of `calibrate`
AT_MOST, CAP, CONFIDENCE, CALIBRATED_ON = 0.02, 0.1, 0.9, 200
#: the validation error's rise at which its optimism is measured
RISES = (0.01, 0.03)


def populations(corpora: Path | None) -> dict[str, CurveSet]:
    """The corpora that are there, without runs whose losses are undefined."""
    found = {name: read_curves(ROOT / "data" / "curves" / name) for name in OURS}
    for name in PUBLIC if corpora is not None else ():
        found[name] = read_corpus(name, corpora / name).curves
    found[UNSEEN] = read_curves(ROOT / "data" / "curves" / UNSEEN)
    for name, curves in found.items():
        facts = facts_of(curves)
        found[name] = curves.select(
            facts.measurable() & facts.measurable("test") & ~facts.copies & facts.validated
        )
    for name in OURS:
        runs = ({"run": c.run, "val": c.val, "test": c.test} for c in found[name])
        found[f"{RUNS_OF}{name}"] = CurveSet.from_runs(runs)
    return {name: curves for name, curves in found.items() if name != UNSEEN} | {
        UNSEEN: found[UNSEEN]
    }


def sampled(curves: CurveSet) -> pd.Index:
    """What is drawn: data sets, or problems if there are too few."""
    clusters = facts_of(curves).clusters
    if clusters.nunique() > FEWEST or not curves.has("problem"):
        return clusters
    return pd.Index(curves.meta["problem"].astype(str), name="problem")


def drawn(
    curves: CurveSet, clusters: pd.Index, rng: np.random.Generator
) -> tuple[CurveSet, CurveSet, pd.Index]:
    """Runs to ask on, runs of the other clusters, and the clusters of these."""
    if clusters.name == "run":
        mine = np.isin(np.arange(len(curves)), rng.permutation(len(curves))[:ASKED])
        return curves.select(mine), curves.select(~mine), clusters[~mine]
    names = rng.permutation(clusters.unique())
    mine = clusters.isin(names[: max(FEWEST, len(names) // 2)])
    order = rng.permutation(len(curves))
    problems = curves.meta["problem"].astype(str).to_numpy()
    nth = np.empty(len(curves), int)
    nth[order] = pd.Series(problems[order]).groupby(problems[order]).cumcount()
    others = ~mine & (nth < JUDGED)
    return curves.select(mine & (nth < RUNS)), curves.select(others), clusters[others]


def price(curves: CurveSet, clusters: pd.Index, advice: Advice) -> float:
    """What the rule costs on these runs, by the definition and without the code of the answer."""
    lasts = [Keras(int(facts_of(curves).counts("val").max()))]
    kept, best = (replay(curves, each).test[:, 0] for each in ([advice.criterion], lasts))
    logs = np.log1p(np.maximum((kept - best) / np.abs(best), -0.5))
    return float(np.expm1(pd.Series(logs).groupby(clusters.to_numpy()).mean().mean()))


def asked(curves: CurveSet, replications: int, seed: int) -> pd.DataFrame:
    """A row a fit of `recommend`: whether it was firm, and what came true."""
    clusters = sampled(curves)
    found = []
    for at in range(replications):
        mine, others, of_others = drawn(curves, clusters, np.random.default_rng([seed, at]))
        for goal in GOALS:
            answer, _ = advised(mine, max_loss=goal)
            for each in answer.advice:
                row = {"firm": answer.verdict == "recommended", "declined": True}
                if isinstance(each, Advice):
                    real = price(others, of_others, each)
                    row |= {
                        "declined": False,
                        "limited": np.isfinite(each.loss.high),
                        "broken": real > goal,
                        "above": real > each.loss.high,
                        "saved": each.saved.mean,
                    }
                found.append({"fit": at, "goal": goal, **row})
    return pd.DataFrame(found)


def share(values: pd.Series, fits: pd.Series) -> tuple[float, float, int]:
    """A mean and its standard error: the goals of one draw are not independent."""
    if not len(values):
        return np.nan, np.nan, 0
    by_fit = values.astype(float).groupby(fits).agg(["sum", "size"])
    mean = by_fit["sum"].sum() / by_fit["size"].sum()
    off = by_fit["sum"] - mean * by_fit["size"]
    error = np.sqrt((off**2).sum()) / by_fit["size"].sum()
    return float(mean), float(error), len(values)


def recommended(found: pd.DataFrame) -> Iterator[tuple[str, tuple[float, float, int], Any]]:
    firm, told = found[found["firm"]], found[~found["declined"]]
    yield "firm answers", share(found["firm"], found["fit"]), ""
    yield "firm answers that break their goal", share(firm["broken"], firm["fit"]), "<= 0.1"
    yield (
        "hedged answers that break their goal",
        share(told.loc[~told["firm"], "broken"], told.loc[~told["firm"], "fit"]),
        "",
    )
    yield "answers with an upper limit", share(told["limited"], told["fit"]), ""
    limited = told[told["limited"].astype(bool)]
    yield "loss above its upper limit", share(limited["above"], limited["fit"]), "<= 0.05"
    yield "saved by firm answers", share(firm["saved"], firm["fit"]), ""


def optimism(curves: CurveSet) -> tuple[float, float, int]:
    """The rise of the test error as a share of that of the validation error."""
    members = sweep(Keras, curves, 60)
    stops = replay(curves, members)
    val = np.log1p(regrets(stops, curves).val)
    test = np.log1p(np.maximum(regret(stops.test, stops.test[:, [-1]]), -0.5))
    clusters = sampled(curves)
    v, t = (cluster_means(each, clusters).to_numpy() for each in (val, test))
    there = (np.expm1(v.mean(axis=0)) >= RISES[0]) & (np.expm1(v.mean(axis=0)) <= RISES[1])
    if not there.any():
        return np.nan, np.nan, len(v)
    v, t = v[:, there].sum(axis=1), t[:, there].sum(axis=1)
    ratio = t.sum() / v.sum()
    error = np.sqrt(len(v) / (len(v) - 1) * ((t - ratio * v) ** 2).sum()) / v.sum()
    return float(ratio), float(error), len(v)


def conformal(curves: CurveSet, replications: int, seed: int) -> tuple[float, float, int]:
    """Mean capped loss on other data sets, as a share of the limit."""
    clusters, lost = sampled(curves), []
    for at in range(replications):
        mine, others, of_others = drawn(curves, clusters, np.random.default_rng([seed, at, 1]))
        try:
            rule = calibrate(mine, Keras, AT_MOST, cap=CAP, unit="dataset").criterion
        except (RefusedError, ValueError):
            lost.append(0.0)
            continue
        capped = np.minimum(regrets(replay(others, [rule]), others).val, CAP)
        lost.append(float(cluster_means(capped, of_others).to_numpy().mean()))
    values = np.array(lost) / AT_MOST
    return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))), len(values)


def tested(curves: CurveSet, replications: int, seed: int) -> tuple[float, float, int]:
    """How often learn-then-test chooses a rule whose loss over the corpus is above the limit."""
    seen = measured(curves, Keras, "test")
    capped = np.minimum(seen.losses, CAP)
    risk, rng = capped.mean(axis=0), np.random.default_rng([seed, 2])
    broken = []
    for _ in range(replications):
        mine = rng.integers(len(capped), size=CALIBRATED_ON)
        at, _, _ = chosen(capped[mine], seen.time[mine], AT_MOST, CAP, CONFIDENCE, seed)
        broken.append(at is not None and risk[at] > AT_MOST)
    value = float(np.mean(broken))
    return value, float(np.sqrt(value * (1 - value) / len(broken))), len(broken)


def rows(seed: int, replications: int, curves: dict[str, CurveSet] | None = None) -> pd.DataFrame:
    """What came true: a row a corpus, command and number, and over all but the unseen one."""
    found = populations(_corpora()) if curves is None else curves
    table, fits = [], []
    for k, (name, population) in enumerate(found.items()):
        fit = asked(population, replications, seed + 1000 * k)
        if name != UNSEEN:
            fits.append(fit.assign(fit=fit["fit"] + replications * k))
        for what, number, promised in recommended(fit):
            table.append((name, "recommend", what, *number, promised))
        if name.startswith(RUNS_OF):
            continue
        number = optimism(population)
        table.append((name, "recommend", "test loss over validation loss", *number, ""))
        number = conformal(population, replications, seed + 1000 * k)
        table.append((name, "calibrate", "loss on new data sets over the limit", *number, "<= 1"))
        number = tested(population, 10 * replications, seed + 1000 * k)
        table.append((name, "calibrate", "guarantee broken", *number, "<= 0.1"))
    for what, number, promised in recommended(pd.concat(fits)) if fits else ():
        table.append(("all", "recommend", what, *number, promised))
    columns = ["corpus", "answer", "what", "value", "standard_error", "replications", "promised"]
    return pd.DataFrame(table, columns=columns)


#: the numbers of the table of docs/statistics.md
SHOWN = {
    "firm answers": "firm answers",
    "firm answers that break their goal": "of these, break their goal",
    "loss above its upper limit": "loss above its limit",
    "saved by firm answers": "saved by firm answers",
    "test loss over validation loss": "test loss / validation loss",
}


def shown(table: pd.DataFrame) -> str:
    """The table of docs/statistics.md: a row a corpus, with standard errors."""
    rows = []
    for name, part in table.groupby("corpus", sort=False):
        found = part.set_index("what")
        row = {"corpus": name}
        for what, title in SHOWN.items():
            row[title] = ""
            if what in found.index and np.isfinite(found.loc[what, "value"]):
                value, error = (
                    float(found.loc[what, each]) for each in ("value", "standard_error")
                )
                percents = (
                    f"{value:.0%} ({error:.1%})"
                    if "<=" in str(found.loc[what, "promised"])
                    else f"{value:.0%}"
                )
                row[title] = f"{value:.2f}" if "over" in what else percents
        rows.append(row)
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def _corpora() -> Path | None:
    folder = os.environ.get("EARLYSTOP_CORPORA")
    return None if folder is None else Path(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replications", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--corpora", type=Path, default=_corpora())
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    table = rows(given.seed, given.replications, populations(given.corpora))
    given.out.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(given.out) as temporary:
        table.round(4).to_csv(temporary, index=False)
    print(table.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
