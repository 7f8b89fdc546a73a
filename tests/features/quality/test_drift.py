"""Profiles and distances, on rows whose drift is known."""

import math

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import chi2

from ratoon.domain.drift import Drift, Profile, from_bytes, to_bytes
from ratoon.domain.schema import Feature, TowerSchema
from ratoon.features.quality.drift import CATEGORIES, drifts, profiles

SCHEMA = TowerSchema(
    "p",
    user=(
        Feature("user_id", "", "user", "id", "user_id"),
        Feature("age", "profile", "user", "number"),
        Feature("gender", "profile", "user", "category", "gender"),
        Feature("recent", "activity", "user", "history", "item_id", 20),
    ),
    item=(
        Feature("item_id", "", "item", "id", "item_id"),
        Feature("genres", "profile", "item", "ids", "genres", 5),
        Feature("vector", "profile", "item", "vector", dim=2),
        Feature("sold", "profile", "item", "number"),
    ),
)


def table(ages: list[float | None], genders: list[str | None] | None = None, users: int = 0) -> pa.Table:
    n = len(ages)
    return pa.table(
        {
            "user_id": [f"u{place % (users or n)}" for place in range(n)],
            "item_id": [f"i{place % 2}" for place in range(n)],
            "age": pa.array(ages, pa.float64()),
            "gender": pa.array(genders or ["F"] * n),
            "recent": pa.array([["i1"] * (place % 3) for place in range(n)], pa.list_(pa.string())),
            "genres": pa.array([["a", "b"] if place % 2 else None for place in range(n)], pa.list_(pa.string())),
            "vector": pa.array([[3.0, 4.0]] * n, pa.list_(pa.float32())),
            "sold": pa.array([place % 2 == 0 for place in range(n)]),
        }
    )


def by_name(found: tuple[Drift, ...]) -> dict[str, Drift]:
    return {one.feature: one for one in found}


def moved(then: pa.Table, now: pa.Table) -> dict[str, Drift]:
    return by_name(drifts(profiles(SCHEMA, then), SCHEMA, now))


def uniform(rows: int, seed: int, shift: float = 0.0) -> list[float | None]:
    return [float(number) for number in np.random.default_rng(seed).random(rows) + shift]


def test_a_profile_says_what_an_input_looked_like() -> None:
    """Rows, entities, missing share, mean, bins, categories: each by hand; ids have none."""
    found = {one.feature: one for one in profiles(SCHEMA, table([10.0, 20.0, None, 40.0], ["F", "M", "F", None]))}
    assert list(found) == ["age", "gender", "recent", "genres", "vector", "sold"]
    age = found["age"]
    assert (age.rows, age.entities, age.nulls, age.counts[0], sum(age.counts)) == (4, 4, 0.25, 1, 4)
    assert age.mean == pytest.approx(70 / 3)
    assert (age.quantiles[0], age.quantiles[-1]) == (10.0, 40.0)
    assert (found["gender"].values, found["gender"].counts) == (("F", "M"), (1, 2, 1, 0))
    assert (found["genres"].values, found["genres"].counts, found["genres"].nulls) == (("a", "b"), (2, 2, 2, 0), 0.5)
    assert (found["recent"].mean, found["vector"].mean, found["sold"].mean) == (0.75, 5.0, 0.5)


def test_the_same_rows_give_the_same_bytes() -> None:
    """A profile depends on nothing but its rows, and survives being written down."""
    rows = table(uniform(500, 1))
    first, again = profiles(SCHEMA, rows), profiles(SCHEMA, rows.slice(0))
    assert to_bytes(first) == to_bytes(again)
    assert from_bytes(to_bytes(first)) == first


def test_the_same_rows_have_no_drift() -> None:
    """Every distance of rows from their own profile is nothing (KS within the grain of the kept quantiles)."""
    rows = table(uniform(2_000, 1))
    for one in moved(rows, rows).values():
        assert one.psi == pytest.approx(0.0, abs=1e-12)
        assert one.js == pytest.approx(0.0, abs=1e-6)
        assert one.excess == 0.0
        assert one.ks is None or one.ks < 0.005 or one.feature != "age"


def test_figures_by_hand() -> None:
    """PSI and Jensen-Shannon of shares (1/2, 1/2) against (3/4, 1/4), and KS of a shift by a tenth."""
    n = 10_000
    then = table([1.0] * n, ["F", "M"] * (n // 2))
    now = table([1.0] * n, ["F", "F", "F", "M"] * (n // 4))
    gender = moved(then, now)["gender"]
    assert gender.psi == pytest.approx(0.25 * math.log(3), rel=0.01)
    entropy = (0.75 * math.log2(0.75 / 0.625) + 0.25 * math.log2(0.25 / 0.375)) / 2
    entropy += (0.5 * math.log2(0.5 / 0.625) + 0.5 * math.log2(0.5 / 0.375)) / 2
    assert gender.js == pytest.approx(math.sqrt(entropy), rel=0.01)
    assert gender.ks is None
    shifted = moved(table(uniform(5_000, 1)), table(uniform(5_000, 2, shift=0.1)))["age"]
    assert shifted.ks == pytest.approx(0.1, abs=0.03)


def test_chance_is_what_samples_without_drift_show() -> None:
    """Over 200 pairs of samples the mean PSI is within a quarter of its expectation, and its tail is that of chi-square."""
    found = [moved(table(uniform(400, seed)), table(uniform(100, seed + 1_000)))["age"] for seed in range(200)]
    chance = found[0].chance
    assert chance == pytest.approx(9 * (1 / 400 + 1 / 100))
    assert np.mean([one.psi for one in found]) == pytest.approx(chance, rel=0.25)
    beyond = chi2.ppf(0.999, 9) / 9 * chance
    assert np.mean([one.psi > beyond for one in found]) < 0.03


def test_rows_of_few_users_are_few() -> None:
    """A thousand rows of ten users count as ten: their drift is mostly chance."""
    many = moved(table(uniform(1_000, 1)), table(uniform(1_000, 2)))["age"]
    few = moved(table(uniform(1_000, 1)), table(uniform(1_000, 2), users=10))["age"]
    assert (many.entities, few.entities, few.rows) == (1_000, 10, 1_000)
    assert few.chance > 10 * many.chance


def test_values_gone_missing_and_categories_never_seen_are_drift() -> None:
    """A column of nothing, and categories that all are new, are as far as can be, and finite."""
    then = table(uniform(500, 1), ["F", "M"] * 250)
    now = table([None] * 500, ["X"] * 500)
    found = moved(then, now)
    assert found["age"].ks is None
    for name in ("age", "gender"):
        assert 5 < found[name].excess < 50
        assert found[name].js > 0.95


def test_rare_categories_share_a_bin() -> None:
    """Beyond the most frequent ones categories are counted together."""
    names = [f"g{place % 50}" for place in range(500)] + ["g0"] * 10
    (gender,) = (one for one in profiles(SCHEMA, table([1.0] * 510, list(names))) if one.feature == "gender")
    assert (len(gender.values), gender.values[0], gender.counts[-1]) == (CATEGORIES, "g0", 200)


def test_without_rows_or_profiles_there_is_nothing_to_say() -> None:
    """No new rows give no drift, an input without a profile none either; a profile of no rows is one."""
    rows = table([1.0, 2.0])
    assert drifts(profiles(SCHEMA, rows), SCHEMA, rows.slice(0, 0)) == ()
    assert drifts((), SCHEMA, rows) == ()
    empty: Profile = profiles(SCHEMA, rows.slice(0, 0))[0]
    assert (empty.rows, empty.edges, empty.nulls) == (0, (), 0.0)
    assert math.isfinite(by_name(drifts([empty], SCHEMA, rows))["age"].psi)


def test_a_text_counts_by_word() -> None:
    """Titles are new by nature, so what is compared is their words; one without any word is there and counts for nothing."""
    schema = TowerSchema("p", (), (Feature("title", "v", "item", "text", "title", 64, buckets=8, ngram=3),))

    def titles(*texts: str | None) -> pa.Table:
        return pa.table({"item_id": [f"i{place}" for place in range(len(texts))], "title": pa.array(texts, pa.string())})

    (profile,) = profiles(schema, titles("The End", "the sea", "", None))
    assert (profile.form, profile.values, profile.counts, profile.nulls) == (
        "category",
        ("the", "end", "sea"),
        (1, 2, 1, 1, 0),
        0.25,
    )
    (same,) = drifts([profile], schema, titles("THE SEA", "the end", "", None))
    (other,) = drifts([profile], schema, titles("Das Ende", "das Meer", "", None))
    assert same.psi == 0.0
    assert other.psi > 0.5
