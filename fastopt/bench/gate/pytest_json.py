"""The JSON of pytest-benchmark as a measurement: that of `pytest benchmarks/ --benchmark-json FILE`, or anybody's.

Benchmarks of our suites say in `extra_info` which contender did what work; those of one case become a comparison. Of
any other suite, each benchmark is a comparison of one row, whose name is empty. There are no twins, and one launch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastopt.errors import StoreError
from fastopt.measurements import OURS, Comparison, Measurement, Row, Sample

KIND = "benchmark"  # the group of benchmarks that are not of our suites


def is_pytest_benchmark(record: object) -> bool:
    """Return whether a decoded JSON document has the form of pytest-benchmark."""
    return isinstance(record, Mapping) and {"benchmarks", "machine_info"} <= record.keys()


def measurement_of(record: Mapping[str, Any], source: str) -> Measurement:
    """Return the benchmarks of a decoded document as a measurement, rounds as samples.

    Raises StoreError, with `source` in its message, for one without rounds (they are stored by `--benchmark-json`, or
    with `--benchmark-save-data`) and for one that is damaged.
    """
    comparisons: dict[str, Comparison] = {}
    try:
        for benchmark in record["benchmarks"]:
            blank = _comparison(benchmark)
            comparison = comparisons.setdefault(str(blank.case), blank)
            comparison.rows.append(_row(benchmark, source))
        meta = {"kind": "pytest-benchmark", "created": record.get("datetime"), "environment": _environment(record)}
        return Measurement(meta, list(comparisons.values()))
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        said = f"{type(error).__name__} {error}"
        raise StoreError(f"{source} is not a readable file of pytest-benchmark ({said}); make it again") from error


def _comparison(benchmark: Mapping[str, Any]) -> Comparison:
    info, name = benchmark["extra_info"], benchmark["fullname"]
    if "contender" not in info or "case" not in info:
        return Comparison({"kind": KIND, "name": name}, name, "call", 1, 0, "", [])
    label = info["label"]
    return Comparison(info["case"], label, info["unit"], info["steps_per_unit"], info["bytes_per_step"], info["contender"], [])  # fmt: skip  # noqa: E501


def _row(benchmark: Mapping[str, Any], source: str) -> Row:
    info, stats = benchmark["extra_info"], benchmark["stats"]
    times = stats.get("data")
    if not times:
        raise StoreError(f"{source} has no rounds: store them with --benchmark-json FILE or --benchmark-save-data")
    name, repeats = info.get("contender", ""), int(info.get("repeats", stats["iterations"]))
    samples = [Sample(0, number, 0, False, repeats, time_s) for number, time_s in enumerate(times)]
    facts = {"versions": info["versions"]} if "versions" in info else {}
    errors = info.get("check_errors", [])
    return Row(name, name, info.get("role", OURS), errors=errors, repeats=repeats, facts=facts, samples=samples)


def _environment(record: Mapping[str, Any]) -> dict[str, Any]:
    """What our suites say of the machine, else what pytest-benchmark found out."""
    for benchmark in record["benchmarks"]:
        if "machine" in benchmark["extra_info"]:
            return dict(benchmark["extra_info"]["machine"])
    found = record["machine_info"]
    cpu = found.get("cpu") or {}
    return {
        "cpu": {"model": cpu.get("brand_raw") or found.get("processor") or None, "usable_cores": cpu.get("count")},
        "python": found.get("python_version"),
    }
