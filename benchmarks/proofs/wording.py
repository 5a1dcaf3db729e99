"""How the pages of the proofs write figures."""

from __future__ import annotations

from typing import Any


def words(value: Any) -> str:
    """A figure, or several, as text."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {words(item)}" for key, item in value.items())
    if isinstance(value, list):
        return " / ".join(words(item) for item in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
