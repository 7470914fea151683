"""Awkward learning curves: short, ragged, with ties, plateaus, NaN, infinities; and criteria."""

import inspect

import numpy as np
from hypothesis import strategies as st

from earlystop_lab.criteria import FAMILIES

#: what rules watch beside the errors
CHANNELS = sorted({name for f in FAMILIES.values() for name in f.watches} - {"val", "train"})
#: a coarse grid makes ties and plateaus common; its values are exact in float32 as well
GRID = [quarter / 4 for quarter in range(1, 17)]

finite_errors = st.sampled_from(GRID) | st.floats(0.015625, 64)
errors = finite_errors | st.sampled_from([0.0, np.nan, np.inf])


@st.composite
def curves(draw, values=errors, max_size=30):
    """A pair of equally long lists, validation and training errors."""
    length = draw(st.integers(1, max_size))
    lists = st.lists(values, min_size=length, max_size=length)
    return draw(lists), draw(lists)


def random_values(rng, length, special=True):
    """A noisy curve that falls, levels off in ties and rises, sometimes with NaN and inf."""
    trend = 1 / np.arange(1, length + 1) + rng.choice([0, 0.01, 0.05]) * np.arange(length)
    values = np.round(trend + rng.random() * rng.random(length), int(rng.integers(1, 4)))
    if special and rng.random() < 0.5:
        values[rng.random(length) < 0.1] = np.nan
    if special and rng.random() < 0.2:
        values[int(rng.integers(length)) :] = np.inf
    return values


def random_runs(seed, count, longest=40, **metadata):
    """Ragged runs for ``CurveSet.from_runs``, each with all three curves."""
    rng = np.random.default_rng(seed)
    runs = []
    for i in range(count):
        length = 1 + i % 3 if i < 6 else int(rng.integers(1, longest + 1))
        lists = {name: random_values(rng, length) for name in ("val", "train", "test")}
        runs.append({"run": f"run {i}", **lists, **metadata})
    return runs


def random_errors(rng):
    """Walks, ties, plateaus, creeping gains, negative values; in some, NaN and infinities."""
    n, digits = int(rng.integers(1, 31)), int(rng.integers(1, 3))
    t = np.arange(n)
    kinds = [
        np.round(np.cumsum(rng.normal(0, 0.2, n)) + 2, digits),
        rng.integers(0, 5, n) / 10,
        np.round(np.repeat(np.exp(-t / 3), rng.integers(1, 5, n))[:n], digits),
        np.round(1 - 0.05 * t - 0.01 * rng.integers(0, 3, n), 2),
        np.round((t - n / 2) ** 2 / n + rng.normal(0, 0.1, n), digits),
        rng.normal(1, 1, n),
        np.full(n, float(rng.integers(0, 3))) - 0.1 * (rng.random(n) < 0.2),
        # gains of just a delta, where v + d < best and best - v > d differ by rounding
        np.round(2 + np.cumsum(rng.choice([-0.2, -0.1, -0.05, -0.01, 0, 0.1], n)), 2),
        np.round(1 - 0.1 * t + 0.1 * rng.integers(0, 2, n), 1),
        -np.round(np.log1p(t) / 3 + rng.normal(0, 0.05, n), digits),
    ]
    errors = [float(x) for x in kinds[rng.integers(len(kinds))]]
    if rng.random() < 0.4:
        for _ in range(int(rng.integers(1, 4))):
            errors[int(rng.integers(n))] = [np.nan, np.nan, np.inf, -np.inf][int(rng.integers(4))]
    return errors


def small(family):
    """A criterion of the family with small thresholds and windows, so that it often stops."""
    asked = {
        name: 2 if family.kinds[name] is int else 0.5
        for name, default in family.defaults.items()
        if default is inspect.Parameter.empty or (family.kinds[name] is int and default > 2)
    }
    return family(**asked)
