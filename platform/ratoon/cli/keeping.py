"""`ratoon backup`, `restore`, `gc` and `forget`: a home is copied, put back, cleared, and clear of one person."""

from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, busy, show, table
from ratoon.domain.errors import UsageError

Number = Annotated[int | None, typer.Option(help="Which of the folder's backups; the newest by default.")]

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would go, and delete nothing.")]


def backup(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A folder of backups; or `verify`, then DIR.")],
    of: Annotated[Path | None, typer.Argument(metavar="[DIR]", help="With `verify`: the folder of backups.")] = None,
    number: Number = None,
    as_json: AsJson = False,
) -> None:
    """Add a backup of everything under paths.home to a folder, while servers go on; `backup verify DIR` checks one."""
    from ratoon.keeping.backup import backup as run
    from ratoon.keeping.restore import verified

    if folder == "verify":
        if of is None:
            raise UsageError("DIR", expected="a folder of backups", found="none", fix="Name it: `ratoon backup verify DIR`.")
        with busy("reading every file"):
            made = verified(of, number)
        words = "is whole"
    elif of is not None or number is not None:
        raise UsageError("backup", expected="one DIR", found="more", fix="`ratoon backup DIR`, or `ratoon backup verify DIR`.")
    else:
        house = open_house()
        with busy("copying"):
            made = run(house, Path(folder), datetime.now(UTC), house.settings.retention.backups)
        words = "made"
    said = {"number": made.number, "made": made.made, "position": made.position, "releases": made.releases}
    said |= {"files": len(made.files), "bytes": made.size, "without": made.without}
    text = f"backup {made.number} {words}: {len(made.files)} files, {made.size} bytes, the log up to offset {made.position}"
    show(said, as_json, text, *(f"without {one}" for one in made.without))


def restore(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder of backups.")],
    number: Number = None,
    as_json: AsJson = False,
) -> None:
    """Put a backup where paths.home is to be; there must be nothing yet."""
    from ratoon.keeping.restore import BESIDE
    from ratoon.keeping.restore import restore as run

    house = open_house()
    with busy("copying"):
        made = run(folder, house.home, number)
    said = {"number": made.number, "made": made.made, "home": str(house.home), "position": made.position}
    text = f"backup {made.number} of {made.made:%Y-%m-%d %H:%M} is at {house.home}; its feature repository in {BESIDE}/ there"
    show(said, as_json, text, *(f"without {one}" for one in made.without))


def gc(
    releases: Annotated[int | None, typer.Option(min=1, help="Newest releases to keep, instead of [retention].")] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Delete what [retention] and [exposures] no longer keep; never what is served, on trial, or needed by either."""
    from ratoon.keeping.clearing import clear
    from ratoon.serving.exposures import FILE, StoredExposures

    house = open_house()
    policy = house.settings.retention.policy
    if releases is not None:
        policy = replace(policy, releases=releases)
    with busy("clearing"):
        done = clear(house, policy, StoredExposures(house.home / FILE), datetime.now(UTC), dry_run=dry_run)
    rows = [asdict(one) for one in done.cleared]
    last = f"{len(rows)} things {'would go' if dry_run else 'are gone'}, {sum(one.size for one in done.cleared)} bytes"
    show(asdict(done), as_json, *([table(rows)] if rows else []), *(f"left alone: {one}" for one in done.skipped), last)


def forget(
    user: Annotated[str, typer.Argument(help="The user's id.")],
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Delete what is kept of one user, and say what this does not reach and until when it is there."""
    from ratoon.jobs.ledger import Ledger  # SQLAlchemy: not for commands that need no ledger
    from ratoon.keeping.forgetting import forget as run
    from ratoon.serving.exposures import FILE, StoredExposures

    house = open_house()
    with busy("forgetting"):
        shown, told = StoredExposures(house.home / FILE), Ledger(house.home / "jobs.sqlite")
        done = run(house, user, shown, told, datetime.now(UTC), dry_run=dry_run)
    counted = {name: "not counted" if count is None else count for name, count in done.done.items()}
    rows = [{"of": name, "would go" if dry_run else "gone": count} for name, count in counted.items()]
    show(asdict(done), as_json, table(rows), "what is left:", *(f"  {one.where}: {one.until}" for one in done.left))


COMMANDS = (backup, restore, gc, forget)
"""What `ratoon` has of these."""
