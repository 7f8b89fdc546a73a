"""What is made from the API.

Made from the server's OpenAPI document by `python -m ratoon.serving.generating`; do not edit.
"""
