"""Made-up runs for the gate, with known answers; deterministic, for tests only."""

import json
import math

import numpy as np

from fastopt.measurements import CEILING, OURS, PEER, TWIN, Comparison, Measurement, Row, Sample

ENVIRONMENT = {
    "cpu": {"model": "Imaginary CPU 9000", "usable_cores": 2, "vector": "avx2"},
    "python": "3.12.1",
    "versions": {"numba": "0.65.0", "numpy": "2.4.6"},
}
ROLES = {"fastopt serial": OURS, "fastopt parallel": OURS, "torch": PEER, "numpy": PEER, "ceiling": CEILING}
SIZES = (1_000, 100_000, 10_000_000)


def run(
    seed=0,
    noise=0.002,  # of launches, relative; rounds have as much again
    slower=None,  # (optimizer or "", contender): its factor
    drift=1.0,  # of everything
    launches=6,
    optimizers=("sgd", "adam"),
    sizes=SIZES,
    roles=ROLES,
    twin=True,
    environment=ENVIRONMENT,
    failed=(),  # contenders
    shuffled=False,
    **meta,
):
    """A measurement of update steps that take 1 ns an element, twice that with "torch", and so on."""
    rng = np.random.default_rng(seed)
    comparisons = []
    for optimizer in optimizers:
        for n in sizes:
            case = {"kind": "update", "threads": 2, "seed": 0, "optimizer": optimizer, "n": n, "dtype": "float32"}
            rows = [Row(name, name, role, facts={"versions": {"numpy": "2.4.6"}}) for name, role in roles.items()]
            if twin:
                rows.append(Row("fastopt serial, again", "fastopt serial", TWIN))
            for place, row in enumerate(rows):
                factors = slower or {}
                factor = factors.get((optimizer, row.contender), factors.get(("", row.contender), 1.0))
                unit_s = n * 1e-9 * (1 + place % len(roles)) * factor * drift
                row.samples = samples(rng, unit_s, noise, launches)
                if row.contender in failed:
                    row.status, row.reason, row.samples = "failed", "wrong answer: off by 1", []
            label = f"{optimizer} float32 {n:.0e} elements"
            comparisons.append(Comparison(case, label, "step", 1, 28 * n, "fastopt serial", rows, "launches"))
    if shuffled:
        comparisons = [comparisons[i] for i in rng.permutation(len(comparisons))]
        for comparison in comparisons:
            comparison.rows = [comparison.rows[i] for i in rng.permutation(len(comparison.rows))]
    return Measurement({"kind": "update", "status": "finished", "environment": environment} | meta, comparisons)


def samples(rng, unit_s, noise, launches, rounds=3):
    found = []
    for launch in range(launches):
        level = rng.normal(0.0, noise)
        found += [
            Sample(launch, number, 0, False, 10, unit_s * math.exp(level + rng.normal(0.0, noise)), True)
            for number in range(rounds)
        ]
    return found


def pytest_file(path, factor=1.0, seed=0, noise=0.002, names=("test_a", "test_b"), rounds=12, cpu="Imaginary CPU 9000"):
    """A file of pytest-benchmark, of somebody's own suite."""
    rng = np.random.default_rng(seed)
    benchmarks = [
        {
            "fullname": f"suite.py::{name}",
            "name": name,
            "group": None,
            "extra_info": {},
            "stats": {"iterations": 1, "data": (1e-3 * factor * np.exp(rng.normal(0.0, noise, rounds))).tolist()},
        }
        for name in names
    ]
    machine = {"python_version": "3.12.1", "cpu": {"brand_raw": cpu, "count": 2}}
    path.write_text(json.dumps({"benchmarks": benchmarks, "machine_info": machine, "version": "5.1.0"}))
    return path
