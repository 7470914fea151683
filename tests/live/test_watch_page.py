"""The page of ``earlystop watch`` in a browser, with a real Keras run that reports to it."""

import json
import math
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from accessible import VIEWS, seen_as, serious
from watch_server import Server

from earlystop_lab import CurveSet, replay

DOCS = Path(__file__).parents[2] / "docs" / "live" / "watch.md"
CRITERIA = ["GL(5, k=1)", "UP(2, k=2)", "Keras(3)"]
WORDS = [word for criterion in CRITERIA for word in ("-c", criterion)]


@pytest.fixture
def browser(chromium):
    """Chromium, as new before each test: a failed one leaves its complaints to nobody."""
    chromium.get("about:blank")
    complaints(chromium)
    yield chromium
    chromium.get("about:blank")
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    complaints(chromium)


def until(question, seconds=20):
    """The answer, once it is one; what is not there yet is none."""
    end = time.monotonic() + seconds
    while True:
        try:
            if answer := question():
                return answer
        except LookupError:
            pass
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.05)


def text(browser, selector):
    """The text of an element as it is at this moment."""
    found = browser.execute_script(
        "return document.querySelector(arguments[0])?.innerText ?? null", selector
    )
    if found is None:
        raise LookupError(selector)
    return found


def table(browser):
    """The rows of the table of runs, by run."""
    rows = browser.execute_script(
        "return [...document.querySelectorAll('#runs tr')].map("
        "row => [...row.children].map(cell => cell.innerText))"
    )
    return {name: cells for name, *cells in rows}


def complaints(browser):
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] != "INFO"]


def dark(browser, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def test_a_keras_run_grows_on_the_page_and_survives_a_killed_server(browser, tmp_path):
    (snippet,) = re.findall(r"^```python\n(.*?)^```", DOCS.read_text("utf-8"), re.M | re.S)
    slow = "keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: __import__('time').sleep(0.05))"
    with Server(tmp_path / "runs", *WORDS) as server:
        # not every beginning overfits within 60 epochs; this one does
        code = "import keras\nkeras.utils.set_random_seed(0)\n"
        code += snippet.replace("http://127.0.0.1:8600", server.url)
        code = code.replace("callbacks=[monitor]", f"callbacks=[monitor, {slow}]")
        code += "\nimport json\nprint(json.dumps(model.history.history))\n"
        browser.get(server.url)
        until(lambda: text(browser, "#how").startswith("keras.callbacks.RemoteMonitor"))
        with subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "KERAS_BACKEND": "jax"},
            stdout=subprocess.PIPE,
            text=True,
        ) as training:
            epochs = [until(lambda: int(table(browser)["my-net"][0]), 60)]
            epochs.append(until(lambda: (n := int(table(browser)["my-net"][0])) > epochs[0] and n))
            output = training.stdout.read()
        assert epochs[0] < epochs[1] < 60, "it was seen to grow"
        history = json.loads(output.splitlines()[-1])
        assert len(history["val_loss"]) == 60
        until(lambda: table(browser)["my-net"][0] == "60")

        # what the page says is what a replay of Keras' own record says
        curves = CurveSet.from_runs([{"val": history["val_loss"], "train": history["loss"]}])
        stops = replay(curves, CRITERIA)
        said = [
            f"stops at {stop:g}" if fired else "goes on"
            for stop, fired in zip(stops.stop[0], stops.fired[0], strict=True)
        ]
        assert stops.fired.any()
        assert table(browser)["my-net"][3:6] == said
        shown = server.run("my-net")["curves"]
        np.testing.assert_array_equal(shown["val"]["value"], history["val_loss"])
        np.testing.assert_array_equal(shown["train"]["value"], history["loss"])
        drawn = "return document.querySelectorAll('.js-line').length"
        assert until(lambda: browser.execute_script(drawn) >= 2 + 2 * len(CRITERIA))
        assert complaints(browser) == []

        port, before = server.port, server.run("my-net")
        server.kill()
        until(lambda: "does not answer" in text(browser, "#state"))
    with Server(tmp_path / "runs", *WORDS, port=port) as server:
        until(lambda: "1 run, saved in" in text(browser, "#state"))
        assert table(browser)["my-net"][3:6] == said
        until(lambda: server.run("my-net")["verdicts"] == before["verdicts"])
        assert all("ERR_CONNECTION" in message for message in complaints(browser))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("page") / "runs", *WORDS) as made:
        for name in ("first", "second"):
            for epoch, val in enumerate([0.9, 0.5, 0.4, 0.42, 0.41, 0.43, 0.44]):
                made.post(epoch, run=name, loss=val / 2, val_loss=val)
        yield made


def test_what_is_posted_is_shown_as_text(browser, server):
    evil = "<img src=x onerror=document.title='owned'> val_loss"
    assert server.post(0, run="evil", **{evil: 0.5}).status_code == 200
    assert server.post(0, **{"val_loss": "<b id=bold>bold</b>"}).status_code == 400
    browser.get(f"{server.url}/#run=evil")
    until(lambda: evil in text(browser, "#channels"))
    until(lambda: "'<b id=bold>bold</b>' is not a number" in text(browser, "#troubles"))
    inside = "return document.querySelectorAll('main img, main #bold, main script').length"
    assert browser.execute_script(inside) == 0
    assert browser.title == "evil · earlystop watch"
    browser.get(f"{server.url}/?x#run=<img src=x onerror=alert(1)>")
    until(lambda: table(browser)["evil"])
    assert browser.execute_script(inside) == 0
    # the one answer that is no page: there is no such run
    assert all("404" in message for message in complaints(browser))


def test_a_training_curve_is_not_called_one_of_validation(browser, server):
    server.post(0, run="alone", loss=0.5)
    browser.get(f"{server.url}/#run=alone")
    until(lambda: text(browser, "#run-title") == "alone")
    said = "Nothing of validation: the training error loss stands in for it. 1 checks."
    assert text(browser, "#channels") == said


def test_the_page_asks_nobody_else(browser, server):
    browser.get(server.url)
    until(lambda: table(browser)["first"])
    asked = browser.execute_script("return performance.getEntriesByType('resource').map(e=>e.name)")
    assert len(asked) >= 4
    assert [url for url in asked if not url.startswith((server.url, "data:", "blob:"))] == []


def test_keys_alone_choose_a_run(browser, server):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    browser.get(f"{server.url}/#run=second")
    until(lambda: text(browser, "#run-title") == "second")
    focus = "return document.activeElement.innerText"
    for _ in range(30):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        if browser.execute_script(focus) == "first":
            break
    ActionChains(browser).send_keys(Keys.ENTER).perform()
    until(lambda: text(browser, "#run-title") == "first")
    # a page that goes on growing does not take the focus away
    server.post(7, run="first", loss=0.2, val_loss=0.45)
    until(lambda: table(browser)["first"][0] == "8")
    assert browser.execute_script(focus) == "first"
    current = "return document.querySelector('[aria-current]').innerText"
    assert browser.execute_script(current) == "first"
    labels = "return [...document.querySelectorAll('[role=img]')].map(e => e.ariaLabel)"
    said = browser.execute_script(labels)
    first = "Errors of 8 checks, the last at epoch 8; Stops: GL 7.5% > 5 at epoch 6; best epoch 3; "
    assert said[0].startswith(first)
    assert len(said) == 1 + len(CRITERIA)


def test_scores_and_steps_are_shown_as_they_are(browser, tmp_path):
    log = tmp_path / "log.csv"
    scores = [0.5, 0.8, 0.75, 0.7, 0.78]
    rows = [f"{100 * i},{score}" for i, score in enumerate(scores, start=1)]
    log.write_text("\n".join(["step,val_accuracy", *rows, ""]))
    words = ("--val", "val_accuracy", "--mode", "max", "-c", "Keras(2)", "-c", "GL(5, k=1)")
    with Server(tmp_path / "runs", str(log), *words) as server:
        browser.get(server.url)
        (cells,) = until(lambda: table(browser).values())
        assert cells[:5] == ["500", "0.78", "0.8 at 200", "stops at 400", "stops at 300"]
        until(lambda: "score, higher is better: val_accuracy" in text(browser, "#channels"))
        assert text(browser, "#columns").split("\t")[1:3] == ["Step", "Validation"]
        labels = "return [...document.querySelectorAll('[role=img]')].map(e => e.ariaLabel)"
        said = until(lambda: browser.execute_script(labels))[0]
        assert said == (
            "Scores of 5 checks, the last at step 500; Stops: Keras 2 >= 2 at step 400; best step "
            "200; Stops: GL 25% > 5 at step 300; best step 200"
        )
        titles = "return [...document.querySelectorAll('.xtitle')].map(e => e.textContent)"
        assert set(until(lambda: browser.execute_script(titles))) == {"step"}
        assert complaints(browser) == []


def test_runs_are_overlaid_sorted_and_filtered(browser, tmp_path):
    with Server(tmp_path / "runs", "-c", "GL(5, k=2)") as server:
        values = {"b": [0.9, 0.002, 0.4], "a10": [0.8, 0.7, 0.6], "a9": [0.7, math.nan, 0.75, 0.8]}
        for name, errors in values.items():
            for epoch, val in enumerate(errors):
                server.post(epoch, run=name, val_loss=val)
        browser.get(f"{server.url}/#run=b")
        until(lambda: text(browser, "#run-title") == "b")
        assert list(table(browser)) == ["a9", "a10", "b"]
        # by a click on a column, the other way by another, and as before by a third
        sort = "document.querySelectorAll('#columns button')[arguments[0]].click()"
        for column, orders in {
            0: [["a9", "a10", "b"], ["b", "a10", "a9"], ["a9", "a10", "b"]],
            2: [["b", "a10", "a9"], ["a9", "a10", "b"], ["a9", "a10", "b"]],
        }.items():
            for order in orders:
                browser.execute_script(sort, column)
                assert list(table(browser)) == order
        browser.execute_script(
            "const part = document.querySelector('#filter'); part.value = 'A';"
            "part.dispatchEvent(new Event('input'))"
        )
        visible = "return [...document.querySelectorAll('#runs tr:not([hidden]) a')].map("
        visible += "link => link.innerText)"
        assert browser.execute_script(visible) == ["a9", "a10"]

        curves = "return document.querySelector('#curves').data.map(t => [t.name, t.y])"
        until(lambda: browser.execute_script(curves))
        box = "[...document.querySelectorAll('#runs tr')].find("
        box += "row => row.innerText.startsWith(arguments[0])).querySelector('input').click()"
        for name in ("a9", "a10"):
            browser.execute_script(box, name)
        until(lambda: text(browser, "#overlaid") == "a9: val_loss\na10: val_loss")
        until(lambda: len(browser.execute_script(curves)) == 4)
        laid = dict(browser.execute_script(curves))
        assert laid["run 1"] == [0.7, None, 0.75, 0.8]
        assert laid["run 2"] == values["a10"]
        assert browser.current_url.endswith("#run=b&with=a9&with=a10")
        # what is laid over grows, too
        server.post(3, run="a10", val_loss=0.5)
        until(lambda: dict(browser.execute_script(curves))["run 2"] == [0.8, 0.7, 0.6, 0.5])
        browser.execute_script(box, "a9")
        until(lambda: text(browser, "#overlaid") == "a10: val_loss")

        # falls by orders of magnitude are shown so, unless it is asked for otherwise
        scale = "return document.querySelector('#curves').layout.yaxis.type"
        choose = "const s = document.querySelector('#scale'); s.value = arguments[0];"
        choose += "s.dispatchEvent(new Event('change'))"
        assert browser.execute_script(scale) == "log"
        for chosen, expected in (("linear", "linear"), ("log", "log"), ("", "log")):
            browser.execute_script(choose, chosen)
            assert browser.execute_script(scale) == expected

        # of a rule with strips of two checks
        said = until(lambda: text(browser, ".verdict .said"))
        assert "the best check" not in said
        browser.get(f"{server.url}/#run=a9")
        seen = "the best check that it sees is 4 (0.8), that of all 1 (0.7)"
        until(lambda: seen in text(browser, ".verdict .said"))
        until(lambda: ["val not finite (1)", [0.03]] in browser.execute_script(curves))
        assert complaints(browser) == []


@pytest.mark.parametrize(("scheme", "light"), [("light", True), ("dark", False)])
@pytest.mark.parametrize("width", [390, 1200])
def test_light_and_dark_narrow_and_wide(browser, server, scheme, light, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    dark(browser, scheme)
    browser.get(f"{server.url}/#run=first")
    until(lambda: browser.execute_script("return document.querySelectorAll('.js-line').length > 3"))
    wide = "return document.documentElement.scrollWidth"
    until(lambda: browser.execute_script(wide) <= width)
    assert bright(browser, "body", "backgroundColor") == light
    cue = "return getComputedStyle(document.querySelector('.cue')).display"
    assert browser.execute_script(cue) == ("block" if width == 390 else "none")
    until(lambda: bright(browser, "#curves .xtick text", "fill") != light)
    # while it is open, too
    dark(browser, "dark" if light else "light")
    until(lambda: bright(browser, "#curves .xtick text", "fill") == light)


@pytest.mark.parametrize(("scheme", "width"), VIEWS)
def test_readers_of_every_kind_can_use_it(browser, server, scheme, width):
    seen_as(browser, scheme, width)
    browser.get(f"{server.url}/#run=first")
    until(lambda: browser.execute_script("return document.querySelectorAll('.js-line').length > 3"))
    assert serious(browser) == []


def bright(browser, selector, style):
    """Whether the colour of an element is nearer to white than to black."""
    script = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
    colour = browser.execute_script(script, selector, style)
    return sum(map(int, re.findall(r"\d+", colour)[:3])) > 3 * 128
