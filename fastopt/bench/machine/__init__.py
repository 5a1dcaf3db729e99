"""What this machine and environment are, as JSON-able facts that go with every set of records."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from typing import Any

from fastopt.bench.machine import libraries
from fastopt.bench.machine.advice import advice
from fastopt.bench.machine.checkout import checkout
from fastopt.bench.machine.container import container
from fastopt.bench.machine.cpu import cache_bytes, processor, usable_cores, use_cores
from fastopt.bench.machine.gpu import gpus
from fastopt.bench.machine.system import memory_available_bytes, memory_bytes, system

__all__ = ["cache_bytes", "environment", "usable_cores", "usable_memory_bytes", "use_cores"]


def environment() -> dict[str, Any]:
    """Return the machine, the versions and the settings that a measurement depends on.

    Keys: fastopt, python, platform, cpu (model, cores, caches, governor and more, see `cpu.processor`), memory_bytes,
    memory_available_bytes, system (clock source, huge pages, NUMA nodes, virtual machine and more, see
    `system.system`), container (its kind and its limits), gpu (a list, None where there is none), threads, blas (one
    entry per library, with the CPU it believes it runs on), advice (sentences; empty when all is well), variables (of
    the environment), versions, llvm, git (commit and dirty flag of the source tree, None for an installed package),
    load (1, 5, 15 minutes).

    What cannot be read is None. No host name, user name or folder is among the facts.
    """
    facts: dict[str, Any] = {
        "fastopt": importlib.metadata.version("fastopt"),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpu": processor(),
        "memory_bytes": memory_bytes(),
        "memory_available_bytes": memory_available_bytes(),
        "system": system(),
        "container": container(),
        "gpu": gpus(),
        "threads": libraries.numba_threads(),
        "blas": libraries.blas(),
        "advice": [],
        "variables": libraries.variables(),
        "versions": libraries.versions(),
        "llvm": libraries.llvm(),
        "git": checkout(),
        "load": list(os.getloadavg()),
    }
    facts["advice"] = advice(facts)
    return facts


def usable_memory_bytes() -> int | None:
    """Return how much memory this process can have without swapping or being killed; None where it is unknown."""
    bounds = memory_available_bytes(), container()["memory_bytes"]
    return min((bound for bound in bounds if bound is not None), default=None)
