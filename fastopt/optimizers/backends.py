"""The backends: which plan each makes of an optimizer and its tensors, and where state lives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from fastopt.kernels.around import flush_below
from fastopt.optimizers import crossover
from fastopt.optimizers.arrays import device_view, host_view
from fastopt.optimizers.plans import HostPlan, LoopPlan, Plan, Tensor, Update

if TYPE_CHECKING:
    from fastopt.optimizers.base import Optimizer

BACKENDS = ("auto", "serial", "parallel", "cuda", "reference")


def make_plan(optimizer: Optimizer, tensors: Sequence[Tensor], zero_grad: bool) -> Plan:
    """Return what steps these tensors; raises ArrayError when memory that is written to overlaps."""
    match optimizer.backend:
        case "cuda":
            return _device_plan(optimizer, tensors, zero_grad)
        case "reference":
            return _reference_plan(optimizer, tensors, zero_grad)
    return HostPlan(
        tensors,
        lambda dtype, parallel: optimizer.compiled(dtype, parallel=parallel, zero_grad=zero_grad).address,
        crossover.parallel_from(optimizer.backend),
        zero_grad,
    )


def place_state(optimizer: Optimizer, state: npt.NDArray[Any]) -> Any:
    """Return a host array of state where the optimizer's backend wants it."""
    if optimizer.backend != "cuda":
        return state
    from fastopt.kernels import cuda

    return cuda.to_device(state)


def _device_plan(optimizer: Optimizer, tensors: Sequence[Tensor], zero_grad: bool) -> LoopPlan:
    from fastopt.kernels import cuda

    around = optimizer.around(zero_grad=zero_grad)

    def update_of(dtype: np.dtype[Any]) -> Update:
        update = cuda.CudaUpdate(optimizer.rule, dtype, around)

        def run(params: Any, grads: Any, state: Any, hyper: Any, step: int, factor: Any) -> None:
            update(params, grads, state, hyper, step, 1.0, factor)

        return run

    return LoopPlan(tensors, update_of, device_view, cuda.NormFactor(), zero_grad)


def _reference_plan(optimizer: Optimizer, tensors: Sequence[Tensor], zero_grad: bool) -> LoopPlan:
    from fastopt.kernels import reference

    formula = reference.formula_of(optimizer.rule)

    def update_of(dtype: np.dtype[Any]) -> Update:
        limit = float(flush_below(dtype)) if optimizer.flush_subnormals else 0.0

        def run(params: Any, grads: Any, state: Any, hyper: Any, step: int, factor: Any) -> None:
            scale = 1.0 if factor is None else factor
            reference.update(formula, params, grads, state, hyper, step, scale, limit)
            if zero_grad:
                grads[...] = 0

        return run

    return LoopPlan(tensors, update_of, host_view, reference.norm_factor, zero_grad)
