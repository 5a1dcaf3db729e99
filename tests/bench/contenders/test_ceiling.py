"""The ceiling of an optimizer step moves as much memory as the step."""

import numpy as np
import pytest

from fastopt.bench.contenders.update_case import UpdateCase
from fastopt.bench.contenders.updates import Ceiling
from fastopt.bench.protocol import check_answer
from fastopt.measurements import TIMED, Row


def test_the_ceiling_is_asked_whether_it_is_there_and_not_for_its_answer(worker):
    row = Row("ceiling", "ceiling")
    check_answer(worker("update", "ceiling"), UpdateCase("sgd", 1000, threads=1), row)
    assert (row.status, row.reason, row.errors) == (TIMED, "", [])


@pytest.mark.parametrize("optimizer", ["sgd", "rmsprop", "adam"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("n", "threads"), [(1, 1), (20_001, 1), (100_003, 2)])
def test_the_ceiling_reads_and_writes_every_array_of_the_step(optimizer, dtype, n, threads):
    case = UpdateCase(optimizer, n, dtype=dtype, threads=threads)
    contender = Ceiling()
    contender.prepare(case)
    contender.run(1)
    params, (grad,) = case.arrays()
    change = grad.dtype.type(1e-3) * grad
    assert contender.result().dtype == dtype
    np.testing.assert_allclose(contender.result(), params + change, rtol=1e-5, atol=1e-7)
    assert len(contender.state) == case.n_states
    for row in contender.state:
        np.testing.assert_array_equal(row[: case.n], change)
        assert row.ctypes.data % 64 == 0
        assert not row[case.n :].any()
