"""Recommenders without towers on the same walk: popularity, neighbours, linear models, sessions.

    python baselines.py WORLD.npz ANSWERS.npz

WORLD: `users`, `items` (codes of the interactions in time order), `starts`, `stops` (interactions of each slice), `asked` (the
interactions asked about, ascending), `mask` (whether what a user has had is hidden), `sessions`. ANSWERS: one array per
method, the rank from 0 of each asked item among all items seen up to its slice's end, -1 where the method did not run. The
last line says CPU seconds per method, and why a method did not run.

Every method is fitted on what came before a slice, and sees the user's own items up to the moment of asking. Ties go to the
item seen first. Parameters are usual ones; those of iALS with 16 factors were the best of 7 on the end of MovieTweetings' past.

ItemKNN: Deshpande and Karypis 2004. EASE: Steck 2019 (arXiv:1905.03375). iALS: Hu, Koren and Volinsky 2008, as `implicit` has
it. V-SKNN and sequential rules: Ludewig and Jannach 2018 (arXiv:1803.09587). STAN: Garg et al. 2019 (10.1145/3331184.3331322).
"""

import importlib
import importlib.util
import json
import sys
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import lapack

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

NEIGHBOURS, SHRINKAGE = 100, 10.0
EASE_ITEMS, EASE_L2, ALPHA, ITERATIONS = 4_000, 250.0, 5.0, 10
SESSIONS, SAMPLED, STEPS = 100, 1_000, 10

Scorer = Callable[[int, Ints], Floats]
"""(the interaction asked about, the user's items before it, oldest first) -> a score per item."""


@dataclass(frozen=True)
class Past:
    """What a method may be fitted on.

    Attributes:
        users, items: all interactions; those from `until` on may only be read up to the moment of asking.
        until: where the slice begins.
        catalogue: how many items there are up to the slice's end; codes are in order of first sight.
    """

    users: Ints
    items: Ints
    until: int
    catalogue: int

    def matrix(self) -> sparse.csr_matrix:
        """Users x items, 1 where they met."""
        shape = (int(self.users.max()) + 1, self.catalogue)
        users, items = self.users[: self.until], self.items[: self.until]
        met = sparse.csr_matrix((np.ones(len(users), np.float32), (users, items)), shape)
        met.data[:] = 1.0
        return met


def popularity(last: int) -> Callable[[Past], Scorer]:
    """How often an item occurs in the last interactions before the slice; in all of them with 0."""

    def fit(past: Past) -> Scorer:
        begin = max(0, past.until - last) if last else 0
        counts = np.bincount(past.items[begin : past.until], minlength=past.catalogue).astype(np.float32)
        return lambda _place, _had: counts.copy()

    return fit


def live(last: int) -> Callable[[Past], Scorer]:
    """How often an item occurs in the last interactions before the moment of asking."""

    def fit(past: Past) -> Scorer:
        def score(place: int, _had: Ints) -> Floats:
            return np.bincount(past.items[max(0, place - last) : place], minlength=past.catalogue).astype(np.float32)

        return score

    return fit


def item_knn(past: Past) -> Scorer:
    """Cosine between items' users, shrunk, of the nearest items alone."""
    met = past.matrix()
    together = (met.T @ met).tocsr()
    norm = np.sqrt(np.maximum(together.diagonal(), 1e-9))
    near = together.tocoo()
    keep = near.row != near.col
    rows, columns = near.row[keep], near.col[keep]
    values = near.data[keep] / (norm[rows] * norm[columns] + SHRINKAGE)
    order = np.lexsort((-values, rows))
    rows, columns, values = rows[order], columns[order], values[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    nearest = rank < NEIGHBOURS
    similar = sparse.csr_matrix(
        (values[nearest].astype(np.float32), (rows[nearest], columns[nearest])), (past.catalogue, past.catalogue)
    )
    return lambda _place, had: np.asarray(similar[had].sum(axis=0), np.float32).ravel()


def ease(past: Past) -> Scorer:
    """The closed-form linear autoencoder over the items met most."""
    met = past.matrix()
    counts = np.asarray(met.sum(axis=0)).ravel()
    chosen = np.argsort(-counts, kind="stable")[:EASE_ITEMS]
    place_of = np.full(past.catalogue, -1)
    place_of[chosen] = np.arange(len(chosen))
    met = met[:, chosen]
    gram = np.asarray((met.T @ met).todense(), np.float32) + np.float32(EASE_L2) * np.eye(len(chosen), dtype=np.float32)
    factor, wrong = lapack.spotrf(gram, lower=True)
    half, wrong_too = lapack.spotri(factor, lower=True)
    if wrong or wrong_too:
        raise ValueError("the items' Gram matrix cannot be inverted")
    inverse = np.tril(half) + np.tril(half, -1).T
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)

    def score(_place: int, had: Ints) -> Floats:
        scores = np.zeros(past.catalogue, np.float32)
        known = place_of[had]
        scores[chosen] = weights[known[known >= 0]].sum(axis=0)
        return scores

    return score


def ials(count: int, regularisation: float) -> Callable[[Past], Scorer]:
    """Implicit alternating least squares; a user's factors are solved anew from what they have had."""

    def fit(past: Past) -> Scorer:
        als = importlib.import_module("implicit.als")
        model = als.AlternatingLeastSquares(
            factors=count, regularization=regularisation, alpha=ALPHA, iterations=ITERATIONS, random_state=0, num_threads=1
        )
        model.fit(past.matrix(), show_progress=False)
        factors = np.asarray(model.item_factors)

        def score(_place: int, had: Ints) -> Floats:
            row = sparse.csr_matrix((np.ones(len(had), np.float32), (np.zeros(len(had), int), had)), (1, past.catalogue))
            user = np.asarray(model.recalculate_user(np.array([0]), row)).ravel()
            return np.asarray(factors @ user, np.float32)

        return score

    return fit


def sequential_rules(past: Past) -> Scorer:
    """How often an item follows another within a session, less for each step between them."""
    rules: dict[int, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for _, items in _sessions(past):
        for place, item in enumerate(items):
            for back, earlier in enumerate(items[max(0, place - STEPS) : place][::-1], 1):
                rules[earlier][item] += 1.0 / back

    def score(_place: int, had: Ints) -> Floats:
        scores = np.zeros(past.catalogue, np.float32)
        if len(had) and int(had[-1]) in rules:
            found = rules[int(had[-1])]
            scores[list(found)] = list(found.values())
        return scores

    return score


def neighbour_sessions(*, stan: bool) -> Callable[[Past], Scorer]:
    """V-SKNN: items of the most similar of the newest sessions that share one; STAN also weighs their age and place."""

    def fit(past: Past) -> Scorer:
        sessions = _sessions(past)
        members: dict[int, list[int]] = defaultdict(list)
        for number, (_, items) in enumerate(sessions):
            for item in set(items):
                members[item].append(number)
        span = max(1, past.until)

        def score(place: int, had: Ints) -> Floats:
            weight = {int(item): (step + 1) / len(had) for step, item in enumerate(had)}
            if stan:
                weight = {int(item): float(np.exp((step + 1 - len(had)) / 2)) for step, item in enumerate(had)}
            near = {number for item in weight for number in members[item][-SAMPLED:]}
            likeness = {}
            for number in sorted(near)[-SAMPLED:]:
                end, items = sessions[number]
                shared = sum(weight.get(item, 0.0) for item in set(items)) / float(np.sqrt(len(weight) * len(set(items))))
                likeness[number] = shared * (float(np.exp(-20.0 * (place - end) / span)) if stan else 1.0)
            scores = np.zeros(past.catalogue, np.float32)
            for number in sorted(likeness, key=lambda one: (-likeness[one], -one))[:SESSIONS]:
                items = sessions[number][1]
                last = max(step for step, item in enumerate(items) if item in weight)
                for step, item in enumerate(items):
                    far = float(np.exp(-abs(step - last) / 2)) if stan else weight.get(items[last], 1.0)
                    scores[item] += likeness[number] * far
            return scores

        return score

    return fit


def _sessions(past: Past) -> list[tuple[int, list[int]]]:
    """(last interaction, items in order) of each user before the slice, by last interaction."""
    items: dict[int, list[int]] = defaultdict(list)
    last: dict[int, int] = {}
    for place, (user, item) in enumerate(zip(past.users[: past.until].tolist(), past.items[: past.until].tolist(), strict=True)):
        items[user].append(item)
        last[user] = place
    return [(last[user], items[user]) for user in sorted(last, key=last.__getitem__)]


METHODS: dict[str, Callable[[Past], Scorer]] = {
    "popularity, all": popularity(0),
    "popularity, last 5,000": popularity(5_000),
    "popularity, last 1,000": popularity(1_000),
    "live popularity, last 2,000": live(2_000),
    "ItemKNN": item_knn,
    "EASE": ease,
    "iALS, 16 factors": ials(16, 10.0),
    "iALS, 64 factors": ials(64, 0.05),
}
FOR_SESSIONS: dict[str, Callable[[Past], Scorer]] = {
    "V-SKNN": neighbour_sessions(stan=False),
    "STAN": neighbour_sessions(stan=True),
    "sequential rules": sequential_rules,
}


def rank(scores: Floats, wanted: int, hidden: Ints) -> int:
    """How many items come before the wanted one: those with more, and of the same score those seen first."""
    scores[hidden] = -np.inf
    return int((scores > scores[wanted]).sum() + (scores[:wanted] == scores[wanted]).sum())


def in_order(items: Ints) -> Ints:
    """Codes by first sight."""
    _, first, place = np.unique(items, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[place], np.int64)


def histories(users: Ints, items: Ints) -> Callable[[int], Ints]:
    """(an interaction) -> the items that its user had before it, oldest first."""
    order = np.argsort(users, kind="stable")
    begins = np.searchsorted(users[order], np.arange(int(users.max()) + 2))

    def before(place: int) -> Ints:
        own = order[begins[users[place]] : begins[users[place] + 1]]
        return items[own[: np.searchsorted(own, place)]]

    return before


def walk(world: dict[str, npt.NDArray[np.int64]], methods: dict[str, Callable[[Past], Scorer]]) -> dict[str, list[int]]:
    """Ask every method about every question; ranks per method, in the order of `asked`, and CPU seconds on stderr."""
    users, items, asked = world["users"], in_order(world["items"]), world["asked"]
    found: dict[str, list[int]] = {name: [] for name in methods}
    mask, before = bool(world["mask"]), histories(users, items)
    for start, stop in zip(world["starts"].tolist(), world["stops"].tolist(), strict=True):
        past = Past(users, items, start, int(items[:stop].max()) + 1)
        here = asked[(asked >= start) & (asked < stop)].tolist()
        had = [before(place) for place in here]
        for name, fit in methods.items():
            score = fit(past)
            nothing = np.empty(0, np.int64)
            found[name] += [
                rank(score(place, own), int(items[place]), own if mask else nothing) for place, own in zip(here, had, strict=True)
            ]
    return found


def main(source: str, target: str) -> None:
    """Read a world, write the ranks, say how long each method took."""
    with np.load(source) as stored:
        world = {name: stored[name] for name in stored.files}
    methods = METHODS | (FOR_SESSIONS if world["sessions"] else {})
    there = importlib.util.find_spec("implicit")
    missing = {} if there else {name: "implicit is not installed" for name in methods if name.startswith("iALS")}
    answers, seconds = {}, {}
    for name, fit in methods.items():
        begun = time.process_time()
        answers[name] = [-1] * len(world["asked"]) if name in missing else walk(world, {name: fit})[name]
        seconds[name] = time.process_time() - begun
        sys.stderr.write(f"{name}: {seconds[name]:.1f} CPU s\n")
    with zipfile.ZipFile(target, "w") as archive:  # as numpy.savez writes it
        for name, ranks in answers.items():
            with archive.open(f"{name}.npy", "w") as file:
                np.lib.format.write_array(file, np.array(ranks, np.int64))
    sys.stdout.write(json.dumps({"seconds": seconds, "missing": missing}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
