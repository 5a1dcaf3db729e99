"""The GPUs, as NVIDIA's own tool shows them; nothing of CUDA is loaded, which would hold memory on the device."""

from __future__ import annotations

import functools
import shutil
import subprocess
from typing import Any

_TIMEOUT_S = 10.0
_FIELDS = ("name", "driver_version", "memory.total")


@functools.cache
def gpus() -> list[dict[str, Any]] | None:
    """Return name, driver and memory_bytes of each GPU, None where there is none; asked once per process."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    query = [tool, f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):  # the tool is there, and the driver is not
        return None
    return [_gpu(line) for line in answer.splitlines() if line.count(",") == 2] or None


def _gpu(line: str) -> dict[str, Any]:
    name, driver, mebibytes = (part.strip() for part in line.split(","))
    memory = int(mebibytes) << 20 if mebibytes.isdecimal() else None  # "[N/A]" where it is the host's own
    return {"name": name, "driver": driver, "memory_bytes": memory}
