"""One optimizer step in other libraries: PyTorch, through its optimizers and past them, optax, DeepSpeed.

All of them copy the numbers of the case into allocations of their own, so that each has the alignment it likes.
"""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastopt.bench.contenders.recipes import HYPER, jitted_optax, torch_optimizer
from fastopt.bench.contenders.update_case import UpdateCase, UpdateContender, joined
from fastopt.errors import PeerUnavailable

# Arguments that PyTorch's fused kernels insist on.
NO_DECAY = {"weight_decay": 0.0, "maximize": False}


class TorchOptimizer(UpdateContender):
    """An optimizer with PyTorch's interface, through its public `step`; the subclass makes it."""

    packages: ClassVar[dict[str, str]] = {"torch": "torch"}

    def allocate(self, params: list[npt.NDArray[Any]], grads: list[list[npt.NDArray[Any]]]) -> None:
        import torch

        torch.set_num_threads(self.case.threads)
        self.params = [torch.tensor(param, requires_grad=True) for param in params]
        self.grads = [[torch.tensor(part) for part in grad] for grad in grads]
        self.optimizer = self.make(self.params)

    def make(self, params: list[Any]) -> Any:
        """Return the optimizer of the case for `params`."""
        raise NotImplementedError

    def use(self, which: int) -> None:
        for param, grad in zip(self.params, self.grads[which], strict=True):
            param.grad = grad

    def step(self, repeats: int) -> None:
        step = self.optimizer.step
        for _ in range(repeats):
            step()

    def result(self) -> npt.NDArray[Any]:
        return joined([param.detach().numpy() for param in self.params])


class TorchForeach(TorchOptimizer):
    """`torch.optim` with foreach=True."""

    name = "torch foreach"

    def make(self, params: list[Any]) -> Any:
        return torch_optimizer(self.case.optimizer, params, foreach=True)


class TorchFused(TorchOptimizer):
    """`torch.optim` with fused=True."""

    name = "torch fused"

    def prepare(self, case: UpdateCase) -> None:
        if case.optimizer == "rmsprop":
            raise PeerUnavailable("PyTorch has no fused RMSprop: its fastest is torch foreach")
        super().prepare(case)

    def make(self, params: list[Any]) -> Any:
        return torch_optimizer(self.case.optimizer, params, fused=True)


class TorchFusedDirect(UpdateContender):
    """The kernel that fused=True ends in, `torch._fused_adam_` or `torch._fused_sgd_`, without the Python around it.

    The lists are made once. What a step needs besides, Adam's count of steps, is one number for all tensors, and goes
    up through NumPy, which shares its memory: a tenth of what `Tensor.add_` takes.
    """

    name = "torch fused direct"
    packages: ClassVar[dict[str, str]] = {"torch": "torch"}

    def prepare(self, case: UpdateCase) -> None:
        if case.optimizer == "rmsprop":
            raise PeerUnavailable("PyTorch has no fused RMSprop, so there is no kernel to call")
        super().prepare(case)

    def allocate(self, params: list[npt.NDArray[Any]], grads: list[list[npt.NDArray[Any]]]) -> None:
        import torch

        torch.set_num_threads(self.case.threads)
        self.params = [torch.tensor(param) for param in params]
        self.grads = [[torch.tensor(part) for part in grad] for grad in grads]
        states = [[torch.zeros_like(param) for param in self.params] for _ in range(self.case.n_states)]
        hyper = HYPER[self.case.optimizer]
        self.count = np.zeros(1, np.float32) if self.case.optimizer == "adam" else None
        if self.count is not None:
            counts = [torch.from_numpy(self.count)[0]] * len(self.params)
            self.behind: tuple[Any, ...] = (*states, [], counts)  # what follows parameters and gradients; no amsgrad
            betas = {"beta1": hyper["beta1"], "beta2": hyper["beta2"], "eps": hyper["eps"], "amsgrad": False}
            self.kernel = functools.partial(torch._fused_adam_, lr=hyper["learning_rate"], **NO_DECAY, **betas)
        else:
            self.behind = (states[0] if states else [],)
            # not the first step: the velocity is there, and zero
            momentum = {"momentum": hyper.get("beta", 0.0), "dampening": 0.0, "nesterov": False, "is_first_step": False}
            self.kernel = functools.partial(torch._fused_sgd_, lr=hyper["learning_rate"], **NO_DECAY, **momentum)

    def use(self, which: int) -> None:
        self.update = functools.partial(self.kernel, self.params, self.grads[which], *self.behind)

    def step(self, repeats: int) -> None:
        update, count = self.update, self.count
        if count is None:
            for _ in range(repeats):
                update()
        else:
            for _ in range(repeats):
                count[0] += 1
                update()

    def result(self) -> npt.NDArray[Any]:
        return joined([param.numpy() for param in self.params])


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
