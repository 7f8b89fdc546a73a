"""What is counted on from before is what counting all of it gives."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.events import popular as module
from ratoon.events.popular import Newest, Popular, Ranked

LOTS = st.lists(st.lists(st.sampled_from("abcdef"), max_size=7), max_size=12)


def counted(items: list[str]) -> Ranked:
    return sorted(Counter(items).items(), key=lambda pair: (-pair[1], pair[0]))


@given(lots=LOTS, length=st.integers(1, 9), many=st.integers(0, 8))
def test_the_newest_are_ranked_however_they_came(lots: list[list[str]], length: int, many: int) -> None:
    """One by one or in lots, the rank is that of the newest alone, most frequent first, ties by id."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "MANY", many)
        newest, came = Newest(length), list[str]()
        for lot in lots:
            newest.add(lot)
            came += lot
            assert newest.ranked == counted(came[-length:])


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["more", "more", "aside", "back", "forget"]), st.integers(1, 12), st.sampled_from("abc")),
        max_size=14,
    )
)
def test_popular_is_what_the_log_says_now(steps: list[tuple[str, int, str]]) -> None:
    """Whatever is added, put aside, let back in or forgotten meanwhile, what is told is counted from the log as it is."""
    popular, log, without, edition, end = Popular(5), dict[int, str](), set[int](), 0, 0

    def recent(newest: int) -> list[tuple[int, str, str]]:
        assert newest <= 5
        return [(at, "u", log[at]) for at in sorted(set(log) - without)[-newest:]]

    for step, number, item in steps:
        if step == "more":
            for _ in range(number):
                end += 1
                log[end] = item
        elif step == "aside":
            without.add(number)
        elif step == "back":
            without.discard(number)
        else:
            log = {at: other for at, other in log.items() if other != item}
            edition, end = end + 1, end + 1
        told = popular.of(None, sorted(without), 2, end, lambda: edition, recent)  # noqa: B023  # called at once
        kept = [log[at] for at in sorted(set(log) - without)[-5:]]
        assert told == counted(kept)[:2]


def test_what_came_since_is_all_that_is_read() -> None:
    """With one interaction more, one is asked of the log; with none, nothing; what was handed out stays as it is."""
    popular, asked = Popular(5_000), list[int]()

    def recent(newest: int) -> list[tuple[int, str, str]]:
        asked.append(newest)
        return [(at, "u", "a") for at in range(11 - newest + len(asked) - 1, 11 + len(asked) - 1)]

    first = popular.of(None, [], 9, 10, lambda: None, recent)
    popular.of(None, [], 9, 10, lambda: None, recent)
    second = popular.of(None, [], 9, 11, lambda: None, recent)
    assert (first, second, asked) == ([("a", 10)], [("a", 11)], [10, 1])
