"""How often ``bench`` declares a difference where there is none, and finds one where there is.

    python -m experiments.trust_bench [CORPUS ...] [--studies 200] [--seed 1] [--n-jobs 2]

For every corpus, one real comparison (a patience rule against every known rule) gives the
differences of all known rules at equal time, data set by data set. Studies of the same number of
data sets are drawn from them: from their kernel density (Scott's bandwidth), which stands for other
data sets like these, and, as the worst case, from these data sets alone, of which a third of all
samples lack the one that may carry a difference. In every study,

- a rule that on average is as good as each known one, and differs between data sets as a known rule
  picked at random does, is compared with all known rules: any verdict of better or worse is wrong
  (a verdict about ranks need not be, since a mean of 0 says nothing about most data sets);
- a rule that is better than the best known one by 2%, and differs from it between data sets as one
  of the half of the known rules closest to it does, is compared with all of them.

A corpus with fewer than 6 data sets has no test, and no rows. Rows go to
``data/studies/trust_bench.csv``; the corpora of ``data/curves`` take some 10 minutes when their
known rules have been kept, most of it for the studies.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from numpy.typing import NDArray

from earlystop_lab import CurveSet, criterion, read_curves
from earlystop_lab._common.files import cache_folder, written_whole
from earlystop_lab.inference.bootstrap import FEWEST_CLUSTERS
from earlystop_lab.studies.comparison import Verdict, bench, compared
from earlystop_lab.studies.kept import Kept

FloatArray = NDArray[np.float64]

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "data" / "studies" / "trust_bench.csv"
#: the planted advantage, a log ratio of errors
ADVANTAGE = -float(np.log(0.98))
NULL, PLANTED = "null: any better or worse", "2% better than all: better"
SHOWN = "median advantage over the best that would be shown"
#: the second one where the spread between data sets allows it
PROMISED = {NULL: "<= 0.05", PLANTED: ">= 0.8"}
#: how rows are called that are drawn without a kernel
ATOMS = ", these data sets only"
COLUMNS = ["corpus", "answer", "what", "value", "standard_error", "replications", "promised"]


@criterion(threshold="checks", passes=">=")
def Waiting(val):
    """Checks since the lowest error: any rule of its own serves."""
    best = np.fmin.accumulate(val)
    at = np.maximum.accumulate(np.where(val == best, np.arange(len(val)), 0))
    return np.arange(len(val)) - at


def losses_of(name: str, curves: CurveSet, kept: Kept) -> pd.DataFrame:
    """Every different known rule less the same rule, at equal time: one row per data set."""
    found = bench(Waiting, {name: curves}, kept=kept)
    (one,) = found.corpora
    return -one.by_cluster[one.comparisons["rule"]]


def rows(
    name: str, losses: pd.DataFrame, *, seed: int, studies: int, n_jobs: int = 1
) -> pd.DataFrame:
    """The rows of a corpus."""
    if len(losses) < FEWEST_CLUSTERS:
        return pd.DataFrame(columns=COLUMNS)
    found = []
    for kind, width in (("", len(losses) ** -0.2), (ATOMS, 0.0)):
        seeds = np.random.SeedSequence([seed, *name.encode(), *kind.encode()]).spawn(studies)
        each = (delayed(_study)(losses, width, one) for one in seeds)
        shares = pd.DataFrame(Parallel(n_jobs)(each))
        for what, values in shares.items():
            # an advantage may be infinite, where no advantage could be shown
            share = what != SHOWN
            value = values.mean() if share else values.median()
            error = values.std(ddof=1) / np.sqrt(studies) if share else np.nan
            row = [name, "bench", f"{what}{kind}", value, error, studies]
            found.append([*row, PROMISED.get(str(what), "")])
    return pd.DataFrame(found, columns=COLUMNS)


def _study(losses: pd.DataFrame, width: float, seed: np.random.SeedSequence) -> dict[str, float]:
    """What one study of a null and one of a planted advantage declare."""
    rng, values = np.random.default_rng(seed), losses.to_numpy()
    n, rules = values.shape
    mean, best = values.mean(axis=0), int(values.mean(axis=0).argmin())
    spread = (values - values[:, [best]]).std(axis=0)
    close = [j for j in np.argsort(spread)[: rules // 2] if j != best]

    def drawn() -> FloatArray:
        some = values[rng.integers(n, size=n)]
        return some + width * rng.standard_normal((n, n)) @ (values - mean) / np.sqrt(n - 1)

    def declared(differences: FloatArray, names: list[int]) -> pd.Series:
        by_cluster = pd.DataFrame(differences, columns=[losses.columns[j] for j in names])
        table = compared(by_cluster.rename_axis("dataset"), seed=int(rng.integers(2**31)))
        return table.set_index("rule")

    one, others = int(rng.integers(rules)), list(range(rules))
    sample = drawn() - mean
    others.remove(one)
    null = declared(sample[:, [one]] - sample[:, others], others)
    sample, like = drawn(), int(rng.choice(close))
    noise = sample[:, like] - sample[:, best] - (mean[like] - mean[best])
    new = sample[:, best] - ADVANTAGE + noise
    planted = declared(new[:, None] - sample, list(range(rules)))
    better = planted["verdict"] == Verdict.BETTER
    return {
        NULL: float(null["verdict"].isin([Verdict.BETTER, Verdict.WORSE]).any()),
        "null: any of different in ranks": float((null["verdict"] == Verdict.RANKS).any()),
        PLANTED: float(better.mean()),
        "2% better than all: better than the best": float(better.iloc[best]),
        SHOWN: float(np.expm1(planted["detectable"].iloc[best])),
    }


def measured() -> pd.DataFrame:
    """The committed rows."""
    return pd.read_csv(OUT)


def shown(table: pd.DataFrame) -> str:
    """The table of docs/statistics.md: a row a corpus, with standard errors."""
    titles = {
        NULL: "no effect: better or worse",
        f"{NULL}{ATOMS}": "the same, drawn from these data sets only",
        PLANTED: "2% better: declared",
        f"{PLANTED} than the best": "than the best known rule",
        SHOWN: "would be shown",
    }
    rows = []
    for name, part in table.groupby("corpus", sort=False):
        found, row = part.set_index("what"), {"corpus": str(name)}
        for what, title in titles.items():
            value, error = found.loc[what, ["value", "standard_error"]].astype(float)
            row[title] = f"{value:.1%}" if what == SHOWN else f"{value:.0%} ({error:.1%})"
        rows.append(row)
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpora", nargs="*", type=Path, help="by default all of data/curves")
    parser.add_argument("--studies", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--n-jobs", type=int, default=2)
    asked = parser.parse_args()
    places = asked.corpora or sorted(p for p in (ROOT / "data" / "curves").iterdir() if p.is_dir())
    tables = []
    for place in places:
        losses = losses_of(place.stem, read_curves(place), Kept(cache_folder()))
        options = {"seed": asked.seed, "studies": asked.studies, "n_jobs": asked.n_jobs}
        tables.append(rows(place.stem, losses, **options))
        print(tables[-1].to_string(index=False), flush=True)
    OUT.parent.mkdir(exist_ok=True)
    with written_whole(OUT) as temporary:
        pd.concat(tables).to_csv(temporary, index=False, float_format="%.4g")


if __name__ == "__main__":
    main()
