"""In which order an epoch takes the rows: five samplings behind one compiled function.

Fisher-Yates makes the whole order of an epoch when its first row is asked for. The others answer any part of an epoch
alone, from (seed, epoch) and the places asked for, so that a run goes on anywhere without what was before.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from fastopt.kernels.bijection import domain_of, network, permuted
from fastopt.kernels.splitmix import key_of, multiply_high, word
from fastopt.training.shuffle.fisher_yates import BUCKET_ROWS, DEALT_FROM, fisher_yates

FISHER_YATES, BIJECTION, WITH_REPLACEMENT, SEQUENTIAL, BLOCK = range(5)
SAMPLINGS = {
    "fisher_yates": FISHER_YATES,
    "bijection": BIJECTION,
    "with_replacement": WITH_REPLACEMENT,
    "sequential": SEQUENTIAL,
    "block": BLOCK,
}

# Rows that "block" takes one after another. A file of rows of 3 KB that was not in memory was read at the pace of
# reading it from end to end (5 GB/s, 2026-11-21) in blocks of 256 and of 1024 rows, at a fourth of it in blocks of 64
# and at a tenth row by row; and 60 000 rows are still 234 blocks to shuffle.
BLOCK_ROWS = 256


@register_jitable
def fill_order(sampling, order, rows, first, last, seed, epoch):  # type: ignore[no-untyped-def]
    """Write order[first:last], the rows that an epoch takes in these places; order and rows int64[m].

    sampling           one of the codes of SAMPLINGS; seed and epoch are integers from 0 to 2**63 - 1
    fisher_yates       without replacement, all orders equally likely: fills all of `order` when first is 0, and
                       nothing otherwise
    bijection          without replacement, by `fastopt.kernels.bijection`: as random to look at, though only as many
                       orders as keys (2**64) can come up
    with_replacement   each place draws any row, whatever the others drew: about 37 % of the rows are left out
    sequential         the rows as they stand
    block              BLOCK_ROWS rows that stand together in `rows` stay together; blocks come in random order, and
                       rows within a block. For files on disk, which are read block by block. What is lost: a batch
                       holds rows of one or two blocks only, so that with a file sorted by label it may hold one label;
                       shuffle such a file once before.
    """
    key = key_of(seed, epoch)
    if sampling == FISHER_YATES:
        if first == 0:
            fisher_yates(order, rows, key, DEALT_FROM, BUCKET_ROWS)
    elif sampling == BIJECTION:
        fill_bijection(order[first:last], first, rows.size, key)
        _take(rows, order[first:last])
    elif sampling == WITH_REPLACEMENT:
        _draw(order, rows, first, last, key)
    elif sampling == SEQUENTIAL:
        _copy(order, rows, first, last)
    elif sampling == BLOCK:
        _fill_blocks(order, rows, first, last, key)


@register_jitable
def fill_bijection(order, first, n, key):  # type: ignore[no-untyped-def]
    """Write places first to first + m - 1 of the bijection of 0 .. n - 1 that belongs to `key` into order int64[m]."""
    if order.size == 0:
        return
    domain = domain_of(np.uint64(n))
    _first_passes(order, first, domain, key)
    for i in range(order.size):
        while order[i] >= n:
            order[i] = network(np.uint64(order[i]), domain, key)


@register_jitable
def _first_passes(order, first, domain, key):  # type: ignore[no-untyped-def]
    """Take every index through the network once: a loop without branches, which becomes vectors."""
    for i in range(order.size):
        order[i] = network(np.uint64(first + i), domain, key)


@register_jitable
def _draw(order, rows, first, last, key):  # type: ignore[no-untyped-def]
    for i in range(first, last):
        order[i] = rows[multiply_high(word(key, i), np.uint64(rows.size))]


@register_jitable
def _copy(order, rows, first, last):  # type: ignore[no-untyped-def]
    for i in range(first, last):  # a slice takes half a second longer to compile
        order[i] = rows[i]


@register_jitable
def _take(rows, places):  # type: ignore[no-untyped-def]
    """Replace places int64[b] by the rows that stand there."""
    for i in range(places.size):
        places[i] = rows[places[i]]


@register_jitable
def _fill_blocks(order, rows, first, last, key):  # type: ignore[no-untyped-def]
    """Write order[first:last] for "block": whole blocks by a bijection, the short last one anywhere between them."""
    n_whole = rows.size // BLOCK_ROWS
    rest = rows.size - n_whole * BLOCK_ROWS
    rest_at = np.int64(multiply_high(word(key, 0), np.uint64(n_whole + 1))) * BLOCK_ROWS
    place = first
    while place < last:
        if rest > 0 and rest_at <= place < rest_at + rest:
            block, start, size = n_whole, rest_at, rest
        else:
            shift = rest if place >= rest_at else 0
            number = (place - shift) // BLOCK_ROWS
            block = np.int64(permuted(np.uint64(number), domain_of(np.uint64(n_whole)), key))
            start, size = number * BLOCK_ROWS + shift, BLOCK_ROWS
        stop = min(start + size, last)
        part = order[place:stop]
        fill_bijection(part, place - start, size, word(key, 1 + block))
        _take(rows[block * BLOCK_ROWS : block * BLOCK_ROWS + size], part)
        place = stop
