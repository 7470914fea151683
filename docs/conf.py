"""How the documentation is built; see ``make site``."""

from __future__ import annotations

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.ext.autodoc.mock import mock

import earlystop_lab
from earlystop_lab.criteria import Family, ModelCheckpoint, catalogue

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE))
import generated  # noqa: E402, beside this file

# pages that are executed run the commands of this environment, on one core, and draw alike
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
os.environ["MATPLOTLIBRC"] = str(HERE / "matplotlibrc")
os.environ["OMP_NUM_THREADS"] = "1"
# what their sessions begin with; nothing of the user's own settings
_settings = tempfile.TemporaryDirectory()
_startup = Path(_settings.name) / "profile_default" / "startup"
_startup.mkdir(parents=True)
shutil.copy(HERE / "session.py", _startup)
# that a session of one second on this machine is not encrypted need not be said
(_startup.parent / "ipython_kernel_config.py").write_text("c.IPKernelApp.log_level = 'ERROR'\n")
os.environ["IPYTHONDIR"] = _settings.name

# adapters are documented without their frameworks, and as fast where these are installed
FRAMEWORKS = "catboost ignite keras lightgbm lightning optuna sklearn torch transformers xgboost"
_mocked = mock(FRAMEWORKS.split(" "))  # ends where it is not kept
_mocked.__enter__()

project = "earlystop_lab"
author = copyright = "The earlystop_lab authors"
release = version = metadata.version(project)

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "matplotlib.sphinxext.plot_directive",
]
exclude_patterns = ["_build"]
root_doc = "index"

# -- Markdown --------------------------------------------------------------------------------
myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

# -- pages that are executed: those whose front matter says that they are notebooks ----------
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 180
nb_merge_streams = True

# -- reference -------------------------------------------------------------------------------
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "none"  # docstrings say the types
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True
napoleon_preprocess_types = True
napoleon_type_aliases = {
    "criterion": ":term:`criterion`",
    "criteria": ":term:`criteria <criterion>`",
}
add_module_names = False
python_use_unqualified_type_names = True

# -- pictures of rules -----------------------------------------------------------------------
# drawing all takes half a minute: EARLYSTOP_PICTURES names those that a trial is content with
PICTURED = os.environ.get("EARLYSTOP_PICTURES", "").split()
plot_formats = [("png", 120)]
plot_html_show_formats = False
plot_html_show_source_link = False
plot_include_source = False

# -- looks -----------------------------------------------------------------------------------
html_theme = "pydata_sphinx_theme"
html_title = "earlystop_lab"
html_static_path = ["_static"]
html_css_files = ["site.css"]
# pages that are a section of their own have no neighbours to list
ALONE = (
    "architecture benchmarks changelog claims contributing figures findings glossary logs promises "
    "statistics study"
)
html_sidebars: dict[str, list[str]] = {page: [] for page in ALONE.split(" ")}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "show_prev_next": False,
    "collapse_navigation": True,
    "footer_start": ["copyright"],
    "footer_end": [],
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


#: pages that begin with a file of the repository, which is written once: the page by the file
_MARK = re.compile(r"<!-- file: (\S+) -->")
_SHOWN = {
    found[1]: page.relative_to(HERE).as_posix()
    for page in sorted(HERE.rglob("*.md"))
    if (found := _MARK.match(page.read_text(encoding="utf-8")))
}
#: a link to a file, with what comes before and after its path
_LINK = re.compile(r"(\]\()(?!\w+:|#)([^)#\s]+)([^)]*\))")


def _filled(app: Any, page: str, source: list[str]) -> None:
    """Files of the repository, and what the package says of itself, in place of their marks."""
    here = (HERE / page).parent
    folder, text = here, source[0]
    if found := _MARK.match(text):
        file = ROOT / found[1]
        folder, text = file.parent, file.read_text(encoding="utf-8") + text[found.end() :]
        app.env.note_dependency(str(file))

    def linked(link: re.Match[str]) -> str:
        target = Path(os.path.normpath(folder / link[2]))
        shown = _SHOWN.get(target.relative_to(ROOT).as_posix())
        path = os.path.relpath(target if shown is None else HERE / shown, here)
        return f"{link[1]}{Path(path).as_posix()}{link[3]}"

    text = _LINK.sub(linked, text)
    for mark, made in generated.TEXTS.items():
        if (line := f"<!-- generated: {mark} -->") in text:
            text = text.replace(line, made())
    source[0] = text


def _signature(
    app: Any, what: str, name: str, thing: Any, options: Any, signature: Any, returns: Any
) -> tuple[str, str] | None:
    """How a rule is written: that of its family, which is an object that can be called."""
    family = getattr(thing, "family", thing)
    if isinstance(family, Family):
        return f"({catalogue.signature(family).partition('(')[2]}", ""
    return None


def _pictured(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """A rule's statistic on one run, below its first sentence."""
    if not isinstance(thing, Family) or thing is ModelCheckpoint:
        return
    if not generated.has_picture(thing) or (PICTURED and thing.name not in PICTURED):
        return
    end = lines.index("") if "" in lines else len(lines)
    lines[end:end] = [
        "",
        ".. plot::",
        # numbered by the directive, pictures of one page would overwrite each other
        f"   :filename-prefix: rule-{thing.name}",
        f"   :alt: The errors of one run, and the statistic of {thing.name} at each of its checks",
        "",
        "   from generated import picture",
        f"   picture({thing.name!r})",
        "",
    ]


def _public(app: Any, env: Any, node: Any, shown: Any) -> Any:
    """A public name is a link also in the docstring of another module."""
    if node.get("refdomain") != "py" or node["reftarget"] not in earlystop_lab.__all__:
        return None
    target = f"earlystop_lab.{node['reftarget']}"
    python = env.get_domain("py")
    return python.resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, shown)


def _commands(app: Any, tree: nodes.document) -> None:
    """Cells for a terminal look like one."""
    for block in tree.findall(nodes.literal_block):
        first, _, rest = block.astext().partition("\n")
        if first == "%%sh":
            text = re.sub("^", "$ ", rest, flags=re.M)
            block.rawsource, block["language"] = text, "console"
            block.children = []
            block += nodes.Text(text)


def setup(app: Any) -> None:
    events: dict[str, Callable[..., Any]] = {
        "source-read": _filled,
        "doctree-read": _commands,
        "missing-reference": _public,
        "autodoc-process-signature": _signature,
        "autodoc-process-docstring": _pictured,
    }
    for event, told in events.items():
        app.connect(event, told, priority=100)
