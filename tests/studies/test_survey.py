"""The survey: every rule at a usual threshold, summed over the parts of a corpus."""

import math

import numpy as np
import pandas as pd
import pytest
from strategies import CHANNELS

from earlystop_lab import GL, CurveSet, Keras, Lightning, criterion, replay
from earlystop_lab.criteria import FAMILIES, Criterion
from earlystop_lab.criteria.catalogue import USUAL, usual
from earlystop_lab.curves.facts import facts_of
from earlystop_lab.studies.surveys import survey

RULES = ["Keras(2)", "GL(5)", "PQ(0.5)", "MaxEpochs(4)", "any_of(UP(1), TerminateOnNaN())"]


def some_runs(n=30):
    """Noisy runs of different lengths; every third lacks training errors, run 4 diverges."""
    rng = np.random.default_rng(7)
    runs = []
    for i in range(n):
        val = np.exp(-np.arange(8.0 + i) / 5) + 0.2 + 0.05 * rng.standard_normal(8 + i)
        run = {"run": f"r{i}", "val": val, "test": val + 0.1, "problem": f"p{i % 2}"}
        if i % 3:
            run["train"] = val - 0.1
        runs.append(run)
    runs[4]["val"][-1] = math.nan
    return runs


def naive(curves, text):
    """One criterion's row, run by run from its stops."""
    single = replay(curves, [text])
    best = facts_of(curves).lowest("test").value
    rows = []
    for i, curve in enumerate(curves):
        stop, ok = single.stop[i, 0], np.isfinite(curve.val).all()
        low = np.nanmin(curve.val)
        at = curve.epoch[np.nanargmin(curve.val)]
        rows.append(
            {
                "fired": single.fired[i, 0],
                "epochs": math.log(stop),
                "time": math.log(stop / len(curve.val)),
                "too_early": stop < 0.9 * at,
                "val_regret": math.log(single.val[i, 0] / low) if ok else math.nan,
                "test_regret": math.log(single.test[i, 0] / best[i]) if ok else math.nan,
                "late": at > 0.9 * len(curve.val),
                "censored": at == len(curve.val),
                "diverged": not ok,
            }
        )
    frame = pd.DataFrame(rows)
    found = frame.mean()
    for name, shift in (("epochs", 0), ("time", 0), ("val_regret", 1), ("test_regret", 1)):
        found[name] = math.exp(found[name]) - shift
    for name in ("late", "censored", "diverged"):
        found[name] = frame[name].sum()
    found["runs"], found["val_runs"] = len(curves), frame["val_regret"].notna().sum()
    found["test_runs"] = found["val_runs"]
    return found


def test_a_row_is_what_a_loop_over_runs_gives():
    curves = CurveSet.from_runs(some_runs())
    trained = curves.select(np.diff(curves.channel("train").offsets) > 0)
    table = survey(curves, RULES).set_index("criterion")
    assert table.index.tolist() == RULES
    for text in RULES:
        whole = trained if "PQ" in text or "NaN" in text else curves
        expected = naive(whole, text)
        for name, value in expected.items():
            # the diverging run has a test error that is finite: it counts there
            if name not in ("test_regret", "test_runs"):
                assert table.loc[text, name] == pytest.approx(value, rel=1e-12), (text, name)
    assert 0 < len(trained) < len(curves)
    assert table.loc["Keras(2)", "diverged"] == 1
    assert table.loc["Keras(2)", ["val_runs", "test_runs"]].tolist() == [29, 30]


def test_a_table_by_hand():
    curves = CurveSet.from_runs(
        [
            {"run": "a", "val": [4, 3, 2, 2, 5], "test": [4, 6, 3, 2, 8]},
            {"run": "b", "val": [1, 2, 4, 4, 0.5], "test": [2, 9, 9, 9, 1]},
            {"run": "c", "val": [8, 4, 5], "test": [8, 6, 3], "epoch": [10, 20, 40]},
        ]
    )
    expected = {
        "fired": [1, 2 / 3],
        "epochs": [2, (4 * 4 * 3) ** (1 / 3)],
        "time": [(0.4 * 0.4 * 2 / 3) ** (1 / 3), (0.8 * 0.8) ** (1 / 3)],
        "too_early": [2 / 3, 1 / 3],  # a and b, whose best are at 3 and 5; b
        "val_regret": [3 ** (1 / 3) - 1, 2 ** (1 / 3) - 1],  # 3/2 1/0.5 4/4, 2/2 1/0.5 4/4
        "test_regret": [12 ** (1 / 3) - 1, 6 ** (1 / 3) - 1],  # 6/2 2/1 6/3, 3/2 2/1 6/3
        "runs": [3, 3],
        "late": [1, 1],
        "censored": [1, 1],
        "at_target": [0, 0],
        "diverged": [0, 0],
    }
    table = survey(curves, ["MaxEpochs(2)", "MaxEpochs(4)"])
    for name, values in expected.items():
        np.testing.assert_allclose(table[name], values, rtol=1e-12, err_msg=name)


def test_a_check_counts_as_an_epoch():
    runs = some_runs()
    spread = [{**run, "epoch": 500.0 * np.arange(1, len(run["val"]) + 1)} for run in runs]
    pd.testing.assert_frame_equal(
        survey(CurveSet.from_runs(spread), RULES), survey(CurveSet.from_runs(runs), RULES)
    )


@pytest.mark.parametrize("name", ["x.parquet", "x.arrow", "folder"])
def test_a_file_read_in_parts_gives_the_same(tmp_path, name):
    runs = some_runs()
    curves = CurveSet.from_runs(sorted(runs, key=lambda run: run["problem"]))
    curves.write(tmp_path / name)
    found = survey(tmp_path / name, RULES)
    pd.testing.assert_frame_equal(found, survey(curves, RULES), rtol=1e-13)
    pd.testing.assert_frame_equal(survey(tmp_path / name, RULES, n_jobs=2), found, rtol=0, atol=0)


def test_a_rule_that_no_run_can_be_replayed_with_has_no_numbers():
    curves = CurveSet.from_runs([{"val": [2.0, 1.0]}])
    row = survey(curves, ["PQ(0.5)", "GL(2)"]).iloc[0]
    assert row["runs"] == 0
    assert row[["fired", "epochs", "time", "val_regret"]].isna().all()


def test_all_rules_are_surveyed_at_usual_thresholds():
    table = survey(CurveSet.from_runs(some_runs(6)))
    assert table["criterion"].tolist() == [str(usual(family)) for family in FAMILIES.values()]
    without = [str(usual(f)) for f in FAMILIES.values() if {*f.watches} & {*CHANNELS}]
    assert table.loc[table["runs"] == 0, "criterion"].tolist() == without


def test_usual_thresholds():
    assert {str(usual(f)) for f in (GL, Keras, Lightning)} == {"GL(5)", "Keras(10)", "Lightning(3)"}
    assert set(USUAL) <= set(FAMILIES)
    made = [usual(family) for family in FAMILIES.values()]
    assert all(isinstance(one, Criterion) for one in made)
    # 0 stops at the first check without a gain, which nobody means
    slots = [one.family.slots[:1] for one in made]
    given = [one.threshold if one.family.threshold else None for one in made]
    # but the level of what is recorded, such as a sum of products, may be 0
    assert [s for s, g in zip(slots, given, strict=True) if g == 0 and s != ["level"]] == []


def test_a_rule_of_ones_own_has_its_defaults_or_is_refused():
    @criterion(threshold="level", passes=">", default=3)
    def Own(val):
        return val

    @criterion(threshold="level", passes=">")
    def GL(val):
        return val

    assert str(usual(Own)) == "Own(3)"
    # the name alone does not make it Prechelt's
    with pytest.raises(
        ValueError, match=r"GL: has no usual threshold .*missing required argument 'level'"
    ):
        usual(GL)


def test_what_cannot_be_surveyed_is_refused(tmp_path):
    curves = CurveSet.from_runs(some_runs(5))
    with pytest.raises(ValueError, match="empty"):
        survey(CurveSet.from_runs([]))
    with pytest.raises(ValueError, match="n_jobs = 0"):
        survey(curves, n_jobs=0)
    with pytest.raises(ValueError, match="criteria is empty"):
        survey(curves, [])
    with pytest.raises(ValueError, match="duplicate criterion"):
        survey(curves, ["GL(2)", GL(2)])
    folder = tmp_path / "twice"
    folder.mkdir()
    for name in "ab":
        curves.write(folder / f"{name}.parquet")
    with pytest.raises(ValueError, match="duplicate run id 'r0'"):
        survey(folder, ["GL(2)"])
