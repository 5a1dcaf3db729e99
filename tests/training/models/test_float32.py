"""float32 stays float32: no double arithmetic in what is done for each element; sums over rows may be double."""

from __future__ import annotations

import math
import re

import pytest
from numba import njit, types

from fastopt.kernels.compiling import COMPILE_OPTIONS
from fastopt.training.models import layers, network, single

F32 = types.float32
FLAT, TABLE, DATA = F32[::1], F32[:, ::1], types.Array(F32, 2, "C", readonly=True)
INTEGER, INTEGERS, FLAG = types.int64, types.int64[::1], types.boolean
DOUBLE_ARITHMETIC = re.compile(r"\b(fadd|fsub|fmul|fdiv|fneg)( \w+)* (double|<\d+ x double>) ")
WIDENED = re.compile(r"\bfpext (float|<\d+ x float>) ")
DOUBLE_CALL = re.compile(
    r"call [^\n]*@\"?(llvm\.)?(exp|log|log1p|pow|tanh|fma|sqrt)(\.f64|\.v\d+f64)?\"?\((double|<\d)"
)


def llvm_of(signature, function):
    """The optimised LLVM text of `function`, compiled afresh: code from the cache cannot be looked at."""
    compiled = njit(signature, **{**COMPILE_OPTIONS, "cache": False})(function)
    (text,) = compiled.inspect_llvm().values()
    return text


def test_the_search_for_double_arithmetic_finds_a_stray_literal():
    def stray(values, factors):
        for i in range(values.size):
            values[i] += 0.5 * factors[i]

    def stray_exp(values, factors):
        for i in range(values.size):
            values[i] = math.exp(values[i] * 1.0)

    def stray_tanh(values, factors):
        for i in range(values.size):
            values[i] = math.tanh(values[i] * 1.0)

    assert WIDENED.search(llvm_of(types.void(FLAT, FLAT), stray))
    assert DOUBLE_ARITHMETIC.search(llvm_of(types.void(FLAT, FLAT), stray))
    assert DOUBLE_CALL.search(llvm_of(types.void(FLAT, FLAT), stray_exp))
    assert DOUBLE_CALL.search(llvm_of(types.void(FLAT, FLAT), stray_tanh))


_PASS = types.UniTuple(INTEGER, 2)(FLAT, DATA, INTEGERS, FLAT, INTEGERS)


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (layers.add_bias, types.void(TABLE, FLAT)),
        (layers.activate, types.void(FLAT, INTEGER)),
        (layers.through_activation, types.void(FLAT, FLAT, INTEGER)),
        (layers.sum_rows, types.void(TABLE, FLAT, FLAG)),
        (layers.add, types.void(FLAT, FLAT)),
        (layers.transpose, types.void(TABLE, TABLE)),
        (layers.times_turned, types.void(TABLE, TABLE, TABLE)),
        (network._forward_blas, _PASS),
        (network._forward_tiles, _PASS),
        (single._scores, types.void(FLAT, DATA, INTEGERS, FLAT)),
        (single._sum_rows, types.void(DATA, INTEGERS, FLAT, FLAT)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_done_for_each_element_of_a_float32_model_holds_no_double_arithmetic(function, signature):
    text = llvm_of(signature, function)
    assert not WIDENED.search(text)
    assert not DOUBLE_ARITHMETIC.search(text)
    assert not DOUBLE_CALL.search(text)


@pytest.mark.parametrize(
    ("function", "signature", "sums"),
    [
        (layers._cross_entropy, types.float64(TABLE, DATA, INTEGERS, TABLE), {"fadd", "fsub"}),
        (single._losses, types.float64(FLAT, FLAT, DATA, INTEGERS, INTEGER), {"fadd", "fmul"}),
    ],
    ids=["cross entropy", "one output"],
)
def test_only_the_sum_over_the_rows_of_a_float32_loss_is_double(function, signature, sums):
    """And, for squared losses, the square that it adds."""
    text = llvm_of(signature, function)
    assert not DOUBLE_CALL.search(text)
    assert {match.group(1) for match in DOUBLE_ARITHMETIC.finditer(text)} <= sums


def _tanh(values):
    layers.activate(values, layers._TANH)


def _sigmoid(values):
    layers.activate(values, layers._SIGMOID)


def _logistic(slopes, labels, Y, rows):
    return single._losses(slopes, labels, Y, rows, single._LOGISTIC)


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (layers._exp_all, types.void(FLAT)),
        (_tanh, types.void(FLAT)),
        (_sigmoid, types.void(FLAT)),
        (_logistic, types.float64(FLAT, FLAT, DATA, INTEGERS)),
    ],
    ids=["softmax", "tanh", "sigmoid", "logistic loss"],
)
def test_exponentials_of_a_float32_model_are_vector_instructions_and_no_calls(function, signature):
    text = llvm_of(signature, function)
    assert re.search(r"shl <\d+ x i32>", text)  # the exponent of 2^k is put in its place, in every lane
    assert not re.search(r"@\"?(llvm\.)?(exp|expm1|log1p|tanh)", text)


def test_the_logarithm_of_a_float32_cross_entropy_is_float32():
    text = llvm_of(types.float64(TABLE, DATA, INTEGERS, TABLE), layers._cross_entropy)
    assert re.search(r"@\"?(llvm\.log\.f32|logf)\"?\(float", text)
