"""What each sampling takes, and that all but Fisher-Yates answer any part of an epoch alone."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from fastopt.errors import ArrayError, ConfigError
from fastopt.training.shuffle import SAMPLINGS, fill_order, permutation, sample_order
from fastopt.training.shuffle.samplings import BLOCK_ROWS

LEAST_P = 1e-4  # as in test_shuffle_fairness.py
NOTHING = -7
ANY_PART = [name for name in SAMPLINGS if name != "fisher_yates"]
WITHOUT_REPLACEMENT = [name for name in SAMPLINGS if name != "with_replacement"]
SIZES = [0, 1, 2, 100, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 1, 3 * BLOCK_ROWS, 3 * BLOCK_ROWS + 40]


@numba.njit
def fill(sampling, order, rows, first, last, seed, epoch):
    fill_order(sampling, order, rows, first, last, seed, epoch)


def some_rows(m):
    return np.arange(m, dtype=np.int64) * 3 + 5


def blocks_of(order):
    """The runs of an order that are of one block, as (block, its rows in order)."""
    found = []
    for row in order.tolist():
        if not found or found[-1][0] != row // BLOCK_ROWS:
            found.append((row // BLOCK_ROWS, []))
        found[-1][1].append(row)
    return found


@pytest.mark.parametrize("m", SIZES)
@pytest.mark.parametrize("sampling", WITHOUT_REPLACEMENT)
def test_without_replacement_every_row_is_taken_once(sampling, m):
    rows = some_rows(m)
    order = sample_order(rows, sampling, 7, 3)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == rows.tolist()


@pytest.mark.parametrize("method", ["fisher_yates", "bijection"])
@pytest.mark.parametrize("m", SIZES)
def test_rows_are_permuted_as_their_places_are(method, m):
    rows = some_rows(m)
    np.testing.assert_array_equal(sample_order(rows, method, 7, 3), rows[permutation(m, 7, 3, method)])


@settings(deadline=None)
@given(st.integers(1, 1_000), st.data(), st.sampled_from(ANY_PART), st.integers(0, 2**63 - 1))
def test_any_part_of_an_epoch_is_answered_alone(m, data, sampling, seed):
    first = data.draw(st.integers(0, m))
    last = data.draw(st.integers(first, m))
    rows, order = some_rows(m), np.full(m, NOTHING)
    fill(SAMPLINGS[sampling], order, rows, first, last, seed, 4)
    np.testing.assert_array_equal(order[first:last], sample_order(rows, sampling, seed, 4)[first:last])
    assert (order[:first] == NOTHING).all()
    assert (order[last:] == NOTHING).all()


@pytest.mark.parametrize(("first", "filled"), [(0, True), (1, False), (50, False)])
def test_fisher_yates_fills_all_places_when_the_first_is_asked_for_and_none_otherwise(first, filled):
    rows, order = some_rows(100), np.full(100, NOTHING)
    fill(SAMPLINGS["fisher_yates"], order, rows, first, first + 10, 1, 2)
    want = sample_order(rows, "fisher_yates", 1, 2) if filled else np.full(100, NOTHING)
    np.testing.assert_array_equal(order, want)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_seeds_and_epochs_change_every_order_but_the_sequential_one(sampling):
    rows = some_rows(1_000)
    orders = {tuple(sample_order(rows, sampling, seed, epoch).tolist()) for seed in range(5) for epoch in range(5)}
    assert len(orders) == (1 if sampling == "sequential" else 25)


def test_sequential_takes_the_rows_as_they_stand():
    assert sample_order([5, 3, 9], "sequential", 1, 2).tolist() == [5, 3, 9]


def test_with_replacement_every_place_draws_every_row_equally_often_whatever_its_neighbour_drew():
    m, epochs = 12, 4_000
    orders = np.array([sample_order(range(m), "with_replacement", 1, epoch) for epoch in range(epochs)])
    for place in orders.T:
        assert chisquare(np.bincount(place, minlength=m)).pvalue > LEAST_P
    pairs = np.bincount((orders[:, :-1] * m + orders[:, 1:]).reshape(-1), minlength=m * m)
    assert chisquare(pairs).pvalue > LEAST_P


def test_with_replacement_about_a_third_of_the_rows_is_left_out():
    left_out = 1 - np.unique(sample_order(range(100_000), "with_replacement", 1, 2)).size / 100_000
    assert abs(left_out - np.exp(-1)) < 0.005


@pytest.mark.parametrize("m", [m for m in SIZES if m])
def test_the_rows_of_a_block_stay_together(m):
    runs = blocks_of(sample_order(range(m), "block", 7, 3))
    assert sorted(block for block, _ in runs) == [*range(-(-m // BLOCK_ROWS))]


def test_blocks_come_in_random_order_and_the_short_one_anywhere():
    m, epochs = 3 * BLOCK_ROWS + 40, 3_000
    counts = np.zeros((4, 4))
    for epoch in range(epochs):
        for place, (block, _) in enumerate(blocks_of(sample_order(range(m), "block", 1, epoch))):
            counts[place, block] += 1
    for row in counts:
        assert chisquare(row).pvalue > LEAST_P


def test_rows_of_a_block_come_in_random_order_which_differs_from_block_to_block():
    m, epochs = 2 * BLOCK_ROWS, 8_000
    first, differ = np.zeros(BLOCK_ROWS), 0
    for epoch in range(epochs):
        (_, one), (_, other) = blocks_of(sample_order(range(m), "block", 1, epoch))
        first[one[0] % BLOCK_ROWS] += 1
        differ += one[0] % BLOCK_ROWS != other[0] % BLOCK_ROWS
    assert chisquare(first).pvalue > LEAST_P
    assert abs(differ / epochs - (1 - 1 / BLOCK_ROWS)) < 0.005


# --- Bad input --------------------------------------------------------------------------------------------------------


def test_an_unknown_sampling_names_the_known_ones():
    with pytest.raises(ConfigError, match=r'unknown sampling "shuffle".*fisher_yates'):
        sample_order([1, 2], "shuffle", 0, 1)


@pytest.mark.parametrize("rows", [[[1, 2], [3, 4]], [1.5, 2.0], ["a"], 3])
def test_rows_that_are_no_flat_integers_are_refused(rows):
    with pytest.raises(ArrayError, match="rows must be a flat array of integers, got shape"):
        sample_order(rows, "bijection", 0, 1)


@pytest.mark.parametrize("name", ["seed", "epoch"])
def test_a_negative_key_is_refused(name):
    with pytest.raises(ConfigError, match=f"{name} must be an integer from 0"):
        sample_order([1, 2], "bijection", **({"seed": 0, "epoch": 0} | {name: -1}))
