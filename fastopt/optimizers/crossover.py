"""From how many elements on "auto" updates an array on all threads: measured once per machine, and kept.

`fastopt.calibrate()` measures and keeps it; reading it costs a small file, once per process. A machine that was never
measured takes `DEFAULT`.
"""

from __future__ import annotations

import functools
import json
import math
import os
from pathlib import Path

# Elements from which a parallel region pays for its 1.5 to 3 us (2 cores of a Zen 5, measured 2026-11-21).
DEFAULT = 50_000


def parallel_from(backend: str = "auto") -> float:
    """Return the number of elements from which `backend` updates one array on all threads; infinite for "serial".

    "parallel" leaves to one thread what is one block of the loop, where further threads would have nothing to do.
    """
    if backend == "serial":
        return math.inf
    if backend == "parallel":
        from fastopt.kernels.cpu import BLOCK

        return BLOCK + 1
    return _kept()


def machine_key() -> str:
    """Return what the crossover depends on: processor, threads and the version of Numba."""
    import numba
    from llvmlite import binding

    return f"{binding.get_host_cpu_name()} threads={numba.config.NUMBA_NUM_THREADS} numba={numba.__version__}"


def keep(elements: float) -> Path:
    """Keep the crossover of this machine for later processes, and for this one; return the file.

    Raises OSError if the file cannot be written.
    """
    path = _file()
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {**_read(), machine_key(): None if math.isinf(elements) else int(elements)}
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    part.replace(path)
    _kept.cache_clear()
    return path


@functools.cache
def _kept() -> float:
    found = _read().get(machine_key(), DEFAULT)
    return math.inf if found is None else float(found)


def _read() -> dict[str, int | None]:
    """Return what is kept, by machine; nothing where there is no file, or a damaged one."""
    try:
        content = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    return {key: value for key, value in content.items() if value is None or (isinstance(value, int) and value > 0)}


def _file() -> Path:
    """FASTOPT_CACHE_DIR names another folder than the user's cache."""
    import platformdirs

    folder = os.environ.get("FASTOPT_CACHE_DIR") or platformdirs.user_cache_dir("fastopt")
    return Path(folder) / "crossover.json"
