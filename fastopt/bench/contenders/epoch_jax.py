"""Whole epochs in JAX: a scan over the batches, one compiled call for each epoch."""

from __future__ import annotations

import functools
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastopt.bench.contenders import Contender
from fastopt.bench.contenders.epoch_case import EpochCase
from fastopt.bench.contenders.recipes import optax_optimizer


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
