"""A webhook that hears alerts."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

SECRET = "hook-s3cret"


class Listener(HTTPServer):
    """Hears messages; the first `failing` of them it answers with 503."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Heard)
        self.messages: list[dict[str, str]] = []
        self.failing = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/{SECRET}"


class Heard(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Listener)
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.failing -= 1
        if self.server.failing < 0:
            self.server.messages.append(body)
        self.send_response(204 if self.server.failing < 0 else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@contextmanager
def listening() -> Iterator[Listener]:
    server = Listener()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
