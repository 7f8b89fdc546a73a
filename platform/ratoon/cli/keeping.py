"""`ratoon backup` and `ratoon restore`: a home, copied while it is used, and put back."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from ratoon.cli.datasets import open_house
from ratoon.cli.screen import AsJson, busy, show
from ratoon.domain.errors import UsageError

Number = Annotated[int | None, typer.Option(help="Which of the folder's backups; the newest by default.")]


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


COMMANDS = (backup, restore)
"""What `ratoon` has of these."""
