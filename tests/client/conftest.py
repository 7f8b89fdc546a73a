"""Both clients, each before real sockets."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.client.servers import Asking, Kind

Opened = Callable[..., Asking]


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> Kind:
    chosen: Kind = request.param
    return chosen


@pytest.fixture
def opened(kind: Kind) -> Iterator[Opened]:
    """Opens a client for an address, and closes it when the test is over."""
    with ExitStack() as stack:

        def made(url: str, **more: Any) -> Asking:
            return stack.enter_context(Asking(kind, url, **more))

        yield made
