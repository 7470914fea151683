"""Which column is which curve, judged by its name.

A name is read as words: ``valid_0's binary_logloss`` is the words ``binary logloss`` of a
validation set. The words say the metric; metrics are ranked, losses first, and those where
higher is better are never chosen unasked.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np

from earlystop_lab._common.wording import word_set
from earlystop_lab.curves import FloatArray, Mode, Role
from earlystop_lab.sources.logs._cells import BLANK, LogError, listed, shown
from earlystop_lab.sources.logs._columns import IntArray, Log, Numbers

_SETS: dict[str, Role] = {
    **dict.fromkeys(("val", "valid", "validation", "eval", "evaluation", "dev", "holdout"), "val"),
    # llm.c and its kin write tel and trl, XGBoost's users dtrain and dvalid
    **dict.fromkeys(("heldout", "tel", "vali", "vl", "dval", "dvalid", "deval"), "val"),
    **dict.fromkeys(("evaluating", "evaluate", "validating", "validate", "development"), "val"),
    **dict.fromkeys(("train", "training", "trn", "learn", "trl", "tr", "dtrain"), "train"),
    **dict.fromkeys(("test", "testing", "tst", "dtest"), "test"),
}
_GLUED = re.compile(
    r"(validation|valid|val|eval|dev|training|train|test)"
    r"(loss|error|err|accuracy|acc|auc|nll|mse|rmse|mae)"
)
_HELD_OUT = re.compile(r"h[eo]ld[-_ ]out")
_LOSSES = word_set(
    """
    loss losses nll ce bce xent crossentropy entropy deviance bpb bpc cost objective nelbo kl
    kld kullback nloglik
    """
)
_ERRORS = word_set(
    """
    error err errors mse rmse mae mape smape wmape rmsle msle l1 l2 wer cer ter perplexity ppl
    brier ece fid hinge mphe rmspe
    """
)
#: losses of boosting whose names are those of a distribution or a parameter: of a set only
_OBJECTIVES = word_set("huber poisson gamma tweedie quantile fair")
_HIGHER = word_set(
    """
    accuracy acc auc auroc auprc aucpr prauc rocauc ap f1 fbeta f2 precision recall r2 score
    scores iou miou dice meteor mcc kappa psnr ssim fitness reward rewards return mrr spearman
    pearson sensitivity specificity likelihood correct jaccard em exact win corr correlation tpr
    tnr chrf cider spice elbo aps apm apl ar dsc bacc pq nds hota mota nmi ari ami stoi pesq sdr
    sisdr lik loglik llik logp logprob lml
    """
)
#: short for the logarithm of a likelihood
_LIKELIHOODS = word_set("ll prob mll evidence")
#: words that turn the name of a score into that of a loss
_SAY_LOWER = word_set("losses err errors")
_HIGHER_STARTS = ("rouge", "bleu", "map", "ndcg", "hit", "top", "accura", "f1")
#: columns that measure something else than how well the run does
_NEVER = word_set(
    """
    lr learning time times runtime second seconds sec duration timestamp wall std stdv stddev
    stderr var grad gradient memory mem gpu flos flops num count size samples examples tokens
    momentum mfu ms iterations min max best norm eta seed weight patience throughput progress
    remaining elapsed decay improved improve decreased increased from not delta gap diff
    difference change ratio improvement counter wait
    """
)
#: words that say how a metric was averaged, not which it is
_NOISE = word_set(
    """
    epoch mean avg average s dataloader idx metrics metric per eval set step batch iter
    """
)
_STEPS = word_set(
    """
    step steps global_step trainer_global_step iter iters iteration iterations it update updates
    num_updates round tree trees train_global_step training_iteration boosting_round train_step
    global_iter iter_num n_iter number_of_trees timestep timesteps num_timesteps time_step
    total_timesteps timesteps_total current_step current_steps n_updates episode episodes index
    """
)
#: of several columns that count steps, those that count all of the training come first
_WHOLE = word_set("global_step total_timesteps num_timesteps timesteps_total global_iter")
#: what may stand before the name of a position: time/total_timesteps, trainer/global_step
_BEFORE_STEPS = word_set("trainer train training time rollout charts progress global")
_EPOCHS = word_set(
    """
    epoch epochs ep epoch_num epoch_number current_epoch epoch_idx epoch_index train_epoch
    nb_epoch n_epoch
    """
)
#: columns that tell runs apart
_RUNS = (
    *("run", "run_id", "run_uuid", "run_name", "run.hash", "experiment", "trial", "trial_id"),
    *("seed", "fold"),
)
#: those that do where positions start anew with each of their values
_MAYBE_RUNS = ("model", "name", "k")


#: the curves beside that of validation
_OTHERS: tuple[Role, ...] = ("train", "test")


class Meaning(NamedTuple):
    """What a column's name says."""

    role: Role | None
    #: the words of the metric; empty where the name says only the set
    metric: tuple[str, ...]
    kind: Literal["loss", "error", "higher", "unknown", "aside"]
    #: measured on one batch, where an average over the epoch would say more
    noisy: bool

    @property
    def is_set(self) -> bool:
        """Whether it is the name of a set, and of no metric."""
        return self.role is not None and not self.metric

    @property
    def rank(self) -> int | None:
        """0 a plain loss, rising: other losses, errors; None: not to be chosen unasked."""
        if self.kind == "loss":
            return 0 if self.metric == ("loss",) else 2 - ("total" in self.metric)
        if self.kind == "error":
            return 3
        return 1 if self.kind == "unknown" and self.is_set else None


@dataclass(frozen=True)
class Choice:
    """The columns of one run; ``epoch`` is None where checks are counted."""

    #: None where nothing looks like an error
    val: str | None
    train: str | None
    test: str | None
    epoch: str | None
    #: the epochs of steps, where the log has both
    epochs: str | None
    #: ``val`` is the training curve, for want of one of validation
    stands_in: bool
    #: nothing says of which set ``val`` is
    of_no_set: bool
    #: the chosen columns in which higher is better
    higher: frozenset[str]
    notes: tuple[str, ...]


def words(name: str) -> list[str]:
    """The words of a name in lower case: ``valLoss`` and ``val/loss`` are ``val loss``."""
    apart = re.sub(r"(?<=[a-z]{2})(?=[A-Z])", "_", name[:200]).lower()
    apart = _HELD_OUT.sub("holdout", apart)
    out: list[str] = []
    for part in re.findall(r"[a-z]*\d+|[a-z]+", apart):
        glued = _GLUED.fullmatch(part)
        out += glued.groups() if glued else [part]
    return out


@lru_cache(4096)
def meaning(name: str) -> Meaning:
    """What the name of a column says.

    >>> meaning("valid_0's binary_logloss")
    Meaning(role='val', metric=('binary', 'logloss'), kind='loss', noisy=False)
    """
    every = words(name)
    sets = [i for i, word in enumerate(every) if word in _SETS]
    # "validation_0" and "dataloader_idx_1" number sets, "mAP_0.5" is the metric's own number
    numbers = [
        i
        for i in range(1, len(every))
        if every[i].isdigit() and (i - 1 in sets or every[i - 1] == "idx")
    ]
    rest = [word for i, word in enumerate(every) if i not in sets and i not in numbers]
    metric = tuple(word for word in rest if word not in _NOISE)
    role = _SETS[every[sets[-1]]] if sets else None
    noisy = not {"step", "batch", "iter"}.isdisjoint(rest)
    # of a set, "total" is the sum of its losses; alone it may count anything
    kind = "loss" if role and metric == ("total",) else _kind(metric, rest, role)
    return Meaning(role, metric, kind, noisy)


def _kind(
    metric: Sequence[str], rest: Sequence[str], role: Role | None
) -> Literal["loss", "error", "higher", "unknown", "aside"]:
    bare = {word.rstrip("0123456789") for word in metric} | {*metric}
    if not _NEVER.isdisjoint(rest) or (rest and not metric):
        return "aside"
    loss = any(word in _LOSSES or word.endswith("loss") for word in bare)
    error = any(word in _ERRORS or word.endswith("error") for word in bare)
    error |= role is not None and not bare.isdisjoint(_OBJECTIVES)
    higher = {
        word
        for word in metric
        if {word, word.rstrip("0123456789")} & _HIGHER
        or (word.startswith(_HIGHER_STARTS) and word not in _ERRORS)
    }
    if loss or error:  # Brier's score is an error
        higher -= {"score", "scores"}
    if not bare.isdisjoint({"neg", "negative"}):
        # sklearn's neg_mean_squared_error is a score, a negative log likelihood is a loss
        if higher or not bare.isdisjoint(_LIKELIHOODS):
            return "loss"
        return "higher" if loss or error else "unknown"
    # dice_loss is a loss, top5_error an error
    says = any(word in _SAY_LOWER or word.endswith(("loss", "error")) for word in bare)
    if higher and not says:
        return "higher"
    return "loss" if loss else "error" if error else "unknown"


def choose(log: Log, asked: Mapping[str, str | None], mode: Mode | None) -> Choice:
    """The columns for each curve: as asked, else as the format says, else by name.

    Raises :class:`LogError` where a column that was asked for is not there, or where no column can
    be the validation curve and the rest is no curve either.
    """
    return _Chooser(log, asked).choice(mode)


def _to_choose(names: Sequence[str]) -> LogError:
    higher = meaning(names[0]).kind == "higher"
    option = f"--val {_quoted(names[0])}{' --mode max' if higher else ''}"
    return LogError(
        f"no validation loss found; choose one of {listed(names)}, for example "
        f"val={names[0]!r}, and add mode='max' if higher is better (earlystop import: {option})"
    )


def _quoted(name: str) -> str:
    return name if re.fullmatch(r"[\w/.@-]+", name) else f'"{name}"'


class _Chooser:
    def __init__(self, log: Log, asked: Mapping[str, str | None]) -> None:
        self.log, self.notes = log, list[str]()
        self.asked = {key: self._named(key, name) for key, name in asked.items() if name}
        self.counts = {name: column.filled for name, column in log.columns.items()}
        self.positions = [n for n in log.columns if is_position(n) or n == log.position]
        taken = {*self.asked.values(), *self.positions}
        #: columns that hold something and that nobody asked for elsewhere, with their sets; a
        #: column without a name is the row numbers of a data frame
        self.free = {
            name: self._role(name)
            for name, count in self.counts.items()
            if name and count and name not in taken
        }

    def choice(self, mode: Mode | None) -> Choice:
        val = self.asked.get("val") or self._settled(mode) or self._val(mode)
        if val is None:
            return self._without_val()
        told = mode or self._direction(val)
        chosen = "val" in self.asked or (mode == "max" and val != self.log.roles.get("val"))
        train, test = (self._like(role, val, chosen) for role in _OTHERS)
        higher = {val} if told == "max" else set()
        for name in (train, test):
            if name is None or name == val:
                continue
            alike = self._metric(name) == self._metric(val)
            if (told if alike else self._direction(name)) == "max":
                higher.add(name)
        epoch = self._epoch(self.log.numbers(val).rows)
        role = "val" if "val" in self.asked else self._role(val)
        return Choice(
            val,
            train,
            test,
            epoch,
            self._epochs_of(epoch),
            stands_in=role in ("train", None),
            of_no_set=role is None,
            higher=frozenset(higher),
            notes=tuple(self.notes),
        )

    def _settled(self, mode: Mode | None) -> str | None:
        """The validation curve that the format settles; a loss is not meant by ``mode="max"``."""
        val = self.log.roles.get("val")
        if val and mode == "max" and meaning(val).kind in ("loss", "error"):
            return val if self.log.modes.get(val) == "max" else None
        return val

    def _without_val(self) -> Choice:
        """The position alone, of a log that has no error but other numbers along it."""
        numbers = [self.log.numbers(name) for name in self.free]
        rows = np.unique(np.concatenate([each.rows for each in numbers if not each.wrong]))
        epoch = self._epoch(rows)
        self.notes.append("the log has no validation error; all positions are kept")
        return Choice(
            None,
            None,
            None,
            epoch,
            self._epochs_of(epoch),
            stands_in=False,
            of_no_set=False,
            higher=frozenset(),
            notes=tuple(self.notes),
        )

    def _direction(self, name: str) -> Mode | None:
        """What the format says, or the name."""
        return self.log.modes.get(name) or ("max" if meaning(name).kind == "higher" else None)

    def _epochs_of(self, epoch: str | None) -> str | None:
        """The column that says of which epoch a step is; none where steps were asked for."""
        if epoch is None or is_epoch(epoch) or "epoch" in self.asked or self.log.position:
            return None
        return next(filter(is_epoch, self.positions), None)

    def _is_curve(self) -> bool:
        """Whether other numbers than errors were recorded along two positions or more."""
        places = [self.log.numbers(name).values for name in self.positions]
        return any(len(np.unique(at)) > 1 for at in places) and any(
            len(numbers.rows) > 1 and not numbers.wrong
            for numbers in map(self.log.numbers, self.free)
        )

    def _named(self, key: str, name: str) -> str:
        if name in self.log.columns:
            return name
        for column in self.log.columns:
            if column.strip().lower() == name.strip().lower():
                return column
        raise LogError(
            f"no column {shown(name)} for {key}; the columns are {listed(self.log.columns)}"
        )

    def _role(self, name: str) -> str | None:
        return self.log.sets.get(name, meaning(name).role)

    def _metric(self, name: str) -> tuple[str, ...]:
        # a column named by its set alone is as much a loss as one that says so, train/idx is not
        said = meaning(name)
        return said.metric or (("loss",) if said.kind != "aside" else (name,))

    def _free(self, *roles: str | None) -> list[str]:
        """Columns of these sets that are free to be chosen."""
        return [name for name, role in self.free.items() if role in roles]

    def _losses(self, *roles: str | None) -> list[str]:
        """Columns that may be chosen unasked, the best first."""
        ranked = []
        for at, name in enumerate(self._free(*roles)):
            rank = meaning(name).rank
            if name in self.log.modes:  # the format knows better than the name
                rank = None if self.log.modes[name] == "max" else 2 if rank is None else rank
            if rank is not None:
                # what was recorded once, at the end, is no curve where others are
                last = self.counts[name] == 1 or self._is_flag(name)
                ranked.append((last, rank, meaning(name).noisy, at, name))
        return [name for *_, name in sorted(ranked)]

    def _is_flag(self, name: str) -> bool:
        """Whether a column that says no metric only says yes or no: whether it validated."""
        values = self.log.numbers(name).values
        return not meaning(name).metric and bool(np.isin(values, (0, 1)).all())

    def _val(self, mode: Mode | None) -> str | None:
        if mode == "max":
            return self._score()
        if losses := self._losses("val"):
            equal = [
                n
                for n in losses[1:]
                if meaning(n).rank == meaning(losses[0]).rank
                and meaning(n).noisy == meaning(losses[0]).noisy
            ]
            if equal:
                self.notes.append(
                    f"val is {shown(losses[0])}; other candidates are {listed(equal)}"
                )
            return losses[0]
        if scores := [n for n in self._free("val") if self.log.modes.get(n) == "max"]:
            self.notes.append(f"val is {shown(scores[0])} (higher is better)")
            return scores[0]
        losses = self._losses("test")
        refused = [n for n in self._free("val") if meaning(n).kind in ("higher", "unknown")]
        if refused := [n for n in refused if self.log.numbers(n).prevail]:
            raise _to_choose([*refused, *losses])
        if losses:
            self.notes.append(f"no validation curve; {shown(losses[0])} is used as val")
            return losses[0]
        losses = self._losses("train", None)
        if evaluated := self._evaluated(losses[0] if losses else None):
            raise _to_choose(evaluated)
        if losses:
            self.notes.append(
                f"no validation curve; the training curve {shown(losses[0])} is used as val"
            )
            return losses[0]
        if self._is_curve():
            return None
        raise LogError(
            f"no column looks like a validation error; the columns are {listed(self.log.columns)}; "
            "choose one with val="
        )

    def _evaluated(self, loss: str | None) -> list[str]:
        """Metrics that were measured in an evaluation, by their set or by their rows.

        What training measures is there wherever its loss is.
        """
        found = self._free("test") if loss else []
        found = [name for name in found if meaning(name).kind == "higher"]
        for name in self._free(None) if loss else []:
            if name == loss or meaning(name).kind not in ("higher", "error"):
                continue
            untold = np.zeros(len(self.log), bool)
            untold[self.log.numbers(loss or "").rows] = True
            untold[self.log.numbers(name).rows] = False
            if untold.any() and len(self.log.numbers(name).rows) > 1:
                found.append(name)
        return found

    def _score(self) -> str:
        """The first validation metric of which higher is better; a loss is never meant."""
        for role in ("val", "test"):
            if scores := [name for name in self._free(role) if meaning(name).kind == "higher"]:
                if scores[1:]:
                    self.notes.append(
                        f"val is {shown(scores[0])}; other candidates are {listed(scores[1:])}"
                    )
                return scores[0]
        raise LogError(
            f"mode='max' was given, but no column is a known validation score; the columns are "
            f"{listed(self.log.columns)}; choose one with val="
        )

    def _like(self, role: Role, val: str, chosen: bool) -> str | None:
        """The column for another curve: of the metric of ``val`` where there is one.

        Beside a ``val`` that was chosen another quantity says nothing.
        """
        if role in self.asked:
            return self.asked[role]
        of_format = self.log.roles.get(role)
        if of_format and (not chosen or val == self.log.roles.get("val")):
            return of_format if of_format != val else None
        role_of_val = "val" if self.asked.get("val") else self._role(val)
        if role_of_val in ("train", None):
            return None  # it stands in as val: what is left tells nothing new
        roles = ("train", None) if role == "train" else (role,)
        alike = [n for n in self._free(*roles) if self._metric(n) == self._metric(val) and n != val]
        losses = [n for n in self._losses(*roles) if n != val and n not in alike]
        if losses and not alike and chosen and not self._is_of(val, losses[0]):
            self.notes.append(
                f"{role} is left out because {shown(losses[0])} is a different quantity from "
                f"{shown(val)}; to include it, pass {role}={losses[0]!r} (earlystop import: "
                f"--{role} {_quoted(losses[0])})"
            )
            return None
        others = [*alike, *losses]
        # the first of equals, as the log has them
        best = min(
            others,
            key=lambda n: (
                self.counts[n] == 1,
                n not in alike,
                self._role(n) is None,
                meaning(n).noisy,
            ),
            default=None,
        )
        if best is not None and self.counts[best] == 1 < self.counts[val]:
            self.notes.append(f"{shown(best)} was recorded only once and is left out")
            return None
        return best

    def _is_of(self, val: str, loss: str) -> bool:
        """Whether a loss is the training curve of a metric although that is something else.

        Where neither says its set and they are in rows of their own, the rows say it.
        """
        if self.log.sets.get(val, meaning(val).role) or self._role(loss):
            return False
        ours, its = (self.log.numbers(name).rows for name in (val, loss))
        return not len(np.intersect1d(ours, its, assume_unique=True))

    def _epoch(self, measured: IntArray) -> str | None:
        """The column of the position of these rows, where there is one."""
        if name := self.asked.get("epoch") or self.log.position:
            return name
        for name in sorted(self.positions, key=_fineness):
            # a few may be damaged: the column that is there mostly is the one
            at = _common([self.log.numbers(name)], measured)[0]
            checks = len(measured)
            if len(at) > 0.5 * checks and ((at != at[0]).any() or checks == 1):
                return self._whole_count(name, measured)
        if self.positions:
            self.notes.append(
                f"no positions in {listed(self.positions)}; checks are numbered instead"
            )
        return None

    def _whole_count(self, name: str, measured: IntArray) -> str | None:
        """The column of positions; that of epochs instead where steps are counted in each.

        None where there are several checks in most epochs: then neither tells them apart.
        """
        for epoch in filter(is_epoch, self.positions if not is_epoch(name) else []):
            both = _common([self.log.numbers(n) for n in (epoch, name)], measured)
            epochs, steps = np.diff(both)
            later = steps[epochs > 0] > 0
            if (~later).sum() > 0.5 * len(later):
                anew = f"{shown(name)} restarts in every {shown(epoch)}"
                if np.unique(both, axis=1).shape[1] > 1.5 * len(np.unique(both[0])):
                    self.notes.append(
                        f"{anew}, which has several checks; checks are numbered instead"
                    )
                    return None
                self.notes.append(f"{anew}, which is used instead")
                return epoch
        return name


def _common(columns: Sequence[Numbers], rows: IntArray) -> FloatArray:
    """The numbers of columns in those of the rows that have one in each."""
    for column in columns:
        if column.rows is not rows:
            rows = np.intersect1d(rows, column.rows, assume_unique=True)
    return np.stack([c.values[np.searchsorted(c.rows, rows)] for c in columns])


@lru_cache(4096)
def is_position(name: str) -> bool:
    """Whether a column says at which epoch or step a row was recorded."""
    return is_epoch(name) or _counted(name) in _STEPS


@lru_cache(4096)
def _counted(name: str) -> str:
    """The name of a column of positions without a group before it."""
    whole = words(name)
    bare = whole[1:] if len(whole) > 1 and whole[0] in _BEFORE_STEPS else whole
    return "_".join(whole if "_".join(whole) in _STEPS else bare)


def _fineness(name: str) -> int:
    """Which of several columns of positions comes first: steps are finer than epochs."""
    if _counted(name) in _WHOLE:
        return 0
    # row numbers are last
    return 3 if _counted(name) == "index" else 2 if is_epoch(name) else 1


@lru_cache(4096)
def is_epoch(name: str) -> bool:
    """Whether a column counts epochs (some loggers from 0), not steps."""
    return "_".join(words(name)) in _EPOCHS


def is_run(name: str) -> bool:
    """Whether a column says by its name that it tells runs apart."""
    return name.lower() in _RUNS


def run_columns(log: Log) -> list[str]:
    """The columns that tell the runs of one table apart, each more than those before it."""
    telling: list[str] = []
    told = 1
    for name in log.named((*_RUNS, *_MAYBE_RUNS)):
        if not (is_run(name) or _starts_anew(log, name)):
            continue
        runs = run_names(log, [*telling, name])[0]
        # what some rows leave open was not written to tell runs apart
        is_open = any(str(cell).lower() in BLANK for cell in log.cells(name, ""))
        if len(runs) > told and not is_open:
            telling.append(name)
            told = len(runs)
        if telling and not is_run(name):
            break
    return telling


def run_names(log: Log, columns: Sequence[str]) -> tuple[list[str], IntArray]:
    """The runs in a log, and which of them each row is of."""
    return log.told(columns, lambda cells: " ".join(map(str, cells)))


def _starts_anew(log: Log, name: str) -> bool:
    """Whether each value has its rows in one block and the positions start anew with each."""
    at = next(filter(is_position, log.columns), None)
    # with a column of values, name says which metric a row is of
    if at is None or log.named(("value", "metric_value")):
        return False
    places, cells = log.numbers(at), log.cells(name, "")
    told = [str(cells[row]) for row in places.rows.tolist()]
    rows = list(zip(told, places.values.tolist(), strict=True))
    changes = [(a, b) for a, b in pairwise(rows) if a[0] != b[0]]
    return (
        len(changes) + 1 == len({value for value, _ in rows}) > 1
        and all(b[1] < a[1] for a, b in changes)
        and not any(meaning(value).role for value, _ in rows)
    )
