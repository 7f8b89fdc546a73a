"""Log lines: JSON for machines, coloured for people; every line of a request says which request it belongs to.

Loggers are the standard library's, `logging.getLogger("ratoon.serving")` as everywhere, or structlog's with keyword fields;
structlog renders both (https://www.structlog.org/en/stable/standard-library.html). Whatever looks like a credential is
dropped. Which answers leave a line is a setting, `[serving] access`: by default those that somebody has to look at.
"""

import logging
import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from typing import IO, Any, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from ratoon.domain.errors import UsageError
from ratoon.serving.keys import secret
from ratoon.serving.keys.roles import needed

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
SECRET = re.compile(r"(authorization|cookie|credential|passw|secret|token|(api|access|private)[-_. ]?key)|^x-key$", re.IGNORECASE)
"""Names of fields that are never written."""
SPEAKING = ("uvicorn", "uvicorn.error", "uvicorn.access")
"""Loggers that a server's configuration may have given ways of their own."""
_SCHEME = re.compile(r"\b(bearer|basic)\s+[\w.~+/=-]{8,}", re.IGNORECASE)
_SAID = re.compile(r"\b(api[-_]?key|authorization|passw\w*|secret|token)(['\"]?\s*[:=]\s*['\"]?)[^\s'\",;]+", re.IGNORECASE)

_access = logging.getLogger("ratoon.access")
_about: ContextVar[dict[str, object] | None] = ContextVar("ratoon_about", default=None)


class about:  # noqa: N801  # read as a word: `with about(request_id):`
    """Within it, also in the threads that the request's work is given to, every line has these fields, as text."""

    __slots__ = ("_fields", "_token")

    def __init__(self, request_id: str, **more: object) -> None:
        self._fields = {"request_id": request_id, **more}

    def __enter__(self) -> None:
        self._token = _about.set(self._fields)

    def __exit__(self, *_: object) -> None:
        _about.reset(self._token)


def note(**fields: object) -> None:
    """Add to what the rest of this request's lines say, such as its surface; outside a request nothing happens."""
    if (known := _about.get()) is not None:
        known.update(fields)


Access = Literal["none", "failed", "all"]
"""Which answers leave a line. `failed`: 5xx, and calls of operators that failed; refusals in a crowd, which are counted, are not.

Nor are 401s: anybody can cause them, as often as they like."""


def answered(wanted: Access, method: str, path: str, status: int, seconds: float) -> None:
    """The access line of one request, if one is wanted; without its query, which may hold anything. Status 0: the caller left."""
    failed = status >= 500 or (status >= 400 and status != 401 and needed(method, path) == "operate")
    if wanted == "all" or (wanted == "failed" and failed):
        said = {"method": method, "path": path, "status": status, "seconds": round(seconds, 6)}
        _access.log(logging.WARNING if failed else logging.INFO, "answered", extra=said)


def configure(level: str = "INFO", json: bool | None = None, stream: IO[str] | None = None) -> None:
    """Write what this process logs to `stream`, standard error by default; a second call replaces the first one's way.

    Args:
        level: from which on `ratoon`'s own lines are written; other libraries' only from WARNING on.
        json: one JSON object per line; None for where the stream is no terminal.

    Raises:
        UsageError: there is no such level.
    """
    if level.upper() not in LEVELS:
        raise UsageError("log level", expected=f"one of {', '.join(LEVELS)}", found=repr(level), fix="Choose one of them.")
    to = sys.stderr if stream is None else stream
    as_json = not to.isatty() if json is None else json
    handler = _Ours(to)
    handler.setFormatter(_formatter(as_json))
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one, _Ours)]:
        root.removeHandler(old)
    root.addHandler(handler)
    for name in SPEAKING:
        other = logging.getLogger(name)
        other.handlers.clear()
        other.propagate = True
        other.setLevel(logging.NOTSET)
    root.setLevel(logging.WARNING)
    logging.getLogger("ratoon").setLevel(level.upper())
    structlog.configure(
        processors=[*_fields(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # a second call must reach the loggers that exist
    )


class _Ours(logging.StreamHandler[IO[str]]):
    """The handler that `configure` adds, and knows again."""


def _formatter(as_json: bool) -> logging.Formatter:
    # Not rich's tracebacks, which show local variables, credentials among them.
    people = structlog.dev.ConsoleRenderer(colors=True, exception_formatter=structlog.dev.plain_traceback)
    last: Processor = structlog.processors.JSONRenderer(default=str) if as_json else people
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_fields(), structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redacted,
            last,
        ],
    )


def _fields() -> list[Processor]:
    return [
        _said_of_the_request,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _said_of_the_request(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {**{name: str(value) for name, value in (_about.get() or {}).items()}, **event}


def redacted(_: WrappedLogger, __: str, event: EventDict) -> Mapping[str, Any]:
    """The line without what looks like a credential: fields by their names, texts by the words before it."""
    return _without(event)


def _without(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _clean(value) for name, value in fields.items() if not SECRET.search(str(name))}


def _clean(value: Any) -> Any:
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str):
        return _SAID.sub(r"\1\2[redacted]", _SCHEME.sub(r"\1 [redacted]", secret.redacted(value)))
    if isinstance(value, Mapping):
        return _without(value)
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value if not _names_a_secret(one)]
    return value


def _names_a_secret(one: Any) -> bool:
    """Whether it is a pair such as ASGI's headers are made of."""
    return isinstance(one, list | tuple) and len(one) == 2 and bool(SECRET.search(str(one[0])))
