"""A user's own .parquet file is read as the same table in a .csv, and refused with its row and column."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from fastopt.errors import DataError
from fastopt.training.datasets import load

from .own_files import GOOD_CSV, one_line, written


@pytest.fixture
def pd():
    pytest.importorskip("pyarrow", reason="Parquet files need it")
    return pytest.importorskip("pandas")


@pytest.fixture
def stored(pd, tmp_path):
    """Stores columns in a file and returns its path."""

    def store(**columns):
        pd.DataFrame(columns).to_parquet(tmp_path / "own.parquet")
        return tmp_path / "own.parquet"

    return store


def test_a_parquet_file_is_the_same_data_set_as_the_same_csv(pd, tmp_path):
    csv = written(tmp_path, "own.csv", GOOD_CSV)
    pd.read_csv(csv).to_parquet(tmp_path / "own.parquet")
    one, two = load(csv), load(tmp_path / "own.parquet")
    for field in ("features", "labels", "train", "validation", "test"):
        assert np.array_equal(getattr(one, field), getattr(two, field))
    assert one.classes == two.classes == ("x", "y")
    assert one.provenance["scaling"] == two.provenance["scaling"]


def test_any_column_can_be_the_label(stored):
    data = load(stored(a=[1, 2, 3], label=[0, 1, 1], b=[0.5, 1.5, 2.5]), label="b")
    assert data.classes == ()
    assert data.labels.tolist() == [0.5, 1.5, 2.5]
    assert data.provenance["label"] == "b"


@pytest.mark.parametrize("kind", ["category", "Int64", "boolean", "string", "int8", "bool"])
def test_labels_may_be_of_any_kind_that_has_classes(pd, stored, kind):
    values = {"category": ["u", "v", "u"], "string": ["u", "v", "u"]}.get(kind, [1, 0, 1])
    data = load(stored(a=[1.0, 2.0, 3.0], y=pd.array(values, dtype=kind)))
    assert data.n_classes == 2
    assert data.labels[0] == data.labels[2] != data.labels[1]


@pytest.mark.parametrize("kind", ["Int64", "boolean", "uint8", "Float32", "bool"])
def test_features_may_be_numbers_and_truth_values_of_any_kind(pd, stored, kind):
    data = load(stored(a=pd.array([1, 0, 1, 0], dtype=kind), y=[0, 1, 0, 1]), dtype="float64")
    assert len(np.unique(data.features)) == 2


def test_an_index_that_pandas_stored_is_no_feature(pd, tmp_path):
    frame = pd.DataFrame({"id": [7, 8, 9], "a": [1.0, 2.0, 3.0], "y": [0, 1, 0]}).set_index("id")
    frame.to_parquet(tmp_path / "own.parquet")
    assert load(tmp_path / "own.parquet").n_features == 1


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [1.0, None, 3.0], "y": [0, 1, 0]}, 'row 1, column "a": missing; fill in'),
        ({"a": [1.0, 2.0, float("nan")], "y": [0, 1, 0]}, 'row 2, column "a": missing'),
        ({"a": [1.0, 2.0, -float("inf")], "y": [0, 1, 0]}, 'row 2, column "a": -inf is not a finite number'),
        ({"a": [True, None, False], "y": [0, 1, 0]}, 'row 1, column "a": missing'),
        ({"a": [1, 2, 3], "y": ["u", None, "v"]}, 'row 1, column "y": missing'),
        ({"a": ["1", "2", "3"], "y": [0, 1, 0]}, r'column "a" holds \w+; write the column as numbers'),
        ({"a": [1, 2, 3], "y": [b"u", b"v", b"u"]}, 'column "y" is an array of shape .3,. and dtype object'),
        ({"a": [1, 2, 3], "b": [0, 1, 0]}, "0 columns called label, target or y.*its columns: a, b"),
        ({"a": [1, 2, 3], "y": [0, 1, 0], "label": [0, 1, 0]}, "2 columns called label, target or y"),
        ({"y": [0, 1, 0]}, "has the columns y; expected features and a label"),
        ({"a": [], "y": []}, "has columns but no rows"),
        ({"a": [1, 2, 3], "y": [1, 1, 1]}, "all 3 labels are 1; expected two classes"),
    ],
)
def test_a_bad_parquet_file_is_refused_with_its_row_and_column(stored, columns, message):
    with pytest.raises(DataError, match=message) as raised:
        load(stored(**columns))
    assert one_line(raised)


def test_a_column_that_is_not_there_is_told_with_those_that_are(stored):
    with pytest.raises(DataError, match='no column "c" to predict; its columns: a, y'):
        load(stored(a=[1, 2], y=[0, 1]), label="c")


def test_a_parquet_file_damaged_anywhere_is_refused(stored, tmp_path):
    whole = stored(a=np.arange(1000.0), y=np.arange(1000) % 2).read_bytes()
    for content in (b"", b"a,y\n1,2\n", whole[:-20], whole[:100], whole[: len(whole) // 2] + whole[-8:]):
        with pytest.raises(DataError, match=r"no sound Parquet file|cannot read") as raised:
            load(written(tmp_path, "bad.parquet", content))
        assert one_line(raised)


def test_without_pyarrow_the_message_is_the_install_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it were not installed
    with pytest.raises(DataError, match=r'own\.parquet" is a Parquet file, which needs pyarrow: pip install pyarrow'):
        load(written(tmp_path, "own.parquet", b""))
