"""One optimizer step, by optimizer and size."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from fastopt.bench import contenders
from fastopt.bench.contenders.updates import UpdateCase

OPTIMIZERS = ("sgd", "momentum", "rmsprop", "adam")
SIZES = (1_000, 100_000, 1_000_000)


@pytest.mark.parametrize(
    ("optimizer", "n", "contender"),
    [
        (optimizer, n, name)
        for optimizer, n in itertools.product(OPTIMIZERS, SIZES)
        for name in contenders.menu_for(UpdateCase(optimizer, n))
    ],
)
def test_update(measure: Any, threads: int, optimizer: str, n: int, contender: str) -> None:
    measure(contender, UpdateCase(optimizer, n, threads=threads), 8)
