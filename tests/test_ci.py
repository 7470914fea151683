"""Continuous integration runs commands that there are, on the systems and Pythons that we name."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def lists(name):
    """Every list of the matrices under a name."""
    return [re.findall(r"[\w.-]+", each) for each in re.findall(rf"\b{name}: \[(.*)\]", FLOW)]


def test_its_commands_are_targets():
    phony = re.search(r"^\.PHONY: (.*)$", MAKEFILE, re.M)[1].split()
    asked = re.findall(r"run: make (\S+)", FLOW) + re.findall(r"target: ([\w-]+)", FLOW)
    named = [target for target in asked if "{" not in target]
    assert {"test", "test-core", "wheel", "test-oldest", "test-newest"} == set(named)
    assert set(named) <= set(phony)


def test_every_python_and_system_that_the_package_names_is_tried():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    classifiers = "\n".join(project["classifiers"])
    pythons = re.findall(r"Python :: (3\.\d+)", classifiers)
    assert lists("python")[0] == pythons
    assert project["requires-python"] == f">={pythons[0]}"
    systems = {"ubuntu": "Linux", "macos": "MacOS", "windows": "Windows"}
    for runners in lists("os"):
        for runner in runners:
            assert systems[runner.split("-")[0]] in classifiers
        assert len(runners) == len(systems)


def test_no_recipe_needs_a_folder_that_one_system_alone_has():
    """Environments have their programs in bin or in Scripts; only the usual targets say bin."""
    recipes = re.sub(r"^\$\(VENV\)/.*$", "", MAKEFILE, flags=re.M)
    assert re.findall(r"-(?:core|oldest|newest|wheel)/bin/", recipes) == []
