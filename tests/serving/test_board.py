"""Numbers that forked processes share."""

from functools import partial

import pytest

from ratoon.serving.board import Board
from tests.fakes.processes import DONE, run


def test_others_see_what_a_worker_tells() -> None:
    """An offset told in one process is heard in the others and not by itself; a smaller one later changes nothing."""
    board = Board(3)
    assert run(partial(board.places[1].tell, 7)) == DONE
    assert [place.heard() for place in board.places] == [7, 0, 7]
    assert run(partial(board.places[1].tell, 3)) == DONE
    assert run(partial(board.places[2].tell, 9)) == DONE
    assert [place.heard() for place in board.places] == [9, 9, 7]


def test_what_may_be_missing_here_is_heard_here() -> None:
    """A worker that was sent what another one had made durable looks itself."""
    board = Board(2)
    board.places[0].tell(5, here=True)
    assert [place.heard() for place in board.places] == [5, 5]


@pytest.mark.parametrize("workers", [1, 2, 64])
def test_connections_are_counted_by_place(workers: int) -> None:
    """What a worker has closed is its own number, which its successor begins anew; what it told stays."""
    board = Board(workers)
    for place in board.places:
        for _ in range(place.number + 1):
            place.close()
        place.tell(10)
    assert [place.closed for place in board.places] == [number + 1 for number in range(workers)]
    board.places[-1].begin()
    assert board.places[-1].closed == 0
    assert all(place.heard() == (10 if workers > 1 else 0) for place in board.places)
