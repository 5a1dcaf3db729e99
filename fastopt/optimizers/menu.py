"""The menu of optimizers, by the names that the command line and saved files use."""

from __future__ import annotations

from fastopt.optimizers.base import Optimizer
from fastopt.optimizers.family import SGD, Adadelta, Adagrad, Adam, Adamax, AdamW, Lion, Momentum, NAdam, RMSprop

OPTIMIZERS: dict[str, type[Optimizer]] = {
    kind.name: kind for kind in (SGD, Momentum, RMSprop, Adam, AdamW, NAdam, Adamax, Adagrad, Adadelta, Lion)
}
