"""What docs/statistics.md says of `recommend` and `calibrate` is what the experiment measured."""

from pathlib import Path

import numpy as np
import pandas as pd

from earlystop_lab import CurveSet
from experiments import trust_advice

ROOT = Path(__file__).resolve().parents[2]


def measured():
    return pd.read_csv(ROOT / "data" / "studies" / "trust_advice.csv")


def test_the_table_of_the_page_is_the_measured_one():
    text = (ROOT / "docs/statistics.md").read_text(encoding="utf-8")
    begin, end = "<!-- trust in advice -->\n", "<!-- end of trust in advice -->"
    assert text.split(begin)[1].split(end)[0].strip() == trust_advice.shown(measured())


def test_what_is_promised_is_kept_within_two_standard_errors():
    table = measured()
    promised = table["promised"].str.extract(r"<= ([\d.]+)")[0].astype(float)
    told = table["value"].notna() & promised.notna()
    # which misses it on the corpus with which no margin was chosen, as the page says
    told &= table["corpus"] != trust_advice.UNSEEN
    assert told.sum() > 20
    most = promised + 2 * table["standard_error"] + 5e-5
    assert (table["value"] <= most)[told].all()
    firm = table.query("corpus == 'all' and what == 'firm answers'")["value"].item()
    assert firm >= 1 / 3


def test_the_optimism_that_answers_state_is_the_measured_one():
    from earlystop_lab.studies.recommendation import OPTIMISM

    ratio = (
        measured().query("what == 'test loss over validation loss'").set_index("corpus")["value"]
    )
    assert len(ratio) == 6
    assert tuple(np.round([ratio.min(), ratio.max()], 1)) == OPTIMISM


def test_a_rule_that_loses_elsewhere_is_counted_as_broken():
    # one of the clusters has a plateau: where it is held out, the goal breaks
    rng = np.random.default_rng(0)
    runs = []
    for d in range(12):
        for i in range(6):
            val = np.concatenate([np.linspace(2, 1.2, 30), np.linspace(1.2, 2, 70)])
            if d < 1:
                val[60:] = 0.6
            val = (val + 0.001 * rng.random(100)) * rng.uniform(1, 2)
            runs.append(
                {"run": f"{d}-{i}", "val": val, "test": val, "dataset": f"d{d}", "problem": f"d{d}"}
            )
    table = trust_advice.rows(3, 12, {"made": CurveSet.from_runs(runs)})
    value = table.query("corpus == 'made'").set_index("what")["value"]
    broken = value["firm answers that break their goal"]
    # firm answers are those asked where it is not seen: half of the draws
    assert 0.1 < value["firm answers"] < 0.9
    assert broken == 1
    again = trust_advice.rows(3, 12, {"made": CurveSet.from_runs(runs)})
    pd.testing.assert_frame_equal(table, again)
