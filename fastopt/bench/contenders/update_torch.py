"""One optimizer step in PyTorch: through `torch.optim` in each of its ways, compiled, and past the Python around it.

All of them copy the numbers of the case into allocations of their own, so that each has the alignment it likes.
"""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastopt.bench.contenders.compilers import missing_compiler
from fastopt.bench.contenders.recipes import HYPER, torch_optimizer
from fastopt.bench.contenders.repeat import repeated
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
        repeated(self.optimizer.step, repeats)

    def result(self) -> npt.NDArray[Any]:
        return joined([param.detach().numpy() for param in self.params])


class TorchForLoop(TorchOptimizer):
    """`torch.optim` with foreach=False and no fusing: one tensor after another, an operation at a time."""

    name = "torch for-loop"

    def make(self, params: list[Any]) -> Any:
        return torch_optimizer(self.case.optimizer, params, foreach=False)


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


# 300 tensors took 134 s to compile, and 13 s when found on disk (2 cores, busy; 2026-11-21).
MOST_COMPILED = 64


class TorchCompile(TorchOptimizer):
    """The step of `torch.optim` compiled, as PyTorch's own recipe does.

    foreach=True, as on the way to the GPU, so that the tensors of a list are fused with one another. The learning rate
    is a plain number: it stays the same here, and a schedule would want a tensor. `prepare` compiles, takes two steps
    (momentum's first one is another graph) and takes them back. PyTorch keeps what is compiled on disk: a second
    `prepare` traces the step only, in a fraction of a second, or in seconds for hundreds of tensors.

    Source: https://docs.pytorch.org/tutorials/recipes/compiling_optimizer.html
    """

    name = "torch compile"

    def available(self) -> str | None:
        return super().available() or missing_compiler()

    def prepare(self, case: UpdateCase) -> None:
        if case.n_tensors > MOST_COMPILED:
            raise PeerUnavailable(
                f"torch.compile takes minutes for {case.n_tensors} tensors, and seconds again for each timed block: "
                f"{MOST_COMPILED} tensors at most"
            )
        super().prepare(case)

    def allocate(self, params: list[npt.NDArray[Any]], grads: list[list[npt.NDArray[Any]]]) -> None:
        import torch

        torch.set_default_dtype(torch.float64 if self.case.dtype == "float64" else torch.float32)  # of the step count
        super().allocate(params, grads)
        torch.compiler.reset()  # the graphs of earlier blocks count against a limit, behind which nothing is compiled
        for param in self.params:
            param.grad = torch.zeros_like(param)
        self.compiled = torch.compile(self.optimizer.step, fullgraph=False)
        self.use(0)
        self.step(2)
        with torch.no_grad():
            for param, start in zip(self.params, params, strict=True):
                param.copy_(torch.from_numpy(start))
        for state in self.optimizer.state.values():
            for value in state.values():
                if value is not None:
                    value.zero_()

    def make(self, params: list[Any]) -> Any:
        return torch_optimizer(self.case.optimizer, params, foreach=True)

    def use(self, which: int) -> None:
        for param, grad in zip(self.params, self.grads[which], strict=True):
            param.grad.copy_(grad)  # another tensor would be compiled for anew

    def step(self, repeats: int) -> None:
        repeated(self.compiled, repeats)


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
            repeated(update, repeats)
        else:
            for _ in range(repeats):
                count[0] += 1
                update()

    def result(self) -> npt.NDArray[Any]:
        return joined([param.numpy() for param in self.params])
