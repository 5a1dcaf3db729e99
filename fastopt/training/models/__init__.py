"""Models: a pair of compiled functions over flat parameters, and the few facts that a driver needs beside them."""

from fastopt.training.models.base import Model
from fastopt.training.models.compiled import (
    EVALUATION_WORDS,
    GRADIENT_WORDS,
    compiled_evaluate,
    compiled_loss_and_grad,
)
from fastopt.training.models.dense import Dense
from fastopt.training.models.menu import MODELS, build, register_model
from fastopt.training.models.single import Single

__all__ = [
    "EVALUATION_WORDS",
    "GRADIENT_WORDS",
    "MODELS",
    "Dense",
    "Model",
    "Single",
    "build",
    "compiled_evaluate",
    "compiled_loss_and_grad",
    "register_model",
]
