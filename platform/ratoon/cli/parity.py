"""`ratoon parity`: whether the online store serves what the offline rows say."""

from dataclasses import asdict
from typing import Annotated

import typer

from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, busy, show, table
from ratoon.domain.errors import DataError


def parity(
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="How many users, and how many items.")] = 1_000,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Compare features offline and online for users and items drawn at random; exit code 4 if any differ.

    A changed feature_repo/ is applied first.
    """
    with busy("comparing offline and online"):
        found = open_house().parity(n, seed)
    said = f"{found.values} values of {found.entities} entities at {found.at:%Y-%m-%d %H:%M:%S}: {len(found.differences)} differ"
    passed = f"{found.waiting} entities passed over: events of theirs are not materialised yet"
    rows = [asdict(one) for one in found.differences]
    show(asdict(found), as_json, said, *([passed] if found.waiting else []), *([table(rows)] if rows else []))
    if rows:
        first = found.differences[0]
        raise DataError(
            "parity",
            expected="the same values offline and online",
            found=f"{len(rows)} that differ, such as {first.feature!r} of {first.entity!r} in view {first.view!r}",
            fix="Run `ratoon materialize`; what still differs was written to the online store by something else.",
        )
