"""The conventions of CONTRIBUTING.md that no linter checks."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.baton_process import run_baton

ROOT = Path(__file__).parents[1]
PACKAGES = ["rules", "models", "realtime", "resolvers", "notifications", "schema", "server"]
FOLDERS = [*PACKAGES, "bench", "chaos", "scripts", "examples", "tests"]
MIGRATIONS = ROOT / "models/migrations/versions"
COMMITTING = {"models/migrate.py", "realtime/transaction.py"}

MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 50
ARTICLES_AND_PRONOUNS = re.compile(
    r"test_(an?|the|its?|ones?|he|she|they|their|this|that|these|those|there|who(ever|m|se)?|what(ever)?"
    r"|which(ever)?|(no|some|any|every)(body|thing|one)|n?either)_"
)
BANNED_NAMES = {"utils", "helpers", "manager", "service", "common"}


def python_files(*folders: str) -> Iterator[tuple[str, Path]]:
    """Yield the path relative to the root, and the path, of each module in `folders`."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def functions_in(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def fail_on(problems: Iterable[str]) -> None:
    """Fail with all problems, if there is any."""
    lines = sorted(problems)
    assert not lines, "\n" + "\n".join(lines)


def module_name(path: str) -> str:
    """Return `a.b` for `a/b.py` and for `a/b/__init__.py`."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def test_modules_have_at_most_400_lines() -> None:
    fail_on(
        f"{name} has {size} lines"
        for name, path in python_files(*FOLDERS)
        if not path.is_relative_to(MIGRATIONS)
        if (size := len(path.read_text().splitlines())) > MAX_MODULE_LINES
    )


def test_functions_have_at_most_50_lines() -> None:
    fail_on(
        f"{name}:{function.lineno}: {function.name} has {size} lines"
        for name, path in python_files(*FOLDERS)
        if not path.is_relative_to(MIGRATIONS)
        for function in functions_in(parsed(path))
        if (size := (function.end_lineno or 0) - function.lineno + 1) > MAX_FUNCTION_LINES
    )


def test_no_module_or_folder_has_a_meaningless_name() -> None:
    fail_on(
        name for name, _ in python_files(*FOLDERS) if BANNED_NAMES & set(Path(name).with_suffix("").parts)
    )


def test_test_names_begin_with_their_subject() -> None:
    fail_on(
        f"{name}:{function.lineno}: {function.name} begins with an article or a pronoun"
        for name, path in python_files("tests")
        for function in functions_in(parsed(path))
        if ARTICLES_AND_PRONOUNS.match(function.name)
    )


def test_only_the_transaction_commits() -> None:
    committing = [
        name
        for name, path in python_files(*PACKAGES)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr == "commit"
    ]
    assert set(committing) == COMMITTING
    assert committing.count("realtime/transaction.py") == 1


def test_no_session_or_connection_commits_by_leaving_a_block() -> None:
    # `engine.begin()` and `session.begin()` commit without the word.
    fail_on(
        f"{name}:{node.lineno}"
        for name, path in python_files(*PACKAGES)
        if name not in COMMITTING and not path.is_relative_to(MIGRATIONS.parent)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute)
        and node.attr in {"begin", "begin_nested"}
        and _last_name(node.value) in {"session", "connection", "engine", "_engine", "_session"}
    )


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def test_words_are_compared_in_sql_in_one_form() -> None:
    # `models.words` has that form; text that looks the same differs in these.
    methods, functions = {"ilike", "icontains", "istartswith", "iendswith"}, {"lower", "upper"}
    fail_on(
        f"{name}:{node.lineno}: use models.words"
        for name, path in python_files(*PACKAGES)
        if name != "models/words.py" and not path.is_relative_to(MIGRATIONS)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute)
        and (node.attr in methods or (node.attr in functions and _last_name(node.value) == "func"))
    )


# --- Permissions


@cache
def resolvers_with_context() -> dict[str, bool]:
    """Map the public functions of `resolvers` that take a context to true if they have `@permitted`."""
    return {
        f"{module_name(name)}.{node.name}": any(
            isinstance(decorator, ast.Call) and _last_name(decorator.func) == "permitted"
            for decorator in node.decorator_list
        )
        for name, path in python_files("resolvers")
        if name != "resolvers/loaders.py"
        for node in parsed(path).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and not node.name.startswith("_")
        and [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)][:1] == ["context"]
    }


def names_used(tree: ast.Module) -> Iterator[str]:
    """Yield the full names of what a module imports and uses from first-party modules."""
    imported: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            imported |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            imported |= {alias.asname: alias.name for alias in node.names if alias.asname}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in imported:
            yield imported[node.id]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{imported.get(node.value.id, node.value.id)}.{node.attr}"


def test_every_resolver_that_the_api_calls_has_a_permission() -> None:
    # Loaders are left out: they are given ids from rows that the caller has been shown.
    reachable = {
        resolver
        for _, path in python_files("schema", "server")
        for resolver in names_used(parsed(path))
        if resolver in resolvers_with_context()
    }
    fail_on(
        f"{resolver} needs @permitted" for resolver in reachable if not resolvers_with_context()[resolver]
    )
    assert len(reachable) > 50, "the search finds the resolvers"


# --- One name for one thing


def test_names_are_imported_from_the_module_that_defines_them() -> None:
    files = dict(python_files(*FOLDERS))
    modules = {module_name(name): path for name, path in files.items()}
    fail_on(
        f"{name}:{node.lineno}: {alias.name} is not defined in {node.module}"
        for name, path in files.items()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ImportFrom) and node.module in modules
        for alias in node.names
        if f"{node.module}.{alias.name}" not in modules and alias.name not in defined_in(modules[node.module])
    )


@cache
def defined_in(path: Path) -> set[str]:
    """Return the names that a module binds at its top level, other than by imports."""
    return {name for node in parsed(path).body for name in _bound_by(node)}


def _bound_by(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif not isinstance(node, ast.Import | ast.ImportFrom):
        yield from (
            child.id
            for child in ast.walk(node)
            if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store)
        )


# --- Generated files


@pytest.mark.parametrize(
    ("path", "options"), [("schema/schema.graphql", []), ("docs/permissions.md", ["--permissions"])]
)
def test_file_printed_by_baton_schema_is_fresh(path: str, options: list[str]) -> None:
    assert (ROOT / path).read_text() == run_baton("schema", *options).stdout, "run `make schema`"


def test_events_in_the_webhook_page_are_fresh(tmp_path: Path) -> None:
    page = ROOT / "docs/webhooks.md"
    copy = tmp_path / "webhooks.md"
    copy.write_text(page.read_text())
    subprocess.run([sys.executable, "-m", "notifications.webhook.docs", copy], cwd=ROOT, check=True)
    assert copy.read_text() == page.read_text(), "run `make webhooks`"
