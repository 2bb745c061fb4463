from pathlib import Path

import pytest

from scripts.check_commit_message import main, problems_of

BODY = "\n\nThe old limit was hit in production.\n"


@pytest.mark.parametrize(
    "message",
    [
        "Limit the wait for a free connection" + BODY,
        "x" * 72 + BODY,
        "# a comment of git\n\nLimit the wait" + BODY,
        "Limit the wait\n\nWhy.\n# ------------------------ >8 ------------------------\n+a;\n",
        "Limit the wait\n\nWhy.\n\nCo-authored-by: Bo <bo@example.com>\n",
        "Merge branch 'main' into limits",
        'Revert "Limit the wait; count it"',
        "fixup! Limit the wait",
    ],
)
def test_good_message_passes(message: str) -> None:
    assert problems_of(message) == []


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        ("x" * 73 + BODY, "the subject has 73 characters: at most 72"),
        ("Limit the wait; count it" + BODY, 'the subject has a ";"'),
        ("Limit the wait." + BODY, "the subject ends with a period"),
        ("Limit the wait", "there is no body"),
        ("Limit the wait\n\n# a comment of git\n", "there is no body"),
        ("Limit the wait\n\nCo-authored-by: Bo <bo@example.com>\n", "there is no body"),
        ("Limit the wait\nin production\n", "the line after the subject is not blank"),
    ],
)
def test_message_with_a_problem_fails(message: str, problem: str) -> None:
    [found_problem] = problems_of(message)
    assert found_problem.startswith(problem)


def test_empty_message_fails() -> None:
    assert problems_of("# only comments\n")[0] == "the subject is empty"


def test_status_follows_the_problems(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "COMMIT_EDITMSG"
    path.write_text("Limit the wait" + BODY)
    assert main([str(path)]) == 0
    path.write_text("Limit the wait")
    assert main([str(path)]) == 1
    assert capsys.readouterr().err.startswith("commit message: there is no body")
    assert main([]) == 2


def test_commit_template_is_no_message() -> None:
    template = Path(__file__).parents[2] / ".gitmessage"
    assert "the subject is empty" in problems_of(template.read_text())
