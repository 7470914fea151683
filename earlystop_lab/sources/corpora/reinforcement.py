"""Evaluation returns of reinforcement learning: several public records of many runs.

Source: S. Fujimoto et al., 2018, arXiv:1802.09477 (TD3); D. Yarats et al., 2021, arXiv:2107.09645
(DrQ-v2); A. Raffin, RL Baselines3 Zoo, 2020; N. Hansen et al., 2024, arXiv:2310.16828 (TD-MPC2);
D. Hafner et al., 2023, arXiv:2301.04104 (DreamerV3).
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from earlystop_lab.curves import Channel
from earlystop_lab.sources.corpora.reading import (
    Corpus,
    Reading,
    Size,
    columns_of,
    json_of,
    named,
    set_of,
)


class _Table(NamedTuple):
    """One of the tables: the columns that name a run, its task, its position and its value."""

    run: tuple[str, ...]
    task: str
    at: str
    value: str
    hours: str | None = None


_TABLES = {
    "td3": _Table(("algo", "env", "seed"), "env", "step", "eval_return"),
    "drqv2": _Table(("file", "agent", "seed"), "file", "frame", "episode_reward", "hour"),
    "sb3_zoo": _Table(("algo", "env_run"), "env_run", "step", "eval_return_mean"),
    "tdmpc2": _Table(("algo", "task", "seed", "metric"), "task", "step", "value"),
}
_SCORES = "dreamerv3_scores"
#: what stands around the name of an environment: a suite, a version, a number of the run
_SUITE = re.compile(r"^(?:dmc|atari|dmlab|procgen)_|(?:-v\d+)?(?:_\d+)?$")


def read(source: Path) -> Reading:
    """Read a folder with ``td3.csv.gz``, ``drqv2.csv.gz``, ... and ``dreamerv3_scores/*.json.gz``.

    What is not there is left out. Of a position that a run lists twice, the first value is kept;
    a score that is null is not measured.

    Raises ``OSError`` if none is there, and ``ValueError`` naming file, row or run, and value.
    """
    runs, files = list[dict[str, Any]](), list[Path]()
    for name, table in _TABLES.items():
        for file in [f for f in (source / f"{name}.csv.gz", source / f"{name}.csv") if f.is_file()]:
            with named(file):
                runs += _of_table(name, table, file)
            files.append(file)
    for file in sorted((source / _SCORES).glob("*.json.gz")):
        with named(file):
            runs += _of_scores(file)
        files.append(file)
    if not files:
        raise FileNotFoundError(
            f"{source}: no evaluation returns; expected {', '.join(_TABLES)}.csv.gz or "
            f"{_SCORES}/*.json.gz"
        )
    about = {
        "epoch": Channel(unit="step"),
        "val": Channel(direction="max"),
        "seconds": Channel(unit="s"),
    }
    with named(source):
        return Reading(set_of(runs, about), files, [])


def _of_table(name: str, table: _Table, file: Path) -> Iterator[dict[str, Any]]:
    types = {
        **dict.fromkeys((*table.run, table.task), pa.string()),
        **dict.fromkeys((table.at, table.value), pa.float64()),
        **({table.hours: pa.float64()} if table.hours else {}),
    }
    columns = columns_of(file, types)
    rows: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(zip(*(columns[c].tolist() for c in table.run), strict=True)):
        rows.setdefault(key, []).append(row)
    for key, of_run in rows.items():
        # the first of equal positions
        at, first = np.unique(columns[table.at][of_run], return_index=True)
        chosen = np.array(of_run)[first]
        metric = columns["metric"][chosen[0]] if "metric" in table.run else "return"
        hours = {"seconds": 3600 * columns[table.hours][chosen]} if table.hours else {}
        yield {
            **_facts(name, "/".join(key), str(columns[table.task][chosen[0]]), str(metric)),
            "epoch": at,
            "val": columns[table.value][chosen],
            **hours,
        }


def _of_scores(file: Path) -> Iterator[dict[str, Any]]:
    name = file.name.removesuffix(".json.gz")
    entries = json_of(file)
    for i, entry in enumerate(entries if isinstance(entries, list) else [entries]):
        if not isinstance(entry, dict) or not {"task", "seed", "xs", "ys"} <= entry.keys():
            raise ValueError(f"entry {i}: expected an object with task, seed, xs and ys")
        pairs = zip(entry["xs"], entry["ys"], strict=True)
        score = dict(reversed([(x, y) for x, y in pairs if y is not None]))
        if score:
            at = sorted(score)
            run = f"{name}/{entry['task']}/{entry['seed']}"
            facts = _facts("dreamerv3", run, str(entry["task"]), "return")
            yield {**facts, "epoch": at, "val": [score[x] for x in at]}


def _facts(record: str, run: str, task: str, metric: str) -> dict[str, Any]:
    """The name, task and environment of a run.

    >>> _facts("td3", "TD3/Ant-v1/0", "Ant-v1", "return")["dataset"]
    'ant'
    """
    environment = _SUITE.sub("", task).replace("-", "_").lower()
    return {
        "run": f"{record}/{run}",
        "problem": f"{record}/{task}",
        "dataset": environment,
        "record": record,
        "val.metric": metric,
    }


CORPUS = Corpus(
    read,
    "Evaluation returns of reinforcement learning: TD3, DrQ-v2, the agents of RL Baselines3 Zoo, "
    "TD-MPC2 and the methods that DreamerV3 was compared with",
    "https://github.com/sfujim/TD3 (learning_curves), https://github.com/facebookresearch/drqv2 "
    "(curves), https://github.com/DLR-RM/rl-trained-agents (evaluations.npz), "
    "https://github.com/nicklashansen/tdmpc2 (results), https://github.com/danijar/dreamerv3 "
    "(scores): tables td3, drqv2, sb3_zoo, tdmpc2 as .csv.gz, and dreamerv3_scores/*.json.gz",
    "S. Fujimoto et al., 2018, arXiv:1802.09477; D. Yarats et al., 2021, arXiv:2107.09645; "
    "A. Raffin, RL Baselines3 Zoo, 2020; N. Hansen et al., 2024, arXiv:2310.16828; D. Hafner et "
    "al., 2023, arXiv:2301.04104",
    "MIT (each of the five)",
    Size(
        runs=4932,
        checks=1257798,
        problems=299,
        datasets=252,
        channels="val, seconds",
        positions="step",
    ),
    {
        "error": "none: `val` is the return of an evaluation, or the rate of success, and higher "
        "is better. Returns of different tasks have different ranges and may be negative: compare "
        "them by their range, not by ratios. Some scores of DreamerV3's comparison are returns in "
        "training",
        "position": "`epoch` is the step of the environment (frame); the spacing differs between "
        "methods",
        "end of the record": "the budget of the method; the agents of the Zoo were tuned, one "
        "seed each",
        "cluster": "`dataset`, the environment without suite and version; `problem` also names "
        "the record",
    },
)
