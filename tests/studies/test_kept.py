"""Kept results: never stale, never damaged, bounded, and the same answer with and without."""

import os
import subprocess
import sys
from multiprocessing import get_context

import numpy as np
import pytest

from earlystop_lab import (
    GL,
    UP,
    CurveSet,
    Keras,
    Slope,
    criterion,
    read_curves,
    recommend,
    simulate,
)
from earlystop_lab.criteria import first_passage
from earlystop_lab.engine import replaying
from earlystop_lab.report import answer_as_json, page
from earlystop_lab.studies import kept, known
from earlystop_lab.studies.comparison import bench
from earlystop_lab.studies.kept import NOTHING_KEPT, Kept, digest_of, digest_of_files
from earlystop_lab.studies.surveys import survey

RULES = [GL, UP, Keras, Slope]


@criterion(threshold="checks", passes=">=")
def Waiting(val, *, tol: float = 0.01):
    best = np.fmin.accumulate(val)
    new = np.concatenate([[True], best[1:] < best[:-1] * (1 - tol)])
    at = np.maximum.accumulate(np.where(new, np.arange(len(val)), 0))
    return np.arange(len(val)) - at


@pytest.fixture(scope="module")
def corpora():
    return {
        "flow": simulate("gradient_flow", 40, seed=1, epochs=150),
        "descent": simulate("double_descent", 16, seed=2, epochs=120),
    }


@pytest.fixture(scope="module")
def computed(corpora):
    return answer(corpora)


def answer(corpora, place=None, **options):
    return answer_as_json(bench(Waiting, corpora, known=RULES, kept=Kept(place), **options))


@pytest.fixture
def made(monkeypatch):
    """The names of the rules that are computed, in order."""
    names, compute = [], known._computed
    monkeypatch.setattr(
        known, "_computed", lambda rule, *rest: names.append(rule.name) or compute(rule, *rest)
    )
    return names


def test_the_answer_is_the_same_computed_kept_and_without(corpora, computed, tmp_path, made):
    assert answer(corpora, tmp_path) == computed
    assert made == [rule.name for rule in RULES] * 2
    # those of the rules, and the bounds of either corpus
    assert len(Kept(tmp_path).files()) == len(made) + 2
    made.clear()
    assert answer(corpora, tmp_path) == computed
    assert not made
    assert answer(corpora) == computed
    assert made == [rule.name for rule in RULES] * 2


def test_the_page_is_the_same_with_and_without(corpora, tmp_path, monkeypatch):
    for library in ("altair", "vl_convert", "jinja2", "tsdownsample"):
        pytest.importorskip(library)
    found = bench(Waiting, corpora, known=RULES, kept=Kept(tmp_path))
    files = len(Kept(tmp_path).files())
    computed = page(found)
    assert page(found, Kept(tmp_path)) == computed
    assert len(Kept(tmp_path).files()) > files + 1
    # the new rule is computed, and no other
    asked, traces = [], first_passage.traces
    monkeypatch.setattr(
        first_passage, "traces", lambda rule, runs: asked.append(rule) or traces(rule, runs)
    )
    assert page(found, Kept(tmp_path)) == computed
    assert {rule.family for rule in asked} == {Waiting}


def test_what_was_kept_before_an_interruption_is_not_computed_again(
    corpora, computed, tmp_path, made, monkeypatch
):
    compute = known._computed

    def interrupted(rule, *rest):
        if len(made) == 5:
            raise KeyboardInterrupt
        return compute(rule, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(known, "_computed", interrupted)
        with pytest.raises(KeyboardInterrupt):
            answer(corpora, tmp_path)
    # beside the rules, the bounds of the first corpus
    assert len(made) + 1 == len(Kept(tmp_path).files()) == 6
    made.clear()
    assert answer(corpora, tmp_path) == computed
    assert made == ["UP", "Keras", "Slope"]


def test_a_corpus_or_setting_that_changes_meets_nothing_kept(corpora, tmp_path, made):
    answer(corpora, tmp_path)
    made.clear()
    flow = corpora["flow"]
    runs = [
        {"run": c.run, "problem": problem, **{name: c[name].copy() for name in c.channels}}
        for c, problem in zip(flow, flow.meta["problem"], strict=True)
    ]
    runs[7]["val"][-1] = np.nextafter(runs[7]["val"][-1], 1)
    changed = {**corpora, "flow": CurveSet.from_runs(runs)}
    answer(changed, tmp_path)
    assert made == [rule.name for rule in RULES]
    for options in ({"seed": 1}, {"restore": "last"}):
        made.clear()
        answer(corpora, tmp_path, **options)
        assert made == [rule.name for rule in RULES] * 2


def test_code_that_changes_meets_nothing_kept(tmp_path, monkeypatch):
    cache = Kept(tmp_path / "kept")
    assert cache.arrays(["a"], lambda: {"x": np.arange(3)})["x"].tolist() == [0, 1, 2]
    package = tmp_path / "package"
    (package / "inner").mkdir(parents=True)
    (package / "inner" / "rule.py").write_text("x = 1\n")
    seen = {digest_of_files(package)}
    (package / "inner" / "rule.py").write_text("x = 2\n")
    seen.add(digest_of_files(package))
    (package / "inner" / "rule.py").rename(package / "inner" / "other.py")
    seen.add(digest_of_files(package))
    (package / "notes.txt").write_text("not source")
    assert len(seen | {digest_of_files(package)}) == 3
    monkeypatch.setattr(kept, "code", lambda: "changed")
    assert cache.arrays(["a"], lambda: {"x": np.arange(4)})["x"].tolist() == [0, 1, 2, 3]


def test_a_new_library_meets_nothing_kept(monkeypatch):
    before = kept.code()
    monkeypatch.setattr(kept, "version", lambda name: "2.0" if name == "numpy" else "1.0")
    assert kept.code.__wrapped__() != before


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_a_damaged_file_is_replaced(tmp_path, share):
    cache, numbers = Kept(tmp_path), np.random.default_rng(0).normal(size=(7, 3))
    cache.arrays(["a"], lambda: {"x": numbers})
    ((file, size),) = cache.files()
    data = bytearray(file.read_bytes())
    data[min(int(share * size), size - 1)] ^= 1
    file.write_bytes(data)
    assert cache.arrays(["a"], lambda: {"x": numbers + 1})["x"].tolist() == (numbers + 1).tolist()
    assert cache.arrays(["a"], lambda: {})["x"].tolist() == (numbers + 1).tolist()
    file.write_bytes(bytes(data[: size // 2]))
    assert cache.arrays(["a"], lambda: {"x": numbers})["x"].tolist() == numbers.tolist()


def test_what_a_killed_process_left_beside_a_result_is_removed(tmp_path):
    """As after a kill between the rename and the removal of the temporary folder."""
    kept = Kept(tmp_path)
    kept.arrays(["a"], lambda: {"a": np.arange(3)})
    ((file, _),) = kept.files()
    left = tmp_path / f".{file.name}.1.tmp"
    left.mkdir()
    (left / "lock").touch()
    assert kept.arrays(["a"], dict)["a"].tolist() == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_a_file_under_the_name_of_another_is_not_used(tmp_path):
    cache = Kept(tmp_path)
    cache.arrays(["a"], lambda: {"x": np.arange(2)})
    cache.arrays(["b"], lambda: {"x": np.arange(3)})
    (one, _), (other, _) = cache.files()
    os.replace(one, other)
    assert cache.arrays(["b"], lambda: {"x": np.arange(4)})["x"].tolist() == [0, 1, 2, 3]


def test_arrays_are_mapped_and_keep_their_shapes_and_types(tmp_path):
    cache = Kept(tmp_path)
    made = {
        "whole": np.array(7),
        "empty": np.empty((2, 0)),
        "rows": np.arange(6, dtype=np.int16).reshape(2, 3),
        "turned": np.arange(6.0).reshape(2, 3).T,
    }
    cache.arrays(["a"], lambda: made)
    found = cache.arrays(["a"], lambda: {})
    for name, array in made.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert found[name].tolist() == array.tolist()
        assert not found[name].flags.writeable


def test_what_was_not_used_for_the_longest_time_is_removed(tmp_path, monkeypatch):
    cache = Kept(tmp_path)

    def asked(name):
        return cache.arrays([name], lambda: {"x": np.zeros(1000)})

    for second, name in enumerate("abc"):
        asked(name)
        os.utime(cache.files()[-1][0], (second, second))
    asked("a")  # now used last
    size = cache.files()[0][1]
    monkeypatch.setattr(kept, "LIMIT", 3 * size)
    asked("d")
    assert len(cache.files()) == 3
    computed = []
    for name in "acd":
        cache.arrays([name], lambda name=name: computed.append(name) or {"x": np.zeros(1)})
    assert not computed
    assert cache.clear() == 3
    assert not cache.files()


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path):
    (tmp_path / "file").touch()
    cache = Kept(tmp_path / "file" / "kept")
    for _ in range(2):
        assert cache.arrays(["a"], lambda: {"x": np.arange(2)})["x"].tolist() == [0, 1]
    assert not cache.files()


def test_the_digest_is_of_what_is_recorded_whichever_file_it_is_in(tmp_path, corpora):
    flow = corpora["flow"]
    flow.write(tmp_path / "a.arrow")
    flow.write(tmp_path / "b.parquet")
    again = {digest_of(read_curves(tmp_path / name)) for name in ("a.arrow", "b.parquet")}
    assert again == {digest_of(flow)}
    assert digest_of(flow) != digest_of(flow[1:])


def _ask(place, number):
    cache = Kept(place)
    for k in range(20):
        found = cache.arrays([k], lambda k=k: {"x": np.full(1000, k)})["x"]
        assert (found == k).all(), (number, k)
    return True


def test_processes_share_a_folder(tmp_path):
    with get_context("spawn").Pool(3) as pool:
        assert all(pool.starmap(_ask, [(tmp_path, number) for number in range(3)]))
    assert len(Kept(tmp_path).files()) == 20


def test_a_bench_that_is_killed_resumes(tmp_path):
    simulate("gradient_flow", 20, seed=1, epochs=60).write(tmp_path / "flow.arrow")
    (tmp_path / "ask.py").write_text(
        """
import os, sys
from pathlib import Path
import numpy as np
from earlystop_lab import GL, UP, Keras, criterion, read_curves
from earlystop_lab.studies import known
from earlystop_lab.studies.comparison import bench
from earlystop_lab.studies.kept import Kept

@criterion(threshold="rise", passes=">")
def Mine(val):
    return val - np.fmin.accumulate(val)

compute, done, most = known._computed, [], int(sys.argv[1])

def counted(*given):
    if len(done) == most:
        os._exit(9)
    done.append(given)
    return compute(*given)

known._computed = counted
bench(Mine, {"flow": read_curves("flow.arrow")}, known=[GL, UP, Keras], kept=Kept(Path("kept")))
print(len(done))
"""
    )

    def run(most):
        words = [sys.executable, "ask.py", str(most)]
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)

    assert run(2).returncode == 9
    assert len(Kept(tmp_path / "kept").files()) == 2
    done = run(3)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


@pytest.fixture
def replays(monkeypatch):
    """How many rules are replayed, in order."""
    counts, compute = [], replaying._replayed
    monkeypatch.setattr(
        replaying,
        "_replayed",
        lambda runs, asked, *rest: counts.append(len(asked.rules)) or compute(runs, asked, *rest),
    )
    return counts


@pytest.mark.parametrize("framework", [None, "Keras"])
def test_a_recommendation_for_another_goal_replays_only_what_is_new(
    corpora, tmp_path, replays, framework
):
    runs = corpora["flow"]
    places = Kept(tmp_path), NOTHING_KEPT
    kept, plain = (recommend(runs, framework=framework, kept=each) for each in places)
    assert answer_as_json(kept) == answer_as_json(plain)
    replays.clear()
    again = recommend(runs, framework=framework, kept=Kept(tmp_path))
    assert answer_as_json(again) == answer_as_json(plain)
    assert not replays
    changed = recommend(corpora["descent"], framework=framework, kept=Kept(tmp_path))
    assert replays
    assert answer_as_json(changed) == answer_as_json(
        recommend(corpora["descent"], framework=framework)
    )


def test_a_survey_of_the_same_runs_replays_nothing(corpora, tmp_path, replays):
    runs = corpora["flow"]
    rules = ["GL(5)", "Keras(10)", "any_of(UP(3), Slope(20))", "Keras(3, val='test')"]
    file = tmp_path / "curves.parquet"
    runs.write(file)
    plain = survey(runs, rules)
    assert survey(file, rules, kept=Kept(tmp_path)).equals(plain)
    replays.clear()
    assert survey(file, rules, kept=Kept(tmp_path)).equals(plain)
    assert not replays
    assert survey(file, rules[:2], kept=Kept(tmp_path)).equals(plain[:2])
    assert survey(file, rules[::-1], kept=Kept(tmp_path)).equals(plain[::-1].reset_index(drop=True))
    assert replays
    replays.clear()
    fewer = runs[1:]
    assert survey(fewer, rules, kept=Kept(tmp_path)).equals(survey(fewer, rules))
    assert replays


def test_what_depends_on_code_outside_the_package_is_not_kept(corpora, tmp_path, replays):
    mine = Waiting(5)
    for _ in range(2):
        survey(corpora["flow"], [mine], kept=Kept(tmp_path))
    assert len(replays) == 2
    assert not Kept(tmp_path).files()
