"""Which trace a request belongs to, by W3C Trace Context level 1 (https://www.w3.org/TR/trace-context-1/), and its spans.

A trace is followed in any case: its id is read from `traceparent`, stands in the log, and goes on to whoever is asked next.
Spans are made only where an address to send them to is configured, which takes the extra `ratoon[otel]`: whole, when the
request is over, and sent in batches, by threads of their own. Without it nothing of the extra is imported. Whoever asked is told
the span's name in `traceresponse` (W3C Trace Context HTTP Response Headers Format, a draft), if the span is kept.
"""

import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, NamedTuple

from ratoon.domain.errors import UsageError

if TYPE_CHECKING:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import SpanContext

PARENT = re.compile(r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
SAMPLED = 1
"""The flag that asks everybody on the way to keep their spans."""
LONGEST_STATE = 512
"""Characters of `tracestate` that are passed on; a longer one is left out, as the standard lets us."""

MOST_WAITING = 2048
"""Finished requests whose spans are not made yet; beyond them spans are left out, and no request waits."""

EXPORT_SECONDS = 3.0
"""The longest that a batch is tried to be sent; also at the end, when a server waits for the last one."""

Bits = Callable[[int], int]


class Trace(NamedTuple):
    """One request's place in a trace.

    Attributes:
        trace_id: 32 hex digits, the caller's if it sent some.
        span_id: 16 hex digits, this request's own.
        parent_id: the caller's span, or nothing.
        sampled: whether its spans are kept.
        state: the caller's `tracestate`, as it came.
    """

    trace_id: str
    span_id: str
    parent_id: str
    sampled: bool
    state: str

    @property
    def traceparent(self) -> str:
        """The header for whoever is asked on this request's behalf."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def begun(parent: str, state: str = "", share: float = 0.0, bits: Bits = random.getrandbits) -> Trace:
    """The trace that a request with these headers belongs to; a new one where `traceparent` is missing or malformed.

    Args:
        parent: the header `traceparent`, or nothing; two of them are malformed.
        state: the header `tracestate`; ignored where `parent` is.
        share: of the new traces, how many are sampled; a caller's flag is kept.
        bits: so many random bits.
    """
    span_id = f"{bits(64) or 1:016x}"
    if parent and (found := PARENT.fullmatch(parent)) is not None:
        version, trace_id, parent_id, flags, more = found.groups()
        if more is None or version != "00":  # a later version may have more to say
            return Trace(
                trace_id, span_id, parent_id, bool(int(flags, 16) & SAMPLED), state if len(state) <= LONGEST_STATE else ""
            )
    number = bits(128) or 1
    return Trace(f"{number:032x}", span_id, "", (number & (2**64 - 1)) < share * 2**64, "")


class Incoming:
    """What a request says of its trace, looked at when somebody first asks: mostly nobody does. As text it is the trace's id.

    The arguments are those of `begun`.
    """

    __slots__ = ("_said", "_trace")

    def __init__(self, parent: str = "", state: str = "", share: float = 0.0, bits: Bits = random.getrandbits) -> None:
        self._said: tuple[str, str, float, Bits] | None = (parent, state, share, bits)

    @property
    def trace(self) -> Trace:
        """The same at every look."""
        if self._said is not None:
            self._trace, self._said = begun(*self._said), None
        return self._trace

    def __str__(self) -> str:
        return self.trace.trace_id


@dataclass(frozen=True, slots=True)
class Ended:
    """A finished request.

    Attributes:
        name: such as `POST /v1/retrieve`: the route's template.
        began: nanoseconds since the epoch.
        took: nanoseconds.
        stages: seconds by stage, in the order they ran, one after the other up to the request's end; without their total.
        attributes: such as OpenTelemetry's `http.response.status_code`.
        failed: whether the server is to blame.
    """

    trace: Trace
    name: str
    began: int
    took: int
    stages: Mapping[str, float]
    attributes: Mapping[str, str | int | float]
    failed: bool = False


class Spans:
    """Makes spans of finished requests and sends them, both in threads of its own.

    Args:
        exporter: takes batches of spans.
        service: the `service.name` that they carry.
    """

    def __init__(self, exporter: "SpanExporter", service: str = "ratoon", bits: Bits = random.getrandbits) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        self._resource, self._bits = Resource.create({"service.name": service}), bits
        self._batches = BatchSpanProcessor(exporter)
        self._waiting: SimpleQueue[Ended | None] = SimpleQueue()
        self._maker = Thread(target=self._make, name="ratoon-spans", daemon=True)
        self._maker.start()

    def ended(self, request: Ended) -> bool:
        """Keep a span of the request and one of each stage; false where its trace is not sampled, or too many are waiting."""
        if not request.trace.sampled or self._waiting.qsize() >= MOST_WAITING:
            return False
        self._waiting.put(request)
        return True

    def close(self) -> None:
        """Send what is left, and end the threads."""
        self._waiting.put(None)
        self._maker.join()
        self._batches.shutdown()  # type: ignore[no-untyped-call]  # of the library

    def _make(self) -> None:
        while (request := self._waiting.get()) is not None:
            for span in self._of(request):
                self._batches.on_end(span)

    def _of(self, request: Ended) -> "Iterator[ReadableSpan]":
        from opentelemetry.trace import SpanKind, Status, StatusCode

        trace, end = request.trace, request.began + request.took
        own = _context(trace, trace.span_id)
        yield self._span(
            request.name,
            own,
            _context(trace, trace.parent_id, remote=True) if trace.parent_id else None,
            (request.began, end),
            kind=SpanKind.SERVER,
            attributes=request.attributes,
            status=Status(StatusCode.ERROR if request.failed else StatusCode.UNSET),
        )
        start = end - round(sum(request.stages.values()) * 1e9)
        for stage, seconds in request.stages.items():
            end = start + round(seconds * 1e9)
            yield self._span(stage, _context(trace, f"{self._bits(64) or 1:016x}"), own, (start, end))
            start = end

    def _span(
        self, name: str, own: "SpanContext", parent: "SpanContext | None", times: tuple[int, int], **more: Any
    ) -> "ReadableSpan":
        from opentelemetry.sdk.trace import ReadableSpan

        return ReadableSpan(
            name, context=own, parent=parent, resource=self._resource, start_time=times[0], end_time=times[1], **more
        )


@dataclass(frozen=True, slots=True)
class Tracing:
    """What is traced.

    Attributes:
        spans: where finished requests are told of.
        share: of the requests without a `traceparent`.
    """

    spans: Spans
    share: float


def otlp(address: str, service: str = "ratoon") -> Spans:
    """Spans that are sent by OTLP over HTTP. They have threads: open them after a fork, not before.

    Args:
        address: such as `http://collector:4318/v1/traces`.

    Raises:
        UsageError: the extra is not installed.
    """
    return Spans(exporter()(endpoint=address, timeout=EXPORT_SECONDS), service)


def exporter() -> "type[OTLPSpanExporter]":
    """What sends spans; UsageError where the extra is not installed."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as missing:
        raise UsageError(
            "[tracing] address",
            expected="OpenTelemetry, which sends the spans",
            found=str(missing),
            fix="Install it: pip install 'ratoon[otel]'; or leave the address empty.",
        ) from missing
    return OTLPSpanExporter


def _context(trace: Trace, span_id: str, *, remote: bool = False) -> "SpanContext":
    from opentelemetry.trace import SpanContext, TraceFlags, TraceState

    state = TraceState.from_header([trace.state]) if trace.state else None
    return SpanContext(int(trace.trace_id, 16), int(span_id, 16), remote, TraceFlags(SAMPLED), state)
