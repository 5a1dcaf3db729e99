"""Numbers turn into the text that a reader expects, and ratios know what to do with runs that diverged."""

import math

import pytest

from fastopt.report.intervals import paired_ratio
from fastopt.report.numbers import count, difference, duration, factor, memory, number, percent, rate, words


def test_ratios_are_paired_and_know_divergence() -> None:
    same = {seed: float(seed) for seed in range(1, 8)}
    ratio, n = paired_ratio({seed: 2 * value for seed, value in same.items()}, same)
    assert n == 7
    assert ratio.median == pytest.approx(2.0)
    assert ratio.low == pytest.approx(ratio.high)
    assert paired_ratio({1: math.inf}, {1: math.inf})[0].median == 1.0
    assert paired_ratio({1: 1.0}, {1: math.inf})[0].median == 0.0
    assert paired_ratio({1: 1.0}, {2: 1.0})[1] == 0


def test_a_difference_is_in_per_cent_until_it_is_a_factor() -> None:
    said = [difference(x) for x in (0.032, 0.995, 1.5, 182.0, math.inf, math.nan)]
    assert said == ["3.2 %", "99.5 %", "a factor of 2.50", "a factor of 183", "-", "-"]


def test_numbers_as_text() -> None:
    assert [number(x) for x in (0.07134, 25140, 3.1e-5, 1234.5, math.inf, math.nan, 0.1)] == [
        "0.0713", "25,140", "3.1e-5", "1,234", "diverged", "-", "0.100",
    ]  # fmt: skip
    assert [duration(x) for x in (1.5e-7, 2.25e-6, 0.00456, 7.891, 1200, 45_000)] == [
        "150 ns", "2.25 µs", "4.56 ms", "7.89 s", "20.0 min", "12.5 h",
    ]  # fmt: skip
    assert [memory(x) for x in (512, 12_345, 4.56e6, 999.9e6, 2.5e9, math.nan)] == [
        "512 B", "12.3 kB", "4.56 MB", "1.00 GB", "2.50 GB", "-",
    ]  # fmt: skip
    assert [rate(x) for x in (0.00178, 1e-5, 99.6, 12_000.0, math.nan)] == ["0.0018", "1e-5", "100", "12,000", "-"]
    assert [factor(x) for x in (0.5, 12.34, 1234.5, math.inf)] == ["0.500", "12.3", "1,234", "infinity"]
    assert percent(0.5021) == "50.2"
    assert [words(x) for x in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == ["", "a", "a and b", "a, b and c"]
    assert [count(n, "seed") for n in (0, 1, 2)] == ["0 seeds", "1 seed", "2 seeds"]
