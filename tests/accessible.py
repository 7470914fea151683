"""Whether a page in a browser can be used by readers of every kind: what axe-core finds."""

import importlib.util
from pathlib import Path

import pytest

#: what is checked: WCAG 2.1 A and AA (contrast of 4.5 to 1 among them), and good practice
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]


#: how pages are looked at
VIEWS = [(scheme, width) for scheme in ("light", "dark") for width in (400, 1400)]


def serious(browser):
    """What axe-core finds that is serious or worse, with where; skips without axe-core.

    It looks at colours as they are once they have changed: a page that goes from light to dark in
    a fifth of a second has colours of neither meanwhile.
    """
    spec = importlib.util.find_spec("axe_core_python")
    if spec is None:
        pytest.skip("axe-core is not installed: axe-core-python of the extra [test] has it")
    browser.set_script_timeout(120)
    # as DevTools do, which the page's policy does not forbid
    script = Path(spec.origin).with_name("axe.min.js").read_text("utf-8")
    browser.execute_cdp_cmd("Runtime.evaluate", {"expression": script})
    browser.execute_script(
        "document.getAnimations()"
        ".filter((each) => each.effect.getComputedTiming().endTime < Infinity)"
        ".forEach((each) => each.finish());"
    )
    return browser.execute_async_script(
        """
        const [rules, done] = arguments;
        axe.run(document, { runOnly: rules }).then(({ violations }) => done(violations
          .filter(({ impact }) => ["serious", "critical"].includes(impact))
          .map(({ id, nodes }) => [id, nodes.map(({ target }) => target.join(" "))])));
        """,
        RULES,
    )


def seen_as(browser, scheme, width):
    """Show pages in light or dark mode, so many pixels wide."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
