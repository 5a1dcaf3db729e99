"""Made data with a known truth: a line, blobs, moons, spirals, and the rows of the batch-size timing study.

Each maker is a function with arguments, and with its defaults a name on the menu. Same arguments, same numbers, on
every machine: see `draws`. All values are rounded to float32, whatever the dtype, so that the last bit of a machine's
mathematical library does not show. Weighed: scikit-learn's makers, whose numbers follow NumPy's distributions, and
which would be a dependency.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastopt.errors import ConfigError
from fastopt.training.checksums import array_sha256
from fastopt.training.datasets.dataset import Dataset, float_dtype
from fastopt.training.datasets.draws import Draws
from fastopt.training.datasets.partition import SEEDED, split
from fastopt.training.datasets.sources import Folder

__all__ = [
    "blobs",
    "linear",
    "make_blobs",
    "make_linear",
    "make_moons",
    "make_spirals",
    "make_timing",
    "moons",
    "spirals",
    "timing",
]

# From so many rows on, none of the three parts is empty.
_LEAST_ROWS = 10

# Numbers beyond would not stay finite in float32.
_LARGEST = 1e30


def make_linear(
    n_rows: int = 1000,
    slopes: float | Sequence[float] = (2.0,),
    intercept: float = -1.0,
    noise: float = 0.1,
    *,
    seed: int = 0,
    dtype: str = "float32",
) -> Dataset:
    """Rows of y = a x + b + noise: regression with one feature per slope a, uniform in [-1, 1).

    `slopes` may be one number; `intercept` is b, `noise` the standard deviation of normal noise. 70/15/15 split,
    seeded; no scaling. Raises ConfigError for n_rows below 10, no slope, numbers beyond 1e30 and negative noise.
    """
    a = np.atleast_1d(slopes).tolist()
    _check_whole(n_rows=(n_rows, _LEAST_ROWS), n_features=(len(a), 1), seed=(seed, 0))
    _check_numbers(intercept=intercept, **{f"slopes[{i}]": slope for i, slope in enumerate(a)})
    _check_not_negative(noise=noise)
    draws = Draws(seed)
    features = _rounded(2.0 * draws.uniform(n_rows, len(a)) - 1.0)
    targets = intercept + noise * draws.normal(n_rows)
    for slope, column in zip(a, features.T, strict=True):  # a product by BLAS would add in another order
        targets += slope * column
    arguments = {"n_rows": n_rows, "slopes": a, "intercept": intercept, "noise": noise, "seed": seed}
    return _made("linear", features, _rounded(targets), (), arguments, dtype)


def make_blobs(
    n_rows: int = 1000,
    n_classes: int = 3,
    n_features: int = 2,
    spread: float = 1.0,
    *,
    seed: int = 0,
    dtype: str = "float32",
) -> Dataset:
    """Normal clouds of standard deviation `spread`, one per class, as many rows each, centres uniform in [-3, 3).

    70/15/15 split, seeded; no scaling. Raises ConfigError for n_rows below 10 or n_classes, fewer than two classes or
    one feature, and a spread that is negative or beyond 1e30.
    """
    _check_whole(n_rows=(n_rows, _LEAST_ROWS), n_classes=(n_classes, 2), n_features=(n_features, 1), seed=(seed, 0))
    _check_not_negative(spread=spread)
    labels = _labels_in_turn(n_rows, n_classes)
    draws = Draws(seed)
    centres = 6.0 * draws.uniform(n_classes, n_features) - 3.0
    features = centres[labels] + spread * draws.normal(n_rows, n_features)
    arguments = {
        "n_rows": n_rows, "n_classes": n_classes, "n_features": n_features, "spread": spread, "seed": seed,
    }  # fmt: skip
    return _made("blobs", features, labels, _numbered(n_classes), arguments, dtype)


def make_moons(n_rows: int = 1000, noise: float = 0.1, *, seed: int = 0, dtype: str = "float32") -> Dataset:
    """Two half circles of radius 1 that reach into each other, one per class, with normal noise; two features.

    70/15/15 split, seeded; no scaling. Raises ConfigError for n_rows below 10 and noise that is negative or
    beyond 1e30.
    """
    _check_whole(n_rows=(n_rows, _LEAST_ROWS), seed=(seed, 0))
    _check_not_negative(noise=noise)
    labels = _labels_in_turn(n_rows, 2)
    draws = Draws(seed)
    angle = math.pi * draws.uniform(n_rows)
    upper = np.column_stack([np.cos(angle), np.sin(angle)])
    features = np.where(labels[:, None] == 0, upper, (1.0, 0.5) - upper) + noise * draws.normal(n_rows, 2)
    return _made("moons", features, labels, _numbered(2), {"n_rows": n_rows, "noise": noise, "seed": seed}, dtype)


def make_spirals(
    n_rows: int = 1000,
    n_classes: int = 2,
    turns: float = 1.5,
    noise: float = 0.02,
    *,
    seed: int = 0,
    dtype: str = "float32",
) -> Dataset:
    """Spiral arms from the origin to radius 1, one per class, with normal noise; two features.

    After the two spirals of Lang & Witbrock, Connectionist Models Summer School 1988, which have three turns. 70/15/15
    split, seeded; no scaling. Raises ConfigError for n_rows below 10 or n_classes, fewer than two classes, and turns or
    noise that are negative or beyond 1e30.
    """
    _check_whole(n_rows=(n_rows, _LEAST_ROWS), n_classes=(n_classes, 2), seed=(seed, 0))
    _check_not_negative(turns=turns, noise=noise)
    labels = _labels_in_turn(n_rows, n_classes)
    draws = Draws(seed)
    radius = draws.uniform(n_rows)
    angle = 2.0 * math.pi * (turns * radius + labels / n_classes)
    arms = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    arguments = {"n_rows": n_rows, "n_classes": n_classes, "turns": turns, "noise": noise, "seed": seed}
    return _made("spirals", arms + noise * draws.normal(n_rows, 2), labels, _numbered(n_classes), arguments, dtype)


def make_timing(n_rows: int = 512, n_features: int = 20, *, seed: int = 0, dtype: str = "float32") -> Dataset:
    """`n_rows` training rows for the study of time per epoch against batch size; two classes, decided by chance.

    Features are normal; class 1 has probability 1 / (1 + exp(-x w)) with w normal of length near 2. The training part
    is `n_rows` long, so that batch sizes go up to it in powers of two; a quarter as many rows each validate and test.
    No scaling. Raises ConfigError for n_rows below 10 or no feature.
    """
    _check_whole(n_rows=(n_rows, _LEAST_ROWS), n_features=(n_features, 1), seed=(seed, 0))
    n_other = n_rows // 4
    rows = np.arange(n_rows + 2 * n_other, dtype=np.int64)
    draws = Draws(seed)
    weights = draws.normal(n_features) * (2.0 / math.sqrt(n_features))
    features = _rounded(draws.normal(len(rows), n_features))
    score = np.zeros(len(rows))
    for weight, column in zip(weights, features.T, strict=True):
        score += weight * column
    labels = (draws.uniform(len(rows)) < 1.0 / (1.0 + np.exp(-score))).astype(np.int64)
    arguments = {"n_rows": n_rows, "n_features": n_features, "seed": seed}
    parts = tuple(np.split(rows, [n_rows, n_rows + n_other]))
    return _made("timing", features, labels, _numbered(2), arguments, dtype, parts)


def _made(
    name: str,
    features: NDArray[np.float64],
    labels: NDArray[Any],
    classes: tuple[str, ...],
    arguments: dict[str, Any],
    dtype: str,
    parts: tuple[NDArray[np.int64], ...] | None = None,
) -> Dataset:
    """The data set with what made it; split 70/15/15 unless it comes in parts, one after another."""
    rounded = features.astype(np.float32).astype(float_dtype(dtype))
    train, validation, test = split(len(labels), 15, 15) if parts is None else parts
    provenance = {
        "source": f"made by fastopt.training.datasets.make_{name}",
        "licence": "none: made numbers",
        "citation": "",
        "arguments": arguments,
        "split": f"70 % train, 15 % validation, 15 % test, {SEEDED}" if parts is None else "in the order they are made",
        "scaling": "none",
        "sha256": {"features": array_sha256(rounded), "labels": array_sha256(labels)},
    }
    return Dataset(name, rounded, labels, train, validation, test, classes, provenance)


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values.astype(np.float32).astype(np.float64)


def _labels_in_turn(n_rows: int, n_classes: int) -> NDArray[np.int64]:
    if n_classes > n_rows:
        raise ConfigError(f"{n_classes} classes need as many rows at least, got n_rows={n_rows}")
    return np.arange(n_rows, dtype=np.int64) % n_classes


def _numbered(n_classes: int) -> tuple[str, ...]:
    return tuple(str(number) for number in range(n_classes))


def _check_whole(**bounds: tuple[Any, int]) -> None:
    for name, (value, least) in bounds.items():
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
            raise ConfigError(f"{name} must be a whole number of at least {least}, got {value!r}")


def _check_numbers(**values: Any) -> None:
    for name, value in values.items():
        real = isinstance(value, int | float | np.floating) and not isinstance(value, bool)
        if not real or not abs(value) <= _LARGEST:
            raise ConfigError(f"{name} must be a number from -{_LARGEST:g} to {_LARGEST:g}, got {value!r}")


def _check_not_negative(**values: Any) -> None:
    _check_numbers(**values)
    for name, value in values.items():
        if value < 0.0:
            raise ConfigError(f"{name} must be at least 0, got {value!r}")


def linear(data_dir: Folder = None, dtype: str = "float32") -> Dataset:
    """1000 rows of y = 2 x - 1 + noise of 0.1, one feature; regression; made with seed 0 (`make_linear`)."""
    return make_linear(dtype=dtype)


def blobs(data_dir: Folder = None, dtype: str = "float32") -> Dataset:
    """1000 rows in three normal clouds, two features, three classes; made with seed 0 (`make_blobs`)."""
    return make_blobs(dtype=dtype)


def moons(data_dir: Folder = None, dtype: str = "float32") -> Dataset:
    """1000 rows on two half circles, two features, two classes; made with seed 0 (`make_moons`)."""
    return make_moons(dtype=dtype)


def spirals(data_dir: Folder = None, dtype: str = "float32") -> Dataset:
    """1000 rows on two spiral arms, two features, two classes; made with seed 0 (`make_spirals`)."""
    return make_spirals(dtype=dtype)


def timing(data_dir: Folder = None, dtype: str = "float32") -> Dataset:
    """512 training rows for timing by batch size, 20 features, two classes; made with seed 0 (`make_timing`)."""
    return make_timing(dtype=dtype)
