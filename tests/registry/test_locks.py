"""One refresh at a time, and one winner of a race."""

import os
from functools import partial

import pytest

from ratoon import durable
from ratoon.domain.errors import Conflict
from ratoon.registry import FileRegistry
from tests.fakes import processes
from tests.registry.releases import content, published, release


def test_lease_is_exclusive_until_its_holder_dies(registry: FileRegistry) -> None:
    """A second refresh is told the process that is at work; when that is killed the lease is free at once."""
    with registry.lease():
        message = f"no other refresh of surface 'home', found process {os.getpid()} at work"
        with pytest.raises(Conflict, match=message), registry.lease():
            pass
        assert processes.run(lambda: registry.lease().__enter__()) == processes.LOST

    def die() -> None:
        with registry.lease():
            durable.fault_point("here")

    assert processes.run(die, "here") == processes.KILLED
    with registry.lease():
        pass


def test_race(registry: FileRegistry) -> None:
    """Of publishers that race on one parent exactly one wins, whoever they are; the others get Conflict."""
    first = published(registry, 1)[0]
    gate_read, gate_write = os.pipe()

    def publish(number: int) -> None:
        os.read(gate_read, 1)
        registry.publish(release(first, content(number, 20_000), seed=number), content(number, 20_000))

    children = [processes.start(partial(publish, number)) for number in range(4)]
    os.write(gate_write, b"go!!")
    codes = [processes.end(child) for child in children]
    os.close(gate_read)
    os.close(gate_write)
    assert sorted(codes) == [processes.DONE, *[processes.LOST] * 3]
    won = registry.current()
    assert won is not None
    assert won.sequence == 2
    assert won.seed == codes.index(processes.DONE)
    assert registry.load(won) == content(won.seed, 20_000)
