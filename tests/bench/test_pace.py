"""Processors that share a core are noticed; a block waits for them to part, but not for ever."""

import math
import os

import pytest

from fastopt.bench import pace
from fastopt.bench.pace import CROWDED, Pace


class Scripted(Pace):
    """Finds what it is told, on a clock that moves with each look."""

    def __init__(self, found):
        super().__init__([0, 1])
        self.found, self.now = list(found), 0.0

    def crowding(self):
        self.now += 0.5
        return self.found.pop(0)


@pytest.fixture
def scripted(monkeypatch):
    def make(*found):
        made = Scripted(found)
        monkeypatch.setattr(pace.time, "monotonic", lambda: made.now)
        monkeypatch.setattr(pace.time, "sleep", lambda seconds: None)
        return made

    return make


def test_it_waits_until_they_part(scripted):
    waiting = scripted(2.0, 1.9, 1.05, 1.0)
    assert waiting.wait(3.0) == 1.05
    assert waiting.found == [1.0]


def test_it_does_not_wait_for_ever(scripted):
    waiting = scripted(*[2.0] * 20)
    assert waiting.wait(3.0) == 2.0
    assert waiting.now == pytest.approx(3.0)


def test_it_does_not_wait_where_there_is_nothing_to_wait_for(scripted):
    assert scripted(CROWDED - 0.01, 2.0).wait(3.0) < CROWDED


def test_one_processor_tells_nothing():
    assert math.isnan(Pace([0]).crowding())
    assert math.isnan(Pace([0]).wait(3.0))


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs sched_setaffinity")
def test_two_threads_on_one_processor_are_crowded_and_the_process_keeps_its_own():
    before = os.sched_getaffinity(0)
    processor = min(before)
    # whoever else computes meanwhile may hold up the one alone, too
    assert max(Pace([processor, processor]).crowding() for _ in range(10)) > CROWDED
    assert os.sched_getaffinity(0) == before
