"""Training logs of other programs, read into curve sets.

:data:`FORMATS` is the one table of what is known: for each format how a file of it is
recognised, how it is read, and which files belong together. A new format is one module with
``recognises(source)`` and ``read(source)``, and one line there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar, get_args

import pandas as pd

from earlystop_lab._common.checks import one_of, require, require_mode
from earlystop_lab.curves import CurveSet, Mode
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
from earlystop_lab.sources.logs._finding import Owner, Twins, clean, find, labels
from earlystop_lab.sources.logs._reading import Note, Skipped, Source, limited
from earlystop_lab.sources.logs._restarts import Restart, runs_of
from earlystop_lab.sources.logs._together import Run, together
from earlystop_lab.sources.logs._values import as_meant

__all__ = ["FORMATS", "LogImport", "Note", "Skipped", "read_logs"]

T = TypeVar("T")

#: lines of one file that are named one by one; further ones are counted
MOST_LINES = 20


class Format(NamedTuple):
    """One kind of log: whether a file is one, its runs, and the folder of files it consists of."""

    #: None where the names of the files alone tell
    recognises: Callable[[Source], bool] | None
    read: Callable[[Source], list[Log]]
    owner: Owner | None = None
    #: of other files it is not asked whether they are of this format
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
        f"no log of a known format ({', '.join(FORMATS)}); it begins {shown(source.text.strip())}"
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
                raise LogError(f"{len(found)} runs in one set of a run")
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
    log.notes.append(f"one run in {len(source.files)} files, a set each: {names}")
    return [replace(log, shared=False, skipped=[*skipped, *log.skipped])]


#: every format by name, in the order in which they are tried: the particular before the general
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
    """What :func:`read_logs` read and what it did not."""

    curves: CurveSet
    #: files, and lines of files, that could not be used
    skipped: tuple[Skipped, ...]
    #: repairs and assumptions
    notes: tuple[Note, ...]

    @property
    def plan(self) -> pd.DataFrame:
        """What was read from where, one row a run.

        Columns: file, run, format, the column that became each of val, train, test and epoch
        (None: not there; epoch then is counted), unit of the positions, direction (``max``: higher
        is better in val), the number of checks and that of channels.
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
    """Read training logs from files (also gzipped) and folders, with all the folders in them.

    The format of each file (a key of :data:`FORMATS`) is recognised by its content, unless
    ``format`` says it for all. ``val``, ``train``, ``test`` and ``epoch`` name the columns to
    use; what is not named is chosen by name, a validation loss before anything else. ``run``
    names a column that tells the runs of one table apart; columns called run, trial, seed, fold
    or the like do so unasked, and so does a printed line such as ``Fold 2``; a column called model,
    name or k does where positions start anew with each.
    A table may have one number a row (columns such as metric and value) or each set on rows of its
    own (a column such as phase); files and folders may also be named after a set
    (``train/loss.tsv`` and ``val/loss.tsv``, ``train.csv`` and ``val.csv``), and rotated files
    (``train.log.1``) are one log. A metric that was evaluated and is no loss, such as an accuracy,
    is not chosen unasked, and no training curve takes its place: the reason names it as a choice.
    Beside a ``val`` that was asked for, ``train`` is the same quantity, or is left out with a note.

    Positions are steps where the log has them and does not count them anew in every epoch, else
    epochs, else row numbers. Epochs and boosting rounds are numbered from 1 in every format: 1 is
    added where a log counts from 0, that is where its first one is 0, or where Keras' ``CSVLogger``
    wrote it and it begins with a later one. Steps are as recorded.

    Positions that start again at the first one of the file begin another run;
    ``restart="continue"`` says that it is one run, trained on (a second ``fit``), whose positions
    go on. Positions that go back to a later one are a resumed run, of which the later values count.
    Rows that repeat others exactly, as two processes write them, count once, and so does a copy of
    a log beside it.

    What loggers write for NaN and infinity is read as that: MLflow's ``is_nan`` and largest float,
    ClearML's 0, a loss of 0 beside a ``grad_norm`` that is not finite. A validation error of
    exactly 0 far below its neighbours is kept, and a note names it.

    Every other column of numbers is a channel by its own name (``learning_rate`` is ``lr``; to one
    that is taken, such as ``epoch``, " (logged)" is added), with the set, the metric, the direction
    and the unit that the format or the name says. Values are as recorded: ``mode="max"`` says that
    higher is better in ``val`` and in the same metric of the other sets.

    A check is a position at which ``val`` was measured. Of a channel that was measured more often,
    a check keeps the last value since the check before; what was not measured since then is missing
    there. With ``between="mean"``, a check keeps the mean of those values instead for training
    errors and scores, NaN where one of them is, and the metric of such a channel says so. Where
    training was logged before the first check or after the last one, its first and last position
    are rows of the run, too, in which ``val`` is missing, so that a run ends where training ended.
    A log without any error keeps all its positions. Steps become epochs, with fractions, where the
    log has both and they agree; the unit of the positions is ``epoch.unit``: epoch, round, step, or
    check where they are counted.

    A file or line that cannot be used is named in ``skipped`` and the rest is imported; what
    was repaired or assumed is named in ``notes``. One channel has one direction in a set: runs
    whose ``val`` has another than that of most are skipped. Metadata of the curves are format,
    file, and of the channels ``val.source``, ``val.metric`` and the like.

    A file of more than 1 GiB is refused, and one that was packed (gzip, zip) of which more than
    256 MiB come out; ``largest`` is the number of bytes to allow in place of both. Reading takes a
    few times the memory of the text.

    Parameters
    ----------
    paths : path or iterable of paths
        Log files, or folders with log files.
    val, train, test, epoch : str, optional
        Columns of the validation, training and test error, and of the positions.
    run : str, optional
        Column that tells the runs of one table apart.
    format : str, optional
        Format of all files, a key of :data:`FORMATS`; recognised if not given.
    mode : {"min", "max"}, optional
        Whether lower or higher values of ``val`` are better.
    restart : {"run", "continue"}
        Whether positions that start again begin another run or continue the same one.
    between : {"last", "mean"}
        What a check keeps of the training values since the check before.
    largest : int, optional
        Largest size in bytes of a file, and of what is unpacked from one.

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
    (Note(file='history.csv', text="'epoch' counts from 0: recorded + 1"),)
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
    for label, (name, source) in zip(labels(shown_as, given), _drained(sources), strict=True):
        with limited(largest):
            twin = twins.of(source)
        if twin is not None:
            notes.append(Note(label, clean(f"the same as {twin.name} beside it: read once")))
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
    return LogImport(curves, (*skipped, *apart), tuple(notes))


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
            raise LogError(f"no curves of the format {name} in it")
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
        runs, said = runs_of(as_meant(log, choice), choice, self.restart)
        self.notes += [(log.name, note) for note in said]
        for part in runs:
            self._add_run(name, part, choice)

    def _add_run(self, name: str, log: Log, choice: Choice) -> None:
        try:
            named = channels(log, choice)
            measured = measure(log, choice, named, self.between)
        except LogError as error:
            self._refuse(log, error)
            return
        self.notes += [(log.name, note) for note in measured.notes]
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


def _about_runs(runs: Sequence[str]) -> str:
    named = [*dict.fromkeys(runs)]
    if "" in named:
        return ""
    return f"run {named[0]}: " if len(named) == 1 else f"{len(named)} runs, {named[0]} first: "


def _by_run(log: Log, column: str | None, generic: bool) -> list[Log]:
    """A table split by the columns that name its runs."""
    names = [column] if column else run_columns(log) if generic else []
    if not names:
        return [log]
    if names[0] not in log.columns:
        raise LogError(f"no column {shown(names[0])} for run; it has {listed(log.columns)}")
    parts = grouped(*run_names(log, names))
    if column is None and len(parts) == len(log):
        raise LogError(f"a row a run ({listed(names)} differs in every row): it holds no curves")
    logs = [replace(log.take(rows), name=name, notes=[], skipped=[]) for name, rows in parts]
    logs[0].notes, logs[0].skipped = log.notes, log.skipped
    return logs


def _named(label: str, errors: list[LogError]) -> list[Skipped]:
    named = [Skipped(label, error.line, clean(str(error))) for error in errors[:MOST_LINES]]
    if (more := len(errors) - MOST_LINES) > 0:
        named.append(Skipped(label, None, f"{more} further lines or entries like these"))
    return named
