"""Events of many users over the API, one in a request, so many a second.

    PORT RATE HEADERS ITEMS USERS

It says in one line of JSON a second how many were taken, and how many were not.
"""

import json
import sys
from itertools import count
from time import perf_counter

import numpy as np

from ratoon.bench.serving.lines import Heard, request
from ratoon.bench.serving.streams import open_loop

CONNECTIONS = 16


def events(number: int, items: int, users: int, seed: int) -> list[dict[str, str]]:
    """So many interactions of a world's users with its items."""
    random = np.random.default_rng(seed)
    pairs = zip(random.integers(0, users, number).tolist(), random.integers(0, items, number).tolist(), strict=True)
    return [{"kind": "interaction", "user_id": f"u{user}", "item_id": f"i{item}", "type": "view"} for user, item in pairs]


def main() -> None:
    """Read the command line."""
    port, rate, headers, items, users = (json.loads(one) for one in sys.argv[1:])
    begun = perf_counter()
    for second in count(61):
        made = [request("/v1/events", json.dumps(event).encode(), headers) for event in events(rate, items, users, second)]
        answers: list[Heard] = []
        sent = open_loop(port, made, rate, 1.0, CONNECTIONS, answers.append)
        taken = sum(answer.ok for answer in answers)
        told = {"at": perf_counter() - begun, "taken": taken, "refused": len(answers) - taken, "late": sent.late}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()
