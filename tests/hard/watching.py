"""``watch`` killed, on a full disk, and under hostile posts: what it acknowledged is there."""

import contextlib
import http.client
import json
import os
import random
import resource
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from earlystop_lab import read_curves
from earlystop_lab.live.watch import watching
from hard.cells import Cell, rng_of
from hard.commands import (
    MAKING,
    REMOVING,
    Fork,
    at_operation,
    contents,
    renew,
    start,
)
from hard.hostile import JSON, PUBLISH, hostile, is_valid, sent

#: what a refused post may be answered
REFUSED = (*range(400, 500), 507)


class Server:
    """``earlystop watch`` in a fork, which may be told to save without pause."""

    def __init__(self, folder: Path, first=lambda: None, *, hasty: bool = False) -> None:
        def begin() -> None:
            if hasty:
                watching._BETWEEN, watching._REST = 0.01, 0
            first()

        words = ["watch", "-c", "GL(5, k=1)", "--port", "0", "-o", "runs"]
        self.process: Fork = start(words, folder, begin)
        self.address = self.process.stdout.readline().partition("/ shows")[0]
        self.connection: http.client.HTTPConnection | None = None

    @property
    def port(self) -> int:
        return int(self.address.rpartition(":")[2] or 0)

    def send(self, name: str, epoch: int, **metrics: float) -> int:
        """The status of the answer to a post; 0 if there is none."""
        body = json.dumps({"epoch": epoch - 1, **metrics})
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
            self.connection.request("POST", f"/runs/{name}{PUBLISH}", body, {"Content-Type": JSON})
            answer = self.connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            return 0
        return answer.status

    def get(self, path: str) -> dict[str, object]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request("GET", path)
            found: dict[str, object] = json.loads(connection.getresponse().read())
            return found

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def end(self, kind: int) -> tuple[int, str]:
        """End it with a signal; exit code and what it said."""
        self.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, kind)
        ended = self.process.wait()
        return ended.code, ended.stderr


def kills(folder: Path, count: int, seed: int) -> Iterator[Cell]:
    """Kill the server while two runs are posted and saved; after each kill it is started again."""
    cell = Cell("kills", "watch")
    for first in range(0, count, 5):
        work = folder / "watch"
        renew(work)
        acknowledged: dict[str, list[int]] = {"a": [], "b": []}
        for i in range(first, min(first + 5, count)):
            cell.attempt(i, _killed(work, rng_of(seed, "watch", i), acknowledged))
    yield cell


def _killed(work: Path, rng: random.Random, acknowledged: dict[str, list[int]]) -> str:
    number = rng.randint(1, 60) if rng.random() < 0.5 else 0
    kinds = MAKING + REMOVING

    def at() -> None:
        if number:
            at_operation(number, work, kinds, "kill")

    server = Server(work, at, hasty=rng.random() < 0.7)
    end = time.monotonic() + rng.uniform(0.0, 0.4)
    while server.port and time.monotonic() < end:
        for name, epochs in acknowledged.items():
            epoch = epochs[-1] + 1 if epochs else 1
            if server.send(name, epoch, val_loss=1 / epoch) != 200:
                break
            epochs.append(epoch)
    code, said = server.end(signal.SIGKILL)
    if code != -9:
        return f"exit code {code}: {said[-500:]}"
    return _kept(work, acknowledged, more=True)


def _kept(work: Path, acknowledged: dict[str, list[int]], *, more: bool) -> str:
    """What is wrong with what a new server has after the last one was killed."""
    server = Server(work)
    if not server.port:
        return f"does not start again: {server.end(signal.SIGKILL)}"
    # before it serves, Control-C would end it as any program that starts
    server.get("/api/runs")
    code, said = server.end(signal.SIGINT)
    if code or said:
        return f"exit code {code} at the end: {said[-500:]}"
    expected = {f"{name}.parquet" for name, epochs in acknowledged.items() if epochs}
    left = {path for path in contents(work / "runs") if not path.startswith(".watch")}
    if not expected <= left or not left <= {f"{name}.parquet" for name in acknowledged}:
        return f"left: {sorted(left)}"
    for name, epochs in acknowledged.items():
        path = work / "runs" / f"{name}.parquet"
        if not path.exists():
            continue
        (curve,) = read_curves(path)
        found = [int(epoch) for epoch in curve.epoch]
        # one more may have been written than was acknowledged
        if found != epochs and not (more and found[:-1] == epochs):
            return f"{name} has {found[-5:]} and not {epochs[-5:]}"
        if curve.val.tolist() != [1 / epoch for epoch in found]:
            return f"{name} has other values"
        acknowledged[name] = found
    return ""


def disks(folder: Path, count: int, seed: int) -> Iterator[Cell]:
    """Let no file grow beyond a size while posts arrive; then give space, then kill."""
    cell = Cell("full disk", "watch by size")
    for first in range(0, count, 10):
        work = folder / "full-watch"
        renew(work)
        acknowledged: dict[str, list[int]] = {"a": [], "b": []}
        server = Server(work, hasty=True)
        for i in range(first, min(first + 10, count)):
            size = rng_of(seed, "full watch", i).randrange(60_000)
            cell.attempt(f"{i}, {size} bytes", _full(server, size, acknowledged))
        server.end(signal.SIGKILL)
        if wrong := _kept(work, acknowledged, more=False):
            cell.failures.append(f"{first} to {first + 9}: {wrong}")
            print(f"FAILED full disk, watch, attempts from {first}: {wrong}", flush=True)
    yield cell


def _full(server: Server, size: int, acknowledged: dict[str, list[int]]) -> str:
    unlimited = resource.RLIM_INFINITY
    wrong = ""
    for limit in (size, unlimited):
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (limit, unlimited))
        for _ in range(4):
            for name, epochs in acknowledged.items():
                epoch = epochs[-1] + 1 if epochs else 1
                status = server.send(name, epoch, val_loss=1 / epoch)
                if status == 200:
                    epochs.append(epoch)
                else:
                    server.close()
                if status != 200 and (status != 507 or limit == unlimited):
                    wrong = f"answered {status} with a limit of {limit}"
    return wrong


# -- hostile posts -----------------------------------------------------------------------------


def posts(folder: Path, count: int, seed: int) -> Iterator[Cell]:
    """Hostile posts; a run of somebody else is as it was after all of them."""
    cell = Cell("posts", "watch")
    work = folder / "posts"
    renew(work)
    server = Server(work)
    epochs: list[int] = []
    before = None
    for i in range(count):
        if i % 100 == 0:
            server.close()  # one that was silent for long is closed by the server
            epochs.append(len(epochs) + 1)
            status = server.send("good", epochs[-1], val_loss=1 / epochs[-1])
            if status != 200:
                cell.attempt(i, f"a good post was answered {status}")
            before = _state(server)
        path, headers, body, chunked = hostile(rng_of(seed, "posts", i))
        status = sent(server.port, path, headers, body, chunked)
        # a mutation may leave a valid post, of a run that is called enemy
        taken = status == 200 and is_valid(path, headers, body)
        cell.attempt(i, "" if status in REFUSED or taken else f"answered {status}: {body[:200]!r}")
        if i % 100 == 99 and _state(server) != before:
            cell.attempt(i, "changed a run of somebody else, or made one")
    code, said = server.end(signal.SIGINT)
    if code or said:
        cell.attempt("the end", f"exit code {code}: {said[-500:]}")
    yield cell


def _state(server: Server) -> tuple[dict[str, object], list[str]]:
    """A run of somebody else, without the time since its last post, and the names of the others."""
    runs = [run["run"] for run in server.get("/api/runs")["runs"]]  # type: ignore[attr-defined]
    others = [name for name in runs if not name.startswith("enemy")]
    return {**server.get("/api/run?name=good"), "silent": None}, others
