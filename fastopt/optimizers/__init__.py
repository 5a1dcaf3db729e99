"""Optimizers: hyperparameters with defaults, the rule they choose, and the state they own.

    opt = fastopt.Adam(learning_rate=1e-3)
    opt.step(params, grads)            # in place, one fused pass over memory

`fastopt.train` takes an optimizer as a specification and leaves it unchanged. OPTIMIZERS is the menu, by the names of
the command line; `register_rule` adds to it.
"""

from fastopt.optimizers.arena import flatten
from fastopt.optimizers.backends import BACKENDS
from fastopt.optimizers.base import Optimizer
from fastopt.optimizers.family import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Lion, Momentum, NAdam, RMSprop
from fastopt.optimizers.menu import OPTIMIZERS
from fastopt.optimizers.registry import register_rule
from fastopt.optimizers.spec import make_optimizer
from fastopt.optimizers.state import load_optimizer

__all__ = [
    "BACKENDS",
    "OPTIMIZERS",
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "Momentum",
    "NAdam",
    "Optimizer",
    "RMSprop",
    "flatten",
    "load_optimizer",
    "make_optimizer",
    "register_rule",
]
