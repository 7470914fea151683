"""The command about results that are kept between calls."""

from typing import Annotated

import typer

from earlystop_lab._common.files import cache_folder
from earlystop_lab._common.wording import counted, visible
from earlystop_lab.cli._given import Json, Out, ending, show


def cache_command(
    clear: Annotated[bool, typer.Option("--clear", help="Remove everything that is kept.")] = False,
    out: Out = None,
    json: Json = False,
) -> None:
    """Show where results of the known rules are kept, and how many bytes they take.

    earlystop bench keeps the results of every known rule on every corpus, so that the next rule
    needs seconds; recommend and survey keep those of runs that they were asked about. They are
    found by their contents: if a corpus, this package or one of its libraries changes, they are
    computed anew. The environment variable EARLYSTOP_CACHE names another folder.
    """
    from earlystop_lab.report import as_json
    from earlystop_lab.studies.kept import LIMIT, Kept

    ending(out, ".txt", ".json")
    kept = Kept(cache_folder())
    removed = kept.clear() if clear else 0
    sizes = [size for _, size in kept.files()]
    data = {"folder": str(kept.place), "files": len(sizes), "bytes": sum(sizes), "limit": LIMIT}
    words = (
        f"{visible(str(kept.place))}: {counted(len(sizes), 'file')}, {sum(sizes) / 1e6:.1f} MB "
        f"of at most {LIMIT / 1e6:.0f} MB"
    )
    removed_words = f"{counted(removed, 'file')} removed\n" if clear else ""
    show(
        lambda: removed_words + words,
        lambda: as_json({**data, "removed": removed} if clear else data),
        json=json,
        out=out,
    )
