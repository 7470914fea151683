"""What rules that see other runs save, and how often they stop the best run, on recorded corpora.

    python -m experiments.pruning

writes data/studies/pruning.csv: the nets of the checkout, the runs of a problem as one search where
it has at least 20, in five random orders of arrival, trained by four workers or all at once, beside
rules that see one run.
"""

from pathlib import Path

import pandas as pd

from earlystop_lab import prune, read_curves

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "data" / "studies" / "pruning.csv"
CORPORA = ("modern-nets", "tabular-nets")
RULES = (
    "SyneTuneMedian(0.5{})",
    "SyneTuneASHA(3, max_t=1000000{})",
    "AxPercentile(50{})",
    "AxPercentile(25{})",
    "OptunaPercentile(50{})",
    "OptunaHalving(4{})",
)
ALONE = ("Keras(5)", "Keras(20)", "GL(5, k=1)")
LEAST, ORDERS = 20, 5


def searches(name):
    """The runs of a corpus whose problem has enough of them."""
    curves = read_curves(ROOT / "data" / "curves" / name)
    problem = curves.meta["problem"]
    return curves.select((problem.map(problem.value_counts()) >= LEAST).to_numpy())


def measured(name):
    """A row per rule and number of workers."""
    rules = [rule.format(workers) for workers in ("", ", workers=4") for rule in RULES]
    found = prune(searches(name), [*rules, *ALONE], orders=ORDERS)
    found.insert(0, "corpus", name)
    return found


if __name__ == "__main__":
    table = pd.concat([measured(name) for name in CORPORA])
    table.to_csv(OUT, index=False, float_format="%.5g")
    print(table.to_string(index=False, float_format="{:.3f}".format))
