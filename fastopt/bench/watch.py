"""What else the machine did while a block was timed: read just before and just after it, off its clock.

Linux says it in /proc and /sys; where they cannot be read, a figure is nan and nothing is guessed.
"""

from __future__ import annotations

import math
import os
import resource
from pathlib import Path
from typing import NamedTuple

_STAT = Path("/proc/stat")
_FREQUENCY = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")  # kHz


class Disturbance(NamedTuple):
    """How often this process was put off a processor, and the processor seconds that others and the hypervisor took.

    crowding is the worse of before and after the block, retaken how often the block was taken again for what was found
    after it: see `fastopt.bench.pace` and `fastopt.bench.worker`.
    """

    switches: int
    others_s: float
    steal_s: float
    mhz: float
    load: float
    crowding: float = math.nan
    retaken: int = 0


class _Reading(NamedTuple):
    switches: int
    own_s: float
    busy_s: float
    steal_s: float


class Watch:
    """Begins to look when it is made; `end` says what was seen since.

    Processor time is counted by the kernel in ticks of 10 ms, of all processors together: what others took in a block
    of 50 ms is known to a tick or two.
    """

    def __init__(self) -> None:
        self._before = _read()

    def end(self) -> Disturbance:
        after, before = _read(), self._before
        own_s, busy_s = after.own_s - before.own_s, after.busy_s - before.busy_s
        return Disturbance(
            after.switches - before.switches,
            max(busy_s - own_s, 0.0) if math.isfinite(busy_s) else math.nan,
            after.steal_s - before.steal_s,
            _mhz(),
            os.getloadavg()[0],
        )


def _read() -> _Reading:
    used = resource.getrusage(resource.RUSAGE_SELF)
    busy_s, steal_s = _processors()
    return _Reading(used.ru_nivcsw, used.ru_utime + used.ru_stime, busy_s, steal_s)


def _processors() -> tuple[float, float]:
    """Seconds that all processors together were busy, and that the hypervisor took, since the machine started."""
    try:
        with _STAT.open() as file:
            user, nice, system, _, _, irq, softirq, steal, *_ = (int(word) for word in file.readline().split()[1:])
    except (OSError, ValueError):
        return math.nan, math.nan
    tick_s = 1.0 / os.sysconf("SC_CLK_TCK")
    return (user + nice + system + irq + softirq) * tick_s, steal * tick_s


def _mhz() -> float:
    try:
        return int(_FREQUENCY.read_text()) / 1e3
    except (OSError, ValueError):
        return math.nan
