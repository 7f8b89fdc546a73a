"""MovieLens 100K: the same facts out of both published forms, and the real numbers out of the real files."""

import json
from pathlib import Path

import polars as pl
import pytest

from ratoon.data import read
from ratoon.data.movielens import CLASSIC, GENRES, RECBOLE, classic, recbole
from ratoon.data.quarantine import Quarantine
from ratoon.domain.errors import DataError

INTER = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n196\t242\t3\t881250949\n22\t1\t5\t878887116\n"
ITEM = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
USER = "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"


def write(folder: Path, names: tuple[str, ...], *contents: str) -> Path:
    for name, content in zip(names, contents, strict=True):
        (folder / name).write_bytes(content.encode("latin-1"))
    return folder


def flags(*genres: str) -> str:
    return "|".join("1" if genre in genres else "0" for genre in GENRES)


def test_recbole_rows_get_our_names(tmp_path: Path) -> None:
    """Genres are split at spaces, a year becomes its first of January, a year that is none leaves no date, age is whole."""
    items = ITEM + '1\tToy "Story"\t1995\tAnimation Children\'s Comedy\n267\tunkonwn\tunkonwn\tunknown\n'
    write(tmp_path, RECBOLE, INTER, items, USER + "196\t49\tM\twriter\t05105\n")
    parts, films, people = recbole(tmp_path, Quarantine())
    (interactions,) = parts
    assert interactions.columns.to_dicts()[0] == {"user": "196", "item": "242", "value": "3", "timestamp": "881250949"}
    assert films.columns.rows() == [
        ("1", 'Toy "Story"', ["Animation", "Children's", "Comedy"], "1995-01-01"),
        ("267", "unkonwn", ["unknown"], None),
    ]
    assert people.columns.rows(named=True) == [
        {"user": "196", "age": 49, "gender": "M", "occupation": "writer", "zip_code": "05105"}
    ]


def test_grouplens_rows_get_our_names(tmp_path: Path) -> None:
    """u.item is Latin-1 with a real date and 19 flags; the features are those of the other form."""
    items = f"543|Mis\xe9rables, Les (1995)|01-Mar-1996||http://x?a|{flags('Drama', 'Musical')}\n267|unknown||||{flags()}\n"
    write(tmp_path, CLASSIC, "196\t242\t3\t881250949\n", items, "196|49|M|writer|05105\n")
    parts, films, people = classic(tmp_path, Quarantine())
    (interactions,) = parts
    assert interactions.columns.to_dicts() == [{"user": "196", "item": "242", "value": "3", "timestamp": "881250949"}]
    assert films.columns["title"].to_list() == ["Misérables, Les (1995)", "unknown"]
    assert films.columns["genres"].to_list() == [["Drama", "Musical"], []]
    assert films.columns["release_date"].cast(pl.String).to_list() == ["1996-03-01", None]
    assert people.columns.row(0) == ("196", 49, "M", "writer", "05105")


def test_lines_that_do_not_fit_are_put_aside(tmp_path: Path) -> None:
    """A short line in any of the three files goes to quarantine with its line, and the rest is imported."""
    items = f"242|Kolya (1996)|24-Jan-1997||http://x|{flags('Comedy')}\n1|Toy Story\n"
    write(tmp_path, CLASSIC, "196\t242\t3\t881250949\n196\t242\n", items, "196|49|M|writer|05105\nx\n")
    found = read(tmp_path, tmp_path / "q.csv")
    assert found.rejected == 3
    assert dict(found.reasons) == {"wrong number of fields": 3}
    put_aside = pl.read_csv(tmp_path / "q.csv", infer_schema=False)
    assert put_aside.select("file", "line").rows() == [("u.data", "2"), ("u.item", "2"), ("u.user", "2")]
    assert found.events["event_id"].to_pylist() == ["item:242", "user:196", "i:196:242:881250949000000"]


def test_another_header_is_an_error(tmp_path: Path) -> None:
    """A RecBole file without an expected column is an error with file and column."""
    write(tmp_path, RECBOLE, INTER.replace("rating:float", "rate:float"), ITEM, USER)
    with pytest.raises(DataError, match=r"ml-100k\.inter column 'rating:float': .* Rename 'rate:float' to 'rating:float'"):
        list(recbole(tmp_path, Quarantine())[0])


def test_the_real_files_hold_what_they_are_known_for(movielens: Path, tmp_path: Path) -> None:
    """100,000 ratings by 943 users of 1,682 films, 1997-09-20 to 1998-04-22, no bad row, every film and user with features."""
    found = read(movielens, tmp_path / "q.csv")
    events = pl.DataFrame(found.events)
    assert (found.rejected, dict(found.reasons), (tmp_path / "q.csv").exists()) == (0, {}, False)
    kinds = events.partition_by("kind", as_dict=True)
    log, items, users = kinds["interaction",], kinds["item",], kinds["user",]
    assert (log.height, log["user_id"].n_unique(), log["item_id"].n_unique()) == (100_000, 943, 1_682)
    assert (items.height, users.height, events["event_id"].n_unique()) == (1_682, 943, 102_625)
    assert log["event_timestamp"].dt.date().min().isoformat() == "1997-09-20"  # type: ignore[union-attr]  # min of dates
    assert log["event_timestamp"].dt.date().max().isoformat() == "1998-04-22"  # type: ignore[union-attr]  # max of dates
    assert log["value"].value_counts().sort("value")["count"].to_list() == [6_110, 11_370, 27_145, 34_174, 21_201]
    features = {item: json.loads(text) for item, text in items.select("item_id", "features").iter_rows()}
    assert features["1"] == {
        "title": "Toy Story",
        "genres": ["Animation", "Children's", "Comedy"],
        "release_date": "1995-01-01",
    }
    assert sum("release_date" not in known for known in features.values()) == 2
    ages = [json.loads(text)["age"] for text in users["features"]]
    assert (min(ages), max(ages)) == (7, 73)
