"""Fisher-Yates, the order of a whole epoch at once; beyond the caches, rows are dealt into buckets first.

Source: Fisher & Yates, in Knuth, TAOCP vol. 2, Algorithm 3.4.2 P, in the form that builds the order as it goes
("inside out"). Buckets: Rao, Generation of random permutation of given number of elements using random sampling
numbers, Sankhya A 23, 1961; Sandelius, A simple randomization procedure, J. R. Stat. Soc. B 24, 1962. Every row goes
to a bucket by bits of its own, then each bucket is shuffled: all orders are equally likely, as without buckets.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from fastopt.kernels.splitmix import GAMMA, mix, multiply_high, word

# From more rows on, they are dealt into buckets. The numbers are fixed, since the order depends on them. Up to here the
# order fits the cache that cores share (8 MB): 1.1 ns a row, and 2.2 with buckets; 1e7 rows take 8.3 and 3.1 (one
# thread of a Zen 5 with 1 MB of its own and 32 MB shared, 2026-11-21).
DEALT_FROM = 2**20
# Rows of a bucket on average, at most: 512 KB, which stay in a core's own cache.
BUCKET_ROWS = 2**16
# Buckets, at most: each is written to at a place of its own, and with 2**11 that took twice as long.
MOST_BUCKET_BITS = 10
# Random words made at once, in a loop that becomes vectors.
WORDS = 256


@register_jitable
def fisher_yates(order, rows, key, dealt_from, bucket_rows):  # type: ignore[no-untyped-def]
    """Fill order int64[m] with rows int64[m] in the random order of `key` (uint64); rows=None stands for 0 .. m - 1.

    dealt_from and bucket_rows are DEALT_FROM and BUCKET_ROWS, but in tests. Below dealt_from `rows` may be `order`
    itself, above it must be other memory.
    """
    words = np.empty(WORDS, np.uint64)
    if order.size < dealt_from:
        _shuffle(order, rows, key, 0, words)
        return
    bits = 1
    while (order.size >> bits) > bucket_rows and bits < MOST_BUCKET_BITS:
        bits += 1
    ends = np.zeros(1 << bits, np.int64)
    _deal(order, rows, mix(key), bits, ends)
    start = 0
    for bucket in range(ends.size):
        part = order[start : ends[bucket]]
        _shuffle(part, part, key, start, words)
        start = ends[bucket]


@register_jitable
def _shuffle(order, rows, key, start, words):  # type: ignore[no-untyped-def]
    """Shuffle rows into order, which may be the same; place i has word `start` + i of the stream `key`."""
    for first in range(0, order.size, WORDS):
        _make_words(words, key, start + first)
        for k in range(min(WORDS, order.size - first)):
            i = first + k
            chosen = multiply_high(words[k], np.uint64(i + 1))
            row = _row(rows, i)
            order[i] = order[chosen]
            order[chosen] = row


@register_jitable
def _make_words(words, key, first):  # type: ignore[no-untyped-def]
    state = key + np.uint64(first) * GAMMA
    for k in range(words.size):
        words[k] = word(state, k)


@register_jitable
def _deal(order, rows, key, bits, ends):  # type: ignore[no-untyped-def]
    """Write each row into the bucket that its own `bits` name; ends int64[2**bits] leaves with where buckets end.

    The bits are made twice, once to count: that takes less than to keep them.
    """
    mask, shift, per_word = np.uint64(ends.size - 1), np.uint64(bits), 64 // bits
    for first in range(0, order.size, per_word):
        chance = word(key, first // per_word)
        for _ in range(min(per_word, order.size - first)):
            ends[chance & mask] += 1
            chance >>= shift
    total = 0
    for bucket in range(ends.size):
        count = ends[bucket]
        ends[bucket] = total
        total += count
    for first in range(0, order.size, per_word):
        chance = word(key, first // per_word)
        for i in range(first, min(first + per_word, order.size)):
            bucket = chance & mask
            order[ends[bucket]] = _row(rows, i)
            ends[bucket] += 1
            chance >>= shift


@register_jitable
def _row(rows, i):  # type: ignore[no-untyped-def]
    if rows is None:  # decided when it is compiled
        return i
    return rows[i]
