"""The measuring process: `python -m fastopt.bench.worker THREADS [PLUGIN...]`, which `fastopt.bench.process` starts.

One JSON command per line comes in, one JSON answer per line goes out:

    {"do": "prepare", "contender": NAME, "case": {...}}    -> {"unavailable": null or a reason, "time_ns": ...}
    {"do": "warm_up", "repeats": N, "windows": MOST}       -> {"settled": whether two windows of N in a row agreed}
    {"do": "time", "repeats": N}                           -> {"time_ns": ...}, and what `Watch.end` saw; a block after
                                                              a warm-up is taken again where processors came to
                                                              share a core meanwhile: {"retaken": how often}
    {"do": "time_cold"}                                    -> the same for one unit, with the caches flushed before it
    {"do": "result", "path": FILE}                         -> {}, and the parameters in FILE, in NumPy's .npy format
    {"do": "release"}                                      -> {}: the contender and its arrays are gone
    {"do": "facts"}                                        -> `machine.environment()` as seen from in here

`{"error": "..."}` is the answer to a command that failed. The time is this process's own clock around
`run(repeats)`, with the garbage collector off; neither the pipe nor the parent is in it. The process ends when its
standard input does, whatever it is doing, so that none is left behind.
"""

from __future__ import annotations

import gc
import json
import math
import os
import queue
import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fastopt import plugins
from fastopt.bench import contenders
from fastopt.bench.contenders import Contender
from fastopt.bench.flush import Flusher
from fastopt.bench.machine.cpu import usable_processors, use_cores
from fastopt.bench.pace import CROWDED, Pace
from fastopt.bench.watch import Watch

# Up to so many bytes are allocated in front of a contender's arrays, so that these do not lie at the same place in
# every block: two identical kernels on two buffers differed by more than one per cent.
BALLAST = 1 << 20
# Two windows of a warm-up agree when their times differ by at most this share.
AGREE = 0.02
# So long a warm-up waits for processors that share a core to part: they do within seconds, mostly.
PATIENCE_S = 3.0
# A block after which they share one, and before which they did not, is taken again so often, unless it took so long
# that moments of it count for little. What it took decides nothing: a contender's slow blocks are its own.
MOST_RETAKEN = 2
LONGEST_RETAKEN_NS = 1_000_000_000
# Idle threads of a contender may spin for so long after a block, which looks like processors that share a core.
SETTLE_S = 0.25


class Session:
    """What the process holds between two commands: the contender that is prepared, if any."""

    def __init__(self) -> None:
        self.contender: Contender | None = None
        self.ballast = b""
        self.flusher: Flusher | None = None
        self.pace, self.crowding = Pace(usable_processors()), math.nan

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        """Do one command and return its answer; whatever goes wrong becomes an answer too."""
        try:
            match command:
                case {"do": "prepare", "contender": name, "case": case}:
                    start = time.perf_counter_ns()
                    reason = self.prepare(name, contenders.case_from(case))
                    return {"unavailable": reason, "time_ns": time.perf_counter_ns() - start}
                case {"do": "warm_up", "repeats": repeats, "windows": most}:
                    return {"settled": self.warm_up(repeats, most)}
                case {"do": "time", "repeats": repeats}:
                    return self.time(repeats)
                case {"do": "time_cold"}:
                    return self.time_cold()
                case {"do": "result", "path": path}:
                    np.save(path, self._prepared().result())
                    return {}
                case {"do": "release"}:
                    self.release()
                    return {}
                case {"do": "facts"}:
                    from fastopt.bench.machine import environment

                    return environment()
            return {"error": f"unknown command {command}"}
        except Exception as error:  # a contender may fail in any way
            return {"error": f"{type(error).__name__}: {error}"}

    def prepare(self, name: str, case: contenders.Case) -> str | None:
        """Make the contender `name` ready for `case`, with fresh arrays; return why not, if it cannot be had."""
        self.release()
        gc.freeze()  # the libraries need not be looked at before each block: with PyTorch that took 0.2 s
        contender = contenders.find(case.kind, name)()
        reason = contender.available()
        if reason is None:
            self.ballast = bytes(random.randrange(BALLAST))
            try:
                contender.prepare(case)
            except ImportError as error:  # PeerUnavailable is one, too
                reason = str(error)
            else:
                self.contender = contender
        return reason

    def warm_up(self, repeats: int, most: int) -> bool:
        """Do windows of `repeats` units until two in a row agree, `most` at most; return whether two did.

        It begins when the processors compute side by side, or when that took too long.
        """
        self.crowding = self.pace.wait(PATIENCE_S)
        before = 0
        for _ in range(most):
            now: int = self._once(repeats)["time_ns"]
            if abs(now - before) <= AGREE * max(now, before):
                return True
            before = now
        return False

    def time(self, repeats: int) -> dict[str, Any]:
        """Time `repeats` units of the prepared contender, as one block."""
        return self._side_by_side(lambda: self._once(repeats), max(1, repeats // 10))

    def _side_by_side(self, block: Callable[[], dict[str, Any]], window: int) -> dict[str, Any]:
        """Take a block, and after a warm-up another one if the processors came to share a core meanwhile.

        Before that one, it does a window of so many units.
        """
        seen, retaken = block(), 0
        if math.isnan(self.crowding):  # no warm-up, or one processor
            return seen
        while seen["time_ns"] <= LONGEST_RETAKEN_NS:
            before, self.crowding = self.crowding, self._crowding_after()
            seen |= {"crowding": max(before, self.crowding), "retaken": retaken}
            if not before < CROWDED <= self.crowding or retaken == MOST_RETAKEN:
                return seen
            self.crowding = self.pace.wait(PATIENCE_S)
            self._once(window)
            seen, retaken = block(), retaken + 1
        return {**seen, "crowding": self.crowding, "retaken": retaken}

    def _crowding_after(self) -> float:
        """Return the crowding, looked at twice before it is believed."""
        found = self.pace.crowding()
        if found < CROWDED:
            return found
        time.sleep(SETTLE_S)
        return min(found, self.pace.crowding())

    def _once(self, repeats: int) -> dict[str, Any]:
        run = self._prepared().run
        gc.collect()
        gc.disable()
        try:
            watch = Watch()
            start = time.perf_counter_ns()
            run(repeats)
            elapsed = time.perf_counter_ns() - start
            seen = watch.end()
        finally:
            gc.enable()
        return {"time_ns": elapsed, **seen._asdict()}

    def time_cold(self) -> dict[str, Any]:
        """Time one unit of the prepared contender that finds nothing in the caches."""
        return self._side_by_side(self._once_cold, 1)

    def _once_cold(self) -> dict[str, Any]:
        if self.flusher is None:
            self.flusher = Flusher()
        self.flusher.flush()
        return self._once(1)

    def release(self) -> None:
        """Drop the contender with all its arrays."""
        self.contender, self.ballast, self.crowding = None, b"", math.nan
        gc.collect()

    def _prepared(self) -> Contender:
        if self.contender is None:
            raise RuntimeError("no contender is prepared")
        return self.contender


def main() -> None:
    """Answer commands until standard input ends."""
    # The protocol keeps both pipes for itself: what a library prints goes to standard error, and it reads nothing.
    commands, answers = os.fdopen(os.dup(0), encoding="utf-8"), os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if len(sys.argv) > 1:
        use_cores(int(sys.argv[1]))  # XLA has no other setting that it obeys
    for path in sys.argv[2:]:
        plugins.load(path)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def listen() -> None:
        for line in commands:
            lines.put(line)
        os._exit(0)  # the parent is gone, or wants this process gone

    threading.Thread(target=listen, daemon=True).start()
    session = Session()
    while True:
        answers.write(json.dumps(session.answer(json.loads(lines.get()))) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
