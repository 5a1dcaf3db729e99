"""The libraries that a measurement depends on: their versions, their threads, their settings, and the BLAS."""

from __future__ import annotations

import importlib.metadata
import os
import re
from pathlib import Path
from typing import Any

# The distributions that have a version here; TensorFlow has two names.
DISTRIBUTIONS = (
    "numpy",
    "numba",
    "llvmlite",
    "scipy",
    "pandas",
    "matplotlib",
    "torch",
    "jax",
    "jaxlib",
    "optax",
    "deepspeed",
    "ninja",
    "scikit-learn",
    "keras",
    "tensorflow",
    "tensorflow-cpu",
    "numba-cuda",
)

# Beginnings of environment variables that change what is measured.
VARIABLES = (
    "NUMBA_",
    "OMP_",
    "GOMP_",
    "OPENBLAS_",
    "MKL_",
    "KMP_",
    "XLA_FLAGS",
    "JAX_",
    "TF_NUM_",
    "TF_ENABLE_",
    "TF_XLA_FLAGS",
    "MALLOC_",
)

# A folder of somebody's does not belong in a record that may be published.
_PATH = re.compile(r"(?<![^\s=:,;\"'])~?/[^\s=:,;\"']*")


def versions() -> dict[str, str]:
    """Return the versions of the distributions that are installed."""
    found = {}
    for name in DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def llvm() -> str:
    """Return the version of the LLVM that Numba compiles with."""
    from llvmlite import binding

    return ".".join(str(part) for part in binding.llvm_version_info)


def numba_threads() -> dict[str, Any]:
    """Return how many threads a parallel region has, and the layer asked for ("default": the first that is there)."""
    import numba

    return {"numba": int(numba.config.NUMBA_NUM_THREADS), "layer": str(numba.config.THREADING_LAYER)}


def variables() -> dict[str, str]:
    """Return the environment variables that change what is measured; paths in their values are written as PATH."""
    found = {name: value for name, value in os.environ.items() if name.startswith(VARIABLES)}
    return {name: _PATH.sub("PATH", found[name]) for name in sorted(found)}


def blas() -> list[dict[str, Any]]:
    """Return each BLAS of this process; its `architecture` is the CPU that it believes it runs on."""
    import scipy.linalg.cython_blas  # noqa: F401  (the BLAS that Numba calls)
    import threadpoolctl

    wanted = ("internal_api", "version", "architecture", "num_threads", "threading_layer")
    return [
        {"library": Path(found["filepath"]).name, **{key: found.get(key) for key in wanted}}
        for found in threadpoolctl.threadpool_info()
        if found["user_api"] == "blas"
    ]
