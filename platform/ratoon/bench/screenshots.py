"""The page at `/` as pictures for the README: `python -m ratoon.bench.screenshots docs/pictures --user 196`.

Needs a running server that somebody has asked, and Chromium. Half of the pictures are of the page in dark colours; one is of
a phone.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ratoon.bench.browser import Scheme, Tab, tab


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture.

    Attributes:
        width, height: of what is seen, CSS pixels.
        at: what is scrolled to, a CSS selector.
        scale: device pixels for each.
    """

    name: str
    width: int
    height: int
    scheme: Scheme
    at: str = "body"
    scale: float = 1.0


SHOTS = (
    Shot("page-light", 1120, 800, "light"),
    Shot("page-dark", 1120, 800, "dark"),
    Shot("figures-light", 1120, 800, "light", "#figures"),
    Shot("figures-dark", 1120, 800, "dark", "#figures"),
    Shot("phone", 390, 844, "light"),
)


def take(url: str, folder: Path, user: str) -> list[Path]:
    """Ask for a user on the page, add an event, and take every picture; returns their files.

    Raises:
        UsageError: there is no Chromium.
        StoreError: nothing answers at `url`, or the page does not do what it should.
    """
    folder.mkdir(parents=True, exist_ok=True)
    taken = []
    with tab() as seen:
        seen.look(SHOTS[0].width, SHOTS[0].height)
        seen.open(url)
        _try(seen, user)
        for shot in SHOTS:
            seen.look(shot.width, shot.height, shot.scheme, shot.scale)
            seen.run(f"scrollTo(0, document.querySelector({json.dumps(shot.at)}).getBoundingClientRect().top + scrollY - 12)")
            path = folder / f"{shot.name}.png"
            seen.picture(path)
            taken.append(path)
    return taken


def _try(seen: Tab, user: str) -> None:
    seen.run("document.getElementById('who').focus()")
    seen.type(user)
    seen.until("document.querySelectorAll('#choices li').length")
    seen.press("Enter")
    seen.until("document.querySelectorAll('#found li').length")
    seen.run("document.querySelector('#known details')?.removeAttribute('open')")
    seen.run("document.querySelectorAll('#found .add')[2].click()")
    seen.until("document.getElementById('said').textContent.startsWith('Event stored')")
    seen.run("new Promise(done => setTimeout(done, 500))")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    said = argparse.ArgumentParser(prog="python -m ratoon.bench.screenshots", description=__doc__.partition("\n")[0])
    said.add_argument("folder", type=Path, help="where the pictures go")
    said.add_argument("--url", default="http://127.0.0.1:8080/", help="of the running server")
    said.add_argument("--user", required=True, help="whose candidates are shown; an event of theirs is added")
    asked = said.parse_args(arguments)
    for path in take(asked.url, asked.folder, asked.user):
        print(f"{path}  {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
