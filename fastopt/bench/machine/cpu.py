"""The processor: what it is called, its cores and caches, and who decides how fast it runs."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from fastopt.bench.machine.system_files import ROOT, text, whole

# The widest vectors that a processor has, by the flag that Linux shows; the first that is there counts.
VECTORS = ("avx512f", "avx2", "asimd", "sse2")

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def processor(root: Path = ROOT) -> dict[str, Any]:
    """Return the facts about the processor; None for what cannot be read.

    model, architecture; cores that the system has, `usable_cores` of this process, `physical_cores` of them; smt (two
    threads share a core), vector (a name of VECTORS), caches ({"L1": "48K"}), governor and boost (of the frequency),
    frequency_hz (lowest, highest, current).
    """
    described = _described(root)
    flags = described.get("flags", described.get("Features", "")).split()
    return {
        "model": described.get("model name") or platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "physical_cores": physical_cores(root),
        "smt": simultaneous_threads(root),
        "vector": next((name for name in VECTORS if name in flags), "unknown"),
        "caches": caches(root),
        "governor": text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "boost": boost(root),
        "frequency_hz": frequency_hz(root, described.get("cpu MHz")),
    }


def usable_cores() -> int:
    """Return how many cores this process may run on."""
    return len(usable_processors()) or os.cpu_count() or 1


def usable_processors() -> list[int]:
    """Return the numbers of the processors that this process may run on; none where the system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def use_cores(count: int) -> None:
    """Bind this process to `count` of the cores that it may run on, if there are more."""
    usable = usable_processors()
    if count < len(usable):
        os.sched_setaffinity(0, usable[:count])


def physical_cores(root: Path = ROOT) -> int | None:
    """Return how many cores there are behind the processors that the system shows."""
    groups = {text(path) for path in _processors(root, "topology/thread_siblings_list")} - {None}
    return len(groups) or None


def simultaneous_threads(root: Path = ROOT) -> bool | None:
    """Return whether several processors that the system shows share one core (SMT, hyper-threading)."""
    active = whole(root / "sys/devices/system/cpu/smt/active")
    if active is not None:
        return bool(active)
    groups = [text(path) or "" for path in _processors(root, "topology/thread_siblings_list")]
    return any("," in group or "-" in group for group in groups) if groups else None


def caches(root: Path = ROOT) -> dict[str, str]:
    """Return the size of each data cache of the first processor, as the system writes it: {"L1": "48K"}."""
    found = {}
    for index in sorted((root / "sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind, level, size = (text(index / name) for name in ("type", "level", "size"))
        if size and kind != "Instruction":
            found[f"L{level}"] = size
    return found


def cache_bytes(sizes: dict[str, str]) -> dict[str, int]:
    """Return sizes as `caches` gives them in bytes, without those that cannot be understood: {"L1": 49152}."""
    found = {}
    for level, size in sizes.items():
        number, unit = (size[:-1], size[-1:]) if size[-1:].isalpha() else (size, "")
        if number.isdecimal() and unit in _UNITS:
            found[level] = int(number) * _UNITS[unit]
    return found


def boost(root: Path = ROOT) -> bool | None:
    """Return whether the processor may run above its nominal frequency while it is cool and few cores are busy."""
    folder = root / "sys/devices/system/cpu"
    off = whole(folder / "intel_pstate/no_turbo")
    if off is not None:
        return not off
    on = whole(folder / "cpufreq/boost")
    return None if on is None else bool(on)


def frequency_hz(root: Path = ROOT, current_mhz: str | None = None) -> dict[str, int | None]:
    """Return the lowest, highest and current frequency of the first processor; `current_mhz` where nobody scales it."""
    folder = root / "sys/devices/system/cpu/cpu0/cpufreq"
    lowest, highest, current = (
        whole(folder / name) for name in ("cpuinfo_min_freq", "cpuinfo_max_freq", "scaling_cur_freq")
    )
    found = {
        name: None if khz is None else khz * 1000
        for name, khz in (("lowest", lowest), ("highest", highest), ("current", current))
    }
    if found["current"] is None and current_mhz:
        found["current"] = round(float(current_mhz) * 1e6)
    return found


def _described(root: Path) -> dict[str, str]:
    """Return the lines of the first processor in /proc/cpuinfo."""
    found: dict[str, str] = {}
    for line in (text(root / "proc/cpuinfo") or "").splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    return found


def _processors(root: Path, name: str) -> list[Path]:
    return list((root / "sys/devices/system/cpu").glob(f"cpu[0-9]*/{name}"))
