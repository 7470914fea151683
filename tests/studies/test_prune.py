"""What rules that see other runs save, and how often they stop the best one: a plain loop."""

import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from strategies import random_runs

from earlystop_lab import Channel, CurveSet, Keras, prune, replay
from earlystop_lab.cli import app

ROOT = Path(__file__).parents[2]
RULES = ["SyneTuneMedian(0.5, grace_population=2, workers=2)", "SyneTuneASHA(2)", "Keras(2)"]


def plain(curves, rule, orders, seed):
    """The numbers of one rule, run by run."""
    stopped, saved, whole, searches = [], 0, 0, []
    for k in range(orders if "(" in rule and "SyneTune" in rule else 1):
        named = rule if "Keras" in rule else f"{rule[:-1]}, seed={seed + k})"
        rows = replay(curves, [named]).to_frame()
        found = {}
        for i, row in rows.iterrows():
            curve = curves[i]
            stopped.append(row["fired"])
            saved += curve.epoch[-1] - row["stop"]
            whole += curve.epoch[-1]
            pairs = [(v, e) for v, e in zip(curve.val, curve.epoch, strict=True) if v == v]
            seen = [v for v, e in pairs if e <= row["stop"]]
            found.setdefault(curves.meta["problem"][i], []).append((pairs, seen, row["stop"]))
        for runs in found.values():
            best = min(v for pairs, _, _ in runs for v, _ in pairs)
            killed = all(
                stop < min(e for v, e in pairs if v == best)
                for pairs, _, stop in runs
                if any(v == best for v, _ in pairs)
            )
            loss = min(min(seen, default=math.inf) for _, seen, _ in runs) - best
            searches.append((killed, loss, loss / best if best > 0 else math.nan))
    return [np.mean(stopped), saved / whole, *np.mean(searches, axis=0)]


@pytest.mark.parametrize("seed", [0, 5])
def test_the_numbers_are_those_of_a_plain_loop(seed):
    runs = random_runs(seed, 30)
    for i, run in enumerate(runs):
        run["problem"] = "ab"[i % 2]
        run["val"] = np.where(np.isinf(run["val"]), 9.0, run["val"]) + 0.5
    curves = CurveSet.from_runs(runs)
    found = prune(curves, RULES, orders=3, seed=seed)
    assert found["criterion"].tolist() == [
        "SyneTuneMedian(0.5, grace_population=2, workers=2)",
        *RULES[1:],
    ]
    assert found["orders"].tolist() == [3, 3, 1]
    assert (found["problems"] == 2).all()
    for rule, row in zip(RULES, found.to_dict("records"), strict=True):
        numbers = [row[name] for name in ("stopped", "saved", "killed", "loss", "regret")]
        assert numbers == pytest.approx(plain(curves, rule, 3, seed), nan_ok=True)


def test_a_named_seed_is_one_order():
    curves = CurveSet.from_runs(random_runs(1, 8))
    found = prune(curves, ["SyneTuneASHA(2, seed=4)", "SyneTuneASHA(2)"], orders=2, seed=4)
    assert found["orders"].tolist() == [1, 2]


def test_of_two_best_one_is_enough():
    curves = CurveSet.from_runs([{"val": [2, 1, 1]}, {"val": [2, 3, 1]}])
    found = prune(curves, [Keras(1)])
    assert found.loc[0, ["killed", "loss", "regret"]].tolist() == [0, 0, 0]


def test_scores_and_runs_that_are_never_best():
    curves = CurveSet.from_runs(
        [{"val": [0.1, 0.1, 0.9]}, {"val": [math.nan] * 3}, {"val": [0.3, 0.5, 0.4]}],
        channels={"val": Channel(direction="max")},
    )
    found = prune(curves, [Keras(1)])
    assert found.loc[0, "killed"] == 1
    assert found.loc[0, "loss"] == pytest.approx(0.4)
    # there is no share of a negated score
    assert math.isnan(found.loc[0, "regret"])


def test_runs_without_a_finite_error_are_no_search():
    curves = CurveSet.from_runs([{"val": [math.nan] * 3}])
    found = prune(curves, ["SyneTuneMedian(0.5)"])
    assert np.isnan(found.loc[0, ["killed", "loss", "regret"]].to_numpy(float)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"orders": 0}, "prune: orders = 0"), ({"seed": -1}, "prune: seed = -1")],
)
def test_wrong_options_are_named(options, message):
    curves = CurveSet.from_runs([{"val": [1.0, 2.0]}])
    with pytest.raises(ValueError, match=message):
        prune(curves, RULES, **options)


def test_the_command(tmp_path):
    from typer.testing import CliRunner

    path, rule = tmp_path / "curves.parquet", "SyneTuneASHA(2, workers=2)"
    CurveSet.from_runs(random_runs(0, 8)).write(path)
    words = ["prune", str(path), "-c", rule, "--orders", "2"]
    shown = CliRunner().invoke(app, words)
    assert shown.exit_code == 0
    assert rule in shown.output
    assert "8 runs of 1 problem, each of which is one search" in shown.output
    answer = CliRunner().invoke(app, [*words, "--json"])
    (row,) = json.loads(answer.output)
    assert row["orders"] == 2
    assert row["saved"] == pytest.approx(prune(path, [rule], orders=2).loc[0, "saved"])
    CliRunner().invoke(app, [*words, "-o", str(tmp_path / "found.csv")])
    assert (tmp_path / "found.csv").read_text().startswith("criterion,problems,runs,orders,stopped")
    where = CliRunner().invoke(app, ["replay", str(path), "-c", rule])
    assert where.exit_code == 0
    assert rule in where.output


def test_the_page_says_what_was_measured():
    table = pd.read_csv(ROOT / "data" / "studies" / "pruning.csv")
    page = (ROOT / "docs" / "howto" / "prune.md").read_text("utf-8")
    corpora = list(dict.fromkeys(table["corpus"]))
    for rule, rows in table.groupby("criterion"):
        by = rows.set_index("corpus")
        cells = [
            f"{100 * by.loc[name, 'saved']:.0f}% | {100 * by.loc[name, 'killed']:.0f}% | "
            f"{100 * by.loc[name, 'regret']:.1f}%"
            for name in corpora
        ]
        assert f"| `{rule}` | {' | '.join(cells)} |" in page
