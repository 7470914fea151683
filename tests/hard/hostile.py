"""Posts that no training makes, to be refused by ``watch``."""

import json
import random
import socket

from earlystop_lab.live.watch.posts import PostError, named, read_post

PUBLISH = "/publish/epoch/end/"
JSON, FORM = "application/json", "application/x-www-form-urlencoded"


def hostile(rng: random.Random) -> tuple[str, list[tuple[str, str]], bytes, bool]:
    """A path, headers and a body, and whether the body is sent in chunks."""
    deep = rng.randrange(1, 30_000)
    number = rng.choice(["1e400", "-1", "9" * 5000, "NaN", "Infinity", '"0"', "null", "true", "[]"])
    value = rng.choice(['"<script>"', "{}", "[1, 2]", "true", '"1e5x"', '{"$gt": 0}', '"\\ud800"'])
    bodies = [
        b"",
        b"\x00" * rng.randrange(1000),
        b"[" * deep,
        b'{"a":' * deep,
        b'{"epoch": 0, "val_loss": ' + b"[" * deep + b"]" * deep + b"}",
        f'{{"epoch": {number}, "val_loss": 1}}'.encode(),
        f'{{"epoch": 0, "val_loss": {value}}}'.encode(),
        b'{"epoch": 0, "epoch": 1}',
        b'{"epoch": 0}',
        b"9" * 60_000,
        b'"' + b"x" * 60_000 + b'"',
        json.dumps({"epoch": 0, **{f"m{j}": j for j in range(100)}}).encode(),
        json.dumps({"epoch": 0, "x" * rng.randrange(101, 5000): 1}).encode(),
        json.dumps({"epoch": 0, "val\u202eloss\x1b[31m": 1}).encode(),
        b"x" * rng.choice([65_537, 300_000]),
        rng.randbytes(rng.randrange(1, 400)),
        b"data=" + b"%" * rng.randrange(1000),
        b"&".join(b"data=1" for _ in range(rng.randrange(2, 1000))),
        _mutated(rng, b'{"epoch": 3, "loss": 0.25, "val_loss": 0.5, "val_accuracy": 0.75}'),
    ]
    names = ["..", "../../../etc/passwd", "%2e%2e%2f", "<img src=x>", "a" * 500, "%00", ".x", "a/b"]
    name = rng.choice(names) if rng.random() < 0.25 else "enemy"
    kind = rng.choice([JSON, JSON, FORM, "text/plain", "", "a" * 3000])
    headers = [("Host", "localhost"), ("Content-Type", kind)]
    return f"/runs/{name}{PUBLISH}", headers, rng.choice(bodies), rng.random() < 0.3


def _mutated(rng: random.Random, text: bytes) -> bytes:
    """A post with some bytes replaced, lost or repeated."""
    data = bytearray(text)
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(data))
        match rng.randrange(3):
            case 0:
                data[at] = rng.randrange(256)
            case 1:
                del data[at : at + rng.randrange(8)]
            case _:
                data[at:at] = data[at : at + rng.randrange(8)] * rng.randrange(4)
        data = data or bytearray(b"x")
    return bytes(data)


def sent(port: int, path: str, headers: list[tuple[str, str]], body: bytes, chunked: bool) -> int:
    """The status of the answer to a post; 413 if it was refused while it was being sent."""
    framing = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))
    lines = [f"POST {path.replace(' ', '%20')} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in [*headers, framing, ("Connection", "close")]]
    if chunked:
        parts = [body[at : at + 5000] for at in range(0, len(body), 5000)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    answer = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        try:
            connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        except (BrokenPipeError, ConnectionResetError):
            return 413
        try:
            while more := connection.recv(65536):
                answer += more
        except ConnectionResetError:
            if not answer:
                return 413
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def is_valid(path: str, headers: list[tuple[str, str]], body: bytes) -> bool:
    """Whether a post is one, after all."""
    try:
        named(path.split("/")[2])
        read_post(dict(headers)["Content-Type"], body)
    except PostError:
        return False
    return True
