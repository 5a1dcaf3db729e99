"""Step every rule on numba-cuda's simulator and save where it went: python cuda_simulator_worker.py FILE.npz

A process of its own, started by test_cuda.py with NUMBA_ENABLE_CUDASIM=1, which counts only before numba is imported.
The cases and their inputs are here, so that the test can ask the oracle about every step.
"""

import sys
from dataclasses import dataclass

import numpy as np

from fastopt.kernels import cuda
from fastopt.kernels.rules import RULES

STEPS = 3
GRAD_SCALE = 0.25
HYPER = {"beta": 0.9, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8}


@dataclass(frozen=True)
class Case:
    """One way through a kernel: how many parameters and gradient rows, and what happens to the gradient first."""

    rule: str
    dtype: str
    n_params: int
    n_rows: int
    clip_value: float
    weight_decay: float

    def __str__(self):
        return (
            f"{self.rule}-{self.dtype}-{self.n_params}-{self.n_rows}rows-clip{self.clip_value}-decay{self.weight_decay}"
        )


def cases(rule, dtype):
    """Every size with 1 and with 3 gradient rows, in each of the four variants."""
    return [
        Case(rule, dtype, n_params, n_rows, clip_value, weight_decay)
        for n_params in (0, 1, 31, 33, 67)
        for n_rows in (1, 3)
        for clip_value in (np.inf, 0.125)
        for weight_decay in (0.0, 0.1)
    ]


def steps(case):
    """Return the first params (n,), and for every step (grads (c, n), hyper, step): the same in every process."""
    random = np.random.default_rng(case.n_params)
    params = random.standard_normal(case.n_params).astype(case.dtype)
    grads = random.standard_normal((STEPS, case.n_rows, case.n_params)).astype(case.dtype)
    arguments = []
    for step in range(1, STEPS + 1):
        own = [0.1 / step if name == "learning_rate" else HYPER[name] for name in RULES[case.rule].hyper]
        arguments.append((grads[step - 1], np.array([*own, case.clip_value, case.weight_decay]), step))
    return params, arguments


def run(case):
    """Return params (STEPS + 1, n) and state (STEPS + 1, k, n) before the first step and after each."""
    rule = RULES[case.rule]
    clips, decays = bool(np.isfinite(case.clip_value)), case.weight_decay != 0
    update = cuda.CudaUpdate(rule, case.dtype, clips=clips, decays=decays)
    params, arguments = steps(case)
    state = cuda.allocate_state(len(rule.states), case.n_params, case.dtype)
    all_params, all_states = [params.copy()], [state.copy()]
    for grads, hyper, step in arguments:
        before = grads.copy()
        update(params, grads, state, hyper, step, GRAD_SCALE)
        np.testing.assert_array_equal(grads, before, err_msg=f"{case}: gradients are only read")
        all_params.append(params.copy())
        all_states.append(state.copy())
    return np.array(all_params), np.array(all_states)


def main(path):
    """Save where all cases went, under their names."""
    found = {}
    for case in (case for rule in RULES for dtype in ("float32", "float64") for case in cases(rule, dtype)):
        found[f"{case} params"], found[f"{case} state"] = run(case)
    np.savez(path, **found)


if __name__ == "__main__":
    main(sys.argv[1])
