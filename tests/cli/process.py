"""fastopt as a process of its own: how tests start one, wait for it, and read its answer."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fastopt import records

SCRIPT = Path(sys.executable).with_name("fastopt")
FASTOPT = [str(SCRIPT)] if SCRIPT.is_file() else [sys.executable, "-m", "fastopt"]
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "FASTOPT_DATA"}

COMPARE = "compare --model softmax --optimizers"
TINY = f"{COMPARE} sgd,adam --batch-sizes 32,full --epochs 2 --tune 2 --seeds 2 --timing-rounds 1".split()
ONE_CELL = f"{COMPARE} sgd --batch-sizes full --learning-rate 0.1"
SMALLEST_WITHOUT_BUDGET = f"{ONE_CELL} --seeds 1 --timing-rounds 0".split()
SMALLEST = [*SMALLEST_WITHOUT_BUDGET, "--epochs", "1"]
# Minutes of training in runs of a tenth of a second or so, and minutes of timing.
LONG_TRAINING = f"{ONE_CELL} --epochs 300 --seeds 900".split()
LONG_TIMING = f"{ONE_CELL} --epochs 1 --seeds 1 --timing-rounds 100000".split()


def fastopt(folder, *arguments):
    """Run fastopt in a folder and return the finished process."""
    return subprocess.run(
        [*FASTOPT, *arguments], cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=120
    )


def succeeded(process):
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""
    return process.stdout.splitlines()


def complaint(process):
    """The one line of a command that was refused."""
    assert process.returncode == 2, process.stderr
    assert process.stdout == ""
    assert process.stderr.startswith("fastopt: ")
    assert process.stderr.endswith("\n")
    assert process.stderr.count("\n") == 1
    return process.stderr


def content(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@contextlib.contextmanager
def running(folder, *arguments):
    """A fastopt process at work; killed at the end if it still is."""
    # a job started in the background of a script ignores SIGINT, and its children would too
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [*FASTOPT, *arguments],
            cwd=folder,
            env=ENVIRONMENT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_stage(process, name):
    for line in process.stdout:
        if line.strip() == name:
            return
    pytest.fail(f"ended before {name}: {process.stderr.read()}")


def wait_for_runs(process, folder, n_runs):
    connection = sqlite3.connect(folder / records.FILE_NAME)
    with contextlib.closing(connection):
        deadline = time.monotonic() + 60
        while connection.execute("SELECT count(*) FROM runs").fetchone()[0] < n_runs:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
