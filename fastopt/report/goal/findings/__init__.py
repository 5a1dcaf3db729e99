"""What a study towards a goal found, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastopt.analysis.chain import Chain
from fastopt.analysis.noise import NoiseScale
from fastopt.records import Records
from fastopt.report.findings.finding import Finding
from fastopt.report.findings.peers import peer_sentences
from fastopt.report.goal.findings.chain import chain_sentences
from fastopt.report.goal.findings.goals import dependence
from fastopt.report.goal.findings.next_run import next_runs
from fastopt.report.goal.findings.noise import noise_sentences
from fastopt.report.goal.findings.rules import rule_sentences
from fastopt.report.goal.findings.trouble import missing
from fastopt.report.goal.findings.winner import winner
from fastopt.report.goal.ladder import Rung
from fastopt.report.goal.results import GoalCell
from fastopt.report.peers import Elsewhere


def goal_findings(
    records: Records,
    table: Sequence[GoalCell],
    found: Mapping[str, Chain],
    rungs: Sequence[Rung],
    noise: Mapping[tuple[str, str], NoiseScale],
    beside: Elsewhere | None,
) -> list[Finding]:
    """Return the findings in their order on the page: who is there first, why, and what to mind."""
    return [
        *winner(records, table, found),
        *missing(records, table, found),
        *chain_sentences(table, found),
        *rule_sentences(records, table),
        *dependence(records, rungs),
        *noise_sentences(table, found, noise),
        *peer_sentences(beside),
        *next_runs(records, table, found),
    ]
