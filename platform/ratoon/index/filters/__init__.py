"""Which items a predicate is true of, and how a search goes that may find no others."""
