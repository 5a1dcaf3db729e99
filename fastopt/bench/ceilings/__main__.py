"""The process that measures ceilings: `python -m fastopt.bench.ceilings THREADS`, started by `ceilings.measured`.

Its answer is one JSON document on standard output; what libraries print goes to standard error.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from typing import Any

from fastopt.bench.ceilings import overheads
from fastopt.bench.ceilings.bandwidth import bandwidth
from fastopt.bench.ceilings.products import products
from fastopt.bench.machine import use_cores
from fastopt.bench.watch import Watch


def measure(threads: int) -> dict[str, Any]:
    """Measure everything in this process and return it, as `ceilings.measured` says."""
    import numba

    start, watch = time.perf_counter(), Watch()
    found = {
        "threads": threads,
        "timer": overheads.timer(),
        "call_s": overheads.calls(),
        "parallel_region_s": {str(count): overheads.parallel_region(count) for count in sorted({1, threads})},
        "products": products(threads),
        "bandwidth": bandwidth(threads),
    }
    seen = watch.end()
    return {
        **found,
        "layer": numba.threading_layer(),  # known once a parallel region has run
        "took_s": time.perf_counter() - start,
        "others_s": seen.others_s if math.isfinite(seen.others_s) else None,
        "steal_s": seen.steal_s if math.isfinite(seen.steal_s) else None,
    }


def main() -> None:
    """Measure, and print the answer."""
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answer:
        os.dup2(2, 1)
        threads = int(sys.argv[1])
        use_cores(threads)
        json.dump(measure(threads), answer, allow_nan=False)


if __name__ == "__main__":
    main()
