"""A clock that is set back."""

from datetime import UTC, datetime

from ratoon.bench.chaos.clock import BACK, set_back
from ratoon.registry import files
from tests.fakes import processes


def test_our_clocks_go_an_hour_late() -> None:
    """From then on what our modules take for now is an hour ago; real times are still times to them, and nobody else notices."""

    def late() -> None:
        before = datetime.now(UTC)
        set_back()
        assert abs(files._wall() - before + BACK).total_seconds() < 60
        assert isinstance(before, vars(files)["datetime"])
        assert datetime.now(UTC) >= before

    assert processes.run(late) == processes.DONE
