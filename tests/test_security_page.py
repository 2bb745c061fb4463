"""docs/security.md names tests that exist."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "security.md"
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_ROW = re.compile(r"^\| (?!Promise|---)(?P<promise>[^|]+) \| (?P<tests>[^|]+) \|$", re.MULTILINE)


def functions_of(path: Path) -> set[str]:
    """Return the names of the functions at the top of a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_promise_names_tests_that_exist() -> None:
    rows = list(_ROW.finditer(PAGE.read_text(encoding="utf-8")))
    assert len(rows) > 40
    for row in rows:
        named = _TEST.findall(row["tests"])
        assert named, f"no test: {row['promise']}"
        for file, name in named:
            assert (ROOT / file).exists(), file
            assert name in functions_of(ROOT / file), f"{file} has no {name}"


def test_every_line_of_a_table_is_a_promise_with_tests() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    heads = sum(line.startswith(("| Promise", "|---")) for line in lines)
    assert len(lines) - heads == len(_ROW.findall(PAGE.read_text(encoding="utf-8")))
