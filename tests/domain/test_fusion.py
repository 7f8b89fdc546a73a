"""What each source weighs for whom."""

import numpy as np

from ratoon.domain import fusion
from ratoon.domain.fusion import Fusion

FUSION = Fusion("recent", (1, 5), {"tower": (1.0, 0.5, 0.25), "covisit": (0.0, 0.1, 0.2)})


def test_segments_begin_at_their_edges() -> None:
    """A user with as many items as an edge says is in the segment that begins there, one at a time as many at once."""
    lengths = [0, 1, 4, 5, 100]
    assert FUSION.segments(lengths).tolist() == [0, 1, 1, 2, 2]
    assert [FUSION.segment(length) for length in lengths] == [0, 1, 1, 2, 2]


def test_what_is_written_is_read_back() -> None:
    """Weights, edges and the order of the sources, which is that of the blocks, come back as they were."""
    read = Fusion.from_json(FUSION.to_json())
    assert read == FUSION
    assert list(read.weights) == ["tower", "covisit"]
    assert np.array_equal(read.weighing("covisit"), np.array([0.0, 0.1, 0.2], np.float32))


def test_files_of_a_source_are_found_by_its_name() -> None:
    """Files are told apart from the release's own, and one source's from another's."""
    files = {"model.json": b"own", **fusion.named("tower-2", {"model.json": b"two"}), fusion.FILE: b"{}"}
    assert fusion.of("tower-2", files) == {"model.json": b"two"}
    assert fusion.of("covisit", files) == {}
    assert set(fusion.beside(files)) == {"fused.tower-2.model.json", "fused.sources.json"}
