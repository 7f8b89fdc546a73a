"""What the server is given."""

from uuid import UUID

from ratoon.serving.rooms import Ids


def test_ids_are_random_uuids_drawn_many_at_once() -> None:
    """A thousand ids are a thousand different UUIDs of version 4, and the system was asked four times."""
    asked, counter = list[int](), iter(range(10**6))

    def drawn(size: int) -> bytes:
        asked.append(size)
        return b"".join(next(counter).to_bytes(16, "big") for _ in range(size // 16))

    made = Ids(drawn)
    found = [made() for _ in range(1_000)]
    assert len(set(found)) == 1_000
    assert {UUID(one).version for one in found} == {4}
    assert asked == [16 * Ids.MANY] * 4
