"""Reading the small files in which Linux tells about itself; where there are none, nothing is known."""

from __future__ import annotations

from pathlib import Path

# Where the file system begins: every reader of this package takes it as an argument, so that a test can set up another.
ROOT = Path("/")


def text(path: Path) -> str | None:
    """Return what a file holds, without the white space around it; None where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def whole(path: Path) -> int | None:
    """Return the whole number that a file holds, None where it holds none ("max") or cannot be read."""
    found = text(path)
    try:
        return None if found is None else int(found)
    except ValueError:
        return None


def chosen(path: Path) -> str | None:
    """Return what is in brackets in a file such as "always [madvise] never"."""
    _, bracket, rest = (text(path) or "").partition("[")
    return rest.partition("]")[0] if bracket else None


def numbers_in(ranges: str) -> list[int]:
    """Return the numbers that a list such as "0-2,8" stands for; none for text of another form."""
    found: list[int] = []
    for part in ranges.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or (last and not last.isdecimal()):
            return []
        found += range(int(first), int(last or first) + 1)
    return found
