"""What the commands import that jobs run, imported before: see `ratoon.jobs.template`. Nothing here is called by name."""

import prometheus_client as prometheus_client  # before Feast, which turns it to files that all runs would share

import ratoon.cli.app as app
import ratoon.features.store as store
import ratoon.serving.logs as logs
import ratoon.training as training

__all__ = ["app", "logs", "prometheus_client", "store", "training"]
