"""What this machine and environment are, as JSON-able facts that go with every set of records."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

LIBRARIES = (
    "numpy",
    "numba",
    "llvmlite",
    "scipy",
    "pandas",
    "matplotlib",
    "torch",
    "jax",
    "optax",
    "deepspeed",
    "scikit-learn",
)

# Environment variables that change what is measured.
VARIABLES = ("NUMBA_", "OMP_", "OPENBLAS_", "MKL_", "KMP_", "XLA_FLAGS", "JAX_")


def environment() -> dict[str, Any]:
    """Return the machine, the versions and the settings that a measurement depends on.

    Keys: fastopt, python, platform, cpu (model, cores, caches, governor), memory_bytes, threads, blas (one entry per
    library, with the CPU it believes it runs on), advice (sentences; empty when all is well), variables, versions, git
    (commit and dirty flag of the source tree, None for an installed package), load (1, 5, 15 minutes).
    """
    blas = _blas()
    cpu = _cpu()
    return {
        "fastopt": importlib.metadata.version("fastopt"),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpu": cpu,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "threads": _numba_threads(),
        "blas": blas,
        "advice": _advice(cpu, blas),
        "variables": {name: value for name, value in sorted(os.environ.items()) if name.startswith(VARIABLES)},
        "versions": _versions(),
        "git": _git(),
        "load": list(os.getloadavg()),
    }


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu() -> dict[str, Any]:
    facts = {"model": platform.processor() or platform.machine(), "flags": ""}
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                facts["model"] = value.strip()
            elif key.strip() == "flags":
                facts["flags"] = value
                break
    except OSError:
        pass
    vector = next((name for name in ("avx512f", "avx2", "asimd", "sse2") if name in facts["flags"].split()), "unknown")
    return {
        "model": facts["model"],
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "vector": vector,
        "caches": _caches(),
        "governor": _text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
    }


def _caches() -> dict[str, str]:
    caches = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind, level, size = (_text(str(index / name)) for name in ("type", "level", "size"))
        if size and kind != "Instruction":
            caches[f"L{level}"] = size
    return caches


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return None


def _numba_threads() -> dict[str, Any]:
    import numba

    return {"numba": int(numba.config.NUMBA_NUM_THREADS), "layer": str(numba.config.THREADING_LAYER)}


def _blas() -> list[dict[str, Any]]:
    import scipy.linalg.cython_blas  # noqa: F401  (the BLAS that Numba calls)
    import threadpoolctl

    wanted = ("internal_api", "version", "architecture", "num_threads", "threading_layer")
    return [
        {"library": Path(found["filepath"]).name, **{key: found.get(key) for key in wanted}}
        for found in threadpoolctl.threadpool_info()
        if found["user_api"] == "blas"
    ]


def _advice(cpu: dict[str, Any], blas: list[dict[str, Any]]) -> list[str]:
    """Say what makes this machine slower than it need be."""
    core_type = os.environ.get("OPENBLAS_CORETYPE")
    narrow = [found for found in blas if found["architecture"] in ("Haswell", "Zen", "Sandybridge", "Prescott")]
    if cpu["vector"] != "avx512f" or not narrow:
        return []
    cure = "unset OPENBLAS_CORETYPE" if core_type else "set OPENBLAS_CORETYPE=SKYLAKEX"
    return [
        f"OpenBLAS runs as {narrow[0]['architecture']} on a CPU with AVX-512, up to twice as slow as it could: {cure}"
    ]


def _versions() -> dict[str, str]:
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _git() -> dict[str, Any] | None:
    """Return commit and dirty flag of the checkout this package runs from, None where there is none."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    try:
        commit, status = (
            subprocess.run(["git", "-C", str(root), *command], capture_output=True, text=True, timeout=10, check=True)
            for command in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no"])
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit.stdout.strip(), "dirty": bool(status.stdout.strip())}
