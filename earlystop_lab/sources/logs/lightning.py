"""Lightning's ``CSVLogger``: ``metrics.csv`` with training and validation on separate rows."""

from earlystop_lab.sources.logs._reading import Source
from earlystop_lab.sources.logs.tables import has_columns


def recognises(source: Source) -> bool:
    return has_columns(source, "epoch", "step")
