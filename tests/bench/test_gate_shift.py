"""How a row became slower, on noise of known shape: what is called, and what is left alone."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import stdtr

from fastopt.bench.gate import shift
from fastopt.bench.gate.shift import Shift, between
from fastopt.measurements import Sample

ROWS, GATES, LAUNCHES = 72, 500, 6
SHAPES = {
    "normal": lambda rng, size: rng.normal(size=size),
    "student": lambda rng, size: rng.standard_t(3, size) / np.sqrt(3),
    "log-normal": lambda rng, size: rng.lognormal(size=size) / 2.16,
    "two peaks": lambda rng, size: rng.normal(scale=0.1, size=size) + 2 * rng.integers(0, 2, size),
    "two peaks 80/20": lambda rng, size: rng.normal(scale=0.1, size=size) + 2.5 * (rng.random(size) < 0.2),
}


def blocks(launches):
    return [
        Sample(launch, number, 0, False, 1, unit_s)
        for launch, times in enumerate(launches)
        for number, unit_s in enumerate(times)
    ]


@pytest.mark.parametrize("sd", [0.01, 0.05])
@pytest.mark.parametrize("shape", SHAPES)
def test_at_most_one_gate_in_twenty_calls_an_unchanged_row_whatever_the_noise(shape, sd):
    rng = np.random.default_rng(1)
    before, now = (sd * SHAPES[shape](rng, (GATES, ROWS, LAUNCHES)) for _ in range(2))
    change, p_values = welch(before, now, np.log1p(0.01))
    example = Shift(before[0, 0], now[0, 0])
    assert example.p_above(np.log1p(0.01)) == pytest.approx(p_values[0, 0])  # the same test, without the loops
    called = (p_values * ROWS <= 0.05) & (change >= np.log1p(0.05))
    assert called.any(axis=1).mean() <= 0.05


def test_three_launches_of_two_peaks_would_have_been_called_and_are_not_told():
    rng = np.random.default_rng(1)
    before, now = (0.05 * SHAPES["two peaks"](rng, (GATES, ROWS, 3)) for _ in range(2))
    change, p_values = welch(before, now, np.log1p(0.01))
    assert ((p_values * ROWS <= 0.05) & (change >= np.log1p(0.05))).any(axis=1).mean() > 0.3
    assert Shift(before[0, 0], now[0, 0]).p_above(0.0) == 1.0


def welch(before, now, limit):
    squared = [side.var(axis=-1, ddof=1) / side.shape[-1] for side in (before, now)]
    freedom = sum(squared) ** 2 / sum(part**2 / (before.shape[-1] - 1) for part in squared)
    change = now.mean(axis=-1) - before.mean(axis=-1)
    return change, stdtr(freedom, (limit - change) / np.sqrt(sum(squared)))


def test_it_is_scipys_test_and_scipys_interval():
    rng = np.random.default_rng(3)
    before, now = rng.normal(0.0, 0.01, 7), rng.normal(0.02, 0.03, 9)
    found, theirs = Shift(before, now), stats.ttest_ind(now, before, equal_var=False)
    assert found.p_above(0.0) == pytest.approx(theirs.pvalue / 2)
    assert found.p_below(0.0) == pytest.approx(1 - theirs.pvalue / 2)
    interval = np.log(found.ratio())
    assert interval == pytest.approx([now.mean() - before.mean(), *theirs.confidence_interval()])


def test_a_change_that_lies_its_reach_beyond_a_limit_has_just_that_p_value():
    rng = np.random.default_rng(4)
    found = Shift(rng.normal(0.0, 0.01, 6), rng.normal(0.1, 0.01, 6))
    assert found.p_above(found.change - found.reach(1e-3)) == pytest.approx(1e-3)


def test_a_launch_counts_once_however_many_rounds_it_has():
    rng = np.random.default_rng(5)
    levels = np.exp(rng.normal(0.0, 0.02, (2, 6)))
    few, many = (between(*(blocks([[level] * rounds for level in side]) for side in levels)) for rounds in (1, 50))
    assert few.error == pytest.approx(many.error)
    assert few.error > 0.003


def test_rounds_take_the_place_of_launches_where_there_is_one_on_each_side():
    rng = np.random.default_rng(6)
    before, now = np.exp(rng.normal(0.0, 0.01, 8)), np.exp(rng.normal(0.1, 0.01, 8))
    assert between(blocks([before]), blocks([now])).change == pytest.approx(np.log(now).mean() - np.log(before).mean())


def test_a_long_series_of_rounds_that_follow_one_another_does_not_count_as_many():
    wave = np.exp(0.02 * np.sin(np.arange(2400) / 200))  # a period of more than a thousand rounds
    found = between(blocks([wave[:1200]]), blocks([wave[1200:]]))
    assert found.error > 3 * np.log(wave).std() / np.sqrt(1200)


@pytest.mark.parametrize("sides", [(5, 9), (9, 5), (1, 1)])
def test_fewer_than_six_values_on_a_side_tell_nothing(sides):
    rng = np.random.default_rng(7)
    found = Shift(rng.normal(0, 1e-3, sides[0]), rng.normal(1, 1e-3, sides[1]))
    assert found.p_above(0.0) == found.p_below(0.0) == 1.0
    assert found.reach(0.05) == np.inf
    assert not found.ratio().known
    assert shift.LEAST == 6


def test_times_without_any_noise_are_told_apart_and_equal_ones_are_not():
    same, more = np.zeros(6), np.full(6, 0.1)
    assert Shift(same, more).p_above(0.05) < 1e-9
    assert Shift(same, same).p_above(0.0) == 1.0
    assert Shift(same, more).ratio() == pytest.approx([np.exp(0.1)] * 3)
