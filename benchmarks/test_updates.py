"""One optimizer step, by optimizer and size."""

from __future__ import annotations

from typing import Any

import pytest

from fastopt.bench.contenders.updates import CONTENDERS, UpdateCase


@pytest.mark.parametrize("contender", CONTENDERS)
@pytest.mark.parametrize("n", [1_000, 100_000, 1_000_000])
@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "rmsprop", "adam"])
def test_update(measure: Any, threads: int, optimizer: str, n: int, contender: str) -> None:
    measure(contender, UpdateCase(optimizer, n, threads=threads), 8)
