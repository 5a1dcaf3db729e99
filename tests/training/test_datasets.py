"""Every data set is what its source says it is, and every bad file is refused in one line that says why."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from fastopt.errors import ArrayError, ConfigError, DataError
from fastopt.training import checksums, idx
from fastopt.training.datasets import DATASETS, Dataset, from_arrays, load
from fastopt.training.partition import split, standardise

FASHION_FILES = [
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
]
GOOD_CSV = "a,b,label\n" + "".join(f"{i},{i * i},{'xy'[i % 2]}\n" for i in range(20))
X20 = np.arange(40.0).reshape(20, 2)
Y20 = np.arange(20) % 2


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def saved(folder: Path, **arrays) -> Path:
    np.savez(folder / "own.npz", **arrays)
    return folder / "own.npz"


def one_line(raised: pytest.ExceptionInfo[Exception]) -> bool:
    return "\n" not in str(raised.value)


@pytest.fixture(scope="module")
def fashion_folder() -> Path:
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    root = Path(os.environ.get("FASTOPT_DATA") or beside)
    for folder in (root, root / "fashion-mnist"):
        if all((folder / name).is_file() for name in FASHION_FILES):
            return folder
    pytest.skip("the four Fashion-MNIST files are neither under FASTOPT_DATA nor in ../shared/data")


@pytest.fixture(scope="module")
def fashion(fashion_folder) -> Dataset:
    return load("fashion-mnist", data_dir=fashion_folder.parent)


# --- what every data set keeps to


@pytest.fixture(params=["digits", "csv", "npz", "npz with a test set"])
def any_load(request, tmp_path):
    source = {
        "digits": lambda: "digits",
        "csv": lambda: written(tmp_path, "own.csv", GOOD_CSV),
        "npz": lambda: saved(tmp_path, X=X20, y=Y20),
        "npz with a test set": lambda: saved(tmp_path, X_train=X20, y_train=Y20, X_test=X20[:4], y_test=Y20[:4]),
    }[request.param]()
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
    assert data.features.flags.writeable  # read-only arrays are another type to Numba
    assert data.labels.dtype == np.int64
    assert data.astype(dtype) is data
    assert data.astype("float64").features.dtype == np.float64


def test_provenance_is_json_and_complete(any_load):
    provenance = any_load().provenance
    assert {"source", "licence", "citation", "split", "scaling", "sha256"} <= provenance.keys()
    assert json.loads(json.dumps(provenance)) == provenance


@pytest.mark.parametrize("n_rows", [0, 1, 2, 3, 4, 7, 100, 1797])
def test_a_split_names_each_row_once_in_any_size(n_rows):
    train, validation, test = split(n_rows, 15, 15)
    assert np.array_equal(np.sort(np.concatenate([train, validation, test])), np.arange(n_rows))
    assert train.size >= min(n_rows, 1)
    assert validation.size == test.size == (n_rows * 15 + 50) // 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": X20.astype(np.float16)}, "float32 or float64"),
        ({"features": np.asfortranarray(X20)}, "C-contiguous"),
        ({"labels": Y20[:-1]}, r"expected int64 \(20,\)"),
        ({"labels": Y20.astype(float)}, "expected int64"),
        ({"test": np.array([20])}, "from 0 to 19"),
        ({"test": np.array([-1])}, "from 0 to 19"),
        ({"test": np.array([0])}, "named twice"),
    ],
)
def test_a_dataset_made_by_hand_is_checked(change, message):
    none = np.arange(0)
    fields = {"features": X20, "labels": Y20, "train": np.arange(20), "validation": none, "test": none}
    Dataset("by hand", **fields, classes=("0", "1"), provenance={})
    with pytest.raises(ArrayError, match=message):
        Dataset("by hand", **(fields | change), classes=("0", "1"), provenance={})


# --- the menu


def test_an_unknown_name_gets_the_menu_and_the_nearest_match():
    with pytest.raises(ConfigError, match=r'unknown data set "digit" \(did you mean "digits"\?\).*\.csv or \.npz'):
        load("digit")


def test_the_menu_lists_every_name():
    assert set(DATASETS) == {"digits", "fashion-mnist"}


@pytest.mark.parametrize("dtype", ["float16", "int64", "nonsense", None])
def test_a_dtype_other_than_two_floats_is_refused(dtype):
    with pytest.raises(ConfigError, match='dtype must be "float32" or "float64"'):
        load("digits", dtype=dtype)


@pytest.mark.parametrize("dtype", [np.float64, np.dtype("float64")])
def test_numpy_dtypes_are_understood(dtype):
    assert load("digits", dtype=dtype).features.dtype == np.float64


def test_a_label_where_none_can_be_chosen_is_refused():
    with pytest.raises(ConfigError, match=r"only a .csv file has a column to choose"):
        load("digits", label="y")


def test_pandas_is_not_imported_before_a_csv_is_read():
    program = (
        "import sys; from fastopt.training.datasets import load; load('digits'); sys.exit('pandas' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


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
    assert data.train[:5].tolist() == [0, 1, 3, 5, 6]
    assert data.validation[:5].tolist() == [4, 8, 9, 14, 21]
    assert data.test[:5].tolist() == [2, 33, 39, 44, 48]


def test_a_damaged_shipped_file_says_to_install_again(tmp_path):
    path = written(tmp_path, "digits.npz", b"damaged")
    with pytest.raises(DataError, match=r"has SHA-256 \w{64}, expected 0{64}; install fastopt again"):
        checksums.read_verified(path, "0" * 64, "install fastopt again")


# --- Fashion-MNIST


def test_fashion_mnist_agrees_with_its_readme(fashion):
    assert fashion.features.shape == (70_000, 784)
    assert [part.size for part in (fashion.train, fashion.validation, fashion.test)] == [54_000, 6_000, 10_000]
    assert np.bincount(fashion.labels[:60_000]).tolist() == [6_000] * 10
    assert np.bincount(fashion.labels[fashion.test]).tolist() == [1_000] * 10
    assert fashion.labels[:10].tolist() == [9, 0, 0, 3, 0, 2, 7, 2, 5, 5]
    assert fashion.labels[60_000:60_010].tolist() == [9, 2, 1, 1, 6, 1, 4, 6, 5, 7]
    assert fashion.classes[9] == "Ankle boot"
    pixels = fashion.features[:60_000]
    assert pixels.mean(dtype=np.float64) == pytest.approx(0.286041, abs=5e-7)
    assert pixels.std(dtype=np.float64) == pytest.approx(0.353024, abs=5e-7)


def test_fashion_mnist_parts_are_disjoint_and_the_test_set_is_the_original(fashion):
    assert np.array_equal(np.sort(np.concatenate([fashion.train, fashion.validation])), np.arange(60_000))
    assert np.array_equal(fashion.test, np.arange(60_000, 70_000))


def test_the_environment_names_the_folder_where_no_argument_does(fashion_folder, monkeypatch, tmp_path):
    monkeypatch.setenv("FASTOPT_DATA", str(fashion_folder))
    assert load("fashion-mnist").n_features == 784
    with pytest.raises(DataError, match="no train-images"):
        load("fashion-mnist", data_dir=tmp_path)


def test_without_a_folder_the_four_files_are_listed(monkeypatch):
    monkeypatch.delenv("FASTOPT_DATA", raising=False)
    with pytest.raises(DataError, match="data_dir or the environment variable FASTOPT_DATA") as raised:
        load("fashion-mnist")
    assert all(name in str(raised.value) for name in FASHION_FILES)
    assert one_line(raised)


def test_only_the_missing_files_are_listed(tmp_path):
    for name in FASHION_FILES[:3]:
        written(tmp_path, name, b"")
    with pytest.raises(DataError, match=r'no t10k-labels-idx1-ubyte\.gz in "') as raised:
        load("fashion-mnist", data_dir=tmp_path)
    assert FASHION_FILES[0] not in str(raised.value)
    assert one_line(raised)


def test_a_truncated_file_is_refused_with_both_sums(fashion_folder, tmp_path):
    for name in FASHION_FILES:
        shutil.copyfile(fashion_folder / name, tmp_path / name)
    labels = tmp_path / FASHION_FILES[1]
    labels.write_bytes(labels.read_bytes()[:-100])
    expected = r'train-labels-idx1-ubyte\.gz" \(29415 bytes\) has SHA-256 \w{64}, expected a04f17134ac0.*fetch it again'
    with pytest.raises(DataError, match=expected) as raised:
        load("fashion-mnist", data_dir=tmp_path)
    assert one_line(raised)


# --- the IDX format


def idx_bytes(shape: tuple[int, ...], n_values: int | None = None, magic: int | None = None) -> bytes:
    n_values = int(np.prod(shape)) if n_values is None else n_values
    header = struct.pack(f">{1 + len(shape)}I", 2048 + len(shape) if magic is None else magic, *shape)
    return header + bytes(i % 251 for i in range(n_values))


def test_idx_images_and_labels_come_back_as_written():
    images, labels = idx.read_pair(gzip.compress(idx_bytes((3, 2, 4))), gzip.compress(idx_bytes((3,))), "mine")
    assert np.array_equal(images, np.arange(24).reshape(3, 8))
    assert np.array_equal(labels, [0, 1, 2])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"plain", "not a whole gzip file"),
        (b"", "magic number 0, expected 2049"),
        (gzip.compress(idx_bytes((50,)))[:-9], "not a whole gzip file"),
        (gzip.compress(idx_bytes((5,), magic=2051)), "magic number 2051, expected 2049"),
        (gzip.compress(idx_bytes((5,))[:6]), "magic number 2049, expected 2049"),
        (gzip.compress(idx_bytes((5,), n_values=4)), "promises 5 bytes but 4 follow"),
        (gzip.compress(idx_bytes((5,), n_values=6)), "promises 5 bytes but 6 follow"),
    ],
)
def test_a_damaged_idx_file_is_refused(content, message):
    with pytest.raises(DataError, match=message) as raised:
        idx.read_idx(content, "labels", 1)
    assert one_line(raised)


def test_as_many_images_as_labels_are_expected():
    with pytest.raises(DataError, match="3 images but 2 labels"):
        idx.read_pair(gzip.compress(idx_bytes((3, 2, 4))), gzip.compress(idx_bytes((2,))), "mine")


# --- a user's own .csv


@pytest.mark.parametrize("name", ["label", "target", "y"])
def test_the_label_column_is_found_by_its_name_anywhere(tmp_path, name):
    data = load(written(tmp_path, "own.csv", f"a,{name},b\n1,u,2\n3,v,5\n"))
    assert data.n_features == 2
    assert data.classes == ("u", "v")


def test_any_column_can_be_the_label(tmp_path):
    data = load(written(tmp_path, "own.csv", "a,label,b\n1,1,u\n2,0,v\n3,0,v\n"), label="b")
    assert data.classes == ("u", "v")
    assert data.provenance["label"] == "b"


@pytest.mark.parametrize(
    ("column", "classes", "numbers"),
    [
        (["10", "9", "10"], ("9", "10"), [1, 0, 1]),
        (["1.0", "1", "-2"], ("-2", "1"), [1, 1, 0]),
        (["cat", "ant ", "cat"], ("ant", "cat"), [1, 0, 1]),
        (["NA", "1", "None"], ("1", "NA", "None"), [1, 0, 2]),
        (['"a,b"', "c", "c"], ("a,b", "c"), [0, 1, 1]),
        (["0.5", "2", "1e3"], (), [0.5, 2, 1000]),
    ],
)
def test_text_and_whole_numbers_are_classes_and_other_numbers_are_targets(tmp_path, column, classes, numbers):
    data = load(written(tmp_path, "own.csv", "a,y\n" + "".join(f"{i},{y}\n" for i, y in enumerate(column))))
    assert data.classes == classes
    assert data.n_classes == len(classes)
    assert data.labels.tolist() == numbers
    assert data.labels.dtype == (np.int64 if classes else np.float64)


@pytest.mark.parametrize(
    "text",
    [GOOD_CSV.replace("\n", "\r\n"), "\ufeff" + GOOD_CSV, GOOD_CSV + "\n\n", GOOD_CSV.replace(",", ", ")],
    ids=["CRLF", "byte order mark", "blank lines at the end", "blanks after commas"],
)
def test_harmless_differences_in_a_csv_do_not_matter(tmp_path, text):
    plain, other = (load(written(tmp_path, f"{i}.csv", t)) for i, t in enumerate([GOOD_CSV, text]))
    assert np.array_equal(plain.features, other.features)
    assert np.array_equal(plain.labels, other.labels)
    assert plain.classes == other.classes


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; expected a header line"),
        ("\n\n", "is empty; expected a header line"),
        ("a,label\n", "header line but no rows"),
        ("label\n1\n", "has one column, label"),
        ("a;b;label\n1;2;3\n", "parted by commas"),
        ("1,2,3\n4,5,6\n", "starts with numbers; expected a header line"),
        (",a,label\n0,1,2\n", "column 1 has no name"),
        ("a,a,label\n1,2,3\n", '2 columns called "a"'),
        ("a,b,c\n1,2,3\n", "0 columns called label, target or y.*--label.*its columns: a, b, c"),
        ("a,y,label\n1,2,3\n", "2 columns called label, target or y.*--label"),
        ("a,b,label\n1,2,u\n\n1,Paris,v\n", r'line 4, column "b": "Paris" is not a number'),
        ("a,b,label\n1,True,u\n1,3,v\n", 'line 2, column "b": "True" is not a number'),
        ("a,b,label\n1,1_000,u\n1,1,v\n", 'line 2, column "b": "1_000" is not a number'),
        ("a,b,label\n1,2,u\n1,nan,v\n", 'line 3, column "b": nan is not a finite number'),
        ("a,b,label\n1,2,u\n-inf,1,v\n", 'line 3, column "a": -inf is not a finite number'),
        ("a,b,label\n1,2,u\n1,1e999,v\n", 'line 3, column "b": 1e999 is not a finite number'),
        ("a,b,label\n1,2,u\n,1,v\n", 'line 3, column "a": empty'),
        ("a,b,label\n1,2,u\n1,2,\n", 'line 3, column "label": empty'),
        ("a,b,label\n1,2,1\n1,2,nan\n", 'line 3, column "label": nan is not a finite number'),
        ('a,b,label\n1,2,"u\nv"\n1,x,u\n', 'line 4, column "b": "x" is not a number'),
        ("a,b,label\n1,2,u\n1,2\n", "line 3: 2 fields, but the header has 3"),
        ("a,b,label\n1,2,u\n1,2,v,4\n", "line 3: 4 fields, but the header has 3"),
        ("a,b,label\n1,2,3,u\n1,2,4,v\n", "line 2: 4 fields, but the header has 3"),
        ('a,b,label\n1,2,u\n1,"2,v\n', "line 3: 2 fields, but the header has 3"),
        ("a,b,label\n1,2,u\n3,4,u\n", "all 2 labels are u; expected two classes"),
        (b"a,label\n1,\xff\n", "not UTF-8 text"),
    ],
)
def test_a_bad_csv_is_refused_with_its_line_and_column(tmp_path, text, message):
    with pytest.raises(DataError, match=message) as raised:
        load(written(tmp_path, "bad.csv", text))
    assert one_line(raised)


def test_a_column_that_is_not_there_is_told_with_those_that_are(tmp_path):
    with pytest.raises(DataError, match='no column "c" to predict; its columns: a, b, label'):
        load(written(tmp_path, "own.csv", GOOD_CSV), label="c")


@pytest.mark.parametrize("name", ["nowhere.csv", "nowhere.npz"])
def test_a_file_that_is_not_there_is_a_data_error(tmp_path, name):
    with pytest.raises(DataError, match=r"cannot read .*No such file"):
        load(tmp_path / name)


@pytest.mark.parametrize("name", ["folder.csv", "folder.npz"])
def test_a_folder_is_not_a_file(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(DataError, match=r"cannot read .*directory"):
        load(tmp_path / name)


# --- a user's own .npz


def test_the_test_set_of_an_archive_stays_the_test_set(tmp_path):
    data = load(saved(tmp_path, X_train=X20, y_train=Y20, X_test=X20[:4], y_test=np.array([0, 1, 2, 0])))
    assert data.test.tolist() == [20, 21, 22, 23]
    assert (data.train.size, data.validation.size) == (17, 3)
    assert data.classes == ("0", "1", "2")


NAN = X20.copy()
NAN[3, 1] = np.nan


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": X20}, "holds X; expected arrays X and y, or X_train"),
        ({}, "holds nothing; expected arrays"),
        ({"X": X20, "y": Y20, "X_train": X20}, "expected arrays X and y, or X_train"),
        ({"X": X20, "y": Y20[:-1]}, "y has 19 labels for 20 rows"),
        ({"X": X20.ravel(), "y": Y20}, r"X is an array of shape \(40,\).*expected numbers of shape \(rows, features\)"),
        ({"X": X20.astype(str), "y": Y20}, "X is an array of shape .* dtype <U"),
        ({"X": X20[:0], "y": Y20[:0]}, "at least one row"),
        ({"X": NAN, "y": Y20}, r"X\[3, 1\] is nan"),
        ({"X": X20, "y": NAN[:, 1]}, r"y\[3\] is nan"),
        ({"X": X20, "y": Y20.astype(object)}, "no sound .npz archive.*[Oo]bject"),
        ({"X": X20, "y": Y20 * 0}, "all 20 labels are 0; expected two classes"),
        ({"X_train": X20, "y_train": Y20, "X_test": X20[:, :1], "y_test": Y20}, "2 features and X_test 1"),
        ({"X_train": X20, "y_train": Y20, "X_test": X20, "y_test": Y20.astype(str)}, "numbers in both, or text"),
    ],
)
def test_a_bad_npz_is_refused_with_its_array_and_place(tmp_path, arrays, message):
    with pytest.raises(DataError, match=message) as raised:
        load(saved(tmp_path, **arrays))
    assert one_line(raised)


def test_an_archive_that_is_none_is_refused(tmp_path):
    for content in (b"", b"X,y\n1,2\n", b"\x93NUMPY"):
        with pytest.raises(DataError, match=r"no sound .npz archive"):
            load(written(tmp_path, "bad.npz", content))


def test_an_archive_damaged_anywhere_is_refused(tmp_path):
    path = saved(tmp_path, X=X20, y=Y20)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        first = archive.getinfo("X.npy")
        values = first.header_offset + first.file_size  # inside the values of X
    flipped = whole[:values] + bytes([whole[values] ^ 255]) + whole[values + 1 :]
    for content in (flipped, whole[:-30], whole[:100]):
        with pytest.raises(DataError, match=r"no sound .npz archive") as raised:
            load(written(tmp_path, "bad.npz", content))
        assert one_line(raised)


# --- standardisation


def test_the_training_rows_alone_decide_the_scale(tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.normal(5.0, 3.0, (200, 3)), np.arange(200) % 2
    train, validation, test = split(200, 15, 15)
    X[np.concatenate([validation, test])] += 1000.0  # would move the mean if it were looked at
    data = load(saved(tmp_path, X=X, y=y), dtype="float64")
    assert np.array_equal(data.train, train)
    np.testing.assert_allclose(data.features, (X - X[train].mean(axis=0)) / X[train].std(axis=0), rtol=1e-9)
    np.testing.assert_allclose(data.features[train].mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(data.features[train].std(axis=0), 1.0, rtol=1e-12)


def test_a_column_that_is_constant_in_training_is_zero_everywhere():
    features = np.array([[0.1, 1.0], [0.1, 2.0], [0.1, 3.0], [9.9, 4.0]])
    assert standardise(features, np.arange(3)).tolist() == [True, False]
    assert features[:, 0].tolist() == [0.0] * 4


@pytest.mark.parametrize("size", [1e-300, 1e-160, 1.0, 1e160, 1e300])
def test_neither_large_nor_small_units_spoil_the_scale(size):
    features = np.array([[1.0], [2.0], [3.0]]) * size
    standardise(features, np.arange(3))
    np.testing.assert_allclose(features.ravel(), [-(1.5**0.5), 0.0, 1.5**0.5], atol=1e-12)


def test_a_row_kept_back_that_scaling_makes_infinite_is_refused(tmp_path):
    X = X20 * 1e-300
    X[split(20, 15, 15)[2][0]] = 1e300
    with pytest.raises(DataError, match=r"standardised: X\[\d+, 0\] is inf"):
        load(saved(tmp_path, X=X, y=Y20))


# --- arrays in memory


def test_two_arrays_are_taken_as_they_are_and_all_rows_train():
    data = from_arrays((X20, Y20), "float64")
    assert np.array_equal(data.features, X20)
    assert np.array_equal(data.train, np.arange(20))
    assert data.validation.size == data.test.size == 0


def test_four_arrays_keep_their_test_set_and_share_their_classes():
    data = from_arrays((X20, Y20, X20[:3], np.array([7, 0, 1])), "float32")
    assert data.test.tolist() == [20, 21, 22]
    assert data.classes == ("0", "1", "7")
    assert data.labels[data.test].tolist() == [2, 0, 1]


def test_what_happens_to_the_arrays_later_does_not_reach_the_data_set():
    X = X20.copy()
    data = from_arrays((X, Y20), "float64")
    X[:] = -1
    assert np.array_equal(data.features, X20)


def test_the_sums_of_arrays_tell_different_data_apart():
    sums = [from_arrays(pair).provenance["sha256"] for pair in ((X20, Y20), (X20, Y20), (X20 + 1, 1 - Y20))]
    assert sums[0] == sums[1]
    assert all(sums[0][key] != sums[2][key] for key in ("features", "labels"))


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (np.array([True, False]), ("False", "True")),
        (np.array([2.0, 1.0]), ("1", "2")),
        (["b", "a"], ("a", "b")),
        (np.array(["b", "a"], dtype=object), ("a", "b")),
        (np.array(["b", "a"], dtype=np.dtypes.StringDType()), ("a", "b")),
        (np.array([3, 3]), ("3",)),
        ([0.5, 1.0], ()),
    ],
)
def test_labels_may_be_numbers_or_text(y, classes):
    assert from_arrays((X20[:2], y)).classes == classes


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((X20,), "got 1 arrays; expected a tuple"),
        (X20, "got a ndarray; expected a tuple"),
        ((X20.ravel(), Y20), r"X is an array of shape \(40,\)"),
        ((X20.astype(complex), Y20), "dtype complex128"),
        ((X20.astype(object), Y20), "dtype object"),
        ((NAN, Y20), r"X\[3, 1\] is nan"),
        ((X20 + 1e39, Y20), r"X\[0, 0\] is 1e\+39, which float32 cannot hold"),
        ((X20[:0], Y20[:0]), r"shape \(0, 2\); expected at least one row"),
        ((X20[:, :0], Y20), r"shape \(20, 0\); expected at least one row and one feature"),
        ((X20, Y20[:5]), "y has 5 labels for 20 rows"),
        ((X20, Y20[:, None]), r"y is an array of shape \(20, 1\)"),
        ((X20, [None] * 20), "y is an array of shape .* dtype object"),
        ((X20, Y20 - np.inf), r"y\[0\] is -inf"),
        ((X20, Y20, X20[:, :1], Y20), "2 columns and X_test 1"),
        ((X20, Y20, NAN, Y20), r"X_test\[3, 1\] is nan"),
        ((X20, Y20, X20, Y20[1:]), "y_test has 19 labels"),
        ((X20, Y20, X20, Y20.astype(str)), "y_train is int64 and y_test <U"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_at_the_door(arrays, message):
    with pytest.raises(ArrayError, match=message) as raised:
        from_arrays(arrays)
    assert one_line(raised)
