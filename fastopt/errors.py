"""Every exception that fastopt raises on purpose.

    FastoptError
    ├── ConfigError         a name, a number or an option that does not fit (also a ValueError)
    ├── ArrayError          parameters, gradients or data arrays that do not fit (also a ValueError)
    ├── DataError           a data set or one of its files that cannot be used (also a ValueError)
    ├── StateError          optimizer state that belongs elsewhere, or is damaged (also a ValueError)
    ├── StoreError          an output folder or a record store that cannot be used (also an OSError)
    ├── BackendUnavailable  a backend that this machine lacks (also a RuntimeError)
    ├── PeerUnavailable     a library to compare with that is not installed (also an ImportError)
    └── WorkerError         a measuring process that failed (also a RuntimeError)

    KeyboardInterrupt
    └── Interrupted         Ctrl-C during training; `history` holds what was reached

Each message is one line: what came, what was expected, what to do. The command line prints it and exits with 2
(130 for `Interrupted`).
"""

from __future__ import annotations

import difflib
import keyword
from collections.abc import Iterable
from typing import Any

__all__ = [
    "ArrayError",
    "BackendUnavailable",
    "ConfigError",
    "DataError",
    "FastoptError",
    "Interrupted",
    "PeerUnavailable",
    "StateError",
    "StoreError",
    "WorkerError",
]


class FastoptError(Exception):
    """The root: catch this to catch everything that fastopt raises on purpose."""


class ConfigError(FastoptError, ValueError):
    """A name, a number or an option that does not fit."""


class ArrayError(FastoptError, ValueError):
    """Parameters, gradients or data arrays of the wrong shape, dtype or memory layout."""


class DataError(FastoptError, ValueError):
    """A data set that is missing, damaged or unfit for the model."""


class StateError(FastoptError, ValueError):
    """Optimizer state that belongs to another optimizer or size, or is damaged."""


class StoreError(FastoptError, OSError):
    """An output folder or a record store that cannot be written or read."""


class BackendUnavailable(FastoptError, RuntimeError):
    """A backend that this machine or environment lacks."""


class PeerUnavailable(FastoptError, ImportError):
    """A library to compare with that is not installed."""


class WorkerError(FastoptError, RuntimeError):
    """A measuring process that crashed, hung or gave a wrong answer."""


class Interrupted(KeyboardInterrupt):
    """Training was interrupted; `history` holds what was reached. No FastoptError: `except Exception` lets it pass."""

    def __init__(self, message: str, history: Any = None) -> None:
        super().__init__(message)
        self.history = history


def first_complaint(error: BaseException) -> str:
    """Return the line of one of Numba's messages that tells what is wrong."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if not line.startswith("Failed in nopython")), "no reason given")


def is_own_name(name: object) -> bool:
    """Return whether `name` is a lower-case Python name, as what a user registers must have."""
    return isinstance(name, str) and name.isidentifier() and name == name.lower() and not keyword.iskeyword(name)


def unknown_name(kind: str, name: object, known: Iterable[str]) -> ConfigError:
    """The error for a name that is not on the menu: it lists the menu, the nearest match first."""
    menu = sorted(known)
    near = difflib.get_close_matches(str(name), menu, n=1)
    hint = f' (did you mean "{near[0]}"?)' if near else ""
    return ConfigError(f'unknown {kind} "{name}"{hint}; known: {", ".join(menu)}')
