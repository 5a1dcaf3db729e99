"""A measurement in a terminal: a table of every row, then what was found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from fastopt.measurements import Measurement
from fastopt.report.findings.finding import Finding
from fastopt.report.measurement.findings import findings
from fastopt.report.measurement.results import CaseResults, Result, case_results
from fastopt.report.measurement.words import said
from fastopt.report.numbers import NONE, duration, factor, percent, span
from fastopt.report.terminal import print_findings

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

# A finding that goes through more cases than that does so in the report only: the table above has each of them, too.
MOST_POINTS = 7
_STYLES = {"": "", "faster": "green", "slower": "yellow", "unsure": "cyan"}


def print_measurement(measurement: Measurement, console: Console) -> None:
    """Print a table for each group of cases, then the findings; raises StoreError for a kind without a page."""
    from rich.text import Text

    cases = case_results(measurement)
    for name in dict.fromkeys(case.group.name for case in cases):
        _print_group(name, [case for case in cases if case.group.name == name], console)
    if cases:
        legend = (
            "step: median over launches; ratio: time over the baseline's (bold), by rounds; !: noisy, see the report."
        )
        console.print(Text(legend, style="dim"))
        console.print()
    print_findings(map(_shortened, findings(measurement, cases)), console)


def _shortened(finding: Finding) -> Finding:
    if len(finding.points) <= MOST_POINTS:
        return finding
    return replace(finding, points=(f"each of the {len(finding.points)} is in the report",))


def _print_group(name: str, cases: list[CaseResults], console: Console) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    ceiling = any(result.of_ceiling.median > 0 for case in cases for result in case.results)
    table = Table(title=Text(name), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0),
                  show_edge=False)  # fmt: skip
    table.add_column(cases[0].kind.sizes, justify="right")
    table.add_column("contender", overflow="fold")
    for column in ("step", *(["ceiling"] if ceiling else []), "ratio", "95 % interval"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("verdict", overflow="fold")
    for case in cases:
        for index, result in enumerate(case.results):
            bold = "bold" if result.name == case.comparison.baseline else ""
            head = [case.size_words if index == 0 else "", result.name]
            table.add_row(*(Text(text) for text in [*head, *_numbers(result, ceiling=ceiling)]), _verdict(case, result),
                          style=bold)  # fmt: skip
        table.add_section()
    console.print(table)
    console.print()


def _numbers(result: Result, *, ceiling: bool) -> list[str]:
    judgement = result.to_baseline
    fraction = percent(result.of_ceiling.median)
    return [
        duration(result.step_s.median) + ("!" if result.seen.disturbed else ""),
        *([fraction if fraction == NONE else f"{fraction} %"] if ceiling else []),
        NONE if judgement is None else factor(judgement.ratio.median),
        NONE if judgement is None else span(judgement.ratio, factor) or NONE,
    ]


def _verdict(case: CaseResults, result: Result) -> Text:
    from rich.text import Text

    verdict = said(case, result)
    return Text(verdict.word, style=_STYLES[verdict.style])
