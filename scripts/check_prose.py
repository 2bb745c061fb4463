"""Check the language of docstrings, comments, messages and Markdown.

    python -m scripts.check_prose [--warnings] [PATH ...]

Without a path, everything is checked. A finding is printed as `file:line: message`, and the exit status is 1
if there is any. Sentences over 25 words are counted, and printed with `--warnings`.

`# prose: ok`, in Markdown `<!-- prose: ok -->`, accepts the words on its line. At the end of a string it
accepts the whole string.
"""

import ast
import io
import os
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

ROOT = Path(__file__).parent.parent
SKIPPED_FOLDERS = {".venv", ".git", "node_modules", "build", "dist", "__pycache__", ".hypothesis"}
GENERATED = "docs/permissions.md"
HASH_COMMENTS = {".toml", ".yaml", ".yml", ".sh"}
HASH_COMMENT_NAMES = {"Makefile", "run", ".editorconfig", ".gitmessage"}
MESSAGE_KEYWORDS = {"description", "help", "summary"}

WARNING_WORDS = 25
MAX_WORDS = 40

_MARKER = re.compile(r"#\s*prose: ok|<!--\s*prose: ok")
_DIRECTIVE = re.compile(r"#\s*(!|noqa|type:|prose: ok|pragma|fmt:|ruff:|mypy:|-\*-)")
_OPENINGS = {"who", "whom", "what", "whatever", "whoever", "whether", "how", "where", "by"}
_NOUN_OPENINGS = {"a", "an", "the", "that", "this", "its", "if", "when", "for", "as", "of", "in", "on"}
_NOUN_DECORATORS = {"property", "cached_property", "fixture", "setter"} | {
    "field",
    "sync_or_async_field",
    "mutation",
    "subscription",
}
_NOT_VERBS = {"always", "as", "its", "this", "yes", "alias", "less", "plus", "thus", "focus"}
_IRREGULAR_VERBS = {"has": "Have", "does": "Do", "goes": "Go", "is": "Be"}
_VAGUE_NAMES = {"one", "found", "told", "known"}
_VAGUE_DEFINITIONS = {"found", "told", "ears", "stands", "stood"}

_ADVERBS = "already|not|never|just|since|also|now|all|both|been|long|only"
_PROXY = r"(?:\w+[ -]){1,3}(?:proxy|balancer|firewall|gateway|router|nat)\b"


def _words(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-])(?:{pattern})(?![\w])", re.IGNORECASE)


SUBSTITUTIONS: list[tuple[re.Pattern[str], str]] = [
    (_words("tells?|told|telling"), "the operation's verb: publish, notify, return, log, deliver"),
    (_words("(?:is|are) to(?! the| an?\\b)"), "must or should"),
    (_words("anew"), "again"),
    (_words(f"behind(?! {_PROXY})"), "after"),
    (_words("beside"), "next to"),
    (_words("alone"), "only"),
    (_words("by then"), "currently"),
    (_words("of late"), "recently"),
    (_words("whoever"), "anyone who, or the party"),
    (_words("nobody|somebody"), "the party that is meant, such as the client or the caller"),
    (_words("at once"), "immediately or concurrently"),
    (_words("reckon(?:s|ed|ing)?"), "compute"),
    (_words("in earnest"), "in production"),
    (_words("good for"), "valid for"),
    (_words("stands? (?:in|for)"), "is, means or replaces"),
    (_words("(?:an|the) acts?"), "transaction"),
    (_words(rf"ha(?:s|ve|d|ving)(?: (?!(?:{_ADVERBS})\b)\w+){{1,3}} (?:ended|told)"), "a direct verb"),
    (_words("heed(?:s|ed|ing)?"), "handle"),
    (_words("dress(?:es|ed|ing)?"), "format or build"),
    (_words("parcels?"), "prepared delivery"),
    (_words("bells?"), "pub/sub"),
    (_words("deaf"), "stalled"),
    (_words("rungs?|ropes?"), "pub/sub backend"),
    (_words("houses?"), "services"),
    (_words("rooms?"), "package"),
    (_words("doors?"), "entry point"),
    (_words("stairs"), "the literal term"),
]


class Opening(Enum):
    """What the first word of a text may be."""  # prose: ok

    ANY = auto()
    NOUN = auto()
    IMPERATIVE = auto()


@dataclass(frozen=True, slots=True)
class Finding:
    """A place in a file that breaks a rule."""

    path: str
    line: int
    message: str
    is_warning: bool = False

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True, slots=True)
class Block:
    """A text of consecutive lines, numbered as in the file."""

    lines: list[tuple[int, str]]
    opening: Opening = Opening.ANY


class Paragraph:
    """Lines joined by spaces, which still knows the line of each character."""

    def __init__(self, lines: list[tuple[int, str]]) -> None:
        self._starts: list[tuple[int, int]] = []
        self.text = ""
        for number, line in lines:
            self._starts.append((len(self.text), number))
            self.text += line.strip() + " "

    def line_at(self, offset: int) -> int:
        """Return the number of the line that holds the character at `offset`."""
        return max((start, number) for start, number in self._starts if start <= offset)[1]

    def sentences(self) -> Iterator[tuple[int, int, str]]:
        """Yield the start and end offset of each sentence, and its text."""
        start = 0
        for end in re.finditer(r"[.!?][\"')\]*_]*(?=\s+[\"'(\[*_`]*[A-Z0-9`])|$", self.text):
            yield start, end.end(), self.text[start : end.end()]
            start = end.end()


def check_file(path: Path, name: str) -> list[Finding]:
    """Return the findings in one file; `name` is printed as its name."""
    source = path.read_text(encoding="utf-8")
    marked = {number for number, line in enumerate(source.split("\n"), 1) if _MARKER.search(line)}
    if path.suffix == ".py":
        tree = ast.parse(source)
        blocks = [*_strings(tree, marked), *_comments(source)]
        findings = [*_check_names(tree, name)]
    elif path.suffix == ".md":
        blocks, findings = [Block(list(_markdown_lines(source)))], []
    else:
        blocks, findings = list(_hash_comments(source)), []
    for block in blocks:
        findings += _check_block(block, name, marked)
    return sorted((f for f in findings if f.line not in marked), key=lambda finding: finding.line)


def _check_block(block: Block, name: str, marked: set[int]) -> Iterator[Finding]:
    paragraphs = [Paragraph(lines) for lines in _paragraphs(block.lines)]
    if paragraphs and block.opening is not Opening.ANY:
        yield from _check_opening(paragraphs[0], block.opening, name)
    for paragraph in paragraphs:
        yield from _check_words(paragraph, name)
        yield from _check_sentences(paragraph, name, marked)


def _check_opening(paragraph: Paragraph, opening: Opening, name: str) -> Iterator[Finding]:
    match = re.match(r"[\"'(]*([A-Za-z]+)", paragraph.text)
    if match is None:
        return
    word = match[1].lower()
    line = paragraph.line_at(0)
    if word in _OPENINGS:
        yield Finding(name, line, f'begins with "{match[1]}": begin with a verb (function) or a noun phrase')
    elif opening is Opening.IMPERATIVE and word in _NOUN_OPENINGS:
        yield Finding(name, line, f'begins with "{match[1]}": begin with an imperative verb')
    elif opening is Opening.IMPERATIVE and re.search(r"(?<![su])s$", word) and word not in _NOT_VERBS:
        yield Finding(name, line, f'begins with "{match[1]}": use the imperative "{_imperative(match[1])}"')


def _imperative(verb: str) -> str:
    """Return the imperative of a verb in the third person."""
    if verb.lower() in _IRREGULAR_VERBS:
        return _IRREGULAR_VERBS[verb.lower()]
    for ending, replacement in (("sses", "ss"), ("shes", "sh"), ("ches", "ch"), ("xes", "x"), ("ies", "y")):
        if verb.endswith(ending):
            return verb.removesuffix(ending) + replacement
    return verb[:-1]


def _check_words(paragraph: Paragraph, name: str) -> Iterator[Finding]:
    text = re.sub(
        r"\"[^\"]{1,200}\"|“[^”]*”", lambda quoted: "_" * len(quoted[0]), _without_code(paragraph.text)
    )
    for pattern, instead in SUBSTITUTIONS:
        for match in pattern.finditer(text):
            message = f'"{match[0]}": write {instead}'
            yield Finding(name, paragraph.line_at(match.start()), message)


def _check_sentences(paragraph: Paragraph, name: str, marked: set[int]) -> Iterator[Finding]:
    for start, end, sentence in paragraph.sentences():
        count = sum(any(map(str.isalnum, word)) for word in re.sub(r"`[^`]+`", "x", sentence).split())
        first = paragraph.line_at(start + len(sentence) - len(sentence.lstrip()))
        if count <= WARNING_WORDS or marked.intersection(range(first, paragraph.line_at(end - 1) + 1)):
            continue
        limit = WARNING_WORDS if count <= MAX_WORDS else MAX_WORDS
        yield Finding(
            name, first, f"sentence of {count} words: at most {limit}", is_warning=count <= MAX_WORDS
        )


def _without_code(text: str) -> str:
    """Blank out code and link targets, and keep the length."""
    code = re.compile(r"``.+?``|`[^`]+`|(?<=\])\([^)]*\)|<?https?://\S+|<!--.*?-->")
    return code.sub(lambda match: "_" * len(match[0]), text)


def _paragraphs(lines: list[tuple[int, str]]) -> Iterator[list[tuple[int, str]]]:
    """Split lines at blank lines, list items, headings, table rows and cells."""
    paragraph: list[tuple[int, str]] = []
    for number, line in [*lines, (0, "")]:
        text = line.strip().removeprefix(">").strip()
        starts = re.match(r"([*+-]|\d+[.)])\s+|#+\s|\|", text)
        if paragraph and (not text or starts):
            yield paragraph
            paragraph = []
        if text.startswith("|"):
            yield from ([(number, cell)] for cell in text.split("|") if cell.strip(" -:"))
        elif text.startswith("#"):
            yield [(number, text.lstrip("# "))]
        elif text:
            paragraph.append((number, text[starts.end() :] if starts else text))


def _markdown_lines(source: str) -> Iterator[tuple[int, str]]:
    """Yield the lines outside code blocks and generated parts."""
    in_code = is_generated = False
    for number, line in enumerate(source.split("\n"), 1):
        if line.startswith("<!--"):
            is_generated = "generated by" in line
        if line.lstrip().startswith("```"):
            in_code = not in_code
            yield number, ""
        elif not in_code and not is_generated:
            yield number, line


def _docstring_lines(text: str, first: int) -> Iterator[tuple[int, str]]:
    """Yield the lines of a docstring without indented examples and doctests."""
    lines = text.expandtabs().split("\n")
    indents = [len(line) - len(line.lstrip()) for line in lines[1:] if line.strip()]
    base = min(indents, default=0)
    after_blank = False
    for index, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        is_example = index > 0 and after_blank and indent >= base + 4
        after_blank = not line.strip() or is_example
        is_doctest = line.lstrip().startswith((">>>", "..."))
        yield first + index, "" if is_example or is_doctest else line


def _strings(tree: ast.Module, marked: set[int]) -> Iterator[Block]:
    """Yield docstrings, messages of exceptions, and descriptions."""
    openings = dict(_docstring_openings(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            text, constant = node.value.value, node.value
            if isinstance(text, str) and constant.end_lineno not in marked:
                lines = list(_docstring_lines(text, constant.lineno))
                yield Block(lines, openings.get(constant, Opening.NOUN))
        elif isinstance(node, ast.Call):
            yield from _message_blocks(node, marked)


def _docstring_openings(tree: ast.Module) -> Iterator[tuple[ast.expr, Opening]]:
    """Yield the docstring of each function that must begin with an imperative verb."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and isinstance(node.body[0], ast.Expr):
            decorators = {_last_name(decorator) for decorator in node.decorator_list}
            is_noun = node.name.startswith("test_") or decorators & _NOUN_DECORATORS
            yield node.body[0].value, Opening.NOUN if is_noun else Opening.IMPERATIVE


def _message_blocks(call: ast.Call, marked: set[int]) -> Iterator[Block]:
    is_error = _last_name(call.func).endswith(("Error", "Exception"))
    values = [(value, Opening.ANY) for value in call.args if is_error]
    for keyword in call.keywords:
        if keyword.arg in MESSAGE_KEYWORDS:
            values.append((keyword.value, Opening.NOUN))
        elif is_error:
            values.append((keyword.value, Opening.ANY))
    for value, opening in values:
        text = _text_of(value)
        if text is not None and value.end_lineno not in marked:
            yield Block([(value.lineno, text)], opening)


def _text_of(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "`x`" for part in node.values)
    return None


def _last_name(node: ast.expr) -> str:
    """Return `c` for `a.b.c`, `c(…)` and `c`."""
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _check_names(tree: ast.Module, name: str) -> Iterator[Finding]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if node.name.lower() in _VAGUE_DEFINITIONS:
                yield Finding(name, node.lineno, f'definition "{node.name}": name what it returns or is')
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            identifier = node.id
        elif isinstance(node, ast.arg):
            identifier = node.arg
        else:
            continue
        if identifier in _VAGUE_NAMES:
            yield Finding(name, node.lineno, f'variable "{identifier}": name the thing')


def _comments(source: str) -> Iterator[Block]:
    """Yield comments; those on consecutive lines are one text."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token for token in tokens if token.type == tokenize.COMMENT]
    yield from _comment_blocks((t.start[0], t.string, t.line.lstrip().startswith("#")) for t in comments)


def _hash_comments(source: str) -> Iterator[Block]:
    """Yield comments of a file whose comments begin with `#` after a space or at the start of a line."""
    matches = [(n, re.search(r"(?:^|\s)(#.*)", line), line) for n, line in enumerate(source.split("\n"), 1)]
    yield from _comment_blocks([(n, m[1], line.lstrip().startswith("#")) for n, m, line in matches if m])


def _comment_blocks(comments: Iterable[tuple[int, str, bool]]) -> Iterator[Block]:
    """Yield blocks of comments, given as line, text, and true if nothing else is on the line."""
    block: list[tuple[int, str]] = []
    for number, comment, is_whole_line in comments:
        text = "" if _DIRECTIVE.match(comment) else comment.lstrip("#").strip()
        if block and not (is_whole_line and number == block[-1][0] + 1):
            yield Block(block)
            block = []
        block.append((number, text))
        if not is_whole_line:
            yield Block(block)
            block = []
    if block:
        yield Block(block)


def files_in(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the files that can be checked, in folders and among `paths`."""
    for path in paths:
        candidates = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in candidates:
            is_text = file.suffix in {".py", ".md", *HASH_COMMENTS} or file.name in HASH_COMMENT_NAMES
            if is_text and file.is_file() and not SKIPPED_FOLDERS & set(file.parts):
                yield file


def main(arguments: list[str]) -> int:
    """Print the findings and return the exit status."""
    prints_warnings = "--warnings" in arguments
    paths = [Path(argument) for argument in arguments if argument != "--warnings"] or [ROOT]
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        print(f"no such file: {', '.join(missing)}", file=sys.stderr)
        return 2
    errors = warnings = 0
    for path in files_in(paths):
        if path.as_posix().endswith(GENERATED):
            continue
        for finding in check_file(path, os.path.relpath(path)):
            warnings += finding.is_warning
            errors += not finding.is_warning
            if prints_warnings or not finding.is_warning:
                print(finding)
    print(f"{errors} to change, {warnings} sentences over {WARNING_WORDS} words", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
