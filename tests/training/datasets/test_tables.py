"""a9a and California housing are what their sources say they are, with our stated choices."""

from __future__ import annotations

import bz2
import io
import tarfile

import numpy as np
import pytest

from fastopt.errors import DataError
from fastopt.training.datasets import load
from fastopt.training.datasets.adult import read_svmlight

from .own_files import one_line

# --- a9a


@pytest.fixture(scope="module")
def adult(adult_folder):
    return load("a9a", data_dir=adult_folder)


def test_a9a_agrees_with_its_readme(adult):
    assert adult.features.shape == (48_842, 123)
    assert set(np.unique(adult.features)) == {0.0, 1.0}
    assert np.count_nonzero(adult.features[:32_561]) == 451_592
    assert np.count_nonzero(adult.features[32_561:]) == 225_731
    assert adult.labels[:32_561].sum() == 7_841
    assert adult.labels[32_561:].sum() == 3_846
    assert adult.classes == ("<=50K", ">50K")


def test_the_original_test_set_of_a9a_stays_one_and_a_tenth_of_the_training_set_validates(adult):
    assert (adult.train.size, adult.validation.size) == (29_305, 3_256)
    assert np.array_equal(adult.test, np.arange(32_561, 48_842))
    assert np.array_equal(np.sort(np.concatenate([adult.train, adult.validation])), np.arange(32_561))


def test_a9a_is_read_as_by_scikit_learn(adult, adult_folder):
    sklearn_datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn reads svmlight text")
    for name, rows in (("adult.trn.bz2", slice(None, 32_561)), ("adult.tst.bz2", slice(32_561, None))):
        text = io.BytesIO(bz2.decompress((adult_folder / name).read_bytes()))
        features, labels = sklearn_datasets.load_svmlight_file(text, n_features=123, zero_based=True)
        assert np.array_equal(adult.features[rows], features.toarray())
        assert np.array_equal(adult.labels[rows], labels > 0)


def test_svmlight_text_becomes_a_dense_matrix():
    features, labels = read_svmlight(b"+1 0:1 3:2.5\n-1\n-1 2:-1e3 3:0", 4, np.dtype(np.float32))
    assert features.tolist() == [[1, 0, 0, 2.5], [0, 0, 0, 0], [0, 0, -1000, 0]]
    assert features.dtype == np.float32
    assert labels.tolist() == [1, -1, -1]


# --- California housing


@pytest.fixture(scope="module")
def housing(housing_folder):
    return load("california-housing", data_dir=housing_folder, dtype="float64")


@pytest.fixture(scope="module")
def housing_frame(housing_folder):
    """The file as pandas reads it."""
    import pandas as pd

    with tarfile.open(housing_folder / "housing.tgz") as archive:
        return pd.read_csv(archive.extractfile("housing.csv"))


def test_california_housing_is_a_regression_on_the_house_value_in_100_000_dollars(housing, housing_frame):
    assert housing.features.shape == (20_640, 13)
    assert housing.classes == ()
    assert housing.labels.dtype == np.float64
    np.testing.assert_allclose(housing.labels, housing_frame["median_house_value"] / 1e5, rtol=1e-15)
    assert housing.labels.max() == 5.00001
    assert [part.size for part in (housing.train, housing.validation, housing.test)] == [14_448, 3_096, 3_096]


def test_numeric_columns_of_housing_are_scaled_and_filled_by_the_training_rows(housing, housing_frame):
    names = housing.provenance["columns"][:8]
    assert names == list(housing_frame.columns[:8])
    train = housing_frame.loc[housing.train, names]
    assert housing_frame["total_bedrooms"].isna().sum() == 207
    filled = housing_frame[names].fillna(train.median())
    kept = filled.loc[housing.train]
    np.testing.assert_allclose(housing.features[:, :8], (filled - kept.mean()) / kept.std(ddof=0), atol=1e-9)
    assert "207 missing total_bedrooms are the median" in housing.provenance["scaling"]


def test_the_text_column_of_housing_is_one_hot(housing, housing_frame):
    values = [name.split("=")[1] for name in housing.provenance["columns"][8:]]
    counts = {"<1H OCEAN": 9136, "INLAND": 6551, "ISLAND": 5, "NEAR BAY": 2290, "NEAR OCEAN": 2658}
    assert dict(zip(values, housing.features[:, 8:].sum(axis=0), strict=True)) == counts
    for position, value in enumerate(values, start=8):
        assert np.array_equal(housing.features[:, position] == 1.0, housing_frame["ocean_proximity"] == value)


# --- both


@pytest.mark.parametrize(("name", "file"), [("a9a", "adult.trn.bz2"), ("california-housing", "housing.tgz")])
def test_a_table_that_can_neither_be_found_nor_fetched_is_told_in_one_line(tmp_path, name, file):
    with pytest.raises(DataError, match=f'"{name}" needs {file}.*no connection.*put the files') as raised:
        load(name, data_dir=tmp_path)
    assert one_line(raised)


@pytest.mark.parametrize(("name", "file"), [("a9a", "adult.tst.bz2"), ("california-housing", "housing.tgz")])
def test_a_damaged_table_is_refused_with_both_sums(tmp_path, request, name, file):
    folder = request.getfixturevalue("adult_folder" if name == "a9a" else "housing_folder")
    for original in folder.iterdir():
        (tmp_path / original.name).write_bytes(original.read_bytes())
    (tmp_path / file).write_bytes((folder / file).read_bytes()[:-1])
    with pytest.raises(DataError, match=rf'{file}" .*has SHA-256 \w{{64}}, expected') as raised:
        load(name, data_dir=tmp_path)
    assert one_line(raised)
