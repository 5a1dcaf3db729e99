"""What a study has done already, and whether it is the same study that goes on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastopt.errors import StoreError
from fastopt.records import Records
from fastopt.study.courses import course_of
from fastopt.study.folder import SETTINGS
from fastopt.study.plan import Study

# What may differ between two parts of a study: it decides no result.
_FREE = {"workers", "study_budget_s"}


@dataclass(frozen=True)
class Done:
    """What is recorded of a study: results by run_id, as its course reads them, timing rounds by optimizer and batch,
    compilation."""

    results: Mapping[str, Any] = field(default_factory=dict)
    rounds: Mapping[tuple[str, str], int] = field(default_factory=dict)
    compiled: bool = False
    finished: bool = False


NOTHING = Done()


def look_back(study: Study, records: Records) -> Done:
    """Return what `records` hold of `study`; nothing where it was killed before its first record.

    Raises StoreError where they are records of another study: another setting, data set or version of fastopt.
    """
    meta = records.meta
    if "config" not in meta:
        return NOTHING
    _check_same(study, records)
    course = course_of(study)
    rows: list[dict[Any, Any]] = records.runs.to_dict("records")
    return Done(
        results={row["run_id"]: course.result_of(row) for row in rows},
        rounds=_rounds(records.timings.to_dict("records")),
        compiled="compile_time_s" in meta,
        finished=meta.get("status") == "finished",
    )


def _rounds(timings: list[dict[Any, Any]]) -> dict[tuple[str, str], int]:
    """The last timing round of each optimizer and batch size."""
    last: dict[tuple[str, str], int] = {}
    for row in timings:
        cell = row["optimizer"], row["batch"]
        last[cell] = max(last.get(cell, 0), int(row["round"]))
    return last


def _check_same(study: Study, records: Records) -> None:
    recorded, folder = records.meta, records.folder
    version, now = recorded.get("environment", {}).get("fastopt"), study.identity["fastopt"]
    if version != now:
        raise StoreError(f"the study in {folder} was begun with fastopt {version}, this is {now}: install that one")
    facts = json.loads(json.dumps(study.facts()))
    if facts["dataset"] != recorded["dataset"]:
        keys = _differing(facts["dataset"], recorded["dataset"])
        raise StoreError(
            f"the study in {folder} was begun with other data: {', '.join(keys)} of the data set changed; put the data "
            "back, or begin another study"
        )
    changed = [key for key in _differing(facts["config"], recorded["config"]) if key not in _FREE]
    if changed:
        key = changed[0]
        raise StoreError(
            f"the settings in {folder / SETTINGS} are not those that the study was begun with: {key} was "
            f"{recorded['config'].get(key)}, is {facts['config'].get(key)}; put it back, or begin another study"
        )


def _differing(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    return [key for key in {**ours, **theirs} if ours.get(key) != theirs.get(key)]
