"""The command for runs that still go on."""

from pathlib import Path
from typing import Annotated

import typer

from earlystop_lab._common.checks import one_of


def watch_command(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Growing logs to follow, or folders of them.")
    ] = None,
    criteria: Annotated[
        list[str] | None,
        typer.Option("-c", "--criterion", help="GL(5), UP(3) and Keras(10) by default."),
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder where runs are saved, as Parquet.")
    ] = Path("runs"),
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 for every one.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any free one.")] = 8600,
    val: Annotated[str | None, typer.Option(help="Metric that is the validation error.")] = None,
    train: Annotated[str | None, typer.Option(help="Metric that is the training error.")] = None,
    mode: Annotated[
        str | None, typer.Option(help="max: higher is better in the validation metric.")
    ] = None,
) -> None:
    """Show live runs in the browser, and where each criterion stops them.

    Takes the posts of Keras' RemoteMonitor and follows growing logs, until interrupted. Runs are
    saved on the way; the next start shows them again. Other machines reach it with --host.
    """
    try:
        from earlystop_lab.live.watch.posts import Asked
        from earlystop_lab.live.watch.server import serve
    except ImportError as error:
        raise ValueError(
            f'watch needs the package {error.name}: pip install "earlystop_lab[watch]"'
        ) from error
    better = None if mode is None else one_of("--mode", mode, ("min", "max"))
    asked = Asked(val, train, better)  # type: ignore[arg-type]
    chosen = criteria or ["GL(5)", "UP(3)", "Keras(10)"]
    serve(out, chosen, paths or (), asked=asked, host=host, port=port)
