"""California housing: a regression with badly scaled features, missing values and a column of text."""

from __future__ import annotations

import csv
import io
import tarfile

import numpy as np

from fastopt.errors import DataError
from fastopt.training.datasets.arrays import feature_matrix
from fastopt.training.datasets.dataset import Dataset, float_dtype
from fastopt.training.datasets.partition import SEEDED, split, standardise
from fastopt.training.datasets.sources import Folder, Source, read

__all__ = ["CALIFORNIA_HOUSING", "california_housing"]

CALIFORNIA_HOUSING = Source(
    name="california-housing",
    files={"housing.tgz": "d4cd501af90475f09b814c7447c7701f59bf28e8cf1180205ae5ace9737a0109"},
    urls=(
        "https://raw.githubusercontent.com/ageron/handson-ml2/1e2115277b50f6c584cd668fa30e3af309a5b136"
        "/datasets/housing/",
    ),
    page="https://github.com/ageron/handson-ml2, folder datasets/housing",
)
_TARGET = "median_house_value"
_TARGET_UNIT = 100_000.0
_NUMBERS = (
    "longitude", "latitude", "housing_median_age", "total_rooms", "total_bedrooms", "population", "households",
    "median_income",
)  # fmt: skip
_TEXT = "ocean_proximity"
_TEXTS = ("<1H OCEAN", "INLAND", "ISLAND", "NEAR BAY", "NEAR OCEAN")


def california_housing(data_dir: Folder = None, dtype: str = "float32") -> Dataset:
    """20 640 block groups of the 1990 census, 13 features; regression on the median house value in 100 000 dollars.

    Our choices: the eight numeric columns are standardised by the training rows; 207 missing total_bedrooms are the
    median of those of the training rows before that; ocean_proximity is five columns of 0 and 1 after them, not
    standardised; the target is divided by 100 000 dollars and capped at 5.00001 by the census. 70/15/15 split, seeded.
    From housing.tgz, in a folder or fetched (`sources.read`). Raises DataError if it cannot be had.
    Source: Pace & Barry 1997, in the version of A. Geron. Licence: Apache-2.0.
    """
    wanted = float_dtype(dtype)
    columns = _columns(read(CALIFORNIA_HOUSING, data_dir)[0])
    numbers = np.array([[float(cell or "nan") for cell in columns[name]] for name in _NUMBERS]).T
    train, validation, test = split(len(numbers), 15, 15)
    missing = np.isnan(numbers)
    medians = np.nanmedian(numbers[train], axis=0)
    numbers = np.where(missing, medians, numbers)
    standardise(numbers, train)
    text = np.array(columns[_TEXT])
    one_hot = [text == value for value in _TEXTS]
    features = feature_matrix(np.column_stack([numbers, *one_hot]), "california-housing", wanted, DataError)
    targets = np.array([float(cell) for cell in columns[_TARGET]]) / _TARGET_UNIT
    provenance = {
        "source": CALIFORNIA_HOUSING.page,
        "licence": "Apache-2.0",
        "citation": "R. K. Pace, R. Barry, Sparse Spatial Autoregressions, Statistics and Probability Letters "
        "33:291-297, 1997.",
        "label": f"{_TARGET} in 100 000 dollars",
        "columns": [*_NUMBERS, *(f"{_TEXT}={value}" for value in _TEXTS)],
        "split": f"70 % train, 15 % validation, 15 % test, {SEEDED}",
        "scaling": f"mean 0, standard deviation 1 over the training part; {_TEXT} one-hot, not scaled; "
        f"{missing.sum()} missing total_bedrooms are the median of the training part, {medians[4]:g}",
        "sha256": dict(CALIFORNIA_HOUSING.files),
    }
    return Dataset("california-housing", features, targets, train, validation, test, (), provenance)


def _columns(content: bytes) -> dict[str, tuple[str, ...]]:
    """The cells of housing.csv, by column."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        member = archive.extractfile("housing.csv")
        assert member is not None  # the archive's sum was checked
        header, *rows = csv.reader(io.TextIOWrapper(member, encoding="utf-8"))
    return dict(zip(header, zip(*rows, strict=True), strict=True))
