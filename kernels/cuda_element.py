"""What a CUDA loop does to one element, and how numbers get from arrays into tuples and back.

A tuple cannot be indexed by a loop variable in compiled code, and the tools that unpack arrays in CPU code do not run
under the simulator: so tuples are built up by functions that are made one entry at a time.
"""

import functools
import inspect

from numba.extending import register_jitable

from .around import flush, prepare
from .compiling import jitable
from .literals import with_literals

# The device block: grad_scale, clip_value, weight_decay, then the rule's coefficients.
COMMON = 3


def count_coefficients(rule):
    """Return how many arguments the rule has after the parameter, the gradient and the state."""
    return len(inspect.signature(rule.update).parameters) - 2 - len(rule.states)


def element_update(rule, dtype, around):
    """Return update((param, grad, *state), (scale, clip, decay, *coefficients)) -> (param, *state) for one element.

    `grad` is the sum of the gradient rows. The second tuple is what `load_values` reads from the device block.
    """
    scalar_rule, prepared = jitable(with_literals(rule.update, dtype)), prepare(around)
    flushed = _flushed(len(rule.states), flush(around, dtype))

    def update(values, common):
        param, scale, clip, decay = values[0], common[0], common[1], common[2]
        grad = prepared(scale * values[1], param, clip, decay)
        return flushed(scalar_rule(param, grad, *(values[2:] + common[COMMON:])))

    return jitable(update)


def _flushed(n_states, flush):
    if n_states == 0:
        return jitable(lambda new: (new[0],))
    before, last = _flushed(n_states - 1, flush), n_states

    def flushed(new):
        return (*before(new), flush(new[last]))

    return jitable(flushed)


@register_jitable
def total(grads, i):
    """Return the sum of the gradient rows at i, first to last, as on the CPU."""
    sum_of_rows = grads[0, i]
    for row in range(1, grads.shape[0]):
        sum_of_rows += grads[row, i]
    return sum_of_rows


@register_jitable
def clear(grads, i):
    """Set every gradient row to zero at i."""
    for row in range(grads.shape[0]):
        grads[row, i] = 0


@functools.cache
def store_block(n_coefficients):
    """Return store(block, coefficients), which writes them where `load_values` finds them."""
    if n_coefficients == 0:
        return jitable(lambda block, coefficients: None)
    before, last = store_block(n_coefficients - 1), n_coefficients - 1

    def store(block, coefficients):
        before(block, coefficients)
        block[COMMON + last] = coefficients[last]

    return jitable(store)


@functools.cache
def load_values(count):
    """Return load(block) -> its first `count` values."""
    if count == 0:
        return jitable(lambda block: ())
    before, last = load_values(count - 1), count - 1

    def load(block):
        return (*before(block), block[last])

    return jitable(load)


@functools.cache
def state_rows(n_states):
    """Return rows(state f[k, n]) -> k arrays f[n]."""
    if n_states == 0:
        return jitable(lambda state: ())
    before, last = state_rows(n_states - 1), n_states - 1

    def rows(state):
        return (*before(state), state[last])

    return jitable(rows)


@functools.cache
def load_state(n_states):
    """Return load(rows, i) -> the k values at i."""
    if n_states == 0:
        return jitable(lambda rows, i: ())
    before, last = load_state(n_states - 1), n_states - 1

    def load(rows, i):
        return (*before(rows, i), rows[last][i])

    return jitable(load)


@functools.cache
def store_state(n_states):
    """Return store(rows, i, new), which writes new[1], ..., new[k] of (param, *state) at i."""
    if n_states == 0:
        return jitable(lambda rows, i, new: None)
    before, last = store_state(n_states - 1), n_states - 1

    def store(rows, i, new):
        before(rows, i, new)
        rows[last][i] = new[last + 1]

    return jitable(store)


@functools.cache
def each(update, width):
    """Return update_all(lanes, common) -> the new values of `width` elements, by lanes."""
    if width == 0:
        return jitable(lambda lanes, common: ())
    before, last = each(update, width - 1), width - 1

    def update_all(lanes, common):
        return (*before(lanes, common), update(lanes[last], common))

    return jitable(update_all)
