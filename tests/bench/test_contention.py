"""A block that others disturbed is told from one that was alone, and a row with many such blocks is marked."""

from __future__ import annotations

import math
from typing import Any

import pytest

from fastopt.bench.contention import contention, noisy, together
from fastopt.measurements import Sample


def sample(**seen: Any) -> Sample:
    """A block of 0.4 s, alone on the machine, warmed up."""
    alone = {"warm": True, "others_s": 0.0, "steal_s": 0.0, "switches": 1, "mhz": 2000.0, "load": 0.5}
    return Sample(0, 0, 0, False, 100, 4e-3, **(alone | seen))


@pytest.mark.parametrize(
    ("threads", "seen", "expected"),
    [
        (1, {}, False),
        (1, {"others_s": 0.039}, False),
        (1, {"others_s": 0.041}, True),
        (2, {"others_s": 0.041}, False),
        (2, {"others_s": 0.081}, True),
        (1, {"others_s": 0.021, "steal_s": 0.021}, True),
        (1, {"others_s": math.nan, "steal_s": 0.041}, True),
        (1, {"others_s": math.nan, "steal_s": math.nan}, False),
        (1, {"warm": False}, True),
        (1, {"warm": None}, False),
        (2, {"crowding": 1.9}, True),
        (2, {"crowding": 1.1}, False),
        (1, {"crowding": math.nan}, False),
    ],
)
def test_a_block_is_noisy_when_others_took_more_than_a_tenth_or_it_did_not_warm_up(threads, seen, expected):
    assert noisy(sample(**seen), threads) is expected


def test_what_the_clock_of_the_kernel_cannot_tell_makes_no_block_noisy():
    short = Sample(0, 0, 0, False, 1, 0.05, True, 0, 0.02, 0.0)  # 40 % of the block, but two ticks
    assert not noisy(short, 1)
    assert noisy(Sample(0, 0, 0, False, 1, 0.05, True, 0, 0.03, 0.0), 1)


def test_a_row_is_marked_when_more_than_a_fifth_of_its_blocks_are_noisy():
    quiet, loud = sample(), sample(others_s=0.2)
    assert contention([quiet, sample(crowding=2.0)], 2).crowded == 1
    assert not contention([quiet] * 8 + [loud] * 2, 1).disturbed
    assert contention([quiet] * 7 + [loud] * 3, 1).disturbed


def test_what_was_seen_is_summed_up():
    blocks = [sample(others_s=0.2, switches=7, steal_s=0.1, load=2.0), sample(warm=False, mhz=1500.0)]
    seen = contention(blocks, 1)
    assert (seen.samples, seen.noisy, seen.unwarmed, seen.switches) == (2, 2, 1, 7)
    assert seen.taken == pytest.approx((0.375, 0.75))
    assert seen.steal_s == pytest.approx(0.1)
    assert seen.mhz == (1500.0, 2000.0)
    assert seen.load == (0.5, 2.0)


def test_cases_of_different_threads_are_each_measured_by_their_own():
    block = sample(others_s=0.05)
    assert together([(block, 1), (block, 2)]).noisy == 1


def test_nothing_seen_is_nothing_said():
    nothing = contention([], 2)
    assert (nothing.samples, nothing.noisy) == (0, 0)
    assert not nothing.disturbed
    assert all(math.isnan(value) for value in (*nothing.taken, nothing.steal_s, *nothing.mhz, *nothing.load))
