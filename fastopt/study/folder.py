"""The output folder of a study: a fresh one, or one whose study goes on; and that one process at a time works in it.

The settings of the study lie in it as study.toml before anything runs. Whoever works in the folder holds a lock on that
file, which the kernel lets go when the process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from fastopt.errors import StoreError

SETTINGS = "study.toml"


def claim(out: str | None, kind: str) -> Path:
    """Create and return the folder `out`, or reports/<kind>-<date>-<number> with the first free number.

    Raises StoreError when `out` is a file, holds anything already, or cannot be created.
    """
    if out is None:
        return _numbered(kind)
    folder = Path(out)
    try:
        if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
            raise _occupied(folder)
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


@contextlib.contextmanager
def begun(folder: Path, settings: str) -> Iterator[None]:
    """Write the settings of a new study into its folder and hold it while inside.

    The file is there whole or not at all, and locked from its first moment. Raises StoreError where another process was
    faster, and where it cannot be written.
    """
    with _written(folder, settings):
        yield


@contextlib.contextmanager
def resumed(folder: Path) -> Iterator[Path]:
    """Hold the folder of a study that was begun, and give the path of its settings.

    Raises StoreError where no study was begun, and while another process works in it.
    """
    path = folder / SETTINGS
    try:
        file = path.open("r+", encoding="utf-8")
    except OSError as error:
        raise StoreError(
            f"nothing to resume in {folder}: cannot open {SETTINGS} ({error.strerror}); name the folder of a comparison"
        ) from error
    with file:
        _lock(file.fileno(), folder)
        yield path


def check_idle(folder: Path) -> None:
    """Raise StoreError while a process works in the folder of a study; where none was begun nothing does."""
    try:
        file = (folder / SETTINGS).open("r+", encoding="utf-8")
    except OSError:
        return
    with file:
        _lock(file.fileno(), folder)


def is_held(folder: Path) -> bool:
    """Return whether a process works in the folder of a study now."""
    try:
        check_idle(folder)
    except StoreError:
        return True
    return False


def _written(folder: Path, settings: str) -> TextIO:
    """Write the settings and return the file, open and locked."""
    path, part = folder / SETTINGS, folder / f".{SETTINGS}.part"
    try:
        file = part.open("x", encoding="utf-8")
    except FileExistsError:
        raise _occupied(folder) from None
    except OSError as error:
        raise StoreError(f"cannot write {part}: {error.strerror}; name another folder with --out") from error
    try:
        if path.exists():  # looked at while ours is there: of two processes one at most gets past
            part.unlink()
            raise _occupied(folder)
        _lock(file.fileno(), folder)
        file.write(settings)
        file.flush()
        os.fsync(file.fileno())
        part.replace(path)
    except StoreError:
        file.close()
        raise
    except OSError as error:
        file.close()
        raise StoreError(f"cannot write {path}: {error.strerror}; name another folder with --out") from error
    return file


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise StoreError(f"another process works in {folder}: wait until it has ended, or stop it") from None
    except OSError as error:
        raise StoreError(f"cannot lock {folder}: {error.strerror}; name a folder on another disk with --out") from error


def _occupied(folder: Path) -> StoreError:
    return StoreError(f"output folder {folder} is occupied: name another with --out, or remove it first")


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
