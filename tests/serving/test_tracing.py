"""Traces: ids in and out, and spans where they are wanted."""

import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Event, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from ratoon.serving import create_app
from ratoon.serving.tracing import MOST_WAITING, Ended, Incoming, Spans, Trace, Tracing, begun, otlp
from tests.fakes.serving_world import Ask, World, asking

ID, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{ID}-{SPAN}-01"
STAGES = {"features": 0.0001, "search": 0.0002}


def ended(trace: Trace, *, failed: bool = False) -> Ended:
    return Ended(trace, "POST /v1/retrieve", 10**18, 500_000, STAGES, {"http.response.status_code": 200}, failed)


def test_the_callers_trace_goes_on() -> None:
    """Trace id, flag and state are the caller's, the span is our own, and the next one is told all of it."""
    trace = begun(PARENT, "congo=t61rcWkgMzE", bits=random.Random(0).getrandbits)
    assert (trace.trace_id, trace.parent_id, trace.sampled, trace.state) == (ID, SPAN, True, "congo=t61rcWkgMzE")
    assert trace.span_id != SPAN
    assert trace.traceparent == f"00-{ID}-{trace.span_id}-01"
    assert begun(f"00-{ID}-{SPAN}-02").traceparent.endswith("-00")
    assert begun(trace.traceparent).parent_id == trace.span_id


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "nonsense",
        f"ff-{ID}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{ID}-{'0' * 16}-01",
        f"00-{ID.upper()}-{SPAN}-01",
        f"00-{ID}-{SPAN}-1",
        f"00-{ID}-{SPAN}-01-more",
        f"00-{ID}-{SPAN}-01\n",
        f"cc-{ID}-{SPAN}-01.more",
        f"{PARENT},{PARENT}",
    ],
)
def test_a_malformed_parent_is_ignored(parent: str) -> None:
    """A trace of its own begins where the header breaks the standard's rules, and the state is left with it."""
    trace = begun(parent, "congo=1")
    assert (trace.parent_id, trace.state) == ("", "")
    assert trace.trace_id != ID
    assert begun(trace.traceparent).trace_id == trace.trace_id


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    """What a later version adds after the flags is passed over, and we speak version 00."""
    trace = begun(f"cc-{ID}-{SPAN}-01-what-the-future-will-be-like")
    assert (trace.trace_id, trace.sampled) == (ID, True)
    assert trace.traceparent.startswith("00-")


def test_a_state_beyond_the_limit_is_left_out() -> None:
    """512 characters are passed on; more of them are not, and the trace goes on all the same."""
    assert begun(PARENT, "a=" + "b" * 510).state == "a=" + "b" * 510
    assert begun(PARENT, "a=" + "b" * 511)[::4] == (ID, "")


@given(st.integers(0, 2**32), st.floats(0, 1))
def test_a_share_of_the_new_traces_is_sampled(seed: int, share: float) -> None:
    """By the trace id alone, as OpenTelemetry's ratio sampler: none at 0, all at 1, and more at a larger share."""

    def sampled(share: float) -> bool:
        return begun("", share=share, bits=random.Random(seed).getrandbits).sampled

    assert (sampled(0), sampled(1)) == (False, True)
    assert sampled(share) <= sampled(min(1.0, share + 0.1))


def test_ids_of_zero_bits_are_not_given() -> None:
    """The standard forbids ids of zeros, however the bits fall."""
    assert begun(begun("", bits=lambda _: 0).traceparent).parent_id == f"{1:016x}"


def test_a_trace_is_made_once_and_when_it_is_asked_for() -> None:
    """Nobody pays for a trace that nobody looks at; every look sees the same one, and its text is its id."""
    asked: list[int] = []

    def bits(count: int) -> int:
        asked.append(count)
        return 7

    incoming = Incoming(bits=bits)
    assert asked == []
    assert str(incoming) == incoming.trace.trace_id == f"{7:032x}"
    assert len(asked) == 2


def test_a_request_and_its_stages_are_spans() -> None:
    """The request's span is the caller's child, each stage's is its child; they lie where the stages ran, up to the end."""
    kept = InMemorySpanExporter()
    spans = Spans(kept)
    trace = begun(PARENT, "congo=1")
    assert spans.ended(ended(trace, failed=True))
    assert not spans.ended(ended(begun(f"00-{ID}-{SPAN}-00")))
    spans.close()
    request, features, search = kept.get_finished_spans()
    assert [one.name for one in (request, features, search)] == ["POST /v1/retrieve", "features", "search"]
    assert {format(one.context.trace_id, "032x") for one in (request, features, search)} == {ID}
    assert (request.kind, request.status.status_code) == (SpanKind.SERVER, StatusCode.ERROR)
    assert request.parent is not None
    assert (request.parent.is_remote, format(request.parent.span_id, "016x")) == (True, SPAN)
    assert format(request.context.span_id, "016x") == trace.span_id
    assert request.context.trace_state.to_header() == "congo=1"
    assert request.attributes == {"http.response.status_code": 200}
    assert request.resource.attributes["service.name"] == "ratoon"
    assert {one.parent and one.parent.span_id for one in (features, search)} == {request.context.span_id}
    times = [(one.start_time, one.end_time) for one in (request, features, search)]
    assert times == [(10**18, 10**18 + 500_000), (10**18 + 200_000, 10**18 + 300_000), (10**18 + 300_000, 10**18 + 500_000)]


def test_spans_that_nobody_takes_are_left_out() -> None:
    """Where making spans lags behind, requests are told no and none waits; what was taken before is sent."""
    go_on = Event()

    def slow(count: int) -> int:
        go_on.wait()
        return count

    kept = InMemorySpanExporter()
    spans = Spans(kept, bits=slow)
    trace = begun(PARENT)
    taken = sum(spans.ended(ended(trace)) for _ in range(MOST_WAITING + 10))
    assert MOST_WAITING <= taken <= MOST_WAITING + 1
    go_on.set()
    spans.close()
    assert kept.get_finished_spans()


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """A server that takes OTLP, and what it was sent."""
    taken: list[ExportTraceServiceRequest] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            taken.append(ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["content-length"]))))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Taker)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/traces", taken
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_spans_reach_a_collector_in_one_batch() -> None:
    """Over OTLP's HTTP a collector gets every span of several requests at once, ids and times unchanged."""
    with collector() as (address, taken):
        spans = otlp(address, "ratoon-test")
        for _ in range(3):
            spans.ended(ended(begun(PARENT)))
        spans.close()
    (batch,) = taken
    (of_service,) = batch.resource_spans
    assert "ratoon-test" in {one.value.string_value for one in of_service.resource.attributes}
    sent = [span for scope in of_service.scope_spans for span in scope.spans]
    assert sorted(span.name for span in sent) == ["POST /v1/retrieve"] * 3 + ["features"] * 3 + ["search"] * 3
    assert {span.trace_id.hex() for span in sent} == {ID}


def test_a_request_leaves_a_span_of_each_stage(world: World) -> None:
    """A server that is told where to gets the stages of `took_ms` to a collector, under the caller's span, and names its own."""
    with collector() as (address, taken):
        rooms = replace(world.rooms, tracing=Tracing(otlp(address), share=0.0))
        with asking(create_app(rooms)) as ask:
            answer = ask("POST", "/v1/retrieve", json={"item_ids": ["r1-i0"]}, headers={"traceparent": PARENT})
            alone = ask("POST", "/v1/retrieve", json={"item_ids": ["r1-i0"]})
    sent = [span for batch in taken for one in batch.resource_spans for scope in one.scope_spans for span in scope.spans]
    request, *stages = sent
    told = answer.json()["took_ms"]
    assert request.name == "POST /v1/retrieve"
    assert answer.headers["traceresponse"] == f"00-{ID}-{request.span_id.hex()}-01"
    assert request.parent_span_id.hex() == SPAN
    assert [(one.name, one.parent_span_id) for one in stages] == [(name, request.span_id) for name in told if name != "total"]
    took = [(one.end_time_unix_nano - one.start_time_unix_nano) / 1e6 for one in stages]
    assert took == pytest.approx([told[one.name] for one in stages], abs=0.001)
    assert "traceresponse" not in alone.headers


def test_without_tracing_nothing_is_told(ask: Ask) -> None:
    """A server that sends spans nowhere names none, whatever its caller wants."""
    assert "traceresponse" not in ask("GET", "/v1/releases/current", headers={"traceparent": PARENT}).headers


def test_what_no_thread_takes_is_counted(world: World) -> None:
    """A request whose spans find too many waiting is answered all the same, and counted."""

    class Full(Spans):
        def ended(self, request: Ended) -> bool:
            return super().ended(request) and False

    with asking(create_app(replace(world.rooms, tracing=Tracing(Full(InMemorySpanExporter()), share=1.0)))) as ask:
        assert ask("GET", "/v1/releases/current").status_code == 200
        assert "ratoon_spans_dropped_total 1.0" in ask("GET", "/metrics").text


def test_nothing_of_the_extra_is_imported_without_spans() -> None:
    """Following traces loads neither SDK nor exporters; where they are missing the reader is told how to install them."""
    code = """
import sys
from ratoon.serving.tracing import begun, otlp
begun("").traceparent
assert not [name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]
sys.modules["opentelemetry.exporter"] = None
try:
    otlp("http://127.0.0.1:1/v1/traces")
except Exception as refused:
    print(refused)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("[tracing] address: expected OpenTelemetry, which sends the spans, found ")
    assert "pip install 'ratoon[otel]'" in done.stdout
