"""Speed of the replay against peers, on the same data in the same run, as ratios.

`make bench` writes results.csv, time.png and the tables of README.md here. Every figure is the
median of five calls (of one for peers that take long); data that a peer cannot take in reasonable
time is cut, and all are compared by time for a curve-epoch, one error of one run.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "numpy")

import matplotlib
import numpy as np
import pandas as pd
import pyarrow as pa

from earlystop_lab import GL, PQ, UP, CurveSet, Keras, read_curves, replay
from earlystop_lab._compile import compiled

HERE = Path(__file__).parent
EPOCHS = 1000
GL5 = [GL(alpha) for alpha in (1, 2, 3, 5, 10)]
# the last is never passed, so that nobody leaves a run early
GL5_EVERY = [GL(alpha, k=1) for alpha in (1, 2, 3, 5, 100)]
PRECHELT = [
    *(GL(alpha) for alpha in (1, 2, 3, 5)),
    *(PQ(alpha) for alpha in (0.5, 0.75, 1, 2, 3)),
    *(UP(s) for s in (2, 3, 4, 6, 8)),
]
PATIENCE = [Keras(p, min_delta=d) for p in range(1, 21) for d in (0, 0.001, 0.01, 0.1)]


def curves(
    runs: int, epochs: int = EPOCHS, train: bool = True, noise: float = 0.002, rise: float = 1e-4
) -> CurveSet:
    """Runs that fall, overfit by different amounts and are noisy; the same for the same size."""
    rng = np.random.default_rng(0)
    t = np.arange(1, epochs + 1)
    columns: dict[str, object] = {"run": [f"run {i}" for i in range(runs)]}
    offsets = pa.array(np.arange(0, runs * epochs + 1, epochs), pa.int32())
    falling = np.float32(1 / np.sqrt(t) + 0.2)
    for name in ("val", "train") if train else ("val",):
        errors = noise * rng.standard_normal((runs, epochs), np.float32) + falling
        if name == "val":
            errors += np.float32(rise) * t.astype(np.float32) * rng.random((runs, 1), np.float32)
        columns[name] = pa.ListArray.from_arrays(
            offsets, pa.array(errors.ravel().astype(np.float64))
        )
    return CurveSet(pa.table(columns))


def seconds(call, times: int = 5) -> float:  # type: ignore[no-untyped-def]
    """Median time of a call, after one that is not counted."""
    call()
    found = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


# -- peers: the stop of five GL thresholds, looking at every check ----------------------------


def add_up(values):  # type: ignore[no-untyped-def]
    """Read every value once."""
    total = 0.0
    for i in range(values.size):
        total += values[i]
    return total


def numpy_blocks(val: np.ndarray, thresholds: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """Running minimum, its position and first passage, a cache-sized block of runs at a time."""
    stops = np.empty((2, len(val), len(thresholds)), np.int32)
    checks = np.arange(val.shape[1], dtype=np.int32)
    for start in range(0, len(val), 64):
        block = val[start : start + 64]
        rows = np.arange(len(block))
        best = np.minimum.accumulate(block, axis=1)
        record = np.ones(block.shape, bool)
        record[:, 1:] = best[:, 1:] < best[:, :-1]
        kept = np.maximum.accumulate(np.where(record, checks, 0), axis=1)
        loss = 100 * (block / best - 1)
        for j, alpha in enumerate(thresholds):
            passed = loss > alpha
            stop = np.where(passed.any(axis=1), passed.argmax(axis=1), -1)
            stops[0, start : start + 64, j] = stop
            stops[1, start : start + 64, j] = kept[rows, stop]
    return stops[0], stops[1]


def python_loop(val: np.ndarray, thresholds: list[float]) -> tuple[list, list]:  # type: ignore[type-arg]
    stops, selected = [], []
    for run in val.tolist():
        found, kept = [-1] * len(thresholds), [0] * len(thresholds)
        best, at, passed = float("inf"), 0, 0
        for i, error in enumerate(run):
            if error < best:
                best, at = error, i
            loss = 100 * (error / best - 1)
            while passed < len(thresholds) and loss > thresholds[passed]:
                found[passed], kept[passed] = i, at
                passed += 1
            if passed == len(thresholds):
                break
        kept[passed:] = [at] * (len(thresholds) - passed)
        stops.append(found)
        selected.append(kept)
    return stops, selected


def polars_lists(val: np.ndarray, thresholds: list[float]):  # type: ignore[no-untyped-def]
    import polars as pl

    frame = pl.DataFrame({"val": pl.Series(val.tolist(), dtype=pl.List(pl.Float64))})

    def ask() -> object:
        loss = pl.element() / pl.element().cum_min() - 1
        asked = [
            pl.col("val")
            .list.eval((loss * 100 > alpha).arg_true())
            .list.first()
            .cast(pl.Int32)
            .fill_null(-1)
            .alias(str(alpha))
            for alpha in thresholds
        ]
        return frame.select(asked)

    return ask


def duckdb_windows(val: np.ndarray, thresholds: list[float]):  # type: ignore[no-untyped-def]
    import duckdb

    runs, epochs = val.shape
    long = pa.table(
        {
            "run": np.repeat(np.arange(runs, dtype=np.int32), epochs),
            "epoch": np.tile(np.arange(epochs, dtype=np.int32), runs),
            "val": val.ravel(),
        }
    )
    connection = duckdb.connect()
    connection.execute("set threads to 1")
    connection.register("arrow", long)
    connection.execute("create table long as select * from arrow")
    asked = ", ".join(f"min(epoch) filter (loss > {alpha})" for alpha in thresholds)
    query = f"""select run, {asked} from (
        select run, epoch, 100 * (val / min(val) over (
            partition by run order by epoch rows unbounded preceding) - 1) as loss from long)
        group by run order by run"""
    return lambda: connection.execute(query).fetchall()


class StubModel:
    """As much of a model as Keras' callback touches."""

    metrics = ()
    stop_training = False

    def get_weights(self) -> None:
        return None

    def set_weights(self, weights: object) -> None:
        return None


def keras_callbacks(val: np.ndarray) -> None:
    """The real callback on every run, for each of the eighty rules."""
    import keras

    for rule in PATIENCE:
        options = dict(rule.params)
        for run in val.tolist():
            callback = keras.callbacks.EarlyStopping(
                patience=int(rule.threshold), min_delta=options["min_delta"]
            )
            model = StubModel()
            callback.set_model(model)
            callback.on_train_begin()
            for epoch, error in enumerate(run):
                callback.on_epoch_end(epoch, {"val_loss": error})
                if model.stop_training:
                    break


# -- what is measured ----------------------------------------------------------------------


def matrix(found: CurveSet) -> np.ndarray:
    return found.channel("val").values.reshape(len(found), -1)


def peers(rows: list[dict[str, object]]) -> dict[str, float]:
    """Nanoseconds a curve-epoch of ours and of others, one thread."""
    alphas = [rule.threshold for rule in GL5_EVERY]
    times: dict[str, float] = {}

    def record(name: str, runs: int, took: float) -> None:
        times[name] = 1e9 * took / (runs * EPOCHS)
        rows.append({"what": name, "runs": runs, "epochs": EPOCHS, "seconds": took})

    found = curves(10_000)
    val = matrix(found)
    record("GL, 5 thresholds", 10_000, seconds(lambda: replay(found, GL5_EVERY)))
    record("numpy in blocks", 10_000, seconds(lambda: numpy_blocks(val, alphas), 3))
    record("polars", 2_000, seconds(polars_lists(val[:2_000], alphas), 3))
    record("duckdb", 2_000, seconds(duckdb_windows(val[:2_000], alphas), 3))
    record("Python loop", 200, seconds(lambda: python_loop(val[:200], alphas), 3))
    # errors that fall to the end, so that no patience runs out (but those with min_delta)
    falling = curves(10_000, noise=0, rise=0)
    record("80 patience rules", 10_000, seconds(lambda: replay(falling, PATIENCE)))
    few = matrix(falling)[:2]
    record("Keras callback, 80 rules", 2, seconds(lambda: keras_callbacks(few), 1))
    # the peers answer the same question
    answer = replay(found[:200], GL5_EVERY)
    ours = np.where(answer.fired, answer.stop - 1, -1), answer.selected - 1
    for peer in (numpy_blocks, python_loop):
        assert all(map(np.array_equal, peer(val[:200], alphas), ours)), peer
    null = [
        [-1 if x is None else x for x in row[1:]] for row in duckdb_windows(val[:200], alphas)()
    ]
    assert np.array_equal(null, ours[0])
    assert np.array_equal(polars_lists(val[:200], alphas)().to_numpy(), ours[0])
    return times


def against_reading(rows: list[dict[str, object]]) -> dict[str, float]:
    """The 14 criteria against adding up both channels; thresholds; threads; memory."""
    found = curves(10_000)
    val, train = found.channel("val").values, found.channel("train").values
    add = compiled(add_up, cache=False)
    read = seconds(lambda: (add(val), add(train)))
    ours = seconds(lambda: replay(found, PRECHELT))
    many = [GL(alpha) for alpha in np.geomspace(0.1, 1000, 1000)]
    five, thousand = seconds(lambda: replay(found, GL5)), seconds(lambda: replay(found, many))
    five_every = seconds(lambda: replay(found, GL5_EVERY))
    many_every = [GL(rule.threshold, k=1) for rule in many]
    thousand_every = seconds(lambda: replay(found, many_every))
    large = curves(100_000)
    one = seconds(lambda: replay(large, PRECHELT))
    two = seconds(lambda: replay(large, PRECHELT, n_jobs=2))
    for what, runs, took in (
        ("reading val and train", 10_000, read),
        ("14 criteria", 10_000, ours),
        ("GL, 5 thresholds at strip ends", 10_000, five),
        ("GL, 1000 thresholds at strip ends", 10_000, thousand),
        ("GL, 5 thresholds at every check", 10_000, five_every),
        ("GL, 1000 thresholds at every check", 10_000, thousand_every),
        ("14 criteria, 1 thread", 100_000, one),
        ("14 criteria, 2 threads", 100_000, two),
    ):
        rows.append({"what": what, "runs": runs, "epochs": EPOCHS, "seconds": took})
    return {
        "14 criteria / reading both channels once": ours / read,
        "GL 1000 thresholds / 5, strips of 5": thousand / five,
        "GL 1000 thresholds / 5, every check": thousand_every / five_every,
        "1 thread / 2 threads, 100,000 x 1000": one / two,
    }


def scaling(rows: list[dict[str, object]], folder: Path) -> dict[str, float]:
    """Time against runs, in memory and from a mapped file."""
    sizes = [1_000, 10_000, 100_000, 1_000_000]
    memory, mapped = [], []
    for runs in sizes:
        found = curves(runs, 500, train=False)
        found.write(folder / "scaling.arrow")
        memory.append(seconds(lambda found=found: replay(found, GL5_EVERY)))
        del found
        mapped.append(seconds(lambda: replay(read_curves(folder / "scaling.arrow"), GL5_EVERY)))
        for what, took in (("in memory", memory[-1]), ("mapped", mapped[-1])):
            rows.append({"what": f"scaling, {what}", "runs": runs, "epochs": 500, "seconds": took})
    exponent = np.polyfit(np.log(sizes[1:]), np.log(memory[1:]), 1)[0]
    return {
        "exponent of time in runs, 10^4 to 10^6": float(exponent),
        "mapped Arrow file / memory, 10^6 runs": mapped[-1] / memory[-1],
    }


# the peak of this process alone: getrusage's counts what the parent held when it forked
LARGE = """
import re, sys
from earlystop_lab.output import replay_to_file
replay_to_file(sys.argv[1], ["GL(2)", "PQ(0.5)", "UP(3)", "Keras(10)"], sys.argv[2], n_jobs=2)
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 2**20)
"""


def larger_than_memory(folder: Path) -> dict[str, float]:
    """Peak resident memory, in GB, of replaying 6 GB of curves in a process of its own."""
    part = curves(31_250)
    (folder / "large").mkdir()
    for i in range(12):
        names = pa.array([f"{i}-{run}" for run in range(len(part))])
        CurveSet(part.table.set_column(0, "run", names)).write(folder / "large" / f"{i:02}.arrow")
    size = sum(file.stat().st_size for file in (folder / "large").iterdir()) / 1e9
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", LARGE, str(folder / "large"), str(folder / "stops.parquet")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    took = time.perf_counter() - began
    found = pd.read_parquet(folder / "stops.parquet")
    rules = ["GL(2)", "PQ(0.5)", "UP(3)", "Keras(10)"]
    expected = replay(part, rules).to_frame()
    for i in (0, 11):
        again = found.iloc[i * len(expected) : (i + 1) * len(expected)].reset_index(drop=True)
        pd.testing.assert_frame_equal(
            again.drop(columns="run"), expected.drop(columns="run"), check_dtype=False
        )
    return {
        "size of the large corpus, GB": size,
        "peak resident memory on it, GB": float(done.stdout),
        "seconds for it, 4 criteria, 2 threads": took,
    }


# -- what is written -----------------------------------------------------------------------


def figure(frame: pd.DataFrame, memory_ns: float) -> None:
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    work = frame["runs"] * frame["epochs"]
    fig, ax = plt.subplots(figsize=(7, 5), layout="constrained")
    for kind, marker in (("scaling, in memory", "o-"), ("scaling, mapped", "s--")):
        part = frame["what"] == kind
        ax.plot(work[part], frame["seconds"][part], marker, label=f"GL, 5 thresholds ({kind[9:]})")
    for what in ("numpy in blocks", "polars", "duckdb", "Python loop", "Keras callback, 80 rules",
                 "14 criteria, 1 thread", "14 criteria, 2 threads"):  # fmt: skip
        part = frame["what"] == what
        ax.plot(work[part], frame["seconds"][part], "*", ms=10, label=what)
    span = np.array([work.min(), work.max()])
    ax.plot(span, span * memory_ns * 1e-9, "k:", label="reading each error once")
    ax.set(xscale="log", yscale="log", xlabel="errors (runs x epochs)", ylabel="seconds")
    ax.legend(fontsize="x-small")
    fig.savefig(HERE / "time.png", dpi=150)


def report(ratios: dict[str, float], times: dict[str, float]) -> str:
    ours, patience = times["GL, 5 thresholds"], times["80 patience rules"]
    lines = ["| measured | value |", "|---|---|"]
    lines += [f"| {name} | {value:.2f} |" for name, value in ratios.items()]
    lines += ["", "| one thread, same question | ns a curve-epoch | times ours |", "|---|---|---|"]
    for name, value in times.items():
        against = patience if "80" in name else ours
        lines.append(f"| {name} | {value:,.1f} | {value / against:,.0f} |")
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory, GB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "system": platform.system(),
        "Python": platform.python_version(),
        "numpy": np.__version__,
    }
    model = [
        line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    machine["processor"] = model[0].split(":")[1].strip() if model else machine["processor"]
    described = ", ".join(f"{name} {value}" for name, value in machine.items())
    return "\n".join([*lines, "", f"Machine: {described}."])


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    rows: list[dict[str, object]] = []
    times = peers(rows)
    ratios = against_reading(rows)
    with tempfile.TemporaryDirectory() as name:
        ratios |= scaling(rows, Path(name))
        ratios |= larger_than_memory(Path(name))
    frame = pd.DataFrame(rows)
    frame.to_csv(HERE / "results.csv", index=False)
    reading = frame.set_index("what").loc["reading val and train", "seconds"]
    figure(frame, 1e9 * reading / (2 * 10_000 * EPOCHS))
    text = (HERE / "README.md").read_text(encoding="utf-8")
    begin, end = "<!-- measured -->\n", "<!-- end -->\n"
    head, rest = text.split(begin)
    tail = rest.split(end)[1]
    body = report(ratios, times)
    (HERE / "README.md").write_text(f"{head}{begin}{body}\n{end}{tail}", encoding="utf-8")
    print(body)


if __name__ == "__main__":
    main()
