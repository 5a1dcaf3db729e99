"""Make orders on numba-cuda's simulator: python -m tests.kernels.cuda_order_worker FILE.npz

A process of its own, started by test_cuda_order.py with NUMBA_ENABLE_CUDASIM=1, which counts only before numba is
imported.
"""

import sys

import numpy as np

from fastopt.kernels import cuda_order

# n, seed, epoch, first place and number of places: around one, two and four threads' work; n that are powers of two and
# not; and indices that a device of 32 bits would not hold.
CASES = [
    (1, 0, 0, 0, 1),
    (2, 1, 1, 0, 2),
    (100, 7, 3, 0, 100),
    (256, 2**63 - 1, 2**63 - 1, 0, 256),
    (257, 5, 8, 200, 57),
    (60_000, 5, 8, 59_900, 100),
    (60_000, 5, 8, 30_000, 0),
    (2**40, 5, 8, 2**39, 33),
    (2**63 - 1, 5, 8, 2**63 - 40, 39),
]


def orders():
    """Return the places of every case, int64, by the case's text."""
    found = {}
    for case in CASES:
        *key, first, size = case
        order = np.full(size + 2, -1)
        cuda_order.fill_order(order[:size], *key, first)
        assert (order[size:] == -1).all(), "what is behind stays as it was"
        found[str(case)] = order[:size]
    return found


if __name__ == "__main__":
    np.savez(sys.argv[1], **orders())
