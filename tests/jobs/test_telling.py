"""Alerts reach a webhook and the log: once, and once that it is over."""

import logging
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from ratoon.jobs import telling
from ratoon.jobs.ledger import Ledger
from ratoon.jobs.telling import Herald, webhook
from tests.fakes.hooks import SECRET, Listener, listening
from tests.fakes.work import T0, until

MINUTE = timedelta(minutes=1)


@pytest.fixture
def listener(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    monkeypatch.setattr(telling, "FIRST_PAUSE", 0.01)
    with listening() as heard:
        yield heard


def test_each_thing_is_told_once_and_once_that_it_is_over(tmp_path: Path, listener: Listener) -> None:
    """However often it is looked, and by another process after a restart: one alert, one recovery."""
    ledger = Ledger(tmp_path / "jobs.sqlite")
    for turn in range(3):
        herald = Herald(ledger, webhook(listener.url))
        herald.look({"learn: failed": "job 'learn': no disk"}, T0 + turn * MINUTE)
        herald.close()
    for turn in range(3, 6):
        herald = Herald(ledger, webhook(listener.url))
        herald.look({}, T0 + turn * MINUTE)
        herald.close()
    said = [(one["kind"], one["key"], one["text"], one["since"]) for one in listener.messages]
    assert said == [
        ("alert", "learn: failed", "job 'learn': no disk", T0.isoformat()),
        ("recovery", "learn: failed", "well again: job 'learn': no disk", (T0 + 3 * MINUTE).isoformat()),
    ]


def test_a_webhook_that_fails_is_tried_again(tmp_path: Path, listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    """At once, then at the next look; the log has the alert and the host, never the URL's path, which may be a secret."""
    listener.failing = telling.TRIES + 1
    herald = Herald(Ledger(tmp_path / "jobs.sqlite"), webhook(listener.url))

    def looked() -> bool:
        herald.look({"a": "it burns"}, T0)
        return bool(listener.messages)

    with caplog.at_level(logging.INFO, "ratoon.jobs"):
        herald.look({"a": "it burns"}, T0)
        until(lambda: "tried again later" in caplog.text)
        assert listener.messages == []
        until(looked)
        herald.close()
    assert len(listener.messages) == 1
    assert "webhook at 127.0.0.1: HTTPStatusError 503" in caplog.text
    assert caplog.text.count("it burns") == 1
    assert SECRET not in caplog.text


def test_without_a_webhook_the_log_hears_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Alert and recovery are log lines, each once."""
    herald = Herald(Ledger(tmp_path / "jobs.sqlite"), webhook(""))
    with caplog.at_level(logging.INFO, "ratoon.jobs"):
        for wrong in ({"a": "it burns"}, {"a": "it burns"}, {}):
            herald.look(wrong, T0)
        herald.close()
    assert [(record.levelname, record.message) for record in caplog.records] == [("ERROR", "it burns"), ("INFO", "well again: a")]


def test_what_is_no_url_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """A setting that cannot be posted to is told without being written down."""
    with caplog.at_level(logging.WARNING, "ratoon.jobs"):
        assert not webhook(f"http://[{SECRET}")({"kind": "alert"})
    assert "not a URL that can be posted to" in caplog.text
    assert SECRET not in caplog.text
