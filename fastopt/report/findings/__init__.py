"""The sentences of a report, made from the numbers with their uncertainty; what the data cannot bear is refused.

A claim that one thing beats another needs a 95 % interval of the paired ratio that leaves out 1. A claim about batch
sizes needs a learning rate tuned at each of them with the same number of trials.
"""

from fastopt.records import Records
from fastopt.report.cells import cells
from fastopt.report.curves import curves
from fastopt.report.findings.claims import epoch_time, equal_budget_loss
from fastopt.report.findings.finding import Finding, Kind
from fastopt.report.findings.method import method
from fastopt.report.findings.peers import peer_sentences
from fastopt.report.findings.robustness import robustness
from fastopt.report.findings.state import missing
from fastopt.report.findings.trouble import trouble
from fastopt.report.findings.way import way_to_a_loss
from fastopt.report.findings.winner import best_batch_sizes, winner
from fastopt.report.peers import elsewhere
from fastopt.report.setting import shared_clock, untuned

__all__ = ["Finding", "Kind", "findings"]


def findings(records: Records) -> list[Finding]:
    """Return what was found, the most important first; never empty."""
    table = cells(records)
    mind = [*missing(records, table), *trouble(records, table), *method(records, table)]
    beside = peer_sentences(elsewhere(records))
    if not any(cell.losses for cell in table):
        return [*mind, *epoch_time(table), *robustness(table), *beside]
    reason = untuned(records, table)
    found = [*winner(records, table, reason or shared_clock(records)), *epoch_time(table)]
    if reason:
        text = "No batch size is called better here, and none is said to shorten the way to a loss: that takes a "
        found.append(Finding(f"{text}learning rate tuned at each, with equal budget, but {reason}.", "refused"))
    else:
        found += [*equal_budget_loss(records, table), *way_to_a_loss(table, curves(records))]
        found += best_batch_sizes(table)
    return [*found, *robustness(table), *beside, *mind]
