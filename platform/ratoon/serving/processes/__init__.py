"""Processes that serve: their connections, how they stop, and several of them behind one address."""
