"""Import training logs of other programs as curve sets.

:data:`FORMATS` is the table of all known formats: how each format is recognised, how it is read,
and which files belong together. To add a format, write one module with ``recognises(source)`` and
``read(source)`` and add one line to the table.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, NamedTuple, TypeVar, get_args

import numpy as np
import pandas as pd

from earlystop_lab._common.checks import one_of, require, require_mode
from earlystop_lab._common.progress import followed
from earlystop_lab.curves import CurveSet, Mode, facts_of
from earlystop_lab.sources.logs import (
    _apart,
    _elsewhere,
    _searches,
    autogluon,
    boosting,
    catboost,
    catboost_cv,
    clearml,
    dvclive,
    generic,
    huggingface,
    keras,
    lightning,
    mlflow,
    mlflow_database,
    mlperf,
    nanogpt,
    ngboost,
    optuna,
    sacred,
    sb3,
    sklearn,
    sklearn_scores,
    swanlab,
    tables,
    tensorboard,
    tensorboard_export,
    trackio,
    ultralytics,
    wandb,
    ydf,
)
from earlystop_lab.sources.logs._about import channels
from earlystop_lab.sources.logs._axes import one_axis
from earlystop_lab.sources.logs._cells import LogError, listed, shown
from earlystop_lab.sources.logs._channels import Choice, choose, run_columns, run_names
from earlystop_lab.sources.logs._checks import Between, measure
from earlystop_lab.sources.logs._columns import Log, grouped, joined
from earlystop_lab.sources.logs._counted import in_order
from earlystop_lab.sources.logs._finding import Owner, Twins, clean, find, labels
from earlystop_lab.sources.logs._reading import Note, Skipped, Source, limited
from earlystop_lab.sources.logs._restarts import Restart, runs_of
from earlystop_lab.sources.logs._together import Run, together
from earlystop_lab.sources.logs._values import as_meant, doubts, is_share

__all__ = ["FORMATS", "LogImport", "Note", "Skipped", "read_logs"]

T = TypeVar("T")

#: lines of one file that are named one by one; further ones are counted
MOST_LINES = 20
#: cells of a run above which at least this share of them has to be filled
_MOST_EMPTY, _LEAST_FILLED = 10_000_000, 0.01
#: how far above shares of 1 the same in percent is at least
_APART = 10


class Format(NamedTuple):
    """A log format: how it is recognised and read, and which files belong to one log."""

    #: None if the names of the files are sufficient
    recognises: Callable[[Source], bool] | None
    read: Callable[[Source], list[Log]]
    owner: Owner | None = None
    #: True for a JSON format; ``recognises`` is then called for JSON files only
    json: bool = False


def _recognised(source: Source) -> str:
    try:
        for name, known in FORMATS.items():
            if known.recognises is None or (known.json and not source.is_json):
                continue
            if known.recognises(source):
                return name
        _searches.refuse_text(source.text)
    except LogError:
        _elsewhere.refuse(source)
        raise
    _elsewhere.refuse(source)
    raise LogError(
        f"not a log of a known format; the file begins with {shown(source.text.strip())}"
    )


def _read_apart(source: Source) -> list[Log]:
    """The files of one run that each hold one set, each with the name of its set."""
    logs: list[Log] = []
    skipped: list[LogError] = []
    for path in source.files:
        part = Source(path)
        try:
            name = _recognised(part)
            found = FORMATS[name].read(part)
            if len(found) != 1:
                raise LogError(f"expected one run for each data set, found {len(found)}")
        except LogError as error:
            skipped.append(LogError(f"{path.name}: {error}", error.line))
            continue
        one = tables.wide(found[0]) if name in _GENERIC else found[0]
        log = _apart.labelled(one, path)
        notes = [f"{path.name}: {note}" for note in (*part.notes, *log.notes)]
        logs.append(replace(log, notes=notes))
    if not logs:
        raise skipped[0]
    names = listed((f"{path.parent.name}/{path.name}" for path in source.files), most=4)
    log = joined(logs)
    log.notes.append(f"one run in {len(source.files)} files, one per data set: {names}")
    return [replace(log, shared=False, skipped=[*skipped, *log.skipped])]


#: all formats by name, in the order in which they are tried: specific formats before general ones
FORMATS: Mapping[str, Format] = {
    "mlflow-database": Format(mlflow_database.recognises, mlflow_database.read),
    "trackio": Format(trackio.is_database, trackio.read_database),
    "optuna": Format(optuna.recognises, optuna.read),
    "swanlab": Format(swanlab.recognises, swanlab.read, swanlab.owner),
    "parquet": Format(generic.is_parquet, generic.read_parquet),
    "sb3-evaluations": Format(sb3.is_evaluations, sb3.read_evaluations, sb3.owns_evaluations),
    "sb3-monitor": Format(sb3.is_monitor, sb3.read_monitor, sb3.owns_monitor),
    "clearml": Format(clearml.recognises, clearml.read, clearml.owner),
    "mlperf": Format(mlperf.recognises, mlperf.read),
    "ydf": Format(ydf.recognises, ydf.read),
    "catboost": Format(catboost.recognises, catboost.read, catboost.owner, json=True),
    "tensorboard": Format(None, tensorboard.read, tensorboard.owner),
    "tensorboard-export": Format(
        tensorboard_export.recognises, tensorboard_export.read, tensorboard_export.owner
    ),
    "mlflow": Format(None, mlflow.read, mlflow.owner),
    "dvclive": Format(None, dvclive.read, dvclive.owner),
    "sacred": Format(sacred.recognises, sacred.read, sacred.owner, json=True),
    "huggingface": Format(huggingface.recognises, huggingface.read, huggingface.owner, json=True),
    "trackio-metric": Format(trackio.is_metric, trackio.read_metric, json=True),
    "autogluon": Format(autogluon.recognises, autogluon.read, json=True),
    "ngboost": Format(ngboost.recognises, ngboost.read, json=True),
    "sklearn-scores": Format(sklearn_scores.recognises, sklearn_scores.read),
    "catboost-cv": Format(catboost_cv.recognises, catboost_cv.read),
    "sklearn": Format(sklearn.recognises, sklearn.read, json=True),
    "lightgbm": Format(boosting.is_lightgbm, boosting.read_lightgbm, json=True),
    "keras-history": Format(keras.is_history, keras.read_history, json=True),
    "xgboost": Format(boosting.is_xgboost, boosting.read_xgboost, json=True),
    "wandb": Format(wandb.recognises, wandb.read),
    "json": Format(generic.is_json, generic.read_json, json=True),
    "ultralytics": Format(ultralytics.recognises, ultralytics.read),
    "lightning": Format(lightning.recognises, tables.read),
    "keras-csv": Format(keras.is_csv, keras.read_csv),
    "text": Format(nanogpt.recognises, nanogpt.read),
    "csv": Format(tables.is_table, tables.read),
    "apart": Format(None, _read_apart, _apart.owner),
}
#: formats of whose tables the columns may tell runs, sets and metrics apart
_GENERIC = ("csv", "json", "parquet", "keras-csv", "lightning", "wandb", "text")


class LogImport(NamedTuple):
    """The result of :func:`read_logs`: what was read and what was skipped."""

    curves: CurveSet
    #: files, and lines of files, that could not be read
    skipped: tuple[Skipped, ...]
    #: repairs that were made and assumptions
    notes: tuple[Note, ...]

    @property
    def plan(self) -> pd.DataFrame:
        """A table with one row per run that shows what was read from where.

        Its columns are file, run and format; val, train, test and epoch, the source columns of
        these curves (None if there is none; epochs are then counted); the unit of the positions;
        direction (``max`` if higher values of val are better); and the numbers of checks and
        channels.
        """
        names = ["val", "train", "test", "epoch"]
        columns = ["file", "run", "format", *names, "unit", "direction", "checks", "channels"]
        plan = self.curves.meta
        plan["checks"] = [
            int(curve.measured("val").sum()) if "val" in curve.channels else len(curve)
            for curve in self.curves
        ]
        plan["channels"] = [len(curve.channels) for curve in self.curves]
        plan["direction"] = self.curves.about("val").direction
        sources = {f"{name}.source": name for name in names}
        plan = plan.rename(columns={**sources, "epoch.unit": "unit"}).reindex(columns=columns)
        for name in names:
            plan[name] = plan[name].astype(object).where(plan[name].notna(), None)
        return plan


def read_logs(
    paths: str | Path | Iterable[str | Path],
    *,
    val: str | None = None,
    train: str | None = None,
    test: str | None = None,
    epoch: str | None = None,
    run: str | None = None,
    format: str | None = None,
    mode: Mode | None = None,
    restart: Restart = "run",
    between: Between = "last",
    largest: int | None = None,
) -> LogImport:
    """Read training logs from files (also gzipped) and from folders, including subfolders.

    *Choice of columns.* The format of each file (a key of :data:`FORMATS`) is recognised by its
    content, unless ``format`` sets it for all files. ``val``, ``train``, ``test`` and ``epoch``
    name the columns to use. All others are chosen by name, and a validation loss takes precedence.
    A metric that was evaluated and is not a loss, such as an accuracy, is never chosen by default,
    and no training curve replaces it; the file is skipped and the reason lists the metric as an
    option. If ``val`` is given, ``train`` is the same quantity or is left out with a note. Every
    other numeric column becomes a channel with its own name (``learning_rate`` becomes ``lr``;
    " (logged)" is appended to a reserved name such as ``epoch``). Its data set, metric, direction
    and unit are taken from the format or the name. Values are kept as recorded: ``mode="max"``
    states that higher is better for ``val`` and for the same metric of the other data sets.

    *Runs.* ``run`` names a column that separates the runs in a table. Columns called run, trial,
    seed, fold or the like do so by default, as do printed lines such as ``Fold 2``. A column called
    model, name or k does so if the positions restart with each of its values. A table may have one
    number per row (with columns such as metric and value), or separate rows for each data set (with
    a column such as phase). Files and folders may also be named after a data set
    (``train/loss.tsv`` and ``val/loss.tsv``, ``train.csv`` and ``val.csv``), and rotated files
    (``train.log.1``) form one log.

    *Positions* are steps if the log has them and does not restart them in every epoch, otherwise
    epochs, otherwise row numbers. Epochs and boosting rounds are numbered from 1 in every format: 1
    is added if a log counts from 0, that is, if its first position is 0, or if Keras' ``CSVLogger``
    wrote it and it begins with a later one. Steps are kept as recorded. If the log has both steps
    and epochs and they agree, steps are converted to fractional epochs. The unit of the positions
    is ``epoch.unit``: epoch, round, step, or check if they are counted. If row numbers are used and
    a column with the time of each row goes back, as in a table with the newest row first, the rows
    are numbered in order of time.

    *Restarts.* If positions restart at the first one of the file, another run begins, unless
    ``restart="continue"`` states that the same run was trained further (a second ``fit``); its
    positions are then continued. If positions go back to a later one, training was resumed, and the
    new values replace the old ones. Rows that repeat others exactly, as two processes write them,
    are read once, and so is a copy of a log in the same folder. A file that begins where another
    one ends is reported: it may be the same run, resumed.

    *Checks.* A check is a position at which ``val`` was measured. If a channel was measured more
    often, a check keeps its last value since the previous check; a channel that was not measured
    since then is missing at that check. With ``between="mean"``, a check keeps the mean of these
    values for training errors and scores instead (NaN if any of them is), and the metric of the
    channel says so. If training was logged before the first check or after the last one, its first
    and last positions are also rows of the run, with ``val`` missing, so that a run ends where
    training ended. A log without any error keeps all its positions.

    *Values.* Representations of NaN and infinity are recognised: MLflow's ``is_nan`` and largest
    float, ClearML's 0, a loss of 0 next to a ``grad_norm`` that is not finite. A validation error
    of exactly 0 far below its neighbours is kept and reported in a note, and so are a -1 among
    positive errors, values that look carried on from one evaluation to the next, and a change from
    shares to percent. Decimal commas and marks between thousands (``1.234,5``, ``1'000``) are
    understood where the table leaves no other reading.

    *What was not read.* A file or line that cannot be read is listed in ``skipped``, and the rest
    is imported. Repairs and assumptions are listed in ``notes``. A channel has one direction in a
    curve set: runs whose ``val`` has a different direction from most are skipped. The metadata of
    the curves are format, file, and, for the channels, ``val.source``, ``val.metric`` and so on.

    *Limits.* A file larger than 1 GiB is refused, as is a compressed file (gzip, zip) that unpacks
    to more than 256 MiB. ``largest`` replaces both limits. Reading needs several times as much
    memory as the text.

    Parameters
    ----------
    paths : path or iterable of paths
        Log files, or folders with log files.
    val, train, test, epoch : str, optional
        Columns of the validation, training and test errors and of the positions.
    run : str, optional
        Column that separates the runs in a table.
    format : str, optional
        Format of all files, a key of :data:`FORMATS`. By default it is recognised.
    mode : {"min", "max"}, optional
        Whether lower or higher values of ``val`` are better.
    restart : {"run", "continue"}
        Whether positions that restart begin another run or continue the same one.
    between : {"last", "mean"}
        What a check keeps of the training values since the previous check.
    largest : int, optional
        Largest allowed size in bytes of a file, also after unpacking.

    Returns
    -------
    LogImport
        The curves, and what was chosen, assumed and skipped.

    Raises
    ------
    ValueError
        If ``format``, ``mode``, ``restart`` or ``between`` is not one of the values above, or
        ``largest`` is not an integer above 0.

    Examples
    --------
    >>> import tempfile
    >>> log = Path(tempfile.mkdtemp()) / "history.csv"
    >>> _ = log.write_text("epoch,loss,val_loss\\n0,0.9,1.0\\n1,0.5,0.8\\n2,0.3,oops\\n")
    >>> found = read_logs(log)
    >>> found.curves["history.csv"].val
    array([1. , 0.8])
    >>> print(found.plan.to_string(index=False))
           file         run    format      val train test epoch  unit direction  checks  channels
    history.csv history.csv keras-csv val_loss  loss None epoch epoch       min       2         2
    >>> found.skipped
    (Skipped(file='history.csv', line=4, reason="column 'val_loss': 'oops' is not a number"),)
    >>> found.notes
    (Note(file='history.csv', text="'epoch' counts from 0; 1 was added"),)
    """
    formats = FORMATS if format is None else {one_of("format", format, FORMATS): FORMATS[format]}
    if mode is not None:
        require_mode(mode)
    one_of("restart", restart, get_args(Restart))
    one_of("between", between, get_args(Between))
    fits = largest is None or (isinstance(largest, int) and largest > 0)
    require("largest", largest, fits, "a number of bytes above 0, or None for the usual limits")
    given = [Path(path) for path in ([paths] if isinstance(paths, (str, Path)) else paths)]
    _apart.forget()
    sources, skipped = find(given, {n: f.owner for n, f in formats.items() if f.owner})
    twins = Twins([s.path for name, s in sources if name is None and len(s.files) == 1])
    asked = {"val": val, "train": train, "test": test, "epoch": epoch}
    runs: list[Run] = []
    notes: list[Note] = []
    # a folder with one file is named as that file: shorter to find, and no two are the same
    shown_as = [source.files[0] if len(source.files) == 1 else source.path for _, source in sources]
    count, each = len(sources), zip(labels(shown_as, given), _drained(sources), strict=True)
    for label, (name, source) in followed(each, "reading logs", count, "files"):
        with limited(largest):
            twin = twins.of(source)
        if twin is not None:
            notes.append(
                Note(label, clean(f"a copy of {twin.name} in the same folder; read only once"))
            )
            continue
        file = _File(label, asked, mode, restart, between)
        try:
            with limited(largest):
                file.add(name or format or _recognised(source), source, run)
        except LogError as error:
            file.skipped.append(error)
        runs += file.runs
        notes += file.told()
        skipped += _named(file.label, file.skipped)
    curves, apart = together(runs)
    notes += [*_resumed_elsewhere(runs), *_in_two_units(runs), *_all_end_at_their_best(curves)]
    return LogImport(curves, (*skipped, *apart), tuple(notes))


def _resumed_elsewhere(runs: Sequence[Run]) -> Iterator[Note]:
    """A note on each file that goes on where another one beside it ends."""
    ends: dict[object, list[str]] = {}
    for cells in (run.cells for run in runs):
        for near in _near(cells["file"]):
            ends.setdefault((near, cells["epoch.unit"], cells["epoch"][-1]), []).append(
                cells["file"]
            )
    for cells in (run.cells for run in runs if run.cells["epoch.unit"] != "check"):
        at, unit = cells["epoch"], cells["epoch.unit"]
        apart = float(np.median(np.diff(at))) if len(at) > 1 else 1.0
        if at[0] <= apart:
            continue
        found = [ends.get((near, unit, at[0] - apart), []) for near in _near(cells["file"])]
        before = next((files for files in found if {*files} - {cells["file"]}), None)
        if before is not None:
            more = f" and {len(before) - 1} more" if len(before) > 1 else ""
            yield Note(
                cells["file"],
                f"begins at {unit} {at[0]:g}, where {before[0]}{more} ends, as a resumed run does; "
                "it is read as a run of its own; to read one run, append this file to that one",
            )


def _near(file: str) -> list[PurePath]:
    """The folders whose files may be of the same run: version_0/metrics.csv lies in two."""
    return [*PurePath(file).parents][:2]


def _in_two_units(runs: Sequence[Run]) -> Iterator[Note]:
    """A note if the validation curves of some files are shares of 1, and of others percent."""
    highest: dict[bool, dict[str, float]] = {True: {}, False: {}}
    for cells, about in runs:
        if "val" in about and is_share(str(about["val"].metric)):
            values = np.ma.filled(cells["val"], np.nan)
            top = float(np.max(values, where=~np.isnan(values), initial=-np.inf))
            highest[top <= 1][cells["file"]] = top
    shares, percent = highest[True], highest[False]
    if shares and percent and min(percent.values()) > _APART * max(shares.values()):
        (file, top), (other, most) = min(shares.items()), min(percent.items())
        yield Note(
            file,
            f"val is at most {top:g} here, but up to {most:g} in {other}: one may be a share of 1 "
            "and the other percent; import them separately, or correct one of them",
        )


def _all_end_at_their_best(curves: CurveSet) -> list[Note]:
    """A note on each file if there are several runs, and the last check of each is its best."""
    if len(curves) < 3 or curves.about("val").direction is None:
        return []
    known = facts_of(curves)
    if not (known.censored & known.validated & (known.counts("val") > 1)).all():
        return []
    text = (
        "the last check of every run is its best; histories that were cut to their best epoch, as "
        "by skorch's Checkpoint(load_best=True), look like this and cannot tell when to stop"
    )
    return [Note(file, text) for file in dict.fromkeys(curves.meta["file"])]


def _drained(items: list[T]) -> Iterator[T]:
    """The items, none of them kept, so that what was read of one is gone before the next."""
    items.reverse()
    while items:
        yield items.pop()


class _File:
    """What one file, or folder of files that belong together, gave."""

    def __init__(
        self,
        label: str,
        asked: Mapping[str, str | None],
        mode: Mode | None,
        restart: Restart,
        between: Between,
    ) -> None:
        self.label, self.asked, self.mode = label, asked, mode
        self.restart, self.between = restart, between
        self.runs: list[Run] = []
        #: each with the run that it is about, "" for the whole file
        self.notes: list[tuple[str, str]] = []
        self.skipped: list[LogError] = []

    def add(self, name: str, source: Source, run: str | None) -> None:
        logs = FORMATS[name].read(source)
        source.forget()
        self.notes += [("", note) for note in source.notes]
        if not logs:
            raise LogError(f"the log has the format {name} but contains no curves")
        for log in _drained(logs):
            _searches.refuse(log)
            parts = _by_run(log, run, name in _GENERIC)
            del log
            for part in _drained(parts):
                own = one_axis(tables.wide(part)) if name in _GENERIC else part
                del part
                self._add_log(name, own)

    def _add_log(self, name: str, log: Log) -> None:
        try:
            choice = choose(log, self.asked, self.mode)
        except LogError as error:
            self._refuse(log, error)
            return
        self.notes += [(log.name, note) for note in choice.notes]
        log, choice = in_order(log, choice)
        runs, said = runs_of(as_meant(log, choice), choice, self.restart)
        self.notes += [(log.name, note) for note in said]
        for part in runs:
            self._add_run(name, part, choice)

    def _add_run(self, name: str, log: Log, choice: Choice) -> None:
        try:
            named = channels(log, choice)
            _require_filled(log, choice.val, [each.column for each in named.values()])
            measured = measure(log, choice, named, self.between)
        except LogError as error:
            self._refuse(log, error)
            return
        self.notes += [
            (log.name, note) for note in (*measured.notes, *_doubted(measured.run, choice))
        ]
        self.skipped += measured.skipped
        label = f"{self.label}:{log.name}" if log.name else self.label
        about = {"run": clean(label), "format": name, "file": self.label}
        if choice.epoch is not None:
            about["epoch.source"] = clean(choice.epoch)
        self.runs.append(Run({**measured.run, **about}, measured.about))

    def _refuse(self, log: Log, error: LogError) -> None:
        self.notes += [("", note) for note in log.notes]
        of = f"run {log.name}: " if log.name else ""
        self.skipped += [*log.skipped, LogError(of + str(error), error.line)]

    def told(self) -> list[Note]:
        """The notes, each text once, with the run that it is about, or how many."""
        runs: dict[str, list[str]] = {}
        for run, text in self.notes:
            runs.setdefault(text, []).append(run)
        return [Note(self.label, clean(_about_runs(its) + text)) for text, its in runs.items()]


def _doubted(run: Mapping[str, Any], choice: Choice) -> Iterator[str]:
    if choice.val is not None:
        there = ~np.ma.getmaskarray(run["val"])
        values = np.ma.getdata(run["val"])[there]
        yield from doubts(choice.val, run["epoch"][there], values, run["epoch.unit"])


def _require_filled(log: Log, val: str | None, columns: Sequence[str]) -> None:
    """Raise :class:`LogError` where a short text would become a huge table with hardly a value."""
    # a run that ended before its first check lacks the column
    counts = {name: log.columns[name].filled for name in columns if name in log.columns}
    checks = len(log) if val is None else counts.get(val, 0)
    cells, filled = len(columns) * checks, sum(counts.values())
    if cells > _MOST_EMPTY and filled < _LEAST_FILLED * cells:
        raise LogError(
            f"only {filled} of {cells} cells are filled ({len(columns)} columns, {checks} checks); "
            "expected the same metrics at most checks"
        )


def _about_runs(runs: Sequence[str]) -> str:
    named = [*dict.fromkeys(runs)]
    if "" in named:
        return ""
    return (
        f"run {named[0]}: " if len(named) == 1 else f"{len(named)} runs, starting with {named[0]}: "
    )


def _by_run(log: Log, column: str | None, generic: bool) -> list[Log]:
    """A table split by the columns that name its runs."""
    names = [column] if column else run_columns(log) if generic else []
    if not names:
        return [log]
    if names[0] not in log.columns:
        raise LogError(
            f"no column {shown(names[0])} for run; the columns are {listed(log.columns)}"
        )
    parts = grouped(*run_names(log, names))
    if column is None and len(parts) == len(log):
        raise LogError(
            f"the table has one row per run ({listed(names)} differs in every row) and no curves"
        )
    logs = [replace(log.take(rows), name=name, notes=[], skipped=[]) for name, rows in parts]
    logs[0].notes, logs[0].skipped = log.notes, log.skipped
    return logs


def _named(label: str, errors: list[LogError]) -> list[Skipped]:
    named = [Skipped(label, error.line, clean(str(error))) for error in errors[:MOST_LINES]]
    if (more := len(errors) - MOST_LINES) > 0:
        named.append(Skipped(label, None, f"{more} more lines or entries were skipped"))
    return named
