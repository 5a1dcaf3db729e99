"""A power is left out only where it is lost beside 1: bias corrections have the same bits with and without it."""

from __future__ import annotations

import math

import pytest
from numba import njit

from fastopt.kernels.powers import power


@njit
def corrections(beta, first, last):
    return [1.0 - power(beta, step) for step in range(first, last)]


@njit
def plain_corrections(beta, first, last):
    return [1.0 - beta**step for step in range(first, last)]


@pytest.mark.parametrize("beta", [0.0, 1e-3, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999])
def test_one_minus_a_power_has_the_bits_of_the_plain_formula(beta):
    left_out = math.ceil(38.0 / (1.0 - beta))
    for first in (1, max(1, left_out - 20)):
        assert corrections(beta, first, first + 40) == plain_corrections(beta, first, first + 40)
    assert power(beta, left_out + 1) == 0.0
    assert power(beta, 2) == beta**2
