"""Fetching the files of a data set with pooch: checked against their sums, kept in the user's cache folder.

Imported only when something must be fetched.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import pooch
from requests import HTTPError, RequestException, Timeout
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from fastopt.errors import DataError
from fastopt.training.datasets.sources import Source

__all__ = ["fetch"]

_TIMEOUT_S = 30
_CHUNK_BYTES = 1 << 16


def fetch(source: Source, files: Sequence[str]) -> dict[str, Path]:
    """Where each of `files` lies in the cache folder, fetched from the source's URLs unless it is there already.

    The folder is pooch.os_cache("fastopt") / source.name. On a terminal a bar on standard error shows the progress.
    Raises DataError, which says why, if a file can be had from none of the URLs, or if it cannot be stored.
    """
    folder = Path(pooch.os_cache("fastopt")) / source.name
    return {file: _fetch_one(file, source, folder) for file in files}


def _fetch_one(file: str, source: Source, folder: Path) -> Path:
    """The path of one file, from the first URL that gives it."""
    reasons = []
    for url in source.urls:
        try:
            with _quiet(pooch.get_logger()), _Bar(file) as bar:
                downloader = pooch.HTTPDownloader(progressbar=bar, timeout=_TIMEOUT_S, chunk_size=_CHUNK_BYTES)
                known = f"sha256:{source.files[file]}"
                return Path(pooch.retrieve(url + file, known, fname=file, path=folder, downloader=downloader))
        except (RequestException, ValueError) as error:
            reasons.append(f"{urlsplit(url).netloc}: {_reason(error)}")
        except OSError as error:
            raise DataError(f'cannot store {file} in "{folder}": {error.strerror or error}') from error
    raise DataError(f"fetching {file} failed ({'; '.join(reasons)})")


@contextlib.contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    """Keep what pooch says of every try from standard error: the bar shows it, and so does the error."""
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)


def _reason(error: Exception) -> str:
    """What went wrong, in few words: the messages of requests hold addresses of objects."""
    if isinstance(error, HTTPError):
        return f"HTTP status {error.response.status_code}"
    if isinstance(error, Timeout):
        return f"no answer in {_TIMEOUT_S} s"
    if isinstance(error, RequestException):
        return f"no connection, {type(error).__name__}"
    return "what came has another SHA-256 sum"  # which pooch tells by a ValueError


class _Bar:
    """The progress of one file, drawn by rich if standard error is a terminal, with the names that pooch calls."""

    def __init__(self, file: str) -> None:
        console = Console(stderr=True)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task(file, total=None)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def total(self) -> float | None:
        """The bytes to come; pooch sets it when the answer begins, and 0 where the server does not say."""
        return self._progress.tasks[0].total

    @total.setter
    def total(self, n_bytes: int) -> None:
        self._progress.start()
        self._progress.update(self._task, total=n_bytes or None)

    def update(self, n_bytes: int) -> None:
        self._progress.advance(self._task, n_bytes)

    def reset(self) -> None:
        self._progress.update(self._task, completed=0)

    def close(self) -> None:
        self._progress.stop()
