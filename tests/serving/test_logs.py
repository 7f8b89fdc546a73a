"""What is logged, and what never is."""

import io
import json
import logging
from collections.abc import Iterator
from contextvars import copy_context
from threading import Thread
from typing import Any

import pytest
import structlog

from ratoon.domain.errors import UsageError
from ratoon.serving import logs
from ratoon.serving.keys.secret import new_key

logger = logging.getLogger("ratoon.serving")


@pytest.fixture(autouse=True)
def undone() -> Iterator[None]:
    """Logging as it was before the test."""
    root, ours = logging.getLogger(), logging.getLogger("ratoon")
    there, levels = set(root.handlers), (root.level, ours.level)
    yield
    for handler in set(root.handlers) - there:
        if isinstance(handler, logging.StreamHandler) and isinstance(handler.stream, Written):
            root.removeHandler(handler)  # and not pytest's, which come and go
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    structlog.reset_defaults()


class Written(io.StringIO):
    """A stream that may say it is a terminal."""

    def __init__(self, terminal: bool = False) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def written() -> Written:
    stream = Written()
    logs.configure("INFO", stream=stream)
    return stream


def test_both_kinds_of_loggers_write_json(written: Written) -> None:
    """The standard library's and structlog's loggers give lines of the same form, with level, logger, UTC time and fields."""
    logger.info("surface %s: release %d", "ads", 3, extra={"rows": 5})
    structlog.get_logger("ratoon.index").warning("slow", seconds=1.5)
    first, second = written.lines()
    assert (first["event"], first["level"], first["logger"], first["rows"]) == (
        "surface ads: release 3",
        "info",
        "ratoon.serving",
        5,
    )
    assert (second["event"], second["level"], second["logger"], second["seconds"]) == ("slow", "warning", "ratoon.index", 1.5)
    assert first["timestamp"].endswith("Z")


def test_every_line_of_a_request_says_which(written: Written) -> None:
    """Within a request each line has its id and what was noted, in the threads it uses too; before and after it none has."""
    logger.info("before")
    with logs.about("r1", trace_id="t1"):
        logs.note(surface="ads")
        logger.info("in it")
        other = Thread(target=copy_context().run, args=(structlog.get_logger("ratoon.x").info, "in its thread"))
        other.start()
        other.join()
    logs.note(surface="lost")
    logger.info("after")
    before, *inside, after = written.lines()
    assert [(line["request_id"], line["trace_id"], line["surface"]) for line in inside] == [("r1", "t1", "ads")] * 2
    assert not {"request_id", "trace_id", "surface"} & (before.keys() | after.keys())


ANSWERS: list[tuple[str, str, int]] = [
    ("POST", "/v1/retrieve", 200),
    ("POST", "/v1/retrieve", 422),
    ("POST", "/v1/retrieve", 500),
    ("GET", "/v1/items/x", 404),
    ("POST", "/v1/refresh", 202),
    ("POST", "/v1/refresh", 401),
    ("POST", "/v1/surfaces/ads/refresh", 409),
]


@pytest.mark.parametrize(
    ("wanted", "lines"),
    [("none", []), ("all", ANSWERS), ("failed", [ANSWERS[2], ANSWERS[6]])],
)
def test_which_answers_leave_a_line(written: Written, wanted: logs.Access, lines: list[tuple[str, str, int]]) -> None:
    """All, none, or those that somebody has to look at: what the server is to blame for, and operators' calls that failed."""
    for method, path, status in ANSWERS:
        logs.answered(wanted, method, path, status, 0.001)
    assert [(line["method"], line["path"], line["status"]) for line in written.lines()] == lines
    assert {line["level"] for line in written.lines() if line["status"] == 500} <= {"warning"}


def test_a_line_of_an_answer_says_what_was_answered(written: Written) -> None:
    """Its request, method, path, status and seconds."""
    with logs.about("r1"):
        logs.answered("all", "POST", "/v1/retrieve", 200, 0.00025)
    (line,) = written.lines()
    said = {name: line[name] for name in ("method", "path", "status", "seconds", "request_id")}
    assert said == {"method": "POST", "path": "/v1/retrieve", "status": 200, "seconds": 0.00025, "request_id": "r1"}


def test_other_libraries_speak_up_from_warnings_on(written: Written) -> None:
    """What uvicorn and the rest say below WARNING is left out, and the rest has the same form."""
    logging.getLogger("uvicorn.error").info("started")
    logging.getLogger("uvicorn.error").warning("broken pipe")
    (line,) = written.lines()
    assert (line["event"], line["logger"]) == ("broken pipe", "uvicorn.error")


HEADERS = [(b"authorization", b"Bearer hunter2hunter2"), (b"accept", b"*/*"), (b"X-API-Key", b"hunter2")]


def test_no_secret_is_written(written: Written) -> None:
    """Fields named like credentials are dropped, however deep; within texts, exceptions included, the credential is."""
    structlog.get_logger("ratoon.x").info(
        "asked",
        authorization="Bearer hunter2hunter2",
        api_key="hunter2",
        Cookie="hunter2",
        headers=HEADERS,
        body={"password": "hunter2", "user": "u"},
        count=3,
    )
    logger.warning("refused: Authorization: Bearer hunter2hunter2, api_key=hunter2, {'token': 'hunter2'} of %s", "u")
    try:
        raise ValueError("password=hunter2 is wrong")
    except ValueError:
        logger.exception("failed")
    key = new_key("0123456789ab")
    logger.warning("somebody sent %s", key)
    assert "hunter2" not in written.getvalue()
    assert key not in written.getvalue()
    assert "rtn_0123456789ab_***" in written.getvalue()
    asked, refused, failed, _ = written.lines()
    assert (asked["headers"], asked["body"], asked["count"]) == ([["accept", "*/*"]], {"user": "u"}, 3)
    assert refused["event"].endswith(" of u")
    assert "ValueError: password=[redacted] is wrong" in failed["exception"]


def test_words_about_secrets_are_not_secrets(written: Written) -> None:
    """A sentence that speaks of tokens or of basic things stays whole."""
    said = "the token expired; basic rules hold; bearer of news"
    logger.info(said)
    assert written.lines()[0]["event"] == said


def test_people_get_colours_and_no_local_variables() -> None:
    """On a terminal lines are coloured, exceptions plain: the values of variables, credentials perhaps, are not shown."""
    screen = Written(terminal=True)
    logs.configure("INFO", stream=screen)
    swordfish = "hunt" + "er2"
    try:
        raise ValueError(len(swordfish))
    except ValueError:
        logger.exception("failed", extra={"rows": 5})
    text = screen.getvalue()
    assert "\x1b[" in text
    assert "rows" in text
    assert "ValueError: 7" in text
    assert swordfish not in text


def test_the_last_configuration_holds() -> None:
    """A second call takes the first one's place, so that no line is written twice; `json` overrules what the stream is."""
    first, second = Written(), Written(terminal=True)
    logs.configure("INFO", stream=first)
    early = structlog.get_logger("ratoon.x")
    logs.configure("ERROR", json=True, stream=second)
    early.warning("not shown")
    early.error("shown")
    assert first.getvalue() == ""
    assert [line["event"] for line in second.lines()] == ["shown"]


def test_an_unknown_level_is_refused() -> None:
    """The levels are named where another one is asked for."""
    with pytest.raises(UsageError, match="log level: expected one of DEBUG, INFO, WARNING, ERROR, CRITICAL, found 'loud'"):
        logs.configure("loud")
