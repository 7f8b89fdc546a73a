"""The larger sets of ratings of films -> sheets with Ratoon's column names.

`ratings.csv` and `movies.csv`: MovieLens latest-small, 20M, 25M, 32M (grouplens.org/datasets/movielens); their tags.csv and
links.csv are not read. `ratings.dat`, `movies.dat` and if there is one `users.dat`, with `::` between fields: MovieLens 1M
(Latin-1; its users have features), MovieLens 10M, and MovieTweetings (github.com/sidooms/MovieTweetings; its users have
none). It does not know what becomes of the rows.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from ratoon.data.delimited import delimited_parts, read_delimited
from ratoon.data.movielens import renamed, with_features
from ratoon.data.quarantine import Quarantine, Sheet
from ratoon.domain.errors import DataError

CSV = ("ratings.csv", "movies.csv")
DAT = ("ratings.dat", "movies.dat")
DAT_USERS = "users.dat"

OCCUPATIONS = (
    "other",
    "academic/educator",
    "artist",
    "clerical/admin",
    "college/grad student",
    "customer service",
    "doctor/health care",
    "executive/managerial",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales/marketing",
    "scientist",
    "self-employed",
    "technician/engineer",
    "tradesman/craftsman",
    "unemployed",
    "writer",
)
"""What MovieLens 1M's numbers 0 to 20 stand for, from its README."""

NO_GENRES = "(no genres listed)"

_RATINGS = {"userId": "user", "movieId": "item", "rating": "value", "timestamp": "timestamp"}
_MOVIES = {"movieId": "item", "title": "title", "genres": "genres"}
_PERSON = ("user", "gender", "age", "occupation", "zip_code")
_TWEETER = ("user", "twitter_id")


def csv(folder: Path, quarantine: Quarantine) -> tuple[Iterator[Sheet], Sheet, None]:
    """Interactions in parts, and items, of the comma-separated sets."""
    parts = delimited_parts(folder / CSV[0], quarantine)
    movies = renamed(read_delimited(folder / CSV[1], quarantine), _MOVIES)
    return (renamed(part, _RATINGS) for part in parts), _films(movies), None


def dat(folder: Path, quarantine: Quarantine) -> tuple[Iterator[Sheet], Sheet, Sheet | None]:
    """Interactions in parts, items, and users if they have features, of the sets with `::` between fields.

    Raises:
        DataError: users.dat is neither MovieLens 1M's nor MovieTweetings'.
    """
    file = folder / DAT_USERS
    fields = _width(file) if file.is_file() else len(_TWEETER)
    if fields not in (len(_PERSON), len(_TWEETER)):
        raise DataError(
            DAT_USERS,
            expected=f"{len(_PERSON)} fields (MovieLens 1M) or {len(_TWEETER)} (MovieTweetings) with :: between them",
            found=f"{fields} in its first line",
            fix="Convert the folder to the generic layout.",
        )
    persons = fields == len(_PERSON)
    encoding = "latin-1" if persons else "utf-8"
    ratings = delimited_parts(
        folder / DAT[0], quarantine, separator="::", header=("user", "item", "value", "timestamp"), quotes=False
    )
    return (
        ratings,
        _films(_whole(folder / DAT[1], quarantine, ("item", "title", "genres"), encoding)),
        (_people(_whole(file, quarantine, _PERSON, encoding)) if persons else None),
    )


def _width(file: Path) -> int:
    with file.open("rb") as lines:
        return lines.readline().count(b"::") + 1


def _whole(path: Path, quarantine: Quarantine, header: Sequence[str], encoding: str) -> Sheet:
    return read_delimited(path, quarantine, separator="::", header=header, quotes=False, encoding=encoding)


def _films(sheet: Sheet) -> Sheet:
    """A title that ends in a year (`(1995)`, `(2006-2007)`) also tells the release date: the year's first of January."""
    year = pl.col("title").str.extract(r"\((\d{4})(?:\s?[-–]\s?(?:\d{4})?)?\)\s*$")
    genres = pl.when(pl.col("genres") != NO_GENRES).then(pl.col("genres").str.split("|"))
    released = pl.when(year.is_not_null()).then(pl.format("{}-01-01", year))
    return with_features(sheet, "item", {"title": pl.col("title"), "genres": genres, "release_date": released})


def _people(sheet: Sheet) -> Sheet:
    """Age is the lower end of a bracket, as the file has it."""
    number = pl.col("occupation").cast(pl.Int64, strict=False)
    features = {
        "age": pl.col("age").cast(pl.Int64, strict=False),
        "gender": pl.col("gender"),
        "occupation": number.replace_strict(range(len(OCCUPATIONS)), OCCUPATIONS, default=None),
        "zip_code": pl.col("zip_code"),
    }
    return with_features(sheet, "user", features)
