"""What every test shares: the switch that makes a missing GPU a failure, and where pictures are shown."""

import gc
from collections.abc import Generator

import prometheus_client as prometheus_client  # before Feast, which turns it to files shared by processes
import pytest
from hypothesis import settings

import ratoon.features as _features  # noqa: F401  # before Feast, too, so that tests import it as a refresh does

# A deadline would make every property a timed test, and machines are loaded. `make soak` tries the same properties for longer.
settings.register_profile("ratoon", deadline=None, max_examples=30)
settings.register_profile("soak", deadline=None, max_examples=500)
settings.load_profile("ratoon")

gc.disable()  # until all is collected: what is imported meanwhile is no garbage

pytest_plugins = ["tests.worlds"]

LONGEST = (
    *(
        "chaos/test_matrix",
        "soaking/test_soak",
        "flow/test_refresh",
        "serving/test_contract",
        "flow/test_loop",
        "jobs/test_worker",
    ),
    *("test_index_filters", "test_measuring", "test_event_log", "test_cli", "test_bad_input", "test_registry", "test_join"),
)
"""The files that take longest, the longest first."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--require-gpu", action="store_true", help="fail the tests marked gpu where they would be skipped")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest files first: of several processes none is left alone with one at the end."""
    items.sort(key=lambda item: next((place for place, name in enumerate(LONGEST) if name in item.nodeid), len(LONGEST)))


def pytest_collection_finish() -> None:
    """What has been imported and collected stays to the end: no collection of garbage needs to look at it again."""
    gc.enable()
    gc.collect()
    gc.freeze()


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
