"""Settings that are compiled in, defined without importing numba."""


class Constant:
    """Base class of settings that are compiled in rather than looked up at run time.

    A rule keeps them in its state; code with another value is compiled separately. A subclass is a
    frozen dataclass of integers and bools.
    """
