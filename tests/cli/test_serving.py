"""`ratoon serve` as a process of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest


def started(home: Path, *options: str, config: str = "") -> "subprocess.Popen[str]":
    file = home / "ratoon.toml"
    file.write_text(config)
    environment = os.environ | {"RATOON_HOME": str(home), "RATOON_CONFIG": str(file), "COLUMNS": "300"}
    command = [sys.executable, "-m", "ratoon", "serve", *options]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize("options", [(), ("--workers", "2")], ids=["alone", "workers"])
def test_a_home_is_served_until_told_to_stop(tmp_path: Path, options: tuple[str, ...]) -> None:
    """An empty home is served by one process or two: alive, not ready, and gone with exit code 0 after SIGTERM."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with started(tmp_path, "--port", str(port), *options) as process:
        url, alive = f"http://127.0.0.1:{port}", 0
        while alive != 200:
            assert process.poll() is None, process.stdout and process.stdout.read()
            try:
                alive = httpx.get(f"{url}/healthz", timeout=60).status_code
            except httpx.TransportError:
                time.sleep(0.05)
        assert httpx.get(f"{url}/readyz", timeout=60).status_code == 503
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0


@pytest.mark.parametrize(
    ("options", "config", "said"),
    [
        (("--host", "0.0.0.0"), "", r"no API keys and no TLS certificate"),
        ((), '[serving]\ncertificate = "chain.pem"\n', "both of `certificate` and `private_key`"),
        ((), '[serving]\ncertificate = "chain.pem"\nprivate_key = "key.pem"\n', "expected a PEM file with a certificate chain"),
    ],
    ids=["open", "half", "missing"],
)
def test_what_must_not_be_served_is_refused(tmp_path: Path, options: tuple[str, ...], config: str, said: str) -> None:
    """An open address without keys and TLS, or a certificate that is not there, ends in exit code 2 and what to do."""
    with started(tmp_path, "--port", "0", *options, config=config) as process:
        told, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert said in told


CANARY = "swordfish-" + "f" * 64


def test_what_is_logged_is_one_object_a_line_and_holds_no_secret(tmp_path: Path) -> None:
    """With every line asked for, each is JSON with time, level, event and its request; a key is in none, wherever it was sent."""
    config = '[serving]\nlog_level = "debug"\naccess = "all"\n'
    with started(tmp_path, "--port", "0", config=config) as process:
        assert process.stdout is not None
        first = json.loads(process.stdout.readline())
        url = first["event"].removeprefix("listening on ")
        headers = {
            "Authorization": f"Bearer {CANARY}",
            "X-API-Key": CANARY,
            "Cookie": f"ratoon_key={CANARY}",
            "X-Request-ID": "r1",
        }
        body = {"user_id": "u", "api_key": CANARY, "user_features": {"token": CANARY}}
        answer = httpx.post(f"{url}/v1/retrieve?key={CANARY}", headers=headers, json=body, timeout=60)
        broken = httpx.post(f"{url}/v1/events?key={CANARY}", headers=headers, content=CANARY.encode(), timeout=60)
        process.send_signal(signal.SIGTERM)
        told = process.stdout.read()
        assert process.wait(60) == 0
    lines = [json.loads(line) for line in told.splitlines()]
    assert all({"timestamp", "level", "event", "logger"} <= line.keys() for line in [first, *lines])
    answered = [(line["request_id"], line["path"], line["status"]) for line in lines if line["event"] == "answered"]
    assert answered == [("r1", "/v1/retrieve", answer.status_code), ("r1", "/v1/events", broken.status_code)]
    assert CANARY not in told


def test_spans_without_what_sends_them_are_refused(tmp_path: Path) -> None:
    """Where spans are asked for and OpenTelemetry is not installed, the server ends with what to install."""
    file = tmp_path / "ratoon.toml"
    file.write_text('[tracing]\naddress = "http://127.0.0.1:1/v1/traces"\n')
    code = "import sys; sys.modules['opentelemetry.exporter'] = None; from ratoon.cli import main; main()"
    environment = os.environ | {"RATOON_HOME": str(tmp_path), "RATOON_CONFIG": str(file), "COLUMNS": "300"}
    command = [sys.executable, "-c", code, "serve", "--port", "0", "--workers", "2"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "[tracing] address: expected OpenTelemetry" in done.stderr
    assert "pip install 'ratoon[otel]'" in done.stderr
