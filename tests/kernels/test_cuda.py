"""CUDA kernels without a device: their PTX is read, and their loops run on numba-cuda's simulator beside the oracle."""

import importlib.util
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from fastopt.kernels import cuda, reference
from fastopt.kernels.rules import RULES, Rule

from . import cuda_simulator_worker as simulator
from .tolerances import TOLERANCE, relative_error

DTYPES = ["float32", "float64"]

needs_numba_cuda = pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed"
)


@pytest.fixture(scope="module")
def compiler():
    if reason := cuda.why_no_compiler():
        pytest.skip(f"compiling to PTX needs {reason}")


def body(ptx):
    """The instructions of the one kernel, without the names, in which anything may stand."""
    return re.sub(r"\b_Z\w+", "", ptx[ptx.index("\n{") :])


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("variant", [{}, {"clips": True, "decays": True}], ids=["plain", "clips-decays"])
@pytest.mark.parametrize("rule", RULES)
def test_a_float32_loop_is_one_kernel_without_float64_or_calls(rule, variant):
    ptx = cuda.compile_ptx(RULES[rule], np.float32, (9, 0), **variant)
    assert ".target sm_90" in ptx
    assert ptx.count(".entry") == 1
    assert ".func" not in ptx
    assert ".f64" not in ptx
    assert len(re.findall(r"\bst\.global\.f32", body(ptx))) >= 1 + len(RULES[rule].states)


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("rule", RULES)
def test_a_float64_loop_compiles(rule):
    instructions = body(cuda.compile_ptx(RULES[rule], np.float64, (9, 0)))
    assert "st.global.f64" in instructions
    assert ".f32" not in instructions


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("rule", RULES)
def test_indices_are_64_bit(rule):
    instructions = body(cuda.compile_ptx(RULES[rule], np.float32))
    assert len(re.findall(r"mul\.wide\.[su]32", instructions)) == 2  # block x threads, and the stride
    assert instructions.count("cvt.s64.s32") == 1  # the thread's number, and nothing else, comes from 32 bits
    assert re.findall(r"setp\.[lg][te]\.s64", instructions)
    # 32 bits are left to the special registers, and to counting the loop's turns once both sides were seen to fit.
    assert not re.findall(r"\b(?:add|sub|mad\.lo|mul\.lo|shl)\.[sub]32", instructions)


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES)
def test_coefficients_are_worked_out_in_float64_and_stored_in_the_dtype(rule, dtype):
    instructions = body(cuda.compile_coefficients_ptx(RULES[rule], dtype, (9, 0)))
    stored, other = ("f32", "f64") if dtype == "float32" else ("f64", "f32")
    assert f"st.global.{stored}" in instructions
    assert f"st.global.{other}" not in instructions
    assert ".f64" in instructions


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("compute_capability", [(7, 5), (8, 0)])
def test_older_devices_get_their_own_code(compute_capability):
    ptx = cuda.compile_ptx(RULES["adam"], np.float32, compute_capability)
    assert ".target sm_{}{}".format(*compute_capability) in ptx
    assert ".f64" not in ptx


@pytest.mark.usefixtures("compiler")
def test_coefficients_may_be_of_mixed_types():
    def coefficients(step, learning_rate):
        return learning_rate, step, 2

    def update(param, grad, learning_rate, step, two):
        return (param - learning_rate * grad / step * two,)

    rule = Rule("mixed", update, coefficients, (), ("learning_rate",))
    assert "st.global.f32" in cuda.compile_coefficients_ptx(rule, np.float32)
    assert ".f64" not in cuda.compile_ptx(rule, np.float32)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    path = tmp_path_factory.mktemp("cuda") / "simulated.npz"
    command = [sys.executable, "-W", "error", simulator.__file__, str(path)]
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    with np.load(path) as found:
        return dict(found)


@needs_numba_cuda
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES)
def test_every_step_on_the_simulator_is_the_reference_step(rule, dtype, simulated):
    for case in simulator.cases(rule, dtype):
        all_params, all_states = simulated[f"{case} params"], simulated[f"{case} state"]
        assert all_params.dtype == all_states.dtype == dtype
        first, arguments = simulator.steps(case)
        np.testing.assert_array_equal(all_params[0], first)
        assert not all_states[0].any()
        for grads, hyper, step in arguments:
            params, state = all_params[step - 1].copy(), all_states[step - 1].copy()
            reference.update(rule, params, grads, state, hyper, step, simulator.GRAD_SCALE)
            got = all_params[step], *all_states[step]
            for name, new, want, before in zip(
                ("params", *RULES[rule].states),
                got,
                (params, *state),
                (all_params[step - 1], *all_states[step - 1]),
                strict=True,
            ):
                error = relative_error(new, want, before)
                assert error <= TOLERANCE[new.dtype], f"{case}: {name} after step {step}"


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout


def test_importing_the_module_imports_no_cuda():
    loaded = run_python("import sys, fastopt.kernels.cuda; print(*sys.modules)").split()
    assert not {"numba.cuda", "numba_cuda", "cuda"} & set(loaded)


def test_without_numba_cuda_the_reason_names_the_extra():
    code = """
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "numba_cuda" else find_spec(name, *rest)
from fastopt.kernels import cuda
print(cuda.why_unavailable())
"""
    assert run_python(code) == (
        'backend "cuda" needs numba-cuda (not installed); run pip install "fastopt[cuda]", or use backend="parallel"\n'
    )


def test_without_a_device_one_line_says_why_and_what_to_do():
    reason = cuda.why_unavailable()
    if reason is None:
        pytest.skip("a CUDA device, or the simulator, can be used here")
    assert re.fullmatch(r'backend "cuda" needs .+ \(.+\); .*use backend="parallel".*', reason)
    with pytest.raises(RuntimeError, match=re.escape(reason)):
        cuda.CudaUpdate(RULES["adam"], np.float32)
