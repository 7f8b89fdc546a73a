"""What a soak says in figures."""

import math

import pytest

from ratoon.bench.soaking.figures import absences, binned, failures, per_second, share, unseen, waits, went_back
from ratoon.bench.soaking.traffic import Asked
from tests.bench.soaking.pieces import asked, seen, with_asked


def test_an_event_waits_for_an_answer_and_not_for_a_publication() -> None:
    """From the attempt that was acknowledged to the end of the first answer by a release that has it, event by event."""
    one = seen()
    found = waits(one.sent, one.asked, one.published)
    assert [at for at, _ in found] == [1.5] * 10 + [6.5] * 10
    assert [waited for _, waited in found] == pytest.approx([1.51] * 10 + [5.51] * 10)
    assert unseen(one.sent, one.asked, one.published) == 0
    assert unseen(one.sent, one.asked[:-1], one.published) == 10


def test_a_server_is_the_victim_until_it_answers_again() -> None:
    """From the blow to the first answer of its next life; one that is not started again until the end."""
    one = seen()
    first, last = absences(one.lives["server"], one.asked, one.seconds)
    assert first == pytest.approx((4.0, 6.01))
    assert last == (20.0, 20.0)


@pytest.mark.parametrize(("at", "status", "blamed"), [(5.0, 503, False), (8.0, 503, True), (8.0, 0, True), (0.5, 0, False)])
def test_a_failure_is_excused_only_while_the_server_is_down(at: float, status: int, blamed: bool) -> None:
    """What failed before it was up and after a blow is the victim's; anything else, an error or no answer, is not."""
    strange = Asked(at, at + 0.1, status)
    excused, others = failures(with_asked(strange))
    assert (strange in others, strange in excused) == (blamed, not blamed)
    assert len(excused) == 2 + (not blamed)


def test_going_back_is_seen_and_answers_that_cross_are_not_taken_for_it() -> None:
    """Only a question sent after a newer answer had come can go back."""
    crossing = [Asked(1.0, 1.5, 200, "r2", 2, 9), Asked(1.1, 1.6, 200, "r1", 1, 9)]
    assert went_back(crossing) == 0
    assert went_back([*crossing, asked(2.0, 1)]) == 1
    assert went_back([]) == 0


def test_parts_of_the_time() -> None:
    """Each part has the quantile of its own values, or none; a rate counts what fell into the part; nothing has no quantile."""
    assert binned([(0.0, 1.0), (4.9, 3.0), (10.0, 7.0)], 10.0, 2) == [2.0, 7.0]
    assert binned([(0.0, 1.0)], 10.0, 2) == [1.0, None]
    assert per_second([0.1, 0.2, 9.0], 10.0, 2) == [0.4, 0.2]
    assert math.isnan(share([], 0.5))
