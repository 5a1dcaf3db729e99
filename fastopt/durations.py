"""Lengths of time as a user writes them: 60s, 45m, 1h, or seconds without a unit."""

from __future__ import annotations

import re

from fastopt.errors import ConfigError

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(given: str, name: str) -> float:
    """Return the seconds of "45m"; raises ConfigError for zero and for anything else, with the `name` of it."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", given)
    if not found or not float(found[1]):
        raise ConfigError(f"{name} is a time such as 60s, 45m or 1h, got {given!r}")
    return float(found[1]) * _SECONDS[found[2]]
