"""Printing: names and values from outside neither control the terminal nor forge a line."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from earlystop_lab._common.files import renamed
from earlystop_lab._common.wording import visible


def say(*lines: str, to: TextIO | None = None) -> None:
    """Print lines: each argument is one line, whatever it contains.

    The command line prints by nothing else. Raises ``OSError`` naming the output if it cannot be
    written, for example because the disk is full.
    """
    stream = sys.stdout if to is None else to
    with _named(stream):
        print(*map(visible, lines), sep="\n", file=stream, flush=True)


def flush() -> None:
    """Write what others have printed; raises ``OSError`` as :func:`say` does."""
    with _named(sys.stdout):
        sys.stdout.flush()


@contextmanager
def _named(stream: TextIO) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # the reader has seen enough
        raise
    except OSError as error:
        # what is left in the buffer would fail again when Python ends, with a traceback
        with suppress(OSError, ValueError), open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), stream.fileno())
        name = "standard error" if stream is sys.stderr else "standard output"
        raise renamed(error, name) from error
