"""New items over the API, so many a second, the same few thousand again and again.

    PORT RATE HEADERS

They are posted as events, BATCH in a request. It says in one line of JSON a second how many were taken, and how many refused.
"""

import json
import sys
from collections.abc import Mapping
from time import perf_counter

import numpy as np

from ratoon.bench.serving.crowd import Crowd
from ratoon.bench.serving.lines import Heard, request
from ratoon.bench.serving.streams import open_loop

ITEMS, BATCH = 4_000, 100
CONNECTIONS = 4


def requests(headers: Mapping[str, str]) -> list[bytes]:
    """Every item once, in batches."""
    vectors = Crowd(ITEMS * 10, 1).vectors()[:ITEMS]
    events = [
        {
            "kind": "item",
            "item_id": f"new{place}",
            "features": {"portrait": np.round(vector, 4).tolist(), "title": f"New {place}"},
        }
        for place, vector in enumerate(vectors.astype(float))
    ]
    batches = (events[first : first + BATCH] for first in range(0, ITEMS, BATCH))
    return [request("/v1/events", json.dumps({"events": batch}).encode(), headers) for batch in batches]


def main() -> None:
    """Read the command line."""
    port, rate, headers = int(sys.argv[1]), int(sys.argv[2]), json.loads(sys.argv[3])
    made, begun = requests(headers), perf_counter()
    while True:
        answers: list[Heard] = []
        sent = open_loop(port, made, rate / BATCH, 1.0, CONNECTIONS, answers.append)
        taken = sum(BATCH for answer in answers if answer.ok)
        told = {"at": perf_counter() - begun, "taken": taken, "refused": len(answers) * BATCH - taken, "late": sent.late * BATCH}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
