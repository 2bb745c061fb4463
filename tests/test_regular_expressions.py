"""docs/regular-expressions.md lists every regular expression of the product, each with a bound that holds."""

import ast
import importlib
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ["rules", "models", "realtime", "resolvers", "notifications", "schema", "server"]
DOCUMENT = (ROOT / "docs/regular-expressions.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([\w.]+)` \| .* \| ([\d,]+) \|$", DOCUMENT, re.MULTILINE)
LISTED = {name: int(longest.replace(",", "")) for name, longest in ROWS}
SECONDS = 1.0

UNITS = [
    *" \t\n\r\"'`.,:;!?-_=*#~/\\|&%@<>()[]{}^$+0aAUé一\u0301\u200b\u2800\u2028",
    *(
        " \t",
        "\t\n",
        "a ",
        "a.",
        "a-",
        "0:",
        "on ",
        "wrote ",
        "original message",
        "<a",
        "{a",
        "[a",
        ":a",
        "&amp;",
    ),
    *("[Assistant]: ", "aé", "a\u0301", "<https://a|", "xoxb-", "UA1", "%2", "https://", "{link}", ":a:"),
]


def owner_of(statement: ast.stmt) -> str | None:
    """Return the name that a statement of a module binds: a variable's, a function's or a class's."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return statement.name
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
        return statement.targets[0].id
    return (
        statement.target.id
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        else None
    )


def uses_in(path: Path) -> Iterator[str]:
    """Yield the dotted name of each statement that calls a function of `re`."""
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        for node in ast.walk(statement):
            if isinstance(node, ast.ImportFrom) and node.module in {"re", "regex"}:
                yield f"{module} (import the module re, so that its uses can be listed)"
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in {"re", "regex"}
                and node.func.attr != "escape"
            ):
                yield f"{module}.{owner_of(statement)}"


def patterns_of(name: str) -> list[re.Pattern[str]]:
    """Return the compiled patterns that a listed name holds; a function has none to show."""
    module, _, attribute = name.rpartition(".")
    value = getattr(importlib.import_module(module), attribute, None)
    values = [item for row in value for item in row] if isinstance(value, tuple) else [value]
    return [item for item in values if isinstance(item, re.Pattern)]


def test_list_names_every_regular_expression_of_the_product() -> None:
    used = {
        name
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for name in uses_in(path)
    }
    assert sorted(used - LISTED.keys()) == [], (
        "list these in docs/regular-expressions.md, each with its bound"
    )
    assert sorted(LISTED.keys() - used) == [], "these are gone: remove their rows"
    assert len(ROWS) == len(LISTED)


def test_unlisted_use_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.test_regular_expressions.ROOT", tmp_path)
    source = "import re\nP = re.compile('a')\ndef f(x):\n    return re.sub('a', '', x)\n"
    (tmp_path / "module.py").write_text(source)
    assert list(uses_in(tmp_path / "module.py")) == ["module.P", "module.f"]


@pytest.mark.parametrize("name", [name for name in LISTED if patterns_of(name)])
def test_expression_takes_little_time_for_the_longest_text(name: str) -> None:
    longest, methods = LISTED[name], methods_of(name)
    for pattern in patterns_of(name):
        for unit in UNITS:
            text = (unit * longest)[: longest - 1] + "x"
            start = time.process_time()
            for method in methods:
                method(pattern, text)
            assert time.process_time() - start < SECONDS, f"{pattern.pattern} with {unit!r}"


def methods_of(name: str) -> list[Callable[[re.Pattern[str], str], object]]:
    """Return the methods that the product calls on an expression; a substitution covers all that scan."""
    module, _, attribute = name.rpartition(".")
    called = {
        node.func.attr
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if module.replace(".", "/") in str(path)
        or f"from {module} import" in path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == attribute
    }
    anchored = {"match": re.Pattern.match, "fullmatch": re.Pattern.fullmatch}
    if called and called <= anchored.keys():
        return [anchored[method] for method in sorted(called)]
    return [lambda pattern, text: pattern.sub("", text)]
