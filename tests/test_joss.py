"""The paper in the form of JOSS: its sections, its numbers and its references."""

import re
from pathlib import Path

from earlystop_lab.criteria import FAMILIES
from earlystop_lab.criteria.catalogue import rule_table

PAPER = Path(__file__).resolve().parents[1] / "paper"
TEXT = (PAPER / "joss" / "paper.md").read_text(encoding="utf-8")
BODY = TEXT.split("---\n", 2)[2]


def test_it_has_the_required_sections_in_order_and_length():
    assert re.findall(r"^# (.*)$", BODY, re.M) == [
        "Summary",
        "Statement of need",
        "State of the field",
        "Software design",
        "Research impact statement",
        "AI usage disclosure",
        "Acknowledgements",
        "References",
    ]
    assert 750 <= len(BODY.split()) <= 1750


def test_its_metadata_has_what_is_asked_for():
    head = TEXT.split("---\n", 2)[1]
    for name in ("title", "tags", "authors", "affiliations", "date", "bibliography"):
        assert re.search(rf"^{name}:", head, re.M)
    assert re.search(r"^date: \d{1,2} \w+ \d{4}$", head, re.M)


def test_its_numbers_are_those_of_the_package():
    verified = rule_table()["verified"]
    expected = {
        "1296",
        "1997",
        str(len(FAMILIES)),
        str((verified != "worked by hand").sum()),
    }
    plain = re.sub(r"@[\w-]+", "", BODY)
    assert set(re.findall(r"\d+", plain)) == expected
    assert f"replays {len(FAMILIES)} rules" in plain


def test_its_references_are_those_of_the_long_paper():
    bib = (PAPER / "joss" / "paper.bib").read_text(encoding="utf-8")
    entries = dict(re.findall(r"^@\w+\{(\S+),\n(.*?)^\}", bib, re.M | re.S))
    assert set(re.findall(r"@([a-z]+\d{4}[a-z]*)", BODY)) == set(entries)
    long = (PAPER / "references.yml").read_text(encoding="utf-8")
    for text in entries.values():
        # every reference has a DOI; arXiv gives one to each of its numbers
        doi = re.search(r"^  doi = \{(.*)\}$", text, re.M)[1]
        assert doi.replace("10.48550/arXiv.", "https://arxiv.org/abs/") in long
        assert re.search(r"title = \{\{(.*)\}\}", text)[1] in long
