"""The client stands alone, and is made from what the server says of itself."""

import subprocess
import sys

from ratoon.serving.generating import FOLDER, written
from tests.architecture.sources import PACKAGE, SOURCE, imports, python_files, where

LIBRARIES = {"httpx"}
"""What the client may import beside the standard library."""

LOADED = """
import sys, ratoon.client
print(*sorted({name.partition(".")[0] for name in sys.modules} & {"pydantic", "numpy", "pyarrow", "fastapi", "typer"}))
print(*sorted(name for name in sys.modules if name.startswith("ratoon") and not name.startswith("ratoon.client")))
"""


def test_the_generated_files_are_up_to_date() -> None:
    """They are, byte for byte, what `python -m ratoon.serving.generating` writes, and there are no others."""
    found = {str(path.relative_to(FOLDER)): path.read_text(encoding="utf-8") for path in FOLDER.rglob("*.py")}
    made = written()
    assert found.keys() == made.keys()
    differing = [name for name, text in made.items() if found[name] != text]
    assert differing == [], "run `python -m ratoon.serving.generating`"


def test_generated_files_say_so() -> None:
    """Each says at its top what it was made by."""
    for path in FOLDER.rglob("*.py"):
        assert (
            "by `python -m ratoon.serving.generating`; do not edit." in path.read_text(encoding="utf-8").partition('\n"""\n')[0]
        )


def test_it_imports_nothing_of_ours() -> None:
    """The client's modules import the standard library, httpx and each other."""
    allowed = {*sys.stdlib_module_names, *LIBRARIES}
    stray = [
        where(path, line, name)
        for path in python_files(PACKAGE / "client")
        for line, name in imports(path)
        if name.partition(".")[0] not in allowed and not name.startswith("ratoon.client")
    ]
    assert stray == []


def test_importing_it_loads_no_framework() -> None:
    """A process that imports the client has none of the server's libraries, and nothing else of the package."""
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=SOURCE, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["", "ratoon"]


def test_whatever_is_generated_is_offered() -> None:
    """Every type of a body or an answer can be imported from `ratoon.client`."""
    import ratoon.client

    made = {
        line.split()[1].partition("(")[0].rstrip(":")
        for path in [FOLDER / "bodies.py", *FOLDER.rglob("answers.py")]
        for line in path.read_text(encoding="utf-8").splitlines()
        if line.startswith("class ")
    }
    assert made - set(ratoon.client.__all__) == set()
