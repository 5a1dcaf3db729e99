"""Whole epochs in PyTorch: the plain loop, with indexed tensors and with a DataLoader, and compiled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastopt.bench.contenders import Contender
from fastopt.bench.contenders.compilers import missing_compiler
from fastopt.bench.contenders.epoch_case import EpochCase
from fastopt.bench.contenders.recipes import torch_optimizer


class TorchEager(Contender):
    """The plain PyTorch loop: nn.Linear, CrossEntropyLoss or BCEWithLogitsLoss, indexed tensors.

    The optimizer is the fastest that torch.optim has, fused=True; for RMSprop, which has no fused, foreach=True.
    """

    name = "torch eager"
    packages: ClassVar[dict[str, str]] = {"torch": "torch"}
    threads: ClassVar[int | None] = None  # those of the case

    def prepare(self, case: EpochCase) -> None:
        import torch

        torch.set_num_threads(self.threads or case.threads)
        torch.manual_seed(case.seed)
        self.case = case
        data = case.arrays()
        network, params = case.start()
        layers: list[Any] = []
        self.linears = []
        for fan_in, fan_out in zip(case.widths[:-1], case.widths[1:], strict=True):
            self.linears.append(torch.nn.Linear(fan_in, fan_out))
            layers += [self.linears[-1], torch.nn.ReLU()]
        self.model = torch.nn.Sequential(*layers[:-1])
        views = network.views(params)
        with torch.no_grad():
            for layer, linear in enumerate(self.linears, start=1):
                linear.weight.copy_(torch.from_numpy(views[f"W{layer}"].T.copy()))
                linear.bias.copy_(torch.from_numpy(views[f"b{layer}"]))
        self.features, self.labels = torch.from_numpy(data.features), torch.from_numpy(data.labels)
        self.criterion: Any = torch.nn.CrossEntropyLoss()
        if case.model == "logistic":
            self.labels, self.criterion = self.labels.float().unsqueeze(1), torch.nn.BCEWithLogitsLoss()
        mode = {"foreach": True} if case.optimizer == "rmsprop" else {"fused": True}
        self.optimizer = torch_optimizer(case.optimizer, self.model.parameters(), **mode)

    def run(self, repeats: int) -> None:
        loss_of, optimizer = self.loss, self.optimizer
        for _ in range(repeats):
            for features, labels in self.batches():
                optimizer.zero_grad(set_to_none=True)
                loss = loss_of(features, labels)
                loss.backward()
                optimizer.step()

    def loss(self, features: Any, labels: Any) -> Any:
        """Return the mean loss over a batch, `features` (b, d) and `labels` (b,)."""
        return self.criterion(self.model(features), labels)

    def batches(self) -> Iterable[tuple[Any, Any]]:
        """Yield the batches of one epoch, in a new order."""
        import torch

        b, features, labels, n_rows = self.case.batch_size, self.features, self.labels, self.case.n_rows
        order = torch.randperm(n_rows)
        for start in range(0, n_rows, b):
            rows = order[start : start + b]
            yield features[rows], labels[rows]

    def result(self) -> npt.NDArray[Any]:
        parts = [part for linear in self.linears for part in (linear.weight.T, linear.bias)]
        return np.concatenate([part.detach().numpy().reshape(-1) for part in parts])


class TorchEagerOneThread(TorchEager):
    """The same loop on one thread: small batches may be faster so, and the best peer is what counts."""

    name = "torch eager, 1 thread"
    threads: ClassVar[int | None] = 1


class TorchDataLoader(TorchEager):
    """The loop with batches from `DataLoader(TensorDataset(...), shuffle=True)`, as tutorials have it; no workers.

    The loader takes the rows one by one, and stacks them.
    """

    name = "torch dataloader"

    def prepare(self, case: EpochCase) -> None:
        from torch.utils.data import DataLoader, TensorDataset

        super().prepare(case)
        self.loader = DataLoader(TensorDataset(self.features, self.labels), batch_size=case.batch_size, shuffle=True)

    def batches(self) -> Iterable[tuple[Any, Any]]:
        loader: Iterable[tuple[Any, Any]] = self.loader
        return loader


class TorchCompile(TorchEager):
    """The loop of indexed tensors with model and loss compiled by `torch.compile`, for the shapes of both batches.

    The backward pass is compiled with them; the optimizer stays the one of `TorchEager`.
    """

    name = "torch compile"

    def available(self) -> str | None:
        return super().available() or missing_compiler()

    def prepare(self, case: EpochCase) -> None:
        import torch

        super().prepare(case)
        torch.compiler.reset()  # the graphs of earlier blocks count against a limit, behind which nothing is compiled
        self.compiled = torch.compile(super().loss, dynamic=False)
        for size in {case.batch_size, case.n_rows % case.batch_size} - {0}:
            self.compiled(self.features[:size], self.labels[:size]).backward()
        self.optimizer.zero_grad(set_to_none=True)

    def loss(self, features: Any, labels: Any) -> Any:
        return self.compiled(features, labels)
