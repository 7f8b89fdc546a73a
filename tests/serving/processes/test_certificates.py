"""The certificate that a server shows."""

import logging
import signal
import ssl
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from ratoon.domain.errors import UsageError
from ratoon.serving.processes.certificates import Certificate
from tests.serving.processes.forked import listening


def make(folder: Path, name: str) -> Certificate:
    """A certificate of its own making for 127.0.0.1."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "chain.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return Certificate(folder / "chain.pem", folder / "key.pem")


def test_files_that_are_no_certificate_are_refused(tmp_path: Path) -> None:
    """Files that are missing, or not a certificate and its key, are named with what to do."""
    with pytest.raises(UsageError, match=r"certificate: expected a PEM file.*ratoon\.toml"):
        Certificate(tmp_path / "none.pem", tmp_path / "none.pem")


def test_a_bad_certificate_does_not_take_the_place_of_a_good_one(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be read on a reload is logged, and the certificate that was shown stays."""
    certificate = make(tmp_path, "first")
    context = certificate.context
    (tmp_path / "chain.pem").write_text("no certificate")
    with caplog.at_level(logging.ERROR, "ratoon.serving"):
        certificate.reload()
    assert certificate.context is context
    assert "not read again" in caplog.text


@pytest.mark.parametrize("workers", [1, 2])
def test_a_renewed_certificate_is_shown_after_sighup(tmp_path: Path, workers: int) -> None:
    """A server that speaks TLS shows what is in the files when SIGHUP came, without a pause, in every worker."""
    make(tmp_path, "first")
    with listening(tmp_path, workers, certificate=(tmp_path / "chain.pem", tmp_path / "key.pem")) as server:
        port = server.port
        trusted = ssl.create_default_context(cafile=tmp_path / "chain.pem")
        answer = httpx.get(f"https://127.0.0.1:{port}/healthz", verify=trusted, timeout=60)
        assert answer.text == "ok\n"
        before = ssl.get_server_certificate(("127.0.0.1", port))
        make(tmp_path, "second")
        server.send(signal.SIGHUP)
        shown = [before]
        while shown[-4:].count(before) or len(shown) < 5:
            time.sleep(0.05)
            shown.append(ssl.get_server_certificate(("127.0.0.1", port)))
        assert shown[-1] == (tmp_path / "chain.pem").read_text()
        server.send(signal.SIGTERM)
        assert server.ended() == 0
