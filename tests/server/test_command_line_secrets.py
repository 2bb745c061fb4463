"""Other accounts of a machine can read command lines, so no secret is part of one."""

import re
from collections.abc import Iterator
from typing import Any

import click
import pytest
import typer.main

from server.cli.main import app

_SECRET = re.compile(r"pass|secret|token|credential|\bkey\b", re.IGNORECASE)


def parameters(command: Any, path: str = "baton") -> Iterator[tuple[str, Any]]:
    for parameter in command.params:
        yield f"{path} {parameter.name}", parameter
    for name, inner in getattr(command, "commands", {}).items():
        yield from parameters(inner, f"{path} {name}")


def takes_secret(parameter: Any) -> bool:
    names = [parameter.name or "", *parameter.opts]
    return not getattr(parameter, "is_flag", False) and any(_SECRET.search(name) for name in names)


def test_no_command_takes_a_password_as_an_argument() -> None:
    everything = list(parameters(typer.main.get_command(app)))
    assert len(everything) > 20
    assert [name for name, parameter in everything if takes_secret(parameter)] == []


@pytest.mark.parametrize("name", ["--password", "--api-key", "--smtp-password", "--token"])
def test_option_with_a_secret_is_noticed(name: str) -> None:
    assert takes_secret(click.Option([name]))
    assert not takes_secret(click.Option([f"{name}-stdin"], is_flag=True))
