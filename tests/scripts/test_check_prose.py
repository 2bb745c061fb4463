from pathlib import Path

import pytest

from scripts.check_prose import check_file, main


def findings(tmp_path: Path, source: str, name: str = "module.py") -> list[str]:
    """Return what fails in a file of `source`, as `line: message`."""
    path = tmp_path / name
    path.write_text(source, encoding="utf-8")
    return [
        f"{finding.line}: {finding.message}" for finding in check_file(path, name) if not finding.is_warning
    ]


def warnings(tmp_path: Path, source: str) -> list[int]:
    path = tmp_path / "page.md"
    path.write_text(source, encoding="utf-8")
    return [finding.line for finding in check_file(path, "page.md") if finding.is_warning]


def function(docstring: str, decorator: str = "") -> str:
    return f'{decorator}\ndef f():\n    """{docstring}"""\n'


@pytest.mark.parametrize("word", ["Who", "Whom", "What", "Whatever", "Whether", "How", "Where", "By"])
def test_docstring_with_clause_as_subject_fails(tmp_path: Path, word: str) -> None:
    message = f'begins with "{word}": begin with a verb (function) or a noun phrase'
    assert findings(tmp_path, f'"""{word} comes first."""\n') == [f"1: {message}"]
    assert findings(tmp_path, f'class C:\n    """{word} comes first."""\n') == [f"2: {message}"]
    assert findings(tmp_path, function(f"{word} comes first.")) == [f"3: {message}"]


@pytest.mark.parametrize("word", ["The", "A", "An", "If", "Returns", "Passes", "Carries"])
def test_docstring_of_function_without_imperative_fails(tmp_path: Path, word: str) -> None:
    [finding] = findings(tmp_path, function(f"{word} open escalation."))
    assert finding.startswith(f'3: begins with "{word}": ')


@pytest.mark.parametrize(
    ("verb", "imperative"), [("Returns", "Return"), ("Matches", "Match"), ("Copies", "Copy"), ("Has", "Have")]
)
def test_imperative_is_suggested(tmp_path: Path, verb: str, imperative: str) -> None:
    assert findings(tmp_path, function(f"{verb} it.")) == [
        f'3: begins with "{verb}": use the imperative "{imperative}"'
    ]


@pytest.mark.parametrize("verb", ["Return", "Process", "Pass", "Discuss", "Focus", "List"])
def test_docstring_with_imperative_passes(tmp_path: Path, verb: str) -> None:
    assert findings(tmp_path, function(f"{verb} the open escalation.")) == []


@pytest.mark.parametrize(
    "decorator", ["@property", "@strawberry.field", "@strawberry.mutation(name='x')", "@pytest.fixture"]
)
def test_docstring_of_field_may_be_a_noun_phrase(tmp_path: Path, decorator: str) -> None:
    assert findings(tmp_path, function("The team, by name.", decorator)) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Subscribers are told.", "told"),
        ("A caller is to wait.", "is to"),
        ("Read it anew.", "anew"),
        ("Return entries behind the position.", "behind"),
        ("Kept beside it.", "beside"),
        ("For admins alone.", "alone"),
        ("It was closed by then.", "by then"),
        ("Sent of late.", "of late"),
        ("It answers whoever asks.", "whoever"),
        ("There is nobody there.", "nobody"),
        ("Start both at once.", "at once"),
        ("It is reckoned in minutes.", "reckoned"),
        ("Run it in earnest.", "in earnest"),
        ("A token is good for an hour.", "good for"),
        ("The key stands for it.", "stands for"),
        ("Commit the act.", "the act"),
        ("It has the socket ended.", "has the socket ended"),
        ("A bell rings.", "bell"),
        ("The house is open.", "house"),
    ],
)
def test_word_fails_in_docstring_comment_message_and_markdown(tmp_path: Path, text: str, words: str) -> None:
    sources = {
        "docstring.py": f'"""{text}"""\n',
        "comment.py": f"# {text}\n",
        "trailing.py": f"x = 1  # {text}\n",
        "error.py": f'raise ValueError("{text}")\n',
        "template.py": f'raise ValueError(f"{{x}} {text}")\n',
        "description.py": f'f(description="{text}")\n',
        "page.md": f"{text}\n",
        "item.md": f"* {text}\n",
        "cell.md": f"| x | {text} |\n",
        "pyproject.toml": f"x = 1  # {text}\n",
        "Makefile": f"# {text}\n",
    }
    for name, source in sources.items():
        [finding] = findings(tmp_path, source, name)
        assert finding.startswith(f'1: "{words}": write '), name


@pytest.mark.parametrize(
    "text",
    [
        "Baton runs behind a reverse proxy.",
        "A customer may write `tell me`.",
        'The word "nobody" is a name.',
        "The message has already ended.",
        "A stand-alone process in the address space.",
        "See [the page](docs/behind.md).",
    ],
)
def test_similar_words_pass(tmp_path: Path, text: str) -> None:
    assert findings(tmp_path, f"# {text}\n") == []


def test_words_over_a_line_break_fail_on_the_first_line(tmp_path: Path) -> None:
    [finding] = findings(tmp_path, "# First line.\n# Start both at\n# once.\n")
    assert finding == '2: "at once": write immediately or concurrently'


def test_line_of_docstring_is_line_of_file(tmp_path: Path) -> None:
    source = 'class C:\n    """\n    A noun.\n\n    Readers are told.\n    """\n'
    assert [line.split(":")[0] for line in findings(tmp_path, source)] == ["5"]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("docstring.py", '"""Clients are told."""  # prose: ok\n'),
        ("long.py", '"""\nClients are told.\n"""  # prose: ok\n'),
        ("comment.py", "# Clients are told.  # prose: ok\n"),
        ("error.py", 'raise ValueError("told")  # prose: ok: the customer\'s word\n'),
        ("name.py", "told = 1  # prose: ok\n"),
        ("page.md", "Clients are told. <!-- prose: ok -->\n"),
    ],
)
def test_marked_line_passes(tmp_path: Path, name: str, source: str) -> None:
    assert findings(tmp_path, source, name) == []
    unmarked = source.replace("# prose: ok", "#").replace("<!-- prose: ok -->", "")
    assert findings(tmp_path, unmarked, name) != []


def test_code_in_markdown_and_examples_in_docstrings_pass(tmp_path: Path) -> None:
    assert findings(tmp_path, "```\nnobody\n```\n", "page.md") == []
    assert findings(tmp_path, '"""\nA module.\n\n    nobody\n"""\n') == []
    assert findings(tmp_path, '"""\nA module.\n\n>>> nobody\n"""\n') == []


def test_generated_part_of_markdown_passes(tmp_path: Path) -> None:
    generated = "<!-- events: generated by `x` -->\n\nnobody\n"
    assert findings(tmp_path, generated, "page.md") == []
    [finding] = findings(tmp_path, generated + "<!-- end of events -->\nsomebody\n", "page.md")
    assert finding.startswith('5: "somebody"')


def test_strings_that_are_no_messages_pass(tmp_path: Path) -> None:
    assert findings(tmp_path, 'said = f("nobody told me")\n') == []


@pytest.mark.parametrize("name", ["one", "found", "told", "known"])
@pytest.mark.parametrize(
    "source",
    ["{} = 1", "for {} in x:\n    pass", "[x for {} in y]", "def f({}): ...", "with x as {}:\n    pass"],
)
def test_vague_variable_fails(tmp_path: Path, name: str, source: str) -> None:
    assert findings(tmp_path, source.format(name) + "\n") == [f'1: variable "{name}": name the thing']


@pytest.mark.parametrize("name", ["found", "told", "Told", "Ears", "stands", "stood"])
@pytest.mark.parametrize("source", ["def {}(): ...", "async def {}(): ...", "class {}: ..."])
def test_vague_function_or_class_fails(tmp_path: Path, name: str, source: str) -> None:
    expected = [f'1: definition "{name}": name what it returns or is']
    assert findings(tmp_path, source.format(name) + "\n") == expected


def test_use_of_vague_name_passes(tmp_path: Path) -> None:
    assert findings(tmp_path, "print(x.found, one)\n") == []


def test_sentence_over_forty_words_fails_and_over_twenty_five_warns(tmp_path: Path) -> None:
    assert findings(tmp_path, "word " * 40 + ".\n", "page.md") == []
    assert findings(tmp_path, "word " * 41 + ".\n", "page.md") == ["1: sentence of 41 words: at most 40"]
    assert warnings(tmp_path, "word " * 25 + ".\n") == []
    assert warnings(tmp_path, "Two words.\nMany " + "word " * 25 + ".\n") == [2]


def test_sentences_are_counted_apart(tmp_path: Path) -> None:
    sentence = "Word " * 24 + "word. "
    assert warnings(tmp_path, sentence * 3) == []
    assert warnings(tmp_path, f"* {sentence}\n* {sentence}\n\n| {sentence} | {sentence} |\n") == []


def test_status_and_output_name_the_findings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good.py").write_text('"""A module."""\n')
    assert main([str(tmp_path)]) == 0
    (tmp_path / "bad.py").write_text('"""A bell."""\n')
    assert main([str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == 'bad.py:1: "bell": write pub/sub\n'
    assert captured.err.endswith("1 to change, 0 sentences over 25 words\n")
    assert main([str(tmp_path / "absent")]) == 2


def test_warnings_are_printed_when_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.md").write_text("word " * 30)
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == ""
    assert main(["--warnings", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "page.md:1: sentence of 30 words: at most 25\n"
