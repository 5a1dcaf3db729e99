"""Ctrl-C and compiled code: Python handles a signal in the main thread only, and only between two calls."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt


@contextlib.contextmanager
def interrupt_stops(stop: npt.NDArray[np.int64]) -> Iterator[None]:
    """While inside, Ctrl-C sets `stop[0]` to 1, also while compiled code runs, and raises nothing: look at `stop[0]`.

    The work stays in the calling thread. To hand it to another would be simpler, but OpenMP keeps a pool of threads for
    each thread that ever asked for parallel work, and with more pools than cores every parallel region goes to sleep
    and is woken again: a step of batch size 1 took 200 us instead of 40. So a second thread listens: the C handler of a
    signal writes to the wakeup descriptor at once, whatever the main thread is doing.

    Outside the main thread, where no signal arrives, this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    previous_descriptor = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)

    def listen() -> None:
        while numbers := ours.recv(64):
            if signal.SIGINT in numbers:
                stop[0] = 1
            if previous_descriptor >= 0:  # an event loop's: it hears what it would have heard
                with contextlib.suppress(OSError):
                    os.write(previous_descriptor, numbers)

    listener = threading.Thread(target=listen, name="fastopt-interrupt", daemon=True)
    listener.start()
    previous_handler = signal.signal(signal.SIGINT, lambda *_: stop.fill(1))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous_handler)
        signal.set_wakeup_fd(previous_descriptor)
        theirs.close()  # ends the listener
        listener.join()
        ours.close()
