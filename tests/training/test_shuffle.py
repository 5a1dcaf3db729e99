"""The order of an epoch is a fair permutation, fixed for all time by (n_rows, seed, epoch)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import chisquare

from fastopt.errors import ConfigError
from fastopt.training.shuffle import permutation, shuffle_rows

MASK = 2**64 - 1
GAMMA = 0x9E3779B97F4A7C15
SIZES = [0, 1, 2, 3, 4, 5, 8, 31, 32, 33, 100, 1_000, 4_097]
KEYS = [(0, 0), (0, 1), (1, 0), (7, 3), (123_456_789, 20), (2**63 - 1, 2**63 - 1)]

# A fair shuffle falls below this once in ten thousand choices of seeds, and the seeds are fixed; the wrong ones of
# `test_the_checks_of_fairness_catch_a_wrong_shuffle` stay far below its third power.
LEAST_P = 1e-4
DRAWS = 20_000


def mixed(z: int) -> int:
    """The output function of SplitMix64 (Steele, Lea, Flood 2014, figure 15), in plain integers modulo 2**64."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


def plain_permutation(n_rows: int, seed: int, epoch: int) -> list[int]:
    """Fisher-Yates from the last place down (Knuth 3.4.2 P); a draw u picks place floor(u (last + 1) / 2**64)."""
    state = mixed((mixed((seed + GAMMA) & MASK) + epoch * GAMMA) & MASK)
    order = list(range(n_rows))
    for last in range(n_rows - 1, 0, -1):
        state = (state + GAMMA) & MASK
        chosen = mixed(state) * (last + 1) // 2**64
        order[last], order[chosen] = order[chosen], order[last]
    return order


@pytest.mark.parametrize("n_rows", SIZES)
@pytest.mark.parametrize(("seed", "epoch"), KEYS)
def test_an_order_holds_every_row_once(n_rows, seed, epoch):
    order = permutation(n_rows, seed, epoch)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(n_rows))


@pytest.mark.parametrize("n_rows", SIZES)
@pytest.mark.parametrize(("seed", "epoch"), KEYS)
def test_an_order_is_the_one_that_plain_integers_give(n_rows, seed, epoch):
    assert permutation(n_rows, seed, epoch).tolist() == plain_permutation(n_rows, seed, epoch)


@pytest.mark.parametrize(
    ("n_rows", "golden"),
    [
        (0, []),
        (1, [0]),
        (2, [1, 0]),
        (3, [2, 0, 1]),
        (4, [2, 0, 3, 1]),
        (5, [3, 4, 0, 1, 2]),
        (8, [2, 6, 1, 4, 5, 0, 7, 3]),
        (16, [0, 14, 3, 15, 10, 8, 9, 4, 13, 11, 5, 12, 2, 1, 7, 6]),
        (
            33,
            [
                25,
                10,
                4,
                20,
                3,
                16,
                12,
                19,
                11,
                0,
                1,
                21,
                9,
                18,
                22,
                26,
                30,
                24,
                27,
                17,
                31,
                8,
                23,
                7,
                32,
                29,
                28,
                14,
                6,
                5,
                2,
                15,
                13,
            ],
        ),
    ],
)
def test_the_order_of_seed_7_epoch_3_never_changes(n_rows, golden):
    assert permutation(n_rows, 7, 3).tolist() == golden


def test_the_generator_is_splitmix64():
    # The first outputs for seed 1234567, as published with the reference code and used by other implementations.
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert [mixed((1234567 + i * GAMMA) & MASK) for i in range(1, 6)] == published


@pytest.mark.parametrize("n_rows", SIZES)
def test_same_seed_and_epoch_give_the_same_order(n_rows):
    assert permutation(n_rows, 3, 4).tolist() == permutation(n_rows, 3, 4).tolist()


def test_no_two_seeds_or_epochs_share_an_order():
    keys = [(seed, epoch) for seed in range(60) for epoch in range(60)]
    orders = {tuple(permutation(40, seed, epoch).tolist()) for seed, epoch in keys}
    assert len(orders) == len(keys)


@pytest.mark.parametrize("shift", [(1, 0), (0, 1), (1, 1), (1, -1)])
def test_neighbouring_seeds_and_epochs_agree_in_no_more_places_than_chance_has_it(shift):
    n_rows, agreements = 1_000, []
    for k in range(1, 201):
        one, other = permutation(n_rows, k, k), permutation(n_rows, k + shift[0], k + shift[1])
        agreements.append(int((one == other).sum()))
    # The number of fixed points is Poisson with mean 1: over 200 pairs the mean has a standard deviation of 0.07.
    assert abs(np.mean(agreements) - 1) < 0.3


@pytest.mark.parametrize("kind", [int, np.int32, np.int64, np.uint8, np.uint64])
def test_every_kind_of_integer_gives_the_same_order(kind):
    assert permutation(kind(50), kind(7), kind(3)).tolist() == permutation(50, 7, 3).tolist()


def test_rows_with_other_numbers_are_put_into_the_same_order():
    rows = np.arange(0, 500, 5)
    shuffled = rows.copy()
    shuffle_rows(shuffled, 9, 2)
    assert (shuffled == rows[permutation(rows.size, 9, 2)]).all()


# --- Fairness ---------------------------------------------------------------------------------------------------------


def ours(n_rows: int, draw: int) -> list[int]:
    """One order out of many: half of the draws differ in the seed, half in the epoch."""
    return permutation(n_rows, draw, 1).tolist() if draw % 2 else permutation(n_rows, 1, draw).tolist()


def swaps(n_rows: int, draw: int, choose, places) -> list[int]:
    rng, order = np.random.default_rng(draw), list(range(n_rows))
    for i in places:
        chosen = choose(rng, i)
        order[i], order[chosen] = order[chosen], order[i]
    return order


def naive(n_rows: int, draw: int) -> list[int]:
    """Wrong: every place is swapped with any place (n**n equally likely ways onto n! orders)."""
    return swaps(n_rows, draw, lambda rng, i: int(rng.integers(n_rows)), range(n_rows))


def sattolo(n_rows: int, draw: int) -> list[int]:
    """Wrong: no row may stay where it is."""
    return swaps(n_rows, draw, lambda rng, i: int(rng.integers(i)), range(n_rows - 1, 0, -1))


def modulo(n_rows: int, draw: int) -> list[int]:
    """Wrong: four random bits modulo i + 1."""
    return swaps(n_rows, draw, lambda rng, i: int(rng.integers(16)) % (i + 1), range(n_rows - 1, 0, -1))


def rotated(n_rows: int, draw: int) -> list[int]:
    """Wrong: fair in every single place, but the rows go round in a ring."""
    first = int(np.random.default_rng(draw).integers(n_rows))
    return [(first + i) % n_rows for i in range(n_rows)]


def p_of_positions(shuffle, n_rows: int) -> float:
    """p-value of: every row is equally often in every place. Each order counts once, at one place, in turn."""
    counts = np.zeros((n_rows, n_rows))
    for draw in range(DRAWS):
        place = draw // 2 % n_rows
        counts[place, shuffle(n_rows, draw)[place]] += 1
    return min(1.0, n_rows * min(float(chisquare(row).pvalue) for row in counts))


def p_of_neighbours(shuffle, n_rows: int) -> float:
    """p-value of: every ordered pair of rows is equally often side by side. Each order counts once."""
    counts = np.zeros((n_rows, n_rows))
    for draw in range(DRAWS):
        order, place = shuffle(n_rows, draw), draw // 2 % (n_rows - 1)
        counts[order[place], order[place + 1]] += 1
    assert not counts.diagonal().any()
    return float(chisquare(counts[~np.eye(n_rows, dtype=bool)]).pvalue)


def p_of_orders(shuffle, n_rows: int) -> float:
    """p-value of: all n! orders are equally often."""
    orders, counts = np.unique([shuffle(n_rows, draw) for draw in range(DRAWS)], axis=0, return_counts=True)
    return float(chisquare(np.append(counts, np.zeros(math.factorial(n_rows) - len(orders)))).pvalue)


@pytest.mark.parametrize("n_rows", [2, 3, 5, 7, 12])
def test_every_row_is_equally_likely_in_every_place(n_rows):
    assert p_of_positions(ours, n_rows) > LEAST_P


@pytest.mark.parametrize("n_rows", [3, 5, 7, 12])
def test_every_pair_of_rows_is_equally_likely_side_by_side(n_rows):
    assert p_of_neighbours(ours, n_rows) > LEAST_P


@pytest.mark.parametrize("n_rows", [2, 3, 4, 5])
def test_all_orders_are_equally_likely(n_rows):
    assert p_of_orders(ours, n_rows) > LEAST_P


@pytest.mark.parametrize(
    ("wrong", "p_value", "n_rows"),
    [
        (naive, p_of_positions, 7),
        (naive, p_of_orders, 4),
        (sattolo, p_of_positions, 7),
        (sattolo, p_of_orders, 4),
        (modulo, p_of_positions, 7),
        (modulo, p_of_orders, 4),
        (rotated, p_of_neighbours, 7),
    ],
)
def test_the_checks_of_fairness_catch_a_wrong_shuffle(wrong, p_value, n_rows):
    assert p_value(wrong, n_rows) < LEAST_P**3


# --- Bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [-1, 2**63, 2**64, 1.0, 2.5, "3", None, True, np.float64(3)])
@pytest.mark.parametrize("name", ["n_rows", "seed", "epoch"])
def test_what_is_no_integer_from_0_to_2_to_the_63_is_refused_by_name(name, bad):
    arguments = {"n_rows": 5, "seed": 0, "epoch": 1} | {name: bad}
    with pytest.raises(ConfigError) as raised:
        permutation(**arguments)
    message = str(raised.value)
    assert message == f"{name} must be an integer from 0 to 2**63 - 1, got {bad!r}"
