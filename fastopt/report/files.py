"""Putting files in place whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def replace(path: Path, fill: Callable[[Path], Any]) -> None:
    """Write beside `path`, then put it in place: a reader sees the old file or the new one, never half of one."""
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")
    try:
        fill(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def put(text: str, path: Path) -> None:
    """Write `text` to `path` as UTF-8."""
    path.write_text(text, encoding="utf-8")
