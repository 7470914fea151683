"""A set read by other programs through Arrow, and written back by them."""

import pandas as pd
import pyarrow as pa
import pytest

from earlystop_lab import CurveSet, read_curves
from earlystop_lab.curves import Channel

NAN = float("nan")
FACTS = ["role", "direction", "unit", "upper", "metric"]
#: what other programs forget
TOLD = {"val_accuracy": Channel(role="val", direction="max", upper=1)}
CURVES = CurveSet.from_runs(
    [
        {
            "run": "a",
            "epoch": [1, 2, 3],
            "val": [0.5, 0.25, NAN],
            "val_accuracy": [0.5, None, NAN],
            "problem": "iris",
            "seed": 0,
            "val.metric": "logloss",
        },
        {
            "run": "b",
            "val": [2.0, 1.0],
            "problem": "wine",
            "val.metric": "squared error",
            "seed": 1,
        },
    ],
    channels=TOLD,
)


def by_pandas():
    """With arrays of numpy, which hold NaN also for what was not measured: it comes back so."""
    pytest.importorskip("pandas", minversion="3", reason="pandas reads Arrow streams from 3.0 on")
    return pd.DataFrame.from_arrow(CURVES)


def by_pandas_with_arrow():
    return CURVES.table.to_pandas(types_mapper=pd.ArrowDtype)


def by_polars():
    return pytest.importorskip("polars", reason="polars is not installed").DataFrame(CURVES)


def by_polars_categories():
    polars = pytest.importorskip("polars", reason="polars is not installed")
    return polars.DataFrame(CURVES).with_columns(polars.col("problem").cast(polars.Categorical))


def by_duckdb():
    duckdb = pytest.importorskip("duckdb", reason="duckdb is not installed")
    return duckdb.sql("select * from recorded", connection=_connected(duckdb))


def _connected(duckdb):
    connection = duckdb.connect()
    connection.register("recorded", CURVES.table)
    return connection


PROGRAMS = [by_pandas, by_pandas_with_arrow, by_polars, by_polars_categories, by_duckdb]


def recorded(curves):
    """Every cell of a set, NaN as text, the columns in one order."""
    rows = curves.table.select(sorted(curves.table.column_names)).to_pylist()
    return [repr(row) for row in rows]


def expected(program):
    """What a program gives back of the set."""
    rows = recorded(CURVES)
    if program is not by_pandas:
        return rows
    return [row.replace("[0.5, None, nan]", "[0.5, nan, nan]") for row in rows]


@pytest.mark.parametrize("program", PROGRAMS)
def test_what_other_programs_read_is_a_set_again(program):
    found = CurveSet(program(), TOLD)
    assert recorded(found) == expected(program)
    assert found.channels[FACTS].equals(CURVES.channels[FACTS])
    assert recorded(found.select(found.meta["problem"] == "iris")) == expected(program)[:1]


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize("program", PROGRAMS)
def test_it_is_written_and_read_as_our_own(program, suffix, tmp_path):
    CurveSet(program(), TOLD).write(tmp_path / f"again.{suffix}")
    found = read_curves(tmp_path / f"again.{suffix}")
    assert recorded(found) == expected(program)
    assert found.channels[FACTS].equals(CURVES.channels[FACTS])


def test_a_file_that_another_program_writes_is_a_set(tmp_path):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    polars.DataFrame(CURVES).write_ipc(tmp_path / "other.arrow")
    polars.DataFrame(CURVES).write_parquet(tmp_path / "other.parquet")
    by_pandas_with_arrow().to_parquet(tmp_path / "pandas.parquet")
    with pa.ipc.new_file(str(tmp_path / "arrow.arrow"), CURVES.table.schema) as writer:
        writer.write_table(CURVES.table)
    for path in tmp_path.iterdir():
        assert recorded(read_curves(path, channels=TOLD)) == recorded(CURVES), path.name
