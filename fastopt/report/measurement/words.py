"""What a row's verdict cell says, and how it is sorted and coloured."""

from __future__ import annotations

from dataclasses import dataclass

from fastopt.bench.verdicts import Verdict
from fastopt.measurements import CEILING, PART, SKIPPED, TIMED, TWIN
from fastopt.report.measurement.results import CaseResults, Result


@dataclass(frozen=True)
class Said:
    """A verdict's word, one of few; the colour that the page has for it, "" for none; why there is no verdict."""

    word: str
    style: str = ""
    reason: str = ""


_STYLES = {Verdict.FASTER: "faster", Verdict.SLOWER: "slower", Verdict.EQUAL: "", Verdict.UNDECIDED: "unsure"}
_ASIDE = {TWIN: "the baseline, again", CEILING: "ceiling", PART: "part of the work"}


def said(case: CaseResults, result: Result) -> Said:
    """Return the verdict of a row beside the baseline, or what it is instead of one."""
    row = result.row
    if row.status != TIMED:
        return Said("not measured" if row.status == SKIPPED else row.status, "slower", row.reason)
    if not row.timed:
        return Said("not measured", "unsure", row.reason or "no block was timed")
    if row.role in _ASIDE:
        return Said(_ASIDE[row.role])
    if row.name == case.comparison.baseline:
        return Said("baseline")
    if result.to_baseline is None:
        return Said("not compared", "unsure", "the baseline was not timed beside it")
    return Said(str(result.to_baseline.verdict), _STYLES[result.to_baseline.verdict])
