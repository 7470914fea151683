"""The house: rooms in one order, no import upward, no circle, no module hidden by a function."""

import ast
from pathlib import Path

import pytest

import earlystop_lab

PACKAGE = Path(earlystop_lab.__file__).parent
NAME = PACKAGE.name
#: a room imports only rooms that stand before it; the command line uses the package by its door
ROOMS = (
    "_common",
    "inference",
    "curves",
    "sources",
    "criteria",
    "engine",
    "measures",
    "studies",
    "report",
    "live",
    "__init__",
    "cli",
    "__main__",
)
#: rooms that know less than their place allows
ONLY = {
    "inference": {"_common"},
    "curves": {"_common"},
    "sources": {"_common", "curves"},
    "criteria": {"_common", "curves"},
    "live": {"_common", "curves", "sources", "criteria", "engine"},
}
#: methods of earlier rooms through which users get at the figures and texts of ``report``
DOORS = {
    "curves/sets.py": {"report/notebooks.py"},
    "engine/replaying.py": {"report/axes.py"},
    "measures/prechelt.py": {"report/axes.py"},
}
#: most modules that lie flat beside __init__.py
FLAT = 4
FILES = {path.relative_to(PACKAGE).as_posix(): path for path in sorted(PACKAGE.rglob("*.py"))}


def module_of(file):
    """``earlystop_lab.curves`` of ``curves/__init__.py``, ``earlystop_lab.cli.app`` of its file."""
    parts = [NAME, *Path(file).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file): file for file in FILES}


def room_of(file):
    return file.split("/")[0].removesuffix(".py")


def imports(text, file):
    """The files of the package that the text imports, anywhere in its code."""
    folder = [NAME, *Path(file).parent.parts]
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) - node.level + 1] if node.level else []
            start = ".".join([*base, *filter(None, [node.module])])
            whole = [f"{start}.{alias.name}" for alias in node.names]
            # what is no module is a name of the one before it
            names = [name if name in MODULES else start for name in whole]
        else:
            continue
        found |= {MODULES[name] for name in names if name in MODULES}
    return found


def late(text, file):
    """Those of them that are imported inside functions alone."""
    tree = ast.parse(text)
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
    }
    first = [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom) and id(node) not in inside
    ]
    return imports(text, file) - imports("\n".join(first), file)


TEXTS = {file: path.read_text("utf-8") for file, path in FILES.items()}
IMPORTS = {file: imports(text, file) - DOORS.get(file, set()) for file, text in TEXTS.items()}


def circle(graph):
    """A path of files each of which imports the next, the last the first; empty where none is."""
    done, path = set(), []

    def walk(file):
        if file in path:
            return [*path[path.index(file) :], file]
        if file in done:
            return []
        path.append(file)
        for other in sorted(graph.get(file, ())):
            if found := walk(other):
                return found
        done.add(path.pop())
        return []

    return next(filter(None, map(walk, sorted(graph))), [])


def public_functions(file):
    tree = ast.parse(FILES[file].read_text("utf-8"))
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return {name for name in functions if not name.startswith("_")}


def test_every_file_lies_in_a_room():
    assert {room_of(file) for file in FILES} <= set(ROOMS)


def test_hardly_anything_lies_flat():
    flat = [file for file in FILES if "/" not in file and file != "__init__.py"]
    assert len(flat) <= FLAT


def test_every_folder_says_what_it_is_for():
    folders = {path.parent for path in FILES.values()}
    inits = [folder / "__init__.py" for folder in folders]
    assert [str(path) for path in inits if not ast.get_docstring(ast.parse(path.read_text()))] == []


@pytest.mark.parametrize("file", FILES)
def test_no_room_imports_one_that_stands_after_it(file):
    own = room_of(file)
    before = set(ROOMS[: ROOMS.index(own)])
    assert {room_of(other) for other in IMPORTS[file]} <= ONLY.get(own, before) | {own}


@pytest.mark.parametrize("file", DOORS)
def test_doors_into_the_report_are_opened_when_they_are_used(file):
    assert DOORS[file] <= late(TEXTS[file], file)
    assert {room_of(door) for door in DOORS[file]} == {"report"}


def test_no_two_files_import_each_other():
    assert circle(IMPORTS) == []


def given_by_face(folder):
    """Names that ``__init__.py`` of the folder takes from its modules, and that are no modules."""
    face = ast.parse((folder / "__init__.py").read_text("utf-8"))
    found = [node for node in face.body if isinstance(node, ast.ImportFrom) and node.module]
    names = [(node.module, alias.asname or alias.name) for node in found for alias in node.names]
    return {name for module, name in names if f"{module}.{name}" not in MODULES}


@pytest.mark.parametrize("file", FILES)
def test_no_module_has_the_name_of_a_public_function(file):
    """Where a folder's face gives a function of that name, nobody gets at the module any more."""
    for place in [Path(file), *Path(file).parents][:-1]:
        assert place.stem not in earlystop_lab.__all__
        assert place.stem == "__init__" or place.stem not in given_by_face(PACKAGE / place.parent)
    assert Path(file).stem not in public_functions(file)


def test_the_look_sees_every_form_of_import():
    text = (
        "import earlystop_lab.cli\n"
        "from earlystop_lab import curves\n"
        "from earlystop_lab.curves import CurveSet\n"
        "from .files import written_whole\n"
        "def late():\n    from earlystop_lab.measures import fronts\n"
    )
    seen = imports(text, "_common/wording.py")
    assert seen == {
        "cli/__init__.py",
        "curves/__init__.py",
        "_common/files.py",
        "measures/fronts.py",
    }


def test_the_look_sees_a_circle():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
