"""What the session of an executed page begins with: cells for a terminal."""

import os
import subprocess

from IPython.core.magic import register_cell_magic


@register_cell_magic
def sh(line: str, cell: str) -> None:
    """Run commands and print what they print, as in a terminal without colours."""
    plain = {name: value for name, value in os.environ.items() if "COLOR" not in name}
    done = subprocess.run(
        cell, shell=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=plain
    )
    print(done.stdout, end="")
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}")
