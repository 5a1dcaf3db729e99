"""CUDA kernels without a device: their PTX is read, and their loops run on numba-cuda's simulator beside the oracle."""

import importlib.util
import re
import subprocess
import sys

import numba
import numpy as np
import pytest

from fastopt.kernels import cuda, cuda_element, cuda_vector, reference
from fastopt.kernels.around import PLAIN, Around, flush_below
from fastopt.kernels.cpu import compiled_update
from fastopt.kernels.rules import RULES, Rule

from . import cuda_simulator_worker as simulator
from .on_simulator import arrays_from
from .tolerances import TOLERANCE, relative_error
from .updates import call_update

DTYPES = ["float32", "float64"]

needs_numba_cuda = pytest.mark.skipif(
    importlib.util.find_spec("numba_cuda") is None, reason="numba-cuda is not installed"
)


@pytest.fixture(scope="module")
def compiler():
    if reason := cuda.why_no_compiler():
        pytest.skip(f"compiling to PTX needs {reason}")


CAPABILITIES = [(7, 5), (8, 0), (9, 0)]


def check_loop(ptx, compute_capability):
    assert ".target sm_{}{}".format(*compute_capability) in ptx
    assert ptx.count(".entry") == 1
    assert ".func" not in ptx
    assert ".f64" not in ptx


def body(ptx):
    """The instructions of the one kernel, without the names, in which anything may stand."""
    return re.sub(r"\b_Z\w+", "", ptx[ptx.index("\n{") :])


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize(
    ("compute_capability", "wide"),
    # the wide loop ends with the narrow one's step
    [((9, 0), False), *((capability, True) for capability in CAPABILITIES)],
)
@pytest.mark.parametrize("rule", RULES)
def test_a_float32_loop_is_one_kernel_without_float64_or_calls(rule, compute_capability, wide):
    check_loop(cuda.compile_ptx(RULES[rule], np.float32, compute_capability, wide=wide), compute_capability)


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("wide", [False, True], ids=["narrow", "wide"])
@pytest.mark.parametrize("around", [Around(flushes=False), Around(clips=True, decays=True, zeroes=True)], ids=str)
@pytest.mark.parametrize("rule", simulator.REPRESENTATIVES)
def test_what_happens_around_a_rule_brings_no_float64_and_no_calls(rule, around, wide):
    check_loop(cuda.compile_ptx(RULES[rule], np.float32, (9, 0), around, wide=wide), (9, 0))


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("rule", RULES)
def test_a_float64_loop_compiles(rule):
    instructions = body(cuda.compile_ptx(RULES[rule], np.float64, (9, 0)))
    assert "st.global.f64" in instructions
    assert ".f32" not in instructions


@pytest.mark.usefixtures("compiler")
@pytest.mark.parametrize("around", [PLAIN, Around(zeroes=True)], ids=str)
@pytest.mark.parametrize(("dtype", "kind"), [("float32", "v4.f32"), ("float64", "v2.f64")])
@pytest.mark.parametrize("rule", simulator.REPRESENTATIVES)
def test_a_wide_loop_moves_every_array_16_bytes_at_a_time(rule, dtype, kind, around):
    instructions = body(cuda.compile_ptx(RULES[rule], dtype, (9, 0), around, wide=True))
    arrays = 1 + len(RULES[rule].states)  # params and state; the loop may be unrolled, so there may be more of them
    loads, stores = (instructions.count(f"{access}.global.{kind}") for access in ("ld", "st"))
    assert loads > 0
    assert loads % (arrays + 1) == 0
    assert stores * (arrays + 1) == loads * (arrays + around.zeroes)


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
@pytest.mark.parametrize("compute_capability", CAPABILITIES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_norm_is_two_kernels_without_calls_that_add_in_float64(dtype, compute_capability):
    squares, factor = cuda.compile_norm_ptx(dtype, compute_capability)
    for ptx in (squares, factor):
        assert ".target sm_{}{}".format(*compute_capability) in ptx
        assert ptx.count(".entry") == 1
        assert ".func" not in ptx
        assert "bar.sync" in ptx
    assert f"ld.global.{'f32' if dtype == 'float32' else 'f64'}" in body(squares)
    assert re.search(r"fma\.rn\.f64|add\.f64", body(squares))
    assert "sqrt.rn.f64" in body(factor)


@pytest.mark.usefixtures("compiler")
def test_coefficients_may_be_of_mixed_types():
    def coefficients(step, learning_rate):
        return learning_rate, step, 2

    def update(param, grad, learning_rate, step, two):
        return (param - learning_rate * grad / step * two,)

    rule = Rule("mixed", update, coefficients, (), ("learning_rate",))
    assert "st.global.f32" in cuda.compile_coefficients_ptx(rule, np.float32)
    assert ".f64" not in cuda.compile_ptx(rule, np.float32)


def aligned(values):
    """A copy of a flat array at a multiple of 16 bytes."""
    room = np.empty(values.nbytes + 16, np.uint8)
    start = -room.ctypes.data % 16
    array = room[start : start + values.nbytes].view(values.dtype)
    array[...] = values
    return array


@pytest.mark.parametrize("zeroes", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", simulator.REPRESENTATIVES)
def test_a_wide_step_compiled_for_the_cpu_is_that_of_the_cpu_loop(rule, dtype, zeroes):
    rule, dtype, around = RULES[rule], np.dtype(dtype), Around(zeroes=zeroes)
    width, k, n = cuda_vector.width(dtype), len(rule.states), 12
    update = cuda_element.element_update(rule, dtype, around)
    step = cuda_vector.wide_step(update, dtype, zeroes, numba.extending.intrinsic)

    @numba.njit(error_model="numpy")
    def loop(params, grads, rows, common):
        for i in range(0, params.size, width):
            step(params, grads, rows, i, common)

    rng = np.random.default_rng(1)
    params, grads, *rows = (aligned(rng.random(n).astype(dtype)) for _ in range(2 + k))
    own = [0.1 if name == "learning_rate" else simulator.HYPER[name] for name in rule.hyper]
    want, want_grads, want_rows = params.copy(), grads.copy()[None], np.array(rows).reshape(k, n)
    hyper = np.array([*own, np.inf, 0.0, np.inf])
    address = compiled_update(rule, dtype, around).address
    call_update(address, want, want_grads, want_rows, hyper, 2, 0.25)
    common = tuple(dtype.type(value) for value in (0.25, np.inf, 0.0, *rule.coefficients(2, *own)))
    loop(params, grads, tuple(rows), common)
    np.testing.assert_array_equal(grads, want_grads[0])
    np.testing.assert_allclose(params, want, rtol=8 * np.finfo(dtype).eps)
    np.testing.assert_allclose(np.array(rows).reshape(k, n), want_rows, rtol=8 * np.finfo(dtype).eps)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    return arrays_from(simulator.__name__, tmp_path_factory.mktemp("cuda") / "simulated.npz")


@needs_numba_cuda
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rule", RULES)
def test_every_step_on_the_simulator_is_the_reference_step(rule, dtype, simulated):
    for case in simulator.cases(rule, dtype):
        all_params, all_states = simulated[f"{case} params"], simulated[f"{case} state"]
        assert all_params.dtype == all_states.dtype == dtype
        first, arguments = simulator.steps(case)
        np.testing.assert_array_equal(all_params[0], first)
        limit = flush_below(dtype) if case.around.flushes else 0.0
        for grads, hyper, step in arguments:
            params, state = all_params[step - 1].copy(), all_states[step - 1].copy()
            formula = reference.FORMULAS[rule]
            reference.update(formula, params, grads, state, hyper, step, simulator.GRAD_SCALE, limit)
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


@needs_numba_cuda
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("flushes", [False, True])
def test_state_is_flushed_only_where_that_is_compiled(dtype, flushes, simulated):
    case = simulator.Case("momentum_heavy_ball", dtype, 35, 1, Around(flushes=flushes))
    state = simulated[f"{case} state"]
    small = (state[0] > 0) & (state[0] < flush_below(dtype))
    assert small.any()
    assert (state[1][small] == 0).all() == flushes


@needs_numba_cuda
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", simulator.NORMS)
def test_the_factor_on_the_simulator_is_that_of_the_reference(name, dtype, simulated):
    clip_norm, grad_scale, *_ = simulator.NORMS[name]
    gradients = [gradient.sum(axis=0) for gradient in simulator.norm_gradients(name, dtype)]
    found = simulated[f"{name} norm {dtype}"]
    assert found.shape == (1,)
    np.testing.assert_allclose(found[0], reference.norm_factor(gradients, clip_norm, grad_scale), rtol=1e-14)


@needs_numba_cuda
def test_a_factor_multiplies_the_scale_of_the_gradient(simulated):
    np.testing.assert_array_equal(simulated["step with factor"], np.full(5, -0.5 * 0.25, np.float32))


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
