"""The IDX format of the MNIST family: gzip around a big-endian header and unsigned bytes.

Header: two zero bytes, 8 for unsigned bytes, the number of dimensions; then one uint32 per dimension.
Source: Y. LeCun, C. Cortes, C. Burges, The MNIST database, "The IDX file format".
"""

from __future__ import annotations

import gzip
import math
import zlib

import numpy as np
from numpy.typing import NDArray

from fastopt.errors import DataError

__all__ = ["read_idx", "read_pair"]

_CURE = "fetch the file again"


def read_pair(images: bytes, labels: bytes, name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images (n, rows * columns) and labels (n,), both uint8, from the contents of two .gz files.

    `name` ("train") tells the pair in messages. Raises DataError where a file is damaged or the counts differ.
    """
    pixels = read_idx(images, f"{name} images", 3)
    classes = read_idx(labels, f"{name} labels", 1)
    if len(pixels) != len(classes):
        raise DataError(f"{name}: {len(pixels)} images but {len(classes)} labels; expected as many of each: {_CURE}s")
    return pixels.reshape(len(pixels), -1), classes


def read_idx(content: bytes, name: str, n_dimensions: int) -> NDArray[np.uint8]:
    """The array in the contents of one .gz file, uint8, read-only, shaped as its header says.

    Raises DataError if the gzip stream is damaged or cut off, if the magic number is not 2048 + n_dimensions, and if
    the header promises more or fewer values than follow.
    """
    raw = _gunzip(content, name)
    start = 4 + 4 * n_dimensions
    magic = int.from_bytes(raw[:4], "big")
    if magic != 2048 + n_dimensions or len(raw) < start:
        raise DataError(f"{name}: magic number {magic}, expected {2048 + n_dimensions} (IDX, unsigned bytes); {_CURE}")
    shape = tuple(int.from_bytes(raw[i : i + 4], "big") for i in range(4, start, 4))
    if len(raw) - start != math.prod(shape):
        counts = " x ".join(map(str, shape))
        raise DataError(f"{name}: the header promises {counts} bytes but {len(raw) - start} follow; {_CURE}")
    return np.frombuffer(raw, dtype=np.uint8, offset=start).reshape(shape)


def _gunzip(content: bytes, name: str) -> bytes:
    try:
        return gzip.decompress(content)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{name}: not a whole gzip file ({error}); {_CURE}") from error
