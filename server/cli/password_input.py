"""Passwords that an operator chooses: from standard input, since other accounts can read a command line."""

import secrets
import sys
from typing import Annotated

import typer

PasswordStdin = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read the password from the first line of standard input."),
]


def chosen_password(*, read: bool) -> str:
    """Return the first line of standard input, else a generated password.

    On a terminal the operator is asked, and what is typed is not shown.
    """
    if not read:
        return secrets.token_hex(8)
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))
    return sys.stdin.readline().rstrip("\r\n")
