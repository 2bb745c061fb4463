"""Consoles for tables on standard output."""

import io
from typing import TextIO

from rich.console import Console


def console_on(file: TextIO, width_of_a_file: int) -> Console:
    """Return a console that replaces characters which the encoding of `file` lacks."""
    if isinstance(file, io.TextIOWrapper):
        file.reconfigure(errors="replace")
    width = None if file.isatty() else width_of_a_file
    return Console(file=file, width=width, highlight=False)
