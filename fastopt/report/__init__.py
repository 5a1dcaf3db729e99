"""The report of a study: from the records in its folder to a page, figures and plain files. It never runs anything."""

from fastopt.report.findings import Finding, findings
from fastopt.report.page import write
from fastopt.report.tables import summary
from fastopt.report.terminal import print_summary

__all__ = ["Finding", "findings", "print_summary", "summary", "write"]
