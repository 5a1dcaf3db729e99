"""The data sets that models are trained on: original files, made numbers, a user's own table, arrays in memory.

A loader takes (data_dir, dtype) and returns a Dataset; DATASETS in `menu` is the menu, `load` the door to it.
"""

from fastopt.training.datasets.adult import a9a
from fastopt.training.datasets.dataset import Dataset
from fastopt.training.datasets.housing import california_housing
from fastopt.training.datasets.images import digits, fashion_mnist, mnist
from fastopt.training.datasets.in_memory import from_arrays
from fastopt.training.datasets.makers import make_blobs, make_linear, make_moons, make_spirals, make_timing
from fastopt.training.datasets.menu import DATASETS, load, register_dataset

__all__ = [
    "DATASETS",
    "Dataset",
    "a9a",
    "california_housing",
    "digits",
    "fashion_mnist",
    "from_arrays",
    "load",
    "make_blobs",
    "make_linear",
    "make_moons",
    "make_spirals",
    "make_timing",
    "mnist",
    "register_dataset",
]
