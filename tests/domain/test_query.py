"""A question's defaults, which the API promises."""

from ratoon.domain.query import Query


def test_defaults() -> None:
    """Unless told otherwise, an answer leaves out what the user has seen, nothing else, and is personal."""
    query = Query(50, "u1")
    assert (query.exclude, query.exclude_seen, query.popular, query.filter) == (frozenset(), True, False, None)
