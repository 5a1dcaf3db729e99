"""A worker answers, whatever its contender prints; one that crashes, hangs or talks garbage is an error, and gone."""

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from fastopt.bench import process
from fastopt.bench.contenders import Contender
from fastopt.bench.contenders.updates import UpdateCase
from fastopt.bench.process import Worker
from fastopt.errors import ConfigError, PeerUnavailable, WorkerError

CASE = UpdateCase("sgd", 3, threads=1)

# --- Contenders for the worker, which loads this file; `run` is where they misbehave --------------------------------


class Counts(Contender):
    """Returns how many units it has done, and what it saw while it was timed."""

    name = "counts"

    def prepare(self, case):
        self.units, self.collecting = 0, gc.isenabled()

    def run(self, repeats):
        self.units += repeats
        self.collecting = gc.isenabled()

    def result(self):
        processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        return np.array([self.units, self.collecting, processors], dtype=np.float64)


class Prints(Counts):
    def run(self, repeats):
        print("hello from Python")
        os.write(1, b"hello from C\n")
        sys.stdin.read()  # nothing is there, and it does not wait
        super().run(repeats)


class Raises(Counts):
    def run(self, repeats):
        raise ZeroDivisionError("no such\nluck")


class Crashes(Counts):
    def run(self, repeats):
        print("about to crash")
        os.kill(os.getpid(), signal.SIGSEGV)
        time.sleep(60)


class Killed(Counts):
    def run(self, repeats):
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)


class Exits(Counts):
    def run(self, repeats):
        os._exit(3)


class Hangs(Counts):
    def run(self, repeats):
        time.sleep(600)


class HangsWithChild(Counts):
    def run(self, repeats):
        child = subprocess.Popen(["sleep", "600"])
        print(f"child {child.pid}")
        time.sleep(600)


def write_everywhere(text):
    for descriptor in range(3, 32):
        try:
            os.write(descriptor, text)
        except OSError:
            continue


class Garbage(Counts):
    def run(self, repeats):
        write_everywhere(b"%%% not JSON %%%\n")


class OtherJson(Counts):
    def run(self, repeats):
        write_everywhere(b'{"time_ns": "soon"}\n')


class EndlessLine(Counts):
    def run(self, repeats):
        write_everywhere(b"x" * (process.LONGEST_ANSWER + 1))


class Missing(Counts):
    packages = {"no_such_library": "no-such-library"}  # noqa: RUF012


class NotOffered(Counts):
    def prepare(self, case):
        raise PeerUnavailable("there is no such mode")


class PrepareFails(Counts):
    def prepare(self, case):
        raise MemoryError


# --- The parent's side ----------------------------------------------------------------------------------------------


def start(contender, **options):
    return Worker(f"{__file__}:{contender.__name__}", "update", 1, **options)


def is_gone(pid):
    """Whether a process has ended; one that waits to be collected by a careless init has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def wait_until_gone(pid):
    for _ in range(300):
        if is_gone(pid):
            return True
        time.sleep(0.1)
    return False


def test_a_worker_does_what_it_is_asked_and_no_more():
    with start(Counts) as worker:
        assert worker.prepare(CASE).reason is None
        block = worker.time(5)
        worker.time(2)
        units, collecting, processors = worker.result()
        assert (units, processors) == (7, 1)
        assert not collecting, "the garbage collector ran inside a timed block"
        assert block.seconds > 0
        assert block.seen.switches >= 0
        assert worker.prepare(CASE).reason is None
        assert worker.result()[0] == 0, "prepare made no fresh contender"
    assert not worker.alive
    assert is_gone(worker.pid)
    worker.close()
    with pytest.raises(WorkerError, match="is closed"):
        worker.time(1)


def test_what_a_library_prints_does_not_reach_the_protocol():
    with start(Prints) as worker:
        worker.prepare(CASE)
        worker.time(2)
        assert worker.result()[0] == 2


def test_an_exception_is_an_error_with_its_text_and_the_worker_goes_on():
    with start(Raises) as worker:
        worker.prepare(CASE)
        with pytest.raises(WorkerError, match="ZeroDivisionError: no such luck"):
            worker.time(1)
        assert worker.result()[0] == 0


def test_a_failing_preparation_is_an_error_and_nothing_is_left_prepared():
    with start(PrepareFails) as worker:
        with pytest.raises(WorkerError, match="MemoryError"):
            worker.prepare(CASE)
        with pytest.raises(WorkerError, match="no contender is prepared"):
            worker.time(1)


@pytest.mark.parametrize(
    ("contender", "reason"),
    [
        (Crashes, "was killed by SIGSEGV; it last said: about to crash"),
        (Killed, r"was killed by SIGKILL \(out of memory\?\)"),
        (Exits, "ended with exit status 3"),
        (Garbage, r"answered garbage: b'%%% not JSON %%%'"),
        (OtherJson, "answered garbage: .*soon"),
        (EndlessLine, "answered garbage: b'xxx"),
    ],
)
def test_a_worker_that_breaks_down_is_an_error_with_the_reason_and_gone(contender, reason):
    with start(contender) as worker:
        worker.prepare(CASE)
        with pytest.raises(WorkerError, match=reason):
            worker.time(1)
        assert is_gone(worker.pid)


def test_a_worker_that_hangs_is_killed_with_what_it_started():
    with start(HangsWithChild) as worker:
        worker.prepare(CASE)
        worker.timeout_s = 2.0
        with pytest.raises(WorkerError, match=r"gave no answer within 2 s; it last said: child \d+") as caught:
            worker.time(1)
        assert is_gone(worker.pid)
        assert wait_until_gone(int(str(caught.value).split()[-1]))


def test_a_worker_ends_when_its_parent_is_killed():
    program = (
        "from fastopt.bench.process import Worker\nfrom fastopt.bench.contenders.updates import UpdateCase\n"
        f"worker = Worker({f'{__file__}:Hangs'!r}, 'update', 1)\n"
        "worker.prepare(UpdateCase('sgd', 3, threads=1)); print(worker.pid, flush=True); worker.time(1)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        assert not is_gone(pid)
        parent.kill()
    assert wait_until_gone(pid)


@pytest.mark.parametrize(
    ("contender", "reason"),
    [
        (Missing, "no-such-library not installed: pip install no-such-library"),
        (NotOffered, "there is no such mode"),
    ],
)
def test_what_is_not_available_is_a_reason_and_no_error(contender, reason):
    with start(contender) as worker:
        assert worker.prepare(CASE).reason == reason


def test_a_case_for_other_threads_or_of_another_kind_is_refused():
    with start(Counts) as worker, pytest.raises(ConfigError, match="1 threads was given one of kind update with 2"):
        worker.prepare(UpdateCase("sgd", 3, threads=2))


def test_an_unknown_contender_is_refused_before_a_process_starts():
    with pytest.raises(ConfigError, match="unknown update contender"):
        Worker("abacus", "update", 1)
    with pytest.raises(ConfigError, match="threads"):
        Worker("numpy", "update", 0)


def test_all_workers_get_the_same_threads_and_let_blas_look_at_the_cpu_itself(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setenv("OMP_NUM_THREADS", "64")
    variables = process.environment(3)
    assert "OPENBLAS_CORETYPE" not in variables
    for pool in ("NUMBA", "OMP", "OPENBLAS", "MKL"):
        assert variables[f"{pool}_NUM_THREADS"] == "3"
    with start(Counts) as worker:
        seen = worker.facts()
    assert seen["variables"]["OMP_NUM_THREADS"] == "1"
    assert "OPENBLAS_CORETYPE" not in seen["variables"]
    assert all(library["num_threads"] == 1 for library in seen["blas"])
    assert not any(library["architecture"] in ("Prescott", "Katmai") for library in seen["blas"])
