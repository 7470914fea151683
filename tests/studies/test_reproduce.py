"""The study from the recorded corpus: what the issue of reproducing it promises, and an oracle."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from earlystop_lab import read_curves
from earlystop_lab.report import in_words
from earlystop_lab.report.prechelt1997 import reproduce
from earlystop_lab.studies.prechelt1997 import Claim, Verdict, rules

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "data" / "curves" / "prechelt1997"
PRINTED = pd.read_csv(ROOT / "data" / "reference" / "prechelt1997_table1.csv")


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    out = tmp_path_factory.mktemp("study")
    return out, in_words(reproduce(ROOT / "data", out))


def table(study, name):
    return pd.read_csv(study[0] / f"{name}.csv")


def test_table1_has_the_14_criteria_under_the_printed_column_names(study):
    found = table(study, "table1")
    assert sorted(found["criterion"]) == sorted(PRINTED["criterion"])
    assert set(PRINTED.columns) - {"verified"} <= set(found.columns)
    assert (found["runs"] == 1296).all()
    assert np.allclose(found.filter(like="ended_by").sum(axis=1), 1)


def test_slowness_ranks_the_criteria_as_in_print_and_the_spans_are_of_its_size(study):
    found = table(study, "table1").set_index("criterion").loc[PRINTED["criterion"]]
    printed = PRINTED.set_index("criterion")["slowness_GL2"]
    assert found["slowness_GL2"].corr(printed, method="spearman") >= 0.95
    assert 2.5 <= found["slowness_GL2"].max() / found["slowness_GL2"].min() <= 6
    assert 1.02 <= found["badness_GL2"].max() / found["badness_GL2"].min() <= 1.06


def test_best_validation_errors_are_those_of_the_technical_report(study):
    datasets = table(study, "comparison_datasets")
    main = datasets[datasets["corpus"] == "prechelt1997"]
    assert len(main) == 36
    assert 0.97 <= main["best_val_error_ratio"].median() <= 1.05


def test_what_was_not_verified_says_so_wherever_it_is_printed(study):
    assert (table(study, "comparison_table1")["print_verified"] == "no").all()
    assert "unverified" in (study[0] / "summary.md").read_text()
    assert "unverified" in study[1]


def test_every_figure_is_there_as_png_and_pdf(study):
    names = [
        "run",
        "slowness_by_problem",
        "badness_by_problem",
        "tradeoff",
        "tradeoff_by_problem",
        "topologies",
    ]
    for name in names:
        for suffix in ("png", "pdf"):
            assert (study[0] / "figures" / f"{name}.{suffix}").stat().st_size > 10_000


def test_committed_figures_are_the_ones_that_the_study_draws(study):
    for path in (study[0] / "figures").iterdir():
        assert (ROOT / "figures" / path.name).is_file()


def test_the_paper_is_made_from_these_results(study, tmp_path):
    typst = pytest.importorskip("typst", reason="typst is not installed: the extra [paper] is")
    shutil.copytree(study[0], tmp_path / "results")
    shutil.copytree(study[0] / "figures", tmp_path / "figures")
    shutil.copytree(ROOT / "paper", tmp_path / "paper")
    pages = tmp_path / "page{n}.png"
    typst.compile(tmp_path / "paper" / "paper.typ", output=pages, root=tmp_path, format="png")
    assert 2 <= len(list(tmp_path.glob("page*.png"))) <= 4


def stops_by_hand(train, val):
    """Stop and selected epoch of the 14 criteria, straight from the definitions."""
    ends = np.arange(5, len(val) + 1, 5)
    e_va = val[ends - 1]
    e_opt = np.minimum.accumulate(e_va)
    loss = 100 * (e_va / e_opt - 1)
    strips = train[: ends[-1]].reshape(-1, 5)
    progress = 1000 * (strips.sum(axis=1) / (5 * strips.min(axis=1)) - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = loss / progress
    rises = np.concatenate([[False], e_va[1:] > e_va[:-1]])
    holds = {f"GL({a})": loss > a for a in (1, 2, 3, 5)}
    holds |= {f"PQ({a})": quotient > a for a in (0.5, 0.75, 1, 2, 3)}
    for s in (2, 3, 4, 6, 8):
        holds[f"UP({s})"] = np.array(
            [i >= s and rises[i - s + 1 : i + 1].all() for i in range(len(ends))]
        )
    found = {}
    for name, where in holds.items():
        ended = np.flatnonzero(where | (progress < 0.1))
        last = ended[0] if len(ended) else len(ends) - 1
        found[name] = ends[last], ends[: last + 1][np.argmin(e_va[: last + 1])]
    return found


def test_table1_agrees_with_the_definitions_applied_run_by_run(study):
    rows = {name: [] for name in PRINTED["criterion"]}
    for curve in read_curves(CORPUS):
        stops = stops_by_hand(curve.train, curve.val)
        val = {name: curve.val[kept - 1] for name, (_, kept) in stops.items()}
        best = min(stops, key=lambda name: (val[name], stops[name][0]))
        for name, (stop, kept) in stops.items():
            test = curve.test[kept - 1]
            rows[name].append(
                (
                    stop / stops[best][0],
                    stop / stops["GL(2)"][0],
                    stop / kept - 1,
                    test / curve.test[stops[best][1] - 1],
                    test / curve.test[stops["GL(2)"][1] - 1],
                    val[name] == val[best],
                )
            )
    columns = [
        "slowness_best",
        "slowness_GL2",
        "redundancy",
        "badness_best",
        "badness_GL2",
        "p_good",
    ]
    expected = pd.DataFrame({name: np.mean(r, axis=0) for name, r in rows.items()}, columns).T
    found = table(study, "table1").set_index("criterion").loc[expected.index, columns]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


# -- verdicts ------------------------------------------------------------------------------


def points_of(problems, noise, **families):
    """A table of points at equal time in which families differ by about so much."""
    rng = np.random.default_rng(1)
    columns = {name: at + noise * rng.normal(size=problems) for name, at in families.items()}
    names = pd.Index([f"p{i}" for i in range(problems)], name="problem")
    groups = np.where(np.arange(problems) % 2, "less", "more")
    return pd.DataFrame(columns, names).assign(overfitting_group=groups)


def test_verdicts_follow_the_numbers():
    points = points_of(
        12,
        0.01,
        p_good_GL=0.5,
        p_good_PQ=0.9,  # against the rule
        p_good_UP=0.1,  # as the rule says
        log_test_GL=0.0,
        log_test_PQ=0.0,
        log_test_UP=-1.0,
    )
    found = rules(pd.Series(0.01, points.index) + points["log_test_GL"] / 1e3, points)
    assert found["verdict"].tolist() == [
        Verdict.CONTRADICTED,
        Verdict.CONTRADICTED,
        Verdict.HOLDS,
        Verdict.NOT_SHOWN,
        Verdict.CONTRADICTED,
        Verdict.HOLDS,
        Verdict.HOLDS,
    ]
    assert found["claim"].tolist() == [
        Claim.SLOWER,
        *[Claim.OFTEN_GOOD] * 2,
        *[Claim.LOWER_ERROR] * 4,
    ]
    # of two, the smaller p counts double, the larger at least as much
    of_rule = found[found["rule"] == 2]
    assert of_rule["p_holm"].min() == pytest.approx(2 * of_rule["p"].min())


def test_a_study_that_fails_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match="'boosting' was not recorded like the study: no column"):
        reproduce(ROOT / "data", tmp_path / "out", "boosting")
    assert list(tmp_path.iterdir()) == []


def test_any_corpus_recorded_like_the_study_gets_a_folder_of_its_own(tmp_path):
    data = tmp_path / "data"
    shutil.copytree(ROOT / "data" / "reference", data / "reference")
    curves = read_curves(CORPUS)
    chosen = curves.meta["problem"].isin(["cancer", "glass", "heart", "horse"])
    some = curves.select((chosen & curves.meta["topology"].isin(["2", "4"])).to_numpy())
    some.write(data / "curves" / "few")
    found = reproduce(data, tmp_path / "out", "few", tmp_path / "figures")
    assert "# Prechelt's study on few: 72 runs, 4 problems" in in_words(found)
    assert len(pd.read_csv(tmp_path / "out" / "few" / "table1_by_problem.csv")) == 4 * 14
    drawn = {path.name for path in (tmp_path / "out" / "few" / "figures").iterdir()}
    assert drawn == {path.name for path in (tmp_path / "figures" / "few").iterdir()}
