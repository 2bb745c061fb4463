"""Files, names, targets, commands and links that the documents name exist."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer
from graphql import build_schema, parse, validate
from typer.core import TyperGroup

from schema.api import printed_schema
from server.cli.main import app

ROOT = Path(__file__).parents[1]
SCHEMA = build_schema(printed_schema())
DOCUMENTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "docs/decisions").glob("*.md")),
]
# A record names what existed when it was written.
GUIDES = [path for path in DOCUMENTS if path.parent.name != "decisions"]
FOLDERS = [
    *("rules", "models", "realtime", "resolvers", "notifications", "schema", "server", "web", "attack"),
    *("bench", "chaos", "deploy", "docs", "examples", "scripts", "tests", ".ci"),
]
BUILT = {"static", "node_modules", "__pycache__", ".baton"}
# Files that Baton or its users write.
WRITTEN = {"secret_key", "postgres.log", "postgres.log.old", "postgres.made", "widget.js", "audit.csv"}
WRITTEN |= {"postgres-is-elsewhere.txt", "baton.env", "widget.mjs", "sbom.json", "demo.json", "app"}

SUFFIXES = "py|ts|tsx|mjs|graphql|md|txt|jsonl|json|html|css|toml|yaml|sh|service"
PATH = re.compile(rf"(?:\.?[\w-]+/)*[\w.-]+\.(?:{SUFFIXES})|(?:[\w-]+/)+|(?:{'|'.join(FOLDERS)})/[\w/-]+")
CODE = re.compile(r"`([^`\n]+)`")
# `name` in `path`, `name` of `path`, `name` (`path`
NAMED = re.compile(r"`([\w.]+)`(?:,? (?:in|of) | \()`([\w./-]+\.(?:py|tsx?))`")
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)\s#]*)(?:#([^)\s]+))?\)")


@cache
def files() -> list[str]:
    """Return the paths of all files and folders in the repository, relative to its root."""
    top = [path for path in ROOT.iterdir() if path.is_file() or path.name in FOLDERS]
    below = [path for folder in FOLDERS for path in walk(ROOT / folder)]
    return [path.relative_to(ROOT).as_posix() for path in top + below]


def walk(folder: Path) -> Iterator[Path]:
    """Yield what is in a folder, without what was built or installed."""
    for path in folder.iterdir():
        if path.name not in BUILT:
            yield path
            if path.is_dir():
                yield from walk(path)


def files_of(name: str) -> list[str]:
    """Return the paths that a document may mean by `name`: whole ones, or their ends."""
    end = "/" + name.strip("/")
    return [path for path in files() if f"/{path}".endswith(end)]


def prose(path: Path) -> str:
    """Return the text of a document without its blocks of code."""
    return re.sub(r"^ *```.*?^ *```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def title(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("document", GUIDES, ids=title)
def test_files_that_a_document_names_exist(document: Path) -> None:
    named = {name for name in CODE.findall(prose(document)) if PATH.fullmatch(name) and "NNNN" not in name}
    named = {name for name in named if Path(name).name not in WRITTEN and not BUILT & set(Path(name).parts)}
    missing = sorted(name for name in named if not files_of(name))
    assert missing == [], f"{title(document)} names files that do not exist"


@pytest.mark.parametrize("document", GUIDES, ids=title)
def test_names_are_in_the_files_that_a_document_gives_for_them(document: Path) -> None:
    text = re.sub(r"\s+", " ", prose(document))
    missing = [
        f"{name} in {file}"
        for name, file in NAMED.findall(text)
        if not any(has_words(ROOT / path, name.split(".")) for path in files_of(file))
    ]
    assert missing == [], f"{title(document)} names what is elsewhere, or does not exist"


def has_words(path: Path, words: list[str]) -> bool:
    source = path.read_text(encoding="utf-8")
    return all(re.search(rf"\b{word}\b", source) for word in words if word != "tx")


@pytest.mark.parametrize("document", GUIDES, ids=title)
def test_make_targets_and_commands_of_a_document_exist(document: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    text = document.read_text(encoding="utf-8")
    assert set(re.findall(r"(?:`|^ {4})make ([a-z-]+)", text, re.MULTILINE)) <= targets
    calls = re.findall(r"(?:`|^ {4}|^)baton ([a-z][^`\n]*)", text, re.MULTILINE)
    unknown = [call for call in calls if is_unknown(call)]
    assert unknown == [], f"{title(document)} has commands or options that do not exist"


def is_unknown(call: str) -> bool:
    """Return whether the command `baton CALL`, or one of its options, does not exist."""
    words = call.split("#")[0].split("&&")[0].split()
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    command = group.commands.get(words[0])
    if command is None:
        return True
    inner = getattr(command, "commands", {})
    params = [*command.params, *(inner[words[1]].params if words[1:] and words[1] in inner else [])]
    declared = {option for param in params for option in param.opts}
    options = set(re.findall(r"(?<!\S)\[?(--[a-z-]+)", " ".join(words)))
    return words[0] != "pg" and not options <= declared


@pytest.mark.parametrize("document", DOCUMENTS, ids=title)
def test_links_of_a_document_lead_to_pages_and_headings(document: Path) -> None:
    broken = [
        f"{target}#{anchor}" if anchor else target
        for target, anchor in LINK.findall(prose(document))
        if not leads(document.parent / target if target else document, anchor)
    ]
    assert broken == [], f"{title(document)} has broken links"


def leads(path: Path, anchor: str) -> bool:
    return path.exists() and (not anchor or anchor in anchors(path))


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", GUIDES, ids=lambda path: path.name)
def test_graphql_of_a_document_runs_as_it_is_written(document: Path) -> None:
    text = document.read_text()
    for block in re.findall(r"^ *```graphql\n(.*?)^ *```", text, re.DOTALL | re.MULTILINE):
        operations = parse(block)
        assert validate(SCHEMA, operations) == [], block
        assert len(operations.definitions) == 1, block


def test_every_page_is_listed_in_the_index_of_the_documents() -> None:
    index = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    listed = [target for target, _ in LINK.findall(index)]
    docs = ROOT / "docs"
    pages = {path.relative_to(docs).as_posix() for path in DOCUMENTS if path.is_relative_to(docs)}
    assert sorted(pages - {"README.md"} - set(listed)) == [], "list these in docs/README.md"
    records = [target for target in listed if target.startswith("decisions/")]
    assert records == sorted(set(records)), "list each record once, in order"
