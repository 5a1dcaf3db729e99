"""What a container lets this process use, from the control groups of Linux, versions 1 and 2.

A limit may stand at any level of the tree, and the lowest counts. Inside a container the path of the process's group
often does not exist under the mount point, which then shows the container's own group as its root: so every level that
does exist is asked, up to the root.
Sources, in the kernel's Documentation: admin-guide/cgroup-v2.rst, admin-guide/cgroup-v1/{cpusets,memory}.rst,
scheduler/sched-bwc.rst.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastopt.bench.machine.system_files import ROOT, text, whole

# Version 1 writes "no limit" as the largest number of pages, in bytes.
_NO_LIMIT = 1 << 60


def container(root: Path = ROOT) -> dict[str, Any]:
    """Return the kind of container, and its limits; None where there is no sign of one, or no limit.

    kind (docker, podman or kubernetes), cpus (processor time per time, 1.5 for one and a half processors),
    memory_bytes, cpuset (the processors that the group may run on, such as "0-3").
    """
    groups = _groups(root)
    quotas = [*_quotas(groups, root), *_old_quotas(groups, root)]
    limits = [
        *(whole(level / "memory.max") for level in _levels(groups, "", root)),
        *(whole(level / "memory.limit_in_bytes") for level in _levels(groups, "memory", root)),
    ]
    sets = [
        *(text(level / "cpuset.cpus.effective") for level in _levels(groups, "", root)),
        *(text(level / "cpuset.effective_cpus") for level in _levels(groups, "cpuset", root)),
        *(text(level / "cpuset.cpus") for level in _levels(groups, "cpuset", root)),
    ]
    return {
        "kind": _kind(root),
        "cpus": min(quotas, default=None),
        "memory_bytes": min((limit for limit in limits if limit is not None and limit < _NO_LIMIT), default=None),
        "cpuset": next((found for found in sets if found), None),
    }


def _kind(root: Path) -> str | None:
    if "KUBERNETES_SERVICE_HOST" in os.environ:
        return "kubernetes"
    if (root / "run/.containerenv").exists():
        return "podman"
    return "docker" if (root / ".dockerenv").exists() else None


def _groups(root: Path) -> dict[str, str]:
    """Return the group of this process for each controller of version 1, and under "" that of version 2."""
    groups = {}
    for line in (text(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            groups[controller] = path
    return groups


def _levels(groups: dict[str, str], controller: str, root: Path) -> Iterator[Path]:
    """Yield the folders of the group and those above it that exist, the innermost first."""
    if controller not in groups:
        return
    mount = root / "sys/fs/cgroup" / controller
    if not controller and not (mount / "cgroup.controllers").exists():
        mount = mount / "unified"  # beside version 1
    inner = mount / groups[controller].lstrip("/")
    for level in (inner, *inner.parents):
        if level.is_dir():
            yield level
        if level == mount:
            return


def _quotas(groups: dict[str, str], root: Path) -> Iterator[float]:
    for level in _levels(groups, "", root):
        quota, _, period = (text(level / "cpu.max") or "").partition(" ")
        if quota.isdecimal() and period.isdecimal():
            yield int(quota) / int(period)


def _old_quotas(groups: dict[str, str], root: Path) -> Iterator[float]:
    for level in _levels(groups, "cpu", root):
        quota, period = whole(level / "cpu.cfs_quota_us"), whole(level / "cpu.cfs_period_us")
        if quota is not None and period is not None and quota > 0:  # -1: none
            yield quota / period
