"""SHA-256 sums of files and arrays: what was trained on, in 64 digits."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastopt.errors import DataError

__all__ = ["array_sha256", "file_sha256", "read_verified"]


def file_sha256(path: Path) -> str:
    """The sum of a file, in hexadecimal, read in pieces; an OSError passes through."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def array_sha256(array: NDArray[Any]) -> str:
    """The sum of dtype, shape and bytes in C order of an array of numbers or text, in hexadecimal."""
    digest = hashlib.sha256(f"{array.dtype.str} {array.shape}\n".encode())
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def read_verified(path: Path, expected: str, cure: str) -> bytes:
    """The bytes of a file whose SHA-256 is `expected`.

    Raises DataError with both sums and the `cure` if it is another, and if the file cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f'cannot read "{path}": {error.strerror}; {cure}') from error
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise DataError(f'"{path}" ({len(content)} bytes) has SHA-256 {found}, expected {expected}; {cure}')
    return content
