"""Orders are fair: rows, pairs and whole orders are equally likely, by chi-square, with fixed seeds.

The same checks reject shuffles that are known to be wrong.
"""

from __future__ import annotations

import math

import numba
import numpy as np
import pytest
from scipy.stats import chisquare

from fastopt.kernels.splitmix import key_of
from fastopt.training.shuffle import METHODS, permutation
from fastopt.training.shuffle.fisher_yates import fisher_yates

# A fair shuffle falls below this once in ten thousand choices of seeds, and the seeds are fixed; the wrong ones of
# `test_the_checks_of_fairness_catch_a_wrong_shuffle` stay far below its third power.
LEAST_P = 1e-4
DRAWS = 20_000


@numba.njit
def deal_into(order, seed, epoch):
    fisher_yates(order, None, key_of(seed, epoch), 0, 2)


def dealt(n: int, seed: int, epoch: int):
    """Fisher-Yates as above its limit, with buckets of two rows on average."""
    order = np.empty(n, np.int64)
    deal_into(order, seed, epoch)
    return order


def by_method(method: str):
    return lambda n, seed, epoch: permutation(n, seed, epoch, method)


def by_key(permute):
    """One order out of many: half of the draws differ in the seed, half in the epoch."""
    return lambda n, draw: permute(n, draw, 1) if draw % 2 else permute(n, 1, draw)


FAIR = {**{method: by_key(by_method(method)) for method in METHODS}, "dealt": by_key(dealt)}


def swaps(n: int, draw: int, choose, places) -> list[int]:
    rng, order = np.random.default_rng(draw), list(range(n))
    for i in places:
        chosen = choose(rng, i)
        order[i], order[chosen] = order[chosen], order[i]
    return order


def naive(n: int, draw: int) -> list[int]:
    """Wrong: every place is swapped with any place (n**n equally likely ways onto n! orders)."""
    return swaps(n, draw, lambda rng, i: int(rng.integers(n)), range(n))


def sattolo(n: int, draw: int) -> list[int]:
    """Wrong: no row may stay where it is."""
    return swaps(n, draw, lambda rng, i: int(rng.integers(i)), range(n - 1, 0, -1))


def modulo(n: int, draw: int) -> list[int]:
    """Wrong: four random bits modulo i + 1."""
    return swaps(n, draw, lambda rng, i: int(rng.integers(16)) % (i + 1), range(n - 1, 0, -1))


def rotated(n: int, draw: int) -> list[int]:
    """Wrong: fair in every single place, but the rows go round in a ring."""
    first = int(np.random.default_rng(draw).integers(n))
    return [(first + i) % n for i in range(n)]


def affine(n: int, draw: int) -> list[int]:
    """Wrong: a i + b modulo a prime n; fair in every place and pair of neighbours, but n (n - 1) orders of n!."""
    rng = np.random.default_rng(draw)
    a, b = int(rng.integers(1, n)), int(rng.integers(n))
    return [(a * i + b) % n for i in range(n)]


def even(n: int, draw: int) -> list[int]:
    """Wrong: even permutations only, as of a Feistel network on all of its numbers."""
    order = np.random.default_rng(draw).permutation(n).tolist()
    inversions = sum(order[i] > order[j] for j in range(n) for i in range(j))
    return [*order[:-2], order[-1], order[-2]] if inversions % 2 else order


def p_of_positions(shuffle, n: int) -> float:
    """p-value of: every row is equally often in every place. Each order counts once, at one place, in turn."""
    counts = np.zeros((n, n))
    for draw in range(DRAWS):
        place = draw // 2 % n
        counts[place, shuffle(n, draw)[place]] += 1
    return min(1.0, n * min(float(chisquare(row).pvalue) for row in counts))


def p_of_neighbours(shuffle, n: int) -> float:
    """p-value of: every ordered pair of rows is equally often side by side. Each order counts once."""
    counts = np.zeros((n, n))
    for draw in range(DRAWS):
        order, place = shuffle(n, draw), draw // 2 % (n - 1)
        counts[order[place], order[place + 1]] += 1
    assert not counts.diagonal().any()
    return float(chisquare(counts[~np.eye(n, dtype=bool)]).pvalue)


def p_of_orders(shuffle, n: int) -> float:
    """p-value of: all n! orders are equally often."""
    orders, counts = np.unique([shuffle(n, draw) for draw in range(DRAWS)], axis=0, return_counts=True)
    return float(chisquare(np.append(counts, np.zeros(math.factorial(n) - len(orders)))).pvalue)


@pytest.mark.parametrize("n", [2, 3, 5, 7, 12, 20])
@pytest.mark.parametrize("shuffle", FAIR)
def test_every_row_is_equally_likely_in_every_place(shuffle, n):
    assert p_of_positions(FAIR[shuffle], n) > LEAST_P


@pytest.mark.parametrize("n", [3, 5, 7, 12, 20])
@pytest.mark.parametrize("shuffle", FAIR)
def test_every_pair_of_rows_is_equally_likely_side_by_side(shuffle, n):
    assert p_of_neighbours(FAIR[shuffle], n) > LEAST_P


@pytest.mark.parametrize("n", [2, 3, 4, 5])
@pytest.mark.parametrize("shuffle", FAIR)
def test_all_orders_are_equally_likely(shuffle, n):
    assert p_of_orders(FAIR[shuffle], n) > LEAST_P


@pytest.mark.parametrize("shuffle", FAIR)
@pytest.mark.parametrize("n", [256, 300])  # all numbers of a network, and those of one that are left after walking
def test_every_row_of_a_larger_order_is_equally_likely_in_the_first_and_in_the_last_place(shuffle, n):
    places = np.array([FAIR[shuffle](n, draw)[[0, -1]] for draw in range(4 * DRAWS)])
    for column in places.T:
        assert chisquare(np.bincount(column, minlength=n)).pvalue > LEAST_P


def n_cycles(order) -> int:
    seen, cycles = set(), 0
    for place in range(len(order)):
        cycles += place not in seen
        while place not in seen:
            seen.add(place)
            place = order[place]
    return cycles


@pytest.mark.parametrize("shuffle", FAIR)
def test_odd_permutations_are_as_likely_as_even_ones(shuffle):
    draws = 2_000
    odd = sum((256 - n_cycles(FAIR[shuffle](256, draw).tolist())) % 2 for draw in range(draws))
    assert abs(odd - draws / 2) < 4 * math.sqrt(draws) / 2


@pytest.mark.parametrize(
    ("wrong", "p_value", "n"),
    [
        (naive, p_of_positions, 7),
        (naive, p_of_orders, 4),
        (sattolo, p_of_positions, 7),
        (sattolo, p_of_orders, 4),
        (modulo, p_of_positions, 7),
        (modulo, p_of_orders, 4),
        (rotated, p_of_neighbours, 7),
        (affine, p_of_orders, 5),
        (even, p_of_orders, 4),
    ],
)
def test_the_checks_of_fairness_catch_a_wrong_shuffle(wrong, p_value, n):
    assert p_value(wrong, n) < LEAST_P**3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shift", [(1, 0), (0, 1), (1, 1), (1, -1)])
def test_neighbouring_seeds_and_epochs_agree_in_no_more_places_than_chance_has_it(shift, method):
    n, agreements = 1_000, []
    for k in range(1, 201):
        one, other = permutation(n, k, k, method), permutation(n, k + shift[0], k + shift[1], method)
        agreements.append(int((one == other).sum()))
    # The number of fixed points is Poisson with mean 1: over 200 pairs the mean has a standard deviation of 0.07.
    assert abs(np.mean(agreements) - 1) < 0.3
