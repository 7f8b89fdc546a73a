"""What every test shares: the switch that makes a missing GPU a failure, and where pictures are shown."""

from collections.abc import Generator

import prometheus_client as prometheus_client  # before Feast, which turns it to files shared by processes
import pytest
from hypothesis import settings

import ratoon.features as _features  # noqa: F401  # before Feast, too, so that tests import it as a refresh does

# A deadline would make every property a timed test, and machines are loaded.
settings.register_profile("ratoon", deadline=None)
settings.load_profile("ratoon")

pytest_plugins = ["tests.worlds"]

LONGEST = ("test_loop", "flow/test_refresh", "test_cli", "test_bad_input", "test_registry", "test_measuring", "test_join")
"""The files that take longest, the longest first."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-gpu", action="store_true", help="fail the tests marked gpu where they would be skipped")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first: of several processes none is left alone with one at the end."""
    items.sort(key=lambda item: next((place for place, name in enumerate(LONGEST) if name in item.nodeid), len(LONGEST)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    skipped = report.skipped and not hasattr(report, "wasxfail")
    if skipped and item.config.getoption("--require-gpu") and item.get_closest_marker("gpu"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and --require-gpu allows no gpu test to be: {report.longrepr}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show what tests drew, in whichever process they ran."""
    for report in terminalreporter.getreports("passed"):
        for name, drawn in report.user_properties:
            if name == "picture":
                terminalreporter.write_line(f"\n{report.nodeid}\n{drawn}")
