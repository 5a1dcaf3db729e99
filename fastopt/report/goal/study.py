"""All that a study towards a goal comes to; each part is worked out when it is first wanted, and once."""

from __future__ import annotations

from functools import cached_property

from fastopt.analysis.chain import Chain
from fastopt.analysis.noise import NoiseScale
from fastopt.records import Records
from fastopt.report.findings.finding import Finding
from fastopt.report.goal.findings import goal_findings
from fastopt.report.goal.ladder import Rung, ladder
from fastopt.report.goal.results import GoalCell, chains, goal_cells, noise_scales
from fastopt.report.peers import Elsewhere, elsewhere


class GoalStudy:
    """The cells, the chain of each optimizer, easier goals, noise scales, other libraries and findings of `records`."""

    def __init__(self, records: Records) -> None:
        self.records = records

    @cached_property
    def table(self) -> list[GoalCell]:
        return goal_cells(self.records)

    @cached_property
    def chains(self) -> dict[str, Chain]:
        return chains(self.table)

    @cached_property
    def rungs(self) -> list[Rung]:
        return ladder(self.records, self.table, self.chains)

    @cached_property
    def noise(self) -> dict[tuple[str, str], NoiseScale]:
        return noise_scales(self.records)

    @cached_property
    def elsewhere(self) -> Elsewhere | None:
        return elsewhere(self.records)

    @cached_property
    def findings(self) -> list[Finding]:
        return goal_findings(self.records, self.table, self.chains, self.rungs, self.noise, self.elsewhere)
