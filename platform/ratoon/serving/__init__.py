"""The HTTP API. Its process imports neither Feast nor torch: it reads what a refresh has prepared."""

from ratoon.serving.app import create_app
from ratoon.serving.opening import open_app
from ratoon.serving.rooms import Policy, Rooms, Surface
from ratoon.serving.run import serve, serve_by_workers
from ratoon.serving.starting import serve_home

__all__ = ["Policy", "Rooms", "Surface", "create_app", "open_app", "serve", "serve_by_workers", "serve_home"]
