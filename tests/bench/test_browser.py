"""A browser that is driven."""

import os
from collections.abc import Iterator

import pytest

from ratoon.bench.browser import Tab, chromium, tab
from ratoon.domain.errors import StoreError, UsageError


@pytest.fixture(scope="module")
def browser() -> Iterator[Tab]:
    try:
        chromium()
    except UsageError as error:
        pytest.skip(str(error))
    with tab() as one:
        yield one


def test_without_chromium_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no browser is on the PATH the error names the command that installs one."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UsageError, match="expected one of chromium, .*found none.*apt install chromium"):
        chromium()


def test_an_address_that_nobody_answers_is_told(browser: Tab) -> None:
    """A refused connection names the address and what to do."""
    with pytest.raises(StoreError, match="expected a page, found net::ERR_.*ratoon serve"):
        browser.open("http://127.0.0.1:9/")


def test_what_does_not_become_true_is_told(browser: Tab) -> None:
    """A condition that is never met ends the wait and is named."""
    with pytest.raises(StoreError, match=r"1 === 2: expected to be true within 0\.1 s"):
        browser.until("1 === 2", 0.1)


def test_an_expression_gives_its_value_or_its_error(browser: Tab) -> None:
    """Promises are awaited; what throws is told."""
    assert browser.run("Promise.resolve([1, 'two'])") == [1, "two"]
    with pytest.raises(StoreError, match="expected a value, found .*no such thing"):
        browser.run("(() => { throw new Error('no such thing') })()")


def test_what_the_browser_refuses_is_told(browser: Tab) -> None:
    """A call that it cannot do ends with its own words."""
    with pytest.raises(StoreError, match="expected an answer of the browser, found"):
        browser.look(-1, -1)


@pytest.mark.parametrize("deaf", [False, True])
def test_a_browser_that_has_ended_is_told(deaf: bool) -> None:
    """Whether its end of the one pipe is closed or of both, nobody waits for an answer."""
    theirs, to = os.pipe()
    back, closed = os.pipe()
    os.close(closed)
    if deaf:
        os.close(theirs)
    with pytest.raises(StoreError, match="expected to run, found that it has ended"):
        Tab(to, back)
    for one in (to, back, *(() if deaf else (theirs,))):
        os.close(one)
