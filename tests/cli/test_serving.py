"""`ratoon serve` as a process of its own."""

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
