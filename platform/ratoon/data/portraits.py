"""What made-up users and items look like: features under MovieLens' names, telling a little of the hidden taste."""

import json
from datetime import date, timedelta

import numpy as np

from ratoon.data.world import Ints, World

FIRST_DAY = date(2024, 1, 1)

GENRES = (
    "Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy Film-Noir Horror Musical Mystery "
    "Romance Sci-Fi Thriller War Western"
).split()
OCCUPATIONS = (
    "administrator artist doctor educator engineer entertainment executive healthcare homemaker lawyer librarian "
    "marketing none other programmer retired salesman scientist student technician writer"
).split()

_FIRST = "Silent Crimson Golden Hidden Broken Northern Electric Paper Distant Wild Last Midnight".split()
_SECOND = "Harbor Garden River Letter Kingdom Engine Orchard Signal Mountain Winter Mirror Station".split()


def item_features(world: World, random: np.random.Generator) -> list[str]:
    """(I,) JSON objects: title, genres (list), release_date.

    The cluster's two genres are likely, others rare; half of the titles begin with the cluster's word. What exists at
    the start came out in the thirty years before; what appears later comes out that day.
    """
    items, cluster = len(world.item_cluster), world.item_cluster
    main, second = cluster % len(GENRES), (cluster * 5 + 7) % len(GENRES)
    other = random.integers(0, len(GENRES), items)
    likely = random.uniform(size=(items, 3)) < (0.85, 0.5, 0.25)
    first = np.where(random.uniform(size=items) < 0.5, cluster % len(_FIRST), random.integers(0, len(_FIRST), items))
    last = random.integers(0, len(_SECOND), items)
    age = np.where(world.item_birth > 0, 0, random.integers(1, 30 * 365, items))
    features = []
    for item in range(items):
        choice = np.array([main[item], second[item], other[item]])
        genres = sorted({GENRES[genre] for genre in choice[likely[item]]} or {GENRES[main[item]]})
        released = FIRST_DAY + timedelta(days=int(world.item_birth[item]) - int(age[item]))
        title = f"{_FIRST[first[item]]} {_SECOND[last[item]]} {item + 1} ({released.year})"
        features.append(json.dumps({"title": title, "genres": genres, "release_date": released.isoformat()}))
    return features


def user_features(world: World, random: np.random.Generator) -> list[str]:
    """(U,) JSON objects: age, gender, occupation, zip_code; all but the last lean with the user's first taste."""
    users, cluster = len(world.user_birth), world.user_taste[:, 0]
    age = np.clip(np.rint(random.normal(20 + 3 * cluster, 7)), 13, 85).astype(np.int64)
    gender = np.where(random.uniform(size=users) < 0.3 + 0.4 * (cluster % 2), "F", "M")
    occupation = _leaning(cluster, random)
    zip_code = random.integers(0, 100_000, users)
    return [
        json.dumps({"age": int(years), "gender": str(sex), "occupation": OCCUPATIONS[job], "zip_code": f"{code:05}"})
        for years, sex, job, code in zip(age, gender, occupation, zip_code, strict=True)
    ]


def _leaning(cluster: Ints, random: np.random.Generator) -> Ints:
    """(U,) occupations: in six of ten cases one of the three that the cluster favours."""
    favoured = (3 * cluster + random.integers(0, 3, len(cluster))) % len(OCCUPATIONS)
    anyone = random.integers(0, len(OCCUPATIONS), len(cluster))
    return np.where(random.uniform(size=len(cluster)) < 0.6, favoured, anyone)
