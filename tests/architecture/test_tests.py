"""Rules about the tests themselves."""

import ast

from tests.architecture.sources import TESTS, parse, python_files, where


def test_every_test_states_the_fact_it_proves() -> None:
    """Each test function has a docstring."""
    silent = [
        where(path, node.lineno, node.name)
        for path in python_files(TESTS)
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        if not ast.get_docstring(node)
    ]
    assert silent == []
