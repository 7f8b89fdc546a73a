"""What each problem means."""

import ast
from pathlib import Path

import pytest

from ratoon import serving
from ratoon.serving import problems
from ratoon.serving.around.pressure import CODE
from ratoon.serving.routes.problems import MEANINGS
from tests.fakes.serving_world import Ask


def raised() -> dict[str, set[int]]:
    """Every code that the package can answer with -> the statuses it comes with, as far as they are written down."""
    found: dict[str, set[int]] = {}
    for path in Path(serving.__file__).parent.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "problem":
                status, code = call.args[1:3]
                if isinstance(code, ast.Constant) and isinstance(status, ast.Constant):
                    found.setdefault(str(code.value), set()).add(int(str(status.value)))
    for _, number, name in problems._KINDS:
        found.setdefault(name, set()).add(number)
    for number, name in problems._CODES.items():
        found.setdefault(name, set()).add(number)
    return found | {CODE: {503}, "http_error": {400}}


def test_every_code_that_can_be_raised_is_explained() -> None:
    """The table has the codes of the package and no others, each with the status it comes with."""
    assert {code: {known.status} for code, known in MEANINGS.items()} == raised()


@pytest.mark.parametrize("code", sorted(MEANINGS))
def test_a_type_leads_to_its_page(ask: Ask, code: str) -> None:
    """Browsers get a page, programs the same as JSON."""
    told = ask("GET", f"/problems/{code}").json()
    known = MEANINGS[code]
    assert told == {"code": code, "status": known.status, "meaning": known.meaning, "todo": known.todo}
    page = ask("GET", f"/problems/{code}", headers={"Accept": "text/html,application/xhtml+xml"})
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert f"<code>{code}</code>" in page.text


def test_an_unknown_code_is_a_problem_of_its_own(ask: Ask) -> None:
    """A code that there is not, whatever it holds, is a 404 that lists those there are."""
    for code in ("nonsense", "a%2Fb", "%F0%9F%8E%AC%0A", "<script>"):
        answer = ask("GET", f"/problems/{code}", headers={"Accept": "text/html"})
        assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
        assert "malformed_body, usage" in answer.json()["detail"]


def test_the_type_of_a_problem_is_a_path_that_answers(ask: Ask) -> None:
    """From an error answer its `type` can be followed."""
    problem = ask("POST", "/v1/retrieve", json={}).json()
    assert ask("GET", problem["type"]).json()["code"] == problem["code"] == "invalid"
