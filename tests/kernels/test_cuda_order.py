"""The order that CUDA makes is that of the CPU: on the simulator, and on a device if there is one; its PTX."""

import importlib.util
import re

import numpy as np
import pytest

from fastopt.kernels import cuda, cuda_order
from fastopt.training.shuffle import bijection, permutation

from . import cuda_order_worker as worker
from .on_simulator import arrays_from

needs_numba_cuda = pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed"
)


def expected(case):
    n, seed, epoch, first, size = case
    return [bijection(first + i, n, seed, epoch) for i in range(size)]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    return arrays_from(worker.__name__, tmp_path_factory.mktemp("cuda") / "orders.npz")


@needs_numba_cuda
@pytest.mark.parametrize("case", worker.CASES, ids=str)
def test_the_order_on_the_simulator_is_that_of_the_cpu(case, simulated):
    assert simulated[str(case)].tolist() == expected(case)


@pytest.mark.parametrize("compute_capability", [(7, 5), (9, 0)])
def test_the_kernel_is_one_function_without_calls_of_whole_numbers_only(compute_capability):
    if reason := cuda.why_no_compiler():
        pytest.skip(f"compiling to PTX needs {reason}")
    ptx = cuda_order.compile_ptx(compute_capability)
    assert ".target sm_{}{}".format(*compute_capability) in ptx
    assert ptx.count(".entry") == 1
    assert ".func" not in ptx
    instructions = re.sub(r"\b_Z\w+", "", ptx[ptx.index("\n{") :])
    assert not re.search(r"\.f(32|64)\b", instructions)
    assert "st.global" in instructions


def test_the_order_on_a_device_is_that_of_the_cpu():
    if (reason := cuda.why_unavailable()) or cuda.is_simulated():
        pytest.skip(reason or "a CUDA device is needed, and here is the simulator")
    for case in worker.CASES:
        *key, first, size = case
        order = cuda.to_device(np.full(size, -1))
        cuda_order.fill_order(order, *key, first)
        assert order.copy_to_host().tolist() == expected(case), case
    whole = cuda.to_device(np.zeros(1_000_003, np.int64))
    cuda_order.fill_order(whole, 1_000_003, 3, 4)
    np.testing.assert_array_equal(whole.copy_to_host(), permutation(1_000_003, 3, 4, "bijection"))


def test_without_a_device_one_line_says_why():
    reason = cuda.why_unavailable()
    if reason is None:
        pytest.skip("a CUDA device, or the simulator, can be used here")
    with pytest.raises(RuntimeError, match=re.escape(reason)):
        cuda_order.fill_order(np.zeros(3, np.int64), 3, 0, 0)
