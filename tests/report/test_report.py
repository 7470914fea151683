"""The report: what it embeds against replay, its tables, and the page in a real browser."""

import base64
import csv
import io
import json
import re
import sys
import zlib
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from accessible import VIEWS, seen_as, serious
from hypothesis import example, given, strategies as st

from earlystop_lab import GL, H2O, PQ, UP, Channel, CurveSet, Keras, criterion, replay, simulate
from earlystop_lab.measures.hindsight import regrets
from earlystop_lab.report import in_words, page, tables
from earlystop_lab.report.as_tables import as_markdown
from earlystop_lab.report.comparison import label, table, words_of
from earlystop_lab.report.embedding import short
from earlystop_lab.report.forest import forest_of, kin_of
from earlystop_lab.studies.comparison import bench
from earlystop_lab.studies.kept import NOTHING_KEPT

alt = pytest.importorskip("altair")
ValidationError = pytest.importorskip("jsonschema").ValidationError
explorer = pytest.importorskip("earlystop_lab.report.explorer")
pages = pytest.importorskip("earlystop_lab.report.pages")

#: must be shown as it is, in every place
NASTY = "<b>bold</b></script><!--&\"'"


@criterion(threshold="rise", passes=">")
def AboveBest(val):
    """How far the validation error is above its best so far."""
    return val - np.minimum.accumulate(val)


def corpus(problems, runs, seed):
    """Runs of several problems, the first with a name that is HTML."""
    rows = []
    for k in range(problems):
        for curve in simulate("gradient_flow", runs, seed=seed + k, epochs=120, noise=1.5):
            name = f"{k}-{curve.run}" if rows else NASTY
            rows.append(
                {
                    **{"run": name, "val": curve.val, "test": curve.test},
                    **{"train": 0.9 * curve.val, "problem": f"{NASTY}{k}"},
                }
            )
    return CurveSet.from_runs(rows)


@pytest.fixture(scope="module")
def found():
    return bench(
        AboveBest,
        {f"flow {NASTY}": corpus(7, 4, 1), "few": corpus(3, 2, 50)},
        known=[Keras, GL, UP, PQ, H2O],
    )


@pytest.fixture(scope="module")
def html(found):
    return page(found)


class Parsed(HTMLParser):
    """Elements of a page: their tags and attributes, and the text of its data."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.texts = [], {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        id_ = self.elements[-1][1].get("id", "") if self.elements else ""
        if id_.endswith("-data"):
            self.texts[id_] = self.texts.get(id_, "") + data

    @property
    def data(self):
        """The data of the explorer."""
        return self.texts["explorer-data"]

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def unpacked(text):
    return json.loads(zlib.decompress(base64.b64decode(text), wbits=-zlib.MAX_WBITS))


# -- what is embedded ----------------------------------------------------------------------


def test_embedded_stops_are_those_of_replay(found, html):
    shown = json.loads(Parsed(html).data)["corpora"]
    assert [each["name"] for each in shown] == [each.corpus for each in found.corpora]
    for each, on in zip(shown, found.corpora, strict=True):
        assert each["of"] == len(on.curves)
        assert [rule["name"] for rule in each["rules"]] == list(on.sweeps)
        for run in each["runs"]:
            one = on.curves.select(np.array(on.curves.runs) == run["run"])
            assert run["problem"] == one.meta["problem"].iloc[0]
            for rule, seen in zip(each["rules"], unpacked(run["packed"])["rules"], strict=True):
                members = {str(member): member for member in on.sweeps[rule["name"]]["member"]}
                stops = replay(one, [members[text] for text in rule["members"]], restore="lowest")
                assert seen["stop"] == stops.stop[0].tolist()
                assert seen["selected"] == stops.selected[0].tolist()
                assert seen["fired"] == stops.fired[0].tolist()
                losses = getattr(regrets(stops, one), on.error)[0]
                np.testing.assert_allclose(seen["regret"], losses, rtol=1e-5)
                np.testing.assert_allclose(seen["error"], stops.val[0], rtol=1e-5)


def test_scores_are_shown_as_recorded_and_positions_in_their_unit():
    runs = [
        {
            "run": f"r{i}",
            "val": 1 / (0.5 + c.val),
            "test": 1 / (0.5 + c.test),
            "epoch": 10 * c.epoch,
        }
        for i, c in enumerate(simulate("gradient_flow", 12, seed=4, epochs=80))
    ]
    score, unit = Channel(direction="max"), Channel(unit="step")
    curves = CurveSet.from_runs(runs, channels={"val": score, "test": score, "epoch": unit})
    text = page(bench(AboveBest, {"scores": curves}, known=[Keras, UP]))
    data = json.loads(Parsed(text).data)
    (only,) = data["corpora"]
    assert (only["what"], only["kept"], only["unit"]) == ("test score", "validation score", "step")
    for run in only["runs"]:
        shown, recorded = unpacked(run["packed"]), curves[run["run"]]
        at = np.isin(recorded.epoch, shown["curves"]["validation"]["epoch"])
        np.testing.assert_allclose(
            shown["curves"]["validation"]["error"], recorded.val[at], rtol=1e-5
        )
        # the first scores, far below, are cut off
        assert shown["high"] == pytest.approx(max(recorded.val.max(), recorded.test.max()))
        assert shown["low"] > min(recorded.val.min(), recorded.test.min())
    axes = json.dumps(data["charts"])
    assert '"title": "score"' in axes
    assert '"title": "step"' in axes
    assert '"title": "epoch"' not in axes
    drawn = json.loads(Parsed(text).texts["page-data"])["charts"]
    charts = {each["id"].split("-", 2)[-1]: json.dumps(each["spec"]) for each in drawn}
    assert "difference in loss at equal time" in charts["differences"]
    assert "Regret of the test score against time." in text
    assert "Difference in loss of the test score from every known rule" in text
    assert "test error" not in text


def test_every_chart_is_one_that_vega_lite_defines(html):
    drawn = json.loads(Parsed(html).texts["page-data"])["charts"]
    explored = json.loads(Parsed(html).data)["charts"]
    specs = [*(each["spec"] for each in drawn), *explored.values()]
    assert len(specs) > 6
    for spec in specs:
        alt.Chart.from_dict(spec)
    with pytest.raises(ValidationError, match="tall"):
        alt.Chart.from_dict({**specs[0], "height": "tall"})


def test_patience_stops_where_a_loop_does(html):
    first = json.loads(Parsed(html).data)["corpora"][0]
    (keras,) = [i for i, rule in enumerate(first["rules"]) if rule["name"] == "Keras"]
    val = corpus(7, 4, 1)[NASTY].val
    (run,) = [unpacked(run["packed"]) for run in first["runs"] if run["run"] == NASTY]
    for member, stop in zip(
        first["rules"][keras]["members"], run["rules"][keras]["stop"], strict=True
    ):
        best, waited, patience = np.inf, 0, int(re.findall(r"\d+", member)[0])
        for epoch, value in enumerate(val, start=1):  # noqa: B007
            waited = 0 if value < best else waited + 1
            best = min(best, value)
            if waited >= max(patience, 1):
                break
        assert epoch == stop, member


def test_a_statistic_passes_first_where_training_stops(html):
    for each in json.loads(Parsed(html).data)["corpora"]:
        for run in each["runs"]:
            for rule, seen in zip(each["rules"], unpacked(run["packed"])["rules"], strict=True):
                for j, threshold in enumerate(rule["thresholds"]):
                    drawn = seen["statistics"][seen["series"][j]]
                    # drawn are six digits
                    over = (np.array(drawn["value"]) - threshold) / max(abs(threshold), 1)
                    before = np.array(drawn["epoch"]) < seen["stop"][j]
                    assert rule["passes"] in (">", ">=")
                    assert (over[before] <= (1e-5 if rule["passes"] == ">" else -1e-5)).all()
                    if seen["fired"][j]:
                        (at,) = over[np.array(drawn["epoch"]) == seen["stop"][j]]
                        assert at >= -1e-5


def test_members_go_from_the_fastest_to_the_slowest(found, html):
    for each, on in zip(json.loads(Parsed(html).data)["corpora"], found.corpora, strict=True):
        for rule in each["rules"]:
            assert (np.diff(rule["time"]) >= 0).all()
            rows = on.front.set_index("criterion").loc[rule["members"]]
            np.testing.assert_allclose(rule["time"], rows["time"], rtol=1e-5)
            assert set(rule["members"]) == set(map(str, on.sweeps[rule["name"]]["member"]))


def test_the_sample_has_every_problem_before_it_has_one_twice():
    units = pd.Index([f"p{i % 5}" for i in range(50)], name="problem")
    rows = explorer.sample(units)
    assert len(rows) == len(set(rows)) == 15
    assert set(units[rows[:5]]) == set(units[rows[5:10]]) == set(units)
    # runs without problems are spaced over the whole set
    alone = explorer.sample(pd.Index(range(1000), name="run"))
    assert len(alone) == explorer.RUNS
    assert (min(alone), max(alone)) == (0, 999)


@given(
    st.lists(st.floats(-1e6, 1e6) | st.just(np.nan), min_size=1, max_size=300),
    st.integers(2, 20),
    st.data(),
)
def test_thinned_curves_keep_what_is_seen(values, columns, data):
    values = np.array(values)
    epoch = np.cumsum(np.ones(len(values)))
    keep = np.array(sorted(data.draw(st.sets(st.integers(0, len(values) - 1)))), np.int64)
    drawn = explorer.thinned(epoch, values, columns, keep)
    assert (np.diff(drawn) > 0).all()
    assert not np.isnan(values[drawn]).any()
    assert set(keep[~np.isnan(values[keep])]) <= set(drawn)
    defined = np.flatnonzero(~np.isnan(values))
    if len(defined) <= 4 * columns:
        assert drawn.tolist() == defined.tolist()
    else:
        assert len(drawn) <= 4 * columns + len(keep)
        assert {defined[0], defined[-1]} <= set(drawn)
        assert values[drawn].min() == np.nanmin(values)
        assert values[drawn].max() == np.nanmax(values)


@given(st.lists(st.floats(allow_subnormal=False), max_size=20), st.sampled_from([3, 6, None]))
def test_short_numbers_are_the_numbers_as_json_has_them(values, digits):
    found = short(values, digits)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    for value, text in zip(values, found, strict=True):
        if not np.isfinite(value):
            assert text is None
        elif digits is None or value == int(value) == text:
            assert text == value
        else:
            assert text == pytest.approx(value, rel=0.51 * 10.0 ** (1 - digits), abs=0)


# -- the page as text ----------------------------------------------------------------------


def test_the_same_comparison_gives_the_same_bytes(found, html):
    assert page(found) == html


def test_without_the_data_of_the_explorer_the_page_is_small(html):
    assert len(html.encode()) - len(Parsed(html).data.encode()) < 2_000_000


def test_the_page_loads_nothing_and_forbids_it(html):
    parsed = Parsed(html)
    every = [attributes for _, attributes in parsed.elements]
    assert [a["src"] for a in every if "src" in a] == []
    assert all(a["href"].startswith(("#", "data:")) for a in every if "href" in a)
    (policy,) = [a["content"] for a in parsed.all("meta") if "http-equiv" in a]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe-eval" not in policy


def test_the_page_is_made_for_readers_of_every_kind(html):
    parsed = Parsed(html)
    assert parsed.all("html") == [{"lang": "en"}]
    assert len(parsed.all("h1")) == len(parsed.all("main")) == len(parsed.all("title")) == 1
    assert len(parsed.all("caption")) == len(parsed.all("table")) == 8
    assert all(a.get("scope") in ("col", "row") for a in parsed.all("th"))
    levels = [int(tag[1]) for tag, _ in parsed.elements if re.fullmatch("h[1-6]", tag)]
    assert max(np.diff(levels)) == 1
    labelled = {a["for"] for a in parsed.all("label")}
    assert labelled == {a["id"] for tag in ("select", "input") for a in parsed.all(tag)}
    ids = [a["id"] for _, a in parsed.elements if "id" in a]
    assert len(ids) == len(set(ids))
    targets = [a["href"][1:] for a in parsed.all("a")]
    assert set(targets) <= set(ids)


def test_the_picture_has_every_known_rule_where_its_difference_is(found):
    drawn = forest_of(found.pooled)
    scale = {tick["text"]: tick["at"] for tick in drawn["ticks"]}
    assert scale["0%"] == drawn["zero"]
    # a line through the places of two ticks: where any difference has to be
    values = {text: float(text.rstrip("%")) / 100 for text in scale}
    (a, x), (b, y) = ((values[text], at) for text, at in list(scale.items())[:: len(scale) - 1])
    rows = found.pooled.set_index(found.pooled.apply(label, axis=1))
    shown = [row for kin in drawn["kins"] for row in kin.rows]
    assert {row.rule for row in shown} == set(rows.index)
    for row in shown:
        for name, at in (("difference", row.at), ("low", row.low), ("high", row.high)):
            place = x + (np.expm1(rows.loc[row.rule, name]) - a) * (y - x) / (b - a)
            assert at == pytest.approx(np.clip(place, 0, 100), abs=0.02)
    for kin in drawn["kins"]:
        mine = [rows.loc[row.rule, "difference"] for row in kin.rows]
        assert mine == sorted(mine, reverse=True)
        assert {kin_of(rows.loc[row.rule, "rule"]) for row in kin.rows} == {kin.name}


@given(
    st.lists(st.tuples(st.floats(-3, 3), st.floats(0, 3)), min_size=1, max_size=9),
    st.sampled_from([0.0, np.inf, np.nan]),
)
@example([(0.0, 5e-324)], 0.0)
def test_any_differences_have_a_picture(rows, reach):
    """Intervals without ends, or none at all, end at the edge of the axis or at the difference."""
    table = pd.DataFrame(rows, columns=["difference", "half"])
    table["low"], table["high"] = (
        table["difference"] - table["half"],
        table["difference"] + table["half"] + reach,
    )
    table = table.assign(verdict="not shown", p_adjusted=0.5)
    table["rules"] = table["rule"] = [["GL"] for _ in rows]
    drawn = forest_of(table)
    for row in drawn["kins"][0].rows:
        assert 0 <= row.low <= row.at <= row.high <= 100
        assert not (np.isnan(reach) and row.high != row.at)
    assert 0 <= drawn["zero"] <= 100
    assert drawn["ticks"] == sorted(drawn["ticks"], key=lambda tick: tick["at"])


def test_names_with_html_are_text(html):
    parsed = Parsed(html)
    assert parsed.all("b") == []
    assert json.loads(parsed.data)["corpora"][0]["name"] == f"flow {NASTY}"
    # every script ends where it should: the data, the library and ours
    assert len(parsed.all("script")) == html.count("</script>") == 4


def test_the_words_and_numbers_are_there(found, html):
    text = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", html[: html.index('id="page-data"')]))
    words = words_of(found)
    for sentence in [words.question, *words.answer, *words.found[1]]:
        assert re.sub(r"\s+", " ", sentence).replace("<", "&lt;")[:40] in text
    assert "bootstrapped over 7 problems" in text
    assert "3 problems are too few for confidence bands" in text
    for rows in (found.pooled, found.corpora[0].comparisons):
        for cell in table(rows)["difference at equal time"]:
            assert cell in text
    assert "All corpora together" in text


def test_a_page_that_would_be_too_large_has_fewer_runs(found, html, monkeypatch):
    every = json.loads(Parsed(html).data)["corpora"]
    # the first corpus gives the second what it does not need
    packed = [sum(len(run["packed"]) for run in each["runs"]) for each in every]
    monkeypatch.setattr(pages, "MOST", len(html.encode()) - packed[0] // 2)
    smaller = page(found)
    fewer = json.loads(Parsed(smaller).data)["corpora"]
    assert 0 < len(fewer[0]["runs"]) < len(every[0]["runs"])
    assert len(smaller.encode()) <= pages.MOST
    monkeypatch.setattr(pages, "MOST", 0)
    least = json.loads(Parsed(page(found)).data)["corpora"]
    assert [len(each["runs"]) for each in least] == [1, 1]


def test_runs_without_problems_or_other_errors_make_a_page():
    curves = simulate("gradient_flow", pages.WIDEST + 1, seed=3, epochs=60)
    alone = CurveSet.from_runs([{"run": c.run, "val": c.val, "epoch": c.epoch * 5} for c in curves])
    text = page(bench(AboveBest, {"alone": alone}, known=[Keras]))
    parsed = Parsed(text)
    (only,) = json.loads(parsed.data)["corpora"]
    assert (only["what"], only["kept"]) == ("validation error", "validation error")
    assert only["unit"] == "epoch"
    assert {run["problem"] for run in only["runs"]} == {""}
    assert len(only["runs"]) == explorer.RUNS
    run = unpacked(only["runs"][0]["packed"])
    assert list(run["curves"]) == ["validation"]
    assert (run["first"], run["last"]) == (5, 300)
    assert "41 runs are too many for a table" in text
    assert len(parsed.all("table")) == 3


def test_the_explorer_keeps_what_the_comparison_kept(found):
    for restore in ("best", "last"):
        (runs,) = explorer.packed(found.corpora[1:], restore, NOTHING_KEPT, 1)
        kept = unpacked(runs[0]["packed"])["rules"][0]
        assert (kept["selected"] == kept["stop"]) == (restore == "last")


def test_a_missing_library_names_the_extra(found, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("earlystop_lab.report.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "altair", None)
    with pytest.raises(ValueError, match=r'altair: pip install "earlystop_lab\[report\]"'):
        page(found)


# -- tables for papers ---------------------------------------------------------------------


def test_csv_has_every_number_in_full(found):
    read = pd.read_csv(io.StringIO(tables(found, "csv")))
    assert read.columns[:2].tolist() == ["corpus", "rule"]
    parts = {"all corpora": found.pooled, **{c.corpus: c.comparisons for c in found.corpora}}
    assert read["corpus"].unique().tolist() == list(parts)
    for corpus, rows in parts.items():
        mine = read[read["corpus"] == corpus].reset_index(drop=True)
        mine, rest = mine[list(rows)], mine.drop(columns=["corpus", *rows])
        assert rest.isna().all(axis=None)
        rows = rows.assign(rules=rows["rules"].map(", ".join))
        pd.testing.assert_frame_equal(mine, rows, check_dtype=False, rtol=1e-15, atol=0)


def test_markdown_and_latex_have_the_answer_and_a_row_a_rule(found):
    rules = len(found.pooled) + sum(len(each.comparisons) for each in found.corpora)
    markdown = tables(found, "md")
    words = words_of(found)
    assert markdown.startswith(f"{as_markdown(words.question)}\n\n{words.answer[0]}\n\n")
    assert re.search(r"(?<!\\)<", markdown) is None  # one corpus has HTML in its name
    rows = [
        line
        for line in markdown.splitlines()
        if line.startswith(("| few ", "| all corpora ")) or "flow" in line[2:8]
    ]
    assert len(rows) == rules
    for each, line in zip(found.corpora, markdown.strip().split("\n\n")[-2:], strict=True):
        assert line.startswith(f"{as_markdown(each.corpus)}: ")
        assert "Intervals and p values are by the bootstrap-t over problems" in line
    latex = tables(found, "tex").splitlines()
    assert latex[0] == f"% {words.question}"
    assert latex[-1].startswith("% ")
    assert [line for line in latex if line.startswith("\\label")] == [r"\label{tab:bench}"]
    assert "Intervals and p values are by the bootstrap-t over problems" in latex[-1]
    start = latex.index(r"\midrule")
    body = latex[start + 1 : latex.index(r"\bottomrule")]
    assert len(body) == rules
    assert all(row.endswith(r"\\") and "%" not in row.replace(r"\%", "") for row in body)
    columns = len(table(found.corpora[0].comparisons).columns) + 1
    assert all(row.replace(r"\&", "").count("&") == columns - 1 for row in body)


def test_names_in_tables_are_neither_formulas_nor_markup_nor_lines():
    name = "=1+1|<img src=x>[a](b)\n\\input{x}\x1b[2J\u202e"
    rows = bench(AboveBest, {name: corpus(3, 4, 0), f"@{name}": corpus(3, 4, 1)}, known=[Keras])
    cells = [*csv.reader(io.StringIO(tables(rows, "csv")))]
    assert [row[0] for row in cells[1:]] == ["all corpora", f"'{name}", f"'@{name}"]
    column = cells[0].index("difference")
    assert {row[column][:1] for row in cells[1:]} <= set("-0123456789")  # as they are
    assert re.search(r"(?<!\\)[<\[]", tables(rows, "md")) is None
    body = [line for line in tables(rows, "md").splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in body}) == 1
    for text in (tables(rows, "tex"), tables(rows, "md"), in_words(rows)):
        assert "\\n" in text
        assert text.replace("\n", "").isprintable()
    lines = [line for line in tables(rows, "tex").splitlines() if line]
    assert all(line[:1] in "%\\" or "&" in line for line in lines), lines
    typst = [line for line in tables(rows, "typ").splitlines() if line]
    assert all(re.match(r"//|[ )#]", line) for line in typst), typst


def test_only_the_strongest_known_rules_are_shown_if_asked(found):
    read = pd.read_csv(io.StringIO(tables(found, "csv", top=2)))
    parts = {"all corpora": found.pooled, **{c.corpus: c.comparisons for c in found.corpora}}
    for corpus, rows in parts.items():
        mine = read.loc[read["corpus"] == corpus, "difference"]
        assert sorted(mine) == pytest.approx(sorted(rows["difference"])[-2:])
    assert "against the 2 known rules that came off best" in tables(found, "typ", top=2)
    with pytest.raises(ValueError, match=r"top = 0; expected an integer >= 1"):
        tables(found, "tex", top=0)


def test_an_unknown_format_is_refused(found):
    with pytest.raises(ValueError, match=r"format = 'pdf'; expected one of md, tex, typ, csv"):
        tables(found, "pdf")


# -- in a browser --------------------------------------------------------------------------


@pytest.fixture
def closed(chromium, html, tmp_path):
    """The page as it is loaded: a function that runs JavaScript in it."""
    path = tmp_path / "page.html"
    path.write_text(html, encoding="utf-8")
    for log in ("browser", "performance"):
        chromium.get_log(log)
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    chromium.get(path.as_uri())
    wait(chromium, "document.documentElement.dataset.ready === 'yes'")
    yield lambda script: chromium.execute_script(f"return {script}")
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.fixture
def view(chromium, closed):
    """The same with all sections open and drawn."""
    opened(chromium)
    return closed


def opened(chromium):
    """Open all sections, and wait until they are drawn."""
    sections = "[...document.querySelectorAll('main > details')]"
    chromium.execute_script(f"for (const each of {sections}) each.open = true")
    wait(chromium, f"{sections}.every((each) => each.dataset.ready === 'yes')")


def wait(chromium, condition):
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(chromium, 30).until(lambda d: d.execute_script(f"return {condition}"))


def pick(chromium, name, text):
    from selenium.webdriver.support.select import Select

    Select(chromium.find_element("id", name)).select_by_visible_text(text)


def press(chromium, button):
    """Click, also where the button is out of sight."""
    chromium.execute_script("arguments[0].click()", button)


def test_it_loads_without_a_word_on_the_console_or_a_request(chromium, view):
    assert chromium.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in chromium.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in asked if not url.startswith("file:///")] == []
    assert len(asked) == 1
    # every figure is a picture
    assert view("[...document.querySelectorAll('.chart')].every((c) => c.querySelector('svg'))")
    assert view("document.querySelectorAll('.chart').length") == 13


def test_the_slider_moves_the_stop_as_replay_does(chromium, view, found):
    from selenium.webdriver.common.keys import Keys

    on = found.corpora[0]
    pick(chromium, "rule", "Keras")
    pick(chromium, "run", on.curves.runs[4])
    wait(chromium, "document.getElementById('found-criterion').textContent.startsWith('Keras')")
    slider = chromium.find_element("id", "threshold")
    one = on.curves[4:5]
    seen, drawn = set(), set()
    for key in (Keys.HOME, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.PAGE_UP, Keys.END):
        slider.send_keys(key)
        text = view("document.getElementById('found-criterion').textContent")
        stops = replay(one, [text])
        stop = f"{stops.stop[0, 0]:.0f}"
        wait(
            chromium,
            f"document.querySelector('#run-curves svg').textContent.includes('stop {stop}')",
        )
        said = view("document.getElementById('found-stop').textContent")
        epoch = f"epoch {stop} of 120" if stops.fired[0, 0] else f"ends at epoch {stop}"
        assert epoch in said
        assert f"epoch {stops.selected[0, 0]:.0f}," in view(
            "document.getElementById('found-kept').textContent"
        )
        seen.add(text)
        drawn.add(view("document.querySelector('#run-front svg').outerHTML"))
    # Keras(0) and Keras(1) are one point
    assert (len(seen), len(drawn)) == (5, 4)
    assert chromium.get_log("browser") == []


def test_another_corpus_run_and_rule_can_be_picked(chromium, view, found):
    from selenium.webdriver.common.keys import Keys

    pick(chromium, "corpus", "few")
    wait(chromium, "document.getElementById('sample').textContent.startsWith('6 of 6 runs')")
    pick(chromium, "rule", "H2O")
    wait(chromium, "document.getElementById('found-criterion').textContent.startsWith('H2O')")
    assert "has no threshold" in view("document.getElementById('statistic-of').textContent")
    # over windows longer than the record it says nothing
    chromium.find_element("id", "threshold").send_keys(Keys.END)
    assert "undefined at every check" in view("document.getElementById('statistic-of').textContent")
    options = "[...document.getElementById('run').options].map((o) => o.text)"
    assert sorted(view(options)) == sorted(found.corpora[1].curves.runs)
    # problems are groups
    assert view("document.querySelectorAll('#run optgroup').length") == 3
    assert chromium.get_log("browser") == []


def test_a_name_with_html_is_shown_as_it_is(chromium, view):
    assert view("document.getElementById('run').options[0].text") == NASTY
    assert view("document.querySelectorAll('b').length") == 0
    assert NASTY in view("document.querySelector('h1').textContent")
    assert NASTY in view("document.querySelector('#corpus-0 h2').textContent")


def test_dark_and_print(chromium, view):
    ground = "getComputedStyle(document.body).backgroundColor"
    label = "getComputedStyle(document.querySelector('.chart .role-axis-label text')).fill"
    controls = "getComputedStyle(document.querySelector('.controls')).display"

    def lightness(script):
        return sum(map(int, re.findall(r"\d+", view(script))[:3])) / 3

    def emulate(media, scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        chromium.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"media": media, "features": features}
        )

    emulate("", "light")
    assert lightness(ground) > 240 > 60 > lightness(label)
    emulate("", "dark")
    assert lightness(ground) < 40 < 200 < lightness(label)
    emulate("print", "dark")
    assert lightness(ground) > 240 > 60 > lightness(label)
    assert view(controls) == "none"


def test_on_paper_closed_sections_have_their_tables_and_nothing_scrolls(chromium, closed):
    height = "document.querySelector('#all table').getBoundingClientRect().height"
    boxes = (
        "[...document.querySelectorAll('.scroll')].map((box) => getComputedStyle(box).overflowX)"
    )
    figure = "getComputedStyle(document.querySelector('#corpus-0 figure')).display"
    assert (set(closed(boxes)), closed(figure)) == ({"auto"}, "block")
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    assert (set(closed(boxes)), closed(figure)) == ({"visible"}, "none")
    assert closed(height) > 50


def test_the_button_prints_once_all_charts_are_drawn(chromium, closed):
    chromium.execute_script(
        "window.print = () => { window.drawn = document.querySelectorAll('.chart svg').length; }"
    )
    press(chromium, chromium.find_elements("css selector", "nav button")[-1])
    wait(chromium, "window.drawn !== undefined")
    charts = closed("document.querySelectorAll('details:not(#explorer) .chart').length")
    assert closed("window.drawn") == charts == 10
    assert not closed("document.getElementById('explorer').open")


def test_it_fits_a_narrow_screen(chromium, view):
    metrics = {"width": 360, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        chromium.refresh()
        wait(chromium, "document.documentElement.dataset.ready === 'yes'")
        opened(chromium)
        assert view("document.documentElement.scrollWidth") == 360
    finally:
        chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_answer_comes_first_and_nothing_is_drawn_before_it_is_opened(chromium, closed):
    view = closed
    assert view("document.querySelectorAll('.chart svg').length") == 0
    kins = "[...document.querySelectorAll('.forest .kin')]"
    shown = view(f"{kins}.map((k) => [...k.rows].filter((r) => !r.hidden).length)")
    assert shown == [1, 1, 1]  # the rules of Prechelt, of patience, and H2O
    assert view("document.getElementById('explorer').getBoundingClientRect().top") < 3000
    (button,) = chromium.find_elements("css selector", ".forest .kin button")
    assert button.text == "best of 3 rules of Prechelt's study"
    press(chromium, button)
    assert sorted(view(f"{kins}.map((k) => [...k.rows].filter((r) => !r.hidden).length)")) == [
        1,
        1,
        3,
    ]
    assert button.get_attribute("aria-expanded") == "true"
    chromium.execute_script("location.hash = '#corpus-1'")
    wait(chromium, "document.getElementById('corpus-1').dataset.ready === 'yes'")
    assert view("document.querySelectorAll('#corpus-1 .chart svg').length") == 5
    assert view("document.querySelectorAll('#corpus-0 .chart svg').length") == 0


def test_tables_are_sorted_by_a_click_on_a_head(chromium, view, found):
    chromium.set_window_size(1200, 900)
    cells = (
        "[...document.querySelectorAll('#all tbody tr')].map((row) => row.cells[{}].textContent)"
    )
    heads = chromium.find_elements("css selector", "#all thead button")
    names = [head.text.split("\n")[0] for head in heads]
    column = names.index("difference at equal time")
    press(chromium, heads[column])
    assert sorted(view(cells.format(0))) == sorted(table(found.pooled)["known rule"])
    numbers = [float(text.split("%")[0]) for text in view(cells.format(column))]
    assert numbers == sorted(numbers)
    press(chromium, heads[column])
    numbers = [float(text.split("%")[0]) for text in view(cells.format(column))]
    assert numbers == sorted(numbers, reverse=True)
    press(chromium, heads[0])
    assert view(cells.format(0)) == sorted(view(cells.format(0)), key=str.lower)
    states = "[...document.querySelectorAll('#all th[aria-sort]')].map((th) => th.ariaSort)"
    assert view(states) == ["ascending"]
    align = "getComputedStyle(document.querySelector('#all td:nth-child({})')).textAlign"
    assert [view(align.format(column + 1)), view(align.format(len(names)))] == ["right", "left"]


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_readers_of_every_kind_can_use_it(chromium, view, scheme, width):
    seen_as(chromium, scheme, width)
    for button in chromium.find_elements("css selector", ".forest .kin button"):
        press(chromium, button)
    assert serious(chromium) == []
    assert view("document.documentElement.scrollWidth") <= width
