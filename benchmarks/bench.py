"""Speed of the replay against peers, on the same data in the same run, as ratios.

`make bench` writes results.csv, time.png and the tables of README.md here. Every figure is the
median of five calls, of more where these take less than a second (of one for peers that take
long); data that a peer cannot take in reasonable time is cut, and all are compared by time for a
curve-epoch, one error of one run.
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
os.environ.setdefault("EARLYSTOP_COMPILE", "1")

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pyarrow as pa
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from earlystop_lab import GL, PQ, UP, CurveSet, Keras, criterion, read_curves, replay
from earlystop_lab._common.compiling import compiled
from earlystop_lab.live import Stopper
from earlystop_lab.report.style import BESIDE, FAINT, drawn, look, save, series

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


def gap_step(low: float, epoch: float, val: float, train: float) -> tuple[float, float]:
    """Validation less training error; the state is the lowest validation error."""
    return min(low, val), val - train


def weighed_step(
    low: float, epoch: float, val: float, train: float, lr: float
) -> tuple[float, float]:
    """The same by the learning rate."""
    return min(low, val), (val - train) * lr


@criterion(threshold="gap", passes=">", step=gap_step, watches=("val", "train"))
def Gap() -> float:
    """A rule of two channels."""
    return np.inf


@criterion(threshold="gap", passes=">", step=weighed_step, watches=("val", "train", "lr"))
def Weighed() -> float:
    """A rule of three."""
    return np.inf


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
    """Median time of so many calls or of a second of them, after one that is not counted."""
    call()
    found: list[float] = []
    while len(found) < times or (times > 1 and sum(found) < 1):
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
    """One threshold after the other, as one writes it down."""
    stops, selected = [], []
    for run in val.tolist():
        found, kept = [], []
        for alpha in thresholds:
            best, at, stop = float("inf"), 0, -1
            for i, error in enumerate(run):
                if error < best:
                    best, at = error, i
                if 100 * (error / best - 1) > alpha:
                    stop = i
                    break
            found.append(stop)
            kept.append(at)
        stops.append(found)
        selected.append(kept)
    return stops, selected


def python_one_pass(val: np.ndarray, thresholds: list[float]) -> tuple[list, list]:  # type: ignore[type-arg]
    """All thresholds in one pass, the replay's own idea."""
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


def python_patience(val: np.ndarray) -> list[list[int]]:
    """The eighty rules one after the other, as one writes them down."""
    stops = []
    for run in val.tolist():
        found = []
        for rule in PATIENCE:
            patience, delta = rule.threshold, dict(rule.params)["min_delta"]
            best, wait, stop = float("inf"), 0, -1
            for i, error in enumerate(run):
                if error + delta < best:
                    best, wait = error, 0
                else:
                    wait += 1
                    if wait >= patience:
                        stop = i
                        break
            found.append(stop)
        stops.append(found)
    return stops


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


def keras_callbacks(val: np.ndarray) -> list[list[int]]:
    """The real callback on every run, for each of the eighty rules."""
    import keras

    stops = []
    for run in val.tolist():
        found = []
        for rule in PATIENCE:
            options = dict(rule.params)
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
            found.append(epoch if model.stop_training else -1)
        stops.append(found)
    return stops


# -- what is measured ----------------------------------------------------------------------


def matrix(found: CurveSet) -> np.ndarray:
    return found.channel("val").values.reshape(len(found), -1)


def peers(rows: list[dict[str, object]]) -> dict[str, float]:
    """Nanoseconds a curve-epoch of ours and of others, one thread, each at three sizes."""
    alphas = [rule.threshold for rule in GL5_EVERY]
    times: dict[str, float] = {}

    def record(name: str, most: int, asking, data: CurveSet, repeat: int = 5) -> None:  # type: ignore[no-untyped-def]
        for runs in sorted({max(1, most // 100), max(1, most // 10), most}):
            took = seconds(asking(data[:runs]), repeat)
            times[name] = 1e9 * took / (runs * EPOCHS)
            rows.append({"what": name, "runs": runs, "epochs": EPOCHS, "seconds": took})

    def asks(function, *arguments):  # type: ignore[no-untyped-def]
        def asking(part: CurveSet):  # type: ignore[no-untyped-def]
            val = matrix(part)
            return lambda: function(val, *arguments)

        return asking

    found = curves(10_000)
    record("GL, 5 thresholds", 10_000, lambda part: lambda: replay(part, GL5_EVERY), found)
    record("numpy in blocks", 10_000, asks(numpy_blocks, alphas), found)
    record("polars", 2_000, lambda part: polars_lists(matrix(part), alphas), found)
    record("duckdb", 2_000, lambda part: duckdb_windows(matrix(part), alphas), found)
    record("Python loop", 200, asks(python_loop, alphas), found)
    record("Python loop, all in one pass", 200, asks(python_one_pass, alphas), found)
    # errors that fall to the end, so that no patience runs out (but those with min_delta)
    falling = curves(10_000, noise=0, rise=0)
    record("80 patience rules", 10_000, lambda part: lambda: replay(part, PATIENCE), falling)
    record("Python loop, 80 rules", 20, asks(python_patience), falling)
    record("Keras callback, 80 rules", 10, asks(keras_callbacks), falling, 1)
    # the peers answer the same question
    few = matrix(found)[:200]
    answer = replay(found[:200], GL5_EVERY)
    ours = np.where(answer.fired, answer.stop - 1, -1), answer.selected - 1
    for peer in (numpy_blocks, python_loop, python_one_pass):
        assert all(map(np.array_equal, peer(few, alphas), ours)), peer
    null = [[-1 if x is None else x for x in row[1:]] for row in duckdb_windows(few, alphas)()]
    assert np.array_equal(null, ours[0])
    assert np.array_equal(polars_lists(few, alphas)().to_numpy(), ours[0])
    answer = replay(falling[:2], PATIENCE)
    for peer in (python_patience, keras_callbacks):
        stop = np.where(answer.fired, answer.stop - 1, -1)
        assert np.array_equal(peer(matrix(falling)[:2]), stop), peer
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
    # never passed, so that every check is looked at
    column = found.table["train"]
    with_rate = CurveSet(found.table.append_column("lr", column))
    rules = ((found, Gap(1e9)), (with_rate, Weighed(1e9)))
    two_channels, three_channels = (seconds(lambda e=e: replay(e[0], [e[1]])) for e in rules)
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
        ("a rule of two channels", 10_000, two_channels),
        ("a rule of three channels", 10_000, three_channels),
        ("14 criteria, 1 thread", 100_000, one),
        ("14 criteria, 2 threads", 100_000, two),
    ):
        rows.append({"what": what, "runs": runs, "epochs": EPOCHS, "seconds": took})
    return {
        "14 criteria / reading both channels once": ours / read,
        "GL 1000 thresholds / 5, strips of 5": thousand / five,
        "GL 1000 thresholds / 5, every check": thousand_every / five_every,
        "a rule of three channels / of two": three_channels / two_channels,
        "1 thread / 2 threads, 100,000 x 1000": one / two,
    }


def by_shape(rows: list[dict[str, object]]) -> None:
    """Ten million errors by number of thresholds, and cut into runs of other lengths."""
    found = curves(10_000)
    for count in (1, 10, 100, 1000):
        rules = [GL(alpha, k=1) for alpha in np.geomspace(0.1, 1000, count)]
        took = seconds(lambda rules=rules: replay(found, rules))
        row = {"what": "by thresholds", "runs": 10_000, "epochs": EPOCHS, "seconds": took}
        rows.append({**row, "thresholds": count})
    for epochs in (100, 1_000, 10_000):
        runs = 10_000_000 // epochs
        found = curves(runs, epochs, train=False)
        took = seconds(lambda found=found: replay(found, GL5_EVERY))
        rows.append({"what": "by epochs", "runs": runs, "epochs": epochs, "seconds": took})


def scaling(rows: list[dict[str, object]], folder: Path) -> dict[str, float]:
    """Time against runs, in memory and from a mapped file."""
    sizes = [1_000, 10_000, 100_000, 1_000_000]
    memory, mapped = [], []
    for runs in sizes:
        found = curves(runs, 500, train=False)
        found.write(folder / "scaling.arrow")
        os.sync()  # not to be measured while it is still being written
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
from earlystop_lab.engine.into_files import replay_to_file
replay_to_file(sys.argv[1], ["GL(2)", "PQ(0.5)", "UP(3)", "Keras(10)"], sys.argv[2], n_jobs=2)
print(int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) / 2**20)
"""


def live(rows: list[dict[str, object]]) -> dict[str, float]:
    """A live check of a criterion late in a run, which must not cost more than an early one."""
    costs = []
    for epochs in (1_000, 10_000):
        stopper = Stopper("any_of(GL(1e9), Keras(1000000))")
        for epoch in range(1, epochs + 1):
            stopper.update(val=1 / epoch, epoch=epoch)
        found = []
        for part in range(5):
            first = epochs + 1 + 200 * part
            began = time.perf_counter()
            for epoch in range(first, first + 200):
                stopper.update(val=1 / epoch, epoch=epoch)
            found.append((time.perf_counter() - began) / 200)
        costs.append(statistics.median(found))
        rows.append({"what": "live update", "runs": 1, "epochs": epochs, "seconds": costs[-1]})
    return {
        "live update of two criteria at 10,000 epochs, microseconds": 1e6 * costs[1],
        "live update at 10,000 epochs / at 1,000": costs[1] / costs[0],
    }


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
        capture_output=True,
        text=True,
        check=True,
    )
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


def figure(frame: pd.DataFrame) -> Figure:
    """Time against work (left), and against the number of thresholds (right)."""
    frame = frame.assign(work=frame["runs"] * frame["epochs"]).set_index("what")
    wide = plt.rcParams["figure.figsize"][0]
    fig, (ax, right) = plt.subplots(
        1, 2, figsize=(wide, 4.2), layout="constrained", width_ratios=(2, 1)
    )
    five = "GL, 5 thresholds"
    peers = {
        "Keras callback, 80 rules": "Keras callback, 80 patience rules",
        "Python loop, 80 rules": "Python loop, 80 patience rules",
        "Python loop": f"Python loop, {five}",
        "Python loop, all in one pass": f"Python loop, all in one pass, {five}",
        "duckdb": f"duckdb, {five}",
        "polars": f"polars, {five}",
        "numpy in blocks": f"numpy in blocks, {five}",
    }
    ours = {
        "80 patience rules": "replay, 80 patience rules",
        "scaling, in memory": f"replay, {five}, in memory",
        "scaling, mapped": f"replay, {five}, mapped file",
    }
    for (what, label), seen in zip(peers.items(), series([*peers]).values(), strict=True):
        # black is ours
        tone = BESIDE if seen.colour == look("Keras").colour else seen.colour
        part, style = frame.loc[what], {"color": tone, "marker": seen.marker, "ls": seen.line}
        ax.plot(part["work"], part["seconds"], label=label, ms=3, lw=0.9, **style)
    for (what, label), style in zip(ours.items(), ("^:", "s-", "x--"), strict=True):
        part = frame.loc[what]
        ax.plot(part["work"], part["seconds"], style, color="black", label=label, ms=3.5)
    span = np.array([frame["work"].min(), frame["work"].max()])
    reading = frame.loc["reading val and train", "seconds"] / (2 * 10_000 * EPOCHS)
    ax.plot(span, span * reading, color=FAINT, label="reading each error once")
    ax.set(xlabel="errors (runs x epochs)", ylabel="seconds")
    many = frame.loc["by thresholds"]
    right.plot(
        many["thresholds"], many["seconds"], "s-", color="black", ms=3.5, label="all in one pass"
    )
    alone = many["thresholds"] * many["seconds"].iloc[0]
    right.plot(many["thresholds"], alone, "--", color=BESIDE, label="a pass each")
    right.set(xlabel="thresholds of GL", ylabel="seconds for ten million errors")
    for each in (ax, right):
        each.set(xscale="log", yscale="log")
        each.xaxis.set_major_formatter(EngFormatter(sep=""))
        each.yaxis.set_major_formatter("{x:g}")
    fig.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    right.legend(loc="upper left")
    return fig


def report(ratios: dict[str, float], times: dict[str, float], rows: list[dict[str, object]]) -> str:
    ours, patience = times["GL, 5 thresholds"], times["80 patience rules"]
    lines = ["| measured | value |", "|---|---|"]
    lines += [f"| {name} | {value:.2f} |" for name, value in ratios.items()]
    lines += ["", "| one thread, same question | ns per curve-epoch | times ours |"]
    lines += ["|---|---|---|"]
    for name, value in times.items():
        against = patience if "80" in name else ours
        lines.append(f"| {name} | {value:,.1f} | {value / against:,.0f} |")
    lines += ["", "| GL on ten million errors | seconds |", "|---|---|"]
    for row in rows:
        if row["what"] in ("by thresholds", "by epochs"):
            shape = f"{row['runs']:,} runs x {row['epochs']:,} epochs"
            asked = f"{row.get('thresholds', 5):,} thresholds"
            lines.append(f"| {shape}, {asked} | {row['seconds']:.3f} |")
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
    by_shape(rows)
    ratios |= live(rows)
    with tempfile.TemporaryDirectory() as name:
        ratios |= scaling(rows, Path(name))
        ratios |= larger_than_memory(Path(name))
    frame = pd.DataFrame(rows)
    frame.to_csv(HERE / "results.csv", index=False)
    matplotlib.use("agg")
    with drawn("paper", "page"):
        save(figure(frame), HERE / "time.png")
    text = (HERE / "README.md").read_text(encoding="utf-8")
    begin, end = "<!-- measured -->\n", "<!-- end -->\n"
    head, rest = text.split(begin)
    tail = rest.split(end)[1]
    body = report(ratios, times, rows)
    (HERE / "README.md").write_text(f"{head}{begin}{body}\n{end}{tail}", encoding="utf-8")
    print(body)


if __name__ == "__main__":
    main()
