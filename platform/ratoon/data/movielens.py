"""The two published forms of MovieLens 100K -> sheets with Ratoon's column names.

Facts of the formats: grouplens.org/datasets/movielens/100k (u.data, u.item, u.user) and RecBole's atomic files (.inter,
.item, .user: tab separated, `name:type` in the header). A feature that cannot be read (two films have no year) is left
out. It does not know what becomes of the rows.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from ratoon.data.columns import require
from ratoon.data.delimited import delimited_parts, read_delimited
from ratoon.data.quarantine import Quarantine, Sheet

RECBOLE = ("ml-100k.inter", "ml-100k.item", "ml-100k.user")
CLASSIC = ("u.data", "u.item", "u.user")

GENRES = (
    "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy Film-Noir Horror Musical "
    "Mystery Romance Sci-Fi Thriller War Western"
).split()
"""The order of the nineteen 0/1 columns in u.item, from u.genre."""

_INTER = {"user_id:token": "user", "item_id:token": "item", "rating:float": "value", "timestamp:float": "timestamp"}
_ITEM = {"item_id:token": "item", "movie_title:token_seq": "title", "release_year:token": "year", "class:token_seq": "genres"}
_USER = {
    "user_id:token": "user",
    "age:token": "age",
    "gender:token": "gender",
    "occupation:token": "occupation",
    "zip_code:token": "zip_code",
}
_URLS = ("video_release_date", "imdb_url")


def recbole(folder: Path, quarantine: Quarantine) -> tuple[Iterator[Sheet], Sheet, Sheet]:
    """Interactions in parts, items and users of the RecBole form; a release year becomes the first of January."""
    parts = delimited_parts(folder / RECBOLE[0], quarantine, separator="\t", quotes=False)
    interactions = (renamed(part, _INTER) for part in parts)
    items, users = (
        renamed(read_delimited(folder / name, quarantine, separator="\t", quotes=False), names)
        for name, names in ((RECBOLE[1], _ITEM), (RECBOLE[2], _USER))
    )
    year = pl.col("year")
    released = pl.when(year.str.contains(r"^\d{4}$")).then(pl.format("{}-01-01", year))
    features = {"title": pl.col("title"), "genres": pl.col("genres").str.split(" "), "release_date": released}
    return interactions, with_features(items, "item", features), _people(users)


def classic(folder: Path, quarantine: Quarantine) -> tuple[Iterator[Sheet], Sheet, Sheet]:
    """Interactions in parts, items and users of GroupLens' own form: no headers, u.item in Latin-1."""
    interactions = delimited_parts(
        folder / CLASSIC[0], quarantine, separator="\t", header=("user", "item", "value", "timestamp"), quotes=False
    )
    items = read_delimited(
        folder / CLASSIC[1],
        quarantine,
        separator="|",
        header=("item", "title", "released", *_URLS, *GENRES),
        quotes=False,
        encoding="latin-1",
    )
    users = read_delimited(
        folder / CLASSIC[2],
        quarantine,
        separator="|",
        header=("user", "age", "gender", "occupation", "zip_code"),
        quotes=False,
    )
    released = pl.col("released").str.to_date("%d-%b-%Y", strict=False)
    flags = pl.concat_list([pl.when(pl.col(genre) == "1").then(pl.lit(genre)) for genre in GENRES])
    features = {"title": pl.col("title"), "genres": flags.list.drop_nulls(), "release_date": released}
    return interactions, with_features(items, "item", features), _people(users)


def renamed(sheet: Sheet, names: Mapping[str, str]) -> Sheet:
    """Only the columns of `names` (the file's name -> ours), under our names.

    Raises:
        DataError: a column is missing.
    """
    require(sheet.file, list(names), sheet.columns.columns)
    columns = sheet.columns.select(pl.col(old).alias(new) for old, new in names.items())
    return Sheet(sheet.file, columns, sheet.lines, sheet.text)


def _people(sheet: Sheet) -> Sheet:
    features = {name: pl.col(name) for name in ("gender", "occupation", "zip_code")}
    return with_features(sheet, "user", {"age": pl.col("age").cast(pl.Int64, strict=False), **features})


def with_features(sheet: Sheet, key: str, features: Mapping[str, pl.Expr]) -> Sheet:
    """The id column `key` and the features, name -> how to get it from the sheet's columns."""
    return Sheet(sheet.file, sheet.columns.select(pl.col(key), **features), sheet.lines, sheet.text)
