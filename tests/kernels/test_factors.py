"""Updates by factors give what updates of the written gradient give, bit by bit, at every width of a layer."""

import numba
import numpy as np
import pytest
from numba import njit

from fastopt.kernels import cpu, factors
from fastopt.kernels.around import Around
from fastopt.kernels.callback import call_void
from fastopt.kernels.memory import address
from fastopt.kernels.rules import RULES

from .test_cpu import hyper_of
from .updates import call_update

DTYPES = [np.float32, np.float64]

# (inputs, outputs): none, narrow, whole vectors and not, in one block or several, and one row to a block.
LAYERS = [(0, 3), (64, 10), (7, 32), (300, 33), (130, 128), (3, cpu.BLOCK + 5), (2, cpu.BLOCK + 16), (1, 1)]

GUARD = 64


@njit
def call_factored(update, params, grads, state, hyper, table, step, grad_scale):
    arrays = address(params), address(grads), address(state), address(hyper)
    call_void(update, (*arrays, params.size, address(table), step, grad_scale))


@njit
def written(table, grads):
    factors.write_gradient(table, grads)


def layers_of(dtype, layers=LAYERS):
    """The factors of some layers, every fifth input zero as behind a relu, and the table of where they lie."""
    rng = np.random.default_rng(0)
    pairs = [(rng.standard_normal(i).astype(dtype), rng.standard_normal(o).astype(dtype)) for i, o in layers]
    for inputs, _ in pairs:
        inputs[::5] = 0
    table = factors.table(layers)
    for row, (inputs, slopes) in zip(table, pairs, strict=True):
        row[[factors.INPUTS_AT, factors.SLOPES_AT]] = inputs.ctypes.data, slopes.ctypes.data
    return pairs, table


def gradient(pairs):
    return np.concatenate([np.outer(np.append(x, x.dtype.type(1)), slopes).ravel() for x, slopes in pairs])


def guarded(rows, n, dtype, rng):
    """A (rows, n) array of positive numbers within a larger one, and the larger one."""
    whole = np.full(rows * n + 2 * GUARD, np.nan, dtype)
    whole[GUARD : GUARD + rows * n] = rng.uniform(0.5, 2.0, rows * n)
    return whole[GUARD : GUARD + rows * n].reshape(rows, n), whole


def problem(rule, n, dtype):
    rng = np.random.default_rng(n)
    return guarded(1, n, dtype, rng), guarded(len(rule.states), n, dtype, rng)


def check_guards(*wholes):
    for whole in wholes:
        assert np.isnan(whole[:GUARD]).all()
        assert np.isnan(whole[-GUARD:]).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("parallel", [False, True], ids=["serial", "parallel"])
def test_steps_by_factors_are_those_of_the_written_gradient(name, dtype, parallel):
    rule, (pairs, table) = RULES[name], layers_of(dtype)
    around, hyper = Around(clips=True, decays=True), hyper_of(rule, clip_value=1.5, weight_decay=0.1)
    grads = gradient(pairs).reshape(1, -1)
    plain = cpu.compiled_update(rule, dtype, around)
    factored = factors.compiled_factored_update(rule, dtype, around, parallel=parallel)
    (want, _), (want_state, _) = problem(rule, grads.size, dtype)
    (params, all_params), (state, all_state) = problem(rule, grads.size, dtype)
    scratch, all_scratch = guarded(1, grads.size, dtype, np.random.default_rng(1))
    for step in (1, 2, 3):
        call_update(plain.address, want[0], grads, want_state, hyper, step, 0.25)
        call_factored(factored.address, params[0], scratch, state, hyper, table, step, 0.25)
    np.testing.assert_array_equal(params, want)
    np.testing.assert_array_equal(state, want_state)
    check_guards(all_params, all_state, all_scratch)


@pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one processor: there is nothing to spread")
def test_threads_do_not_change_a_bit():
    rule, (pairs, table) = RULES["adam"], layers_of(np.float32, [(784, 128), (128, 10)])
    n, found = gradient(pairs).size, []
    factored = factors.compiled_factored_update(rule, np.float32, parallel=True)
    before = numba.get_num_threads()
    for threads in (1, 2):
        numba.set_num_threads(threads)
        try:
            (params, _), (state, _) = problem(rule, n, np.float32)
            call_factored(factored.address, params[0], np.zeros((1, n), np.float32), state, hyper_of(rule), table, 1, 1)
        finally:
            numba.set_num_threads(before)
        found.append((params.tobytes(), state.tobytes()))
    assert found[0] == found[1]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_gradient_is_written_where_somebody_wants_to_see_it(dtype):
    pairs, table = layers_of(dtype)
    want = gradient(pairs)
    out, whole = guarded(1, want.size, dtype, np.random.default_rng(2))
    written(table, out[0])
    np.testing.assert_array_equal(out[0], want)
    check_guards(whole)


def test_a_number_that_is_not_finite_reaches_the_parameters():
    """Zero times infinity is not zero: a relu that let nothing through must not hide that a slope is infinite."""
    rule, (pairs, table) = RULES["sgd"], layers_of(np.float32, [(10, 32)])
    pairs[0][1][3] = np.inf
    (params, _), (state, _) = problem(rule, 11 * 32, np.float32)
    factored = factors.compiled_factored_update(rule, np.float32)
    call_factored(factored.address, params[0], np.zeros((1, 352), np.float32), state, hyper_of(rule), table, 1, 1.0)
    column = params.reshape(11, 32)[:, 3]
    assert np.isnan(column[[0, 5]]).all()  # the inputs that are zero
    assert not np.isfinite(column).any()
    assert np.isfinite(np.delete(params.reshape(11, 32), 3, axis=1)).all()
