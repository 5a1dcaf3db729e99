"""The IDX format is read as it was written, and a damaged file is refused."""

from __future__ import annotations

import gzip
import struct

import numpy as np
import pytest

from fastopt.errors import DataError
from fastopt.training.datasets import idx

from .own_files import one_line


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
    # a compressed file has the second of its making in it, and a test's name must not
    ids=["plain", "empty", "cut", "other magic number", "cut before", "too few", "too many"],
)
def test_a_damaged_idx_file_is_refused(content, message):
    with pytest.raises(DataError, match=message) as raised:
        idx.read_idx(content, "labels", 1)
    assert one_line(raised)


def test_as_many_images_as_labels_are_expected():
    with pytest.raises(DataError, match="3 images but 2 labels"):
        idx.read_pair(gzip.compress(idx_bytes((3, 2, 4))), gzip.compress(idx_bytes((2,))), "mine")
