"""One optimizer step in other libraries than PyTorch's own: optax, DeepSpeed.

All of them copy the numbers of the case into allocations of their own, so that each has the alignment it likes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastopt.bench.contenders.recipes import HYPER, jitted_optax
from fastopt.bench.contenders.update_case import UpdateCase, UpdateContender, joined
from fastopt.bench.contenders.update_torch import TorchOptimizer
from fastopt.errors import PeerUnavailable


class Optax(UpdateContender):
    """optax under `jax.jit` on the CPU, parameters and state donated, so that XLA may update them in place.

    XLA takes as many threads as the process has processors when JAX starts; the worker binds it to those of the case.
    Steps are queued as in a training loop, and a block ends when the last one is done.
    """

    name = "optax"
    packages: ClassVar[dict[str, str]] = {"jax": "jax", "optax": "optax"}

    def allocate(self, params: list[npt.NDArray[Any]], grads: list[list[npt.NDArray[Any]]]) -> None:
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_enable_x64", self.case.dtype == "float64")
        cpu = jax.devices("cpu")[0]

        def copied(arrays: list[npt.NDArray[Any]]) -> list[Any]:
            return [jnp.array(array, device=cpu) for array in arrays]  # NumPy's own memory could not be donated

        init, self.update = jitted_optax(self.case.optimizer)
        self.params, self.grads = copied(params), [copied(grad) for grad in grads]
        self.state = init(self.params)
        compiling = copied(params)
        jax.block_until_ready((self.update(compiling, init(compiling), self.grads[0]), self.params, self.grads))

    def use(self, which: int) -> None:
        self.grad = self.grads[which]

    def step(self, repeats: int) -> None:
        import jax

        update, params, state, grad = self.update, self.params, self.state, self.grad
        for _ in range(repeats):
            params, state = update(params, state, grad)
        jax.block_until_ready((params, state))
        self.params, self.state = params, state

    def result(self) -> npt.NDArray[Any]:
        return joined([np.asarray(param) for param in self.params])


class DeepSpeed(TorchOptimizer):
    """`deepspeed.ops.adam.DeepSpeedCPUAdam`, the Adam of ZeRO-Offload, through its public `step`.

    DeepSpeed compiles it at the first use on a machine: a minute, in `prepare`; later processes find it in PyTorch's
    folder of extensions. It shares PyTorch's OpenMP, and so its threads.
    """

    name = "deepspeed"
    packages: ClassVar[dict[str, str]] = {"torch": "torch", "deepspeed": "deepspeed", "ninja": "ninja"}

    def prepare(self, case: UpdateCase) -> None:
        if case.optimizer != "adam":
            raise PeerUnavailable(f"DeepSpeed has no {case.optimizer} on the CPU")
        if case.dtype != "float32":
            raise PeerUnavailable(f"DeepSpeed's CPU Adam has no {case.dtype}")
        super().prepare(case)

    def make(self, params: list[Any]) -> Any:
        from deepspeed.ops.adam import DeepSpeedCPUAdam

        _find_ninja()
        hyper = HYPER["adam"]
        try:
            return DeepSpeedCPUAdam(
                params,
                lr=hyper["learning_rate"],
                betas=(hyper["beta1"], hyper["beta2"]),
                eps=hyper["eps"],
                adamw_mode=False,
            )
        except RuntimeError as error:
            said = str(error.__cause__ or error).splitlines()  # the first line is the whole command of the compiler
            reason = next((line for line in said if "error:" in line or "not found" in line), said[0])
            raise PeerUnavailable(f"DeepSpeed could not build its CPU Adam: {reason.strip()[:200]}") from error


def _find_ninja() -> None:
    """Let PyTorch's builder find the ninja that pip put beside the interpreter, in an environment not activated."""
    beside = str(Path(sys.executable).parent)
    if beside not in os.environ["PATH"].split(os.pathsep):
        os.environ["PATH"] = os.pathsep.join((os.environ["PATH"], beside))
