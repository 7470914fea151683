"""Two rules at equal time, against loops, and against resampled clusters aligned anew."""

import numpy as np
import pandas as pd
import pytest

from earlystop_lab.inference import intervals
from earlystop_lab.inference.equal_time import GAP, Pair, Sweep, aligned

AT = np.linspace(-0.7, -0.3, 5)


def random_sweep(rng, n=7, thresholds=9):
    """Times that grow, losses that fall, a row a cluster."""
    time = np.sort(rng.uniform(-1, 0, (n, thresholds)), axis=1)
    loss = np.sort(rng.exponential(0.1, (n, thresholds)), axis=1)[:, ::-1]
    return Sweep(pd.DataFrame(time), pd.DataFrame(loss))


def at_moment(sweep, moment):
    """Every cluster's time and loss where the rule takes that time on average."""
    mean = sweep.time.mean().to_numpy()
    return [np.array([np.interp(moment, mean, row) for row in table.to_numpy()]) for table in sweep]


def slope(sweep, moment):
    """Of mean loss in mean time, between the ends of a window that the rule reaches."""
    time, loss = (table.mean().to_numpy() for table in sweep)
    ends = np.clip([moment - GAP, moment + GAP], time.min(), time.max())
    return np.diff(np.interp(ends, time, loss))[0] / np.diff(ends)[0]


def test_differences_are_those_of_a_loop_over_times():
    rng = np.random.default_rng(3)
    new, known = random_sweep(rng), random_sweep(rng)
    pair = aligned(new, known, AT, default=-0.45)
    assert pair.at.tolist() == pytest.approx(sorted([*AT, -0.45]))
    assert pair.at[pair.default] == -0.45
    for moment, column in zip(pair.at, pair.differences.T, strict=True):
        (time, loss), (known_time, known_loss) = (at_moment(s, moment) for s in (new, known))
        assert time.mean() == pytest.approx(moment)
        rate = (slope(new, moment) + slope(known, moment)) / 2
        assert column == pytest.approx(loss - known_loss - rate * (time - known_time))
        # what is exchanged is nothing on average
        assert column.mean() == pytest.approx((loss - known_loss).mean())


def test_time_is_exchanged_at_the_rate_of_the_rules():
    # loss falls with time at the same rate everywhere; the new rule only spends time elsewhere
    rng = np.random.default_rng(5)
    grid, offsets = np.linspace(-1, 0, 21), rng.normal(0, 0.1, 12)
    offsets -= offsets.mean()
    known_time = pd.DataFrame(np.tile(grid, (12, 1)))
    new_time = known_time.add(offsets, axis=0)
    level = rng.exponential(size=(12, 1))
    sweeps = [Sweep(time, level - 0.3 * time) for time in (new_time, known_time)]
    pair = aligned(*sweeps, [-0.5])
    assert np.ptp(pair.loss[0] - pair.loss[1]) > 0.05
    assert pair.differences == pytest.approx(np.zeros((12, 1)), abs=1e-12)


def test_a_rule_of_a_single_time_is_compared_at_the_rate_of_the_other():
    time, loss = pd.DataFrame([[-0.6], [-0.4]]), pd.DataFrame([[0.5], [0.1]])
    known_time = pd.DataFrame([[-0.7, -0.5, -0.3]] * 2)
    known = Sweep(known_time, 0.2 - 2 * known_time)
    pair = aligned(Sweep(time, loss), known, [-0.5])
    # the known rule has loss 1.2 at -0.5, and its loss changes by -2 per unit of log time
    expected = [[0.5 - 1.2 + 2 * (-0.6 + 0.5)], [0.1 - 1.2 + 2 * (-0.4 + 0.5)]]
    assert pair.differences == pytest.approx(np.array(expected))


def test_the_same_sweep_is_the_same():
    sweep = random_sweep(np.random.default_rng(0))
    pair = aligned(sweep, sweep, AT, default=-0.5)
    assert not pair.differences.any()


def test_times_in_a_wide_gap_are_not_compared():
    time = pd.DataFrame([[-2.0, -1.0, -1.0 + GAP / 2, 0.0]] * 2)
    sweep = Sweep(time, -time)
    pair = aligned(sweep, sweep, [-2.5, -2.0, -1.5, -1 + GAP / 4, -0.5], default=-0.2)
    assert pair.at.tolist() == [-2.0, -1 + GAP / 4]
    assert pair.default is None
    assert aligned(sweep, sweep, [-1.5]) is None


def test_times_that_say_nothing_are_left_out():
    time = pd.DataFrame([[-0.2, -0.1, 0.0]] * 2)
    sweep = Sweep(time, -time)
    pair = aligned(sweep, sweep, [-0.2, -0.1, 0.0], default=0.0, without=[-0.2 + 1e-12, 0.0])
    assert pair.at.tolist() == [-0.1]
    assert pair.default is None
    assert aligned(sweep, sweep, [0.0], without=[0.0]) is None


def smooth_sweep(rng, n):
    """Clusters whose loss is a smooth function of time, each with a time and a level of its own."""
    grid, shift = np.linspace(-1.5, 0.5, 41), rng.normal(0, 0.15, (n, 1))
    level, rate = rng.normal(0, 0.02, (n, 1)), 0.3 + 0.05 * rng.standard_normal((n, 1))
    time = grid + shift
    return Sweep(pd.DataFrame(time), pd.DataFrame(level + rate * np.exp(-time)))


def test_the_spread_is_that_of_resampled_clusters_aligned_anew():
    rng = np.random.default_rng(8)
    new, known = smooth_sweep(rng, 30), smooth_sweep(rng, 30)
    one = aligned(new, known, [-0.5])
    estimates = []
    for _ in range(2000):
        rows = rng.integers(30, size=30)
        pair = aligned(*(Sweep(*(t.iloc[rows] for t in sweep)) for sweep in (new, known)), [-0.5])
        estimates.append((pair.loss[0] - pair.loss[1]).mean())
    spread = one.differences.std() / np.sqrt(30)
    assert spread == pytest.approx(np.std(estimates), rel=0.1)
    # without the exchange of time for loss it is another number
    plain = (one.loss[0] - one.loss[1]).std() / np.sqrt(30)
    assert abs(plain / np.std(estimates) - 1) > 0.2


def test_rules_that_are_equally_good_are_told_apart_in_about_5_percent():
    rng = np.random.default_rng(11)
    p = []
    for _ in range(300):
        pair = aligned(smooth_sweep(rng, 12), smooth_sweep(rng, 12), AT)
        found = intervals(pd.Series(pair.differences.mean(axis=1)), resamples=999)
        p.append(found["p"].iloc[0])
    error = np.sqrt(0.05 * 0.95 / 300)
    assert abs(np.mean(np.array(p) <= 0.05) - 0.05) <= 3 * error


def test_a_pair_is_made_of_plain_arrays():
    pair = Pair(
        (np.zeros((2, 1)),) * 2, (np.array([[0.1], [0.3]]), np.zeros((2, 1))), AT[:1], AT[:1]
    )
    assert pair.differences.tolist() == [[0.1], [0.3]]
