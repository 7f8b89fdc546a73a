"""Vectors in a file that all processes of a machine map, and what each of them changed since."""
