"""Clients that do not finish, or take long to read, keep nobody waiting."""

import asyncio
import json
import socket
import threading

import pytest

pytest.importorskip("uvicorn")
import uvicorn

from earlystop_lab.live.watch import guard, server
from earlystop_lab.live.watch.posts import LARGEST_POST, Asked, PostError, read_post
from earlystop_lab.live.watch.watching import Watching


async def asked(app, method, path, body=b""):
    """The status with which an application answers."""
    statuses = []
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": method, "path": path, "headers": headers}
    scope |= {"query_string": b"", "http_version": "1.1", "asgi": {"version": "3.0"}}

    async def receive():
        return {"type": "http.request", "body": body}

    async def send(message):
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app({**scope, "raw_path": path.encode(), "client": ("127.0.0.1", 1)}, receive, send)
    return statuses[0]


def test_a_post_that_takes_long_to_read_keeps_nobody_waiting(tmp_path, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def slow(kind, body):
        begun.set()
        assert go_on.wait(60)
        raise PostError("read at last")

    monkeypatch.setattr(server, "read_post", slow)
    app = server.application(Watching(tmp_path, ["GL(5)"], Asked()), [], "127.0.0.1")

    async def both():
        async with app.router.lifespan_context(app):
            post = asyncio.create_task(asked(app, "POST", server.PUBLISH, b"{}"))
            assert await asyncio.to_thread(begun.wait, 60)
            statuses = [await asked(app, "GET", "/api/runs") for _ in range(10)]
            assert not post.done()
            go_on.set()
            return statuses, await post

    assert asyncio.run(both()) == ([200] * 10, 400)


class _Serving:
    """An application behind the guard's clocks, on a port of its own, in a thread."""

    def __init__(self, app):
        clocks = guard.Clocks()
        self.open = clocks._open
        config = uvicorn.Config(
            clocks.around(app), http=clocks.protocol, proxy_headers=False, log_level="error"
        )
        self.server = uvicorn.Server(config)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.socket]})

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.should_exit = True
        self.thread.join(60)
        assert not self.thread.is_alive()
        self.socket.close()

    def connected(self, text=b""):
        client = socket.create_connection(("127.0.0.1", self.port), timeout=60)
        client.sendall(text)
        return client


def gone(client):
    """Wait until the other side has closed; what arrived until then."""
    data = b""
    try:
        while chunk := client.recv(2**20):
            data += chunk
    except ConnectionResetError:
        pass
    client.close()
    return data


GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n"


async def long(scope, receive, send):
    """Sends more than any buffer holds."""
    if scope["type"] == "lifespan":
        await receive()
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(100):
        await send({"type": "http.response.body", "body": b"x" * 2**20, "more_body": True})


async def late(scope, receive, send):
    """Answers after more time than a request has."""
    if scope["type"] == "lifespan":
        await receive()
        return
    await asyncio.sleep(3 * guard.REQUEST)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"late"})


def test_requests_that_do_not_end_are_cut_off(monkeypatch):
    monkeypatch.setattr(guard, "REQUEST", 0.3)
    with _Serving(late) as serving:
        for beginning in (b"", GET, GET + b"X: "):
            assert gone(serving.connected(beginning)) == b""
        assert not serving.open


def test_answers_that_are_not_taken_are_cut_off(monkeypatch):
    monkeypatch.setattr(guard, "ANSWER", 0.5)
    with _Serving(long) as serving:
        client = serving.connected(GET + b"\r\n")
        assert client.recv(1) == b"H"
        waiting = threading.Event()
        for _ in range(600):
            if not serving.open:
                break
            waiting.wait(0.1)
        assert not serving.open
        gone(client)


def test_a_request_that_is_being_answered_has_the_time_of_an_answer(monkeypatch):
    monkeypatch.setattr(guard, "REQUEST", 0.3)
    with _Serving(late) as serving:
        client = serving.connected(GET + b"X-Forwarded-For: 1.2.3.4\r\n\r\n")
        assert b"200 OK" in gone(client)  # and closed when no other request follows


HOSTILE = [
    "{'" + "\\'" * 32_000,
    "{'" + "é" * 30_000,
    '{"' + '\\"' * 32_000,
    "[" * 65_000,
    "{'a':" * 13_000,
    "{'a': " + "tensor(" * 9_000,
    "{'a': tensor(1," + " " * 65_000,
    "{'a': " + "9" * 65_000,
    "{'a': " + "1e" * 32_000,
    "{'a': nan, " * 6_000,
    "{'a': [" + "1," * 32_000,
    json.dumps({f"m{i}": "9" * 1000 for i in range(60)}),
    json.dumps({f"m{i}": "[" + "1" * 900 for i in range(60)}),
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:12]))
def test_the_largest_hostile_posts_are_refused(text):
    body = text.encode()[: LARGEST_POST - 1]
    with pytest.raises(PostError):
        read_post("application/json", body)
