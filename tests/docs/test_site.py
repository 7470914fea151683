"""The documentation builds without a warning, names everything, and its pages do what they show."""

import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from accessible import VIEWS, seen_as, serious
from filelock import FileLock
from pasted import ENVIRONMENT, paste

import earlystop_lab
from earlystop_lab import read_curves, recommend
from earlystop_lab.criteria import FAMILIES
from earlystop_lab.inference.bootstrap import FEWEST_CLUSTERS, SIZES
from earlystop_lab.report import in_words
from earlystop_lab.sources.corpora import CORPORA, RECORDED
from earlystop_lab.sources.corpora.fetching import SMALL

pytest.importorskip("myst_nb")
ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
#: whether all pages are looked at, with the pictures of all rules (make pages)
ALL = os.environ.get("EARLYSTOP_PAGES") == "all"
PICTURED = ("GL", "PQ", "Keras", "H2O")
#: of the run that pictures show
CHANNELS = {"val", "train", "test", "lr"}
#: the pages whose code is executed
EXECUTED = sorted(
    page.relative_to(DOCS).with_suffix("").as_posix()
    for page in DOCS.rglob("*.md")
    if page.read_text(encoding="utf-8").startswith("---\nfile_format: mystnb")
)


@pytest.fixture(scope="session")
def site(tmp_path_factory, worker_id, recorded):
    """The pages, built once for all workers."""
    place = tmp_path_factory.getbasetemp()
    place = place if worker_id == "master" else place.parent
    built, done = place / "site", place / "site.done"
    with FileLock(place / "site.lock"):
        if not done.exists():
            words = [
                "-W",
                "--keep-going",
                "-q",
                "-b",
                "html",
                "-d",
                place / "doctrees",
                DOCS,
                built,
            ]
            pictures = {} if ALL else {"EARLYSTOP_PICTURES": " ".join(PICTURED)}
            made = subprocess.run(
                [sys.executable, "-m", "sphinx", *map(str, words)],
                capture_output=True,
                text=True,
                env=ENVIRONMENT | pictures,
            )
            done.write_text("" if made.returncode == 0 else made.stdout + made.stderr)
    assert done.read_text() == ""
    return built


class Cells(HTMLParser):
    """What a reader sees of executed cells: pairs of the kind, input or output, and its text."""

    def __init__(self, page):
        super().__init__()
        self.parts, self._text = [], None
        #: the kinds of the boxes that are open: input, output or none
        self._open = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "div":
            names = dict(attrs).get("class", "").split()
            inside = self._open[-1] if self._open else None
            kinds = [kind for kind in ("input", "output") if f"cell_{kind}" in names]
            self._open.append(kinds[0] if kinds else inside)
        if tag == "pre" and self._open and self._open[-1]:
            self._text = ""

    def handle_data(self, data):
        if self._text is not None:
            self._text += data

    def handle_endtag(self, tag):
        if tag == "pre" and self._text is not None:
            self.parts.append((self._open[-1], self._text))
            self._text = None
        if tag == "div":
            self._open.pop()


#: how-tos whose code is whole
WHOLE = ("combine", "prune", "schedules", "weights_and_rates")


@pytest.mark.parametrize("page", WHOLE)
def test_the_code_of_how_tos_prints_what_stands_below_it(page, capsys):
    text = (DOCS / "howto" / f"{page}.md").read_text(encoding="utf-8")
    blocks = re.findall(
        r"^```python\n(.*?)^```\n(?:\nprints\n\n```text\n(.*?)^```)?", text, re.M | re.S
    )
    assert blocks
    for code, printed in blocks:
        exec(compile(code, f"{page}.md", "exec"), {"__name__": "page"})
        assert capsys.readouterr().out == printed


def test_the_page_of_statistics_has_the_numbers_that_are_used():
    page = " ".join((DOCS / "statistics.md").read_text(encoding="utf-8").split())
    low, high, skewed = (f"{100 * SIZES[key]:.1f}%" for key in SIZES)
    assert f"rejects in {low} to {high}; with lognormal differences, in {skewed}" in page
    assert FEWEST_CLUSTERS == 6
    assert "With fewer than six, there is neither" in page


def test_the_answer_on_the_page_of_recommend_is_given(recorded):
    page = (DOCS / "howto" / "recommend.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```text\n(.*?)^```", page, re.M | re.S)
    answer = in_words(recommend(read_curves(recorded / "modern-nets"), max_loss=0.01)).split("\n")
    assert [line for line in block.split("\n") if line not in [*answer, "..."]] == []


def test_the_page_of_corpora_counts_them():
    page = " ".join((DOCS / "corpora" / "index.md").read_text(encoding="utf-8").split())
    assert len(CORPORA) == 9
    runs = sum(corpus.size.runs for corpus in CORPORA.values())
    assert "copies of nine public corpora to curve sets with data cards: " in page
    assert f"{runs:,} runs in all" in page


def test_every_corpus_has_a_card(site):
    texts = {}
    for name in CORPORA | RECORDED:
        card = (site / "corpora" / f"{name}.html").read_text(encoding="utf-8")
        texts[name] = re.sub("<[^>]+>", "", card)
    for name in CORPORA:
        assert f"earlystop corpus build {name} SOURCE" in texts[name]
    # 27 models on one data set, with losses of validation and rates, and neither seconds nor test
    text = texts["multi-power-law"]
    assert "27, with 6,265 checks" in text
    assert "it has 1 data set, and an interval needs at least 6" in text
    assert "time is counted in another unit (step)" in text
    assert "rules do that heed the learning rate" not in text


def shown(site, page):
    return Cells((site / f"{page}.html").read_text(encoding="utf-8")).parts


def test_it_builds_without_a_warning(site):
    assert (site / "index.html").is_file()


def test_every_figure_is_on_a_page_with_words_that_say_what_it_shows(site):
    shown = []
    for page in site.rglob("*.html"):
        for figure in re.findall(r"<figure.*?</figure>", page.read_text(encoding="utf-8"), re.S):
            (name,) = re.findall(r"_images/([\w-]+)\.png", figure)
            if name.startswith("rule-"):  # beside the words on the rule
                continue
            words = re.sub(r"<[^>]+>", " ", figure[figure.index("<figcaption") :]).split()
            (alt,) = re.findall(r'alt="([^"]*)"', figure)
            shown.append((name, len(words), len(alt.split())))
    drawn = {path.stem for path in (ROOT / "figures").glob("*.png")}
    assert drawn - {name for name, _, _ in shown} == set()
    assert [each for each in shown if each[1] < 25 or each[2] < 5] == []


def test_every_rule_has_its_own_picture(site):
    page = (site / "reference" / "rules.html").read_text(encoding="utf-8")
    shown = re.findall(r'src="[^"]*_images/([\w-]+\.png)"', page)
    with_channels = {name for name, each in FAMILIES.items() if {*each.watches} <= CHANNELS}
    drawn = with_channels if ALL else PICTURED
    assert sorted(shown) == sorted(f"rule-{name}.png" for name in drawn)
    assert len({(site / "_images" / name).read_bytes() for name in shown}) == len(shown)


def test_every_public_name_is_in_the_reference(site):
    from sphinx.util.inventory import InventoryFile

    with open(site / "objects.inv", "rb") as file:
        named = InventoryFile.load(file, "", lambda base, path: path)
    there = {name for kind, names in named.items() if kind.startswith("py:") for name in names}
    public = [f"earlystop_lab.{name}" for name in earlystop_lab.__all__]
    assert [name for name in public if name not in there] == []


@pytest.mark.parametrize("width", [400, 1400])
def test_no_page_is_wider_than_its_window(site, chromium, width):
    chromium.set_window_size(width, 900)
    wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
    beyond = {}
    for page in ("index", "criteria", "corpora/index", "tutorials/new_rule", "howto/commands"):
        chromium.get((site / f"{page}.html").as_uri())
        beyond[page] = chromium.execute_script(wide)
    assert {page: pixels for page, pixels in beyond.items() if pixels > 0} == {}


#: pages that a browser looks at where it does not look at all
LOOKED_AT = ("index", "reference/studies", "tutorials/patience", "corpora/boosting")


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_readers_of_every_kind_can_use_it(site, chromium, scheme, width):
    seen_as(chromium, scheme, width)
    whole = (page.relative_to(site).as_posix() for page in site.rglob("*.html"))
    # the theme has parts of pages among its files
    pages = sorted(page for page in whole if not page.startswith("_static/"))
    found = {}
    for page in pages if ALL else [f"{page}.html" for page in LOOKED_AT]:
        chromium.get((site / page).as_uri())
        found[page] = serious(chromium)
    assert {page: what for page, what in found.items() if what} == {}


@pytest.fixture(scope="session")
def pasted(site, tmp_path_factory):
    """What each page prints, and what it shows."""
    parts = {page: shown(site, page) for page in EXECUTED}
    cells = {page: [text for kind, text in each if kind == "input"] for page, each in parts.items()}
    # as where only the package is: with the small corpus, and no other
    data = tmp_path_factory.mktemp("data")
    for part in (f"curves/{SMALL}", "reference"):
        shutil.copytree(ROOT / "data" / part, data / part)
    printed = paste(
        cells, sys.executable, tmp_path_factory.mktemp("pasted"), EARLYSTOP_DATA=str(data)
    )
    seen = {
        page: "\n".join(text for kind, text in each if kind == "output")
        for page, each in parts.items()
    }
    return printed, seen


def lines(text):
    return [line.rstrip() for line in text.splitlines() if line.strip()]


def test_pasted_into_a_session_in_an_empty_folder_pages_print_what_they_show(pasted):
    printed, seen = pasted
    assert len(printed) == len(EXECUTED) >= 6
    assert {page: lines(text) for page, text in printed.items()} == {
        page: lines(text) for page, text in seen.items()
    }
