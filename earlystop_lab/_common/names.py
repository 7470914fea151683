"""Names of files that are valid, and distinct, on every system."""

import hashlib
import unicodedata
from pathlib import Path

#: kept as they are, besides letters and digits of any language
_PLAIN = " ()+,=@._-~"
#: of devices on Windows, with any ending
_RESERVED = {"con", "prn", "aux", "nul", "conin$", "conout$"} | {
    f"{device}{number}" for device in ("com", "lpt") for number in "0123456789\u00b9\u00b2\u00b3"
}
#: bytes of a name above which it is cut, and marked by a digest
_LONGEST = 150


def file_name(name: str) -> str:
    """A file name for any name, without its ending; others have others, apart from their case.

    What a system could refuse, or take for something else, is percent-encoded: separators,
    characters that are not printable, accents that are characters of their own, names of devices,
    and dots and blanks at either end.

    >>> file_name("seed 1 (2)"), file_name("a/b"), file_name("CON"), file_name("..")
    ('seed 1 (2)', 'a%2Fb', '%43ON', '%2E%2E')
    """
    composed = unicodedata.is_normalized("NFC", name)
    kept = [char in _PLAIN or (char.isalnum() and (composed or char.isascii())) for char in name]
    for ends in (range(len(name)), reversed(range(len(name)))):
        for i in ends:
            if name[i] not in ". ":
                break
            kept[i] = False
    device = name.partition(".")[0].rstrip(" ").casefold()
    if device in _RESERVED:
        kept[0] = False
    text = "".join(
        char if plain else _encoded(char) for char, plain in zip(name, kept, strict=True)
    )
    if len(text.encode()) > _LONGEST:
        text = f"{text.encode()[:_LONGEST].decode(errors='ignore')}-{_digest(name)}"
    return text or "%"


def file_in(folder: Path, name: str, ending: str = ".parquet") -> Path:
    """The file of a name in a folder, which may have files of other names.

    A name that differs from that of another file only in case gets a digest, since many systems
    take both for one file. A file that an earlier version named is used as it is.

    >>> file_in(Path("nowhere"), "seed 1").name
    'seed 1.parquet'
    """
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    own, apart = f"{file_name(name)}{ending}", f"{file_name(name)}-{_digest(name)}{ending}"
    for known in (own, f"{name}{ending}", apart):
        if known in there:
            return folder / known
    return folder / (apart if own.casefold() in {each.casefold() for each in there} else own)


def _encoded(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:16]
