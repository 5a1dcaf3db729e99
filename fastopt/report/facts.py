"""Facts about a record set as the page shows them: the date, and nested facts one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any


def when(created: str) -> str:
    """Return an ISO time as "2026-01-02 03:04 UTC"; what is none is returned as it is."""
    try:
        return f"{datetime.fromisoformat(created):%Y-%m-%d %H:%M %Z}".strip()
    except ValueError:
        return created


def flatten(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield the leaves of nested facts: ("cpu.model", "...")."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from flatten(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and any(isinstance(item, Mapping | list) for item in value):
        for i, item in enumerate(value):
            yield from flatten(item, f"{name}[{i}]")
    else:
        text = ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)
        yield name, "unknown" if value is None else text
