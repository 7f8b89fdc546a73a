"""`ratoon worker`: runs the jobs until it is told to stop."""

import logging
from contextlib import nullcontext
from datetime import UTC, datetime
from signal import SIGINT, SIGTERM, signal
from typing import Annotated

import typer

from ratoon.cli.datasets import open_house
from ratoon.domain.errors import UsageError
from ratoon.jobs import LEASE


def worker(
    grace: Annotated[float, typer.Option(min=0, help="Seconds that a run has to end by itself after SIGTERM.")] = 30.0,
    at_once: Annotated[int, typer.Option(min=1, help="How many jobs may run at the same time.")] = 2,
    lease: Annotated[
        float, typer.Option(min=1, help="Seconds after which a run nobody has heard of is another worker's.")
    ] = LEASE,
    warm: Annotated[
        bool,
        typer.Option(help="Fork runs from a process that has imported what they need, some 490 MiB; or start each from nothing."),
    ] = True,
) -> None:
    """Run the jobs of ratoon.toml, each as a process of its own, until SIGTERM or SIGINT; then exit with 0.

    Several workers may share a home: each slot is run by one of them.
    """
    from ratoon.jobs.book import opened
    from ratoon.jobs.telling import Herald, webhook
    from ratoon.jobs.warm import Warm
    from ratoon.jobs.worker import Worker
    from ratoon.serving.logs import configure

    configure("INFO")
    house = open_house()
    if not house.settings.jobs:
        raise UsageError("[jobs]", expected="at least one job", found="none", fix="Add one to ratoon.toml as [jobs.NAME].")
    with Warm("ratoon", "ratoon.cli.warm") if warm else nullcontext() as template:
        book = opened(house, lambda: datetime.now(UTC), lease, template)
        alerts = house.settings.alerts
        runs = Worker(book, alerts, Herald(book.notes, webhook(alerts.webhook)), grace, at_once)
        for number in (SIGTERM, SIGINT):
            signal(number, lambda *_: runs.stopping.set())
        logging.getLogger("ratoon.jobs").info("jobs: %s", ", ".join(house.settings.jobs))
        runs.run()
