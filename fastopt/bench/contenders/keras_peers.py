"""Keras 3 on TensorFlow: one optimizer step, and whole epochs by `fit`. Compiled by XLA, as Keras does unless told."""

from __future__ import annotations

import functools
import os
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from fastopt.bench.contenders import Contender
from fastopt.bench.contenders.epoch_case import EpochCase
from fastopt.bench.contenders.recipes import keras_optimizer
from fastopt.bench.contenders.repeat import repeated
from fastopt.bench.contenders.update_case import UpdateCase, UpdateContender, joined
from fastopt.errors import PeerUnavailable

PACKAGES = {"keras": "keras", "tensorflow": "tensorflow-cpu"}


class Keras(UpdateContender):
    """`optimizer.apply` of `keras.optimizers` in a `tf.function`, by XLA: `compile` takes it too (jit_compile="auto").

    What is called is the concrete function: to find it among the traces of a `tf.function` takes longer than a step of
    a thousand elements.
    """

    name = "keras"
    packages: ClassVar[dict[str, str]] = PACKAGES

    def prepare(self, case: UpdateCase) -> None:
        if case.optimizer == "rmsprop":
            raise PeerUnavailable("Keras's RMSprop has eps inside the root: where gradients are small, another answer")
        if case.optimizer == "adam" and case.dtype == "float64":
            raise PeerUnavailable("Keras's Adam has eps in another place: another answer in float64, whatever its eps")
        super().prepare(case)

    def allocate(self, params: list[npt.NDArray[Any]], grads: list[list[npt.NDArray[Any]]]) -> None:
        keras = keras_on_tensorflow(self.case.threads, self.case.dtype)
        import tensorflow as tf

        self.params = [keras.Variable(param) for param in params]
        self.grads = [[tf.constant(part) for part in grad] for grad in grads]
        optimizer = keras_optimizer(self.case.optimizer)
        optimizer.build(self.params)
        variables = [*self.params, *optimizer.variables]
        before = values(variables)
        step = tf.function(lambda grads: optimizer.apply(grads, self.params), jit_compile=True)
        self.compiled = step.get_concrete_function(self.grads[0])
        self.compiled(self.grads[0])  # only now XLA compiles
        assign(variables, before)

    def use(self, which: int) -> None:
        self.update = functools.partial(self.compiled, self.grads[which])

    def step(self, repeats: int) -> None:
        repeated(self.update, repeats)

    def result(self) -> npt.NDArray[Any]:
        return joined(values(self.params))


class KerasFit(Contender):
    """A Sequential of Dense layers, `compile`d as Keras does unless told, `fit` on the arrays, shuffled, silent.

    One call of `fit` for all epochs of a block. RMSprop's eps is inside the root in Keras; as small as `recipes` makes
    it, the parameters agree as nearly as those of an epoch can.
    """

    name = "keras fit"
    packages: ClassVar[dict[str, str]] = PACKAGES

    def prepare(self, case: EpochCase) -> None:
        keras = keras_on_tensorflow(case.threads, "float32")
        keras.utils.set_random_seed(case.seed)
        self.case, data = case, case.arrays()
        network, params = case.start()
        layers = [keras.layers.Dense(width, activation="relu") for width in case.widths[1:-1]]
        layers.append(keras.layers.Dense(case.widths[-1]))
        self.model = keras.Sequential([keras.Input((case.n_features,)), *layers])
        views = network.views(params)
        for number, layer in enumerate(layers, start=1):
            layer.set_weights([views[f"W{number}"], views[f"b{number}"]])
        self.features, self.labels = data.features, data.labels
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        if case.model == "logistic":
            self.labels = data.labels.astype(np.float32)[:, None]
            loss = keras.losses.BinaryCrossentropy(from_logits=True)
        self.model.compile(optimizer=keras_optimizer(case.optimizer), loss=loss)
        self.model.optimizer.build(self.model.trainable_variables)
        variables = [*self.model.variables, *self.model.optimizer.variables]
        before = values(variables)
        rows = case.batch_size + case.n_rows % case.batch_size  # a batch of each size: XLA compiles for each
        self.fit(self.features[:rows], self.labels[:rows], 1)
        assign(variables, before)

    def fit(self, features: npt.NDArray[Any], labels: npt.NDArray[Any], epochs: int) -> None:
        """Call the model's `fit` on `features` (n, d) and `labels`, for so many epochs."""
        self.model.fit(features, labels, batch_size=self.case.batch_size, epochs=epochs, shuffle=True, verbose=0)

    def run(self, repeats: int) -> None:
        self.fit(self.features, self.labels, repeats)

    def result(self) -> npt.NDArray[Any]:
        return np.concatenate([part.reshape(-1) for part in self.model.get_weights()])


def keras_on_tensorflow(threads: int, dtype: str) -> Any:
    """Return the module keras, on TensorFlow with so many threads, and with `dtype` for what it makes by itself.

    Raises PeerUnavailable if this process has Keras already, on another backend.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # no notes where a worker's last words are looked for
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        raise PeerUnavailable(f"Keras runs on {keras.backend.backend()} in this process, TensorFlow was asked for")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    keras.config.set_floatx(dtype)
    return keras


def values(variables: list[Any]) -> list[npt.NDArray[Any]]:
    """Return copies of what Keras's variables hold."""
    return [np.array(variable) for variable in variables]


def assign(variables: list[Any], numbers: list[npt.NDArray[Any]]) -> None:
    """Put `numbers`, an array each, into Keras's variables."""
    for variable, value in zip(variables, numbers, strict=True):
        variable.assign(value)
