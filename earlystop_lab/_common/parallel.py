"""Parallel work by joblib, which is imported only where there is more than one job."""

from collections.abc import Callable, Generator, Iterable
from typing import Any, Literal, TypeVar

T = TypeVar("T")


def jobs_of(n_jobs: int) -> int:
    """The number of jobs that run at the same time, at least 1; -1 stands for all cores.

    >>> jobs_of(1)
    1
    """
    if n_jobs == 1:
        return 1
    import joblib

    return int(joblib.effective_n_jobs(n_jobs))


def each_of(
    function: Callable[..., T],
    arguments: Iterable[tuple[Any, ...]],
    *,
    n_jobs: int,
    prefer: Literal["threads", "processes"],
) -> Generator[T, None, None]:
    """The results of a function for one tuple of arguments after the other, in their order.

    They come as soon as they are there, and arguments are asked for as jobs become free. One job
    is this thread.

    >>> list(each_of(pow, [(2, 3), (3, 2)], n_jobs=1, prefer="threads"))
    [8, 9]
    """
    if n_jobs == 1:
        return (function(*each) for each in arguments)
    import joblib

    done: Generator[T, None, None] = joblib.Parallel(
        n_jobs=n_jobs, prefer=prefer, return_as="generator"
    )(joblib.delayed(function)(*each) for each in arguments)
    return done
