"""What this machine can do at best, measured: the clock, calls, parallel regions, matrix products, memory traffic.

Measured in a fresh process with the settings of every measuring process. Roofs for a picture and a check of what is
believed about the machine; a comparison of updates has the contender "ceiling" of its own, in the same rounds.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from typing import Any

from fastopt.bench.contenders import check_whole
from fastopt.bench.process import environment
from fastopt.errors import WorkerError

TIMEOUT_S = 300.0  # for 10 to 20 seconds of work on an idle machine


def measured(threads: int, *, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
    """Return the ceilings of this machine for one thread and for `threads`, JSON-able; takes 10 to 20 s.

    threads      as given
    timer        resolution_s, pair_s: see `overheads.timer`
    call_s       of a call into compiled code, by what it hands over: see `overheads.calls`
    parallel_region_s  by the number of threads, as text: {"1": ..., "2": ...}
    products     see `products.products`
    bandwidth    see `bandwidth.bandwidth`
    layer        the threading layer of Numba that was used
    took_s       all of it together
    others_s     processor seconds that other processes took meanwhile, and
    steal_s      those that the hypervisor gave to others; None where the system does not tell

    Each value is a dict of min, median and max over repeated blocks, and their number. The process is bound to as many
    processors as `threads`, as a worker is. Raises ConfigError for threads below 1, and WorkerError for a process that
    crashes, takes longer than `timeout_s`, or answers something else.
    """
    check_whole(threads=(threads, 1))
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "fastopt.bench.ceilings", str(threads)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(threads),
        start_new_session=True,  # Ctrl-C is for the parent; and the whole group can be killed
    )
    with process:
        try:
            answer, said = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise WorkerError(f"the process that measures ceilings gave no answer within {timeout_s:g} s") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if process.returncode:
        raise WorkerError(f"the process that measures ceilings {_end(process.returncode, said)}")
    return _read(answer)


def _end(code: int, said: bytes) -> str:
    """Say how the process ended, and the last line of what it said."""
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    return how + (f"; it last said: {lines[-1][:200]}" if lines else "")


def _read(answer: bytes) -> dict[str, Any]:
    try:
        found = json.loads(answer)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise WorkerError(f"the process that measures ceilings answered garbage: {answer[:80]!r}")
    return found
