"""The layout that a number of items asks for."""

from ratoon.domain.dial import Dial, IndexPolicy, dial_for, due, explained


def test_few_items_are_all_looked_at() -> None:
    """Up to the policy's number there is one list of whole vectors; one item more, and there are many, kept as it says."""
    policy = IndexPolicy(exact=10_000, codec="sq8")
    assert dial_for(0, policy) == dial_for(10_000, policy) == Dial(lists=1, codec="flat", nprobe=1)
    assert dial_for(10_001, policy) == Dial(lists=200, codec="sq8", nprobe=8)
    assert dial_for(1_000_000, policy).lists == 2_000
    assert [dial_for(count, IndexPolicy(exact=0)).lists for count in (0, 1, 2, 9)] == [1, 1, 2, 6]


def test_a_layout_is_due_when_it_has_been_outgrown() -> None:
    """One list does up to the policy's number; many are kept down to half of it, and while twice or half as many would do."""
    policy = IndexPolicy(exact=10_000)
    assert not due(Dial(), 10_000, policy)
    assert due(Dial(), 10_001, policy)
    made = dial_for(40_000, policy)
    assert [count for count in (4_000, 6_000, 12_000, 40_000, 150_000, 170_000) if due(made, count, policy)] == [4_000, 170_000]
    assert due(Dial(lists=made.lists, codec="flat"), 40_000, policy)


def test_a_layout_is_explained_by_what_a_search_costs() -> None:
    """Sentences name the settings, the numbers looked at and their bytes, what was found, and a layout that is due."""
    policy = IndexPolicy(exact=10_000)
    whole = explained(Dial(), 5_000, 64, policy)
    assert whole[0] == "5,000 items, of which each is looked at, as up to 10,000 (index.exact): answers are exact"
    assert whole[-1] == "so it reads about 5,000 vectors, 1.22 MiB, and compares 1 centroids"
    assert whole[-2] == (
        "of filters that are asked again and again the matching vectors are kept as float32, 128 MiB at most a server "
        "(index.filter_mib), about 406,720 of them"
    )
    assert explained(Dial(500, "fp16", 10), 50_000, 68, policy)[2] == "68 numbers take 144 bytes (fp16), all items 6.9 MiB a copy"
    parts = explained(Dial(500, "fp16", 10, 0.961), 50_000, 64, policy)
    assert parts[1] == "a search looks into the nearest 10: 0.961 of the exact top 100 were found, 0.95 are wanted (index.recall)"
    assert parts[2] == "64 numbers take 128 bytes (fp16), all items 6.1 MiB a copy"
    assert parts[4] == "so it reads about 1,000 vectors, 0.12 MiB, and compares 500 centroids"
    assert explained(Dial(), 20_000, 64, policy)[-1].startswith("the next refresh lays it out anew: Dial(lists=283,")
    assert "nothing has been asked yet" in explained(Dial(500, "sq8", 10), 50_000, 64, policy)[1]
