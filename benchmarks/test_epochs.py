"""One epoch of an MLP 784-128-10 with Adam, by batch size."""

from __future__ import annotations

from typing import Any

import pytest

from fastopt.bench.contenders.epochs import CONTENDERS, EpochCase


@pytest.mark.parametrize("contender", CONTENDERS)
@pytest.mark.parametrize(("batch_size", "n_rows"), [(1, 200), (32, 2048), (512, 4096), (4096, 8192)])
def test_epoch(measure: Any, threads: int, batch_size: int, n_rows: int, contender: str) -> None:
    measure(contender, EpochCase("adam", batch_size, n_rows, threads=threads), 6)
