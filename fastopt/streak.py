"""The first of several in a row: what counts as having reached a goal."""

from __future__ import annotations

from collections.abc import Iterable


def first_streak(there: Iterable[bool], length: int) -> int | None:
    """Return the index at which `there` first begins to be true `length` times in a row, or None."""
    streak = 0
    for i, answer in enumerate(there):
        streak = streak + 1 if answer else 0
        if streak == length:
            return i - length + 1
    return None
