"""exp and log(1 + x) as straight lines of arithmetic, so that a loop over them becomes vector instructions.

The C library's are calls, one number at a time, whose branches depend on the data. Here every number takes the same way
and nothing is looked up. Both are given as far as losses and activations need them: exp for x <= 0, log(1 + x) for
0 <= x <= 1; beyond that they are wrong.

Errors stay below three units in the last place, a NaN stays a NaN, and what exp would leave at the smallest normal
number or below is zero. Products and sums are rounded one by one, so that all machines give the same bits.
The reduction of the argument is that of Cody & Waite, Software Manual for the Elementary Functions, 1980. The
polynomials are the plain series, cut where the next term is lost in rounding.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


class _Kind(NamedTuple):
    """How a type of numbers is made, and how far its series go."""

    integer: ir.IntType
    fraction_bits: int
    lowest_exponent: int
    # ln 2 in two parts; the first so short that its product with an exponent is exact
    ln2: tuple[float, float]
    exp_terms: int
    log_terms: int


_KINDS = {
    types.float32: _Kind(
        ir.IntType(32), 23, -126, (float.fromhex("0x1.62e4p-1"), float.fromhex("0x1.7f7d1cf79abcap-20")), 8, 7
    ),
    types.float64: _Kind(
        ir.IntType(64), 52, -1022, (float.fromhex("0x1.62e42fefa2p-1"), float.fromhex("0x1.9ef35793c7673p-41")), 14, 16
    ),
}


@intrinsic
def expm1(typing_context, x):  # type: ignore[no-untyped-def]
    """Return exp(x) - 1 for x <= 0."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        power, rest = _reduced(builder, arguments[0], _KINDS[x])
        one = ir.Constant(power.type, 1.0)
        return builder.fadd(builder.fmul(power, rest), builder.fsub(power, one))

    return x(x), codegen


@intrinsic
def exp(typing_context, x):  # type: ignore[no-untyped-def]
    """Return exp(x) for x <= 0."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        kind = _KINDS[x]
        power, rest = _reduced(builder, arguments[0], kind)
        value = builder.fadd(builder.fmul(power, rest), power)
        number = power.type
        lost = builder.fcmp_ordered("<=", arguments[0], ir.Constant(number, _lowest(kind)))
        return builder.select(lost, ir.Constant(number, 0.0), value)

    return x(x), codegen


@intrinsic
def log1p(typing_context, x):  # type: ignore[no-untyped-def]
    """Return log(1 + x) for 0 <= x <= 1, as 2 artanh(x / (2 + x)): 2 (z + z^3 / 3 + z^5 / 5 + ...), z at most 1/3."""

    def codegen(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        (value,) = arguments
        two = ir.Constant(value.type, 2.0)
        z = builder.fdiv(value, builder.fadd(two, value))
        # Below `least` all other terms are lost beside the first. Their powers would be subnormal, and slow: on rows
        # that are told apart well, x being tiny, a step of 21 parameters took 49 ns instead of 41 (2026-11-22).
        least = ir.Constant(value.type, 2.0 ** -((_KINDS[x].fraction_bits + 6) // 2))
        tiny = builder.fcmp_ordered("<", z, least)
        first, z = builder.fadd(z, z), builder.select(tiny, least, z)  # a NaN stays
        square, twice = builder.fmul(z, z), builder.fadd(z, z)
        series = _polynomial(builder, square, [1.0 / (2 * n + 1) for n in range(1, _KINDS[x].log_terms)])
        return builder.select(tiny, first, builder.fadd(twice, builder.fmul(builder.fmul(twice, square), series)))

    return x(x), codegen


def _lowest(kind: _Kind) -> float:
    """Return the number whose exponential is the smallest normal one."""
    return kind.lowest_exponent * math.log(2.0)


def _reduced(builder: Any, x: Any, kind: _Kind) -> tuple[Any, Any]:
    """Return 2^k and exp(r) - 1 for x = k ln 2 + r, |r| <= ln 2 / 2; an x below the lowest is taken for the lowest."""
    number = x.type

    def constant(value: float) -> Any:
        return ir.Constant(number, value)

    lowest = constant(_lowest(kind))
    x = builder.select(builder.fcmp_ordered("<", x, lowest), lowest, x)  # a NaN stays
    # Added to 1.5 * 2^fraction_bits, a number is rounded to a whole one, which then stands in the lowest bits.
    shift = constant(1.5 * 2.0**kind.fraction_bits)
    shifted = builder.fadd(builder.fmul(x, constant(1.0 / math.log(2.0))), shift)
    k = builder.fsub(shifted, shift)
    high, low = (constant(part) for part in kind.ln2)
    rest = builder.fsub(builder.fsub(x, builder.fmul(k, high)), builder.fmul(k, low))
    terms = [1.0 / math.factorial(n) for n in range(1, kind.exp_terms)]
    one = builder.bitcast(constant(1.0), kind.integer)
    exponent = builder.shl(builder.bitcast(shifted, kind.integer), kind.integer(kind.fraction_bits))
    power = builder.bitcast(builder.add(one, exponent), number)
    return power, builder.fmul(rest, _polynomial(builder, rest, terms))


def _polynomial(builder: Any, x: Any, coefficients: list[float]) -> Any:
    """Return sum of coefficients[n] x^n by Estrin's scheme: pairs first, so that few products wait for another."""
    sums: list[Any] = [ir.Constant(x.type, coefficient) for coefficient in coefficients]
    while len(sums) > 1:
        pairs = [builder.fadd(low, builder.fmul(high, x)) for low, high in zip(sums[::2], sums[1::2], strict=False)]
        sums, x = pairs + sums[2 * len(pairs) :], builder.fmul(x, x)
    return sums[0]
