"""Public corpora of learning curves, read from a local copy.

Nothing is downloaded, and no corpus is part of this package: :func:`build` reads the copy at a
given path and writes a curve set with its data card.
"""

from earlystop_lab.sources.corpora.building import CORPORA, build, read_corpus
from earlystop_lab.sources.corpora.reading import Corpus

__all__ = ["CORPORA", "Corpus", "build", "read_corpus"]
