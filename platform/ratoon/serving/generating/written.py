"""The generated files, as they should be."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Never, cast

from ratoon.serving.app import create_app
from ratoon.serving.generating.methods import methods
from ratoon.serving.generating.models import answers, bodies
from ratoon.serving.generating.operations import operations
from ratoon.serving.rooms import Rooms

FOLDER = Path(__file__).parents[2] / "client" / "generated"

GROUPS = {
    "retrieving": "Who should see what",
    "changing": "What happened, and what is known of items and users",
    "operating": "Releases and the process",
    "running": "Refreshes, and what became of runs",
}

MADE_BY = "Made from the server's OpenAPI document by `python -m ratoon.serving.generating`; do not edit."


class _Anything:
    """Stands for rooms: an application describes itself without asking them for anything."""

    def __getattr__(self, name: str) -> "_Anything":
        return self

    def __call__(self, *_: object, **__: object) -> "_Anything":
        return self

    def __iter__(self) -> Iterator[Never]:
        return iter(())


def document() -> dict[str, Any]:
    """The server's OpenAPI document; no room is opened for it."""
    return create_app(cast(Rooms, _Anything())).openapi()


def written() -> dict[str, str]:
    """File name -> text, formatted by ruff, which must be installed."""
    described = document()
    asked, schemas = operations(described), described["components"]["schemas"]
    made = {"__init__.py": '"""What is made from the API."""\n', "bodies.py": bodies(schemas, asked)}
    for group, words in GROUPS.items():
        own = [one for one in asked if one.group == group]
        made |= {
            f"{group}/__init__.py": f'"""{words}."""\n',
            f"{group}/answers.py": answers(schemas, own),
            f"{group}/calls.py": methods(own, group, words, awaited=False),
            f"{group}/awaited.py": methods(own, group, words, awaited=True),
        }
    return {name: _formatted(text.replace('."""\n', f'.\n\n{MADE_BY}\n"""\n', 1)) for name, text in made.items()}


def _formatted(text: str) -> str:
    for words in (["check", "--fix", "--quiet", "--select", "I,F401"], ["format"]):
        command = [sys.executable, "-m", "ruff", *words, "--stdin-filename", str(FOLDER / "made.py"), "-"]
        text = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    return text
