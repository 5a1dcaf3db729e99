"""One epoch of an MLP 784-128-10 and of a logistic regression, with Adam, by batch size."""

from __future__ import annotations

from typing import Any

import pytest

from fastopt.bench import contenders
from fastopt.bench.contenders.epoch_case import EpochCase

MLP_ROWS = {1: 200, 32: 2048, 512: 4096, 4096: 8192}
CASES = [
    *({"batch_size": b, "n_rows": rows} for b, rows in MLP_ROWS.items()),
    *({"batch_size": b, "n_rows": 512, "model": "logistic", "n_features": 20, "n_classes": 2} for b in (1, 32, 512)),
]


@pytest.mark.parametrize(
    ("contender", "case"),
    [
        pytest.param(name, case, id=f"{name}-{case.get('model', 'mlp')}-{case['batch_size']}")
        for case in CASES
        for name in contenders.menu_for(EpochCase("adam", **case))
    ],
)
def test_epoch(measure: Any, threads: int, contender: str, case: dict[str, Any]) -> None:
    measure(contender, EpochCase("adam", **case, threads=threads), 6)
