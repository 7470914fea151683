"""Trade-off tables against numbers worked out by hand, a plain loop, and laws of means."""

import math
from statistics import fmean, geometric_mean, median

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies as st

from earlystop_lab import GL, UP, Channel, CurveSet, Stops, replay, tradeoff
from earlystop_lab.measures.prechelt import RunRatios, run_ratios

LOOKS = {"rtol": 1e-12, "atol": 0}


def stops_of(criteria, *, stop, val, test, selected=None, fired=None, **metadata):
    """Stops from lists, a row a run."""
    stop, val, test = (np.array(rows, float) for rows in (stop, val, test))
    arrays = {
        ("epoch", "stop"): stop,
        ("epoch", "selected"): stop if selected is None else np.array(selected, float),
        ("", "fired"): np.ones(stop.shape, bool) if fired is None else np.array(fired),
        ("val", "selected"): val,
        ("test", "selected"): test,
    }
    meta = pd.DataFrame({"run": [f"run {i}" for i in range(len(stop))], **metadata})
    return Stops(
        criteria, meta, arrays.__getitem__, {n: Channel(n, "min") for n in ("val", "test")}
    )


# -- by hand -------------------------------------------------------------------------------

CRITERIA = ["GL(2)", "UP(3)", "PQ(1)"]
GOLDEN = stops_of(
    CRITERIA,
    #         GL  UP  PQ      best, by the lowest val
    stop=[
        [10, 20, 40],  # a  UP: ties with PQ, which stops later
        [40, 40, 10],  # b  GL
        [10, 40, 20],
    ],  # c  PQ
    selected=[[10, 10, 20], [20, 40, 5], [8, 16, 5]],
    val=[[4, 2, 2], [1, 3, 2], [5, 5, 1]],
    test=[[8, 4, 2], [4, 8, 2], [1, 4, 8]],
    fired=[[True, True, False], [True, False, False], [True, True, False]],
    problem=["p", "p", "q"],
)

# by run        GL     UP    PQ
MEASURES = RunRatios(
    slowness_best=[
        [0.5, 1, 2],  # over 20
        [1, 1, 0.25],  # over 40
        [0.5, 2, 1],
    ],  # over 20
    slowness_ref=[[1, 2, 4], [1, 1, 0.25], [1, 4, 2]],
    redundancy=[
        [0, 1, 1],  # 10/10 20/10 40/20, less 1
        [1, 0, 1],  # 40/20 40/40 10/5
        [0.25, 1.5, 3],
    ],  # 10/8 40/16 20/5
    badness_best=[
        [2, 1, 0.5],  # over 4
        [1, 2, 0.5],  # over 4
        [0.125, 0.5, 1],
    ],  # over 8
    badness_ref=[[1, 0.5, 0.25], [1, 2, 0.5], [1, 4, 8]],
    good=[[False, True, True], [True, False, False], [False, False, True]],
)

TABLE = {
    #                          GL      UP     PQ
    "slowness_best": [2 / 3, 4 / 3, 13 / 12],  # (.5+1+.5)/3 (1+1+2)/3 (2+.25+1)/3
    "slowness_best_median": [0.5, 1, 1],
    "slowness_best_geometric": [2 ** (-2 / 3), 2 ** (1 / 3), 2 ** (-1 / 3)],  # of 1/4 2 1/2
    "slowness_best_total": [60 / 80, 100 / 80, 70 / 80],  # best: 20 + 40 + 20
    "slowness_ref": [1, 7 / 3, 25 / 12],  # - (2+1+4)/3 (4+.25+2)/3
    "slowness_ref_median": [1, 2, 2],
    "slowness_ref_geometric": [1, 2, 2 ** (1 / 3)],  # of 1 8 2
    "slowness_ref_total": [1, 100 / 60, 70 / 60],
    "redundancy": [5 / 12, 5 / 6, 5 / 3],  # 1.25/3 2.5/3 5/3
    "redundancy_median": [0.25, 1, 1],
    "badness_best": [25 / 24, 7 / 6, 2 / 3],  # 3.125/3 3.5/3 2/3
    "badness_best_median": [1, 1, 0.5],
    "badness_best_geometric": [2 ** (-2 / 3), 1, 2 ** (-2 / 3)],  # of 1/4 1 1/4
    "badness_best_total": [13 / 16, 16 / 16, 12 / 16],  # best: 4 + 4 + 8
    "badness_ref": [1, 13 / 6, 35 / 12],  # - 6.5/3 8.75/3
    "badness_ref_median": [1, 2, 0.5],
    "badness_ref_geometric": [1, 2 ** (2 / 3), 1],  # of 1 4 1
    "badness_ref_total": [1, 16 / 13, 12 / 13],
    "p_good": [1 / 3, 1 / 3, 2 / 3],
    "fired": [1, 2 / 3, 0],
    "runs": [3, 3, 3],
}


def test_measures_of_every_run_by_hand():
    found = run_ratios(GOLDEN, "GL(2)")
    for name, expected in MEASURES._asdict().items():
        assert getattr(found, name).tolist() == expected, name


def test_the_table_by_hand():
    table = tradeoff(GOLDEN)
    assert table["criterion"].tolist() == CRITERIA
    assert set(table.columns) == {"criterion", *TABLE}
    for name, expected in TABLE.items():
        np.testing.assert_allclose(table[name], expected, **LOOKS, err_msg=name)


def test_another_reference_changes_only_what_is_against_it():
    table, usual = tradeoff(GOLDEN, "PQ(1)"), tradeoff(GOLDEN)
    # by hand: 40 20 10 over PQ's 40 10 20 of each run
    np.testing.assert_allclose(table["slowness_ref"], [4.75 / 3, 6.5 / 3, 1], **LOOKS)
    np.testing.assert_allclose(table["badness_ref_total"], [13 / 12, 16 / 12, 1], **LOOKS)
    others = [name for name in table if "_ref" not in name]
    pd.testing.assert_frame_equal(table[others], usual[others])


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 2, 0]])
def test_of_equally_good_criteria_the_one_that_stops_first_is_best(order):
    # every criterion has the lowest error; the second stops first
    stop, test = np.array([[30, 10, 20]]), np.array([[3, 1, 2]])
    pool = [CRITERIA[i] for i in order]
    found = run_ratios(
        stops_of(pool, stop=stop[:, order], val=[[1, 1, 1]], test=test[:, order]), "GL(2)"
    )
    assert found.slowness_best.tolist() == [[[3, 1, 2][i] for i in order]]
    assert found.badness_best.tolist() == [[[3, 1, 2][i] for i in order]]
    assert found.good.all()


def test_the_best_is_by_validation_not_by_test_error():
    found = run_ratios(
        stops_of(["GL(2)", "UP(3)"], stop=[[10, 20]], val=[[1, 2]], test=[[9, 3]]), "GL(2)"
    )
    assert found.badness_best.tolist() == [[1, 3 / 9]]
    assert found.good.tolist() == [[True, False]]


def test_a_replay_is_measured_from_its_curves():
    #                                           GL(2) stops at 3 keeping 2, UP(2) at 6 keeping 5
    val = [4.0, 2.0, 2.5, 2.4, 1.0, 1.5, 1.6]
    test = [9.0, 8.0, 9.0, 9.0, 2.0, 9.0, 9.0]
    stops = replay(CurveSet.from_runs([{"val": val, "test": test}]), [GL(2, k=1), UP(2, k=1)])
    row = tradeoff(stops, "GL(2, k=1)").iloc[1]
    assert row[["slowness_ref", "redundancy", "badness_ref", "p_good"]].tolist() == [
        pytest.approx(7 / 3),
        pytest.approx(7 / 5 - 1),
        2 / 8,
        1,
    ]


# -- against a plain loop ------------------------------------------------------------------


def random_stops(seed, runs=25, criteria=5):
    """Random stops with many ties in val and stop."""
    rng = np.random.default_rng(seed)
    shape = (runs, criteria)
    stop = rng.integers(1, 7, shape) * 5
    return stops_of(
        [f"UP({i})" for i in range(1, criteria + 1)],
        stop=stop,
        selected=np.ceil(stop * rng.random(shape)).clip(1),
        val=rng.integers(1, 4, shape),
        test=rng.random(shape) + 0.1,
        fired=rng.random(shape) < 0.7,
        group=rng.choice(["x", "y"], runs),
    )


def loop_table(stops, reference, rows):
    """The trade-off of some runs by plain loops over Prechelt's definitions."""
    ref = stops.criteria.index(reference)
    table = []
    for c, name in enumerate(stops.criteria):
        lists = {key: [] for key in RunRatios._fields}
        totals = dict.fromkeys(
            ("stop", "stop_best", "stop_ref", "test", "test_best", "test_ref"), 0
        )
        for r in rows:
            val, stop, test = stops.val[r], stops.stop[r], stops.test[r]
            best = min(range(len(val)), key=lambda i: (val[i], stop[i]))
            lists["slowness_best"].append(stop[c] / stop[best])
            lists["slowness_ref"].append(stop[c] / stop[ref])
            lists["redundancy"].append(stop[c] / stops.selected[r, c] - 1)
            lists["badness_best"].append(test[c] / test[best])
            lists["badness_ref"].append(test[c] / test[ref])
            lists["good"].append(val[c] == val[best])
            for key, values in (("stop", stop), ("test", test)):
                totals[key] += values[c]
                totals[f"{key}_best"] += values[best]
                totals[f"{key}_ref"] += values[ref]
        row = {"criterion": name, "p_good": fmean(lists.pop("good")), "runs": len(rows)}
        row["fired"] = fmean(float(stops.fired[r, c]) for r in rows)
        for key, values in lists.items():
            row |= {key: fmean(values), f"{key}_median": median(values)}
            if key != "redundancy":
                row[f"{key}_geometric"] = geometric_mean(values)
        for key, word in (("slowness", "stop"), ("badness", "test")):
            for against in ("best", "ref"):
                row[f"{key}_{against}_total"] = totals[word] / totals[f"{word}_{against}"]
        table.append(row)
    return pd.DataFrame(table)


@pytest.mark.parametrize("seed", range(8))
def test_the_table_is_a_plain_loop(seed):
    stops = random_stops(seed)
    reference = stops.criteria[seed % 5]
    expected = loop_table(stops, reference, range(len(stops)))
    table = tradeoff(stops, reference)
    pd.testing.assert_frame_equal(table, expected[table.columns], rtol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_by_tabulates_the_runs_of_each_value_alone(seed):
    stops = random_stops(seed)
    groups = stops.meta.groupby("group", sort=False).indices
    parts = [loop_table(stops, "UP(2)", rows).assign(group=key) for key, rows in groups.items()]
    table = tradeoff(stops, "UP(2)", by="group")
    assert table.columns[0] == "group"
    pd.testing.assert_frame_equal(
        table, pd.concat(parts, ignore_index=True)[table.columns], rtol=1e-12
    )


def test_groups_come_in_the_order_of_the_runs():
    stops = random_stops(0, runs=4)
    named = stops.with_meta(stops.meta.assign(problem=["z", "a", "z", "m"]))
    table = tradeoff(named, "UP(1)", by="problem")
    assert table["problem"].unique().tolist() == ["z", "a", "m"]
    assert table.groupby("problem")["runs"].first().to_dict() == {"z": 2, "a": 1, "m": 1}


def test_runs_without_a_group_are_not_lost_in_silence():
    # concatenated sets lack a column for some runs: their cell is missing
    stops = random_stops(0, runs=4)
    named = stops.with_meta(stops.meta.assign(problem=["a", None, "b", None]))
    try:
        table = tradeoff(named, "UP(1)", by="problem")
        said = f"{table.groupby('problem', dropna=False)['runs'].first().sum()} runs"
    except ValueError as error:
        said = str(error)
    assert said == "4 runs" or "problem" in said


def test_the_stops_are_left_as_they_were():
    stops = random_stops(1)
    before = stops.to_frame()
    tradeoff(stops, "UP(1)", by="group")
    pd.testing.assert_frame_equal(stops.to_frame(), before)


positive = st.floats(1e-3, 1e3)
tables = st.integers(1, 6).flatmap(
    lambda runs: st.lists(st.lists(positive, min_size=3, max_size=3), min_size=runs, max_size=runs)
)


@given(stop=tables, data=st.data())
@settings(max_examples=30)
def test_the_span_of_geometric_means_does_not_depend_on_the_reference(stop, data):
    rows = st.lists(positive, min_size=3, max_size=3)
    val, test = (
        data.draw(st.lists(rows, min_size=len(stop), max_size=len(stop))) for _ in range(2)
    )
    stops = stops_of(CRITERIA, stop=stop, val=val, test=test)
    for measure in ("slowness", "badness"):
        columns = [tradeoff(stops, name)[f"{measure}_ref_geometric"] for name in CRITERIA]
        columns.append(tradeoff(stops)[f"{measure}_best_geometric"])
        spans = [column.max() / column.min() for column in columns]
        np.testing.assert_allclose(spans, spans[0], rtol=1e-9)


# -- mistakes ------------------------------------------------------------------------------


def test_curves_in_place_of_stops_are_named():
    curves = CurveSet.from_runs([{"val": [1.0, 2.0]}])
    with pytest.raises(TypeError, match="takes the Stops that replay returns, not a CurveSet"):
        tradeoff(curves, "GL(2)")


def test_an_unknown_reference_is_named_beside_what_there_is():
    with pytest.raises(ValueError, match=r"GL\(3\)") as error:
        tradeoff(GOLDEN, "GL(3)")
    assert "GL(2), UP(3), PQ(1)" in str(error.value)


def test_an_unknown_column_is_named_beside_what_there_is():
    with pytest.raises(ValueError, match="architecture") as error:
        tradeoff(GOLDEN, by="architecture")
    assert "problem" in str(error.value)


@pytest.mark.parametrize("name", ["val", "test"])
@pytest.mark.parametrize(("missing", "run"), [([1], "run 1"), ([2, 0], "run 0")])
def test_a_missing_error_is_named_with_its_run(name, missing, run):
    errors = {"val": np.ones((3, 2)), "test": np.ones((3, 2))}
    errors[name][missing, 1] = np.nan
    stops = stops_of(["GL(2)", "UP(3)"], stop=np.ones((3, 2)), **errors)
    with pytest.raises(ValueError, match=f"no {name} error") as error:
        tradeoff(stops)
    assert repr(run) in str(error.value)
    assert f"{len(missing)} of 3 runs" in str(error.value)


def test_curves_without_test_errors_are_named():
    stops = replay(CurveSet.from_runs([{"run": "bare", "val": [2.0, 1.0, 3.0]}]), [GL(2, k=1)])
    with pytest.raises(ValueError, match=r"test error.*'bare'"):
        tradeoff(stops, "GL(2, k=1)")


# -- zeros and infinities ------------------------------------------------------------------


@pytest.mark.parametrize("error", [0.0, math.inf])
def test_equal_test_errors_are_neither_better_nor_worse(error):
    stops = stops_of(["GL(2)", "UP(3)"], stop=[[5, 9]], val=[[1, 1]], test=[[error, error]])
    found = run_ratios(stops, "GL(2)")
    assert found.badness_best.tolist() == found.badness_ref.tolist() == [[1, 1]]


@pytest.mark.parametrize("error", [0.0, math.inf])
def test_equal_test_errors_are_neither_better_nor_worse_in_the_table(error):
    stops = stops_of(["GL(2)", "UP(3)"], stop=[[5, 9]], val=[[1, 1]], test=[[error, error]])
    table = tradeoff(stops)  # a warning would be an error here
    for name in ("badness_best", "badness_ref", "badness_ref_geometric", "badness_ref_median"):
        assert table[name].tolist() == [1, 1], name


@pytest.mark.parametrize(
    ("test", "expected"),
    [([0.0, 2.0], [1, math.inf]), ([2.0, 0.0], [1, 0]), ([2.0, math.inf], [1, math.inf])],
)
def test_a_ratio_to_zero_or_of_infinity_is_what_it_is(test, expected):
    table = tradeoff(stops_of(["GL(2)", "UP(3)"], stop=[[5, 9]], val=[[1, 1]], test=[test]))
    for name in ("badness_ref", "badness_ref_geometric", "badness_ref_total"):
        assert table[name].tolist() == expected, name


def test_a_diverged_run_beside_a_perfect_one_makes_no_warning():
    table = tradeoff(
        stops_of(
            ["GL(2)", "UP(3)"],
            stop=[[5, 9], [5, 9]],
            val=[[1, 1], [1, 1]],
            test=[[2, math.inf], [2, 0]],
        )
    )
    assert table["badness_ref"].tolist() == [1, math.inf]


def test_time_may_be_any_cost_and_error_any_error():
    runs = [
        {
            "val": [4.0, 2.0, 3.0, 1.0],
            "test": [4.0, 2.0, 3.0, 1.0],
            "seconds": [1.0, 3.0, 4.0, 9.0],
        },
        {
            "val": [4.0, 3.0, 4.0, 5.0],
            "test": [4.0, 3.0, 4.0, 5.0],
            "seconds": [2.0, 4.0, 6.0, 8.0],
        },
    ]
    curves = CurveSet.from_runs(runs, channels={"seconds": Channel(unit="s")})
    stops = replay(curves, [GL(1, k=1), GL(90, k=1)])
    table = tradeoff(stops, "GL(1, k=1)", time="seconds", error="val")
    # stops at checks 3 and 4 in both runs; the second rule keeps 1.0 at check 4, and 3.0 at 2
    assert table["slowness_ref"].tolist() == [1, (9 / 4 + 8 / 6) / 2]
    assert table["redundancy"].tolist() == pytest.approx(
        [(4 / 3 + 6 / 4) / 2 - 1, (9 / 9 + 8 / 4) / 2 - 1], rel=1e-14
    )
    assert table["badness_ref"].tolist() == [1, (1 / 2 + 3 / 3) / 2]
    assert table.attrs == {"time": "seconds", "error": "val", "reference": "GL(1, k=1)"}
    with pytest.raises(ValueError, match="'val' is an error or a score; expected a cost"):
        tradeoff(stops, "GL(1, k=1)", time="val", error="val")
    with pytest.raises(KeyError, match="no channel 'dollars'"):
        tradeoff(stops, "GL(1, k=1)", error="dollars")
    late = CurveSet.from_runs([{**runs[0], "seconds": [0.0, 0.0, 1.0, 2.0]}])
    with pytest.raises(ValueError, match="'0' has no seconds above 0 where it stops"):
        tradeoff(replay(late, [GL(1, k=1)]), "GL(1, k=1)", time="seconds")


def test_a_score_and_its_negated_twin_have_one_table():
    runs = [{"val": [0.5, 0.75, 0.5, 0.8], "test": [0.5, 0.75, 0.25, 0.8]}]
    twin = [{name: [-value for value in values] for name, values in run.items()} for run in runs]
    higher = dict.fromkeys(("val", "test"), Channel(direction="max"))
    rules = ["Keras(1)", "Keras(3)"]
    tables = [
        tradeoff(replay(curves, rules), "Keras(1)")
        for curves in (CurveSet.from_runs(runs, channels=higher), CurveSet.from_runs(twin))
    ]
    pd.testing.assert_frame_equal(*tables)
