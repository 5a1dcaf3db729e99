"""The compiled CPU updates against the oracle, against each other, and against what Numba is tempted to do."""

import os
import subprocess
import sys
import textwrap

import numba
import numpy as np
import pytest

from fastopt.kernels import cpu, reference
from fastopt.kernels.rules import RULES

from .tolerances import TOLERANCE, relative_error

HYPER = {"learning_rate": 0.05, "beta": 0.9, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
DTYPES = [np.float32, np.float64]
BLOCKS = 2 * cpu.BLOCK + 11  # three iterations of the outer loop, the last one short


def problem(rule, n, dtype, rows=1, clip_value=np.inf, weight_decay=0.0):
    """Parameters, gradients, state after some past, hyperparameters."""
    rng = np.random.default_rng(n)
    # Away from zero: where a tiny parameter meets a velocity that just cancelled out, |p| + |step| says nothing about
    # the rounding of the terms that cancelled.
    params = (rng.choice([-1.0, 1.0], n) * rng.uniform(0.5, 2.0, n)).astype(dtype)
    grads = rng.standard_normal((rows, n)).astype(dtype)
    state = np.abs(rng.standard_normal((len(rule.states), n))).astype(dtype)  # v and s are averages of squares
    hyper = np.array([*(HYPER[name] for name in rule.hyper), clip_value, weight_decay])
    return params, grads, state, hyper


def check_steps(rule, compiled, problem, steps=5):
    params, grads, state, hyper = problem
    tolerance = TOLERANCE[params.dtype]
    for step in range(1, steps + 1):
        hyper[0] = 0.05 / step
        gradient = grads * params.dtype.type(step)
        want, want_state = params.copy(), state.copy()
        reference.update(rule.name, want, gradient, want_state, hyper, step, 0.5)
        before, before_state = params.copy(), state.copy()
        cpu.call_update(compiled.address, params, gradient.copy(), state, hyper, step, 0.5)
        assert relative_error(params, want, before) <= tolerance
        assert relative_error(state, want_state, before_state) <= tolerance


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("parallel", [False, True], ids=["serial", "parallel"])
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_every_step_equals_the_reference_at_every_size(rule, parallel, dtype):
    compiled = cpu.compiled_update(rule, dtype, parallel=parallel)
    for n in (0, 1, 15, 16, 17, 33, 1000, BLOCKS):
        check_steps(rule, compiled, problem(rule, n, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("clips", "decays"), [(True, False), (False, True), (True, True)])
def test_gradients_are_scaled_clipped_and_decayed_in_this_order(clips, decays, dtype):
    rule = RULES["adam"]
    compiled = cpu.compiled_update(rule, dtype, clips=clips, decays=decays)
    bounds = {"clip_value": 0.3 if clips else np.inf, "weight_decay": 0.1 if decays else 0.0}
    check_steps(rule, compiled, problem(rule, 1000, dtype, **bounds))


@pytest.mark.parametrize("rows", [2, 3, 8])
def test_gradient_rows_are_summed_as_they_are_read(rows):
    rule = RULES["momentum_heavy_ball"]
    check_steps(rule, cpu.compiled_update(rule, np.float64), problem(rule, BLOCKS, np.float64, rows))


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_serial_and_parallel_give_the_same_bits_for_any_number_of_threads(rule):
    results = []
    most = numba.get_num_threads()
    for parallel, threads in [(False, most), *((True, threads) for threads in range(1, most + 1))]:
        compiled = cpu.compiled_update(rule, np.float32, parallel=parallel)
        params, grads, state, hyper = problem(rule, 100_003, np.float32, rows=3)
        numba.set_num_threads(threads)
        try:
            for step in (1, 2, 3):
                cpu.call_update(compiled.address, params, grads.copy(), state, hyper, step, 1.0)
        finally:
            numba.set_num_threads(most)
        results.append((params.tobytes(), state.tobytes()))
    assert len(set(results)) == 1


def test_a_nan_gradient_passes_the_clip_and_reaches_the_parameter():
    rule = RULES["sgd"]
    compiled = cpu.compiled_update(rule, np.float32, clips=True)
    params, _, state, _ = problem(rule, 3, np.float32)
    grads = np.array([[np.nan, np.inf, -np.inf]], dtype=np.float32)
    before = params.copy()
    cpu.call_update(compiled.address, params, grads, state, np.array([1.0, 2.0, 0.0]), 1, 1.0)
    assert np.isnan(params[0])
    np.testing.assert_array_equal(params[1:], before[1:] - np.array([2.0, -2.0], np.float32))


LLVM_OF_ALL = """
    import numpy as np
    from fastopt.kernels import cpu
    from fastopt.kernels.rules import RULES, Rule, sgd_coefficients

    def careless(param, grad, learning_rate):
        return (param - learning_rate * grad * 0.5,)

    careless = Rule("careless", careless, sgd_coefficients, (), ("learning_rate",))
    for rule in (*RULES.values(), careless):
        llvm = cpu.compiled_update(rule, np.float32, clips=True, decays=True)._library.get_llvm_str()
        print(rule.name, llvm.count(" x float>"), llvm.count(" x double>"))
"""


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """Vectors of float and of double in the LLVM code of every float32 update; not from the cache, which keeps none."""
    output = run_python(LLVM_OF_ALL, tmp_path_factory.mktemp("cache"))
    return {name: (int(floats), int(doubles)) for name, floats, doubles in map(str.split, output.splitlines())}


@pytest.mark.parametrize("name", RULES)
def test_the_float32_loop_is_vectorised_and_holds_no_float64(name, vectors):
    floats, doubles = vectors[name]
    assert floats > 0
    assert doubles == 0


def test_a_stray_literal_in_a_rule_shows_as_vectors_of_double(vectors):
    assert vectors["careless"][1] > 0


def run_python(code, cache, *arguments):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


SECOND_PROCESS = """
    import numpy as np
    from fastopt.kernels import cpu
    from fastopt.kernels.rules import RULES
    hits = []
    for name in ("sgd", "adam"):
        for parallel in (False, True):
            hits.append(cpu.compiled_update(RULES[name], np.float32, parallel=parallel).cache_hits)
    serial = cpu.compiled_update(RULES["adam"], np.float32)
    arrays = np.ones(5, np.float32), np.ones((1, 5), np.float32), np.zeros((2, 5), np.float32)
    cpu.call_update(serial.address, *arrays, np.array([0.1, 0.9, 0.999, 1e-8, np.inf, 0.0]), 1, 1.0)
    stats = cpu.call_update.stats
    print(hits, sum(stats.cache_hits.values()), sum(stats.cache_misses.values()), arrays[0][0])
"""


def test_a_second_process_compiles_nothing_and_gets_the_same_variants(tmp_path):
    assert run_python(SECOND_PROCESS, tmp_path) == "[0, 0, 0, 0] 0 1 0.9\n"
    assert run_python(SECOND_PROCESS, tmp_path) == "[1, 1, 1, 1] 1 0 0.9\n"


COMPILE_ONE = """
    import sys
    import numpy as np
    from fastopt.kernels import cpu
    from fastopt.kernels.rules import RULES
    for parallel in (False, True):
        cpu.compiled_update(RULES[sys.argv[1]], np.float32, parallel=parallel)
"""

CHECK_ALL = """
    import sys
    import numpy as np
    from fastopt.kernels import cpu, reference
    from fastopt.kernels.rules import RULES
    hyper = {"learning_rate": 0.05, "beta": 0.9, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    names = sys.argv[1:]
    for parallel in (True, False):
        found = {name: cpu.compiled_update(RULES[name], np.float32, parallel=parallel) for name in names}
        for name, compiled in found.items():
            assert compiled.cache_hits == 1
            k = len(RULES[name].states)
            params, grads, state = (np.ones(shape, np.float32) for shape in (40, (1, 40), (k, 40)))
            values = np.array([*(hyper[h] for h in RULES[name].hyper), np.inf, 0.0])
            expected, expected_state = params.copy(), state.copy()
            reference.update(name, expected, grads, expected_state, values, 3)
            cpu.call_update(compiled.address, params, grads, state, values, 3, 1.0)
            print(name, parallel, np.allclose(params, expected), np.allclose(state, expected_state))
"""


def test_kernels_cached_by_different_processes_do_not_take_each_others_place(tmp_path):
    """Numba numbers functions per process: two of one name, each the first of its process, are one symbol to LLVM."""
    names = ["rmsprop", "momentum_ema", "momentum_heavy_ball", "adam", "adam_inside"]
    for name in names:
        run_python(COMPILE_ONE, tmp_path, name)
    lines = run_python(CHECK_ALL, tmp_path, *names).splitlines()
    assert lines == [f"{name} {parallel} True True" for parallel in (True, False) for name in names]
