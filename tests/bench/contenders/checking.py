"""What the tests of contenders share: small cases, and the checks of a case put to a contender."""

from __future__ import annotations

import pytest

# In one thread, unless a test says otherwise.
SMALL_EPOCH = {"n_features": 20, "hidden": (7, 5), "n_classes": 3, "threads": 1}
LOGISTIC = {"model": "logistic", "n_features": 20, "n_classes": 2, "threads": 1}


def assert_passes_its_checks(worker, case):
    """Put the checks of `case` to a contender in its process; skip what it refuses, with its reason."""
    for check in case.checks():
        reason = worker.prepare(check.case).reason
        if reason is not None:
            pytest.skip(reason)
        worker.time(check.units)
        assert check.case.error(worker.result(), check.units) <= check.tolerance


def failed_checks(contender, case):
    """Return the numbers of the checks that a contender, run in this process, does not pass."""
    failed = []
    for number, check in enumerate(case.checks()):
        contender.prepare(check.case)
        contender.run(check.units)
        if not check.case.error(contender.result(), check.units) <= check.tolerance:
            failed.append(number)
    return failed
