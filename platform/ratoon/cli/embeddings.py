"""`ratoon publish-embeddings`: the vectors that were served, as rows that other models learn from."""

from dataclasses import asdict
from typing import Annotated

import typer

from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, SurfaceName, busy, show
from ratoon.domain.errors import UsageError


def publish_embeddings(
    surface: SurfaceName = "default",
    users: Annotated[bool, typer.Option("--users", help="The users' vectors too.")] = False,
    release: Annotated[str | None, typer.Option(help="Release id, or its beginning; the current one by default.")] = None,
    retire: Annotated[str | None, typer.Option(help="Instead: end this vector space, whose consumers have moved.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a release's vectors into Feast's views item_vectors and user_vectors; what is there already is not written again.

    A changed feature_repo/ is applied first.
    """
    if retire is not None and (users or release is not None):
        raise UsageError(
            "--retire", expected="it alone, or with --surface", found="--users or --release", fix="It ends items and users alike."
        )
    house = open_house()
    if retire is not None:
        with busy(f"ending space {retire}"):
            done = house.retire_vectors(surface, retire)
        lines = [
            f"{one.view}: space {one.space} ended, {one.ended} vectors, from {one.since:%Y-%m-%d %H:%M:%S} on" for one in done
        ]
    else:
        with busy("vectors -> Feast"):
            done = house.publish_vectors(surface, release, users=users)
        lines = [
            f"{one.view}: release {one.release[:12]} in space {one.space}, from {one.since:%Y-%m-%d %H:%M:%S} on: "
            + (f"{one.rows} vectors, {one.ended} ended, {one.unchanged} as before" if one.file else "published already")
            for one in done
        ]
    show([asdict(one) for one in done], as_json, *lines)
