"""Logs of the NanoGPT speedrun: language models trained to a target, and what was tried for it.

Source: K. Jordan et al., "modded-nanogpt: Speedrunning the NanoGPT baseline", 2024,
https://github.com/KellerJordan/modded-nanogpt.
"""

from pathlib import Path
from typing import Any

from earlystop_lab.curves import Channel, Curve
from earlystop_lab.sources.corpora.reading import Corpus, Reading, Size, named, set_of, unpacked
from earlystop_lab.sources.logs import read_logs

#: channel of a run -> the channel of the log
_CHANNELS = {"val": "val", "train": "train", "seconds": "train_time"}


def read(source: Path) -> Reading:
    """Read the logs in ``logs.tar.gz``, in the folder with it, or in a tree of ``records``.

    Raises ``OSError`` if nothing can be read, and ``ValueError`` for an archive that is none.
    """
    archive = source / "logs.tar.gz"
    place = archive if archive.is_file() else source
    with unpacked(place, (".txt", ".log")) as (folder, files), named(source):
        found = read_logs(folder)
        about = {"epoch": Channel(unit="step"), "seconds": Channel(unit="s")}
        curves = set_of(map(_run, found.curves), about)
    notes = [f"{len(found.skipped)} logs were not read."] if found.skipped else []
    return Reading(curves, files, notes)


def _run(curve: Curve) -> dict[str, Any]:
    """A run with its track and its record, by the place of its log.

    ``records/track_1_short/2024-10-10_Muon/eb56.txt`` is of track_1_short and 2024-10-10_Muon.
    """
    parts = curve.run.split("/")
    track = next((k for k, part in enumerate(parts) if part.startswith("track_")), None)
    facts = {
        "problem": "untracked" if track is None else parts[track],
        "dataset": "fineweb",
        "record": None if track is None or track + 2 >= len(parts) else parts[track + 1],
        "val.metric": "cross-entropy",
    }
    run = curve.as_run()
    channels = {name: run[own] for name, own in _CHANNELS.items() if own in run}
    return {"run": curve.run, **facts, "epoch": run["epoch"], **channels}


CORPUS = Corpus(
    read,
    "Logs of the NanoGPT speedrun: GPT-2-sized language models on FineWeb, 1,515 logs of three "
    "tracks",
    "https://github.com/KellerJordan/modded-nanogpt, records: a tree of .txt and .log files, or "
    "logs.tar.gz with it",
    'K. Jordan et al., "modded-nanogpt: Speedrunning the NanoGPT baseline", 2024, '
    "https://github.com/KellerJordan/modded-nanogpt",
    "MIT",
    Size(
        runs=1700,
        checks=34916,
        problems=3,
        datasets=1,
        channels="val, train, seconds",
        positions="step",
    ),
    {
        "error": "`val`, the validation loss in nats per token, lower is better; 80 logs have a "
        "training loss",
        "position": "`epoch` is the optimiser step. `seconds` is the time of training so far "
        "without that of validation. The spacing of the checks changes within many runs, most "
        "often at the end: patience in checks is no patience in steps",
        "end of the record": "tuned so that the last validation loss just meets the target (3.28; "
        "2.92 in track 2): this is no sample of ordinary training, and no part of it overfits",
        "cluster": "`problem`, the track; all runs have one data set, so there is one cluster. "
        "Some runs were filed again under a later record",
    },
)
