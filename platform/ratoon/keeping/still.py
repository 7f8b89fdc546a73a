"""Moments in which files under a home stay as they are; whoever wants to change them waits."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ratoon.features.quality.ledger import Ledger
from ratoon.registry.locks import locked


@contextmanager
def still(features: Path) -> Iterator[None]:
    """Nothing is judged or ingested during the body."""
    ledger = Ledger(features / "quarantine")
    with ledger.only_one(), locked(ledger.folder / "ingest.lock"):
        yield


@contextmanager
def unmerged(features: Path) -> Iterator[None]:
    """No training examples are added during the body, nor made one file of."""
    with ExitStack() as stack:
        for lock in sorted(features.glob("examples/*/.lock")):
            stack.enter_context(locked(lock))
        yield
