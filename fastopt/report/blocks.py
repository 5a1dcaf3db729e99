"""Timed blocks of a study as the samples that they were, to tell whether they were alone on the machine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from fastopt.bench.contention import Contention, together
from fastopt.measurements import Sample


def contention_of(timings: Iterable[Mapping[Any, Any]]) -> Contention:
    """Return what was seen beside the blocks of `records.timings`; no sample of those where nothing was looked at."""
    return together([(_sample(row), int(row["threads"])) for row in timings if not math.isnan(row["launch"])])


def _sample(row: Mapping[Any, Any]) -> Sample:
    steps = int(row["steps"])
    return Sample(
        int(row["launch"]),
        int(row["round"]),
        int(row["position"]),
        False,
        steps,
        row["time_s"] / steps,
        warm=bool(row["warm"]),
        switches=int(row["switches"]),
        others_s=row["others_s"],
        steal_s=row["steal_s"],
        load=row["load"],
        crowding=row["crowding"],
    )
