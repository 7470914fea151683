"""Run the tools whose logs are imported, read what they wrote, compare with what they were given.

    python experiments/verify_logs.py             # every tool in experiments/log_tools
    python experiments/verify_logs.py dvclive     # one of them

Each tool runs in an environment of its own, with the versions that its script pins; what it needs
beside them, such as torch, is found in the environment that this script runs in. Whatever is read
otherwise than it was kept in memory, and not said, is a difference: then the exit code is 1.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import venv
from pathlib import Path

import numpy as np

from earlystop_lab.sources.logs import FORMATS, read_logs

TOOLS = Path(__file__).parent / "log_tools"
_BLOCK = re.compile(r"^# /// script$(?P<text>(?:\n#.*)+?)\n# ///$", re.MULTILINE)


def tools() -> dict[str, dict]:
    """What the script of every tool says of itself: its pinned packages, and its formats."""
    paths = sorted(TOOLS.glob("drive_*.py"))
    return {path.stem.removeprefix("drive_"): _about(path) for path in paths}


def _about(path: Path) -> dict:
    block = _BLOCK.search(path.read_text())
    if block is None:
        raise ValueError(f"{path}: expected a block '# /// script' with its packages")
    text = "".join(f"{line[2:]}\n" for line in block["text"].splitlines())
    return tomllib.loads(text)


def environment(tool: str, packages: list[str], folder: Path) -> Path:
    """The Python of an environment that has the packages, made where it is not there."""
    home, known = folder / tool, folder / f"{tool}.txt"
    python = home / "bin" / "python"
    if python.is_file() and known.is_file() and known.read_text() == "\n".join(packages):
        return python
    venv.create(home, with_pip=True, clear=True)
    (libraries,) = home.glob("lib/python*/site-packages")
    here = [entry for entry in sys.path if entry.endswith("site-packages")]
    (libraries / "zz_beside.pth").write_text("\n".join(here))
    if packages:
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, *packages], check=True)
    known.write_text("\n".join(packages))
    return python


def differences(folder: Path, expected: dict, formats: list[str]) -> list[str]:
    """Where an import is not as it was kept in memory, in words."""
    found = read_logs(folder / expected["path"], **expected["options"])
    said = [*(note.text for note in found.notes), *(skip.reason for skip in found.skipped)]
    wrong = [f"not said: {text}" for text in expected["says"] if not any(text in s for s in said)]
    if expected["refused"] is not None:
        if len(found.curves) or not any(expected["refused"] in text for text in said):
            wrong.append(f"expected it refused with {expected['refused']!r}, found {said}")
        return wrong
    wrong += [f"skipped: {skip.reason}" for skip in found.skipped]
    if len(found.curves) != len(expected["runs"]):
        return [*wrong, f"{len(found.curves)} runs, expected {len(expected['runs'])}"]
    plan = found.plan.to_dict("records")
    for curve, row, run in zip(found.curves, plan, expected["runs"], strict=True):
        if row["format"] not in formats:
            wrong.append(f"read as {row['format']}, expected {', '.join(formats)}")
        for name, there in run.items():
            if name in ("unit", "direction", "run"):
                if row[name] != there:
                    wrong.append(f"{name} {row[name]!r}, expected {there!r}")
                continue
            if name != "epoch" and name not in curve.channels:
                wrong.append(f"no {name}; it has {', '.join(curve.channels)}")
                continue
            numbers = np.ma.filled(curve[name], np.nan)
            if not np.array_equal(numbers, np.array(there, float), equal_nan=True):
                wrong.append(f"{name} {numbers.tolist()}, expected {there}")
    return wrong


def verify(tool: str, about: dict, environments: Path) -> list[str]:
    """The differences of all that one tool wrote."""
    formats = about["tool"]["earlystop"]["formats"]
    if unknown := set(formats) - {*FORMATS}:
        return [f"formats that there are not: {', '.join(sorted(unknown))}"]
    python = environment(tool, about["dependencies"], environments)
    with tempfile.TemporaryDirectory() as made:
        folder, expected = Path(made, "logs"), Path(made, "expected.json")
        folder.mkdir()
        done = subprocess.run(
            [python, TOOLS / f"drive_{tool}.py", folder, expected],
            cwd=folder,
            env={**os.environ, "HOME": made, "WANDB_MODE": "offline", "HF_HUB_OFFLINE": "1"},
            capture_output=True,
            text=True,
        )
        if done.returncode or not expected.is_file():
            return [f"the tool failed: {(done.stderr or done.stdout)[-2000:]}"]
        imports = json.loads(expected.read_text())
        return [
            f"{each['path']}: {text}"
            for each in imports
            for text in differences(folder, each, formats)
        ]


def main() -> int:
    known = tools()
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("tool", nargs="*", help=f"one of {', '.join(known)}")
    parser.add_argument(
        "--environments", type=Path, default=Path(sys.prefix, "logs"), help="where they are made"
    )
    options = parser.parse_args()
    failed = 0
    for tool in options.tool or known:
        about = known[tool]
        wrong = verify(tool, about, options.environments)
        failed += bool(wrong)
        packages = about["dependencies"] or [about["tool"]["earlystop"]["program"]]
        print(f"{tool} ({', '.join(packages)}): {'DIFFERENT' if wrong else 'alike'}")
        for text in wrong:
            print(f"    {text}")
    print(f"{len(options.tool or known) - failed} tools alike, {failed} different")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
