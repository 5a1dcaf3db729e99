"""Step every rule on numba-cuda's simulator: python -m tests.kernels.cuda_simulator_worker FILE.npz

A process of its own, started by test_cuda.py with NUMBA_ENABLE_CUDASIM=1, which counts only before numba is imported.
The cases and their inputs are here, so that the test can ask the oracle about every step.
"""

import itertools
import sys
from dataclasses import dataclass

import numpy as np

from fastopt.kernels import cuda
from fastopt.kernels.around import PLAIN, Around, flush_below
from fastopt.kernels.rules import RULES

from .hyper import HYPER

STEPS = 2
GRAD_SCALE = 0.25
# One rule for each number of state arrays: what happens around a rule does not depend on the rule.
REPRESENTATIVES = ("sgd", "momentum_heavy_ball", "adam", "amsgrad")
# Norms: (clip_norm, grad_scale, sizes and rows of the gradients, what the first element is)
NORMS = {
    "clipped": (0.5, 1.0, ((67, 1), (0, 1), (1, 1), (33, 3)), 2.0),
    "scaled": (0.5, -0.25, ((67, 1), (0, 1), (1, 1), (33, 3)), 2.0),
    "below": (1e3, 1.0, ((67, 1), (31, 1)), 2.0),
    "nothing": (0.5, 1.0, ((0, 1),), 0.0),
    "overflow in float32": (0.5, 1.0, ((67, 1),), 1e30),
    "infinite": (0.5, 1.0, ((67, 1),), np.inf),
    "not a number": (0.5, 1.0, ((67, 1), (31, 1)), np.nan),
}


@dataclass(frozen=True)
class Case:
    """One way through a kernel: how many parameters and gradient rows, and what happens around the rule."""

    rule: str
    dtype: str
    n_params: int
    n_rows: int = 1
    around: Around = PLAIN

    def __str__(self):
        return f"{self.rule}-{self.dtype}-{self.n_params}-{self.n_rows}rows-{self.around}"

    @property
    def clip_and_decay(self):
        return 0.125 if self.around.clips else np.inf, 0.1 * self.around.decays


def cases(rule, dtype):
    """Every rule at every size; the representatives in every variant with 1 and 3 rows as well."""
    plain = [Case(rule, dtype, n_params) for n_params in (0, 1, 31, 33, 67)]
    if rule not in REPRESENTATIVES:
        return plain
    variants = [Around(*chosen) for chosen in itertools.product((False, True), repeat=4)]
    return plain + [Case(rule, dtype, 35, n_rows, around) for n_rows in (1, 3) for around in variants]


def first_state(case):
    """Return state f[k, n]: zeros, and at every third place a value around the one below which state is flushed."""
    state = np.zeros((len(RULES[case.rule].states), case.n_params), case.dtype)
    small = state[:, ::3]
    small[...] = np.resize([0.5, 0.95, 1.05, 1.3, 4.0], small.shape) * flush_below(case.dtype)
    return state


def steps(case):
    """Return the first params (n,), and for every step (grads (c, n), hyper, step): the same in every process."""
    random = np.random.default_rng(case.n_params)
    params = random.standard_normal(case.n_params).astype(case.dtype)
    grads = random.standard_normal((STEPS, case.n_rows, case.n_params)).astype(case.dtype)
    grads[:, :, ::3] = 0  # so that small state stays small
    arguments = []
    for step in range(1, STEPS + 1):
        own = [0.1 / step if name == "learning_rate" else HYPER[name] for name in RULES[case.rule].hyper]
        arguments.append((grads[step - 1], np.array([*own, *case.clip_and_decay, np.inf]), step))
    return params, arguments


def run(case):
    """Return params (STEPS + 1, n) and state (STEPS + 1, k, n) before the first step and after each."""
    rule = RULES[case.rule]
    update = cuda.CudaUpdate(rule, case.dtype, case.around)
    params, arguments = steps(case)
    state = cuda.allocate_state(len(rule.states), case.n_params, case.dtype)
    assert not state.any(), f"{case}: new state is zero"
    state[...] = first_state(case)
    all_params, all_states = [params.copy()], [state.copy()]
    for grads, hyper, step in arguments:
        after = np.zeros_like(grads) if case.around.zeroes else grads.copy()
        update(params, grads, state, hyper, step, GRAD_SCALE)
        np.testing.assert_array_equal(grads, after, err_msg=f"{case}: gradients are read, and cleared if asked for")
        all_params.append(params.copy())
        all_states.append(state.copy())
    return np.array(all_params), np.array(all_states)


def norm_gradients(name, dtype):
    """Return the gradients f[c, n] of one of NORMS."""
    *_, shapes, first = NORMS[name]
    random = np.random.default_rng(len(name))
    gradients = [random.standard_normal((rows, size)).astype(dtype) for size, rows in shapes]
    for gradient in gradients[:1]:
        gradient[:, :1] = first
    return gradients


def norm_factors(dtype):
    """Return the factor of each of NORMS, one object having worked them all out."""
    factor, found = cuda.NormFactor(), {}
    for name, (clip_norm, grad_scale, *_) in NORMS.items():
        found[name] = factor(norm_gradients(name, dtype), clip_norm, grad_scale).copy()
    return found


def step_with_factor():
    """Return zeros after one step of SGD at rate 1 with gradients of 1, grad_scale 0.5 and factor 0.25."""
    params, grads = np.zeros(5, np.float32), np.ones((1, 5), np.float32)
    hyper = [1.0, np.inf, 0.0, 1.0]
    cuda.CudaUpdate(RULES["sgd"], np.float32)(params, grads, grads[:0], hyper, 1, 0.5, np.array([0.25]))
    return params


def main(path):
    """Save where all cases went, under their names."""
    found = {"step with factor": step_with_factor()}
    for dtype in ("float32", "float64"):
        found |= {f"{name} norm {dtype}": factor for name, factor in norm_factors(dtype).items()}
        for case in (case for rule in RULES for case in cases(rule, dtype)):
            found[f"{case} params"], found[f"{case} state"] = run(case)
    np.savez(path, **found)


if __name__ == "__main__":
    main(sys.argv[1])
