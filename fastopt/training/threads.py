"""Who may use how many threads while the driver runs.

BLAS gets one: chunks are spread over threads already, and a second pool gets in the way.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import numba
from threadpoolctl import ThreadpoolController


def one_blas_thread() -> AbstractContextManager[None]:
    """Return a context in which every BLAS of this process uses one thread.

    Several threads may be inside at once: the number belongs to the process, so the first to enter sets it and the last
    to leave restores it.
    """
    return _CONTEXT


@contextlib.contextmanager
def numba_threads(count: int) -> Iterator[None]:
    """Let parallel regions that this thread starts use `count` threads while inside."""
    before = numba.get_num_threads()
    numba.set_num_threads(count)
    try:
        yield
    finally:
        numba.set_num_threads(before)


class _OneBlasThread(AbstractContextManager[None]):
    def __init__(self) -> None:
        self.lock, self.inside = threading.Lock(), 0
        self.limit: Any = None

    def __enter__(self) -> None:
        with self.lock:
            if self.inside == 0:
                self.limit = _controller().limit(limits=1, user_api="blas")
            self.inside += 1

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self.limit.restore_original_limits()


_CONTEXT = _OneBlasThread()


@functools.cache
def _controller() -> ThreadpoolController:
    import scipy.linalg.cython_blas  # noqa: F401  (the BLAS that Numba calls: it must be loaded to be found)

    return ThreadpoolController()
