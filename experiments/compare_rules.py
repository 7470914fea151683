"""What rules that were added later do beside all known rules: one row a rule.

    python -m experiments.compare_rules [--lcbench FOLDER] RULE...

runs ``bench`` of each on two recorded corpora that have its channels, and writes its verdicts to
``earlystop_lab/criteria/compared.csv``: how many known rules it is better or worse than, equivalent
to, the same as, or not shown to differ from. Rows of rules that are not named stay.
``docs/criteria.md`` shows them (``earlystop_lab.criteria.compared``). Only the public corpus
``lcbench-surrogate``, whose files are given by their folder, has an accuracy beside a loss.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from earlystop_lab import CurveSet, read_curves
from earlystop_lab._common.files import written_text
from earlystop_lab.criteria import FAMILIES, Family
from earlystop_lab.criteria.compared import COMPARED
from earlystop_lab.report.as_tables import as_csv
from earlystop_lab.sources.corpora import read_corpus
from earlystop_lab.studies.comparison import bench

CURVES = Path(__file__).resolve().parents[1] / "data" / "curves"
#: the first two that have the channels of a rule
RECORDED = ("modern-nets", "boosting", "tabular-nets")
PUBLIC = "lcbench-surrogate"
#: column -> the verdict that it counts
COUNTS = {
    "better": "better",
    "worse": "worse",
    "equivalent": "equivalent",
    "same": "the same",
    "not_shown": "not shown",
    "ranks": "different in ranks, mean not shown",
}


def corpora_of(rule: Family, lcbench: Path | None) -> dict[str, CurveSet]:
    """The corpora that a rule is compared on."""
    curves: Mapping[str, CurveSet] = {each: read_curves(CURVES / each) for each in RECORDED}
    having = [name for name, each in curves.items() if {*rule.watches} <= {*each.channels.index}]
    if having:
        return {name: curves[name] for name in having[:2]}
    if lcbench is None:
        raise ValueError(
            f"{rule.name} watches {rule.watches}: give --lcbench, the folder of {PUBLIC}"
        )
    return {PUBLIC: read_corpus(PUBLIC, lcbench).curves}


def row(name: str, lcbench: Path | None) -> dict[str, str | int]:
    """The verdicts of one rule beside all others, over both corpora where it stops on both."""
    rule = FAMILIES[name]
    curves = corpora_of(rule, lcbench)
    found = bench(rule, curves, known=[each for each in FAMILIES.values() if each is not rule])
    done = found.corpora[0].comparisons if found.pooled is None else found.pooled
    verdicts = done[["rules", "verdict"]].explode("rules").set_index("rules")["verdict"]
    counted = verdicts.value_counts()
    named = {each: [*verdicts.index[verdicts == each]] for each in ("better", "worse")}
    return {
        "rule": name,
        "corpora": " ".join(curves if found.pooled is not None else [found.corpora[0].corpus]),
        **{column: int(counted.get(verdict, 0)) for column, verdict in COUNTS.items()},
        "beside_keras": beside_keras(done),
        "better_than": " ".join(named["better"]),
        "worse_than": " ".join(named["worse"]),
        "equal_to": " ".join(found.same),
    }


def beside_keras(done: pd.DataFrame) -> str:
    """The verdict, and of one by ranks alone on how many data sets the new rule is worse."""
    for found in done[["Keras" in each for each in done["rules"]]].itertuples():
        if found.verdict != COUNTS["ranks"]:
            return str(found.verdict)
        return f"{found.verdict}; worse on {found.worse} of {found.clusters} data sets"
    return ""


def main(names: list[str], lcbench: Path | None = None) -> None:
    known = pd.read_csv(COMPARED, keep_default_na=False) if COMPARED.exists() else pd.DataFrame()
    rows = {each["rule"]: each for each in known.to_dict("records")}
    rows |= {name: row(name, lcbench) for name in names}
    ordered = [rows[name] for name in FAMILIES if name in rows]
    written_text(COMPARED, as_csv(pd.DataFrame(ordered)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("rules", nargs="+", metavar="RULE", choices=FAMILIES)
    parser.add_argument("--lcbench", type=Path, help=f"the files of {PUBLIC}")
    given = parser.parse_args()
    main(given.rules, given.lcbench)
