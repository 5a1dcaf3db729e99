"""digits, MNIST and Fashion-MNIST are what their sources say they are."""

from __future__ import annotations

import gzip
import shutil

import numpy as np
import pytest

from fastopt.errors import DataError
from fastopt.training import checksums
from fastopt.training.datasets import images, load

from .own_files import one_line, written

# --- digits


def test_digits_are_those_of_scikit_learn():
    sklearn_datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn has the copy to compare with")
    pixels, labels = sklearn_datasets.load_digits(return_X_y=True)
    data = load("digits", dtype="float64")
    assert np.array_equal(data.features * 16, pixels)
    assert np.array_equal(data.labels, labels)
    assert checksums.array_sha256(data.features) == checksums.array_sha256(pixels / 16)
    assert checksums.array_sha256(data.labels) == checksums.array_sha256(labels.astype(np.int64))


def test_digits_have_the_counts_of_the_source():
    data = load("digits")
    assert data.features.shape == (1797, 64)
    assert (data.n_features, data.n_classes) == (64, 10)
    assert np.bincount(data.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (data.features.min(), data.features.max()) == (0, 1)
    assert [part.size for part in (data.train, data.validation, data.test)] == [1257, 270, 270]


def test_the_digits_split_never_changes():
    data = load("digits")
    assert data.train[:5].tolist() == [0, 2, 3, 4, 5]
    assert data.validation[:5].tolist() == [1, 10, 12, 15, 17]
    assert data.test[:5].tolist() == [7, 9, 21, 29, 31]


def test_a_damaged_shipped_file_says_to_install_again(tmp_path):
    path = written(tmp_path, "digits.npz", b"damaged")
    with pytest.raises(DataError, match=r"has SHA-256 \w{64}, expected 0{64}; install fastopt again"):
        checksums.read_verified(path, "0" * 64, "install fastopt again")


# --- MNIST and Fashion-MNIST


def test_fashion_mnist_agrees_with_its_readme(fashion):
    assert fashion.features.shape == (70_000, 784)
    assert np.bincount(fashion.labels[:60_000]).tolist() == [6_000] * 10
    assert np.bincount(fashion.labels[fashion.test]).tolist() == [1_000] * 10
    assert fashion.labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert fashion.labels[60_000:60_010].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    assert fashion.classes[9] == "Ankle boot"
    pixels = fashion.features[:60_000]
    assert pixels.mean(dtype=np.float64) == pytest.approx(0.286041, abs=5e-7)
    assert pixels.std(dtype=np.float64) == pytest.approx(0.353024, abs=5e-7)


def test_mnist_agrees_with_its_readme(mnist):
    assert mnist.features.shape == (70_000, 784)
    train, test = np.bincount(mnist.labels[:60_000]), np.bincount(mnist.labels[mnist.test])
    assert train.tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert test.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert mnist.classes == tuple("0123456789")
    pixels = mnist.features[:60_000]
    assert pixels.mean(dtype=np.float64) == pytest.approx(0.130660, abs=5e-7)
    assert pixels.std(dtype=np.float64) == pytest.approx(0.308108, abs=5e-7)


@pytest.mark.parametrize("name", ["mnist", "fashion"])
def test_the_original_test_set_stays_one_and_a_tenth_of_the_training_set_validates(request, name):
    data = request.getfixturevalue(name)
    assert [part.size for part in (data.train, data.validation, data.test)] == [54_000, 6_000, 10_000]
    assert np.array_equal(np.sort(np.concatenate([data.train, data.validation])), np.arange(60_000))
    assert np.array_equal(data.test, np.arange(60_000, 70_000))


def test_a_truncated_file_is_refused_with_both_sums(fashion_folder, tmp_path):
    for name in images.FASHION_MNIST.files:
        shutil.copyfile(fashion_folder / name, tmp_path / name)
    labels = tmp_path / "train-labels-idx1-ubyte.gz"
    labels.write_bytes(labels.read_bytes()[:-100])
    expected = r'train-labels-idx1-ubyte\.gz" \(29415 bytes\) has SHA-256 \w{64}, expected a04f17134ac0.*fetch it again'
    with pytest.raises(DataError, match=expected) as raised:
        load("fashion-mnist", data_dir=tmp_path)
    assert one_line(raised)


def test_the_files_of_one_are_not_taken_for_the_other(tmp_path):
    for name in images.MNIST.files:
        written(tmp_path, name, gzip.compress(b"of another data set"))
    for dataset in ("mnist", "fashion-mnist"):
        with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz.*has SHA-256"):
            load(dataset, data_dir=tmp_path)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_without_files_and_network_all_four_are_listed(monkeypatch, name):
    monkeypatch.delenv("FASTOPT_DATA", raising=False)
    with pytest.raises(DataError, match="no connection") as raised:
        load(name)
    assert all(file in str(raised.value) for file in images.MNIST.files)
    assert one_line(raised)


def test_only_the_missing_files_are_listed(tmp_path):
    *present, missing = images.FASHION_MNIST.files
    for name in present:
        written(tmp_path, name, b"")
    with pytest.raises(DataError, match=f'"fashion-mnist" needs {missing}, not in "') as raised:
        load("fashion-mnist", data_dir=tmp_path)
    assert present[0] not in str(raised.value)
    assert one_line(raised)
