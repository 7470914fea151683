"""What is kept of built-in rules: on one corpus, whatever the new rule or the goal is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earlystop_lab.criteria import FAMILIES, Criterion, Family, Rule, parse, usual
from earlystop_lab.criteria.first_passage import Highs, Indices, brief, shared
from earlystop_lab.curves import CurveSet, FloatArray, Runs, facts_of
from earlystop_lab.engine.replaying import Restore, Stopped, Stops, replay, stopped, stops_at
from earlystop_lab.engine.thresholds import Levels, Thresholds, sweep, swept
from earlystop_lab.measures.fronts import SweepMeans, band, sweep_means
from earlystop_lab.measures.hindsight import regrets
from earlystop_lab.studies.kept import Arrays, Kept, digest_of

#: highs are kept if there are at least this many times as many checks as stretches of highs
MANY = 4


class Setting(NamedTuple):
    """What all rules on a corpus have in common."""

    #: the runs that are compared, and a digest of them
    curves: CurveSet
    #: the same with all channels that are watched, laid out for replays
    runs: Runs
    digest: str
    error: Literal["val", "test"]
    restore: Restore
    #: weights of the runs that give every problem equal weight
    weights: FloatArray
    #: maximum number of members of a sweep
    most: int
    #: seed of the bootstrap
    seed: int


class Known(NamedTuple):
    """A known rule on one corpus."""

    family: Family
    #: the rule at its usual threshold, which is one of the members, and its mean log time
    used: Criterion
    default: float
    members: list[Criterion]
    #: the rows at which the members stop and which they select: (runs, members)
    rows: Stopped
    #: mean log time and mean log(1 + regret) of every problem and member
    time: FloatArray
    loss: FloatArray
    #: the band of the members' mean losses
    low: FloatArray
    high: FloatArray
    #: every threshold; None for a rule without one, which has the mean log times of its members
    levels: Levels | None
    times: FloatArray
    #: the highs of its statistic, of all runs, unless they are many or it has no threshold
    highs: Highs | None


def highs_of(rules: Iterable[Known]) -> dict[Any, Highs]:
    """The highs of known rules' statistics as :func:`engine.replaying.stopped` takes them."""
    return {shared(rule.used): rule.highs for rule in rules if rule.highs is not None}


def known_on(family: Family, setting: Setting, kept: Kept) -> Known:
    """The rule on these runs, computed or kept.

    Only built-in rules are kept: what the code of another rule depends on cannot be known.
    """
    if not built_in(family):
        return _computed(family, setting)
    settings = [setting.error, str(setting.restore), setting.most, setting.seed]
    what = ["known rule", family.name, setting.digest, *settings]
    return _from_arrays(
        family, kept.arrays(what, lambda: _arrays(_computed(family, setting), setting))
    )


def built_in(family: Family) -> bool:
    """Whether the rule is one of this package."""
    return FAMILIES.get(family.name) is family


def all_built_in(rules: Iterable[Rule]) -> bool:
    """Whether all rules, and the members of combinations, are of this package."""
    return all(built_in(leaf.family) for rule in rules for leaf in rule.leaves)


class Replays:
    """Replays of some curves; those of built-in rules are kept.

    It does not matter to their results, except that a run which a criterion never stops is not told
    from one that it stops at its last row.
    """

    def __init__(self, curves: CurveSet, kept: Kept) -> None:
        self.curves = curves
        self.kept = kept
        self._digest = None if kept.place is None else digest_of(curves)

    def stops(self, criteria: Sequence[Criterion], restore: Restore = "best") -> Stops:
        """The stops as :func:`replay` finds them."""
        if self._digest is None or not all_built_in(criteria):
            return replay(self.curves, criteria, restore=restore)
        what = ["stops", self._digest, str(restore), [*map(str, criteria)]]

        def replayed() -> Arrays:
            found = stopped(self.curves, criteria, restore=restore)
            return {name: _narrow(rows) for name, rows in found._asdict().items()}

        found = self.kept.arrays(what, replayed)
        return stops_at(self.curves, criteria, _rows(found))

    def sweeps(self, families: Iterable[Family], n: int) -> list[Criterion]:
        """The members of the sweeps of built-in rules that can be swept, one after the other."""
        rules = swept(families, self.curves)

        def thresholds() -> Arrays:
            every = {rule.name: sweep(rule, self.curves, n) for rule in rules}
            return {
                name: np.array([each.threshold for each in members], np.float64)
                for name, members in every.items()
            }

        what = ["sweeps", self._digest, n, [rule.name for rule in rules]]
        found = self.kept.arrays(what, thresholds)
        return [
            usual(rule).with_threshold(each) for rule in rules for each in found[rule.name].tolist()
        ]


def means_of(
    setting: Setting, rules: list[str], members: list[Criterion], rows: Stopped
) -> SweepMeans:
    """The mean log time and loss of criteria that stop and select at these rows."""
    curves = setting.curves
    values = regrets(stops_at(curves, members, rows), curves)
    return sweep_means(
        facts_of(curves).clusters,
        rules,
        list(map(str, members)),
        values.time,
        getattr(values, setting.error),
        facts_of(curves).lasts,
        rules if falling(setting, members[0]) else [],
    )


def falling(setting: Setting, member: Criterion) -> bool:
    """Whether the regret of a rule cannot rise from a faster to a slower threshold in any run."""
    nested = setting.error == "val" and setting.restore in ("best", "lowest")
    return nested and member.family.threshold is not None


def _computed(family: Family, setting: Setting) -> Known:
    curves, used = setting.curves, usual(family)
    fine = Thresholds.of(family, curves, setting.runs) if family.threshold is not None else None
    members = sweep(family, curves, setting.most) if fine is None else fine.sweep(setting.most)
    members = list(dict.fromkeys([*members, used]))
    known = fine.known if fine is not None else None
    rows = stopped(curves, members, restore=setting.restore, known=known, runs=setting.runs)
    means = means_of(setting, [family.name] * len(members), members, rows)
    levels = None if fine is None else fine.levels(setting.weights)
    times = mean_times(members, rows, setting) if levels is None else np.empty(0)
    default = times[members.index(used)] if levels is None else levels.of(used.threshold or 0)
    low, high = band(means, seed=setting.seed)
    time, loss = means.time.to_numpy(), means.loss.to_numpy()
    return Known(
        family,
        used,
        float(default),
        members,
        rows,
        time,
        loss,
        low,
        high,
        levels,
        times,
        None if fine is None else fine.highs,
    )


def mean_times(members: list[Criterion], rows: Stopped, setting: Setting) -> FloatArray:
    """The mean log times of criteria that stop at these rows."""
    with np.errstate(divide="ignore"):
        stops = stops_at(setting.curves, members, rows)
        logs: FloatArray = np.log(regrets(stops, setting.curves).time)
    return setting.weights @ logs


def _arrays(rule: Known, setting: Setting) -> Arrays:
    """A known rule as arrays; see :func:`_from_arrays`."""
    texts = [] if rule.levels else list(map(str, rule.members))
    thresholds = [each.threshold for each in rule.members] if rule.levels else []
    levels = rule.levels
    return {
        "texts": np.frombuffer(json.dumps(texts).encode(), np.uint8),
        "thresholds": np.array(thresholds, np.float64),
        "used": np.array(rule.members.index(rule.used)),
        "default": np.array(rule.default),
        **{name: _narrow(rows) for name, rows in rule.rows._asdict().items()},
        **{name: getattr(rule, name) for name in ("time", "loss", "low", "high", "times")},
        "levels": np.empty((2, 0)) if levels is None else np.array([levels.low, levels.high]),
        "levels_value": np.empty(0) if levels is None else levels.value,
        "level": np.empty(0) if levels is None else levels.time,
        **_few(rule, setting),
    }


def _few(rule: Known, setting: Setting) -> Arrays:
    """Its highs, if there are so few that reading them takes less time than stepping again."""
    if rule.highs is None:
        return {}
    highs, most = rule.highs, int(setting.curves.lengths.sum()) // MANY
    if len(highs.value) > most:
        highs = brief(highs, rule.used.stride)
    if len(highs.value) > most:
        return {}
    return {**highs._asdict(), "row": _narrow(highs.row), "apart": np.array(highs.apart)}


def _from_arrays(family: Family, found: Arrays) -> Known:
    usually, ends = usual(family), found["levels"]
    levels = None
    if family.threshold is None:
        rules = (
            parse(text, {family.name: family}) for text in json.loads(found["texts"].tobytes())
        )
        members = [rule for rule in rules if isinstance(rule, Criterion)]
    else:
        members = [usually.with_threshold(each) for each in found["thresholds"].tolist()]
        level = found["levels_value"], found["level"]
        levels = Levels(usually, *level, float(ends[0]), float(ends[1]))
    return Known(
        family,
        members[int(found["used"])],
        float(found["default"]),
        members,
        _rows(found),
        found["time"],
        found["loss"],
        found["low"],
        found["high"],
        levels,
        found["times"],
        _highs(found),
    )


def _highs(found: Arrays) -> Highs | None:
    if "value" not in found:
        return None
    value, row, offsets, length, apart = (found[name] for name in Highs._fields)
    return Highs(value, row.astype(np.int32), offsets, length, int(apart))


def _rows(found: Arrays) -> Stopped:
    return Stopped(*(found[name].astype(np.int32) for name in Stopped._fields))


def _narrow(rows: Indices) -> NDArray[np.int16] | Indices:
    """The rows in the smallest type that holds them; NEVER is -1."""
    return rows.astype(np.int16) if rows.max(initial=0) < 2**15 else rows
