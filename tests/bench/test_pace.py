"""Processors that share a core are noticed; a block waits for them to part, but not for ever."""

import math
import os

import numpy as np
import pytest

from fastopt.bench import pace, worker
from fastopt.bench.contenders import Contender
from fastopt.bench.pace import CROWDED, Pace
from fastopt.bench.worker import Session


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


class Counted(Contender):
    """Counts its blocks."""

    name = "counted"

    def __init__(self):
        self.blocks = 0

    def prepare(self, case):
        pass

    def run(self, repeats):
        self.blocks += 1

    def result(self):
        return np.zeros(0)


def session(pace, contender):
    """A measuring process's session in which `contender` is warmed up, on processors that did not share a core."""
    made = Session()
    made.pace, made.contender, made.crowding = pace, contender, 1.0
    return made


@pytest.mark.parametrize(
    ("found", "blocks", "retaken", "crowding"),
    [
        ([1.1], 1, 0, 1.1),
        (
            [2.0, 1.9, 1.8, 1.0, 1.2],
            3,
            1,
            1.2,
        ),  # two looks after the block, two in waiting, a window, a block
        ([2.0, 1.0], 1, 0, 1.0),  # for a moment, or the contender's own threads
        ([2.0, 2.0, 1.0] * 2 + [2.5, 2.4], 5, 2, 2.4),  # no more than twice
        ([2.0] * 12, 3, 1, 2.0),  # they do not part: no further block would be any better
    ],
)
def test_a_block_is_taken_again_where_processors_came_to_share_a_core(scripted, found, blocks, retaken, crowding):
    contender = Counted()
    seen = session(scripted(*found), contender).time(3)
    assert contender.blocks == blocks
    assert (seen["retaken"], seen["crowding"]) == (retaken, crowding)


def test_a_cold_block_is_flushed_before_each_time(scripted):
    flushed = []
    made = session(scripted(2.0, 2.0, 1.0, 1.0), Counted())
    made.flusher = type("Flusher", (), {"flush": lambda self: flushed.append(1)})()
    assert made.time_cold()["retaken"] == 1
    assert len(flushed) == 2


def test_a_long_block_is_not_taken_again(scripted, monkeypatch):
    monkeypatch.setattr(worker, "LONGEST_RETAKEN_NS", -1)
    contender = Counted()
    seen = session(scripted(2.0), contender).time(1)
    assert (contender.blocks, seen["retaken"], seen["crowding"]) == (1, 0, 1.0)


def test_what_was_not_warmed_up_is_timed_once_whatever_the_processors_do(scripted):
    """The units of a check are counted, and a first unit is first once."""
    contender = Counted()
    made = session(scripted(), contender)
    made.crowding = math.nan
    seen = made.time(1)
    assert contender.blocks == 1
    assert math.isnan(seen["crowding"])


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs sched_setaffinity")
def test_two_threads_on_one_processor_are_crowded_and_the_process_keeps_its_own():
    before = os.sched_getaffinity(0)
    processor = min(before)
    # whoever else computes meanwhile may hold up the one alone, too
    assert max(Pace([processor, processor]).crowding() for _ in range(10)) > CROWDED
    assert os.sched_getaffinity(0) == before
