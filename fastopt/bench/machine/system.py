"""The system around the process: memory, clock, who shares the machine, and the hypervisor if there is one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from fastopt.bench.machine.system_files import ROOT, chosen, numbers_in, text


def system(root: Path = ROOT) -> dict[str, Any]:
    """Return what the kernel tells about itself; None for what cannot be read.

    clock_source, huge_pages (when large arrays get them: always, madvise or never), numa_nodes, isolated_cores (left
    free of other processes), on_battery, virtual_machine (a name, "unknown" where there is one without a name, None
    for none), stolen_share (of the processors' time since the start, which a hypervisor gave to others).
    """
    return {
        "clock_source": text(root / "sys/devices/system/clocksource/clocksource0/current_clocksource"),
        "huge_pages": chosen(root / "sys/kernel/mm/transparent_hugepage/enabled"),
        "numa_nodes": len(numbers_in(text(root / "sys/devices/system/node/online") or "")) or None,
        "isolated_cores": numbers_in(text(root / "sys/devices/system/cpu/isolated") or ""),
        "on_battery": on_battery(root),
        "virtual_machine": virtual_machine(root),
        "stolen_share": stolen_share(root),
    }


def memory_bytes() -> int:
    """Return the memory of the machine, whatever a container may use of it."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def memory_available_bytes(root: Path = ROOT) -> int | None:
    """Return how much memory can be had without swapping, by the kernel's estimate, which knows no container."""
    for line in (text(root / "proc/meminfo") or "").splitlines():
        key, _, value = line.partition(":")
        if key == "MemAvailable":
            return int(value.split()[0]) * 1024
    return None


def on_battery(root: Path = ROOT) -> bool | None:
    """Return whether a battery is being discharged; None where there is none to be seen."""
    kinds = {path.parent: text(path) for path in (root / "sys/class/power_supply").glob("*/type")}
    batteries = [text(folder / "status") for folder, kind in kinds.items() if kind == "Battery"]
    return any(status == "Discharging" for status in batteries) if batteries else None


def virtual_machine(root: Path = ROOT) -> str | None:
    """Return the hypervisor under this system, as far as it shows itself."""
    clocks = text(root / "sys/devices/system/clocksource/clocksource0/available_clocksource") or ""
    for sign, name in (("kvm-clock", "KVM"), ("hyperv", "Hyper-V"), ("xen", "Xen")):
        if sign in clocks:
            return name
    if "microsoft" in (text(root / "proc/sys/kernel/osrelease") or "").lower():
        return "Hyper-V"
    product = " ".join(text(root / "sys/class/dmi/id" / name) or "" for name in ("sys_vendor", "product_name"))
    for name in ("QEMU", "KVM", "VMware", "VirtualBox", "Virtual Machine", "Xen", "Parallels"):
        if name.lower() in product.lower():
            return name
    cpuinfo = text(root / "proc/cpuinfo") or ""
    flags = next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "")
    return "unknown" if "hypervisor" in flags.split() else None


def stolen_share(root: Path = ROOT) -> float | None:
    """Return the share of the processors' time since the start that the hypervisor gave to others.

    Source: /proc/stat, see proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal; guest time is in user.
    """
    first, _, rest = (text(root / "proc/stat") or "").partition(" ")
    ticks = [int(part) for part in rest.splitlines()[0].split()[:8]] if first == "cpu" and rest else []
    total = sum(ticks)
    return ticks[7] / total if len(ticks) == 8 and total else None
