"""The larger rating sets: comma-separated and `::` forms, years out of titles, and people where the set has them."""

import json
from pathlib import Path

import polars as pl
import pytest

from ratoon.data import read
from ratoon.domain.errors import DataError

RATINGS = "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,30,2.5,964982704\n2,1,5.0,964982705\n"
MOVIES = (
    "movieId,title,genres\n"
    "1,Toy Story (1995),Adventure|Children\n"
    '30,"Am. President, The (1995) ",Comedy\n'
    "4,Paterson,(no genres listed)\n"
    "5,Fawlty Towers (1975-1979),Comedy\n"
)


def features(folder: Path, kind: str) -> dict[str, dict[str, object]]:
    """Id -> features, out of the events of one kind."""
    events = pl.DataFrame(read(folder, folder / "aside" / "q.csv").events).filter(kind=kind)
    return {name: json.loads(text) for name, text in events.select(f"{kind}_id", "features").iter_rows()}


def write(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        stem, _, ending = name.rpartition("_")
        (folder / f"{stem}.{ending}").write_bytes(content.encode())
    return folder


def test_comma_separated_ratings_and_movies(tmp_path: Path) -> None:
    """Ratings keep half stars; a title's year is the release date; `(no genres listed)` is no genre; tags are not read."""
    write(tmp_path, ratings_csv=RATINGS, movies_csv=MOVIES, tags_csv="userId,movieId,tag,timestamp\nbroken\n")
    events = read(tmp_path, tmp_path / "q.csv").events.to_pylist()
    assert [(row["user_id"], row["item_id"], row["value"]) for row in events if row["kind"] == "interaction"] == [
        ("1", "1", 4.0),
        ("1", "30", 2.5),
        ("2", "1", 5.0),
    ]
    assert features(tmp_path, "item") == {
        "1": {"title": "Toy Story (1995)", "genres": ["Adventure", "Children"], "release_date": "1995-01-01"},
        "30": {"title": "Am. President, The (1995) ", "genres": ["Comedy"], "release_date": "1995-01-01"},
        "4": {"title": "Paterson"},
        "5": {"title": "Fawlty Towers (1975-1979)", "genres": ["Comedy"], "release_date": "1975-01-01"},
    }


def test_movielens_1m_is_latin1_and_knows_its_people(tmp_path: Path) -> None:
    """Of five fields, users.dat gives age, gender, the occupation's name and the zip code; titles are Latin-1."""
    write(
        tmp_path,
        ratings_dat="1::1193::5::978300760\n",
        users_dat="1::F::1::10::48067\n2::M::56::20::02460\n3::M::25::77::1\n",
    )
    (tmp_path / "movies.dat").write_bytes("1193::Misérables, Les (1995)::Drama|Musical\n".encode("latin-1"))
    assert features(tmp_path, "item") == {
        "1193": {"title": "Misérables, Les (1995)", "genres": ["Drama", "Musical"], "release_date": "1995-01-01"}
    }
    assert features(tmp_path, "user") == {
        "1": {"age": 1, "gender": "F", "occupation": "K-12 student", "zip_code": "48067"},
        "2": {"age": 56, "gender": "M", "occupation": "writer", "zip_code": "02460"},
        "3": {"age": 25, "gender": "M", "zip_code": "1"},
    }


@pytest.mark.parametrize("users", ["1::18405182\n", None])
def test_movietweetings_is_utf8_without_people(tmp_path: Path, users: str | None) -> None:
    """Of two fields or without users.dat there are no user events; ids keep their zeros, titles are UTF-8 with quotes."""
    write(
        tmp_path,
        ratings_dat="1::0002844::7::1365029107\n1::0004936::x::1365029108\nshort::1\n",
        movies_dat='0002844::"Fantômas" à l\'ombre (1913)::Crime|Drama\n0004936::The Bank (1915)::\n',
        **({} if users is None else {"users_dat": users}),
    )
    found = read(tmp_path, tmp_path / "q.csv")
    kinds = pl.DataFrame(found.events)["kind"].value_counts()
    assert dict(kinds.iter_rows()) == {"interaction": 1, "item": 2}
    assert dict(found.reasons) == {"value is not a number": 1, "wrong number of fields": 1}
    put_aside = pl.read_csv(tmp_path / "q.csv", infer_schema=False).select("file", "line", "reason").rows()
    assert put_aside == [
        ("ratings.dat", "2", "value is not a number"),
        ("ratings.dat", "3", "wrong number of fields"),
    ]
    assert features(tmp_path, "item") == {
        "0002844": {"title": '"Fantômas" à l\'ombre (1913)', "genres": ["Crime", "Drama"], "release_date": "1913-01-01"},
        "0004936": {"title": "The Bank (1915)", "release_date": "1915-01-01"},
    }


def test_other_users_are_an_error(tmp_path: Path) -> None:
    """A users.dat of three fields is of no known set."""
    write(tmp_path, ratings_dat="1::1::7::1365029107\n", movies_dat="1::A (1913)::Crime\n", users_dat="1::F::7\n")
    with pytest.raises(DataError, match=r"users\.dat: expected 5 fields \(MovieLens 1M\) or 2 .*, found 3 in its first line"):
        read(tmp_path, tmp_path / "q.csv")


def test_another_header_is_an_error(tmp_path: Path) -> None:
    """A ratings.csv of somebody else's is named with file and column."""
    write(tmp_path, ratings_csv=RATINGS.replace("userId", "user_id"), movies_csv=MOVIES)
    with pytest.raises(DataError, match=r"ratings\.csv column 'userId': .* Rename 'user_id' to 'userId'"):
        read(tmp_path, tmp_path / "q.csv")
