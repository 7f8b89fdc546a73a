"""Features of made-up users and items: MovieLens' names, and a hint of the hidden taste."""

import json
from collections import Counter
from datetime import date, timedelta

import numpy as np

from ratoon.data.portraits import FIRST_DAY, GENRES, OCCUPATIONS, item_features, user_features
from ratoon.data.world import draw_world


def test_items_have_a_title_genres_and_a_date() -> None:
    """Titles are unique, genres known, and what appears later is released that day, what was there, before."""
    random = np.random.default_rng(1)
    world = draw_world(1, 500, random)
    features = [json.loads(text) for text in item_features(world, random)]
    assert len({known["title"] for known in features}) == 500
    assert all(set(known) == {"title", "genres", "release_date"} for known in features)
    assert all(known["genres"] and set(known["genres"]) <= set(GENRES) for known in features)
    for known, birth in zip(features, world.item_birth, strict=True):
        released = date.fromisoformat(known["release_date"])
        assert released < FIRST_DAY if birth == 0 else released == FIRST_DAY + timedelta(days=int(birth))


def test_genres_tell_the_cluster() -> None:
    """Guessing each item's cluster from its genres, by counting, is right far more often than chance."""
    random = np.random.default_rng(2)
    world = draw_world(1, 2_000, random)
    genres = [tuple(json.loads(text)["genres"]) for text in item_features(world, random)]
    pairs = Counter(zip(genres, world.item_cluster, strict=True))
    best = {known: max(range(world.clusters), key=lambda cluster: pairs[known, cluster]) for known in genres}
    right = np.mean([best[known] == cluster for known, cluster in zip(genres, world.item_cluster, strict=True)])
    assert right > 0.5 > 3 / world.clusters


def test_users_have_age_gender_occupation_and_zip_code() -> None:
    """Ages are whole and human, occupations known, zip codes five digits; the favoured occupations are over-represented."""
    random = np.random.default_rng(3)
    world = draw_world(1_000, 2_000, random)
    features = [json.loads(text) for text in user_features(world, random)]
    assert all(set(known) == {"age", "gender", "occupation", "zip_code"} for known in features)
    assert all(13 <= known["age"] <= 85 and known["gender"] in "FM" for known in features)
    assert all(len(known["zip_code"]) == 5 and known["zip_code"].isdigit() for known in features)
    first = np.array([OCCUPATIONS.index(known["occupation"]) for known in features])[world.user_taste[:, 0] == 0]
    assert np.isin(first, [0, 1, 2]).mean() > 0.5
