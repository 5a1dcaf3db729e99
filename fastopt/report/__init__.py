"""Reports: from the records in a folder to a page, figures and plain files. They never run anything.

`write` makes the page of a study, `write_measurement` that of a measurement.
"""

from fastopt.report.findings import Finding, findings
from fastopt.report.measurement.page import write as write_measurement
from fastopt.report.measurement.terminal import print_measurement
from fastopt.report.page import write
from fastopt.report.tables import summary
from fastopt.report.terminal import print_summary

__all__ = ["Finding", "findings", "print_measurement", "print_summary", "summary", "write", "write_measurement"]
