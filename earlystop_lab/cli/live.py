"""The command for runs that are still in progress."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from earlystop_lab._common.checks import one_of
from earlystop_lab._common.terminal import say


def watch_command(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Logs that are being written, or folders of them.")
    ] = None,
    criteria: Annotated[
        list[str] | None,
        typer.Option(
            "-c", "--criterion", help="A criterion; repeatable. By default GL(5), UP(3), Keras(10)."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder in which runs are saved as Parquet files.")
    ] = Path("runs"),
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 accepts other machines.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 picks a free one.")
    ] = 8600,
    val: Annotated[str | None, typer.Option(help="Name of the validation error.")] = None,
    train: Annotated[str | None, typer.Option(help="Name of the training error.")] = None,
    mode: Annotated[
        str | None,
        typer.Option(help="Direction of the validation error; max means higher is better."),
    ] = None,
) -> None:
    """Show live runs in the browser, and where each criterion stops them.

    Receives the posts of Keras' RemoteMonitor and follows log files until interrupted. Runs are
    saved continuously, and the next start shows them again. To allow access from other machines,
    pass --host.
    """
    try:
        from earlystop_lab.live.watch.posts import Asked
        from earlystop_lab.live.watch.server import serve
    except ImportError as error:
        raise ValueError(
            f'watch needs the package {error.name}: pip install "earlystop_lab[watch]"'
        ) from error
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out}: a file; expected a folder, which need not exist yet")
    better = None if mode is None else one_of("--mode", mode, ("min", "max"))
    asked = Asked(val, train, better)  # type: ignore[arg-type]
    chosen = criteria or ["GL(5)", "UP(3)", "Keras(10)"]
    for path in paths or ():
        if not path.exists():
            say(f"{path} does not exist; it is read once it does", to=sys.stderr)
    serve(out, chosen, paths or (), asked=asked, host=host, port=port)
