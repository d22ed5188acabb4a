"""What one page asks for in many places is read once.

Only while an answer is made that changes nothing. Acts ask anew each time: what they
read may have changed while they waited for a lock.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
_read: ContextVar[dict[Any, Any] | None] = ContextVar("read", default=None)


@contextmanager
def one_answer() -> Iterator[None]:
    """Within it, everything that is `read_once` is read once for the same arguments."""
    token = _read.set({})
    try:
        yield
    finally:
        _read.reset(token)


def read_once(ask: Callable[P, R]) -> Callable[P, R]:
    """Keep what a reading function gave, while one answer is made.

    Its arguments are rows or other hashable values; nobody changes what it returns.
    """

    @wraps(ask)
    def asked(*args: P.args, **kwargs: P.kwargs) -> R:
        known = _read.get()
        if known is None:
            return ask(*args, **kwargs)
        key = (ask, args, tuple(sorted(kwargs.items())))
        if key not in known:
            known[key] = ask(*args, **kwargs)
        return known[key]

    return asked
