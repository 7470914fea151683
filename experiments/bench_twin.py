"""How often a study declares a difference between a rule and its equally good, not identical twin.

    python experiments/bench_twin.py [--studies 400] [--n-jobs 2]

Validation and training errors of the simulated runs are one noiseless curve with independent noise
of the same kind, the test error is the noiseless curve, and what is kept is where training stops.
So GL on the training error is exactly as good as GL on the validation error, but stops elsewhere.
In every study one and the other are compared with :func:`studies.comparison.bench` among three
known rules, on two corpora of 12 problems. Prints, and writes to ``results/bench_twin.csv``, the
share of the studies that declare the twin better or worse than GL: over both corpora together, and
on any corpus by itself; at most 5% should in each. Columns with p are of single tests.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from earlystop_lab import GL, UP, CurveSet, Keras, criterion
from earlystop_lab.studies.comparison import LEVEL, bench

ROOT = Path(__file__).resolve().parents[1]
EPOCHS = 120


@criterion(threshold="alpha", passes=">", at_least={"alpha": 0, "k": 1})
def Twin(train, *, k: int = 5):
    """GL of the training error, at the ends of strips."""
    found = np.full(len(train), np.nan)
    ends = train[k - 1 :: k]
    best = np.fmin.accumulate(ends)
    with np.errstate(all="ignore"):
        found[k - 1 :: k] = 100 * (ends / best - 1)
    return found


def corpus(name: str, seed: int, problems: int = 12, runs: int = 6) -> CurveSet:
    """Runs that fall and overfit, problems and runs each in their own way."""
    rng = np.random.default_rng([seed, *name.encode()])
    t = np.arange(1.0, EPOCHS + 1)
    rows = []
    for problem in range(problems):
        decay, floor, noise = rng.uniform(0.3, 1.2), rng.uniform(0.1, 0.4), rng.uniform(0.005, 0.04)
        for _ in range(runs):
            rise = rng.exponential(0.002)
            clean = floor + t ** -(decay * rng.uniform(0.8, 1.2)) + rise * np.maximum(t - 30, 0)
            val, train = clean * np.exp(noise * rng.standard_normal((2, EPOCHS)))
            rows.append({"val": val, "train": train, "test": clean, "problem": f"{name}{problem}"})
    return CurveSet.from_runs(rows)


def study(seed: int) -> dict[str, object]:
    """The lowest p of the twin against GL, over both corpora together and in any by itself."""
    corpora = {name: corpus(name, seed) for name in ("a", "b")}
    found = bench(Twin, corpora, known=[GL, UP, Keras], restore="last", seed=seed)
    rows = [each.comparisons.set_index("rule").loc["GL"] for each in found.corpora]
    pooled = found.pooled.set_index("rule").loc["GL"]
    return {
        "seed": seed,
        "together": pooled["p_adjusted"],
        "together_p": pooled["p"],
        "by_corpus": min(row["p_adjusted"] for row in rows),
        "p": rows[0]["p"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--n-jobs", type=int, default=2)
    asked = parser.parse_args()
    rows = Parallel(asked.n_jobs)(delayed(study)(seed) for seed in range(asked.studies))
    table = pd.DataFrame(rows)
    out = ROOT / "results" / "bench_twin.csv"
    out.parent.mkdir(exist_ok=True)
    table.to_csv(out, index=False)
    for name in table.columns.drop("seed"):
        share = (table[name] <= LEVEL).mean()
        error = np.sqrt(share * (1 - share) / len(table))
        print(f"{name} <= {LEVEL}: {share:.1%} +- {error:.1%} of {len(table)} studies")


if __name__ == "__main__":
    main()
