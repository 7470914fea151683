"""The family of fitted rules: what it is by a loop, its known members, and the committed choice."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from earlystop_lab import CurveSet, Keras, Weka, replay
from earlystop_lab.studies.comparison import Verdict
from experiments import rules_fitted
from experiments.rules_fitted import ATTEMPTS, MEMORY, TRIED, Counted, Counts, Mixture, chosen
from experiments.studies import at, study

CURVES = st.lists(st.sampled_from([1.0, 1.1, 1.5, 2.0, 3.0]), min_size=1, max_size=70)


def naive(val, power, noisy, *, rising):
    """The statistic at each check, from the whole past."""
    for t in range(len(val)):
        at = val.index(min(val[: t + 1]))
        since = range(at + 1, t + 1)
        count = sum(val[i] >= val[i - 1] for i in since) if rising else len(since)
        noise = 0.0
        for i in range(1, t + 1):
            change = min(max((val[i] - val[i - 1]) / min(val[:i]), -1), 1)
            share = 1 / min(i, MEMORY)
            noise = (1 - share) * noise + share * change**2
        yield count / ((t + 1) ** power * (math.sqrt(noise) + 1e-4) ** noisy)


@given(CURVES, st.booleans(), st.sampled_from([0.0, 0.2, 0.4]), st.sampled_from([0.0, 0.4]))
def test_the_statistic_is_that_of_a_loop(val, rising, power, noisy):
    state, found = Counted(rising, power, noisy, 0, math.nan, math.nan, 0.0, 0.0), []
    for t, each in enumerate(val):
        state, value = rules_fitted.counts_step(state, t + 1.0, each)
        found.append(value)
    assert found == pytest.approx(list(naive(val, power, noisy, rising=rising)))


def test_patience_and_weka_are_members():
    rng = np.random.default_rng(1)
    walks = np.abs(rng.integers(-1, 2, (40, 60)).cumsum(axis=1)) + 1.0
    curves = CurveSet.from_runs([{"val": walk} for walk in walks])
    same = {Keras: {}, Weka: {"rising": True}}
    for known, numbers in same.items():
        assert str(Counts(1, **numbers)) in map(str, TRIED)
        for n in (2, 5):
            # patience fires at n checks, the others above
            above = n - 0.5 if known is Keras else n
            stops = replay(curves, [Counts(above, **numbers), known(n)]).stop
            np.testing.assert_array_equal(stops[:, 0], stops[:, 1])


def test_the_member_with_the_lowest_mean_over_corpora_is_chosen():
    one, other = (
        pd.DataFrame({"a": [0.0, 2.0], "b": [0.5, 0.7]}),
        pd.DataFrame({"a": [3.0], "b": [3.1]}),
    )
    assert chosen({"one": one}) == "b"
    assert chosen({"one": one, "other": other}) == "b"
    assert chosen({"other": other}) == "a"


@given(CURVES, st.sampled_from([(1.0, 0.0, 0.0), (0.5, 0.25, 0.25)]))
def test_a_mixture_is_that_of_a_loop(val, weights):
    empty = Counted(False, 0.0, 0.0, 0, math.nan, math.nan, 0.0, 0.0)
    state = Mixture(*weights, empty, 0.0)
    noise = 0.0
    for t, each in enumerate(val):
        at = val.index(min(val[: t + 1]))
        if t:
            change = min(max((each - val[t - 1]) / min(val[:t]), -1), 1)
            noise += (change**2 - noise) / min(t, MEMORY)
        parts = (
            t - at,
            (each - val[at]) / (val[at] * (math.sqrt(noise) + 1e-4)),
            sum(val[i] > val[i - 1] for i in range(at + 1, t + 1)),
        )
        by_hand = sum(w * math.log1p(part) for w, part in zip(weights, parts, strict=True))
        state, value = rules_fitted.mixture_step(state, t + 1.0, each)
        assert value == pytest.approx(by_hand)


@pytest.mark.parametrize("way", ATTEMPTS)
def test_the_committed_choice_did_not_see_the_corpus_it_is_judged_on(way):
    t, attempt = study("rules_fitted"), ATTEMPTS[way]
    part = t[t["what"].isin([str(each) for each in attempt.members])]
    values = part.pivot(index="where", columns="what", values="value").loc[[*attempt.corpora]]
    means = np.log1p(values)
    said = rules_fitted.answer(t)
    for where in values.index:
        best = means.drop(where).mean().idxmin()
        assert at(t, where, f"{way}: {best}")["value"] == pytest.approx(values.loc[where, best])
        counts = [at(t, where, f"{way}, known rules: {verdict}")["value"] for verdict in Verdict]
        assert f"better than {counts[0]:.0f} and worse than {counts[1]:.0f} of" in said
        assert f"{where} {best}, " in said
    assert [*Verdict][:2] == [Verdict.BETTER, Verdict.WORSE]
