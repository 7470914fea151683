"""Trainings in two processes, as ``torchrun`` starts them but for the time that imports take.

They are forked from one process, which imports the libraries once for all tests.
"""

import multiprocessing
import os
import runpy
import socket
import sys
from multiprocessing import context
from pathlib import Path

LIBRARIES = ["torch", "lightning.pytorch", "transformers.trainer", "ignite.distributed", "optuna"]
OURS = [f"earlystop_lab.live.{name}" for name in ("torch", "lightning", "huggingface", "ignite")]
try:
    START: context.BaseContext = multiprocessing.get_context("forkserver")
    START.set_forkserver_preload([*LIBRARIES, *OURS])
except ValueError:  # Windows forks nothing
    START = multiprocessing.get_context("spawn")


def _rank(rank, port, script, words, said):
    """Run the script in this process, as that rank."""
    sys.stdout = open(said, "w", encoding="utf-8")  # noqa: SIM115, until it ends
    variables = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": 2,
        "LOCAL_WORLD_SIZE": 2,
        "GROUP_RANK": 0,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "TORCHELASTIC_RUN_ID": "tests",
        "OMP_NUM_THREADS": 1,
    }
    os.environ.update({name: str(value) for name, value in variables.items()})
    sys.argv = [script, *words]
    runpy.run_path(script, run_name="__main__")
    sys.stdout.flush()


def run_in_ranks(source, folder, *words):
    """What a script with some words prints in each of two processes, which both succeed."""
    script, said = folder / "ranks.py", [folder / f"said{rank}.txt" for rank in (0, 1)]
    script.write_text(source, encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [str(word) for word in words]
    started = [
        START.Process(target=_rank, args=(rank, port, str(script), words, str(said[rank])))
        for rank in (0, 1)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join(300)
        process.kill()  # which leaves one alone that has ended
    texts = [Path(file).read_text(encoding="utf-8") for file in said]
    assert [process.exitcode for process in started] == [0, 0], "\n".join(texts)[-3000:]
    return texts
