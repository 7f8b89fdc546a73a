"""What the commands need that jobs run, imported and looked up before: see `ratoon.jobs.template`.

In the order of a refresh that imports them itself. Nothing is opened, connected to or computed, and no GPU is looked for.
"""

from contextlib import suppress

import prometheus_client as prometheus_client  # before Feast, which turns it to files that all runs would share

import ratoon.cli.app as app
import ratoon.features.early as features
import ratoon.refresh as refresh
import ratoon.serving.logs as logs
import ratoon.training as training
from ratoon.domain.errors import RatoonError
from ratoon.index import FaissIndexes

IMPORTED = (app, features, logs, prometheus_client, refresh, training)
"""Nothing here is called by name."""

app.entry()
with suppress(RatoonError):  # a run that needs it says what is wrong with it
    FaissIndexes()
