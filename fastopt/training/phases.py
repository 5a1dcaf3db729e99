"""A run with phases of its steps left out: a phase costs what a step takes longer with it.

Where a step takes a hundred nanoseconds, a clock inside it would be much of what it measures. A run without a phase
trains nothing sensible; its time is all that is looked at.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import cfunc

from fastopt.errors import unknown_name
from fastopt.kernels.compiling import COMPILE_OPTIONS, named
from fastopt.kernels.cpu import UPDATE_SIGNATURE
from fastopt.kernels.factors import INPUTS_AT, N_INPUTS, N_SLOPES, SLOPES_AT
from fastopt.training import driver
from fastopt.training.models import Model, compiled_loss_and_grad
from fastopt.training.run import Run


def leave_out(run: Run, phase: str) -> None:
    """Let all further steps of `run` do without `phase`.

    "order": the rows come as they lie, none asked for ahead; "model": no row is read, loss and gradient are zero;
    "update": nothing moves.
    Raises ConfigError for another phase.
    """
    dtype = run.params.dtype
    match phase:
        case "order":
            run.sampling = "sequential"
        case "model":
            run.grads[:] = 0
            run.workspace = np.zeros((run.chunks, 1 + run.factors[:, [N_INPUTS, N_SLOPES]].max(initial=0)), dtype)
            run.factors[:, [INPUTS_AT, SLOPES_AT]] = run.workspace.ctypes.data
            run.loss_and_grad = compiled_loss_and_grad(_Nothing(), dtype).address
        case "update":
            run.update = _no_update().address
        case _:
            raise unknown_name("phase", phase, ("order", "model", "update"))


def stay_within_epoch(run: Run, rows: int) -> None:
    """Let the next `rows` rows come from the epoch that `run` is in, from its second batch on if too few are left.

    So no order is drawn on the way. An epoch must have `rows` and a batch more.
    """
    position = int(run.progress[driver.POSITION])
    if not 0 < position <= run.epoch_rows - rows:
        run.progress[driver.POSITION] = run.batch_size


class _Nothing(Model):
    """A model that leaves gradients, and what they may be factors of, as they are."""

    @staticmethod
    def loss_and_grad(params, X, Y, rows, grads, workspace, shape, args, buffers, training):  # type: ignore[no-untyped-def]
        return 0.0


@functools.cache
def _no_update() -> Any:
    def update(params, grads, state, hyper, n, gradient, step, grad_scale):  # type: ignore[no-untyped-def]
        pass

    return cfunc(UPDATE_SIGNATURE, **COMPILE_OPTIONS)(named(update, "none"))
