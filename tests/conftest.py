"""Options of the test run. A stranger's tests may skip what is not installed; in CI only what needs a GPU may."""

import pytest


def pytest_addoption(parser):
    parser.addoption(
        "--only-gpu-may-skip",
        action="store_true",
        help="fail when a test skips for any reason but a missing CUDA device",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and item.config.getoption("--only-gpu-may-skip") and "CUDA device" not in str(report.longrepr):
        report.outcome = "failed"
        report.longrepr = f"skipped, and only what needs a CUDA device may: {report.longrepr}"
    return report
