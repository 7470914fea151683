"""The server: receives posts, serves the page and its JSON."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Sequence
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import quote

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from earlystop_lab._common.terminal import say
from earlystop_lab.engine.replaying import rule_of
from earlystop_lab.live.watch.guard import REQUEST, Clocks, Guard
from earlystop_lab.live.watch.posts import LARGEST_POST, Asked, PostError, named, read_post
from earlystop_lab.live.watch.views import detail, overview
from earlystop_lab.live.watch.watching import Watching, follow

#: where a ``RemoteMonitor`` posts by default, and the run name for these posts
PUBLISH = "/publish/epoch/end/"
DEFAULT_RUN = "run"


_PAGE = Path(__file__).parent / "page"
_FILES = {
    "/": _PAGE / "index.html",
    "/watch.js": _PAGE / "watch.js",
    "/watch.css": _PAGE / "watch.css",
    # the charting library, as shipped with its Python package
    "/plotly.min.js": distribution("plotly").locate_file("plotly/package_data/plotly.min.js"),
}


def application(watching: Watching, paths: Sequence[Path], host: str) -> Starlette:
    """The ASGI application over runs, some of them in log files."""

    #: one at a time, so that many clients that post at once leave time for others
    reading = asyncio.Semaphore(1)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        await watching.start(follow(paths, watching))
        try:
            yield
        finally:
            await watching.stop()

    async def publish(request: Request) -> Response:
        try:
            name = named(request.path_params.get("run", DEFAULT_RUN))
            body = await _body(request)
            async with reading:
                # in a thread, so that others are answered meanwhile
                kind = request.headers.get("content-type", "")
                post = await asyncio.to_thread(read_post, kind, body)
            taken = await watching.take(name, post)
            return JSONResponse({"run": taken.name, "checks": len(taken)})
        except PostError as error:
            watching.board.refused += 1
            watching.board.refusal = str(error)
            # the rest of a rejected post may never arrive
            return PlainTextResponse(str(error), error.status, {"Connection": "close"})

    async def runs(request: Request) -> Response:
        return JSONResponse(overview(watching.board, str(watching.folder)))

    async def run(request: Request) -> Response:
        watched = watching.board.runs.get(request.query_params.get("name", ""))
        if watched is None or not len(watched):
            return PlainTextResponse("no such run", 404)
        tag = f'"{quote(watched.name)}-{watched.version}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        return JSONResponse(detail(watched), headers={"ETag": tag})

    async def file(request: Request) -> Response:
        return FileResponse(str(_FILES[request.url.path]))

    return Starlette(
        routes=[
            *(Route(path, file) for path in _FILES),
            Route("/api/runs", runs),
            Route("/api/run", run),
            Route(PUBLISH, publish, methods=["POST"]),
            Route(f"/runs/{{run}}{PUBLISH}", publish, methods=["POST"]),
        ],
        middleware=[Middleware(Guard, host=host)],
        lifespan=lifespan,
    )


def serve(
    folder: Path,
    criteria: Sequence[str],
    paths: Sequence[Path] = (),
    *,
    asked: Asked,
    host: str = "127.0.0.1",
    port: int = 8600,
) -> None:
    """Serve until interrupted; the address is printed once the server answers there.

    ``criteria`` are texts, ``paths`` log files to follow or folders of them. Runs are saved in
    ``folder``. Raises ``OSError`` if the address cannot be bound or the folder cannot be written,
    and ``ValueError`` for a text that is not a criterion, or if another server uses the folder.
    """
    texts = dict.fromkeys(str(rule_of(criterion)) for criterion in criteria)
    with _bound(host, port) as bound:
        watching = Watching(folder, [*texts], asked)
        clocks = Clocks()
        config = uvicorn.Config(
            clocks.around(application(watching, paths, host)),
            http=clocks.protocol,  # type: ignore[arg-type]
            proxy_headers=False,  # a client is who it is, not who it says
            ws="none",
            log_level="error",
            access_log=False,
            timeout_graceful_shutdown=2,
        )
        address = f"[{host}]" if ":" in host else host
        port = bound.getsockname()[1]
        say(f"http://{address}:{port}/ shows the runs, which are saved in {folder}/")
        # the server ends by Ctrl-C, and has saved everything when this is raised
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[bound])


async def _body(request: Request) -> bytes:
    """The body, or enough of it to see that it is too large, unless it does not end."""
    body = bytearray()
    try:
        async with asyncio.timeout(REQUEST):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_POST:  # the rest may never arrive
                    break
    except TimeoutError as error:
        raise PostError(f"the post was not complete within {REQUEST} seconds", 408) from error
    except ClientDisconnect as error:
        raise PostError("the client disconnected during its post") from error
    return bytes(body)


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address[:2], family=family, backlog=512)
    except OSError as error:
        # asyncio and socket repeat the address in the message
        reason = (error.strerror or "").partition(" (while")[0]
        raise OSError(
            error.errno, f"{reason}; choose another --host or --port", f"{host}:{port}"
        ) from error
