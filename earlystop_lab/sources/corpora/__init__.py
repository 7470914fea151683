"""Public corpora of learning curves, read from a local copy, and our own ones.

Of public corpora, nothing is downloaded: :func:`build` reads the copy at a given path and writes a
curve set with its data card. Our own ones are found or fetched by :func:`fetch`; a small one is in
the package.
"""

from earlystop_lab.sources.corpora.building import CORPORA, build, read_corpus
from earlystop_lab.sources.corpora.fetching import fetch
from earlystop_lab.sources.corpora.reading import Corpus
from earlystop_lab.sources.corpora.recorded import RECORDED

__all__ = ["CORPORA", "RECORDED", "Corpus", "build", "fetch", "read_corpus"]
