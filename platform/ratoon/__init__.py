"""Ratoon keeps recommendation retrieval fresh at a cost that follows what changed."""
