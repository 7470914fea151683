"""Whatever a table holds, what Arrow raises does not reach the user."""

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from earlystop_lab import CurveSet, read_curves, replay

CELLS = {
    "interval": pa.array([(1, 2, 3)], pa.month_day_nano_interval()),
    "duration": pa.array([1], pa.duration("s")),
    "union": pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [pa.array([1])]),
    "dictionary": pa.array(["x"]).dictionary_encode(),
    "null": pa.nulls(1),
    "struct": pa.array([{"a": 1}]),
    "empty struct": pa.array([{}]),
    "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
    "bytes": pa.array([b"\xff"]),
    "decimal": pa.array([decimal.Decimal("1.5")]),
    "time": pa.array([datetime.time(1)]),
    "run ends": pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array([5])),
    "fixed": pa.array([[1.0, 2.0]], pa.list_(pa.float64(), 2)),
    "booleans": pa.array([[True, False]]),
    "texts": pa.array([["a", "b"]]),
    "integers": pa.array([[2**62, 1]]),
    "decimals": pa.array([[decimal.Decimal("1.5"), None]]),
    "times": pa.array([[datetime.datetime(2020, 1, 1)] * 2]),
}
VALUES = [
    2**70,
    decimal.Decimal("1e400"),
    1 + 2j,
    object(),
    np.datetime64("NaT", "s"),
    "\ud800",
    b"\xff",
    datetime.timedelta(1),
    float("nan"),
    np.longdouble(1),
    {1},
    pd.NaT,
    pd.NA,
    pd.Interval(1, 2),
    pd.Period("2020"),
    range(3),
]


def is_ours(call):
    """Whether a call succeeds or is refused by ``ValueError``, and not one of Arrow's."""
    try:
        call()
    except ValueError as error:
        return not isinstance(error, pa.ArrowException)
    return True


@pytest.mark.parametrize("kind", CELLS)
def test_a_column_of_any_type(tmp_path, kind):
    cells = CELLS[kind]
    lists = pa.array([[1.0, 0.5]])

    def used(suffix):
        made = CurveSet(pa.table({"run": ["a"], "val": lists, "x": cells}))
        made.write(tmp_path / f"x.{suffix}")
        read = read_curves(tmp_path / f"x.{suffix}")
        replay(read, ["GL(2)"]).to_frame()
        CurveSet.from_frame(read.to_frame())

    def joined():
        number = CurveSet(pa.table({"run": ["b"], "val": lists, "x": pa.array([1])}))
        return number + CurveSet(pa.table({"run": ["a"], "val": lists, "x": cells}))

    rows = {"run": ["a"], "epoch": [1.0], "val": [1.0]}
    assert is_ours(lambda: used("parquet"))
    assert is_ours(lambda: used("arrow"))
    assert is_ours(joined)
    assert is_ours(lambda: CurveSet(pa.table({"run": cells, "val": lists})))
    assert is_ours(lambda: CurveSet(pa.table({"run": ["a"], "val": cells})))
    for name in ("x", "val", "epoch", "run"):
        table = pa.table({**rows, name: cells})
        assert is_ours(lambda table=table: CurveSet.from_frame(table))


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_cell_of_any_type(tmp_path, value):
    cells = pd.Series([value, value], dtype=object)
    rows = pd.DataFrame({"run": ["a", "a"], "epoch": [1, 2], "val": [1.0, 2.0], "x": cells})
    run = {"run": "a", "val": [1.0, 2.0]}
    assert is_ours(lambda: CurveSet.from_runs([{**run, "x": value}]).write(tmp_path / "x.parquet"))
    assert is_ours(lambda: CurveSet.from_runs([{**run, "val": [1.0, value]}]))
    assert is_ours(lambda: CurveSet.from_runs([{**run, "epoch": [1, value]}]))
    assert is_ours(lambda: CurveSet.from_frame(rows))
    assert is_ours(lambda: CurveSet(pd.DataFrame({"run": ["a"], "val": [[1.0]], "x": cells[:1]})))


def test_metadata_that_no_run_has_are_kept():
    curves = CurveSet.from_runs([{"run": "a", "val": [1.0, 2.0], "note": None}])
    again = CurveSet.from_frame(curves.to_frame())
    assert again.meta["note"].tolist() == [None]
