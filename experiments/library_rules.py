"""What the patience rules of libraries do on the same few curves: one row a rule.

    python -m experiments.library_rules

replays every patience rule of a library with a patience of 3 on short curves, each made so
that it shows one difference, and writes ``data/studies/library_rules.csv``: the check at which each
rule stops, counted from 1; empty where it does not stop within the curve. Nothing is taken from a
description of a rule.
"""

import inspect
from pathlib import Path

import numpy as np
import pandas as pd

from earlystop_lab import CurveSet, replay
from earlystop_lab._common.files import written_text
from earlystop_lab.criteria import FAMILIES, Criterion
from earlystop_lab.criteria.catalogue import patience_table, rule_table
from earlystop_lab.report.as_tables import as_csv

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "data" / "studies" / "library_rules.csv"
#: the patience that every rule gets
PATIENCE = 3
#: rules of ours and of papers, which no library has
OURS = ("RelativePatience", "EMA", "Median", "LabelWave", "NoisyEarlyStopping")
_NAN = np.nan
#: what is shown -> the curve that shows it
CURVES = {
    # the error stays where it is
    "plateau": [0.5] * 40,
    # the first value is not a number, and then every check is better than the one before
    "nan_first": [_NAN, *np.geomspace(0.9, 0.1, 39)],
    # the run diverges
    "nan_later": [0.9, 0.5, *[_NAN] * 38],
    # every check is lower than the one before, but none is below the lowest of all
    "never_below_best": [0.3, *np.linspace(0.9, 0.4, 39)],
    # gains of half of what counts as one
    "small_gains": [1 - 0.005 * i for i in range(40)],
}
#: the least gain that counts, of rules that have such a parameter
GAIN = 0.01
#: two lowest values: which epoch's weights are kept
TIES = [0.9, 0.5, 0.7, 0.5, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8]
GAINS = ("min_delta", "threshold", "tol", "min_improvement", "delta")


def rules() -> list[tuple[str, Criterion, Criterion]]:
    """Each rule with that patience, as it is and with a least gain if it has one."""
    found = []
    for name in patience_table()["rule"]:
        family = FAMILIES[name]
        if name in OURS:
            continue
        # next to 0 where 0 would switch the rule off
        none = {each: 1e-9 if each in family.off else 0 for each in GAINS}
        plain = family(PATIENCE, **{each: none[each] for each in GAINS if each in family.defaults})
        gain = next((each for each in GAINS if each in family.defaults), None)
        absolute = {"threshold_mode": "abs"} if "threshold_mode" in family.defaults else {}
        least = plain if gain is None else family(PATIENCE, **{gain: GAIN}, **absolute)
        found.append((name, plain, least))
    return found


def shown() -> pd.DataFrame:
    """All rows."""
    verified = rule_table().assign(name=lambda each: each["rule"].str.split("(").str[0])
    verified = verified.set_index("name")["verified"]
    curves = CurveSet.from_runs([{"run": name, "val": val} for name, val in CURVES.items()])
    ties = CurveSet.from_runs([{"val": TIES}])
    rows = []
    for name, plain, least in rules():
        stops = replay(curves, {"plain": plain, "least": least})
        at = pd.DataFrame(
            np.where(stops.fired, stops.stop, np.nan), index=[*CURVES], columns=["plain", "least"]
        )
        default = next(iter(FAMILIES[name].defaults.values()))
        rows.append(
            {
                "rule": name,
                "verified": verified[name].split(",")[0],
                "default": "" if default is inspect.Parameter.empty else default,
                "patience": PATIENCE,
                **{key: at.loc[key, "plain"] for key in CURVES if key != "small_gains"},
                "small_gains": at.loc["small_gains", "least"] if least != plain else np.nan,
                "has_gain": least != plain,
                "kept_of_ties": replay(ties, [plain], restore="own").selected[0, 0],
            }
        )
    return pd.DataFrame(rows)


def main() -> None:
    written_text(OUT, as_csv(shown()))


if __name__ == "__main__":
    main()
