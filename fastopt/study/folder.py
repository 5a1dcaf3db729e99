"""The output folder of a study: a fresh one, never one that holds something."""

from __future__ import annotations

import datetime
import itertools
from pathlib import Path

from fastopt.errors import StoreError


def claim(out: str | None, kind: str) -> Path:
    """Create and return the folder `out`, or reports/<kind>-<date>-<number> with the first free number.

    Raises StoreError when `out` is a file, holds anything already, or cannot be created.
    """
    if out is None:
        return _numbered(kind)
    folder = Path(out)
    try:
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise StoreError(f"output folder {folder} is occupied: name another with --out, or remove it first")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".writable").touch()
        (folder / ".writable").unlink()
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(
            f"cannot write to output folder {folder}: {error.strerror}; name another with --out"
        ) from error
    return folder


def _numbered(kind: str) -> Path:
    today = datetime.date.today().isoformat()
    for number in itertools.count(1):
        folder = Path("reports") / f"{kind}-{today}-{number}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise StoreError(f"cannot create {folder}: {error.strerror}; name a folder with --out") from error
        return folder
    raise AssertionError("unreachable")
