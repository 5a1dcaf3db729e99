"""Every name and path leads to a data set that keeps to the same promises; every other is refused."""

from __future__ import annotations

import functools
import json
import subprocess
import sys

import numpy as np
import pytest

import fastopt
from fastopt.errors import ArrayError, ConfigError, DataError
from fastopt.menus import lines
from fastopt.training.datasets import DATASETS, Dataset, load, register_dataset

from .own_files import GOOD_CSV, NAN, X20, Y20, one_line, saved, saved_npy, written

MADE = ["linear", "blobs", "moons", "spirals", "timing"]


@pytest.fixture(params=["digits", *MADE, "csv", "npz", "npz with a test set", "npy"])
def any_load(request, tmp_path):
    source = {
        "csv": lambda: written(tmp_path, "own.csv", GOOD_CSV),
        "npz": lambda: saved(tmp_path, X=X20, y=Y20),
        "npz with a test set": lambda: saved(tmp_path, X_train=X20, y_train=Y20, X_test=X20[:4], y_test=Y20[:4]),
        "npy": lambda: saved_npy(tmp_path, X20, Y20),
    }.get(request.param, lambda: request.param)()
    return lambda dtype="float32": load(source, dtype=dtype)


def test_parts_are_disjoint_and_cover_all_rows(any_load):
    data = any_load()
    rows = np.concatenate([data.train, data.validation, data.test])
    assert np.array_equal(np.sort(rows), np.arange(len(data.features)))
    assert data.train.size
    assert data.validation.size
    assert data.test.size


def test_two_loads_are_identical(any_load):
    one, two = any_load(), any_load()
    for field in ("features", "labels", "train", "validation", "test"):
        assert np.array_equal(getattr(one, field), getattr(two, field))
    assert (one.classes, one.provenance) == (two.classes, two.provenance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_features_come_in_the_wanted_dtype_and_layout(any_load, dtype):
    data = any_load(dtype)
    assert data.features.dtype == dtype
    assert data.features.flags.c_contiguous
    assert data.features.flags.aligned
    assert data.labels.dtype == (np.int64 if data.classes else np.float64)
    assert data.astype(dtype) is data
    assert data.astype("float64").features.dtype == np.float64


def test_provenance_is_json_and_complete(any_load):
    provenance = any_load().provenance
    assert {"source", "licence", "citation", "split", "scaling", "sha256"} <= provenance.keys()
    assert json.loads(json.dumps(provenance)) == provenance


# --- names


def test_an_unknown_name_gets_the_menu_and_the_nearest_match():
    expected = r'unknown data set "digit" \(did you mean "digits"\?\); known: a9a, .*\.csv, \.npy, \.npz, \.parquet'
    with pytest.raises(ConfigError, match=expected) as raised:
        load("digit")
    assert one_line(raised)


def test_the_menu_lists_every_name():
    assert set(DATASETS) == {"digits", "mnist", "fashion-mnist", "a9a", "california-housing", *MADE}
    shown = lines("datasets")
    assert [line.split(":")[0].strip() for line in shown[1 : len(DATASETS) + 1]] == list(DATASETS)
    assert all(len(line) > 20 for line in shown[1:])


@pytest.mark.parametrize("dtype", ["float16", "int64", "nonsense", None])
def test_a_dtype_other_than_two_floats_is_refused(dtype):
    with pytest.raises(ConfigError, match='dtype must be "float32" or "float64"'):
        load("digits", dtype=dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.dtype("float64")])
def test_numpy_dtypes_are_understood(dtype):
    assert load("digits", dtype=dtype).features.dtype == np.float64


def test_a_label_where_none_can_be_chosen_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="only a user's own file has a label to choose"):
        load("digits", label="y")
    with pytest.raises(ConfigError, match="in an archive y is the label: leave it"):
        load(saved(tmp_path, X=X20, y=Y20), label="y")


@pytest.mark.parametrize("suffix", ["csv", "npy", "npz", "parquet"])
def test_a_file_that_is_not_there_or_is_a_folder_is_a_data_error(tmp_path, suffix):
    if suffix == "parquet":
        pytest.importorskip("pyarrow", reason="Parquet files need it")
    with pytest.raises(DataError, match=r"cannot read .*No such file") as raised:
        load(tmp_path / f"nowhere.{suffix}")
    assert one_line(raised)
    (tmp_path / f"folder.{suffix}").mkdir()
    with pytest.raises(DataError, match=r"cannot read .*directory") as raised:
        load(tmp_path / f"folder.{suffix}")
    assert one_line(raised)


def test_what_only_some_data_sets_need_is_not_imported_before():
    program = "import sys; from fastopt.training.datasets import load; load('digits'); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert not {"pandas", "pyarrow", "pooch", "requests", "rich"} & set(done.stdout.split())


# --- a data set of one's own


def ours(data_dir, dtype):
    """Twenty rows of our own. They mean nothing."""
    rows = np.arange(20)
    return Dataset("ours", X20.astype(dtype), Y20, rows[:10], rows[10:15], rows[15:], ("0", "1"), {"dir": data_dir})


@pytest.fixture
def register():
    """`register_dataset` whose names are gone when the test is over."""
    before = dict(DATASETS)
    yield fastopt.register_dataset
    DATASETS.clear()
    DATASETS.update(before)


def test_a_registered_data_set_is_loaded_listed_and_trained_on(register):
    register("my-own_2", ours)
    data = load("my-own_2", data_dir="somewhere", dtype="float64")
    assert (data.name, data.features.dtype, data.provenance) == ("ours", np.float64, {"dir": "somewhere"})
    assert "  my-own_2: Twenty rows of our own" in lines("datasets")
    assert fastopt.train("my-own_2", epochs=1, batch_size=5).frame["epoch"].max() == 1
    with pytest.raises(ConfigError, match='did you mean "my-own_2"'):
        load("my-own")


def test_a_loader_may_be_any_callable_and_may_be_registered_again(register):
    register("mine", lambda data_dir, dtype: ours("first", "float64"))
    assert "  mine" in lines("datasets")
    assert load("mine").features.dtype == np.float32  # as wanted, whatever the loader makes
    register("mine", functools.partial(ours))
    assert load("mine").provenance == {"dir": None}


@pytest.mark.parametrize("name", ["digits", "a9a", "moons"])
def test_the_name_of_a_built_in_data_set_is_refused(register, name):
    with pytest.raises(ConfigError, match=f'"{name}" is a data set of fastopt: choose another name'):
        register(name, ours)


@pytest.mark.parametrize("name", ["", "Mine", "my own", "2mine", "mine.csv", "-mine", "a/b", "mine\n", None, 3])
def test_a_name_that_could_be_misread_is_refused(register, name):
    with pytest.raises(ConfigError, match="small letters, digits") as raised:
        register(name, ours)
    assert one_line(raised)


@pytest.mark.parametrize("loader", [None, "ours", X20])
def test_a_loader_that_cannot_be_called_is_refused(register, loader):
    with pytest.raises(ConfigError, match=r'loader of data set "mine" must be a function of \(data_dir, dtype\)'):
        register("mine", loader)
    assert "mine" not in DATASETS


def fails(data_dir, dtype):
    raise RuntimeError("no such\ntable")


def has_nan(data_dir, dtype):
    return Dataset("ours", NAN, Y20, np.arange(20), np.arange(0), np.arange(0), ("0", "1"), {})


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        (fails, r'the loader of data set "mine" failed \(RuntimeError: no such table\)'),
        (lambda: None, r'"mine" failed \(TypeError'),
        (lambda data_dir, dtype: (X20, Y20), r'"mine" returned a tuple; expected a fastopt\.Dataset'),
        (has_nan, r'"mine": features\[3, 1\] is nan'),
    ],
)
def test_a_loader_that_fails_is_told_in_one_line(register, loader, message):
    register("mine", loader)
    with pytest.raises(DataError, match=message) as raised:
        load("mine")
    assert one_line(raised)


def test_the_errors_of_a_loader_that_knows_fastopt_pass_through(register):
    register("mine", lambda data_dir, dtype: Dataset("x", X20, Y20[:3], Y20, Y20, Y20, (), {}))
    with pytest.raises(ArrayError, match="labels are int64"):
        load("mine")


def test_register_dataset_is_public():
    assert fastopt.register_dataset is register_dataset
