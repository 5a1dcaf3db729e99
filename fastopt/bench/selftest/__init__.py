"""The instrument checks itself: the driver against exact theory, and the settings that every measurement rests on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

__all__ = ["Check", "checked"]


class Check(NamedTuple):
    """One question put to the instrument: whether it passed, what was seen in one line, and the seconds it took."""

    name: str
    passed: bool
    said: str
    seconds: float


def checked(name: str, ask: Callable[[], tuple[bool, str]]) -> Check:
    """Return the check `name` whose answer `ask` gives, as (passed, said), with the seconds that `ask` took."""
    start = time.perf_counter()
    passed, said = ask()
    return Check(name, passed, said, time.perf_counter() - start)
