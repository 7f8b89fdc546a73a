"""The typed client, written from the server's own OpenAPI document: `python -m ratoon.serving.generating` writes it again."""

from ratoon.serving.generating.written import FOLDER, written

__all__ = ["FOLDER", "written"]
