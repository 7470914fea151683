"""``catboost.cv``: means and standard deviations over the folds, one row per iteration.

Its test columns are measured on the held-out folds and monitored for early stopping, so they are
read as validation.
"""

import re
from dataclasses import replace

from earlystop_lab.curves import Mode, Role
from earlystop_lab.sources.logs._columns import Log
from earlystop_lab.sources.logs._reading import Source
from earlystop_lab.sources.logs.catboost import mode_of
from earlystop_lab.sources.logs.tables import columns, read_table

_MEAN = re.compile(r"(?P<of>test|train)-(?P<metric>.+)-mean")


def recognises(source: Source) -> bool:
    names = columns(source)
    return "iterations" in names and any(
        match["of"] == "test" and f"test-{match['metric']}-std" in names
        for match in map(_MEAN.fullmatch, names)
        if match
    )


def read(source: Source) -> list[Log]:
    """Read the table; the curves are of the first metric that CatBoost minimises."""
    log = read_table(source)
    means = {name: match for name in log.columns if (match := _MEAN.fullmatch(name))}
    modes: dict[str, Mode] = {}
    for name, match in means.items():
        if mode := mode_of(match["metric"]):
            modes[name] = mode
    tests = [name for name in means if name.startswith("test-")]
    roles: dict[Role, str] = {}
    if val := next((name for name in tests if modes.get(name) != "max"), None):
        roles["val"] = val
        if (train := f"train-{means[val]['metric']}-mean") in means:
            roles["train"] = train
    sets = {name: "val" if match["of"] == "test" else "train" for name, match in means.items()}
    measures = {name: (match["of"], match["metric"]) for name, match in means.items()}
    return [
        replace(
            log,
            roles=roles,
            modes=modes,
            sets=sets,
            measures=measures,
            rounds=True,
            unit="round",
            position="iterations",
        )
    ]
