"""The study from the recorded corpus: what the issue of reproducing it promises, and an oracle."""

import functools
import itertools
import re
import shutil
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st
from PIL import Image

from earlystop_lab import read_curves
from earlystop_lab.cli import main
from earlystop_lab.inference import intervals
from earlystop_lab.inference.bootstrap import SIZES
from earlystop_lab.report import in_words
from earlystop_lab.report.messages import MESSAGES
from earlystop_lab.report.prechelt1997 import reproduce, sentence
from earlystop_lab.studies import prechelt1997
from earlystop_lab.studies.prechelt1997 import (
    SEVERAL,
    Claim,
    Compared,
    Seen,
    Verdict,
    across_tests,
    compare_recorded,
    verdicts,
)

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
    assert study[1] in (study[0] / "summary.md").read_text()
    beside = study[1].split("## Ours beside print")[1]
    columns = [line for line in beside.splitlines() if "from memory, unverified" in line]
    # a line before the table, and one for each of its columns
    assert len(columns) == 1 + 6
    claims = re.findall(r"^\| l.*\| (verified|from memory)", beside, re.M)
    assert claims == ["verified"] * 2


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
    for path in (study[0] / "figures").glob("*.png"):
        ours, drawn = (
            Image.open(each).text["Drawn"] for each in (ROOT / "figures" / path.name, path)
        )
        assert ours == drawn, f"{path.name} is not what the study draws: run make reproduce"


def test_the_paper_is_made_from_these_results(study, tmp_path):
    typst = pytest.importorskip("typst", reason="typst is not installed: the extra [paper] is")
    shutil.copytree(study[0], tmp_path / "results")
    shutil.copytree(study[0] / "figures", tmp_path / "figures")
    shutil.copytree(ROOT / "paper", tmp_path / "paper")
    shutil.copytree(ROOT / "data" / "studies", tmp_path / "data" / "studies")
    pages = tmp_path / "page{n}.png"
    typst.compile(tmp_path / "paper" / "paper.typ", output=pages, root=tmp_path, format="png")
    assert 8 <= len(list(tmp_path.glob("page*.png"))) <= 15


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


def compared(claim, values, source="rule", on=None):
    names = pd.Index([f"p{i}" for i in range(len(values))], name="dataset")
    values = pd.Series(np.asarray(values, float), names)
    on = None if on is None else pd.Series(np.asarray(on, float), names)
    return Compared(source, claim, "UP", "GL", Seen.NOTHING, values, on)


def about(mean, noise=0.01, n=12):
    values = np.random.default_rng(1).normal(size=n)
    return mean + noise * (values - values.mean())


def test_verdicts_follow_the_numbers():
    found = verdicts(
        [
            compared(Claim.OFTEN_GOOD, about(-0.1), "1"),
            compared(Claim.OFTEN_GOOD, about(0.1), "2"),
            compared(Claim.OFTEN_GOOD, about(0.0), "3"),
            # a share of runs has no margin, however small
            compared(Claim.OFTEN_GOOD, about(0.0, 1e-5), "4"),
            compared(Claim.LOWER_ERROR, about(-0.1), "5"),
            # significant, but too small to matter
            compared(Claim.LOWER_ERROR, about(-0.001, 1e-4), "6"),
            compared(Claim.LOWER_ERROR, about(0.0, 0.001), "7"),
            # not significant, but not known to be small
            compared(Claim.LOWER_ERROR, about(0.0, 0.1), "8"),
            compared(Claim.WITH_OVERFITTING, about(0) - np.arange(12), "9", np.arange(12)),
            compared(Claim.WITH_OVERFITTING, about(0) + np.arange(12), "10", np.arange(12)),
        ]
    )
    assert found["verdict"].tolist() == [
        Verdict.HOLDS,
        Verdict.CONTRADICTED,
        Verdict.NOT_SHOWN,
        Verdict.NOT_SHOWN,
        Verdict.HOLDS,
        Verdict.EQUIVALENT,
        Verdict.EQUIVALENT,
        Verdict.NOT_SHOWN,
        Verdict.HOLDS,
        Verdict.CONTRADICTED,
    ]
    assert found["estimate"].tolist()[-2:] == pytest.approx([-1, 1], abs=0.01)
    assert found["p"].iloc[5] < 0.05


def test_the_margin_is_the_user_s():
    one = [compared(Claim.LOWER_ERROR, about(0.004, 1e-4), "1")]
    late = pd.Series(0.0, one[0].values.index)
    for margin, verdict in ((0.005, Verdict.EQUIVALENT), (0.003, Verdict.CONTRADICTED)):
        assert verdicts(one, margin)["verdict"].item() == verdict
        assert across_tests(one, late, margin)["verdict_drop_one"].item() == verdict
    with pytest.raises(ValueError, match="margin = 1"):
        prechelt1997.replay_study("few", None, {}, margin=1)


def test_the_test_rejects_as_often_as_the_summary_says():
    """A small version of the experiment on two of its populations."""
    rng = np.random.default_rng(0)
    samples = {"lognormal": rng.lognormal(size=(12, 1000)) - np.exp(0.5)}
    samples["exponential"] = rng.exponential(size=(12, 1000)) - 1
    found = {
        name: (intervals(pd.DataFrame(values), resamples=999)["p"] <= 0.05).mean()
        for name, values in samples.items()
    }
    # the standard errors are about 1%
    assert found["lognormal"] == pytest.approx(SIZES["size_lognormal"], abs=0.03)
    assert found["exponential"] == pytest.approx(SIZES["size_high"], abs=0.025)


def test_of_three_comparisons_each_p_counts_three_times():
    three = [compared(Claim.OFTEN_GOOD, about(0.004 * i)) for i in range(3)]
    found = verdicts(three)
    alone = [verdicts([each]).iloc[0] for each in three]
    for row, each in zip(found.itertuples(), alone, strict=True):
        assert row.p_adjusted == pytest.approx(min(3 * each.p_adjusted, 1))
        assert row.low < each.low < row.estimate < each.high < row.high


@settings(max_examples=40, deadline=None)
@given(
    st.integers(6, 14), st.floats(0, 3), st.floats(-2, 2), st.integers(0, 999), st.integers(1, 4)
)
def test_no_verdict_contradicts_its_interval(n, skew, shift, seed, comparisons):
    rng = np.random.default_rng(seed)
    values = rng.gamma(1 / (0.1 + skew), size=(comparisons, n)) - shift
    on = rng.normal(size=n)
    found = verdicts(
        [compared(Claim.OFTEN_GOOD, each) for each in values[1:]]
        + [compared(Claim.WITH_OVERFITTING, values[0], on=on)]
    )
    for row in found.itertuples():
        assert (row.verdict == Verdict.HOLDS) == (row.high < 0)
        assert (row.verdict == Verdict.CONTRADICTED) == (row.low > 0)
        # p counts the data as one more resample
        if abs(row.p_adjusted - 0.05) > 0.002:
            assert (row.verdict == Verdict.NOT_SHOWN) == (row.p_adjusted > 0.05)


def test_fewer_than_six_data_sets_show_nothing():
    found = verdicts([compared(Claim.LOWER_ERROR, about(-1.0, n=5))]).iloc[0]
    assert found["verdict"] == Verdict.NOT_SHOWN
    assert np.isnan([found["low"], found["high"], found["p_adjusted"]]).all()


def test_how_verdicts_depend_on_the_test_and_on_one_data_set():
    one = np.r_[np.full(11, -0.001), -1.0] + about(0.0, 1e-4)
    late = pd.Series(0.0, [f"p{i}" for i in range(12)])
    late["p11"] = 0.9
    found = across_tests(
        [
            compared(Claim.OFTEN_GOOD, one, "1"),
            compared(Claim.WITH_OVERFITTING, about(0), "2", np.arange(12)),
        ],
        late,
    )
    row = found.iloc[0]
    # all have the same sign, so that only two assignments of 4096 are as far from 0
    assert row["p_sign_flip"] == pytest.approx(2 / 2**12)
    assert row["verdict_sign_flip"] == Verdict.HOLDS
    # Student's t, written out
    t = abs(one.mean()) / (one.std(ddof=1) / 12**0.5)
    assert t < 1.1
    assert row["verdict_t"] == Verdict.NOT_SHOWN
    assert row["verdict_bootstrap_t"] == Verdict.NOT_SHOWN
    assert row["verdict_without_late"] == Verdict.HOLDS
    assert row["clusters_without_late"] == 11
    assert row["verdict_drop_one"] == "not shown and holds"
    assert row["drop_one"] != "p11"
    assert row["estimate_largest"] == pytest.approx(one[:11].mean())
    assert row["estimate_smallest"] == pytest.approx(np.delete(one, one.argmax()).mean())
    assert found.iloc[1]["verdict_sign_flip"] == ""


def test_the_tests_of_the_study_are_those_of_the_verdicts(study):
    found, one = table(study, "tests"), table(study, "verdicts")
    assert (found["verdict_bootstrap_t"] == one["verdict"]).all()
    np.testing.assert_allclose(found["p_bootstrap_t"], one["p_adjusted"])
    inside = (found["estimate_smallest"] <= one["estimate"]) & (
        one["estimate"] <= found["estimate_largest"]
    )
    assert inside.all()


# -- what the claims are made of, done again naively -----------------------------------------


def test_the_best_of_several_runs_is_what_drawing_them_gives():
    rng = np.random.default_rng(0)
    val, test = rng.normal(size=(12, 2)), rng.normal(size=(12, 2))
    expected = [
        np.mean(
            [
                test[min(drawn, key=lambda run, t=threshold: val[run, t]), threshold]
                for drawn in itertools.combinations(range(12), SEVERAL)
            ]
        )
        for threshold in range(2)
    ]
    np.testing.assert_allclose(prechelt1997._best_of(val, test), expected)


def passages(curve):
    """Of one run, by family: at every strip end, the threshold that has been passed by then."""
    ends = np.arange(5, len(curve.val) + 1, 5)
    e_va = curve.val[ends - 1]
    loss = 100 * (e_va / np.minimum.accumulate(e_va) - 1)
    strips = curve.train[: ends[-1]].reshape(-1, 5)
    progress = 1000 * (strips.sum(axis=1) / (5 * strips.min(axis=1)) - 1)
    rises = [0]
    for before, after in itertools.pairwise(e_va):
        rises.append(rises[-1] + 1 if after > before else 0)
    slow = np.flatnonzero(progress < 0.1)
    end = slow[0] if len(slow) else len(ends) - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        statistics = {"GL": loss, "PQ": loss / progress, "UP": np.array(rises)}
    return ends, e_va, curve.test[ends - 1], statistics, end


def ended(run, family, threshold):
    """Log of the stop epoch, and of the test error at the epoch kept."""
    ends, e_va, e_te, statistics, end = run
    passed = statistics[family] >= threshold if family == "UP" else statistics[family] > threshold
    last = min([*np.flatnonzero(passed)[:1], end])
    return np.log(ends[last]), np.log(e_te[np.argmin(e_va[: last + 1])])


def test_the_claims_are_what_a_loop_over_problems_finds(study):
    """The differences at equal time, with np.interp, from stops found run by run."""
    runs = [passages(curve) for curve in read_curves(CORPUS / "horse.parquet")]
    sweeps = {
        "GL": np.geomspace(0.25, 64, 33).round(4),
        "PQ": np.geomspace(0.05, 12.8, 33).round(4),
        "UP": np.arange(1, 25),
    }
    lines = {}
    for family, thresholds in sweeps.items():
        found = [np.mean([ended(run, family, a) for run in runs], axis=0) for a in thresholds]
        # among equal times, the last one counts
        lines[family] = dict(found)
    inside = []
    for rule in PRINTED["criterion"]:
        family, threshold = rule[:2], float(rule[3:-1])
        inside.append(np.mean([ended(run, family, threshold)[0] for run in runs]))
    rows = {name: [] for name in lines}
    for time in np.linspace(min(inside), max(inside), 41):
        for name, line in lines.items():
            x = sorted(line)
            rows[name].append(np.interp(time, x, [line[t] for t in x], np.nan, np.nan))
    means = pd.DataFrame(rows).dropna().mean()
    points = table(study, "equal_time").set_index("problem").loc["horse"]
    for one, other in itertools.combinations(lines, 2):
        assert points[f"log_test_{one}"] - points[f"log_test_{other}"] == pytest.approx(
            means[one] - means[other], abs=1e-9
        )


def test_a_claim_counts_each_data_set_once(study):
    """heart and hearta have the same examples."""
    points, found = table(study, "equal_time").set_index("problem"), table(study, "verdicts")
    values = points["log_test_UP"] - points["log_test_GL"]
    both = values[["heart", "hearta"]].mean()
    others = values.drop(["heart", "hearta"])
    row = found[(found["source"] == "rule 3") & (found["quantity"].str.endswith("UP minus GL"))]
    assert row["estimate"].item() == pytest.approx((others.sum() + both) / 11)
    assert row["clusters"].item() == 11
    assert row["datasets"].item().split(", ") == [
        *("building", "cancer", "card", "pima", "flare", "gene", "glass", "heart"),
        *("horse", "soybean", "thyroid"),
    ]


def test_late_runs_are_counted_as_they_are(study):
    late = [np.argmin(c.val) + 1 > 2700 for c in read_curves(CORPUS / "building.parquet")]
    points = table(study, "equal_time").set_index("problem")
    assert points.loc["building", "last_tenth"] == pytest.approx(np.mean(late))


def test_the_intervals_of_the_figure_belong_to_its_points(study):
    found, means = table(study, "tradeoff"), table(study, "table1").set_index("criterion")
    for name, part in found.groupby("measure"):
        part = part.set_index("criterion")
        np.testing.assert_allclose(part["estimate"], means.loc[part.index, name], rtol=1e-9)
        assert (part["low"] <= part["estimate"]).all()
        assert (part["estimate"] <= part["high"]).all()


# -- sentences: each from a verdict or a number ------------------------------------------------

#: sentences that say what something is, not what was found
DEFINITIONS = {
    "Means over runs.",
    "Ranges of means, whose extremes were selected after seeing the table (descriptive):",
    "The claims of the abstracts:",
    "Where the rules and the article's recommendations come from:",
    "A run is good if it is at least as good as the best of the 14 criteria.",
    "The figure of the trade-off has 95% intervals over data sets (`tradeoff.csv`).",
}


def prose(text):
    """The sentences of a text of messages; a heading or a table is none."""
    lines = [line for line in text.split("\n") if line and not re.match(r"#|\{\w+:table\}$", line)]
    return [s for line in lines for s in re.split(r"(?<=[.:;])\s+(?=[A-Z{])", line.strip())]


#: what a sentence without a number may be about: how something was done
METHOD = re.compile(
    r"at equal time|Small networks have|Post-hoc selection keeps|p values and 95% intervals|"
    r"^For the same runs: |not fixed beforehand|The test was chosen|^By problem: slope|"
    r"^Adjusted p and verdict by|^medians, and|^slope of log test error|^geometric mean of badness|"
    r"^A longer record might have|^share of |^the same with each|^and without all|^A run is good|"
    r"^'best' and p_good"
)


def test_every_sentence_of_the_summary_has_a_number_or_says_how_it_was_done():
    texts = {
        name: text
        for name, text in MESSAGES.items()
        if name == "prechelt1997"
        or re.match(r"prechelt1997\.(basis|margins|range|reh|late|none|int)", name)
    }
    assert len(texts) >= 7
    without = [s for text in texts.values() for s in prose(text) if "{" not in s]
    assert [s for s in without if s not in DEFINITIONS and not METHOD.search(s)] == []


def test_each_sentence_says_what_its_verdict_says(study):
    found = table(study, "verdicts")
    assert set(found["source"]) == set(pd.read_csv(DATA / "recommendations.csv")["source"])
    begins = {"holds": "[A-Z]", "not shown": "It is not shown that "}
    begins |= {"contradicted": "It is not so that ", "equivalent": ".* differ by less than 0.5%"}
    for row in found.itertuples():
        assert re.match(begins[row.verdict], row.sentence)
        assert f"{row.clusters} data sets, symmetric bootstrap-t" in row.sentence
        p = re.search(r"adjusted p (<?[\d.]+)", row.sentence)[1]
        assert float(p.strip("<")) == pytest.approx(row.p_adjusted, rel=0.05, abs=1e-4)
        numbers = re.search(r"([-+\d.]+)(%?) \(([-+\d.]+)%? to ([-+\d.]+)%?\)", row.sentence)
        shown = [float(numbers[i]) for i in (1, 3, 4)]
        values = np.array([row.estimate, row.low, row.high])
        if numbers[2]:
            values = 100 * np.expm1(values)
        assert shown == pytest.approx(values, rel=0.06, abs=6e-4)
        assert row.sentence in study[1]


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize("claim", Claim)
def test_there_is_a_sentence_for_every_verdict_that_a_claim_can_get(claim, verdict):
    if verdict == Verdict.EQUIVALENT and f"{claim}.where" not in MESSAGES:
        assert claim in (Claim.SLOWER, Claim.OFTEN_GOOD, Claim.WITH_OVERFITTING)
        return
    row = {
        "claim": claim,
        "recommended": "UP",
        "other": "GL",
        "verdict": verdict,
        "unit": "dataset",
    }
    row |= {"several": SEVERAL, "estimate": -0.02, "low": -0.03, "high": -0.01, "p_adjusted": 0.01}
    said = sentence({**row, "clusters": 12, "margin": 0.005})
    assert said.endswith("adjusted p .01 (12 data sets, symmetric bootstrap-t).")
    assert ("not" in said.split(":")[0]) == (verdict in ("contradicted", "not shown"))


DATA = ROOT / "data" / "reference"
#: what the paper may say without a result: names, of tables too, levels of confidence
CONSTANTS = re.compile(
    r"(GL|UP|PQ)\(\d+\)|95%|Tables 5 and 6|within 10%|worst 1%|below 0\b|`[^`]*`|\$[^$]*\$"
    r"|study of 1997|PROBEN1|BSD-3-Clause|CC0"
)


def paper():
    """The text of the paper's results, without figures and tables, and with code as ``#``."""
    text = (ROOT / "paper" / "paper.typ").read_text(encoding="utf-8")
    text = text[text.index("= The study of 1997: results") : text.index("#bibliography")]
    text = re.sub(r"#figure\(.*?\n\)( <\w+>)?\n|#figure\(.*\) <\w+>\n", "", text, flags=re.S)
    return re.sub(r"@\w+", "@", text)


def uncoded(text):
    """The text with every expression of Typst replaced by ``#``."""
    out, at = "", 0
    while at < len(text):
        if text[at] == "#":
            at += 1
            while at < len(text) and (text[at].isalnum() or text[at] in "._-(["):
                if text[at] in "([":
                    depth, close = 0, {"(": ")", "[": "]"}[text[at]]
                    start = text[at]
                    while True:
                        depth += (text[at] == start) - (text[at] == close)
                        at += 1
                        if not depth:
                            break
                elif text[at] in "." and not text[at + 1 : at + 2].isalnum():
                    break
                else:
                    at += 1
            out += "#"
        else:
            out += text[at]
            at += 1
    return out


#: sentences of the paper that say what was done
DONE = (
    "Both are extremes picked after seeing the table",
    "The second corpus differs only in its smaller first weights",
    "The text of the report gives the wider range",
    "We report both and use the printed range",
    "Each becomes one number a data set",
    "The networks are small by today's measure",
    "Overfitting is the mean of log(last / lowest validation error)",
    "Here:",
    "Most rules of libraries are a _patience_",
    "What counts as a check, as an improvement, and as",
    "If the first value is not a number, all later ones improve on it or none does:",
    "Every rule is taken at its usual threshold",
    "It was chosen with knowledge of the test errors",
    "Rules with strips look at every fifth epoch",
    "This is why the comparisons of rules below",
    "Whoever compares rules on a dozen data sets",
    "We drew studies from the corpora",
    "A rule that is as good as a known one on average",
    "Each study has as many data sets as its corpus",
    "What a recommended patience costs on the runs that it was chosen on",
    "Time is counted in epochs or rounds",
    "A usual threshold is a convention",
    "The runs, the rules, the tests of each rule against its library",
    "makes this paper",
)


def test_every_sentence_of_the_paper_has_a_result_or_a_source():
    text = CONSTANTS.sub("", uncoded(paper()))
    assert re.findall(r"[^\n]*\d[^\n]*", re.sub(r"^\+ _.*?_", "", text, flags=re.M)) == []
    lines = [line for line in text.split("\n") if line and not line.startswith("=")]
    # the recommendations themselves are in italics
    lines = [re.sub(r"^\+ _.*?_|\*.*?\*", "", line).strip() for line in lines]
    sentences = [s for line in lines for s in re.split(r"(?<=[.:])\s+(?=[A-Z#@])", line) if s]
    assert len(sentences) > 10
    bare = [s for s in sentences if not re.search("[#@]", s)]
    assert [s for s in bare if not s.startswith(DONE)] == []


def test_every_reference_is_cited_and_can_be_found():
    """Each has a DOI or a number of arXiv; the technical report has neither."""
    listed = (ROOT / "paper" / "references.yml").read_text(encoding="utf-8")
    entries = dict(re.findall(r"^([\w-]+):\n((?:  .*\n)+)", listed, re.M))
    found = r"doi: 10\.\d{4,}/\S+|https://arxiv\.org/abs/\d{4}\.\d{4,5}$"
    assert [key for key, text in entries.items() if not re.search(found, text, re.M)] == ["proben1"]
    assert len(entries) > 25
    labels = r"<([\w-]+)>"
    text = (ROOT / "paper" / "paper.typ").read_text(encoding="utf-8")
    cited = set(re.findall(r"(?<![\w/])@([a-z][\w-]*)", text)) - set(re.findall(labels, text))
    assert cited == set(entries)


def test_the_page_of_the_study_quotes_the_verdicts(study):
    page = (ROOT / "docs/study.md").read_text(encoding="utf-8")
    section = page.split("## What the rerun says")[1].split("\n## ")[0]
    bullets = re.findall(r"^- (.*?)\n(?=- |\n)", section, re.M | re.S)
    quoted = [" ".join(each.split()) for each in bullets]
    assert len(quoted) >= 4
    texts = table(study, "texts").set_index("name")["text"]
    assert set(quoted) <= {*table(study, "verdicts")["sentence"], texts["rests"]}


# -- other runs ------------------------------------------------------------------------------


def test_a_study_that_fails_writes_nothing(tmp_path):
    with pytest.raises(ValueError, match="'boosting' was not recorded like the study: no column"):
        reproduce(ROOT / "data", tmp_path / "out", "boosting")
    assert list(tmp_path.iterdir()) == []


def test_any_corpus_recorded_like_the_study_gets_a_folder_of_its_own(tmp_path, monkeypatch):
    data = tmp_path / "data"
    shutil.copytree(ROOT / "data" / "reference", data / "reference")
    curves = read_curves(CORPUS)
    chosen = curves.meta["problem"].isin(["cancer", "glass", "heart", "horse"])
    some = curves.select((chosen & curves.meta["topology"].isin(["2", "4"])).to_numpy())
    some.write(data / "curves" / "few")
    # one of its figures: all are drawn above
    monkeypatch.setattr(
        "earlystop_lab.report.prechelt1997_figures.figures", lambda found: [("run", plt.figure())]
    )
    found = reproduce(data, tmp_path / "out", "few", tmp_path / "figures")
    assert (
        "# Prechelt's study on few: 72 of 1296 runs, 4 problems\n\nThese are some of"
        in in_words(found)
    )
    assert len(pd.read_csv(tmp_path / "out" / "few" / "table1_by_problem.csv")) == 4 * 14
    drawn = {path.name for path in (tmp_path / "out" / "few" / "figures").iterdir()}
    assert drawn == {path.name for path in (tmp_path / "figures" / "few").iterdir()}
    assert drawn == {"run.png", "run.pdf"}
    # four problems are too few for a verdict
    assert (pd.read_csv(tmp_path / "out" / "few" / "verdicts.csv")["verdict"] == "not shown").all()


def test_the_tutorial_shows_what_its_command_says(tmp_path, monkeypatch, capsys):
    page = (ROOT / "docs" / "tutorials" / "reproduce.md").read_text(encoding="utf-8")
    ((command, first),) = re.findall(
        r"^```console\n\$ earlystop (reproduce .*)\n```\n.*?^```text\n(.*?)^```", page, re.M | re.S
    )
    # drawing them takes most of the time, and is tested above
    monkeypatch.setattr("earlystop_lab.report.prechelt1997_figures.figures", lambda found: [])
    monkeypatch.setenv("EARLYSTOP_DATA", str(ROOT / "data"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["earlystop", *command.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    text = capsys.readouterr().out
    assert not ended.value.code
    assert text.startswith(first)
    assert (tmp_path / "study" / "prechelt1997-small" / "summary.md").read_text() in text


def test_runs_trained_anew_are_compared_with_the_recorded_ones():
    recorded = read_curves(CORPUS / "glass.parquet")
    few = recorded.select(np.arange(len(recorded)) < 3)
    assert compare_recorded(few, recorded).iloc[0].to_dict() == {
        "runs": 3,
        "recorded": 3,
        "same": 3,
        "furthest": 1,
    }
    frame = few.to_frame()
    frame.loc[(frame["run"] == few.runs[1]) & (frame["epoch"] == 7), "val"] *= 1.5
    frame["run"] = frame["run"].replace(few.runs[2], "another")
    frame = frame[(frame["run"] != few.runs[0]) | (frame["epoch"] < 2999)]
    other = type(few).from_frame(frame)
    found = compare_recorded(other, recorded).iloc[0]
    assert (found["runs"], found["recorded"], found["same"]) == (3, 2, 0)
    assert np.isinf(found["furthest"])
    found = compare_recorded(other.select(np.arange(3) == 1), recorded).iloc[0]
    assert found["furthest"] == pytest.approx(1.5, rel=1e-6)


def test_from_raw_data_to_the_answer_in_one_command(tmp_path, monkeypatch, capsys):
    """A small part of the study: two problems of tiny made-up data."""
    from earlystop_lab.sources import training

    rng = np.random.default_rng(0)
    for name in ("cancer1", "glass1"):
        rows = np.column_stack([rng.uniform(size=(40, 2)), rng.integers(0, 2, 40)])
        header = "bool_in=0 real_in=2 bool_out=1 real_out=0 training_examples=20"
        lines = [*header.split(), "validation_examples=10", "test_examples=10"]
        lines += [" ".join(f"{x:.4f}" for x in row) for row in rows]
        (tmp_path / f"{name}.dt").write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(
        training,
        "proben1_jobs",
        functools.partial(
            training.proben1_jobs,
            datasets=["cancer1", "glass1"],
            topologies=[(2,), (16,)],
            epochs=300,
        ),
    )
    # drawing them takes most of the time, and is tested above
    monkeypatch.setattr("earlystop_lab.report.prechelt1997_figures.figures", lambda found: [])
    data, out = tmp_path / "data", tmp_path / "out"
    shutil.copytree(ROOT / "data" / "reference", data / "reference")
    recorded = read_curves(CORPUS / "glass.parquet")
    recorded.select(np.arange(len(recorded)) < 3).write(data / "curves" / "prechelt1997")
    words = ["reproduce", "--proben1", tmp_path, "--data", data, "--out", out, "--n-jobs", "1"]
    monkeypatch.setattr("sys.argv", ["earlystop", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    text, errors = capsys.readouterr()
    assert (ended.value.code or 0, errors) == (0, "")
    assert "# Prechelt's study on prechelt1997: 12 of 1296 runs, 2 problems" in text
    assert "Trained anew: 0 of 12 runs have the curves recorded in the project" in text
    assert len(read_curves(out / "curves" / "prechelt1997")) == 12
    assert (out / "table1.csv").is_file()
