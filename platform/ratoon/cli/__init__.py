"""The command line."""

from ratoon.cli.app import main

__all__ = ["main"]
