"""A user's own files, written for a test, and what they hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

GOOD_CSV = "a,b,label\n" + "".join(f"{i},{i * i},{'xy'[i % 2]}\n" for i in range(20))
X20 = np.arange(40.0).reshape(20, 2)
Y20 = np.arange(20) % 2

NAN = X20.copy()
NAN[3, 1] = np.nan


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def saved(folder: Path, **arrays) -> Path:
    np.savez(folder / "own.npz", **arrays)
    return folder / "own.npz"


def saved_npy(folder: Path, features, labels, name: str = "own.npy", labels_name: str = "own_labels.npy") -> Path:
    np.save(folder / name, features)
    np.save(folder / labels_name, labels)
    return folder / name


def one_line(raised: pytest.ExceptionInfo[Exception]) -> bool:
    return "\n" not in str(raised.value)
