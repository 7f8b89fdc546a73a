"""The application as a whole."""

import subprocess
import sys
from typing import Any

from tests.fakes.serving_world import Ask

LOADED = """
import sys
from pathlib import Path
from ratoon.serving import create_app
from tests.fakes.serving_world import World

create_app(World.at(Path(sys.argv[1])).rooms).openapi()
print(sorted({name.partition(".")[0] for name in sys.modules} & {"feast", "torch", "duckdb", "polars", "pandas"}))
"""


def test_serving_loads_neither_feast_nor_torch(tmp_path: Any) -> None:
    """Importing the room and building the application loads no library that training and features own."""
    path = "\n".join(f"sys.path.append({entry!r})" for entry in sys.path if entry)
    found = subprocess.run(
        [sys.executable, "-c", f"import sys\n{path}\n{LOADED}", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert (found.stdout.strip(), found.returncode) == ("[]", 0), found.stderr


def test_every_route_documents_its_errors(ask: Ask) -> None:
    """Each operation lists its problems as problem+json, every reference leads somewhere, every request field is described."""
    document = ask("GET", "/openapi.json").json()
    paths = document["paths"]
    operations = [operation for path in paths.values() for operation in path.values()]
    assert {"/v1/retrieve", "/v1/retrieve/batch", "/v1/events", "/v1/items/{item_id}", "/v1/refresh", "/problems/{code}"} <= set(
        paths
    )
    for path, methods in paths.items():
        if path.startswith("/v1/") and not path.startswith("/v1/surfaces/"):
            assert paths[f"/v1/surfaces/{{surface}}/{path.removeprefix('/v1/')}"].keys() == methods.keys()
    for operation in operations:
        errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
        assert all("application/problem+json" in answer["content"] for answer in errors.values())
        assert operation["summary"]
    retrieve = document["paths"]["/v1/retrieve"]["post"]["responses"]
    assert set(retrieve) >= {"200", "400", "404", "409", "413", "415", "422", "500", "503", "504"}
    schemas = document["components"]["schemas"]
    assert {reference.rpartition("/")[2] for reference in references(document)} <= set(schemas)
    for name in ("RetrieveRequest", "EventBody"):
        undescribed = [field for field, entry in schemas[name]["properties"].items() if "description" not in entry]
        assert undescribed == []


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*(references(value) for value in node.values()))
    return set().union(*(references(value) for value in node)) if isinstance(node, list) else set()
