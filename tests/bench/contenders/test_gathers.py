"""Orders and gathers as contenders: right answers pass, wrong ones do not."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fastopt.bench import contenders
from fastopt.bench.contenders import gathers, orders
from fastopt.bench.contenders.gathers import GatherCase
from fastopt.bench.contenders.orders import OrderCase
from fastopt.errors import ConfigError

ORDER = OrderCase(5_000, threads=1)
GATHER = GatherCase(64, n_rows=1_003, n_features=150, threads=1)
GATHERS = [GATHER, replace(GATHER, n_features=3, threads=2)]
CASES = [
    *((name, case) for name in orders.CONTENDERS for case in (ORDER, replace(ORDER, n=1))),
    *((name, case) for name in ("fastopt", "numpy", "torch") for case in GATHERS),
]


def errors(contender, case):
    """The error of each check that a contender, run in this process, is given."""
    found = []
    for check in case.checks():
        contender.prepare(check.case)
        contender.run(check.units)
        found.append(check.case.error(contender.result(), check.units))
    return found


@pytest.mark.parametrize(("name", "case"), CASES, ids=str)
def test_every_contender_gives_a_right_answer(name, case):
    contender = contenders.find(case.kind, name)
    if missing := contender().available():
        pytest.skip(f"{missing}, or fastopt[peers]")
    assert set(errors(contender(), case)) == {0.0}


@pytest.mark.parametrize("case", GATHERS)
def test_the_ceiling_copies_as_many_rows_as_they_lie(case):
    ceiling = gathers.Ceiling()
    ceiling.prepare(case)
    ceiling.run(1)
    np.testing.assert_array_equal(
        ceiling.result(), case.arrays()[0][-ceiling.result().size // case.n_features :].ravel()
    )


@pytest.mark.parametrize("case", [ORDER, GATHER])
def test_a_case_travels_as_json(case):
    assert contenders.case_from(json.loads(json.dumps(case.record()))) == case


WRONG_ORDERS = {
    "as they stand": np.arange(5_000),
    "turned by one": np.roll(np.arange(5_000), 1),
    "one row twice": np.append(np.random.default_rng(0).permutation(5_000)[:-1], 0),
    "one row beyond": np.random.default_rng(0).permutation(5_000) + 1,
    "one row less": np.random.default_rng(0).permutation(4_999),
    "no whole numbers": np.random.default_rng(0).permutation(5_000).astype(np.float64),
}


@pytest.mark.parametrize("wrong", WRONG_ORDERS)
def test_a_wrong_order_is_a_wrong_answer(wrong):
    assert ORDER.error(WRONG_ORDERS[wrong], 1) > 0


def test_a_contiguous_copy_is_a_wrong_answer():
    class Lazy(gathers.NumpyTake):
        def prepare(self, case):
            super().prepare(case)
            self.order = np.arange(case.n_rows)

    assert errors(gathers.NumpyTake(), GATHER) == [0.0]
    (error,) = errors(Lazy(), GATHER)
    assert error > 0.5


@pytest.mark.parametrize("wrong", [{"batch_size": 0}, {"batch_size": 1_004}, {"n_features": 0}, {"dtype": "float16"}])
def test_a_gather_that_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigError):
        replace(GATHER, **wrong)


def test_an_order_of_nothing_is_refused():
    with pytest.raises(ConfigError, match="n must be a whole number of at least 1, got 0"):
        OrderCase(0)
