"""The order of an epoch by its rows, and an epoch of gathered batches by their size."""

from __future__ import annotations

from typing import Any

import pytest

from fastopt.bench.contenders import gathers, orders


@pytest.mark.parametrize("contender", orders.CONTENDERS)
@pytest.mark.parametrize("n", [1_000, 60_000, 1_000_000])
def test_order(measure: Any, n: int, contender: str) -> None:
    measure(contender, orders.OrderCase(n, threads=1), 8)


@pytest.mark.parametrize("contender", gathers.CONTENDERS)
@pytest.mark.parametrize("batch_size", [32, 512])
def test_gather(measure: Any, threads: int, batch_size: int, contender: str) -> None:
    measure(contender, gathers.GatherCase(batch_size, threads=threads), 8)
