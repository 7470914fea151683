"""Settings that are compiled in: what numba is told of without being imported."""


class Constant:
    """Base of settings that are compiled in, not looked at while running.

    A rule keeps them in its state; code that gets another value is compiled anew. A subclass is
    a frozen dataclass of whole numbers and bools.
    """
