"""The state of the source tree that the package runs from."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

_TIMEOUT_S = 10.0

ROOT = Path(__file__).resolve().parents[3]


def checkout(root: Path = ROOT) -> dict[str, Any] | None:
    """Return commit and dirty flag of the checkout at `root`; None where there is none, or no git."""
    if not (root / ".git").exists():
        return None
    try:
        commit, status = (
            subprocess.run(
                ["git", "-C", str(root), *command], capture_output=True, text=True, timeout=_TIMEOUT_S, check=True
            )
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit.stdout.strip(), "dirty": bool(status.stdout.strip())}
