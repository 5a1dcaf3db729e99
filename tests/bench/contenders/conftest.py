"""Processes for contenders, shared by the tests of a module."""

import pytest

from fastopt.bench import contenders
from fastopt.bench.process import Worker

EXTRAS = {"deepspeed": "deepspeed", "keras": "keras", "keras fit": "keras"}  # of the others: peers


@pytest.fixture(scope="module")
def worker():
    """A function from kind, contender and threads to its process, kept for the whole module."""
    running = {}

    def worker_for(kind, name, threads=1):
        if (kind, name, threads) not in running:
            missing = contenders.find(kind, name)().available()
            if missing is not None:
                pytest.skip(f"{missing}, or fastopt[{EXTRAS.get(name, 'peers')}]")
            running[kind, name, threads] = Worker(name, kind, threads)
        return running[kind, name, threads]

    yield worker_for
    for one in running.values():
        one.close()
