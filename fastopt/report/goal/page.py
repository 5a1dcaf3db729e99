"""What the page of a study towards a goal shows."""

from __future__ import annotations

from fastopt.records import STEP_PHASES, Records
from fastopt.report import prose
from fastopt.report.context import shared
from fastopt.report.goal import prose as own
from fastopt.report.goal.figures import goal_figures
from fastopt.report.goal.setting import from_logs, goal_words
from fastopt.report.goal.study import GoalStudy
from fastopt.report.goal.tables import laws, summary
from fastopt.report.made import Made
from fastopt.report.peers import frames as peer_frames


def made(records: Records, table_format: str) -> Made:
    """Return the page of a study towards a goal, ready to be written."""
    study = GoalStudy(records)
    table, found, noise = study.table, study.chains, study.noise
    pictures = goal_figures(records, table, found, study.rungs)
    common = shared(records, pictures, table_format)
    filling = common | {
        "goal": goal_words(records),
        "findings": study.findings,
        "elsewhere": study.elsewhere,
        "cells": table,
        "chains": found,
        "noise": noise,
        "phases": STEP_PHASES,
        "fastest": {name: chain.optimum.best for name, chain in found.items() if chain.optimum is not None},
        "reading": own.how_to_read(records),
        "measured": own.measured(records),
        "clocks": [] if from_logs(records) else prose.clocks(records, table),
        "maker": "analyse" if from_logs(records) else "compare",
        "title": str(records.meta["dataset"]["name"]) if from_logs(records) else common["title"],
        "shown": {
            "shares": any(cell.without_s[phase] for cell in table for phase in STEP_PHASES),
            "noise": bool(noise),
        },
        "limits": own.limits(records),
    }
    frames = {"runs": records.runs, "curves": records.curves, "timings": records.timings}
    frames |= {"summary": summary(table, found, noise), "laws": laws(found)}
    frames |= peer_frames(study.elsewhere)
    return Made(pictures, "goal", filling, frames)
