"""A user's own .csv file: what is harmless is read, what is not is refused with its line and column."""

from __future__ import annotations

import numpy as np
import pytest

from fastopt.errors import DataError
from fastopt.training.datasets import load

from .own_files import GOOD_CSV, one_line, written


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
