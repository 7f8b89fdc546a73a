"""What texts say of items and users."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratoon.domain.covisit import FADE
from ratoon.domain.errors import StoreError
from ratoon.domain.texts import LENGTH, TABLES, About, Texts, hashed

ABOUT = About("e" * 64, "title", "bio", 3, 2, learnt=7, heard=2.0)
ROWS = np.eye(3, dtype=np.float16)
TEXTS = Texts(
    ABOUT,
    {"a": 0, "b": 1, "c": 2},
    np.array([hashed(one) for one in ("A", "B", "C")], np.uint64),
    ROWS,
    {hashed("sailor"): 0, hashed("nurse"): 1},
    ROWS[1:],
)


def test_it_survives_its_files() -> None:
    """Made from its files again it says the same of every item and user, and its files are the same."""
    again = Texts.from_files(TEXTS.to_files())
    assert (again.about, again.items, again.own) == (TEXTS.about, TEXTS.items, TEXTS.own)
    assert again.to_files() == TEXTS.to_files()
    assert np.array_equal(again.told(["a", "c"], "nurse"), TEXTS.told(["a", "c"], "nurse"))
    assert {mark: row.tolist() for mark, row in again.known().items()} == {
        **{hashed(text): row.tolist() for text, row in zip("ABC", ROWS, strict=True)},
        **{hashed(text): row.tolist() for text, row in zip(("sailor", "nurse"), ROWS[1:], strict=True)},
    }


def test_a_user_is_the_mean_of_what_they_had_and_what_they_say() -> None:
    """The newest entry counts most and unknown ones nothing; where one of the two parts is missing, the other is all there is."""
    history = np.array([FADE, 0, 1]) / (1 + FADE)
    np.testing.assert_allclose(TEXTS.told(["a", "unknown", None, "c"], None), 2 * history, rtol=1e-6)
    np.testing.assert_allclose(TEXTS.told(["a", "c"], "nurse"), history + np.eye(3)[2], rtol=1e-6)
    np.testing.assert_allclose(TEXTS.told(None, "sailor"), [0, 2, 0], rtol=1e-6)
    assert not TEXTS.told([], "a text that nobody has encoded").any()


def test_an_item_without_a_text_has_zeros() -> None:
    """Others have their row, as long as sources beside the towers are."""
    wanted = np.array([[0, 0, LENGTH], [0, 0, 0], [LENGTH, 0, 0]])
    np.testing.assert_allclose(TEXTS.offered(["c", "new", "a"]), wanted, rtol=1e-6)


@given(st.lists(st.text(), unique=True, max_size=20))
def test_texts_are_told_apart(texts: list[str]) -> None:
    """Different texts stand as different numbers that fit 64 bits."""
    marks = {hashed(text) for text in texts}
    assert len(marks) == len(texts)
    assert all(0 <= mark < 2**64 for mark in marks)


@pytest.mark.parametrize("name", ["about.json", "items.json", *TABLES])
def test_a_damaged_file_is_refused_by_name(name: str) -> None:
    """A file that is missing, cut short or of another shape is no silent gap."""
    files = TEXTS.to_files()
    with pytest.raises(StoreError, match=name.replace(".", r"\.")):
        Texts.from_files({other: data for other, data in files.items() if other != name})
    with pytest.raises(StoreError, match="what texts say"):
        Texts.from_files({**files, name: files[name][:-9]})
    longer = replace(TEXTS, about=replace(ABOUT, dim=4)).to_files()
    with pytest.raises(StoreError, match="shapes"):
        Texts.from_files({**files, "about.json": longer["about.json"]})
