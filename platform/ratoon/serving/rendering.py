"""Answers to bytes. What is the same in every answer is made once; an item's columns are JSON already."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic_core import to_json

from ratoon.adopt import Slot
from ratoon.domain.query import Answer

WIDEST = 1_000
"""Candidates in an answer."""

_FIRST = b'{"rank":1,"score":'
_AFTER = {
    source: [b',"source":"%s"},{"rank":%d,"score":' % (source.encode(), rank) for rank in range(2, WIDEST + 1)]
    for source in ("index", "features")
}
_LAST = {source: b',"source":"%s"}' % source.encode() for source in ("index", "features")}


def encoded(body: Mapping[str, object]) -> bytes:
    """Any JSON object; what is no number is null."""
    return to_json(body, inf_nan_mode="null")


def rows(answer: Answer, slot: Slot, asked: Sequence[str] = ()) -> bytes:
    """The candidates as a JSON list; items that are gone by now are left out.

    Args:
        asked: `vectors` and `explain` of each, where they are asked for.
    """
    if asked:
        return to_json(list(_detailed(answer, slot, asked)), inf_nan_mode="null")
    cards = slot.index.cards([item for item, _ in answer.found])
    found = answer.found
    if not all(cards):  # a card is not empty
        kept = [place for place, card in enumerate(cards) if card is not None]
        cards, found = [cards[place] for place in kept], [found[place] for place in kept]
    if not found:
        return b"[]"
    parts: list[Any] = [b""] * (3 * len(found) + 3)
    parts[0], parts[-1] = b"[" + _FIRST, b"]"
    parts[1:-2:3] = to_json([score for _, score in found])[1:-1].split(b",")
    parts[2:-2:3] = cards
    if slot.posted:
        sources = ["features" if item in slot.posted else "index" for item, _ in found]
        parts[3:-3:3] = [_AFTER[source][rank] for rank, source in enumerate(sources[:-1])]
        parts[-2] = _LAST[sources[-1]]
    else:
        parts[3:-3:3] = _AFTER["index"][: len(found) - 1]
        parts[-2] = _LAST["index"]
    return b"".join(parts)


def _detailed(answer: Answer, slot: Slot, asked: Sequence[str]) -> Iterator[dict[str, object]]:
    """Each candidate with its vector, or with what its score is made of."""
    shown = slot.index.columns(item for item, _ in answer.found)
    found = [(item, score) for item, score in answer.found if item in shown]
    vectors = slot.index.vectors([item for item, _ in found])
    for rank, ((item, score), vector) in enumerate(zip(found, vectors, strict=True), 1):
        row: dict[str, object] = {"rank": rank, "score": score, "item_id": item, "item": shown[item]}
        row["source"] = "features" if item in slot.posted else "index"
        if "vectors" in asked:
            row["vector"] = vector.tolist()
        if "explain" in asked and answer.vector is not None:
            learned = len(vector) - len(slot.towers.popularity)
            taste = float(np.dot(answer.vector[0, :learned], vector[:learned]))
            row["explain"] = {"taste": taste, "popularity": score - taste}
        yield row
