"""The parent's side of a measuring process: start it in a clean environment, talk to it, see how it died.

with Worker("torch fused", "update", threads=2) as worker:
    if (reason := worker.prepare(case)) is None:
        block = worker.time(repeats=1000)
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from fastopt import plugins
from fastopt.bench import contenders
from fastopt.bench.contenders import Case
from fastopt.bench.watch import Disturbance
from fastopt.errors import ConfigError, WorkerError

# Enough for a first compilation, and for a slow peer's block on a busy machine.
TIMEOUT_S = 300.0
# A line longer than this is no answer.
LONGEST_ANSWER = 1 << 20


class Block(NamedTuple):
    """One timed block of units: seconds by the worker's own clock, and what else the machine did meanwhile."""

    seconds: float
    seen: Disturbance


class Prepared(NamedTuple):
    """Why a contender is not available, None if it is; and the seconds that `prepare` took."""

    reason: str | None
    seconds: float


def environment(threads: int) -> dict[str, str]:
    """Return the environment that every worker gets, ours and the peers' alike.

    Every thread pool has `threads` threads. Settings that make OpenBLAS take the CPU for another are dropped: it shall
    look for itself.
    """
    variables = dict(os.environ)
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        variables.pop(name, None)
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        variables[name] = str(threads)
    variables["PYTHONUNBUFFERED"] = "1"  # what a library printed is seen even if the process dies
    return variables


class Worker:
    """A fresh interpreter for one contender; a context manager, at the end of which the process is gone.

    contender   a name on the menu of `kind`, or "FILE.py:Class"
    kind        the kind of its cases, such as "update"
    threads     of every thread pool in there; it is bound to as many processors
    timeout_s   seconds that one command may take

    A worker that crashes, hangs, or answers anything but the protocol is killed, and the method that was waiting raises
    WorkerError with the reason in one line; so does an exception inside the contender, which leaves the worker usable.
    Raises ConfigError for an unknown contender or kind, and for threads below 1.
    """

    def __init__(self, contender: str, kind: str, threads: int, *, timeout_s: float = TIMEOUT_S) -> None:
        contenders.check_whole(threads=(threads, 1))
        contenders.find(kind, contender)
        self.contender, self.kind, self.threads, self.timeout_s = contender, kind, threads, timeout_s
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (closed in `close`)
        self._unread = b""
        self._process = subprocess.Popen(
            # -P: the package that is installed, not one that happens to lie in the current folder
            [sys.executable, "-P", "-m", "fastopt.bench.worker", str(threads), *plugins.loaded()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment(threads),
            start_new_session=True,  # Ctrl-C is for the parent; and the whole group can be killed
            bufsize=0,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def prepare(self, case: Case) -> Prepared:
        """Make the contender ready for `case`, with fresh arrays."""
        if (case.kind, case.threads) != (self.kind, self.threads):
            raise ConfigError(
                f"a worker for {self.kind} cases with {self.threads} threads was given one of kind {case.kind} with "
                f"{case.threads}"
            )
        answer = self._ask(do="prepare", contender=self.contender, case=case.record())
        return Prepared(self._field(answer, "unavailable", str | None), self._field(answer, "time_ns", int) / 1e9)

    def warm_up(self, repeats: int, windows: int) -> bool:
        """Do windows of `repeats` units until two in a row agree, `windows` at most; return whether two did."""
        settled: bool = self._field(self._ask(do="warm_up", repeats=repeats, windows=windows), "settled", bool)
        return settled

    def time(self, repeats: int) -> Block:
        """Do `repeats` units of work and return how long they took, all together."""
        return self._block(self._ask(do="time", repeats=repeats))

    def time_cold(self) -> Block:
        """Do one unit of work that finds nothing in the caches, and return how long it took."""
        return self._block(self._ask(do="time_cold"))

    def result(self) -> npt.NDArray[Any]:
        """Return the contender's parameters as they stand, (n,)."""
        with tempfile.TemporaryDirectory(prefix="fastopt-") as folder:
            path = Path(folder) / "result.npy"
            self._ask(do="result", path=str(path))
            try:
                array: npt.NDArray[Any] = np.load(path, allow_pickle=False)
            except (OSError, ValueError) as error:
                raise self._fail(f"left no readable result: {error}") from error
        return array

    def release(self) -> None:
        """Let the contender and its arrays go; the process stays, with its libraries loaded."""
        self._ask(do="release")

    def facts(self) -> dict[str, Any]:
        """Return `machine.environment()` as seen from inside. Ask last: to look at BLAS, it loads one."""
        return self._ask(do="facts")

    def close(self) -> None:
        """Kill the process and whatever it started, and wait until it is gone; a second time does nothing."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def _ask(self, **command: Any) -> dict[str, Any]:
        stdin = self._process.stdin
        if stdin is None or stdin.closed:
            raise WorkerError(f'worker "{self.contender}" is closed')
        line = json.dumps(command).encode() + b"\n"
        with contextlib.suppress(BrokenPipeError):  # a dead worker is found out below
            stdin.write(line)
        answer = self._read_line()
        try:
            record = json.loads(answer)
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise self._fail(f"answered garbage: {answer[:80]!r}")
        if "error" in record:
            raise WorkerError(f'worker "{self.contender}": {_one_line(str(record["error"]))}')
        return record

    def _block(self, answer: dict[str, Any]) -> Block:
        nanoseconds = self._field(answer, "time_ns", int)
        seen = Disturbance(*(self._field(answer, name, int | float) for name in Disturbance._fields))
        return Block(max(nanoseconds, 1) / 1e9, seen)

    def _field(self, answer: dict[str, Any], name: str, kind: Any) -> Any:
        if name not in answer or not isinstance(answer[name], kind):
            raise self._fail(f"answered garbage: {_one_line(str(answer))[:80]}")
        return answer[name]

    def _read_line(self) -> bytes:
        """Return the next line of the worker's answers, without its end; kill the worker if none comes."""
        assert self._process.stdout is not None
        out, deadline = self._process.stdout.fileno(), time.monotonic() + self.timeout_s
        while b"\n" not in self._unread:
            ready, _, _ = select.select([out], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise self._fail(f"gave no answer within {self.timeout_s:g} s")
            part = os.read(out, 1 << 16)
            self._unread += part
            if not part:
                raise self._fail(self._death())
            if len(self._unread) > LONGEST_ANSWER:
                raise self._fail(f"answered garbage: {self._unread[:80]!r}")
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _death(self) -> str:
        """Say how a process that closed its end of the pipe has ended."""
        try:
            code = self._process.wait(timeout=5.0)
        except subprocess.TimeoutExpired:
            return "closed its pipe"
        if code >= 0:
            return f"ended with exit status {code}"
        name = signal.Signals(-code).name
        return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")

    def _fail(self, reason: str) -> WorkerError:
        """Kill the worker, and return the error that says why, with the last line that it wrote to standard error."""
        self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, self._errors.tell() - 4096))
        lines = self._errors.read().decode(errors="replace").split("\n")
        said = next((line.strip() for line in reversed(lines) if line.strip()), "")
        self.close()
        return WorkerError(f'worker "{self.contender}" {reason}' + (f"; it last said: {said[:200]}" if said else ""))


def _one_line(text: str) -> str:
    return " ".join(text.split())
