"""A user's own .npy file is mapped and not copied, where it can be, and refused where it is not sound."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import fastopt
from fastopt.errors import DataError
from fastopt.training.datasets import arrays, load

from .own_files import NAN, X20, Y20, one_line, saved_npy, written


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_file_of_the_wanted_dtype_stays_mapped_read_only_and_as_it_is(tmp_path, dtype):
    path = saved_npy(tmp_path, X20.astype(dtype), Y20)
    data = load(path, dtype=dtype)
    assert isinstance(data.features, np.memmap)
    assert data.features.filename == path
    assert not data.features.flags.writeable
    assert np.array_equal(data.features, X20)
    assert data.provenance["storage"] == "memory-mapped, read-only"
    assert data.provenance["scaling"].startswith("none")
    assert set(data.provenance["sha256"]) == {"own.npy", "own_labels.npy"}
    assert [part.size for part in (data.train, data.validation, data.test)] == [14, 3, 3]


@pytest.mark.parametrize(
    ("features", "storage"),
    [
        (X20.astype(np.float64), "from <f8 in C order"),
        (X20.astype(np.int16), "from <i2 in C order"),
        (X20.astype(">f4"), "from >f4 in C order"),
        (np.asfortranarray(X20, np.float32), "from <f4 in Fortran order"),
    ],
)
def test_a_file_of_another_dtype_or_order_is_converted_in_memory(tmp_path, features, storage):
    data = load(saved_npy(tmp_path, features, Y20), dtype="float32")
    assert not isinstance(data.features, np.memmap)
    assert data.features.dtype == np.float32
    assert data.features.flags.c_contiguous
    assert np.array_equal(data.features, X20)
    assert data.provenance["storage"] == f"converted in memory {storage}"


def test_training_on_a_mapped_file_gives_the_bits_of_training_in_memory(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 5)).astype(np.float32)
    mapped = load(saved_npy(tmp_path, X, (X[:, 0] > 0).astype(np.int64)))
    in_memory = dataclasses.replace(mapped, features=np.array(mapped.features))
    one, two = (fastopt.train(data, "mlp", epochs=3, batch_size=16) for data in (mapped, in_memory))
    assert np.array_equal(one.params, two.params)
    assert one.test() == two.test()


@pytest.mark.parametrize("beside", ["own_labels.npy", "y.npy"])
def test_labels_are_found_beside_the_features(tmp_path, beside):
    path = saved_npy(tmp_path, X20, Y20, labels_name=beside)
    data = load(path)
    assert data.labels.tolist() == Y20.tolist()
    assert data.provenance["label"] == beside


def test_labels_of_the_same_stem_come_before_y(tmp_path):
    np.save(tmp_path / "y.npy", 1 - Y20)
    assert load(saved_npy(tmp_path, X20, Y20)).labels.tolist() == Y20.tolist()


def test_another_file_of_labels_can_be_named(tmp_path):
    np.save(tmp_path / "text.npy", np.array(["u", "v"])[Y20])
    data = load(saved_npy(tmp_path, X20, Y20), label=str(tmp_path / "text.npy"))
    assert data.classes == ("u", "v")
    assert data.provenance["label"] == "text.npy"


def test_labels_with_fractions_are_targets(tmp_path):
    data = load(saved_npy(tmp_path, X20, Y20 / 3))
    assert data.classes == ()
    assert data.labels.dtype == np.float64


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (X20.ravel(), Y20, r"own\.npy: X is an array of shape \(40,\).*expected numbers of shape \(rows, features\)"),
        (X20[None], Y20, r"own\.npy: X is an array of shape \(1, 20, 2\)"),
        (X20.astype(complex), Y20, "dtype complex128"),
        (X20.astype(str), Y20, "dtype <U"),
        (X20.astype(object), Y20, r"own\.npy\" is no sound .npy file .*objects"),
        (X20[:0], Y20[:0], "expected at least one row"),
        (NAN, Y20, r"own\.npy: X\[3, 1\] is nan"),
        (X20 * 1e300, Y20, r"own\.npy: X\[0, 1\] is 1e\+300, which float32 cannot hold"),
        (X20, Y20[:-1], r"own_labels\.npy: y has 19 labels for 20 rows"),
        (X20, Y20[:, None], r"own_labels\.npy: y is an array of shape \(20, 1\)"),
        (X20, NAN[:, 1], r"own_labels\.npy: y\[3\] is nan"),
        (X20, Y20.astype(object), r"own_labels\.npy\" is no sound .npy file"),
        (X20, Y20 * 0, r"own_labels\.npy\": all 20 labels are 0; expected two classes"),
    ],
)
def test_a_bad_npy_is_refused_with_its_array_and_place(tmp_path, features, labels, message):
    with pytest.raises(DataError, match=message) as raised:
        load(saved_npy(tmp_path, features, labels))
    assert one_line(raised)


def test_a_value_that_is_not_finite_is_found_in_any_block(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "_BLOCK", 6)
    X = X20.astype(np.float32)
    X[[17, 19], [0, 1]] = np.inf, np.nan
    with pytest.raises(DataError, match=r"X\[17, 0\] is inf, which float32 cannot hold as a finite number"):
        load(saved_npy(tmp_path, X, Y20))


def test_a_file_that_is_no_array_is_refused(tmp_path):
    whole = saved_npy(tmp_path, X20, Y20).read_bytes()
    np.savez(tmp_path / "archive.npz", X20)
    archive = (tmp_path / "archive.npz").read_bytes()
    for content in (b"", b"X,y\n1,2\n", b"\x93NUMPY", whole[:60], whole[:-1], archive):
        path = written(tmp_path, "own.npy", content)
        with pytest.raises(DataError, match=r'own\.npy" is no sound \.npy file .*numpy\.save') as raised:
            load(path)
        assert one_line(raised)


def test_features_without_labels_are_told_what_to_name(tmp_path):
    np.save(tmp_path / "own.npy", X20)
    expected = r"neither own_labels\.npy nor y\.npy is beside it; name the \.npy file of its labels with --label"
    with pytest.raises(DataError, match=expected) as raised:
        load(tmp_path / "own.npy")
    assert one_line(raised)


def test_a_file_of_labels_that_is_not_there_is_told(tmp_path):
    with pytest.raises(DataError, match=r'cannot read ".*nowhere\.npy": No such file'):
        load(saved_npy(tmp_path, X20, Y20), label=str(tmp_path / "nowhere.npy"))
