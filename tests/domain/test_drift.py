"""From figures to what follows from them."""

import json
from dataclasses import asdict

from ratoon.domain.drift import FILE, Drift, DriftPolicy, Profile, from_bytes, renamed, to_bytes

PROFILE = Profile("age", "user", "number", 5, 4, 0.2, 31.5, (20.0, 40.0), (), (1, 2, 1, 1), (18.0, 33.0, 64.0))
GENDER = Profile("gender", "user", "category", 5, 4, 0.0, 0.0, (), ("F", "M"), (0, 3, 1, 1), ())


def drift(feature: str, psi: float, entities: int = 100, chance: float = 0.0) -> Drift:
    return Drift(feature, 500, entities, psi, chance, 0.1, 0.1)


def test_profiles_are_kept_as_packed_json() -> None:
    """What is written is read again, and equal profiles are equal bytes."""
    data = to_bytes([PROFILE, GENDER] * 9)
    assert from_bytes(data) == (PROFILE, GENDER) * 9
    assert to_bytes(from_bytes(data)) == data
    assert len(data) < 2 * len(to_bytes([PROFILE, GENDER]))


def test_a_profile_from_before_it_was_packed_is_read() -> None:
    """Its name and bytes become those of now, once; what else a release has stays as it is."""
    earlier = json.dumps([asdict(PROFILE), asdict(GENDER)], sort_keys=True, indent=1).encode()
    files = renamed({"profile.json": earlier, "model.json": b"{}"})
    assert sorted(files) == ["model.json", FILE]
    assert from_bytes(files[FILE]) == (PROFILE, GENDER)
    assert renamed(files) == files
    assert files["model.json"] == b"{}"


def test_only_what_chance_does_not_explain_counts() -> None:
    """The expected PSI of small samples is taken off, and never more than there is."""
    assert drift("a", 0.75, chance=0.25).excess == 0.5
    assert drift("a", 0.1, chance=0.25).excess == 0.0
    assert str(drift("a", 0.75, chance=0.25)) == "a drifted by PSI 0.50 beyond chance over 500 rows"


def test_the_strongest_comes_first_and_few_say_nothing() -> None:
    """Inputs beyond a limit are listed by strength, then name; inputs of too few users or items are left out."""
    policy = DriftPolicy(least=50)
    found = [drift("b", 0.5), drift("c", 0.5), drift("a", 0.2), drift("few", 9.0, entities=49), drift("d", 0.9)]
    assert [one.feature for one in policy.beyond(0.2, found)] == ["d", "b", "c"]
    assert policy.beyond(0.9, found) == ()
