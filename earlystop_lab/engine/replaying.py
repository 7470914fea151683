"""Replay: criteria x curves -> where each criterion would have stopped each run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from earlystop_lab._common.checks import require, require_jobs
from earlystop_lab._common.parallel import each_of, jobs_of
from earlystop_lab._common.progress import followed
from earlystop_lab._common.wording import listed
from earlystop_lab.criteria import (
    Combination,
    Criterion,
    Family,
    ModelCheckpoint,
    Rule,
    first_passage,
    parse,
)
from earlystop_lab.criteria.first_passage import NEVER, NONE_KNOWN, Check, Highs, Indices, Trace
from earlystop_lab.criteria.pruners import Pruner, Pruning, pruned
from earlystop_lab.criteria.rules.pruning import PRUNERS
from earlystop_lab.criteria.table import FAMILIES
from earlystop_lab.curves import (
    ERRORS,
    Channel,
    Curve,
    CurveSet,
    FloatArray,
    Runs,
    canonical,
    one_below_the_other,
    read_curves,
    require_curves,
    same_channels,
    taken,
)
from earlystop_lab.curves.files import CHECKS, Unit, chunks, units

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: a channel, or the position ``epoch``, and the row of a run: "stop" or "selected"
Key = tuple[str, str]
_FIRED: Key = ("", "fired")
_LOOKED_UP: tuple[Key, ...] = (_FIRED, ("epoch", "stop"), ("epoch", "selected"))
_POLICIES = "expected 'best', 'lowest', 'last', 'own' or a ModelCheckpoint(...)"
#: "best", "lowest", "last", "own", or a ModelCheckpoint
Restore = str | Criterion
#: a rule as an object or as text
Asked = Rule | Pruning | str


class Stops:
    """Where every criterion stopped every run: arrays of shape (runs, criteria).

    ``stop`` and ``selected`` are positions as recorded. ``fired`` says whether the criterion passed
    at all. ``stops["lr"]`` and, for errors, ``stops.val`` are the recorded values at the selected
    position, NaN if the channel was not measured there; ``channels`` lists the names. ``meta`` has
    one row per run. Values are looked up in the curves on first access; until then, the result
    keeps a reference to the curves.
    """

    def __init__(
        self,
        criteria: Sequence[str],
        meta: pd.DataFrame,
        look_up: Callable[[Key], NDArray[Any]],
        about: Mapping[str, Channel],
    ) -> None:
        self.criteria = list(criteria)
        self.meta = meta
        self.about = about
        self._look_up = look_up
        self._found: dict[Key, NDArray[Any]] = {}

    def __getitem__(self, name: str) -> FloatArray:
        """A channel at the selected position, as recorded; NaN if it was not measured there."""
        return self._channel(name, "selected")

    def cost(self, name: str = "epoch") -> FloatArray:
        """The cost of training up to the stop: its position, or a channel such as ``seconds``.

        Parameters
        ----------
        name : str
            ``"epoch"``, or a channel that is a cost.

        Returns
        -------
        ndarray, shape (runs, criteria)
            NaN if the channel was not measured at the stop.

        Raises
        ------
        KeyError
            If there is no such channel.
        ValueError
            If the channel is an error or a score.
        """
        if name == "epoch":
            return self.stop
        if name in self.about and self.about[name].direction is not None:
            raise ValueError(f"channel {name!r} is an error or a score; expected a cost")
        return self._channel(name, "stop")

    def _channel(self, name: str, at: str) -> FloatArray:
        key = canonical(name), at
        if key[0] not in self.about:
            if key[0] not in ERRORS:
                raise KeyError(f"no channel {name!r}; available are {listed(self.channels, 20)}")
            return np.full(self.stop.shape, np.nan)
        return self._value(key)

    def _value(self, key: Key) -> NDArray[Any]:
        """Look up values and cache them."""
        if key not in self._found:
            self._found[key] = self._look_up(key)
        return self._found[key]

    @property
    def channels(self) -> list[str]:
        """The names of the channels."""
        return list(self.about)

    def error(self, name: str) -> FloatArray:
        """An error at the selected position; for a score, its negative (lower is better)."""
        recorded = self[name]
        return taken(recorded, self.about[name], "error", name) if name in self.about else recorded

    @property
    def fired(self) -> NDArray[np.bool_]:
        """Whether the criterion passed at all."""
        return self._value(_FIRED)

    @property
    def stop(self) -> FloatArray:
        """Epoch at which training stops; the last epoch if the criterion never passes."""
        return self._value(("epoch", "stop"))

    @property
    def selected(self) -> FloatArray:
        """Epoch whose weights are kept."""
        return self._value(("epoch", "selected"))

    @property
    def train(self) -> FloatArray:
        """Training error or score at the selected epoch; NaN if none was recorded."""
        return self["train"]

    @property
    def val(self) -> FloatArray:
        """Validation error or score at the selected epoch; NaN if none was recorded."""
        return self["val"]

    @property
    def test(self) -> FloatArray:
        """Test error or score at the selected epoch; NaN if none was recorded."""
        return self["test"]

    def __len__(self) -> int:
        return len(self.meta)

    def __repr__(self) -> str:
        fired = f"{self.fired.mean():.0%} fired"
        return f"Stops: {len(self)} runs x {len(self.criteria)} criteria, {fired}"

    def plot(self, ax: Axes | None = None) -> Axes:
        """Draw where each criterion stops the runs, see :func:`report.axes.plot_stops`.

        Draws in a new figure if ``ax`` is not given, and returns the axes.
        """
        from earlystop_lab.report.axes import new_axes, plot_stops

        return plot_stops(self, ax or new_axes(len(self.criteria)))

    def with_meta(self, meta: pd.DataFrame) -> Stops:
        """The same stops with other metadata columns, for example groups for tables."""
        return Stops(self.criteria, meta, self._value, self.about)

    def to_frame(self) -> pd.DataFrame:
        """The stops in long form, one row per run and criterion, ordered by run.

        Columns: run, criterion, stop, selected, fired, and the recorded value of every channel at
        the selected position; train, val and test are always present.
        """
        columns = {
            "run": np.repeat(self.meta["run"].to_numpy(), len(self.criteria)),
            "criterion": np.tile(np.array(self.criteria, object), len(self)),
            "stop": _whole(self.stop.ravel()),
            "selected": _whole(self.selected.ravel()),
            "fired": self.fired.ravel(),
        }
        for name in ("train", "val", "test", *(n for n in self.channels if n not in ERRORS)):
            # a channel may have the name of another column
            column = f"{name}_recorded" if name in columns else name
            columns[column] = self[name].ravel()
        return pd.DataFrame(columns)


def replay(
    curves: CurveSet | str | Path,
    criteria: Iterable[Asked] | Mapping[str, Asked],
    *,
    restore: Restore = "best",
    select: str | None = None,
    n_jobs: int = 1,
    progress: bool = False,
    chunk_size: int | None = None,
) -> Stops:
    """Find where each criterion would have stopped each run, and which weights it would have kept.

    A rule sees a run at the rows at which all channels that it watches were measured. If a
    criterion never passes, its stop is the last recorded epoch and ``fired`` is False: nothing is
    padded or invented.

    Parameters
    ----------
    curves : CurveSet, str or Path
        A curve set, or the path of one, which is read ``chunk_size`` runs at a time.
    criteria : iterable of criteria or str, or dict
        Criteria as objects or text; a dict gives them other names in the result. Criteria that
        share family and parameters are answered in one pass. A rule that sees other runs, such as
        :func:`SyneTuneASHA`, compares the runs of one problem (metadata column ``problem``; without
        it, all runs), in the order of the set; all of them are read at once.
    restore : {"best", "lowest", "last", "own"} or ModelCheckpoint
        Which weights are kept:

        - ``"best"``: those with the lowest error up to the stop, the earliest of ties. A rule with
          strips sees only the errors at their ends; before the first end, the last error up to the
          stop is selected. If all these errors are NaN, the stop itself is selected.
        - ``"lowest"``: the same for every rule: those with the lowest error at any check up to the
          stop, also between the ends of strips.
        - ``"last"``: those at the stop.
        - ``"own"``: those that the rule's own library would restore; for a combination, the
          library of its first member.
        - a :data:`ModelCheckpoint`: those that it would have saved.
    select : str, optional
        The error channel that ``restore="best"`` and ``"lowest"`` look at, by default ``val``.
    n_jobs : int
        Number of parallel jobs: threads, or processes for rules that are array functions
        (``joblib.parallel_config`` can change that). The result does not depend on it.
    progress : bool
        Whether to show a progress bar on stderr.
    chunk_size : int, optional
        Number of runs that are read at a time, by default about a million checks. The result
        does not depend on it.

    Returns
    -------
    Stops

    Raises
    ------
    ValueError
        If the set is empty, a text is not a criterion, a run lacks a channel that a criterion
        needs, or ``select`` is not an error of the set.

    Examples
    --------

    >>> from earlystop_lab import CurveSet, GL, replay
    >>> curves = CurveSet.from_runs([{"run": "a", "val": [2.0, 1.0, 1.5, 3.0]}])
    >>> replay(curves, [GL(60, k=1), "Keras(1)"]).to_frame()[["criterion", "stop", "val"]]
         criterion  stop  val
    0  GL(60, k=1)     4  1.0
    1     Keras(1)     3  1.0
    """
    asked = plan(criteria, restore, chunk_size, select)
    if asked.pruners:
        curves = curves if isinstance(curves, CurveSet) else read_curves(curves)
        asked = asked._replace(chunk_size=max(len(curves), 1), sets=_sets(curves))
    replayed = list(shown(parts(curves, asked, n_jobs=n_jobs), curves, progress))
    if not replayed:
        name = "the curve set" if isinstance(curves, CurveSet) else curves
        raise ValueError(f"replay: {name} is empty; expected at least one run")
    if isinstance(curves, CurveSet):
        look_up = _LookUp(curves, replayed, asked.columns)
        return Stops(asked.texts, curves.meta, look_up, look_up.about)
    whole = joined(replayed)
    meta = whole.meta.to_pandas()
    if (twice := meta["run"].duplicated()).any():
        raise ValueError(f"{curves}: duplicate run id {meta['run'][twice.argmax()]!r}")
    return Stops(asked.texts, meta, whole.looked_up.__getitem__, whole.about)


def stopped(
    curves: CurveSet,
    criteria: Sequence[Criterion],
    *,
    restore: Restore = "best",
    n_jobs: int = 1,
    known: Mapping[Any, Highs] | None = None,
    runs: Runs | None = None,
) -> Stopped:
    """The rows at which each criterion stops each run, or its last row, and which it selects.

    See :func:`replay`; :func:`stops_at` makes its result of them. ``known`` holds the highs of
    criteria's statistics as :func:`first_passage.stops` takes them, so that no step is taken;
    ``runs`` are the curves with all channels that are needed, if they are laid out.
    """
    asked = plan(criteria, restore)
    if known is None and runs is None:
        replayed = list(shown(parts(curves, asked, n_jobs=n_jobs), curves, False))
    else:
        runs = curves.laid_out(names=asked.channels) if runs is None else runs
        replayed = [_replayed(runs, asked, known or NONE_KNOWN)]
    stop, selected = map(np.concatenate, zip(*replayed, strict=True))
    rows = _ended(stop, curves.lengths), selected
    return Stopped(*(np.take(each, asked.columns, axis=1) for each in rows))


def stops_at(curves: CurveSet, criteria: Sequence[Criterion], rows: Stopped) -> Stops:
    """The stops of criteria that stop every run at these rows and select those.

    A run that a criterion never stops is not told from one that it stops at its last row.

    >>> from earlystop_lab import CurveSet, Keras
    >>> curves = CurveSet.from_runs([{"val": [2.0, 1.0, 1.5, 3.0]}])
    >>> rows = stopped(curves, [Keras(1), Keras(2)])
    >>> stops_at(curves, [Keras(1), Keras(2)], rows).stop
    array([[3., 4.]])
    """
    look_up = _LookUp(curves, [rows], list(range(len(criteria))))
    return Stops([str(each) for each in criteria], curves.meta, look_up, look_up.about)


class Plan(NamedTuple):
    """What to replay: criteria :func:`first_passage.in_order`, and their names."""

    texts: list[str]
    rules: list[Rule | Pruning]
    #: the criteria that a pass over the runs answers: single criteria and members of any_of
    leaves: list[Criterion]
    #: the index of each requested criterion among ``rules``
    columns: list[int]
    restore: Restore
    chunk_size: int | None
    #: the channel whose lowest error ``restore="best"`` or ``"lowest"`` keeps; None for val
    select: str | None = None
    #: a number for the runs of each problem, which rules that see other runs compare
    sets: NDArray[np.int64] | None = None

    @property
    def pruners(self) -> list[Pruning]:
        """The rules that see other runs."""
        return [rule for rule in self.rules if isinstance(rule, Pruning)]

    @property
    def channels(self) -> set[str]:
        """The channels that are needed for the answer."""
        policies = [self.restore] if isinstance(self.restore, Criterion) else []
        leaves = [leaf for rule in (*self.rules, *policies) for leaf in rule.leaves]
        return {self.select or "val", *(name for leaf in leaves for name in leaf.channels)}


def plan(
    criteria: Iterable[Asked] | Mapping[str, Asked],
    restore: Restore = "best",
    chunk_size: int | None = None,
    select: str | None = None,
) -> Plan:
    """Parse and check the request of :func:`replay`."""
    if isinstance(criteria, (str, Criterion, Combination, Pruning)):
        raise TypeError(f"replay: criteria = {str(criteria)!r}; expected a list, [{criteria!r}]")
    items = criteria.values() if isinstance(criteria, Mapping) else criteria
    rules = [_with_pruners(item) for item in items]
    texts = list(criteria) if isinstance(criteria, Mapping) else [str(rule) for rule in rules]
    if not rules:
        raise ValueError("replay: criteria is empty; pass at least one, such as GL(2)")
    if twice := {text for text, count in Counter(texts).items() if count > 1}:
        raise ValueError(f"replay: duplicate criterion {', '.join(sorted(twice))}")
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"replay: chunk_size = {chunk_size}; expected at least 1")
    passes = (leaf for rule in rules for leaf in _own_passes(rule))
    leaves = first_passage.in_order(dict.fromkeys(passes))
    themselves = set(rules)
    ordered: list[Rule | Pruning] = [leaf for leaf in leaves if leaf in themselves]
    ordered += dict.fromkeys(rule for rule in rules if not isinstance(rule, Criterion))
    at = {rule: j for j, rule in enumerate(ordered)}
    columns = [at[rule] for rule in rules]
    named = select is None or (isinstance(select, str) and select not in ("", "run", "epoch"))
    require("replay: select", select, named, "the name of a channel")
    chosen = None if select is None else canonical(select)
    return Plan(texts, ordered, leaves, columns, policy_of(restore), chunk_size, chosen)


def parts(
    curves: CurveSet | str | Path, asked: Plan, *, n_jobs: int = 1, skip: int = 0
) -> Iterator[Any]:
    """The stops of one part of the runs after another, in order; ``skip`` skips units of a file."""
    require_curves("replay", curves, paths=True)
    require_jobs("replay: n_jobs", n_jobs)
    if asked.pruners and not isinstance(curves, CurveSet):
        raise ValueError(
            f"{asked.pruners[0]} sees other runs, so that its stops cannot be written part by "
            "part; replay(...).to_frame() has them"
        )
    prefer: Literal["threads", "processes"] = "threads" if _scans(asked.rules) else "processes"
    if isinstance(curves, CurveSet):
        count, size = len(curves), _chunk_size(curves, asked.chunk_size, n_jobs)
        starts = range(0, count, size)
        names = asked.channels
        ranges = (curves.laid_out(start, min(start + size, count), names) for start in starts)
        return each_of(_replayed, ((r, asked) for r in ranges), n_jobs=n_jobs, prefer=prefer)
    waiting = units(Path(curves), len(asked.rules))[skip:]
    return each_of(_replay_unit, ((u, asked) for u in waiting), n_jobs=n_jobs, prefer=prefer)


def trace(criterion: Rule | str, curve: Curve) -> Trace:
    """What a criterion sees of one run: its statistic, where it holds, its library's own epoch.

    Parameters
    ----------
    criterion : criterion or str
    curve : Curve
        One run, such as ``curves[0]``.

    Returns
    -------
    Trace
        The statistic of a combination is 1 where it holds and 0 elsewhere.

    Examples
    --------

    >>> from earlystop_lab import CurveSet, GL, trace
    >>> curve = CurveSet.from_runs([{"val": [4.0, 2.0, 3.0]}])[0]
    >>> trace(GL(10, k=1), curve).statistic
    array([ 0.,  0., 50.])
    """
    if not isinstance(curve, Curve):
        raise TypeError(
            f"trace takes one run, such as curves[0], not a {type(curve).__name__}; use traces for "
            "a curve set"
        )
    return traces(criterion, curve.alone())[0]


def traces(criterion: Rule | str, curves: CurveSet) -> list[Trace]:
    """What a criterion sees of every run of a set; see :func:`trace`."""
    return list(each_trace(criterion, curves))


def each_trace(criterion: Rule | str, curves: CurveSet) -> Iterator[Trace]:
    """The traces of the runs of a set, one after the other; see :func:`trace`."""
    require_curves("traces", curves)
    rule = rule_of(criterion)
    # one run after the other if a run may raise an error
    size = _chunk_size(curves, None, 1) if _scans([rule]) else 1
    for start in range(0, len(curves), size):
        runs = curves.laid_out(start, min(start + size, len(curves)))
        seen = _traces(rule, runs)
        for i in range(len(runs)):
            rows = slice(*runs.offsets[i : i + 2])
            yield Trace(seen.statistic[rows], seen.holds[rows], seen.restored[rows])


class Stopped(NamedTuple):
    """Where rules stop some runs: arrays of rows, (runs, criteria)."""

    #: the row at which each run stopped, or NEVER
    stop: Indices
    #: the row whose weights are kept
    selected: Indices


class Part(NamedTuple):
    """The values that stops need from the runs of a file, copied before the runs are released."""

    #: run ids and metadata
    meta: pa.Table
    looked_up: dict[Key, NDArray[Any]]
    #: descriptions of the channels
    about: dict[str, Channel]


class _LookUp:
    """Values that stops look up in their curves; chunks are joined on first access."""

    def __init__(self, curves: CurveSet, parts: list[Stopped], columns: list[int]) -> None:
        self.curves = curves
        self.parts = parts
        self.about = {name: curves.about(name) for name in curves.names}
        #: None if all are in the requested order
        self.columns = None if columns == list(range(len(columns))) else columns

    def __call__(self, key: Key) -> NDArray[Any]:
        name, at = key
        values: NDArray[Any]
        if len(self.parts) > 1:
            self.parts = [Stopped(*map(np.concatenate, zip(*self.parts, strict=True)))]
        stop, selected = self.parts[0]
        if key == _FIRED:
            values = stop != NEVER
        elif at == "stop":
            values = self.curves.at(name, _ended(stop, self.curves.lengths))
        else:
            values = self.curves.at(name, selected)
        return values if self.columns is None else np.take(values, self.columns, axis=1)


def rule_of(item: Rule | str) -> Rule:
    """The criterion itself, or parsed from text; ``ValueError`` for anything else."""
    if isinstance(item, str):
        return parse(item)
    if isinstance(item, Family):
        raise ValueError(f"{item.name} is a family; pass a criterion, such as {item.name}(2)")
    if not isinstance(item, (Criterion, Combination)):
        raise ValueError(f"{item!r} is not a criterion; expected an object or text such as GL(2)")
    if any(leaf.family is ModelCheckpoint for leaf in item.leaves):
        raise ValueError(f"{item}: a checkpoint stops nothing; pass it as restore")
    return item


def _with_pruners(item: Asked | Pruner) -> Rule | Pruning:
    """The criterion, or the rule that sees other runs."""
    if isinstance(item, Pruner):
        raise ValueError(f"{item.name} has no parameters yet; pass {item.name}(...)")
    if isinstance(item, str):
        names: dict[str, Any] = {**FAMILIES, **PRUNERS}
        return parse(item, names)
    return item if isinstance(item, Pruning) else rule_of(item)


def _sets(curves: CurveSet) -> NDArray[np.int64] | None:
    """A number for the runs of each problem; None if no problem is recorded."""
    if not curves.has("problem"):
        return None
    numbers, _ = pd.factorize(curves.meta["problem"].map(str))
    return numbers.astype(np.int64)


def policy_of(restore: Restore) -> Restore:
    """The selection policy; a checkpoint may be given as text."""
    if isinstance(restore, str) and restore in ("best", "lowest", "last", "own"):
        return restore
    policy: Any = restore
    if isinstance(restore, str):
        try:
            policy = parse(restore, {ModelCheckpoint.name: ModelCheckpoint})
        except ValueError as error:
            why = f" ({error})" if "(" in restore else ""
            raise ValueError(f"restore = {restore!r}; {_POLICIES}{why}") from error
    if not isinstance(policy, Criterion) or policy.family is not ModelCheckpoint or policy.warmup:
        raise ValueError(f"restore = {restore!r}; {_POLICIES}")
    return policy


def _scans(rules: Iterable[Rule | Pruning]) -> bool:
    """Whether no rule is an array function."""
    return all(leaf.family.step is not None for rule in rules for leaf in rule.leaves)


def _chunk_size(curves: CurveSet, size: int | None, n_jobs: int) -> int:
    """Runs per task of a set in memory: many, to amortise overhead, but several tasks per job."""
    jobs = jobs_of(n_jobs)
    most = len(curves) * 2 * CHECKS // max(1, int(curves.lengths.sum()))
    return size or max(1, min(most, -(-len(curves) // (8 * jobs if jobs > 1 else 1))))


def shown(
    results: Iterable[Any], curves: CurveSet | str | Path, progress: bool = True
) -> Iterator[Any]:
    """The parts as they arrive, with their progress; see :func:`_common.progress.followed`."""
    sizes = [len(curves)] if isinstance(curves, CurveSet) else [u.runs for u in units(Path(curves))]
    return followed(results, "replay", sum(sizes), "runs", size=lambda p: len(p[0]), shown=progress)


def _replay_unit(unit: Unit, asked: Plan) -> Part:
    """Read a unit of a file, and look up what its stops need."""
    parts = []
    for chunk in chunks(unit, asked.chunk_size):
        runs = chunk.laid_out(names=asked.channels)
        look_up = _LookUp(chunk, [_replayed(runs, asked)], asked.columns)
        # copied, since a single id would keep a whole mapped file in memory
        meta = chunk.scalars.take(np.arange(len(chunk)))
        keys = _keys(look_up.about)
        parts.append(Part(meta, {key: look_up(key) for key in keys}, look_up.about))
    return joined(parts)


def joined(parts: Sequence[Part]) -> Part:
    """Join chunks whose runs have been released; channels that some lack are NaN there."""
    about = same_channels(part.about for part in parts)
    looked_up = {}
    for key in _keys(about):
        nowhere = (np.full(part.looked_up[_FIRED].shape, np.nan) for part in parts)
        found = (p.looked_up.get(key, none) for p, none in zip(parts, nowhere, strict=True))
        looked_up[key] = np.concatenate([*found])
    meta = one_below_the_other([part.meta for part in parts])
    return Part(meta, looked_up, about)


def _keys(about: Mapping[str, Channel]) -> list[Key]:
    """All values that can be looked up once the curves have been released."""
    costs = [name for name, channel in about.items() if channel.direction is None]
    selected = [(name, "selected") for name in about]
    return [*_LOOKED_UP, *selected, *((name, "stop") for name in costs)]


def _replayed(runs: Runs, asked: Plan, known: Mapping[Any, Highs] = NONE_KNOWN) -> Stopped:
    """The row at which each rule stops each run, or NEVER, and the row whose weights are kept."""
    rules, leaves, select = asked.rules, asked.leaves, asked.select or "val"
    if asked.select is not None and (lacking := runs.lacks(select)) is not None:
        raise ValueError(
            f"select = {select!r}: run {lacking!r} has no such channel; the set has "
            f"{listed([*runs.about], 20)}"
        )
    stop, selected = first_passage.stops(leaves, runs, select, known)
    lengths = runs.lengths
    if leaves != rules:
        passed = dict(zip(leaves, stop.T, strict=True))
        best = dict(zip(leaves, selected.T, strict=True))
        stops = (
            pruned(rule, runs, asked.sets)
            if isinstance(rule, Pruning)
            else _stop(rule, runs, passed)
            for rule in rules
        )
        stop = np.stack([*stops], axis=1)
        selected = np.empty_like(stop)
        for j, rule in enumerate(rules):
            if isinstance(rule, Criterion):
                selected[:, j] = best[rule]
            else:
                strips, column = rule.strips(select), slice(j, j + 1)
                first_passage.lowest_errors(runs, strips, stop, selected, column, select)
    if asked.restore == "last":
        selected = _ended(stop, lengths)
    elif asked.restore == "lowest":
        selected, every = np.empty_like(stop), slice(0, stop.shape[1])
        first_passage.lowest_errors(runs, frozenset(), stop, selected, every, select)
    elif asked.restore != "best":
        # rules that restore the same epoch at a stop, whatever their threshold, share a pass
        alike: dict[Any, list[int]] = {}
        chosen = asked.restore if isinstance(asked.restore, Criterion) else None
        policies = [chosen or rule.leaves[0] for rule in rules]
        for j, policy in enumerate(policies):
            if first_passage.restores_by_stop(policy):
                alike.setdefault(policy, []).append(j)
            elif policy.family.restores is not None:
                alike.setdefault((policy.family, policy.params, policy.channels), []).append(j)
        for of in alike.values():
            ended, fired = _ended(stop[:, of], lengths), stop[:, of] != NEVER
            selected[:, of] = _restored(policies[of[0]], runs, ended, fired)
    return Stopped(stop, selected)


def _ended(stop: Indices, lengths: NDArray[np.int64]) -> Indices:
    """The row at which training ends: the stop, or the run's last row if there is none."""
    return np.where(stop == NEVER, lengths[:, None] - 1, stop).astype(np.int32)


def _own_passes(rule: Rule | Pruning) -> Iterator[Criterion]:
    """The criteria that a pass over the runs answers: the criterion, or members of any_of."""
    if isinstance(rule, Criterion):
        yield rule
    elif rule.how == "any_of":
        for member in rule.members:
            yield from _own_passes(member)


def _stop(rule: Rule, runs: Runs, passed: Mapping[Criterion, Indices]) -> Indices:
    """The row at which the rule stops each run, or NEVER."""
    if isinstance(rule, Criterion):
        return passed[rule]
    if rule.how == "any_of":
        last = np.iinfo(np.int32).max
        members = [_stop(member, runs, passed) for member in rule.members]
        earliest = np.min([np.where(m == NEVER, last, m) for m in members], axis=0)
        return np.where(earliest == last, NEVER, earliest).astype(np.int32)
    at = np.append(np.flatnonzero(_traces(rule, runs).holds), runs.offsets[-1])
    first = at[np.searchsorted(at, runs.offsets[:-1])]
    within = first < runs.offsets[1:]
    return np.where(within, first - runs.offsets[:-1], NEVER).astype(np.int32)


def _traces(rule: Rule, runs: Runs) -> Trace:
    """What the rule sees of all runs, one after the other."""
    if isinstance(rule, Criterion):
        return first_passage.traces(rule, runs)
    members = [_traces(member, runs) for member in rule.members]
    holds = first_passage.combined(rule.how, [member.holds for member in members])
    return Trace(holds.astype(np.float64), holds, members[0].restored)


def _restored(policy: Criterion, runs: Runs, stop: Indices, fired: NDArray[np.bool_]) -> Indices:
    """The row that a rule's library would restore at each stop; the stop if it restores none."""
    selected = stop.copy()
    seen = first_passage.traces(policy, runs)
    first = runs.offsets[:-1, None]
    restored = seen.restored[first + stop]
    if first_passage.restores_by_stop(policy):
        before = seen.restored[first + np.maximum(stop - 1, 0)]
        for run, at in enumerate((first + stop).tolist()):
            checks = (Check(*(column[check] for column in seen)) for check in at)
            told = zip(checks, before[run], fired[run], strict=True)
            restored[run] = [first_passage.restored_at(policy, *each) for each in told]
    some = ~np.isnan(restored)
    for i in np.flatnonzero(some.any(axis=1)).tolist():
        selected[i, some[i]] = np.searchsorted(runs.epochs(i), restored[i, some[i]])
    return selected


def _whole(values: FloatArray) -> NDArray[Any]:
    """Epochs as integers if all of them are integral and fit."""
    whole = np.all((values == np.floor(values)) & (np.abs(values) < 2**53))
    return values.astype(np.int64) if whole else values
