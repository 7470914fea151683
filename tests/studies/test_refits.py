"""How long to train on all data: by hand, against a loop, and on the recorded pairs."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from earlystop_lab import CurveSet, read_curves
from earlystop_lab.cli import app
from earlystop_lab.report import in_words
from earlystop_lab.studies.refits import FACTORS, refit
from experiments import refits
from experiments.record_refits import HELD, OUT
from experiments.studies import ROOT, at, study


def pairs(n=8, *, longer=1.25, share=0.8):
    """Pairs whose error on all data is lowest at ``longer`` times the best epoch on a part."""
    runs = []
    for i in range(n):
        best, time = 20 + 4 * i, np.arange(1, 200)
        about = {"pair": str(i), "dataset": str(i)}
        runs += [
            {"run": f"{i}a", "val": 1 + np.abs(time - best) / 9, "share": share, **about},
            {"run": f"{i}b", "test": 1 + np.abs(time / best - longer), "share": 1.0, **about},
        ]
    return runs


def test_the_factor_that_was_put_in_is_found():
    for longer in (0.8, 1.0, 1.25, 2.0):
        found = refit(CurveSet.from_runs(pairs(longer=longer)))
        step = FACTORS[1] / FACTORS[0]
        assert longer / step <= found.factor <= longer * step
        assert found.low <= found.factor <= found.high
        assert (found.pairs, found.clusters, found.unit) == (8, 8, "dataset")
    change = refit(CurveSet.from_runs(pairs())).powers.set_index("power")["estimate"]
    # 1 / 0.8 is best, and its square as far off as no factor is, and a little more
    assert change[1.0] < 0 < change[2.0]


def test_the_recorded_pairs_by_a_loop():
    curves = read_curves(OUT)
    sums = {}
    for _, two in curves.meta.groupby("pair"):
        part, whole = (curves[run] for run in two.sort_values("share")["run"])
        t = int(part.val.argmin()) + 1
        logs = [np.log(whole.test[int(np.ceil(t / (1 - HELD) ** p - 1e-9)) - 1]) for p in (0, 1)]
        sums.setdefault(two["dataset"].iloc[0], []).append(logs[1] - logs[0])
    expected = np.expm1(np.mean([np.mean(each) for each in sums.values()]))
    found = refit(curves)
    assert found.powers.set_index("power").loc[1.0, "estimate"] == pytest.approx(expected)
    assert found.clusters >= 15
    assert found.short == 0


def test_the_committed_table_is_that_of_today():
    pd.testing.assert_frame_equal(
        refits.look(), study("refits"), check_dtype=False, rtol=1e-4, atol=1e-6
    )


def test_the_command_prints_the_factor_with_its_interval(tmp_path):
    path, run = tmp_path / "pairs.parquet", CliRunner().invoke
    CurveSet.from_runs(pairs()).write(path)
    done = run(app, ["recommend", str(path), "--refit"])
    assert done.exit_code == 0
    assert done.output.startswith("Train on all data for 1.2 times the best epoch on a part of it")
    assert "over 8 data sets, 8 pairs of runs)." in done.output
    said = json.loads(run(app, ["recommend", str(path), "--refit", "--json"]).output)
    assert (said["pairs"], said["short"]) == (8, 0)
    assert said["low"] <= said["factor"] <= said["high"]
    assert said["answer"] == in_words(refit(read_curves(path)))
    with pytest.raises(ValueError, match="--rate: --refit has no goal"):
        run(app, ["recommend", str(path), "--refit", "--rate", "50"], catch_exceptions=False)


def test_the_how_to_has_the_answer_that_is_given():
    page = (ROOT / "docs" / "howto" / "recommend.md").read_text(encoding="utf-8")
    assert in_words(refit(read_curves(OUT))) in page
    t = study("refits")
    # what it says of boosting and of networks
    name = "t / (1 - f) against t"
    assert at(t, "lightgbm", name)["high"] < 0 < at(t, "mlp-32", name)["high"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda runs: [{k: v for k, v in run.items() if k != "pair"} for run in runs], "no pair"),
        (lambda runs: runs[:-1], "pair '7' has 1 runs with a share below 1 and 0 with a share of"),
        (lambda runs: runs[:10], "5 data sets are too few; expected at least 6"),
    ],
)
def test_what_is_no_pairs_is_refused(change, said):
    with pytest.raises(ValueError, match=f"refit: .*{said}"):
        refit(CurveSet.from_runs(change(pairs())))
