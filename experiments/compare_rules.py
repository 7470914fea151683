"""What rules that were added later do beside all known rules: one row a rule.

    python -m experiments.compare_rules RULE...

runs ``bench`` of each on the recorded corpora ``modern-nets`` and ``boosting``, and writes its
verdicts to ``data/studies/compared.csv``: how many known rules it is better or worse than,
equivalent to, the same as, or not shown to differ from. Rows of rules that are not named stay.
``docs/criteria.md`` shows them (``earlystop_lab.criteria.compared``).
"""

import sys
from pathlib import Path

import pandas as pd

from earlystop_lab import read_curves
from earlystop_lab._common.files import written_text
from earlystop_lab.criteria import FAMILIES
from earlystop_lab.report.as_tables import as_csv
from earlystop_lab.studies.comparison import bench

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "data" / "studies" / "compared.csv"
CORPORA = ("modern-nets", "boosting")
#: column -> the verdict that it counts
COUNTS = {
    "better": "better",
    "worse": "worse",
    "equivalent": "equivalent",
    "same": "the same",
    "not_shown": "not shown",
    "ranks": "different in ranks, mean not shown",
}


def row(name: str) -> dict[str, str | int]:
    """The verdicts of one rule beside all others, over both corpora where it stops on both."""
    rule = FAMILIES[name]
    curves = {each: read_curves(ROOT / "data" / "curves" / each) for each in CORPORA}
    found = bench(rule, curves, known=[each for each in FAMILIES.values() if each is not rule])
    done = found.corpora[0].comparisons if found.pooled is None else found.pooled
    verdicts = done[["rules", "verdict"]].explode("rules").set_index("rules")["verdict"]
    counted = verdicts.value_counts()
    named = {each: [*verdicts.index[verdicts == each]] for each in ("better", "worse")}
    return {
        "rule": name,
        **{column: int(counted.get(verdict, 0)) for column, verdict in COUNTS.items()},
        "beside_keras": verdicts.get("Keras", ""),
        "better_than": " ".join(named["better"]),
        "worse_than": " ".join(named["worse"]),
        "equal_to": " ".join(found.same),
    }


def main(names: list[str]) -> None:
    known = pd.read_csv(OUT, keep_default_na=False) if OUT.exists() else pd.DataFrame()
    rows = {each["rule"]: each for each in known.to_dict("records")}
    rows |= {name: row(name) for name in names}
    ordered = [rows[name] for name in FAMILIES if name in rows]
    written_text(OUT, as_csv(pd.DataFrame(ordered)))


if __name__ == "__main__":
    main(sys.argv[1:])
