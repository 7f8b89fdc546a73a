"""The live server against its own OpenAPI document: whatever schemathesis thinks of, every default check on."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from ratoon.serving import create_app
from ratoon.serving.keys import Audit, KeyFile, KeyRing, Rates
from ratoon.serving.rooms import Keys
from tests.fakes import contract_hooks
from tests.fakes.serving_world import whole
from tests.serving.test_run import listening

ASKING = "^/v1/(surfaces/.surface./)?retrieve"
"""Filters nest eight levels deep in the document: of these operations the coverage phase would make cases for hours."""


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module", params=["without keys", "with keys"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[str]]]:
    """A real server over real rooms; its address, and how to show a key that may do everything."""
    home = tmp_path_factory.mktemp("contract")
    keys, shown = None, list[str]()
    if request.param == "with keys":
        _, secret = KeyFile(home).create("operate", _now(), name="contract")
        keys = Keys(KeyRing(home, time.monotonic, _now), Audit(home), Rates(time.monotonic), _now)
        shown = ["--header", f"Authorization: Bearer {secret}"]
    made = whole(home, keys)
    with listening(create_app(made.rooms)) as url:
        yield url, shown
    made.log.close()


def cases(url: str, *options: str) -> int:
    """Run schemathesis; how many cases it made, of which none failed."""
    command = [sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--no-color", "--wait-for-schema", "30"]
    command.append("--suppress-health-check=too_slow")  # that is about making cases, on a machine that does other things too
    known = os.environ | {"SCHEMATHESIS_HOOKS": contract_hooks.__name__}
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, env=known)
    told = "\n".join(line[:500] for line in done.stdout.splitlines())  # one body may have a megabyte
    assert done.returncode == 0, told[-20_000:] + done.stderr
    made = re.search(r"([\d,]+) generated", done.stdout)
    assert made is not None, done.stdout
    return int(made[1].replace(",", ""))


def test_the_server_keeps_its_contract(served: tuple[str, list[str]]) -> None:
    """No answer to 500 requests, valid or not, alone or in sequence, is a 5xx, undocumented, of another shape or too lax.

    With keys, each operation also refuses whoever shows none.
    """
    url, shown = served
    seed = ["--seed", "7", *shown]
    if shown:
        assert cases(url, "--phases", "fuzzing", "--max-examples", "2", *seed) >= 50
        return
    asked = cases(url, "--include-path-regex", "^/v1/retrieve", "--phases", "examples,fuzzing", "--max-examples", "3", *seed)
    others = cases(url, "--exclude-path-regex", ASKING, "--max-examples", "2", *seed)
    assert asked + others >= 500


@pytest.mark.soak
def test_the_server_keeps_its_contract_for_long(served: tuple[str, list[str]]) -> None:
    """The same of 10,000 requests, half of them with a key, other ones each time unless RATOON_SEED says which."""
    url, shown = served
    seed = ["--seed", os.environ.get("RATOON_SEED", str(time.time_ns() % 2**32)), *shown]
    asked = cases(url, "--include-path-regex", ASKING, "--phases", "examples,fuzzing", "--max-examples", "40", *seed)
    others = cases(url, "--exclude-path-regex", ASKING, "--max-examples", "150", *seed)
    assert asked + others >= 5_000  # with keys and without: 10,000
