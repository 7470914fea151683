"""Where recorded corpora come from: a folder, a checkout, the package, or a server by checksum."""

import functools
import hashlib
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from earlystop_lab import read_curves
from earlystop_lab.sources.corpora import RECORDED, fetch, fetching
from earlystop_lab.sources.corpora.fetching import (
    REGISTRY,
    SMALL,
    FetchError,
    MissingCorpusError,
    all_recorded,
    data_of,
)

DATA = Path(__file__).resolve().parents[2] / "data"


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """No checkout around, as where the package is installed; its own folder of data."""
    inside = tmp_path / "lib" / "earlystop_lab" / "data"
    for part in ("curves/" + SMALL, "reference"):
        shutil.copytree(DATA / part, inside / part)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.delenv("EARLYSTOP_DATA", raising=False)
    monkeypatch.setenv("EARLYSTOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(fetching, "_INSIDE", inside)
    place = tmp_path / "lib" / "earlystop_lab" / "sources" / "corpora" / "fetching.py"
    monkeypatch.setattr(fetching, "__file__", str(place))
    return inside


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A server of a folder of data; the folder, its URL, and the paths that were asked for."""
    folder, asked = tmp_path / "served", []
    for part in ("curves/modern-nets", "reference"):
        shutil.copytree(DATA / part, folder / part)

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(folder))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


def test_the_registry_has_every_recorded_file_with_its_sum():
    places = (DATA / "curves", DATA / "reference")
    files = [file for place in places for file in place.rglob("*.*") if file.is_file()]
    sums = {
        file.relative_to(DATA).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
    }
    lines = REGISTRY.read_text(encoding="utf-8").splitlines()
    assert lines == sorted(f"{name} {total}" for name, total in sums.items())


def test_a_corpus_of_this_checkout_is_read_where_it_lies():
    assert fetch("modern-nets") == DATA / "curves" / "modern-nets"


def test_a_folder_that_is_named_is_taken_before_a_checkout(tmp_path, monkeypatch):
    assert fetch("boosting", tmp_path) == tmp_path / "curves" / "boosting"
    monkeypatch.setenv("EARLYSTOP_DATA", str(tmp_path / "mine"))
    assert fetch("boosting") == tmp_path / "mine" / "curves" / "boosting"
    assert fetch("boosting", tmp_path) == tmp_path / "curves" / "boosting"
    assert data_of("of my own") == tmp_path / "mine"


def test_without_a_checkout_the_small_corpus_is_in_the_package(nowhere):
    assert fetch(SMALL) == nowhere / "curves" / SMALL
    assert all_recorded() == [nowhere / "curves" / SMALL]


def test_what_is_missing_is_said_with_where_to_get_it(nowhere):
    with pytest.raises(MissingCorpusError, match="prechelt1997 is not on this machine; set EARLYS"):
        fetch("prechelt1997")


@pytest.mark.parametrize("name", ["prechelt", "../curves", ""])
def test_a_name_that_is_no_corpus_is_refused(name, nowhere):
    with pytest.raises(ValueError, match="expected one of boosting, modern-nets, prechelt1997"):
        fetch(name)


def test_a_corpus_is_fetched_once_and_then_found(nowhere, served, monkeypatch):
    folder, url, asked = served
    place = fetch("modern-nets", url)
    assert place.is_relative_to(nowhere.parents[2] / "cache")
    assert len(read_curves(place)) == RECORDED["modern-nets"].size.runs
    files = [file for file in folder.rglob("*.*") if file.is_file()]
    assert sorted(asked) == sorted(f"/{file.relative_to(folder).as_posix()}" for file in files)
    assert fetch("modern-nets", url) == place
    assert len(asked) == len(files)
    # without naming the server again, also for all that is there
    assert fetch("modern-nets") == place
    assert all_recorded() == [place, nowhere / "curves" / SMALL]
    # a file that is lost is a corpus that is not there
    next(place.glob("*.parquet")).unlink()
    with pytest.raises(MissingCorpusError):
        fetch("modern-nets")
    monkeypatch.setenv("EARLYSTOP_DATA", url)
    assert fetch("modern-nets") == place
    assert len(asked) == len(files) + 1


def test_a_file_with_another_sum_is_not_kept(nowhere, served):
    folder, url, _ = served
    (folder / "curves" / "modern-nets" / "wine-noise20.parquet").write_bytes(b"PAR1 other PAR1")
    with pytest.raises(ValueError, match=r"wine-noise20.parquet is not the file that was recorded"):
        fetch("modern-nets", url)
    kept = list((nowhere.parents[2] / "cache").rglob("wine-noise20*"))
    assert kept == []


def test_a_server_without_the_corpus_is_named(nowhere, served):
    _, url, _ = served
    with pytest.raises(FetchError, match=r"cannot fetch curves/boosting/\S+ \(404"):
        fetch("boosting", url)
