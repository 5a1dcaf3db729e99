"""The order in which an epoch visits the rows: Fisher-Yates over a counter-based generator, keyed by (seed, epoch)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import njit, types, uint64
from numba.extending import intrinsic

from fastopt.errors import ConfigError

# SplitMix64: Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014, figure 15.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_SEED_LIMIT = 2**63


def permutation(n_rows: int, seed: int, epoch: int) -> npt.NDArray[np.int64]:
    """Return the row order of one epoch, shape (n_rows,), int64.

    The same (n_rows, seed, epoch) gives the same order on every machine and in every release; different seeds and
    epochs give independent orders. All three are integers, at least 0 and below 2**63.
    Raises ConfigError otherwise.
    Source: Fisher & Yates, in Knuth, TAOCP vol. 2, Algorithm 3.4.2 P; bounded draws after Lemire, Fast Random Integer
    Generation in an Interval, ACM TOMACS 2019, without the rejection step (bias below n_rows / 2**64).
    """
    for name, value in (("n_rows", n_rows), ("seed", seed), ("epoch", epoch)):
        if not isinstance(value, int | np.integer) or isinstance(value, bool) or not 0 <= value < _SEED_LIMIT:
            raise ConfigError(f"{name} must be an integer from 0 to 2**63 - 1, got {value!r}")
    order = np.arange(n_rows, dtype=np.int64)
    shuffle_rows(order, seed, epoch)
    return order


@intrinsic
def _multiply_high(typing_context, left, right):  # type: ignore[no-untyped-def]
    """The upper 64 bits of a 64 x 64 bit product: a draw scaled to [0, right)."""

    def codegen(context, builder, signature, args):  # type: ignore[no-untyped-def]
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), codegen


@njit(inline="always")
def _mix(z):  # type: ignore[no-untyped-def]
    z = (z ^ (z >> uint64(30))) * _MIX1
    z = (z ^ (z >> uint64(27))) * _MIX2
    return z ^ (z >> uint64(31))


@njit(cache=True, nogil=True)
def shuffle_rows(order, seed, epoch):  # type: ignore[no-untyped-def]
    """Put `order`, shape (n,), int64, into the random order that belongs to (seed, epoch), in place."""
    state = _mix(_mix(uint64(seed) + _GAMMA) + uint64(epoch) * _GAMMA)
    for last in range(order.size - 1, 0, -1):
        state += _GAMMA
        chosen = _multiply_high(_mix(state), uint64(last + 1))
        order[last], order[chosen] = order[chosen], order[last]
