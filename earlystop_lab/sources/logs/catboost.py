"""CatBoost's ``catboost_info``: ``catboost_training.json`` and the ``*_error.tsv`` tables.

What CatBoost calls test is the data set it monitors for early stopping: the validation curve. Of
several sets (test, test1 ...) it is the last.
"""

import re
from pathlib import Path
from typing import Any

from earlystop_lab._common.wording import word_set
from earlystop_lab.curves import Mode
from earlystop_lab.sources.logs._cells import LogError, shown
from earlystop_lab.sources.logs._channels import meaning
from earlystop_lab.sources.logs._columns import Log, log_of_entries, log_of_rows
from earlystop_lab.sources.logs._reading import Source
from earlystop_lab.sources.logs.tables import read_table

#: CatBoost's own metrics by what it calls their best value; the tables hold the names alone
_MAX = word_set(
    """
    AUC Accuracy AverageGain BalancedAccuracy Cox DCG ERR F F1 FilteredDCG Kappa
    LogLikelihoodOfPrediction MAP MCC MRR NDCG NormalizedGini PFound PRAUC PairAccuracy
    Precision PrecisionAt QueryAUC QueryAverage R2 Recall RecallAt TotalF1 WKappa
    """
)
_MIN = word_set(
    """
    BalancedErrorRate BrierScore CrossEntropy Expectile FairLoss Focal GroupQuantile HammingLoss
    HingeLoss Huber LogCosh LogLinQuantile Logloss Lq MAE MAPE MSLE MedianAbsoluteError
    MultiClass MultiClassOneVsAll MultiCrossEntropy MultiLogloss MultiQuantile MultiRMSE
    MultiRMSEWithMissingValues NumErrors PairLogit PairLogitPairwise Poisson Quantile
    QueryCrossEntropy QueryRMSE QuerySoftMax RMSE RMSEWithUncertainty RMSPE SMAPE SurvivalAft
    Tweedie ZeroOneLoss
    """
)

_NAMES = ("catboost_training.json", "learn_error.tsv", "test_error.tsv", "time_left.tsv")


def owner(path: Path) -> Path | None:
    """The folder of CatBoost's own files, and of the event files that repeat them."""
    if path.name in _NAMES:
        return path.parent
    folder = path.parent
    repeats = "tfevents" in path.name and re.fullmatch(r"learn|test\d*", folder.name)
    if repeats and any((folder.parent / name).is_file() for name in _NAMES):
        return folder.parent
    return None


def recognises(source: Source) -> bool:
    document = None if source.path.is_dir() else source.document
    return isinstance(document, dict) and {"meta", "iterations"} <= document.keys()


def read(source: Source) -> list[Log]:
    """Read the JSON, which has full precision, or the tables if a crash left it unfinished."""
    files = {path.name: path for path in source.files if path.name in _NAMES[:3]}
    if not files:
        files = {_NAMES[0]: source.path}
    notes = []
    if (path := files.pop(_NAMES[0], None)) is not None:
        try:
            alone = source if source.path == path else Source(path)
            return [_from_json(alone.document)]
        except LogError as error:
            if not files:
                raise
            notes.append(f"{_NAMES[0]}: {error}; the tables in the same folder were read instead")
    if not files:
        raise LogError(f"the folder contains none of {', '.join(_NAMES[:3])}")
    log = _from_tables(files)
    log.notes += notes
    return [log]


def _from_json(document: Any) -> Log:
    if not (
        isinstance(document, dict)
        and isinstance(document.get("meta"), dict)
        and isinstance(document.get("iterations"), list)
    ):
        raise LogError("expected an object with 'meta' and 'iterations'")
    names: dict[str, list[str]] = {}
    modes: dict[str, Mode] = {}
    for part in ("learn", "test"):
        metrics = document["meta"].get(f"{part}_metrics", [])
        if not isinstance(metrics, list) or not all(
            isinstance(m, dict) and isinstance(m.get("name"), str) for m in metrics
        ):
            raise LogError(f"'{part}_metrics' of 'meta': expected a list of named metrics")
        names[part] = [metric["name"] for metric in metrics]
        for metric in metrics:
            if metric.get("best_value") in ("Min", "Max"):
                mode: Mode = "min" if metric["best_value"] == "Min" else "max"
                modes |= {f"{name}-{metric['name']}": mode for name in _sets(part, document)}
    entries = enumerate(document["iterations"], start=1)
    log = log_of_entries(entries, lambda entry: _iteration(entry, names))
    log.modes = modes
    return _settled(log)


def _sets(part: str, document: Any) -> list[str]:
    """The evaluation sets of one kind: ``learn``, or ``test``, ``test1`` ..."""
    named = document["meta"].get(f"{part}_sets")
    return [str(name) for name in named] if isinstance(named, list) else [part]


def _iteration(entry: Any, names: dict[str, list[str]]) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise LogError("an iteration is not an object")
    cells: dict[str, Any] = {"iteration": entry.get("iteration")}
    for part, values in entry.items():
        if re.fullmatch(r"learn|test\d*", part):
            metrics = names[part.rstrip("0123456789")]
            if not isinstance(values, list) or len(values) != len(metrics):
                raise LogError(f"{shown(part)}: expected {len(metrics)} values, one per metric")
            cells |= {f"{part}-{m}": value for m, value in zip(metrics, values, strict=True)}
    return cells


def _from_tables(files: dict[str, Path]) -> Log:
    rows: dict[str, dict[str, Any]] = {}
    lines: dict[str, int] = {}
    notes, skipped = [], []
    failed: LogError | None = None
    for part in ("learn", "test"):
        if (path := files.get(f"{part}_error.tsv")) is not None:
            try:
                table = read_table(Source(path))
            except LogError as error:  # with ranking metrics alone, learn's may have no values
                failed = failed or error
                notes.append(f"{path.name}: {error}")
                continue
            notes += [f"{path.name}: {note}" for note in table.notes]
            skipped += [LogError(f"{path.name}: {e}", e.line) for e in table.skipped]
            for i, cells in table.rows():
                at = str(cells.get("iter"))
                if at in rows and any(name.startswith(f"{part}-") for name in rows[at]):
                    notes.append(f"{path.name}: iteration {at} is repeated; the last one is kept")
                lines.setdefault(at, i)
                named = {f"{part}-{name}": v for name, v in cells.items() if name != "iter"}
                rows.setdefault(at, {"iteration": at}).update(named)
    if failed and not rows:
        raise failed
    log = log_of_rows((lines[at], cells) for at, cells in rows.items())
    log.notes, log.skipped = notes, skipped
    log.modes = {name: mode for name in log.columns if (mode := mode_of(name.partition("-")[2]))}
    return _settled(log)


def mode_of(metric: str) -> Mode | None:
    """What CatBoost says of a metric of its own, such as ``NDCG:type=Base``."""
    metric = metric.partition(":")[0]
    return "max" if metric in _MAX else "min" if metric in _MIN else None


def _settled(log: Log) -> Log:
    """Learn is train; val is the last test set, in the first metric of which lower is better.

    A metric of which nothing is known comes after those, one that learn has too before others.

    By that set CatBoost stops. Its tables number the metrics of the others: ``Logloss:0``.
    """
    parts = {name.split("-")[0] for name in log.columns}
    tests = sorted((p for p in parts if re.fullmatch(r"test\d*", p)), key=lambda p: int(p[4:] or 0))
    meant = {"learn": "train", **dict.fromkeys(tests[-1:], "val")}
    log.sets = {n: meant.get(n.split("-")[0], "other") for n in log.columns}
    log.rounds = True
    split = {name: name.partition("-") for name in log.columns}
    log.measures = {name: (part, metric) for name, (part, dash, metric) in split.items() if dash}
    names = [n for n in log.columns if log.sets[n] == "val" and not re.search(r":\d+$", n)]

    def order(name: str) -> tuple[int, bool]:
        known = {"max": 2, "min": 0, "higher": 2, "loss": 0, "error": 0}
        at = known.get(log.modes.get(name, meaning(name).kind), 1)
        return at, at == 1 and "learn-" + name.partition("-")[2] not in log.columns

    names.sort(key=order)
    if names:
        same = "learn-" + names[0].partition("-")[2]
        log.roles = {"val": names[0], **({"train": same} if same in log.columns else {})}
    if len(tests) > 1:
        log.notes.append(f"{tests[-1]}, which CatBoost monitors for early stopping, is used as val")
    return log
