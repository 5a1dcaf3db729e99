"""What a study towards a goal was asked to do, in words; what it shares with others is `report.setting`."""

from __future__ import annotations

from typing import Any

from fastopt.records import Records
from fastopt.report import setting
from fastopt.report.numbers import count, duration, number

METRICS = {
    "train_loss": "training loss",
    "validation_loss": "validation loss",
    "validation_accuracy": "validation accuracy",
}


def has_goal(records: Records) -> bool:
    """Return whether the study was one towards a goal."""
    return bool(setting.config(records).get("goal"))


def goal(records: Records) -> dict[str, Any]:
    """Return the goal as recorded: metric, value, in_a_row."""
    found: dict[str, Any] = setting.config(records)["goal"]
    return found


def rises(records: Records) -> bool:
    """Return whether more of the goal's metric is better."""
    return "accuracy" in str(goal(records)["metric"])


def goal_words(records: Records) -> str:
    """Return the goal for a sentence: "a training loss of 0.35 or less"."""
    asked = goal(records)
    end = "more" if rises(records) else "less"
    return f"a {metric_words(records)} of {number(asked['value'])} or {end}"


def metric_words(records: Records) -> str:
    """Return what the goal is set on: by its name in a log, where the runs come from one."""
    asked = goal(records)
    return str(asked.get("name") or METRICS[asked["metric"]])


def from_logs(records: Records) -> bool:
    """Return whether the runs come from logs, not from a study of ours."""
    return setting.config(records).get("source") == "logs"


def in_a_row(records: Records) -> str:
    """Return what counts as being there."""
    n = int(goal(records)["in_a_row"])
    return "at one evaluation" if n == 1 else f"at {n} evaluations in a row, of which the first counts"


def study_budget(records: Records) -> str:
    """Return the time that the whole study was given, "" where nothing bounded it."""
    seconds = setting.config(records).get("study_budget_s")
    return "" if seconds is None else duration(float(seconds))


def trials(records: Records) -> str:
    """Return how many trials each cell was tuned with."""
    return count(setting.config(records).get("tune") or 0, "trial")
