"""The original files of a data set: looked for in the user's folders, else fetched; never used unchecked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fastopt.errors import DataError
from fastopt.training.checksums import read_verified

__all__ = ["Folder", "Source", "read"]

Folder = str | os.PathLike[str] | None


@dataclass(frozen=True)
class Source:
    """Which files a data set is made of and where they are.

    name   of the data set, and of the subfolder that its files may lie in
    files  SHA-256 of each, in hexadecimal, by file name
    urls   folders on the net, each ending in "/", that hold all files; the first that answers is taken
    page   where a person reads about them
    """

    name: str
    files: Mapping[str, str]
    urls: tuple[str, ...]
    page: str


def read(source: Source, data_dir: Folder) -> list[bytes]:
    """The contents of all files, in order.

    Each is looked for in `data_dir`, else in the folder that the environment variable FASTOPT_DATA names: first in its
    subfolder of the data set's name, then in the folder itself. Only what is in neither is fetched, once, into the
    user's cache folder. Raises DataError where a file is another than it should be or cannot be had.
    """
    folders = _folders(source.name, data_dir)
    paths = {file: path for file in source.files if (path := _found(file, folders)) is not None}
    missing = [file for file in source.files if file not in paths]
    if missing:
        paths |= _fetched(source, missing, folders)
    cure = f"fetch it again from {source.urls[0]}, or remove it and fastopt will"
    return [read_verified(paths[file], expected, cure) for file, expected in source.files.items()]


def _fetched(source: Source, missing: list[str], folders: tuple[Path, ...]) -> dict[str, Path]:
    from fastopt.training.datasets.fetch import fetch  # which imports much

    try:
        return fetch(source, missing)
    except DataError as error:
        looked = f', not in "{folders[1]}" or its subfolder {source.name}' if folders else ""
        raise DataError(
            f'"{source.name}" needs {", ".join(missing)}{looked}; {error}; put the files (from {source.urls[0]}) '
            "into one folder and name it with data_dir (--data-dir) or the environment variable FASTOPT_DATA"
        ) from error


def _folders(name: str, data_dir: Folder) -> tuple[Path, ...]:
    """Where the user's files may lie; raises DataError for a folder that was named and is none."""
    named = data_dir if data_dir is not None else os.environ.get("FASTOPT_DATA") or None
    if named is None:
        return ()
    root = Path(named)
    if not root.is_dir():
        origin = "data_dir" if data_dir is not None else "the environment variable FASTOPT_DATA"
        raise DataError(f'{origin} is "{root}", which is no folder; name the folder that holds the data, or none')
    # the subfolder first: the files of mnist and fashion-mnist have the same names
    return root / name, root


def _found(file: str, folders: tuple[Path, ...]) -> Path | None:
    return next((folder / file for folder in folders if (folder / file).is_file()), None)
