"""Public corpora of learning curves, read from wherever a copy lies.

Nothing is downloaded and nothing of a corpus is part of this package: :func:`build` reads the
copy that it is pointed at and writes a curve set with its data card.
"""

from earlystop_lab.sources.corpora.building import CORPORA, Corpus, build, read_corpus

__all__ = ["CORPORA", "Corpus", "build", "read_corpus"]
