"""The layout that a number of items asks for."""

from ratoon.domain.dial import Dial, IndexPolicy, dial_for


def test_few_items_are_all_looked_at() -> None:
    """Up to the policy's number there is one list of whole vectors; one item more, and there are many, kept as it says."""
    policy = IndexPolicy(exact=10_000, codec="sq8")
    assert dial_for(0, policy) == dial_for(10_000, policy) == Dial(lists=1, codec="flat", nprobe=1)
    assert dial_for(10_001, policy) == Dial(lists=200, codec="sq8", nprobe=8)
    assert dial_for(1_000_000, policy).lists == 2_000
