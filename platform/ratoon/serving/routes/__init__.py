"""One file per kind of route."""
