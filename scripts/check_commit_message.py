"""Check the form of a commit message.

    python -m scripts.check_commit_message FILE

The subject has at most 72 characters, one change (no ";") and no final period. A blank line and a body that
says why follow it. Git's own subjects (merge, revert, fixup, squash) are accepted as they are.
"""

import re
import sys
from pathlib import Path

MAX_SUBJECT = 72

_SCISSORS = re.compile(r"^# -+ >8 -+$", re.MULTILINE)
_TRAILER = re.compile(r"[A-Z][A-Za-z-]+: \S")
_WRITTEN_BY_GIT = ("Merge ", 'Revert "', "fixup! ", "squash! ", "amend! ")


def problems_of(message: str) -> list[str]:
    """Return the problems of a message, as git passes it to the hook."""
    text = _SCISSORS.split(message)[0]
    lines = [line.rstrip() for line in text.split("\n") if not line.startswith("#")]
    subject, *rest = "\n".join(lines).strip("\n").split("\n")
    if subject.startswith(_WRITTEN_BY_GIT):
        return []
    problems = _problems_of_subject(subject)
    if rest and rest[0]:
        problems.append("the line after the subject is not blank")
    if not any(line and not _TRAILER.match(line) for line in rest):
        problems.append("there is no body: say why, and what was tried and rejected")
    return problems


def _problems_of_subject(subject: str) -> list[str]:
    problems = []
    if not subject:
        problems.append("the subject is empty")
    if len(subject) > MAX_SUBJECT:
        problems.append(f"the subject has {len(subject)} characters: at most {MAX_SUBJECT}")
    if ";" in subject:
        problems.append('the subject has a ";": make one commit for each change')
    if subject.endswith("."):
        problems.append("the subject ends with a period")
    return problems


def main(arguments: list[str]) -> int:
    """Print the problems of the message in a file and return the exit status."""
    if len(arguments) != 1:
        print("usage: python -m scripts.check_commit_message FILE", file=sys.stderr)
        return 2
    problems = problems_of(Path(arguments[0]).read_text(encoding="utf-8"))
    for problem in problems:
        print(f"commit message: {problem}", file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
