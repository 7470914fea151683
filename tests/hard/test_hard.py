"""A little of every attack; ``make hard`` makes all of them many times."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.skipif(sys.platform != "linux", reason="forks and limits of files as on Linux")
def test_a_little_of_every_attack(tmp_path):
    """In a process of its own, which forks; damage and logs have tests of their own."""
    words = ["--only", "kills,disks,races,posts", "--commands", "replay,watch"]
    ended = subprocess.run(
        [sys.executable, HERE, *words, "--count", "1"],
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    table = ended.stdout.partition("\n\n")[2]
    rows = re.findall(r"^(\w[\w ]*?)  +.* (\d+) attempts", table, re.MULTILINE)
    assert {part for part, _ in rows} == {"kills", "full disk", "races", "posts"}
    assert all(int(attempts) > 0 for _, attempts in rows)
