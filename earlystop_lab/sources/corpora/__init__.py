"""Public corpora of learning curves, read from a local copy, and facts of our own ones.

Nothing is downloaded, and no corpus is part of this package: :func:`build` reads the copy at a
given path and writes a curve set with its data card. Our own corpora are in a checkout.
"""

from earlystop_lab.sources.corpora.building import CORPORA, build, read_corpus
from earlystop_lab.sources.corpora.reading import Corpus
from earlystop_lab.sources.corpora.recorded import RECORDED

__all__ = ["CORPORA", "RECORDED", "Corpus", "build", "read_corpus"]
