"""What happened, and what is known of items and users.

Made from the server's OpenAPI document by `python -m ratoon.serving.generating`; do not edit.
"""
