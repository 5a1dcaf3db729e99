"""The shuffler: the order in which an epoch visits the rows, fixed by (seed, epoch), on every machine."""

from fastopt.training.shuffle.orders import METHODS, SOURCES, bijection, permutation, sample_order
from fastopt.training.shuffle.samplings import SAMPLINGS, fill_order

__all__ = [
    "METHODS",
    "SAMPLINGS",
    "SOURCES",
    "bijection",
    "fill_order",
    "permutation",
    "sample_order",
]
