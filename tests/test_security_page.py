"""docs/security.md and docs/promises.md name tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = {"security.md": 40, "promises.md": 35}  # and the number of promises that a page has at least
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_ROW = re.compile(r"^\| (?!Promise|---)(?P<promise>[^|]+) \| (?P<tests>[^|]+) \|$", re.MULTILINE)


def functions_of(path: Path) -> set[str]:
    """Return the names of the functions at the top of a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(("page", "least"), PAGES.items())
def test_every_promise_names_tests_that_exist(page: str, least: int) -> None:
    rows = list(_ROW.finditer((ROOT / "docs" / page).read_text(encoding="utf-8")))
    assert len(rows) > least
    for row in rows:
        named = _TEST.findall(row["tests"])
        assert named, f"no test: {row['promise']}"
        for file, name in named:
            assert (ROOT / file).exists(), file
            assert name in functions_of(ROOT / file), f"{file} has no {name}"


@pytest.mark.parametrize("page", PAGES)
def test_every_line_of_a_table_is_a_promise_with_tests(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("|")]
    heads = sum(line.startswith(("| Promise", "|---")) for line in lines)
    assert len(lines) - heads == len(_ROW.findall(text))
