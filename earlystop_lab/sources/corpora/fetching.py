"""Where the recorded corpora are: in a folder, in a checkout, in this package, or fetched.

Data always lie the same way: a folder with ``curves/NAME/`` for each corpus and with ``reference/``
for the published numbers. The folder ``data`` of a checkout is one, the package has one with a
small corpus, and what is fetched becomes one. A file that is fetched must have the SHA-256 in
``registry.txt``, so that it does not matter who serves it.
"""

import logging
import os
import re
from pathlib import Path

from earlystop_lab._common.checks import one_of
from earlystop_lab._common.errors import EarlystopError
from earlystop_lab._common.files import cache_folder
from earlystop_lab.sources.corpora.recorded import RECORDED

#: the environment variable that names a folder or URL of data
VARIABLE = "EARLYSTOP_DATA"
#: the corpus in the package: a part of that of the study
SMALL = "prechelt1997-small"
#: the files that can be fetched, with their SHA-256
REGISTRY = Path(__file__).with_name("registry.txt")
#: data in an installed package; a checkout has them in its folder ``data``
_INSIDE = Path(__file__).resolve().parents[2] / "data"


class MissingCorpusError(EarlystopError, OSError):
    """A recorded corpus that is not on this machine; the text says how to get it."""


class FetchError(EarlystopError, OSError):
    """A file that a URL does not give."""


def fetch(name: str, source: str | Path | None = None) -> Path:
    """The folder of a recorded corpus, as :func:`earlystop_lab.read_curves` takes it.

    Without ``source``, the environment variable ``EARLYSTOP_DATA`` names it; without either, the
    corpus is looked for in the checkout around the current folder or around this package, among
    what was fetched before, and in the package.

    Parameters
    ----------
    name : str
        One of the recorded corpora, for example ``"prechelt1997-small"``, which is in the package.
    source : str or Path, optional
        A folder with ``curves/NAME/``, such as ``data`` of a checkout, or the URL of one. Files of
        a URL are kept in the cache folder, and must have the checksums that this package knows.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        For a name that is not that of a recorded corpus, or a file with another checksum.
    OSError
        If the corpus is not there, or cannot be fetched.

    Examples
    --------

    >>> from earlystop_lab import read_curves
    >>> len(read_curves(fetch("prechelt1997-small")))
    36
    """
    one_of("corpus", name, RECORDED)
    return data_of(name, source) / "curves" / name


def data_of(name: str, source: str | Path | None = None) -> Path:
    """The folder of data that has a corpus, found as :func:`fetch` says.

    A folder that is given need not have it, nor must its name be known: what is wrong with a
    user's own folder is said where it is read.
    """
    given = str(source or os.environ.get(VARIABLE, ""))
    if is_url(given):
        return _fetched(one_of("corpus", name, RECORDED), given)
    if given:
        return Path(given)
    around = checkout()
    places = [*([around / "data"] if around else []), _INSIDE]
    if name in RECORDED and all((_kept() / file).is_file() for file in _files(name)):
        places.insert(-1, _kept())
    if there := [place for place in places if (place / "curves" / name).is_dir()]:
        return there[0]
    if around:
        return around / "data"
    one_of("corpus", name, RECORDED)
    raise MissingCorpusError(
        f"the corpus {name} is not on this machine; set {VARIABLE} to the folder or the URL of a "
        f"copy of the project's data, which has curves/{name}/, or run inside a checkout"
    )


def all_recorded() -> list[Path]:
    """The folders of every recorded corpus that is there or can be fetched, sorted by name.

    The small corpus is left out where the one that it is a part of is there. A folder of data may
    have corpora of the user's own.
    """
    given, around = os.environ.get(VARIABLE, ""), checkout()
    if is_url(given):
        found = [fetch(name) for name in RECORDED if name != SMALL]
    elif given or around:
        place = Path(given) if given or around is None else around / "data"
        found = [path for path in (place / "curves").glob("*") if path.is_dir()]
    else:
        found = []
        for name in RECORDED:
            try:
                found.append(fetch(name))
            except MissingCorpusError:
                continue
    whole = any(path.name == SMALL.removesuffix("-small") for path in found)
    return sorted(path for path in found if not (whole and path.name == SMALL))


def checkout() -> Path | None:
    """The checkout around the current folder, else around this package, if there is one."""
    here, installed = Path.cwd(), Path(__file__).resolve().parents[3]
    around = (here, *here.parents, installed)
    return next((each for each in around if (each / "data" / "curves").is_dir()), None)


def is_url(given: str) -> bool:
    """Whether this names a place on the net, not a folder."""
    return re.match(r"(https?|ftp)://", given) is not None


def _kept() -> Path:
    return cache_folder() / "data"


def _files(name: str) -> list[str]:
    """The files of a corpus, and those with the published numbers, as in the registry."""
    listed = [line.split()[0] for line in REGISTRY.read_text(encoding="utf-8").splitlines()]
    return [file for file in listed if file.startswith((f"curves/{name}/", "reference/"))]


def _fetched(name: str, url: str) -> Path:
    """The folder of data in the cache, with this corpus from a URL."""
    import pooch

    # it would tell of every file
    pooch.get_logger().setLevel(logging.WARNING)
    place = pooch.create(_kept(), url.rstrip("/") + "/")
    place.load_registry(REGISTRY)
    for file in _files(name):
        try:
            place.fetch(file)
        except OSError as error:  # those of requests are, too
            raise FetchError(
                f"{url}: cannot fetch {file} ({error}); expected the URL of a copy of the "
                "project's folder data"
            ) from error
        except ValueError as error:
            raise ValueError(
                f"{url}: {file} is not the file that was recorded: its SHA-256 is not the one "
                "that this version of earlystop_lab expects; use the data of the same version"
            ) from error
    return _kept()
