"""fastopt: optimizers as fused Numba kernels, and an honest benchmark of them.

    opt = fastopt.Adam(learning_rate=1e-3)
    opt.step(params, grads)                                    # one fused pass over memory, in place

    history = fastopt.train("digits", model="mlp", optimizer=opt, batch_size=32, epochs=20)
    history.frame                                              # the curve, as a pandas frame

`fastopt compare` on the command line compares optimizers over batch sizes and writes a report.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastopt import errors
    from fastopt.bench.contenders import Contender, register_contender
    from fastopt.bench.crossover import calibrate
    from fastopt.optimizers import (
        SGD,
        Adadelta,
        Adagrad,
        Adam,
        Adamax,
        AdamW,
        Lion,
        Momentum,
        NAdam,
        Optimizer,
        RMSprop,
        flatten,
        load_optimizer,
        make_optimizer,
        register_rule,
    )
    from fastopt.training.datasets import Dataset, register_dataset
    from fastopt.training.goal import Goal
    from fastopt.training.history import History
    from fastopt.training.models import Model, register_model
    from fastopt.training.schedules import Schedule, make_schedule
    from fastopt.training.shuffle import permutation
    from fastopt.training.train import train

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Contender",
    "Dataset",
    "Goal",
    "History",
    "Lion",
    "Model",
    "Momentum",
    "NAdam",
    "Optimizer",
    "RMSprop",
    "Schedule",
    "calibrate",
    "errors",
    "flatten",
    "load_optimizer",
    "make_optimizer",
    "make_schedule",
    "permutation",
    "register_contender",
    "register_dataset",
    "register_model",
    "register_rule",
    "train",
]

# Where each public name lives. They are imported when first used: Numba alone takes a quarter of a second to import.
_HOMES = {
    "SGD": "optimizers",
    "Adadelta": "optimizers",
    "Adagrad": "optimizers",
    "Adam": "optimizers",
    "AdamW": "optimizers",
    "Adamax": "optimizers",
    "Contender": "bench.contenders",
    "Dataset": "training.datasets",
    "Goal": "training.goal",
    "History": "training.history",
    "Lion": "optimizers",
    "Model": "training.models",
    "Momentum": "optimizers",
    "NAdam": "optimizers",
    "Optimizer": "optimizers",
    "RMSprop": "optimizers",
    "Schedule": "training.schedules",
    "calibrate": "bench.crossover",
    "flatten": "optimizers",
    "load_optimizer": "optimizers",
    "make_optimizer": "optimizers",
    "make_schedule": "training.schedules",
    "permutation": "training.shuffle",
    "register_contender": "bench.contenders",
    "register_dataset": "training.datasets",
    "register_model": "training.models",
    "register_rule": "optimizers",
    "train": "training.train",
}


def __getattr__(name: str) -> Any:
    if name == "errors":
        return import_module("fastopt.errors")
    if name not in _HOMES:
        raise AttributeError(f"module 'fastopt' has no attribute {name!r}")
    return getattr(import_module(f"fastopt.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
