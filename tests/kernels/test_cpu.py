"""The compiled CPU updates against the oracle, against each other, and against what Numba is tempted to do."""

import os
import subprocess
import sys
import textwrap

import numba
import numpy as np
import pytest

from fastopt.kernels import compiling, cpu, reference
from fastopt.kernels.around import Around, flush_below
from fastopt.kernels.rules import RULES

from .hyper import HYPER
from .tolerances import TOLERANCE, relative_error
from .updates import call_update

DTYPES = [np.float32, np.float64]
SIZES = (0, 1, 15, 16, 17, 33, 1000, 100_003)
BLOCKS = 2 * cpu.BLOCK + 11  # three iterations of the outer loop, the last one short


def start(rng, n, dtype):
    """Parameters away from zero: where a tiny parameter meets a velocity that just cancelled out, |p| + |step| says
    nothing about the rounding of the terms that cancelled."""
    return (rng.choice([-1.0, 1.0], n) * rng.uniform(0.5, 2.0, n)).astype(dtype)


def hyper_of(rule, clip_value=np.inf, weight_decay=0.0):
    return np.array([*(HYPER[name] for name in rule.hyper), clip_value, weight_decay, np.inf])


def problem(rule, n, dtype, rows=1, clip_value=np.inf, weight_decay=0.0):
    """Parameters, gradients, state after some past, hyperparameters."""
    rng = np.random.default_rng(n)
    grads = rng.standard_normal((rows, n)).astype(dtype)
    state = np.abs(rng.standard_normal((len(rule.states), n))).astype(dtype)  # v and s are averages of squares
    return start(rng, n, dtype), grads, state, hyper_of(rule, clip_value, weight_decay)


def check_step(rule, compiled, arguments, flushes=True):
    """Do one step in place and hold it against the oracle's; the gradients stay as they are."""
    params, grads, state, hyper, step, scale = arguments
    limit = float(flush_below(params.dtype)) if flushes else 0.0
    want, want_state, before, before_state = params.copy(), state.copy(), params.copy(), state.copy()
    with np.errstate(all="ignore"):
        reference.update(reference.FORMULAS[rule.name], want, grads, want_state, hyper, step, scale, limit)
    call_update(compiled.address, params, grads.copy(), state, hyper, step, scale)
    tolerance = TOLERANCE[params.dtype]
    # Once state is infinite, b s + (1 - b) g^2 stays so and m + (1 - b)(g - m) is NaN: lost either way.
    alive = np.isfinite(before_state).all(axis=0)
    assert relative_error(params[alive], want[alive], before[alive]) <= tolerance
    for name, *rows in zip(rule.states, state, want_state, before_state, strict=True):
        assert relative_error(*(row[alive] for row in rows), negligible=2 * limit) <= tolerance, name
    assert not np.isfinite(state[:, ~alive]).all(axis=0).any()


SPECIAL = (0.0, 1e-40, -1e-310, 1e15, -1e15, np.nan, np.inf, -np.inf)


def special_gradients(rng, n, dtype):
    """Normal gradients; from the eighth on, every fourth element may get a special one."""
    grads = rng.standard_normal((1, n))
    places = np.arange(7, n, 4)
    chosen = places[rng.random(places.size) < 0.05]
    grads[0, chosen] = rng.choice(SPECIAL, chosen.size)
    return grads.astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("parallel", [False, True], ids=["serial", "parallel"])
@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_a_hundred_steps_equal_the_reference_at_every_size(rule, parallel, dtype):
    """With a changing rate and every kind of gradient; parameters are dealt anew before each step, state goes on."""
    compiled = cpu.compiled_update(rule, dtype, parallel=parallel)
    for n in SIZES:
        rng, hyper = np.random.default_rng(n), hyper_of(rule)
        state = np.zeros((len(rule.states), n), dtype)
        for step in range(1, 101):
            hyper[0] = 0.05 / step
            arguments = start(rng, n, dtype), special_gradients(rng, n, dtype), state, hyper, step, 0.5
            check_step(rule, compiled, arguments)
        if n >= 1000:
            assert not np.isfinite(state).all() or not len(rule.states)  # the special ones were there


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("clips", "decays"), [(True, False), (False, True), (True, True)])
@pytest.mark.parametrize("name", ["sgd", "momentum_ema", "adam", "amsgrad"])
def test_gradients_are_scaled_clipped_and_decayed_in_this_order(name, clips, decays, dtype):
    rule = RULES[name]
    compiled = cpu.compiled_update(rule, dtype, Around(clips, decays))
    bounds = {"clip_value": 0.3 if clips else np.inf, "weight_decay": 0.1 if decays else 0.0}
    params, grads, state, hyper = problem(rule, 1000, dtype, **bounds)
    for step in range(1, 6):
        check_step(rule, compiled, (params, grads * step, state, hyper, step, 0.5))


@pytest.mark.parametrize("rows", [2, 3, 8])
def test_gradient_rows_are_summed_as_they_are_read(rows):
    rule = RULES["momentum_heavy_ball"]
    compiled = cpu.compiled_update(rule, np.float64)
    check_step(rule, compiled, (*problem(rule, BLOCKS, np.float64, rows), 1, 0.5))


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_gradients_that_are_to_be_cleared_are_zero_after_the_same_step(name, rows):
    rule = RULES[name]
    results = []
    for zeroes in (False, True):
        params, grads, state, hyper = problem(rule, BLOCKS, np.float32, rows)
        compiled = cpu.compiled_update(rule, np.float32, Around(zeroes=zeroes))
        call_update(compiled.address, params, grads, state, hyper, 1, 1.0)
        results.append(params.tobytes() + state.tobytes())
        assert bool(grads.any()) is not zeroes
    assert results[0] == results[1]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["momentum_heavy_ball", "adam", "amsgrad"])
def test_state_below_the_limit_becomes_zero_unless_told_otherwise(name, dtype):
    rule, limit = RULES[name], flush_below(dtype)
    for flushes in (True, False):
        compiled = cpu.compiled_update(rule, dtype, Around(flushes=flushes))
        params, state = np.ones(4, dtype), np.empty((len(rule.states), 4), dtype)
        state[:] = limit * np.array([0.5, -0.5, 4.0, -4.0], dtype)
        if name != "momentum_heavy_ball":
            np.abs(state, out=state)  # a second moment is not negative
        call_update(compiled.address, params, np.zeros((1, 4), dtype), state, hyper_of(rule), 1, 1.0)
        assert bool(state[:, :2].any()) is not flushes
        assert state[:, 2:].all()


def test_a_dead_gradient_leaves_no_subnormal_number_behind():
    rule = RULES["adam"]
    compiled = cpu.compiled_update(rule, np.float32)
    params, grads, state, hyper = problem(rule, 100, np.float32)
    for step in range(1, 3000):
        if step == 5:
            grads[:] = 0
        call_update(compiled.address, params, grads, state, hyper, step, 1.0)
        smallest = np.abs(state[state != 0]).min(initial=1.0)
        assert smallest >= flush_below(np.float32)
    assert not state[0].any()  # m fades by a tenth a step


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
                call_update(compiled.address, params, grads.copy(), state, hyper, step, 1.0)
        finally:
            numba.set_num_threads(most)
        results.append((params.tobytes(), state.tobytes()))
    assert len(set(results)) == 1


def test_a_nan_gradient_passes_the_clip_and_reaches_the_parameter():
    rule = RULES["sgd"]
    compiled = cpu.compiled_update(rule, np.float32, Around(clips=True))
    params, _, state, _ = problem(rule, 3, np.float32)
    grads = np.array([[np.nan, np.inf, -np.inf]], dtype=np.float32)
    before = params.copy()
    call_update(compiled.address, params, grads, state, np.array([1.0, 2.0, 0.0, np.inf]), 1, 1.0)
    assert np.isnan(params[0])
    np.testing.assert_array_equal(params[1:], before[1:] - np.array([2.0, -2.0], np.float32))


LLVM_OF_ALL = """
    import re
    import numpy as np
    from fastopt.kernels import cpu
    from fastopt.kernels.around import Around
    from fastopt.kernels.rules import RULES, Rule, sgd_coefficients

    HALF = 0.5

    def careless(param, grad, learning_rate):
        return (param - learning_rate * grad * HALF,)

    careless = Rule("careless", careless, sgd_coefficients, (), ("learning_rate",))
    for rule in (*RULES.values(), careless):
        llvm = cpu.compiled_update(rule, np.float32, Around(clips=True, decays=True))._library.get_llvm_str()
        overlaps = len(re.findall(r"^vector\\.memcheck.*:", llvm, re.MULTILINE))
        print(rule.name, llvm.count(" x float>"), llvm.count(" x double>"), overlaps)
"""


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """Vectors of float and of double in the LLVM code of every float32 update, and blocks that ask whether arrays
    overlap; not from the cache, which keeps none."""
    output = run_python(LLVM_OF_ALL, tmp_path_factory.mktemp("cache"))
    return {name: tuple(map(int, counts)) for name, *counts in map(str.split, output.splitlines())}


@pytest.mark.parametrize("name", RULES)
def test_the_float32_loop_is_vectorised_and_holds_no_float64(name, vectors):
    floats, doubles, _ = vectors[name]
    assert floats > 0
    assert doubles == 0


@pytest.mark.parametrize("name", RULES)
def test_the_loop_does_not_ask_whether_its_arrays_overlap(name, vectors):
    assert vectors[name][2] == 1  # that of adding up gradient rows, which a step of one row does not reach


def test_a_stray_number_in_a_rule_shows_as_vectors_of_double(vectors):
    assert vectors["careless"][1] > 0


def run_python(code, cache, *arguments):
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    command = [sys.executable, "-c", textwrap.dedent(code), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


SECOND_PROCESS = """
    import numpy as np
    from fastopt.kernels import cpu, tensors
    from fastopt.kernels.rules import RULES
    hits = []
    for name in ("sgd", "adam"):
        for parallel in (False, True):
            hits.append(cpu.compiled_update(RULES[name], np.float32, parallel=parallel).cache_hits)
    serial = cpu.compiled_update(RULES["adam"], np.float32)
    params, grads, state = np.ones(5, np.float32), np.ones(5, np.float32), np.zeros((2, 5), np.float32)
    table = np.array([[serial.address, *(array.ctypes.data for array in (params, grads, state)), 5]])
    tensors.step_serial(table, np.array([0.1, 0.9, 0.999, 1e-8, np.inf, 0.0, np.inf]), 1, 1.0)
    stats = tensors.step_serial.stats
    print(hits, sum(stats.cache_hits.values()), sum(stats.cache_misses.values()), params[0])
"""


def test_a_second_process_compiles_nothing_and_gets_the_same_variants(tmp_path):
    assert run_python(SECOND_PROCESS, tmp_path) == "[0, 0, 0, 0] 0 1 0.9\n"
    assert run_python(SECOND_PROCESS, tmp_path) == "[1, 1, 1, 1] 1 0 0.9\n"


FACTOR = 2.0


def _literals(param, grad, learning_rate):
    return (param - learning_rate * 2.0 * grad,)


def _constant(param, grad, learning_rate):
    return (param - learning_rate * FACTOR * grad,)


def _constant_within(param, grad, learning_rate):
    return (param - learning_rate * sum([FACTOR * g for g in (grad,)]),)


def _default(param, grad, learning_rate=FACTOR):
    return (param - learning_rate * grad,)


def test_text_is_a_digest_only_of_what_text_decides():
    assert compiling.source_digest(_literals) is not None
    for function in (_constant, _constant_within, _default):
        assert compiling.source_digest(function) is None, function.__name__


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
    from tests.kernels.updates import call_update
    hyper = {"learning_rate": 0.05, "beta": 0.9, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}
    names = sys.argv[1:]
    for parallel in (True, False):
        found = {name: cpu.compiled_update(RULES[name], np.float32, parallel=parallel) for name in names}
        for name, compiled in found.items():
            assert compiled.cache_hits == 1
            k = len(RULES[name].states)
            params, grads, state = (np.ones(shape, np.float32) for shape in (40, (1, 40), (k, 40)))
            values = np.array([*(hyper[h] for h in RULES[name].hyper), np.inf, 0.0, np.inf])
            expected, expected_state = params.copy(), state.copy()
            reference.update(reference.FORMULAS[name], expected, grads, expected_state, values, 3)
            call_update(compiled.address, params, grads, state, values, 3, 1.0)
            print(name, parallel, np.allclose(params, expected), np.allclose(state, expected_state))
"""


def test_kernels_cached_by_different_processes_do_not_take_each_others_place(tmp_path):
    """Numba numbers functions per process: two of one name, each the first of its process, are one symbol to LLVM."""
    names = ["rmsprop", "momentum_ema", "momentum_heavy_ball", "adam", "adam_inside"]
    for name in names:
        run_python(COMPILE_ONE, tmp_path, name)
    lines = run_python(CHECK_ALL, tmp_path, *names).splitlines()
    assert lines == [f"{name} {parallel} True True" for parallel in (True, False) for name in names]
