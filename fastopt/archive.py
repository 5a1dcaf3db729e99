"""One .npz file with arrays and a header of plain values, written whole or not at all, and read without a pickle."""

from __future__ import annotations

import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fastopt.errors import StateError, StoreError

__all__ = ["read", "write"]

_DAMAGED = (OSError, ValueError, KeyError, EOFError, TypeError, NotImplementedError, zipfile.BadZipFile, zlib.error)


def write(
    path: str | os.PathLike[str], kind: str, form: int, header: Mapping[str, Any], arrays: Mapping[str, Any]
) -> None:
    """Write `header`, JSON-able, and `arrays` to the file `path`; a file of that name is replaced at the very end.

    `kind` ("optimizer") and the number of its format are what `read` asks for.

    Raises StoreError if it cannot be written; what was there before stays.
    """
    target, whole = Path(path), {"kind": kind, "format": form, **header}
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, header=np.array(json.dumps(whole)), **arrays)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StoreError(f"cannot write {target}: {error.strerror}") from error


def read(path: str | os.PathLike[str], kind: str, form: int) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Return header and arrays of a file that `write` wrote.

    Raises StateError for a file that is missing, damaged, of another kind, or of another format.
    """
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
        header = json.loads(str(arrays.pop("header")))
    except FileNotFoundError:
        raise StateError(f"{path}: no such file") from None
    except _DAMAGED as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise StateError(f"{path} is no saved {kind}, or is damaged ({reason}): save it again") from None
    if not isinstance(header, dict) or (header.get("kind"), header.get("format")) != (kind, form):
        raise StateError(f"{path} is no saved {kind} of format {form}, which this version of fastopt reads")
    return header, arrays
