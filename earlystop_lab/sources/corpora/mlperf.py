"""Result files of MLPerf Training: every check until the target of the benchmark is reached.

Source: P. Mattson et al., "MLPerf Training Benchmark", MLSys 2020, arXiv:1910.01500; MLCommons,
results of MLPerf Training.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from earlystop_lab.curves import Channel, Mode
from earlystop_lab.curves.facts import TARGET
from earlystop_lab.sources.corpora.reading import Corpus, Reading, Size, named, set_of, unpacked
from earlystop_lab.sources.logs import LogImport, read_logs


class Benchmark(NamedTuple):
    """What a benchmark evaluates, under the key eval_accuracy, and on which data."""

    metric: str
    direction: Mode
    dataset: str


#: by the name of a result's folder; retinanet was called ssd in earlier rounds
BENCHMARKS = {
    "bert": Benchmark("masked-LM accuracy", "max", "wikipedia"),
    "dlrm_dcnv2": Benchmark("AUC", "max", "criteo"),
    "flux1": Benchmark("validation loss", "min", "cc12m"),
    "gnn": Benchmark("accuracy", "max", "igb"),
    "gpt3": Benchmark("log perplexity", "min", "c4"),
    "llama2_70b_lora": Benchmark("cross-entropy", "min", "scrolls-govreport"),
    "llama31_405b": Benchmark("log perplexity", "min", "c4"),
    "llama31_8b": Benchmark("log perplexity", "min", "c4"),
    "resnet": Benchmark("top-1 accuracy", "max", "imagenet"),
    "retinanet": Benchmark("mAP", "max", "openimages"),
    "rgat": Benchmark("accuracy", "max", "igb"),
    "ssd": Benchmark("mAP", "max", "openimages"),
    "stable_diffusion": Benchmark("FID", "min", "laion-400m"),
    "unet3d": Benchmark("mean Dice", "max", "kits19"),
}
_RENAMED = {"ssd": "retinanet"}
_PLACE = re.compile(
    r"(?:(?P<round>v[\d.]+)/)?(?P<submitter>[^/]+)/(?:results/)?(?P<system>[^/]+)/"
    r"(?P<benchmark>[^/]+)/result_\d+\.txt"
)
_STATUS = re.compile(r'"key": *"run_stop".*"status": *"(\w+)"')
#: the channels that are kept, beside the positions
_CHANNELS = ("val", "train", "lr", "seconds")


def read(source: Path, *, direction: Mode) -> Reading:
    """Read the result files of the benchmarks whose metric has this direction.

    The source is a tree ``<round>/<submitter>/<system>/<benchmark>/result_<n>.txt``, or archives
    (``.tar.gz``) of it.

    Raises ``OSError`` if nothing can be read, and ``ValueError`` for a place that is not of that
    form or names an unknown benchmark.
    """
    with unpacked(source, (".txt",)) as (folder, files), named(source):
        runs, unread = list[dict[str, Any]](), 0
        for place, facts in _results(folder):
            if BENCHMARKS[facts["benchmark"]].direction == direction:
                found = read_logs(folder / place)
                runs += _runs(found, place, {**facts, **_ending(folder / place)})
                unread += not len(found.curves)
        about = {
            "val": Channel(direction=direction, upper=1.0 if direction == "max" else None),
            "seconds": Channel(unit="s"),
        }
        curves = set_of(runs, about)
    notes = [f"{unread} files have no evaluation and are left out."] if unread else []
    return Reading(curves, files, notes)


def _results(folder: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The place of every result file, and what it says."""
    for path in sorted(folder.rglob("result_*.txt")):
        place = path.relative_to(folder).as_posix()
        match = _PLACE.fullmatch(place)
        if match is None or match["benchmark"] not in BENCHMARKS:
            raise ValueError(
                f"{place}: expected <round>/<submitter>/<system>/<benchmark>/result_<n>.txt with "
                f"one of {', '.join(BENCHMARKS)}"
            )
        yield place, match.groupdict()


def _ending(file: Path) -> dict[str, str | None]:
    """What ``run_stop`` says of the runs of a file; None if nothing, or different things."""
    said = set(_STATUS.findall(file.read_text(encoding="utf-8", errors="replace")))
    ended = said.pop() if len(said) == 1 else None
    return {"ended": TARGET if ended == "success" else ended}


def _runs(found: LogImport, place: str, facts: dict[str, Any]) -> Iterator[dict[str, Any]]:
    benchmark = facts["benchmark"]
    known = BENCHMARKS[benchmark]
    for k, curve in enumerate(found.curves, start=1):
        run = curve.as_run()
        yield {
            "run": place if len(found.curves) == 1 else f"{place}#{k}",
            "problem": _RENAMED.get(benchmark, benchmark),
            "dataset": known.dataset,
            **facts,
            "val.metric": known.metric,
            "epoch.unit": found.plan["unit"].iloc[k - 1],
            "epoch": run["epoch"],
            **{name: run[name] for name in _CHANNELS if name in run},
        }


def _corpus(direction: Mode, size: Size) -> Corpus:
    kind = "losses" if direction == "min" else "scores"
    listed = "; ".join(
        f"{name}: {known.metric}"
        for name, known in BENCHMARKS.items()
        if known.direction == direction and name not in _RENAMED
    )
    better = "lower" if direction == "min" else "higher"
    return Corpus(
        partial(read, direction=direction),
        f"Results of MLPerf Training, rounds 4.0, 5.0 and 5.1: the benchmarks that evaluate {kind}",
        "https://github.com/mlcommons/training_results_v4.0, v5.0 and v5.1, "
        "<submitter>/results/<system>/<benchmark>/result_<n>.txt: a tree of them below "
        "<round>, or .tar.gz archives of it",
        'P. Mattson et al., "MLPerf Training Benchmark", MLSys 2020, arXiv:1910.01500',
        "Apache-2.0",
        size,
        {
            "error": f"`val` is what the logs call eval_accuracy, {better} is better: {listed}. "
            "Training and validation losses are not on one scale",
            "position": "`epoch` counts samples, epochs or steps as logged (`epoch.unit`). "
            "`seconds` is the time since run_start, with evaluation; there is none where the "
            "evaluation ran after training. The interval of the checks depends on the batch size, "
            "and so on the system: compare patience in samples, not in checks",
            "end of the record": "the target of the benchmark is reached (`ended`, by run_stop): "
            "nearly every run ends at its best check, and none overfits. Lengths are random for "
            "that reason",
            "cluster": "`dataset`; ssd is the earlier name of retinanet. Some results were "
            "submitted twice",
        },
    )


LOSSES = _corpus(
    "min",
    Size(
        runs=2408,
        checks=23015,
        problems=6,
        datasets=4,
        channels="val, train, seconds, lr",
        positions="sample",
    ),
)
SCORES = _corpus(
    "max",
    Size(
        runs=2925,
        checks=79255,
        problems=7,
        datasets=6,
        channels="val, train, seconds",
        positions="sample, epoch",
    ),
)
