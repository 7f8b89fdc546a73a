"""Refreshes, and what became of runs.

Made from the server's OpenAPI document by `python -m ratoon.serving.generating`; do not edit.
"""
