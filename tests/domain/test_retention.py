"""What goes is never needed by what stays, and asking twice asks for nothing more."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.retention import Ends, ends, outlived, surplus, unnamed

IDS = st.lists(st.text("abcdef", min_size=1, max_size=4), unique=True, max_size=12)
NOW = datetime(2026, 11, 1, tzinfo=UTC)


@given(IDS, st.integers(0, 14), st.sets(st.text("abcdef", min_size=1, max_size=4)), st.data())
def test_only_an_end_that_nothing_needs_goes(chain: list[str], kept: int, held: set[str], data: st.DataObject) -> None:
    """Against a model that takes release by release away from the old end while it may: the same go.

    So the served, the held and the newest `kept` stay; nothing that stays lies behind something that goes; and what is left
    needs only the release that is made whole.
    """
    held |= set(data.draw(st.sets(st.sampled_from(chain)))) if chain else set()
    left, gone = list(chain), list[str]()
    while len(left) > 1 and len(left) > kept and left[-1] not in held:
        gone.append(left.pop())
    found = ends(chain, kept, held)
    assert found.gone == tuple(gone)
    assert found.whole == (left[-1] if gone else "")
    assert ends(left, kept, held) == Ends()


def test_a_held_release_keeps_all_that_is_newer() -> None:
    """One release in the middle that must stay keeps everything up to the served one, however few are to be kept."""
    assert ends(("e", "d", "c", "b", "a"), 1, {"c"}) == Ends(("a", "b"), "c")
    assert ends(("e", "d", "c", "b", "a"), 1, ()) == Ends(("a", "b", "c", "d"), "e")


@given(st.dictionaries(st.text(max_size=3), st.integers(-50, 50)), st.sets(st.text(max_size=3)))
def test_what_is_old_and_unused_goes(ages: dict[str, int], used: set[str]) -> None:
    """Exactly what was made before the moment and is in no use."""
    made = {name: NOW + timedelta(days=age) for name, age in ages.items()}
    assert set(outlived(made, NOW, used)) == {name for name, age in ages.items() if age < 0} - used


@given(IDS, st.integers(0, 14), st.sets(st.text("abcdef", min_size=1, max_size=4)))
def test_the_newest_stay_and_so_does_what_is_used(names: list[str], kept: int, used: set[str]) -> None:
    """At most what is beyond the newest `kept` goes, in order, and none of it is used; then nothing more does."""
    gone = surplus(names, kept, used)
    left = [name for name in names if name not in gone]
    assert left[-kept:] == names[-kept:] if kept else True
    assert set(gone) == set(names[: max(len(names) - kept, 0)]) - used
    assert surplus(left, max(kept, len(left)), used) == ()


def test_what_no_list_names_goes() -> None:
    """Whatever one list needs stays, and with no list at all nothing is needed."""
    assert unnamed("abcd", [{"a"}, {"a", "c"}]) == {"b", "d"}
    assert unnamed("ab", []) == {"a", "b"}
