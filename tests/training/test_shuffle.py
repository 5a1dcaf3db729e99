"""The order of an epoch is a permutation, fixed for all time by (n, seed, epoch) and the method."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastopt.errors import ConfigError
from fastopt.kernels.bijection import MIN_BITS
from fastopt.kernels.splitmix import key_of
from fastopt.training.shuffle import METHODS, bijection, permutation, sample_order
from fastopt.training.shuffle.fisher_yates import DEALT_FROM, fisher_yates

MASK, LOW = 2**64 - 1, 2**32 - 1
GAMMA = 0x9E3779B97F4A7C15
SIZES = [0, 1, 2, 3, 4, 5, 8, 31, 32, 33, 100, 255, 256, 257, 1_000, 4_097]
KEYS = [(0, 0), (0, 1), (1, 0), (7, 3), (123_456_789, 20), (2**63 - 1, 2**63 - 1)]
BUCKETS = [1, 2, 7, 1_000]
numbers = st.integers(0, 2**63 - 1)


# --- The same in plain integers, written from the papers --------------------------------------------------------------


def mixed(z: int) -> int:
    """The output function of SplitMix64 (Steele, Lea, Flood 2014, figure 15), in plain integers modulo 2**64."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


def plain_key(seed: int, epoch: int) -> int:
    return mixed((mixed((seed + GAMMA) & MASK) + epoch * GAMMA) & MASK)


def draws(key: int, n: int) -> list[int]:
    return [mixed((key + i * GAMMA) & MASK) for i in range(1, n + 1)]


def plain_fisher_yates(rows: list[int], words: list[int]) -> list[int]:
    """Place i is filled by the row that place floor(u (i + 1) / 2**64) held, and that one takes the new row."""
    order: list[int] = []
    for i, (row, u) in enumerate(zip(rows, words, strict=True)):
        order.append(row)
        chosen = u * (i + 1) // 2**64
        order[i], order[chosen] = order[chosen], order[i]
    return order


def plain_dealt(n: int, key: int, bucket_rows: int) -> list[int]:
    """Bits of another stream name each row's bucket; then every bucket is shuffled, with the words of its places."""
    bits = next(bits for bits in range(1, 11) if n >> bits <= bucket_rows or bits == 10)
    per_word = 64 // bits
    chances = draws(mixed(key), n // per_word + 1)
    buckets: list[list[int]] = [[] for _ in range(2**bits)]
    for row in range(n):
        buckets[chances[row // per_word] >> (row % per_word * bits) & (2**bits - 1)].append(row)
    words, order = draws(key, n), []
    for bucket in buckets:
        order += plain_fisher_yates(bucket, words[len(order) : len(order) + len(bucket)])
    return order


def lowbias32(x: int) -> int:
    x = (x ^ x >> 16) * 0x7FEB352D & LOW
    x = (x ^ x >> 15) * 0x846CA68B & LOW
    return x ^ x >> 16


def plain_bijection(index: int, n: int, key: int) -> int:
    """Eight Feistel rounds over the bits that hold n, at least MIN_BITS, again and again until below n."""
    bits = max((n - 1).bit_length(), MIN_BITS)
    right_bits = bits - bits // 2
    while True:
        index = (index + key) % 2**bits
        left, right = divmod(index, 2**right_bits)
        for pair in range(4):
            left ^= lowbias32((right ^ ((key & LOW) + pair * 0x9E3779B9)) & LOW) % 2 ** (bits // 2)
            right ^= lowbias32((left ^ ((key >> 32) + pair * 0xBB67AE85)) & LOW) % 2**right_bits
        index = left * 2**right_bits + right
        if index < n:
            return index


@numba.njit
def dealt_into(order, seed, epoch, bucket_rows):
    fisher_yates(order, None, key_of(seed, epoch), 0, bucket_rows)


def dealt(n: int, seed: int, epoch: int, bucket_rows: int) -> list[int]:
    order = np.empty(n, np.int64)
    dealt_into(order, seed, epoch, bucket_rows)
    return order.tolist()


# --- What an order is -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("n", [*SIZES, 100_003])
@pytest.mark.parametrize(("seed", "epoch"), KEYS)
def test_an_order_holds_every_row_once(n, seed, epoch, method):
    order = permutation(n, seed, epoch, method)
    assert order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize(("seed", "epoch"), KEYS)
def test_fisher_yates_gives_what_plain_integers_give(n, seed, epoch):
    words = draws(plain_key(seed, epoch), n)
    assert permutation(n, seed, epoch).tolist() == plain_fisher_yates([*range(n)], words)


@pytest.mark.parametrize("bucket_rows", BUCKETS)
@pytest.mark.parametrize("n", SIZES)
def test_buckets_give_what_plain_integers_give(n, bucket_rows):
    assert dealt(n, 7, 3, bucket_rows) == plain_dealt(n, plain_key(7, 3), bucket_rows)


@pytest.mark.parametrize("n", [n for n in SIZES if n])
@pytest.mark.parametrize(("seed", "epoch"), KEYS)
def test_the_bijection_gives_what_plain_integers_give(n, seed, epoch):
    key = plain_key(seed, epoch)
    assert permutation(n, seed, epoch, "bijection").tolist() == [plain_bijection(i, n, key) for i in range(n)]


@settings(deadline=None)
@given(st.integers(1, 2**63 - 1), st.data(), numbers, numbers)
def test_a_bijection_of_any_size_gives_what_plain_integers_give(n, data, seed, epoch):
    index = data.draw(st.integers(0, n - 1))
    assert bijection(index, n, seed, epoch) == plain_bijection(index, n, plain_key(seed, epoch))


@settings(deadline=None)
@given(st.integers(0, 3_000), numbers, numbers, st.sampled_from(METHODS))
def test_an_order_of_any_size_and_key_is_a_permutation(n, seed, epoch, method):
    assert sorted(permutation(n, seed, epoch, method).tolist()) == [*range(n)]


@settings(deadline=None)
@given(st.integers(1, 3_000), numbers, numbers, st.integers(1, 300))
def test_an_order_from_buckets_of_any_size_is_a_permutation(n, seed, epoch, bucket_rows):
    assert sorted(dealt(n, seed, epoch, bucket_rows)) == [*range(n)]


@settings(deadline=None)
@given(st.integers(1, 5_000), st.data(), numbers, numbers)
def test_the_bijection_answers_an_index_as_the_whole_order_does(n, data, seed, epoch):
    index = data.draw(st.integers(0, n - 1))
    assert bijection(index, n, seed, epoch) == permutation(n, seed, epoch, "bijection")[index]


@settings(deadline=None)
@given(st.integers(30, 500), numbers, numbers, numbers, numbers, st.sampled_from(METHODS))
def test_other_seeds_and_epochs_give_other_orders(n, seed, epoch, other_seed, other_epoch, method):
    same = (seed, epoch) == (other_seed, other_epoch)
    one, other = permutation(n, seed, epoch, method), permutation(n, other_seed, other_epoch, method)
    assert (one == other).all() == same


def test_the_bijection_can_be_called_from_compiled_code():
    @numba.njit
    def places(n, seed, epoch):
        return [bijection(i, n, seed, epoch) for i in range(n)]

    assert places(300, 5, 2) == permutation(300, 5, 2, "bijection").tolist()


def test_from_so_many_rows_on_they_are_dealt_into_buckets_on_average_no_larger_than_the_cache():
    below, order = permutation(DEALT_FROM - 1, 7, 3), permutation(DEALT_FROM, 7, 3)
    assert below[:5].tolist() == plain_fisher_yates([*range(below.size)], draws(plain_key(7, 3), below.size))[:5]
    bits = 4  # 2**20 rows in buckets of 2**16
    chances = draws(mixed(plain_key(7, 3)), DEALT_FROM // 16)
    buckets = np.array([chances[row // 16] >> (row % 16 * bits) & 15 for row in order.tolist()])
    np.testing.assert_array_equal(buckets, np.sort(buckets))
    np.testing.assert_array_equal(np.sort(order), np.arange(DEALT_FROM))


# --- Fixed for all time -----------------------------------------------------------------------------------------------

GOLDEN = {
    ("fisher_yates", 2): [1, 0],
    ("fisher_yates", 3): [2, 0, 1],
    ("fisher_yates", 5): [3, 4, 1, 2, 0],
    ("fisher_yates", 8): [3, 7, 1, 5, 0, 2, 4, 6],
    ("fisher_yates", 16): [3, 7, 1, 10, 11, 2, 4, 6],
    ("fisher_yates", 33): [3, 30, 23, 10, 11, 2, 29, 6],
    ("fisher_yates", 1_000): [476, 459, 418, 47, 90, 737, 477, 893],
    ("fisher_yates", 60_000): [2203, 26979, 43654, 50429, 30148, 14188, 55520, 54943],
    ("fisher_yates", 2_000_000): [70495, 867194, 1402676, 1616586, 969009, 458001, 1778318, 1758986],
    ("bijection", 2): [0, 1],
    ("bijection", 3): [0, 1, 2],
    ("bijection", 5): [3, 1, 2, 4, 0],
    ("bijection", 8): [3, 5, 2, 6, 0, 7, 4, 1],
    ("bijection", 16): [3, 13, 12, 9, 15, 7, 10, 8],
    ("bijection", 33): [3, 16, 25, 9, 15, 27, 10, 8],
    ("bijection", 1_000): [904, 721, 237, 604, 537, 496, 886, 376],
    ("bijection", 60_000): [43500, 5625, 29327, 48839, 57674, 56468, 23341, 10207],
    ("bijection", 2_000_000): [1991048, 1176171, 1951803, 1239859, 83259, 1167309, 401243, 1192902],
}


@pytest.mark.parametrize(("method", "n"), GOLDEN)
def test_the_order_of_seed_7_epoch_3_never_changes(method, n):
    assert permutation(n, 7, 3, method)[:8].tolist() == GOLDEN[method, n]


def test_the_generator_is_splitmix64():
    # The first outputs for seed 1234567, as published with the reference code and used by other implementations.
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert draws(1234567, 5) == published


@pytest.mark.parametrize("method", METHODS)
def test_no_two_seeds_or_epochs_share_an_order(method):
    keys = [(seed, epoch) for seed in range(60) for epoch in range(60)]
    orders = {tuple(permutation(40, seed, epoch, method).tolist()) for seed, epoch in keys}
    assert len(orders) == len(keys)


@pytest.mark.parametrize("kind", [int, np.int32, np.int64, np.uint8, np.uint64])
@pytest.mark.parametrize("method", METHODS)
def test_every_kind_of_integer_gives_the_same_order(kind, method):
    assert permutation(kind(50), kind(7), kind(3), method).tolist() == permutation(50, 7, 3, method).tolist()


@pytest.mark.parametrize("n", [0, 1, 100, DEALT_FROM])
def test_rows_of_any_numbers_come_in_the_order_of_their_places(n):
    rows = np.arange(0, 5 * n, 5)
    np.testing.assert_array_equal(sample_order(rows, "fisher_yates", 9, 2), rows[permutation(n, 9, 2)])


# --- Bad input --------------------------------------------------------------------------------------------------------

BAD = [-1, 2**63, 2**64, 1.0, 2.5, "3", None, True, np.float64(3)]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", ["n", "seed", "epoch"])
def test_what_is_no_integer_from_0_to_2_to_the_63_is_refused_by_name(name, bad):
    arguments = {"n": 5, "seed": 0, "epoch": 1} | {name: bad}
    with pytest.raises(ConfigError) as raised:
        permutation(**arguments)
    assert str(raised.value) == f"{name} must be an integer from 0 to 2**63 - 1, got {bad!r}"


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("name", ["index", "n", "seed", "epoch"])
def test_the_bijection_refuses_them_too(name, bad):
    arguments = {"index": 0, "n": 5, "seed": 0, "epoch": 1} | {name: bad}
    with pytest.raises(ConfigError) as raised:
        bijection(**arguments)
    assert str(raised.value) == f"{name} must be an integer from 0 to 2**63 - 1, got {bad!r}"


@pytest.mark.parametrize(("index", "n"), [(0, 0), (5, 5), (6, 5)])
def test_an_index_beyond_the_rows_is_refused(index, n):
    with pytest.raises(ConfigError) as raised:
        bijection(index, n, 0, 0)
    assert str(raised.value) == f"index must be below n, got index {index} and n {n}"


def test_an_unknown_method_names_the_known_ones():
    with pytest.raises(ConfigError) as raised:
        permutation(5, 0, 1, "bijektion")
    message = str(raised.value)
    assert 'unknown method "bijektion"' in message
    assert "fisher_yates" in message
    assert "\n" not in message
