"""Pages followed by copy and paste: their cells in a plain session in an empty folder."""

import json
import os
import re
import subprocess
from pathlib import Path

#: as of one who reads: small sets are not compiled
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "EARLYSTOP_COMPILE"}

#: runs the cells of pages as one who pastes them, each page in a session and a folder of its own;
#: lines that begin with $ are for a terminal
PASTED = """
import contextlib, io, json, os, pathlib, subprocess, sys, traceback
import matplotlib.pyplot
matplotlib.use("agg")
printed = {}
for page, cells in json.load(sys.stdin).items():
    folder = pathlib.Path(page)
    folder.mkdir(parents=True)
    space = {"__name__": "__main__"}
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            for cell in cells:
                if cell.startswith("$ "):
                    command = cell.removeprefix("$ ").replace("\\n$ ", "\\n")
                    told = subprocess.STDOUT
                    print(subprocess.check_output(command, shell=True, stderr=told).decode())
                else:
                    exec(compile(cell, "<pasted>", "exec"), space)
        except Exception:
            print(traceback.format_exc())
    matplotlib.pyplot.close("all")
    printed[page] = out.getvalue()
json.dump(printed, sys.stdout)
"""


def paste(cells, python, folder, **variables):
    """What pages print: their cells, which are lists of text, run by a Python in a folder."""
    path = os.pathsep.join([str(Path(python).parent), os.environ["PATH"]])
    done = subprocess.run(
        [python, "-c", PASTED],
        input=json.dumps(cells),
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=ENVIRONMENT | {"PATH": path, **variables},
    )
    return json.loads(done.stdout)


def cells_of(page):
    """The cells of a page in Markdown that is executed when the site is built."""
    cells = re.findall(
        r"^```\{code-cell\}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S
    )
    return [
        re.sub("^", "$ ", cell.removeprefix("%%sh\n").rstrip(), flags=re.M)
        if cell.startswith("%%sh")
        else cell
        for cell in cells
    ]
