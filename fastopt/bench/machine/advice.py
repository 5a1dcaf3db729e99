"""What makes measurements on this machine slower or noisier than they need be, and the cure: one sentence each.

After `pyperf system show` and the warnings of Google Benchmark, for what matters to arrays and threads. Nothing is
changed here: most of it takes an administrator, and all of it is the user's to decide.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

# By the vectors of a processor: the kernels of OpenBLAS that use narrower ones, and those to ask for instead.
_NARROW = {
    "avx512f": (("Haswell", "Zen", "Sandybridge", "Nehalem", "Prescott", "Katmai"), "AVX-512", "SKYLAKEX"),
    "avx2": (("Sandybridge", "Nehalem", "Core2", "Prescott", "Katmai"), "AVX2", "HASWELL"),
}

MOST_LOAD = 0.5
MOST_STOLEN = 0.001

# Clocks that take a microsecond or more to read.
_SLOW_CLOCKS = ("hpet", "acpi_pm", "jiffies", "refined-jiffies")


def advice(facts: dict[str, Any]) -> list[str]:
    """Return sentences on `facts`, the environment without its advice; none when all is well.

    A fact that is unknown is no reason for advice.
    """
    found = (_on_blas, _on_frequency, _on_cores, _on_container, _on_neighbours, _on_clock, _on_numba)
    return [sentence for ask in found for sentence in ask(facts)]


def _on_blas(facts: dict[str, Any]) -> Iterator[str]:
    narrow, vectors, better = _NARROW.get(facts["cpu"]["vector"], ((), "", ""))
    architecture = next((found["architecture"] for found in facts["blas"] if found["architecture"] in narrow), None)
    if architecture:
        cure = "unset OPENBLAS_CORETYPE" if os.environ.get("OPENBLAS_CORETYPE") else f"set OPENBLAS_CORETYPE={better}"
        yield f"OpenBLAS runs as {architecture} on a CPU with {vectors}, up to twice as slow as it could: {cure}"


def _on_frequency(facts: dict[str, Any]) -> Iterator[str]:
    cpu = facts["cpu"]
    if cpu["governor"] not in (None, "performance"):
        yield (
            f"the frequency governor is {cpu['governor']}, so short measurements may run at a low frequency: "
            "cpupower frequency-set --governor performance"
        )
    if cpu["boost"]:
        yield (
            "the processor may boost its frequency, so speed depends on temperature and on how many cores are busy: "
            "switch boost off in the firmware, or compare only what ran interleaved"
        )
    if facts["system"]["on_battery"]:
        yield "the machine runs on its battery, which may lower the frequency: plug it in"


def _on_cores(facts: dict[str, Any]) -> Iterator[str]:
    cpu, threads = facts["cpu"], facts["threads"]["numba"]
    if cpu["smt"]:
        yield (
            "two threads can share a core (SMT), and then slow each other down: "
            "bind to one processor per core with taskset, or switch SMT off"
        )
    if threads > cpu["usable_cores"]:
        yield (
            f"Numba has {threads} threads for {cpu['usable_cores']} usable cores, and they will wait for one another: "
            f"set NUMBA_NUM_THREADS={cpu['usable_cores']}"
        )
    nodes = facts["system"]["numa_nodes"] or 1
    if nodes > 1:
        yield (
            f"the machine has {nodes} NUMA nodes, so bandwidth depends on where memory was first touched: "
            "numactl --cpunodebind=0 --membind=0"
        )


def _on_container(facts: dict[str, Any]) -> Iterator[str]:
    cpus, memory = facts["container"]["cpus"], facts["container"]["memory_bytes"]
    cores = min(facts["cpu"]["usable_cores"], facts["threads"]["numba"])
    if cpus is not None and cpus < cores:
        whole = max(int(cpus), 1)
        yield (
            f"the container may use {cpus:g} processors' time and {cores} threads share it, so it will be stopped in "
            f"the middle of measurements: take at most {whole} thread{'s' if whole > 1 else ''}, or raise the quota"
        )
    if memory is not None and memory < 1 << 30:
        yield f"the container may use {memory / (1 << 20):.0f} MiB of memory: large sizes will be killed"


def _on_neighbours(facts: dict[str, Any]) -> Iterator[str]:
    load, stolen = facts["load"][0], facts["system"]["stolen_share"] or 0.0
    if load > MOST_LOAD:
        yield f"the load is {load:.2f}, so other processes compete for the cores: wait until it is below {MOST_LOAD:g}"
    if stolen > MOST_STOLEN:
        yield (
            f"the hypervisor gave {stolen:.1%} of the processors' time to others since the machine started: "
            "compare only what ran interleaved, in more rounds"
        )


def _on_clock(facts: dict[str, Any]) -> Iterator[str]:
    clock = facts["system"]["clock_source"]
    if clock in _SLOW_CLOCKS:
        yield f"the kernel's clock is {clock}, which is slow to read: boot with clocksource=tsc where that is stable"


def _on_numba(facts: dict[str, Any]) -> Iterator[str]:
    if facts["variables"].get("NUMBA_DISABLE_JIT", "0") != "0":
        yield "Numba compiles nothing, and our kernels run as Python: unset NUMBA_DISABLE_JIT"
