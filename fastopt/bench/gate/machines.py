"""Were two runs made on the same machine, with the same libraries?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastopt.errors import ConfigError

# Libraries that compile or run our own code; those of peers are looked at row by row.
_LIBRARIES = ("numba", "llvmlite", "numpy")


def machine(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of `fastopt.bench.machine.environment()` that a comparison of times depends on, in its form."""
    cpu, versions = environment.get("cpu") or {}, environment.get("versions") or {}
    return {
        "cpu": {name: cpu[name] for name in ("model", "usable_cores", "vector") if cpu.get(name) is not None},
        "python": environment.get("python"),
        "versions": {name: versions[name] for name in _LIBRARIES if name in versions},
    }


def check_alike(baseline: Mapping[str, Any], current: Mapping[str, Any], *, any_machine: bool) -> list[str]:
    """Return notes on what differs between two environments, in sentences.

    Raises ConfigError if the processor, its usable cores or its vector width differ, unless `any_machine`.
    """
    before, now = machine(baseline), machine(current)
    names = {"model": "CPU", "usable_cores": "usable cores", "vector": "vector instructions"}
    unlike = [_differs(names[name], before["cpu"][name], now["cpu"][name]) for name in _changed(before, now, "cpu")]
    if unlike and not any_machine:
        raise ConfigError(f"the two runs are of unlike machines: {'; '.join(unlike)}; compare them with --any-machine")
    notes = [f"unlike machines: {'; '.join(unlike)}"] if unlike else []
    sides = (("baseline", before), ("current run", now))
    notes += [f"the {side} does not say which machine it is of" for side, facts in sides if not facts["cpu"]]
    return notes + version_notes(before, now)


def version_notes(baseline: Mapping[str, Any], current: Mapping[str, Any]) -> list[str]:
    """Return a note on Python and libraries that differ between two environments; [] if none do."""
    before, now = machine(baseline), machine(current)
    changed = [_differs(name, before["versions"][name], now["versions"][name]) for name in _changed(before, now)]
    if before["python"] and now["python"] and before["python"] != now["python"]:
        changed.insert(0, _differs("Python", before["python"], now["python"]))
    return [f"versions differ: {'; '.join(changed)}"] if changed else []


def _changed(before: Mapping[str, Any], now: Mapping[str, Any], part: str = "versions") -> list[str]:
    """The facts of a part that both sides have, and that differ."""
    return [name for name, value in before[part].items() if name in now[part] and now[part][name] != value]


def _differs(name: str, before: object, now: object) -> str:
    return f"{name} {before} in the baseline, {now} now"
