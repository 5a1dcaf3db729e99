"""The sentences of a measurement's page, made from the numbers with their intervals; what they cannot bear is refused.

Each optimizer, or the order or the gather, meets the best peer at each size first, then each named peer over all sizes.
A speed-up says over whom; ratios are never averaged. What is slower or equal is said as plainly as what is faster.
"""

from collections.abc import Sequence

from fastopt.measurements import Measurement
from fastopt.report.findings.finding import Finding
from fastopt.report.measurement.findings.against import against_each_peer, against_the_best, overall
from fastopt.report.measurement.findings.limits import of_the_ceiling, phase_shares
from fastopt.report.measurement.findings.trouble import noise, selftest, trouble
from fastopt.report.measurement.results import CaseResults

__all__ = ["findings"]


def findings(measurement: Measurement, cases: Sequence[CaseResults]) -> list[Finding]:
    """Return what was found, the most important first; never empty."""
    subjects = list(dict.fromkeys(case.group.subject for case in cases))
    found = [*noise(cases), *overall(cases)]
    for subject in subjects:
        of_it = [case for case in cases if case.group.subject == subject]
        found += [*against_the_best(subject, of_it), *against_each_peer(subject, of_it)]
    found += [*of_the_ceiling(cases), *phase_shares(cases), *trouble(measurement, cases), *selftest(measurement)]
    return found or [Finding("Nothing is measured yet.", "note")]
