"""The peers of our epoch driver: the plain PyTorch loop, a JAX scan over the batches, scikit-learn."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastopt.bench.contenders import Contender
from fastopt.bench.contenders.epoch_case import EpochCase
from fastopt.bench.contenders.recipes import HYPER, optax_optimizer, torch_optimizer


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
        import torch

        model, criterion, optimizer, b = self.model, self.criterion, self.optimizer, self.case.batch_size
        features, labels, n_rows = self.features, self.labels, self.case.n_rows
        for _ in range(repeats):
            order = torch.randperm(n_rows)
            for start in range(0, n_rows, b):
                rows = order[start : start + b]
                optimizer.zero_grad(set_to_none=True)
                loss = criterion(model(features[rows]), labels[rows])
                loss.backward()
                optimizer.step()

    def result(self) -> npt.NDArray[Any]:
        parts = [part for linear in self.linears for part in (linear.weight.T, linear.bias)]
        return np.concatenate([part.detach().numpy().reshape(-1) for part in parts])


class TorchEagerOneThread(TorchEager):
    """The same loop on one thread: small batches may be faster so, and the best peer is what counts."""

    name = "torch eager, 1 thread"
    threads: ClassVar[int | None] = 1


class JaxScan(Contender):
    """One jitted call per epoch: a fresh permutation, then `lax.scan` over the batches with optax's optimizer.

    Parameters and optimizer state are donated. The last batch of an epoch, if it is smaller, comes after the scan.
    """

    name = "jax scan"
    packages: ClassVar[dict[str, str]] = {"jax": "jax", "optax": "optax"}

    def prepare(self, case: EpochCase) -> None:
        import jax

        data = case.arrays()
        network, params = case.start()
        labels = data.labels if case.model == "mlp" else data.labels.astype(np.float32)[:, None]
        self.features, self.labels = jax.numpy.asarray(data.features), jax.numpy.asarray(labels)
        self.parts = {name: jax.numpy.asarray(view) for name, view in network.views(params).items()}
        self.names = list(self.parts)  # JAX hands dicts back in the order of their keys
        self.key = jax.random.key(case.seed)
        init, self.epoch = _jitted_epoch(case)
        self.state = init(self.parts)

    def run(self, repeats: int) -> None:
        import jax

        for _ in range(repeats):
            self.parts, self.state, self.key = self.epoch(self.parts, self.state, self.key, self.features, self.labels)
        jax.block_until_ready(self.parts)

    def result(self) -> npt.NDArray[Any]:
        return np.concatenate([np.asarray(self.parts[name]).reshape(-1) for name in self.names])


@functools.cache
def _jitted_epoch(case: EpochCase) -> tuple[Any, Any]:
    """Return (init, epoch) for a case: compiled once in a process, however often a contender is prepared."""
    import jax
    import optax

    n_layers, b, n_rows = len(case.widths) - 1, case.batch_size, case.n_rows
    optimizer = optax_optimizer(case.optimizer)

    def loss(parts: Any, X: Any, y: Any) -> Any:
        for layer in range(1, n_layers + 1):
            X = X @ parts[f"W{layer}"] + parts[f"b{layer}"]
            X = jax.nn.relu(X) if layer < n_layers else X
        if case.model == "logistic":
            return optax.sigmoid_binary_cross_entropy(X, y).mean()
        return optax.softmax_cross_entropy_with_integer_labels(X, y).mean()

    def step(parts: Any, state: Any, X: Any, y: Any) -> tuple[Any, Any]:
        updates, state = optimizer.update(jax.grad(loss)(parts, X, y), state, parts)
        return optax.apply_updates(parts, updates), state

    def epoch(parts: Any, state: Any, key: Any, features: Any, labels: Any) -> tuple[Any, Any, Any]:
        key, own = jax.random.split(key)
        order = jax.random.permutation(own, n_rows)
        whole = n_rows // b

        def body(carry: tuple[Any, Any], rows: Any) -> tuple[Any, None]:
            return step(*carry, features[rows], labels[rows]), None

        (parts, state), _ = jax.lax.scan(body, (parts, state), order[: whole * b].reshape(whole, b))
        if n_rows % b:
            rows = order[whole * b :]
            parts, state = step(parts, state, features[rows], labels[rows])
        return parts, state, key

    return optimizer.init, jax.jit(epoch, donate_argnums=(0, 1))


class SklearnSGD(Contender):
    """scikit-learn's SGDClassifier, one `partial_fit` per epoch: plain SGD, one row at a time, whatever the optimizer.

    It does less work than an Adam, and so is not asked for its answer.
    """

    name = "scikit-learn sgd"
    packages: ClassVar[dict[str, str]] = {"sklearn": "scikit-learn"}
    answers = False

    @classmethod
    def suits(cls, case: Any) -> bool:
        return isinstance(case, EpochCase) and case.model == "logistic" and case.batch_size == 1

    def prepare(self, case: EpochCase) -> None:
        from sklearn.linear_model import SGDClassifier

        data = case.arrays()
        self.features, self.labels = data.features, data.labels
        rate = HYPER["sgd"]["learning_rate"]
        self.model = SGDClassifier(
            loss="log_loss", penalty=None, learning_rate="constant", eta0=rate, random_state=case.seed
        )
        self.model.partial_fit(self.features, self.labels, classes=np.arange(2))

    def run(self, repeats: int) -> None:
        for _ in range(repeats):
            self.model.partial_fit(self.features, self.labels)

    def result(self) -> npt.NDArray[Any]:
        return np.concatenate([self.model.coef_.reshape(-1), self.model.intercept_])
