"""The base class of this package's exceptions."""


class EarlystopError(Exception):
    """Base class of this package's exceptions, which are also ``ValueError`` or ``OSError``.

    Arguments that are out of range raise a plain ``ValueError``, as usual in Python.
    """
