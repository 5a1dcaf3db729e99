"""SplitMix64: random words that are a function of a key and a number, so that any of them can be had alone.

Source: Steele, Lea, Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014, figure 15. The generator there
adds GAMMA to its state and mixes it; word number i of key k is therefore mix(k + (i + 1) GAMMA), and needs no word
before it. Everything is uint64, and a signed integer must never meet an unsigned one: Numba would go on in float64.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, register_jitable

GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_30, _27, _31 = np.uint64(30), np.uint64(27), np.uint64(31)


@register_jitable
def mix(z):
    """Return the 64 bits of `z` (uint64) mixed: a bijection."""
    z = (z ^ (z >> _30)) * _MIX1
    z = (z ^ (z >> _27)) * _MIX2
    return z ^ (z >> _31)


@register_jitable
def word(key, number):
    """Return word `number` (an integer, from 0) of the stream `key` (uint64)."""
    return mix(key + (np.uint64(number) + np.uint64(1)) * GAMMA)


@register_jitable
def key_of(seed, epoch):
    """Return the key (uint64) that belongs to `seed` and `epoch`, integers from 0 to 2**63 - 1."""
    return mix(mix(np.uint64(seed) + GAMMA) + np.uint64(epoch) * GAMMA)


@intrinsic
def multiply_high(typing_context, left, right):
    """Return the upper 64 bits of the product of two uint64: for a random `left`, a draw from 0 to right - 1.

    Its bias is below right / 2**64. Lemire, Fast Random Integer Generation in an Interval, ACM TOMACS 2019, without the
    step that rejects.
    """

    def codegen(context, builder, signature, args):
        wide = ir.IntType(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), ir.IntType(64))

    return types.uint64(types.uint64, types.uint64), codegen
