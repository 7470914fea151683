"""The table of libraries: every text form is one of ours, and what is said to be driven is."""

import importlib
from pathlib import Path

import pytest
from other_drivers import OTHERS, finite, row_of
from test_libraries import DRIVEN
from test_other_libraries import criterion

from earlystop_lab import parse
from earlystop_lab.criteria.libraries import ALSO, LIBRARIES, library_table

ROOT = Path(__file__).parents[2]
NAMES = [row.library for row in LIBRARIES]


@pytest.mark.parametrize("text", sorted({row.rule for row in LIBRARIES if row.rule}))
def test_every_rule_is_written_as_ours_is(text):
    assert str(parse(text)) == text


def test_there_are_at_least_sixty_in_order_and_nothing_is_left_out():
    assert len(set(NAMES)) >= 60
    assert sorted(NAMES) == NAMES
    settings = [(row.library, row.setting) for row in LIBRARIES]
    assert len(set(settings)) == len(settings)
    for row in LIBRARIES:
        # where no rule is close, what it does is said; a full stop only between sentences
        assert all([row.version, row.setting, row.keeps, row.rule or row.differs]), row
        assert not row.differs.endswith(".")


def test_what_is_said_to_be_verified_is_driven_and_the_other_way_round():
    # test_patience drives Keras' own callback
    own = {*DRIVEN, "Keras"}
    others = set()
    for name, other in OTHERS.items():
        params = {key: some[0] for key, some in other.grid.items()}
        others.add((name.partition(" ")[0], criterion(other.rule, params).partition("(")[0]))
    verified = {(row.library, row.rule.partition("(")[0]) for row in LIBRARIES if row.how != "read"}
    assert others <= verified
    for name, other in OTHERS.items():
        params = {key: some[0] for key, some in other.grid.items()}
        family = criterion(other.rule, params).partition("(")[0]
        row = next(
            row
            for row in LIBRARIES
            if row.library == name.partition(" ")[0] and (row.rule or "").startswith(f"{family}(")
        )
        assert (row.how == "verified on finite values") == (finite in other.values)
    left = verified - others
    assert {family for _, family in left} == own
    assert len(left) == len(own)


def test_versions_of_libraries_with_a_rule_of_their_name_are_those_that_are_pinned():
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf-8").lower().splitlines()
    for row in LIBRARIES:
        if row.how != "read" and row.library not in {name.split()[0] for name in OTHERS}:
            assert f"{row.library}=={row.version}" in pinned


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("PyTorch_TabNet", "pytorch-tabnet"),
        ("Scikit Learn", "scikit-learn"),
        ("sklearn", "scikit-learn"),
        ("AutoGluon", "autogluon.core"),
        ("Hugging Face", "transformers"),
    ],
)
def test_a_library_is_found_by_any_spelling(name, library):
    found = library_table(name)
    assert set(found["library"]) == {library}
    assert len(found) == NAMES.count(library)


def test_other_names_are_of_libraries_in_the_table():
    assert set(ALSO.values()) <= set(NAMES)
    assert not set(ALSO) & set(NAMES)


@pytest.mark.parametrize(("name", "near"), [("tabent", "'tabnet'"), ("lightgmb", "'lightgbm'")])
def test_an_unknown_library_is_an_error_with_what_is_near(name, near):
    with pytest.raises(ValueError, match=f"library '{name}': did you mean {near}.*allennlp"):
        library_table(name)


def test_every_group_of_libraries_has_an_environment(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "experiments")
    groups = importlib.import_module("verify_libraries")
    assert {other.group for other in OTHERS.values()} == {*groups.NEEDS}
    for group in groups.NEEDS:
        asked = groups.packages(group)
        for name, other in OTHERS.items():
            row = row_of(name)
            pinned = any(each.startswith(f"{row.library}=={row.version}") for each in asked)
            assert pinned == (other.group == group)
