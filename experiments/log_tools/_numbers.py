"""The numbers that every tool is given, and how a driver says what it kept in memory."""

import json
import math
import sys
from pathlib import Path

TRAIN = [2.3, 1.6, 1.1, 0.8, 0.1 + 0.2, 0.25]
#: NaN and infinity as training runs into them, and one that six decimals would round to 0
VAL = [2.4, 1.9, math.nan, math.inf, 1e-9, 1.75]


def arguments():
    """The folder that the tool writes into, which is also the working folder."""
    return Path(sys.argv[1])


def kept(path, *runs, says=(), refused=None, **options):
    """What ``read_logs(path, **options)`` has to give.

    ``runs`` are dictionaries of channels and facts in the order of the runs, ``says`` parts of the
    notes that have to be there, ``refused`` a part of the reason where nothing may be read.
    """
    return {
        "path": str(path),
        "options": options,
        "runs": runs,
        "says": list(says),
        "refused": refused,
    }


def done(*imports):
    """Hand what was kept to the script that compares."""
    Path(sys.argv[2]).write_text(json.dumps(imports))
