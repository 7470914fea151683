"""How much does it cost to look at the validation error only at every k-th check?

    python -m experiments.check_spacing [CORPUS ...]

A rule with strips of ``k`` checks that keeps the best weights it has seen keeps those of every k-th
check, even where it never stops a run. Here no rule stops: what is compared is the error of the
best of every k-th check with that of the best of all checks, run by run, as a mean log ratio over
data sets with its 95% interval. Test errors where all runs have them, otherwise validation errors,
for which checking less often can only cost. Rows go to ``data/studies/check_spacing.csv``; the
corpora of ``data/curves`` take a few seconds.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from earlystop_lab import GL, CurveSet, read_curves, replay
from earlystop_lab._common.files import written_whole
from earlystop_lab.curves import facts_of
from earlystop_lab.inference import cluster_means, intervals

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "data" / "studies" / "check_spacing.csv"
EVERY = (2, 5, 10, 20)
#: a threshold that no run passes
NEVER = 1e300


def cost(name: str, curves: CurveSet) -> pd.DataFrame:
    """One row per k: the ratio of errors minus 1, with its interval."""
    facts = facts_of(curves)
    tested = bool(facts.measured_with("test", "val").all())
    error = "test" if tested else "val"
    kept = facts.measurable() & facts.measurable(error)
    curves = curves.select(kept)
    stops = replay(curves, [GL(NEVER, k=k) for k in (1, *EVERY)])
    errors = getattr(stops, error)
    # higher is better: the loss is of the score
    sign = -1 if curves.about(error).direction == "max" else 1
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = sign * np.log(errors[:, 1:] / errors[:, :1])
    finite = np.isfinite(ratios).all(axis=1)
    clusters = facts_of(curves).clusters[finite]
    table = cluster_means(pd.DataFrame(ratios[finite], columns=list(EVERY)), clusters)
    found = intervals(table).rename_axis("every").reset_index()
    shares = np.expm1(found[["estimate", "low", "high"]])
    return found[["every", "p", "unit", "clusters"]].assign(
        corpus=name, error=error, runs=int(finite.sum()), **shares
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpora", nargs="*", type=Path, help="by default all of data/curves")
    asked = parser.parse_args()
    places = asked.corpora or sorted(p for p in (ROOT / "data" / "curves").iterdir() if p.is_dir())
    table = pd.concat([cost(place.stem, read_curves(place)) for place in places])
    columns = [
        "corpus",
        "error",
        "every",
        "estimate",
        "low",
        "high",
        "p",
        "unit",
        "clusters",
        "runs",
    ]
    print(table[columns].round(4).to_string(index=False))
    OUT.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(OUT) as temporary:
        table[columns].to_csv(temporary, index=False, float_format="%.6g")


if __name__ == "__main__":
    main()
