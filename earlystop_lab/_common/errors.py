"""The one exception above all of ours."""


class EarlystopError(Exception):
    """What this package itself finds wrong, beside the ``ValueError`` or ``OSError`` that it is.

    Plain arguments that are out of range are a ``ValueError`` alone, as everywhere in Python.
    """
