"""The result of reading a corpus, and the checksums of the files read."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from earlystop_lab.curves import CurveSet

#: lists of checksums as written by ``sha256sum``, which are looked for next to the files
_LISTS = ("SHA256SUMS", "SHA256SUMS.txt", "sha256sums.txt", "checksums.sha256")


class Reading(NamedTuple):
    """A corpus as read."""

    curves: CurveSet
    #: all files that were read
    files: list[Path]
    #: remarks about this copy for its data card
    notes: list[str]


@contextmanager
def named(file: Path) -> Iterator[None]:
    """Name the file in errors that occur while reading it."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, EOFError) as error:
        raise OSError(f"{file}: cannot be read ({error})") from error
    except KeyError as error:
        raise ValueError(f"{file}: {error.args[0]}") from error
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def sha256(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checked_sums(root: Path, files: Sequence[Path]) -> tuple[dict[Path, str], int]:
    """The checksums of ``files``, and how many of them the corpus' own lists confirm.

    Lists are ``SHA256SUMS`` and similar names in ``root``, and ``<file>.sha256`` next to a file,
    both as written by ``sha256sum``. Raises ``ValueError`` naming a file whose checksum differs.
    """
    sums = {file: sha256(file) for file in files}
    shipped: dict[Path, tuple[str, Path]] = {}
    beside = [file.with_name(f"{file.name}.sha256") for file in files]
    for listing in [*(root / name for name in _LISTS), *beside]:
        if listing.is_file():
            shipped.update(_listed(listing))
    confirmed = 0
    for file, total in sums.items():
        if (entry := shipped.get(file.resolve())) is None:
            continue
        expected, listing = entry
        if total != expected:
            raise ValueError(
                f"{file}: its SHA-256 is {total}, but {listing.name} says {expected}; "
                "this copy is damaged or another version"
            )
        confirmed += 1
    return sums, confirmed


def _listed(listing: Path) -> dict[Path, tuple[str, Path]]:
    sums = {}
    lines = listing.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"([0-9a-fA-F]{64}) [ *](.+)", line.rstrip())
        if match is None:
            raise ValueError(
                f"{listing}, line {number}: {line[:80]!r}; expected a SHA-256, two spaces and a "
                "file, as sha256sum writes them"
            )
        sums[(listing.parent / match[2]).resolve()] = (match[1].lower(), listing)
    return sums
