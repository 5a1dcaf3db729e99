"""The operations of a rule are counted in its own text."""

from __future__ import annotations

import pytest

from fastopt.bench.operations import operations
from fastopt.errors import ConfigError


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        ("sgd", 2),  # p - lr * g
        ("momentum", 4),  # b * v + g, p - lr * v
        ("rmsprop", 9),  # s + a * (g * g - s), p - lr * g / (sqrt(s) + eps)
        ("adam", 13),  # three for m, four for v; the step: two products, a quotient, a root, a sum, a difference
    ],
)
def test_each_operation_of_a_rule_counts_as_one(optimizer: str, expected: int) -> None:
    assert operations(optimizer) == expected


def test_an_optimizer_without_a_recipe_is_one_clear_error() -> None:
    with pytest.raises(ConfigError, match='unknown optimizer "lamb"'):
        operations("lamb")
