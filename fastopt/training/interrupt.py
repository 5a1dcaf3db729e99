"""Ctrl-C and compiled code: the signal reaches Python only in the main thread, and only between two calls."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import numba
import numpy as np
import numpy.typing as npt

T = TypeVar("T")


def in_a_thread(work: Callable[[], T], stop: npt.NDArray[np.int64], threads: int) -> T:
    """Return `work()`, done in a thread of its own with so many Numba threads, while this one listens for Ctrl-C.

    On Ctrl-C `stop[0]` becomes 1, which ends the compiled driver after its current step; whatever `work` then returns
    is returned. The caller looks at `stop[0]`. An exception in `work` is raised here.
    """
    results: list[T] = []
    errors: list[BaseException] = []
    done = threading.Event()  # not worker.join: up to Python 3.12 an interrupted join takes the thread for ended

    def body() -> None:
        try:
            numba.set_num_threads(threads)
            results.append(work())
        except BaseException as error:  # raised in the caller's thread below
            errors.append(error)
        finally:
            done.set()

    threading.Thread(target=body, name="fastopt-driver", daemon=True).start()
    finished = False
    while not finished:
        try:
            finished = done.wait(0.2)
        except KeyboardInterrupt:
            stop[0] = 1
    if errors:
        raise errors[0]
    return results[0]
