"""The package as a whole: what it exports, imports, says of itself and shows in its README."""

import ast
import inspect
import pickle
import re
import runpy
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

import earlystop_lab
from earlystop_lab.criteria import Family

ROOT = Path(__file__).parents[1]
PACKAGE = Path(earlystop_lab.__file__).parent

# -- public names --------------------------------------------------------------------------


def test_public_names_are_all_there_once():
    names = earlystop_lab.__all__
    assert [name for name in names if not hasattr(earlystop_lab, name)] == []
    assert len(set(names)) == len(names)


def test_every_rule_is_public():
    criteria = earlystop_lab.criteria
    assert set(criteria.FAMILIES) <= set(criteria.__all__) <= set(earlystop_lab.__all__)


@pytest.mark.parametrize("name", earlystop_lab.__all__)
def test_public_objects_have_docstrings(name):
    thing = getattr(earlystop_lab, name)
    # of the object itself: a criterion has more to say than that it is a family
    assert inspect.cleandoc(thing.__doc__ or "").strip()
    if inspect.isclass(thing):
        methods = {n: m for n, m in vars(thing).items() if not n.startswith("_")}
        bare = [n for n, m in methods.items() if not inspect.getdoc(m)]
        assert bare == []


def described(text):
    """The names in the section Parameters of a docstring in numpydoc style."""
    section = re.search(r"^Parameters\n-{10}\n(.*?)(?=^\w+\n-{4,}\n|\Z)", text, re.M | re.S)
    heads = re.findall(r"^(\S.*)$", section[1] if section else "", re.M)
    return [name.lstrip("*") for head in heads for name in head.split(" : ")[0].split(", ")]


def functions():
    """Public functions, rules, and methods that take anything by keyword alone."""
    for name in earlystop_lab.__all__:
        thing = getattr(earlystop_lab, name)
        if inspect.isclass(thing):
            for method, made in vars(thing).items():
                function = getattr(made, "__func__", made)
                if method.startswith("_") or not inspect.isfunction(function):
                    continue
                if function.__kwdefaults__:
                    yield f"{name}.{method}", function
        else:
            yield name, thing


@pytest.mark.parametrize("name", [name for name, _ in functions()])
def test_every_parameter_is_described_as_documentation_generators_read_it(name):
    function = dict(functions())[name]
    function = getattr(function, "family", function)
    if isinstance(function, Family):
        expected = list(function.defaults)
    else:
        expected = [p for p in inspect.signature(function).parameters if p not in ("self", "cls")]
    assert described(inspect.cleandoc(function.__doc__)) == expected


def test_one_exception_is_above_all_of_ours():
    bases = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                named = [base.id for base in node.bases if isinstance(base, ast.Name)]
                if any(name.endswith(("Error", "Exception")) for name in named):
                    bases[node.name] = named
    # ... and what is caught where ValueError or OSError is
    assert bases.pop("EarlystopError") == ["Exception"]
    assert bases
    assert {tuple(named) for named in bases.values()} <= {
        ("EarlystopError", "ValueError"),
        ("EarlystopError", "OSError"),
    }


def test_every_module_says_what_it_is_for():
    modules = [path for path in PACKAGE.rglob("*.py") if path.read_text(encoding="utf-8").strip()]
    assert [p for p in modules if not ast.get_docstring(ast.parse(p.read_text("utf-8")))] == []


# -- imports -------------------------------------------------------------------------------


HEAVY = {"numba", "matplotlib", "scipy", "rich", "typer", "tabulate"}


def loaded(code):
    """Libraries that are loaded after this code in a process of its own."""
    code += "\nimport sys; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_loads_nothing_else():
    found = loaded("import earlystop_lab")
    assert "earlystop_lab" in found
    assert found & (HEAVY | {"numpy", "pandas", "pyarrow"}) == set()


@pytest.mark.parametrize(
    "code",
    [
        "import earlystop_lab; dir(earlystop_lab)",
        "from earlystop_lab import *",
        "import earlystop_lab as e; e.CurveSet, e.GL(2), e.replay, e.tradeoff, e.read_logs",
        "from earlystop_lab import criterion, parse; parse('any_of(Keras(10), MaxEpochs(3))')",
    ],
)
def test_using_its_names_leaves_heavy_libraries_alone(code):
    assert loaded(code) & HEAVY == set()


def test_help_of_the_command_line_loads_no_library_that_a_command_needs():
    code = """
import contextlib, io, sys
from earlystop_lab.cli import main
sys.argv = ["earlystop", "--help"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
"""
    found = loaded(code)
    # typer shows it by rich
    assert found & ((HEAVY - {"typer", "rich"}) | {"numpy", "pandas", "pyarrow"}) == set()
    assert "typer" in found


def test_a_public_name_is_the_same_thing_at_every_access():
    code = """
import importlib
import earlystop_lab
first = [getattr(earlystop_lab, name) for name in earlystop_lab.__all__]
for room in ("criteria", "curves", "engine.replaying", "studies.recommendation", "sources.logs"):
    importlib.import_module(f"earlystop_lab.{room}")
again = [getattr(earlystop_lab, name) for name in earlystop_lab.__all__]
assert all(a is b for a, b in zip(first, again, strict=True))
assert callable(earlystop_lab.replay) and earlystop_lab.engine.replaying.replay in first
"""
    loaded(code)


def test_names_known_to_type_checkers_are_those_that_are_there():
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    (checking,) = [node for node in tree.body if isinstance(node, ast.If)]
    assert ast.unparse(checking.test) == "TYPE_CHECKING"
    imported = [alias for node in checking.body for alias in node.names]
    names = {alias.name for alias in imported} - {"*"}
    assert names | set(earlystop_lab.criteria.__all__) == set(earlystop_lab.__all__)
    # mypy takes only what is said to be given on
    assert all(alias.asname == alias.name for alias in imported if alias.name != "*")
    assert (PACKAGE / "py.typed").is_file()


@pytest.mark.parametrize("name", ["nosuch", "_nosuch", "GLL"])
def test_a_name_that_is_not_there_is_no_attribute(name):
    assert name not in dir(earlystop_lab)
    with pytest.raises(AttributeError, match=f"'earlystop_lab' has no attribute '{name}'"):
        getattr(earlystop_lab, name)
    with pytest.raises(ImportError, match=name):
        exec(f"from earlystop_lab import {name}")


@pytest.mark.parametrize("name", sorted(set(earlystop_lab.__all__)))
def test_public_things_are_pickled_by_name(name):
    thing = getattr(earlystop_lab, name)
    assert pickle.loads(pickle.dumps(thing)) is thing


# -- what it says of itself ----------------------------------------------------------------


def test_one_version_everywhere():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    (cited,) = re.findall(r"^version: *['\"]?([^'\"\s]+)", citation, re.M)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert version("earlystop_lab") == cited == project["version"]


def test_the_readme_s_python_prints_what_stands_below_it(capsys):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block, printed), *more = re.findall(
        r"^```python\n(.*?)^```\n\n```\n(.*?)^```", readme, re.M | re.S
    )
    assert more == []
    assert readme.count("```python") == 1
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})
    assert capsys.readouterr().out == printed


def test_on_a_package_index_the_readme_has_no_link_into_the_checkout():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    pytest.importorskip("hatchling")
    shown = runpy.run_path(str(ROOT / "hatch_build.py"))["for_an_index"](readme)
    assert re.findall(r"\]\((?!https?:)", shown) == []
    words = re.findall(r"(?<!!)\[([^\]]+)\]\(", readme)
    assert [each for each in words if each not in shown] == []
    assert "tradeoff.png" in readme
    assert "tradeoff.png" not in shown
    # but for these it is the same text
    assert shown.startswith(readme.partition("![")[0])


def test_the_readme_s_files_are_there():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)", readme)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_the_groups_of_rules_on_their_page_have_every_rule_once():
    page = (ROOT / "docs/reference/rules.md").read_text(encoding="utf-8")
    rows = page[page.index("| group |") : page.index("`earlystop criteria` lists")]
    assert sorted(re.findall(r"`(\w+)`", rows)) == sorted(earlystop_lab.criteria.FAMILIES)
    assert sorted(re.findall(r"^\.\. autofunction:: (\w+)", page, re.M)) == sorted(
        earlystop_lab.criteria.FAMILIES
    )
